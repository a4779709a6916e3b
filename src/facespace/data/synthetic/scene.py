"""The scene of a synthetic face: views of one picture, the shape of the head, the light and the colours.

Sizes are in page units (the shorter side of the picture is 2). Features live in face coordinates: u to the
right, v down, on a cylinder that turns with the head, so that turning moves and foreshortens them. Left and
right are painted together by mirroring u."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facespace.image import canvas as d

TURN = math.radians(25)  # yaw at +1
TILT = math.radians(12)  # roll at +1
PIVOT = 0.22  # the head rolls around this height
RADIUS = 0.47  # of the cylinder that carries the features; wider than any feature reaches

SKINS = d.from_hex("f8dac8", "f3cdb2", "e4b48f", "c69069", "9d6848", "754b36", "53362c")
HAIRS = d.from_hex("1d191b", "35241e", "5d3b28", "94643a", "d8ac6c", "f0d9a4")
REDS = d.from_hex("4a1512", "7a2a18", "a2421f", "bf5a2a", "d5793f", "e29a62")
GRAYS = d.from_hex("55565c", "74757b", "97989d", "b4b5b8", "d0d0d1", "e9e8e6")
IRISES = d.from_hex("3a2118", "6a4225", "8a7238", "5f8554", "4a88a8", "7fb2d6", "a3b4c4")
BACKDROPS = d.from_hex("d98f8a", "e6b08a", "dcc78f", "a9c39a", "86bdb5", "8fb4d8", "aaa0d2")
SHIRTS = d.from_hex("8e3146", "c65d3f", "d9a441", "5d8a5a", "2f7f83", "34568b", "6a4c86")
INK = d.from_hex("2a1a18")[0]
WHITE = np.ones(3, np.float32)


@dataclass
class Scene:
    """The input of every part: three views of one picture, the factors, the light and the colours of this
    face."""

    page: d.Canvas
    head: d.Canvas  # rolled with the head
    face: d.Canvas  # rolled and turned; masked by the head's outline
    factors: Mapping[str, float]
    colours: Mapping[str, d.Colour]
    light: tuple[float, float, float]  # unit vector towards the light; z towards the viewer
    turn: float  # radians
    outline: d.Array  # (H, W) distance to the outline of the head
    bulge: tuple[d.Array, d.Array]  # x and y of the head's surface normal before scaling, (H, W) each

    def __getitem__(self, name: str) -> float:
        return self.factors[name]

    def has(self, name: str) -> bool:
        return self.factors[name] > 0


def open_scene(factors: Mapping[str, float], height: int, width: int) -> Scene:
    """Set up the views and measure the head; nothing is painted yet."""
    page = d.Canvas.blank(height, width)
    roll, turn = TILT * factors["roll"], TURN * min(max(factors["yaw"], -1.25), 1.25)
    cos, sin = math.cos(roll), math.sin(roll)
    y = page.y - PIVOT
    head = page.through(
        page.x * cos + y * sin,
        y * cos - page.x * sin + PIVOT,
        lambda x, y: (x * cos - (y - PIVOT) * sin, x * sin + (y - PIVOT) * cos + PIVOT),
    )
    depth = np.sqrt(np.maximum(RADIUS**2 - head.x * head.x, 0))

    def unturn(u: float, v: float) -> d.Point:
        x = u * math.cos(turn) + math.sqrt(max(RADIUS**2 - u * u, 0)) * math.sin(turn)
        return head.to_page(x, v)

    u = head.x * math.cos(turn) - depth * math.sin(turn)
    outline, bulge = head_shape(head.x, head.y, factors, turn)
    face = head.through(u, head.y, unturn).within(d.coverage(outline, page.pixel))
    slant = 0.75 * factors["light_direction"]
    length = math.sqrt(slant**2 + 0.5**2 + 0.75**2)
    light = (slant / length, -0.5 / length, 0.75 / length)
    return Scene(page, head, face, factors, palette(factors), light, turn, outline, bulge)


def head_shape(x: d.Array, y: d.Array, factors: Mapping[str, float], turn: float) -> tuple[d.Array, tuple]:
    """Distance to the outline of the head, and its position relative to it (the outline lies at length 1)."""
    half, tall = 0.445 + 0.045 * factors["face_width"], 0.65
    t = (y + 0.07) * (1 / tall)
    below, above = np.clip(t, 0, 1), np.clip(-t, 0, 1)
    below, above = below * below, above * above
    # A turned chin leads the skull, because it lies further forward.
    x = x - math.sin(turn) * (0.06 + 0.17 * below)
    jaw, crown = (0.06 + 0.47 * factors["jaw"]) * below * (1.22 - below), 0.30 * above * (1 - above)
    width = half * (1 + jaw + crown)
    across = x / width
    gauge = np.sqrt(across * across + t * t) + np.float32(1e-6)
    return np.sqrt(x * x + (y + 0.07) ** 2) * (1 - 1 / gauge), (across, t)


def palette(factors: Mapping[str, float]) -> dict[str, d.Colour]:
    """The colours of one face, from its hues."""
    skin = d.ramp(SKINS, factors["skin_tone"])
    depth = (factors["skin_tone"] + 1) / 2
    shade, warm = factors["hair_shade"], factors["hair_warmth"]
    hair = d.mix(d.ramp(HAIRS, shade), d.ramp(REDS if warm > 0 else GRAYS, shade), min(abs(warm), 1.0) ** 1.5)
    backdrop = d.ramp(BACKDROPS, factors["background_hue"])
    tone = factors["background_lightness"]
    backdrop = d.mix(d.mix(backdrop, WHITE, max(0.25 + 0.45 * tone, 0.0)), INK, max(-tone, 0.0) * 0.62)
    return {
        "skin": skin,
        "skin_shadow": d.tint(skin, (0.75, 0.62, 0.59)),
        "skin_light": d.mix(skin, d.tint(WHITE, (1.0, 0.90, 0.78)), 0.30 - 0.12 * depth),
        "skin_line": d.tint(skin, (0.52, 0.38, 0.35)),
        "blush": d.mix(skin, d.from_hex("d8503f")[0], 0.42 - 0.26 * depth),
        "lips": d.mix(d.tint(skin, (0.86, 0.60, 0.60)), d.from_hex("b8434b")[0], 0.42 - 0.15 * depth),
        "hair": hair,
        "hair_shadow": d.tint(hair, (0.55, 0.50, 0.52)),
        "hair_light": d.mix(hair, d.tint(WHITE, (1.0, 0.90, 0.76)), 0.32),
        "brow": d.mix(d.tint(hair, (0.62, 0.58, 0.58)), INK, 0.25 + 0.35 * depth),
        "sclera": d.tint(d.from_hex("fbf8f4")[0], [1 - 0.10 * depth] * 3),
        "beard": d.mix(hair, INK, 0.10 + 0.45 * depth),  # or it would glow on dark skin
        "iris": d.tint(d.ramp(IRISES, factors["eye_hue"]), [1 - 0.25 * depth] * 3),
        "backdrop": backdrop,
        "shirt": d.ramp(SHIRTS, factors["shirt_hue"]),
    }
