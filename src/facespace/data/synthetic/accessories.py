"""Hair, glasses and hat of a synthetic face. One function a part, each of which paints on a Scene."""

from __future__ import annotations

import math

import numpy as np

from facespace.data.synthetic.scene import WHITE, Scene
from facespace.image import canvas as d


def _hair_length(s: Scene) -> float:
    """How far down the hair reaches, in v."""
    return 0.46 + 0.52 * s["hair_length"] + 0.10 * s["hair_length"] ** 2


def _hair_outline(s: Scene, x: d.Array, y: d.Array, skull: d.Array) -> d.Array:
    """Distance to everything the hair covers, the face included: a cap, and what falls from it."""
    volume, length, wide = s["hair_volume"], _hair_length(s), 0.045 * s["face_width"]
    skull = np.maximum(skull - 0.018, y - 0.05)  # even flat hair has some thickness
    x = x + 0.03 * math.sin(s.turn)
    full = 0.055 * volume + 0.02 + 0.025 * min(s["hair_length"], 0.0)
    flat = 0.06 + 0.05 * volume if s.has("Hat") else 0.0  # a hat presses the hair down
    cap = d.ellipse(x, y + 0.15, 0.492 + wide + full, 0.635 + 0.065 * volume - flat)
    drop = min(max(length, 0.0), 1.6)
    fall = d.rounded_box(x, y - (drop - 0.2) / 2, 0.43 + wide + full + 0.085 * drop, (drop + 0.2) / 2, 0.14)
    shape = np.minimum(d.soft_union(cap, fall, 0.14), skull)
    around = np.arctan2(x, -(y + 0.1))
    wave = np.sin(around * 15 + 1.6 * np.sin(y * 7 + 1)) + 0.5 * np.sin(around * 29 + 2.1 * np.sin(y * 11))
    shape = shape + 0.009 * max(s["curl"] + 1, 0) ** 1.5 * wave
    return d.soft_overlap(shape, y - max(length, 0.10), 0.12)


def _hair_colour(s: Scene, x: d.Array, y: d.Array) -> d.Colour:
    """Strands that radiate from the parting, with a band of gloss around the crown."""
    c, part = s.colours, 0.26 * s["parting"]
    curl = max(s["curl"] + 1, 0) ** 1.5
    flow = (x - part) / (y + 1.35) + 0.026 * curl * np.sin(y * 21 + np.sin(x * 13))
    strands = 0
    for count, weight in ((46, 0.60), (83, 0.40), (190, 0.30)):
        # Strands finer than a pixel would only alias.
        visible = min(max(1.5 - 0.25 * count * s.page.pixel, 0.0), 1.0)
        if visible > 0:
            strands = strands + visible * weight * np.sin(flow * count + 0.02 * count)
    sunny = 0.5 + 0.55 * s["light_direction"] * x - 0.42 * (y + 0.25)
    base = d.mix(c["hair_shadow"], c["hair"], np.clip(sunny + 0.16 * strands + 0.12, 0, 1))
    ring = np.sqrt(x * x + (y + 0.12) ** 2) - 0.50
    gloss = np.clip(1 - np.abs(ring) * 8, 0, 1) * np.clip(sunny, 0, 1) * (0.62 + 0.38 * strands)
    return d.mix(base, c["hair_light"], gloss * np.clip(-2.2 * y, 0, 1))


def hair_back(s: Scene) -> None:
    """The hair behind the head."""
    if s.has("Bald"):
        return
    at, back = s.head.window(-0.85, 0.85, -1.1, 1.3), s.head.crop(-0.85, 0.85, -1.1, 1.3)
    shape = _hair_outline(s, back.x, back.y, s.outline[at])
    back.paint(shape, d.mix(s.colours["hair_shadow"], s.colours["hair"], np.clip(0.35 - 0.6 * back.y, 0, 1)))


