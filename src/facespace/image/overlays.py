"""Glasses rendered onto prepared faces at the template's eye positions: pairs of one face with and without,
which no set of photographs has. Pixels in, pixels out; nothing is encoded here."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from facespace.image import canvas as d

SUPERSAMPLING = 4  # supersampling a side
# All lengths are in distances between the eyes (about 63 mm), with the origin between them and y down.
REACH, ABOVE, BELOW = 1.15, 0.5, 0.62  # of the part of a face that glasses may touch
SHARE_DARK = 0.3  # of glasses of either kind


class Glasses(NamedTuple):
    """One pair. Lenses are centred at (±apart, low)."""

    shape: str  # a row of LENSES
    apart: float
    low: float
    half_width: float
    half_height: float
    frame: float  # half the thickness of the frame
    colour: np.ndarray  # (3,) in [0, 1], of the frame
    tint: np.ndarray  # (3,) of the lens
    filled: float  # opacity of the lens
    glare: float  # opacity of a bright stripe over it
    turn: float  # radians, about the middle
    shift: tuple[float, float]


Lens = Callable[[np.ndarray, np.ndarray, Glasses], np.ndarray]


def _round(u: np.ndarray, v: np.ndarray, g: Glasses) -> np.ndarray:
    return d.ellipse(u, v, g.half_width, 0.5 * (g.half_width + g.half_height))


def _rectangle(u: np.ndarray, v: np.ndarray, g: Glasses) -> np.ndarray:
    return d.rounded_box(u, v, g.half_width, g.half_height, 0.45 * g.half_height)


def _aviator(u: np.ndarray, v: np.ndarray, g: Glasses) -> np.ndarray:
    """Wide above, drawn in and outward below."""
    narrow = 1 + 0.28 * np.clip(v / g.half_height, -1, 1)
    return d.rounded_box(
        (u - 0.12 * v) * narrow, v - 0.04, g.half_width, 1.12 * g.half_height, 0.75 * g.half_height
    )


def _browline(u: np.ndarray, v: np.ndarray, g: Glasses) -> np.ndarray:
    """Corners drawn up and outwards, as of the Wayfarer."""
    narrow = 1 + 0.14 * np.clip(v / g.half_height, -1, 1)
    return d.rounded_box(u * narrow, v + 0.10 * u, g.half_width, g.half_height, 0.6 * g.half_height)


# `u` grows from the nose outwards, on both sides.
LENSES: Mapping[str, Lens] = {
    "round": _round,
    "rectangle": _rectangle,
    "aviator": _aviator,
    "browline": _browline,
}

WHITE = np.ones(3, np.float32)
FRAMES = d.from_hex(
    "17151a", "17151a", "2b2320", "3d2a20", "55504c", "6e5a3a"
)  # black twice, browns, metal, gold
TINTS = d.from_hex("0d0c10", "15131a", "241a16", "1c2430", "2c2a26")


def clear(random: np.random.Generator) -> Glasses:
    """Eyeglasses: thin dark frames around almost transparent lenses."""
    return _pair(
        random, random.uniform(0.022, 0.055), random.uniform(0.20, 0.31), random.uniform(0.0, 0.12), 0.25
    )


def dark(random: np.random.Generator) -> Glasses:
    """Sunglasses: larger lenses that hide the eyes."""
    return _pair(
        random, random.uniform(0.02, 0.06), random.uniform(0.30, 0.40), random.uniform(0.82, 0.98), 0.35
    )


def either(random: np.random.Generator) -> Glasses:
    """Clear glasses, or dark ones with probability SHARE_DARK."""
    kind = dark if random.random() < SHARE_DARK else clear
    return kind(random)


# Name -> glasses at random, and the attribute that faces without them lack.
OVERLAYS: Mapping[str, tuple[Callable[[np.random.Generator], Glasses], str]] = {
    "Eyeglasses": (either, "Eyeglasses"),
    "Eyeglasses-clear": (clear, "Eyeglasses"),
    "Eyeglasses-dark": (dark, "Eyeglasses"),
}


def _pair(
    random: np.random.Generator, frame: float, half_height: float, filled: float, glare: float
) -> Glasses:
    shape = str(random.choice(list(LENSES)))
    is_clear = filled < 0.5
    tint = d.from_hex("c9d3da")[0] if is_clear else random.choice(TINTS)
    return Glasses(
        shape=shape,
        apart=random.uniform(0.50, 0.55),
        low=random.uniform(0.03, 0.12),
        half_width=random.uniform(0.36, 0.43),
        half_height=half_height,
        frame=frame,
        colour=random.choice(FRAMES),
        tint=tint,
        filled=filled,
        glare=random.uniform(0, glare),
        turn=random.uniform(-0.05, 0.05),
        shift=(random.uniform(-0.03, 0.03), random.uniform(-0.03, 0.04)),
    )


def add_glasses(face: np.ndarray, points: np.ndarray, glasses: Glasses) -> np.ndarray:
    """A face uint8 (H, W, C) with glasses; `points` (5, 2) are the template's, the eyes first. Pixels that
    the glasses do not cover are unchanged, bit for bit."""
    rows, columns = window(face.shape[:2], points)
    part = face[rows, columns]
    canvas = _canvas(part, points[:2] - (columns.start, rows.start), glasses)
    before = canvas.pixels.copy()
    _paint(canvas, glasses)
    height, width = part.shape[:2]
    change = (canvas.pixels - before).reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3).mean(
        (1, 3)
    ) * 255
    if face.shape[2] == 1:
        change = change @ np.array([[0.299], [0.587], [0.114]], np.float32)
    result = face.copy()
    result[rows, columns] = (part + change).round().clip(0, 255).astype(np.uint8)
    return result


def lens_brightness(face: np.ndarray, points: np.ndarray) -> float:
    """The brightness of a face uint8 (H, W, C) at the lenses of glasses ÷ that of the cheeks: near 0 for dark
    lenses, near 1 without."""
    (x, y), far = points[:2].mean(0), float(np.linalg.norm(points[1] - points[0]))
    rows, columns = np.mgrid[: face.shape[0], : face.shape[1]] + 0.5
    u, v = np.abs(columns - x) / far, (rows - y) / far
    light = face.mean(2)
    lenses = d.ellipse(u - 0.52, v - 0.07, 0.33, 0.24) < 0
    cheeks = np.maximum(np.abs(u - 0.5) - 0.3, np.abs(v - 0.7) - 0.15) < 0
    return float(light[lenses].mean() / max(light[cheeks].mean(), 1.0))


def window(shape: tuple[int, int], points: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns of a face (H, W) that glasses may touch."""
    (x, y), far = points[:2].mean(0), float(np.linalg.norm(points[1] - points[0]))
    rows = slice(max(int(y - ABOVE * far), 0), min(int(np.ceil(y + BELOW * far)), shape[0]))
    return rows, slice(max(int(x - REACH * far), 0), min(int(np.ceil(x + REACH * far)), shape[1]))