def hair_front(s: Scene) -> None:
    """The hair over the forehead and beside the cheeks: the outline less an opening for the face."""
    if s.has("Bald"):
        return
    at, front = s.head.window(-0.85, 0.85, -1.1, 1.3), s.head.crop(-0.85, 0.85, -1.1, 1.3)
    x, y = front.x, front.y
    u, part, length = x - 0.24 * math.sin(s.turn), 0.26 * s["parting"], _hair_length(s)
    away = np.sqrt((u - part) ** 2 + 0.004)
    if s.has("Bangs"):
        line = -0.315 + 0.10 * away + 0.012 * np.sin(u * 34 + 1) + 0.008 * np.sin(u * 61)
    else:
        line = -0.56 + 0.42 * away + 0.10 * np.clip(away - 0.3, 0, 1)
    sides = np.abs(u) - 0.410 - 0.035 * s["face_width"] + 0.10 * d.smooth(y, 0.35, 0.85)
    opening = d.soft_overlap(sides, (line - y) * 0.9, 0.22)
    shape = np.maximum(_hair_outline(s, x, y, s.outline[at]), -opening)
    shape = d.soft_overlap(shape, y - max(length, 0.03), 0.10)
    shade = front.within(d.coverage(s.outline[at], s.page.pixel))
    shade.paint(shape - 0.015, s.colours["skin_line"], 0.42, 0.09)
    front.paint(shape, _hair_colour(s, x, y), 1, 0.006)


def glasses(s: Scene) -> None:
    """Clear lenses in a thin frame, or dark ones in a thick frame; dark ones win."""
    dark = s.has("Sunglasses")
    if not dark and not s.has("Eyeglasses"):
        return
    at = s.face.window(-0.47, 0.47, -0.30, 0.16)
    face = s.face.crop(-0.47, 0.47, -0.30, 0.16)
    face = face.within(d.coverage(s.outline[at] - 0.02, s.page.pixel))
    u, v = np.abs(face.x) - 0.193 - 0.012 * s["eye_spacing"], face.y + 0.068
    lens = d.rounded_box(u, v - 0.10 * u * dark, 0.150 + 0.008 * dark, 0.112 + 0.006 * dark, 0.085)
    frame = d.from_hex("1c191d" if dark else "3a2a26")[0]
    face.paint(np.abs(lens) - 0.014, s.colours["skin_line"], 0.35, 0.05)
    glare = d.smooth(np.abs(u * 0.8 + v + 0.05 * s["light_direction"] + 0.02), 0.05, 0.02)
    if dark:
        tone = d.mix(d.from_hex("17151c")[0], d.from_hex("5a4a50")[0], d.smooth(v, -0.10, 0.13))
        face.paint(lens, d.mix(tone, WHITE, 0.16 * glare), 0.97)
    else:
        face.paint(lens, d.from_hex("dfeaf2")[0], 0.10 + 0.22 * glare)
    bridge = d.bow(face.x, v + 0.03, 0.055, -0.022) - 0.009
    temple = d.segment(np.abs(face.x), v, (0.335, -0.035), (0.60, -0.045)) - 0.010
    rims = np.minimum(np.abs(lens) - (0.012 if dark else 0.0095), np.minimum(bridge, temple))
    face.paint(rims, frame, 0.96)


def hat(s: Scene) -> None:
    """A brimmed hat with a band, in a quiet relative of the shirt's colour; its brim shades the forehead."""
    if not s.has("Hat"):
        return
    top = s.head.crop(-1.0, 1.0, -1.3, 0.0)
    x, v = top.x, top.y
    u = x - 0.10 * math.sin(s.turn)
    felt = d.mix(d.tint(s.colours["shirt"], (0.62, 0.58, 0.56)), d.from_hex("8a6f5a")[0], 0.45)
    light = np.clip(0.55 + 0.55 * s["light_direction"] * u - 0.4 * (v + 0.6), 0, 1)
    felt = d.mix(d.tint(felt, (0.60, 0.56, 0.60)), d.mix(felt, WHITE, 0.14), light)
    at = s.head.window(-1.0, 1.0, -1.3, 0.0)
    shade = top.within(d.coverage(s.outline[at], s.page.pixel))
    brim = d.almond(u, v + 0.42 + 0.10 * u * u, 0.74, 0.055, 0.085)
    shade.paint(brim - 0.035, s.colours["skin_line"], 0.55, 0.14)
    crown = d.rounded_box(u * (1 - 0.12 * (v + 0.7)), v + 0.66 + 0.12 * u * u, 0.455, 0.27, 0.17)
    top.paint(crown, felt)
    band = np.maximum(crown, np.abs(v + 0.50 - 0.12 * (0.2 - u * u)) - 0.045)
    top.paint(band, d.tint(felt, (0.45, 0.42, 0.46)), 0.95)
    top.paint(brim - 0.01, felt)
    under = d.almond(u, v + 0.42 + 0.10 * u * u, 0.72, -0.03, 0.085)
    top.paint(under, d.tint(felt, (0.66, 0.62, 0.66)), 0.85, 0.03)