def _canvas(part: np.ndarray, eyes: np.ndarray, glasses: Glasses) -> d.Canvas:
    """The part of a face, enlarged, in the coordinates of the glasses."""
    large = np.repeat(
        np.repeat(np.broadcast_to(part, (*part.shape[:2], 3)), SUPERSAMPLING, 0), SUPERSAMPLING, 1
    )
    height, width = large.shape[:2]
    across = eyes[1] - eyes[0]
    far, angle = float(np.linalg.norm(across)), float(np.arctan2(across[1], across[0])) + glasses.turn
    x = (np.arange(width, dtype=np.float32) + 0.5) / SUPERSAMPLING
    y = (np.arange(height, dtype=np.float32) + 0.5) / SUPERSAMPLING
    middle = eyes.mean(0) + far * np.array(glasses.shift)
    x, y = np.meshgrid((x - middle[0]) / far, (y - middle[1]) / far)
    turned = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    turned = [part.astype(np.float32) for part in turned]
    return d.Canvas(large.astype(np.float32) / 255, turned[0], turned[1], 1 / (SUPERSAMPLING * far))


def _paint(canvas: d.Canvas, g: Glasses) -> None:
    u, v = np.abs(canvas.x) - g.apart, canvas.y - g.low
    lens = LENSES[g.shape](u, v, g)
    canvas.paint(lens, g.tint, g.filled)
    stripe = d.smooth(np.abs(canvas.x * 0.7 + v - 0.1), 0.10, 0.02)
    canvas.paint(lens, WHITE, g.glare * stripe)
    inner = g.apart - g.half_width
    bridge = d.bow(canvas.x, v + 0.05, inner + 0.02, -0.05) - g.frame
    corner = g.apart + g.half_width
    temple = d.segment(np.abs(canvas.x), v, (corner - 0.02, -0.10), (1.08, -0.07)) - 0.8 * g.frame
    rims = np.minimum(np.abs(lens) - g.frame, np.minimum(bridge, temple))
    canvas.paint(rims, g.colour, 0.92)
