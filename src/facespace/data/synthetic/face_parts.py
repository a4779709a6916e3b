"""The face itself, from the backdrop to the beard: one function a part, each of which paints on a Scene."""

from __future__ import annotations

import math

import numpy as np

from facespace.data.synthetic.scene import INK, PIVOT, TILT, WHITE, Scene
from facespace.image import canvas as d


def background(s: Scene) -> None:
    """A soft glow behind the head, on the side the light comes from."""
    x, y = s.page.x - 0.35 * s["light_direction"], s.page.y + 0.3
    glow = np.clip(1 - (x * x + y * y) * 0.42, 0, 1)
    colour = s.colours["backdrop"]
    s.page.pixels[:] = d.mix(d.tint(colour, (0.80, 0.80, 0.84)), d.mix(colour, WHITE, 0.22), glow)


def torso(s: Scene) -> None:
    """Shoulders in a shirt, the neck, and the shadow of the chin on it."""
    page, skin, light = s.page, s.colours["skin"], s["light_direction"]
    at = page.window(-9, 9, 0.25, 9)
    low = page.crop(-9, 9, 0.25, 9)
    x, y = low.x, low.y
    edge = np.maximum(np.abs(x) - 0.72, 0)
    shoulder = (0.77 + 0.16 * x * x + 1.8 * edge * edge - y) * (1 / np.sqrt(1 + 0.1 * x * x))
    shirt = s.colours["shirt"]
    lit = np.clip(0.62 + 0.4 * light * x - 0.5 * (y - 0.9), 0, 1)
    low.paint(shoulder, d.mix(d.tint(shirt, (0.62, 0.60, 0.68)), d.mix(shirt, WHITE, 0.12), lit))
    top = -(0.45 - PIVOT) * math.sin(TILT * s["roll"])  # the neck follows the rolling head
    lean = top * np.clip((0.95 - y) * 2, 0, 1)
    neck = d.rounded_box(x - lean, y - 0.50, 0.205 + 0.02 * s["jaw"], 0.36, 0.1)
    collar = d.ellipse(x, y - 0.72, 0.280, 0.200)
    low.paint(d.ellipse(x, y - 0.735, 0.325, 0.230), d.tint(shirt, (0.70, 0.68, 0.74)))
    skin_area = d.soft_union(neck, collar, 0.12)
    lit = np.clip(0.55 + 1.1 * light * x, 0, 1)
    low.paint(skin_area, d.mix(s.colours["skin_shadow"], skin, lit))
    throat = low.within(d.coverage(skin_area, page.pixel))
    throat.paint(s.outline[at] - 0.07, s.colours["skin_shadow"], 0.75, 0.16)
    throat.paint(s.outline[at] - 0.01, s.colours["skin_line"], 0.35, 0.10)


def ears(s: Scene) -> None:
    """Behind the head; turning uncovers the near one and hides the far one."""
    c, out = s.colours, 0.452 + 0.045 * s["face_width"]
    head = s.head.crop(-0.68, 0.68, -0.22, 0.26)
    side, y = np.sign(head.x), head.y - 0.02
    x = np.abs(head.x) - out + 0.15 * math.sin(s.turn) * side + 0.06 * abs(math.sin(s.turn))
    shape = d.ellipse(x + 0.25 * y - 0.01, y, 0.068, 0.128)
    head.paint(shape, d.mix(c["skin_shadow"], c["skin"], 0.6 + 0.3 * s["light_direction"] * side))
    head.paint(d.ellipse(x - 0.012 + 0.25 * y, y + 0.005, 0.035, 0.085), c["skin_shadow"], 0.75, 0.05)


def head(s: Scene) -> None:
    """The skin of the face, lit as an ellipsoid; then blush and the hollows of the eyes."""
    c, (across, t) = s.colours, s.bulge
    near = s.head.window(-0.72, 0.72, -0.75, 0.62)
    across, t, outline = across[near], t[near], s.outline[near]
    forward = np.sqrt(np.maximum(1 - across * across - t * t, 0.04))
    lit = across * s.light[0] + t * s.light[1] * 0.8 + forward * s.light[2]
    view = s.head.crop(-0.72, 0.72, -0.75, 0.62)
    skin = d.mix(c["skin_shadow"], c["skin"], d.smooth(lit, -0.35, 0.55))
    view.paint(outline, d.mix(skin, c["skin_light"], d.smooth(lit, 0.5, 1.1)))
    face = s.face.crop(-0.46, 0.46, -0.30, 0.60)
    u, v = np.abs(face.x), face.y
    lift = max(s["smile"], 0.0)  # a smile pushes the cheeks up
    face.paint(d.ellipse(u - 0.25, v - 0.18 + 0.03 * lift, 0.13, 0.10), c["blush"], 0.40 + 0.18 * lift, 0.16)
    face.paint(d.ellipse(u - 0.18, v + 0.10, 0.14, 0.085), c["skin_shadow"], 0.42, 0.12)
    face.paint(d.ellipse(u, v - 0.52, 0.10, 0.05), c["skin_light"], 0.35, 0.08)
    face.paint(d.ellipse(u, v - 0.435, 0.10, 0.022), c["skin_shadow"], 0.45, 0.05)


def eyes(s: Scene) -> None:
    """Sclera, iris, pupil, catch light, lids."""
    c, px, size = s.colours, s.page.pixel, s["eye_size"]
    half, top, bottom = 0.106 + 0.016 * size, 0.066 + 0.022 * size, 0.044 + 0.014 * size
    face = s.face.crop(-0.44, 0.44, -0.24, 0.04)
    side, u = np.sign(face.x), np.abs(face.x) - (0.186 + 0.032 * s["eye_spacing"])
    v = face.y + 0.08 + 0.07 * u  # outer corners a little higher
    lids = d.almond(u, v, half, top, bottom)
    bow = d.bow(u, v, half, -top)
    face.paint(lids, d.mix(d.tint(c["sclera"], (0.86, 0.83, 0.84)), c["sclera"], d.smooth(v, -top, 0.02)))
    inside = face.within(d.coverage(lids, px) * face.mask)
    iris_u = u * side - 0.045 * s["gaze"]
    iris = d.ellipse(iris_u, v + 0.008, 0.058 + 0.006 * size, 0.058 + 0.006 * size)
    inside.paint(iris, d.tint(c["iris"], (0.42, 0.42, 0.45)))
    glow = d.mix(
        d.tint(c["iris"], (0.75, 0.75, 0.78)), d.mix(c["iris"], WHITE, 0.22), d.smooth(v, -0.04, 0.04)
    )
    inside.paint(iris + 0.009, glow, 1, 0.008)
    inside.paint(iris + 0.034, d.from_hex("120c0e")[0], 1, 0.006)
    inside.paint(bow - 0.018, INK, 0.38, 0.03)
    gleam = d.ellipse(iris_u - 0.021 * min(max(3 * s["light_direction"], -1), 1), v + 0.028, 0.0145, 0.0145)
    inside.paint(gleam, WHITE, 0.95)
    lash = 0.0085 + 0.006 * np.clip(u * (1 / half), 0, 1)
    face.paint(bow - lash, d.mix(INK, c["brow"], 0.25), 0.95)
    face.paint(d.bow(u, v, half * 0.9, bottom) - 0.004, c["skin_line"], 0.55, 0.008)
    face.paint(d.bow(u, v + 0.034, half * 0.92, -top * 0.95) - 0.005, c["skin_line"], 0.5, 0.012)


def brows(s: Scene) -> None:
    """Strokes that taper outwards; the angle lifts the outer end (angry) or the inner one (worried)."""
    face = s.face.crop(-0.44, 0.44, -0.42, -0.08)
    u = np.abs(face.x) - 0.195 - 0.015 * s["eye_spacing"]
    v = face.y + 0.222 + 0.012 * s["eye_size"] + 0.30 * s["brow_angle"] * u
    taper = 0.60 * np.clip(u * 7, -0.1, 1) + 0.30 * np.clip(-u * 9 - 0.3, 0, 1)
    thick = (0.0185 + 0.0105 * s["brow_thickness"]) * (1 - taper)
    face.paint(d.bow(u, v, 0.125, -0.034) - thick, s.colours["brow"], 0.92, 0.008)


def nose(s: Scene) -> None:
    """Modelled by light more than by lines: a lit ridge, a shaded flank, nostrils, and a shadow below the
    tip."""
    c, light, grow = s.colours, s["light_direction"], 1 + 0.36 * s["nose_size"]
    face = s.face.crop(-0.22, 0.22, -0.20, 0.32)
    v = face.y - 0.165
    rise = np.clip((face.y + 0.12) * 3.4, 0, 1)
    u = face.x - 0.10 * math.sin(s.turn) * rise  # the tip stands out, so it turns further
    flank = d.segment(np.abs(u), face.y, (0.030, -0.12), (0.052 * grow, 0.12)) - 0.022
    face.paint(flank, c["skin_shadow"], np.clip(0.20 - 0.38 * light * np.clip(u * 30, -1, 1), 0, 1), 0.05)
    cast = d.ellipse(u + 0.045 * light, v - 0.048 * grow, 0.085 * grow, 0.030)
    face.paint(cast, c["skin_shadow"], 0.62, 0.06)
    ball = d.ellipse(u, v + 0.012, 0.058 * grow, 0.052 * grow)
    wings = d.ellipse(np.abs(u) - 0.058 * grow, v - 0.002, 0.036 * grow, 0.034 * grow)
    tip = d.soft_union(ball, wings, 0.03)
    face.paint(tip + 0.006, c["skin"], 0.75, 0.035)
    face.paint(d.bow(u, v - 0.012, 0.050 * grow, 0.030 * grow) - 0.004, c["skin_line"], 0.40, 0.014)
    hollow = d.ellipse(np.abs(u) - 0.040 * grow, v - 0.024 * grow, 0.019 * grow, 0.0095 * grow)
    face.paint(hollow, c["skin_line"], 0.85, 0.010)
    crease = d.bow(v - 0.002, np.abs(u) - 0.066 * grow, 0.030 * grow, 0.026 * grow) - 0.003
    face.paint(crease, c["skin_line"], 0.35, 0.014)
    shine = d.ellipse(u - 0.014 * light, v + 0.020, 0.020 * grow, 0.016 * grow)
    face.paint(shine, c["skin_light"], 0.75, 0.03)
    ridge = d.segment(u, face.y, (0.006 * light, -0.06), (0.010 * light, 0.08)) - 0.012
    face.paint(ridge, c["skin_light"], 0.40, 0.035)


def mouth(s: Scene) -> None:
    """Lips around an opening with teeth and tongue, all bent by the smile."""
    c, smile, full = s.colours, s["smile"], 1 + 0.52 * s["lip_fullness"]
    gape = 0.135 * max((s["mouth_open"] + 1) / 2, 0) ** 1.8
    grin = max(smile - 0.1, 0) * 0.034
    face = s.face.crop(-0.32, 0.32, 0.18, 0.56)
    u = face.x - 0.03 * math.sin(s.turn)
    half = 0.155 + (0.036 if smile > 0 else 0.018) * smile - 0.25 * gape
    v = face.y - 0.335 + 2.1 * smile * u * u - 0.022 * smile
    over, under = 0.008 * max(smile, 0) + 0.25 * gape, 0.75 * gape + grin + 0.002
    dip = 0.010 * full * (1 - d.smooth(np.abs(u), 0.0, 0.045))  # the bow of the upper lip
    upper = d.almond(u, v, half + 0.012, over + 0.039 * full - dip, 0.004)
    lower = d.almond(u, v, half * 0.94, 0.0, under + 0.050 * full)
    face.paint(np.minimum(upper, lower) - 0.004, c["skin_shadow"], 0.30, 0.03)
    face.paint(lower, c["lips"], 1, 0.010)
    face.paint(upper, d.tint(c["lips"], (0.84, 0.78, 0.80)), 1, 0.008)
    gloss = d.ellipse(u - 0.03 * s["light_direction"], v - under - 0.022 * full, half * 0.42, 0.009 * full)
    face.paint(gloss, d.mix(c["lips"], WHITE, 0.5), 0.55, 0.02)
    gap = d.almond(u, v, half * 0.94, over, under)
    inside = face.within(d.coverage(gap, s.page.pixel) * face.mask)
    inside.paint(gap, d.from_hex("4a1519")[0])
    inside.paint(
        d.ellipse(u, v - under, half * 0.55, 0.45 * gape + 0.001), d.from_hex("b65a5c")[0], 0.9, 0.02
    )
    teeth = np.maximum(np.abs(u) - half * 0.80, v + over - (0.020 + 0.30 * gape + 0.8 * grin))
    inside.paint(teeth, d.from_hex("f7f1ea")[0], 0.96 * min((over + under) * 60, 1.0), 0.008)
    closed = max(1 - 70 * (over + under), 0)
    face.paint(d.bow(u, v, half * 0.95, 0.5 * (under - over)) - 0.0045, INK, 0.6 * closed, 0.008)
    corners = d.ellipse(np.abs(u) - half, v, 0.014, 0.012)
    face.paint(corners, c["skin_line"], 0.55, 0.02)


def age_lines(s: Scene) -> None:
    """Folds beside the mouth, lines on the forehead, beside and below the eyes."""
    strength = max((s["age_lines"] + 1) / 2, 0) ** 2
    if strength < 0.01:
        return
    face, line = s.face.crop(-0.46, 0.46, -0.56, 0.50), s.colours["skin_line"]
    u, v = np.abs(face.x), face.y
    spread = 0.02 * s["smile"]
    folds = d.bow(v - 0.27, u - 0.165 - spread - 0.30 * (v - 0.27), 0.115, 0.025) - 0.006
    bags = d.bow(u - 0.18, v - 0.002, 0.085, 0.024) - 0.005
    feet = d.segment(u, v, (0.315, -0.09), (0.375, -0.125))
    feet = np.minimum(feet, d.segment(u, v, (0.318, -0.07), (0.378, -0.065))) - 0.004
    brow = np.minimum(d.bow(face.x, v + 0.34, 0.20, -0.022), d.bow(face.x, v + 0.405, 0.17, -0.020)) - 0.005
    for shape, opacity in ((folds, 0.85), (bags, 0.6), (feet, 0.55), (brow, 0.6)):
        face.paint(shape, line, opacity * strength, 0.018)
    cheeks = d.ellipse(u - 0.29, v - 0.30, 0.05, 0.13)
    face.paint(cheeks, s.colours["skin_shadow"], 0.4 * strength, 0.10)


def beard(s: Scene) -> None:
    """A soft-edged area of the lower face that grows denser, higher on the cheek and longer."""
    amount = max((s["beard"] + 1) / 2, 0)
    if amount < 0.02:
        return
    c, grow = s.colours, 0.07 * max(amount - 0.5, 0) ** 2 * 4
    at, face = s.head.window(-0.66, 0.66, 0.02, 0.85), s.head.crop(-0.66, 0.66, 0.02, 0.85)
    u, v = s.face.x[at], face.y
    rise = np.maximum(np.abs(u) - 0.16, 0)
    cheek = 0.30 - 0.05 * amount - 3.4 * rise * rise - v  # negative below the cheek line
    lips = d.ellipse(u - 0.03 * math.sin(s.turn), v - 0.345, 0.130 + 0.02 * s["smile"], 0.065)
    inset = 0.03 - (0.03 + grow) * d.smooth(v, 0.15, 0.48)  # it may outgrow the chin, but not the temples
    area = np.maximum(d.soft_overlap(cheek * 0.8, -lips, 0.05), s.outline[at] + inset)
    moustache = d.bow(np.abs(u) - 0.075, v - 0.268, 0.09, -0.012) - 0.026
    area = d.soft_union(area, np.maximum(moustache, s.outline[at]), 0.03)
    flow = u / (1.1 - v)  # whiskers point to the chin
    weave = (
        0.5 + 0.3 * np.sin(flow * 62 + np.sin(v * 34)) + 0.2 * np.sin(flow * 110 + 1.7 * np.sin(v * 25 + 1))
    )
    lit = np.clip(0.25 + 0.40 * weave + 0.9 * s["light_direction"] * u + 0.5 * (0.45 - v), 0, 1)
    colour = d.mix(d.tint(c["beard"], (0.58, 0.53, 0.53)), c["beard"], lit)
    face.paint(area, colour, 0.97 * amount**2.2, 0.085 - 0.03 * amount)


def grade(s: Scene) -> None:
    """The warmth of the light over everything."""
    warm, pixels = s["light_warmth"], s.page.pixels
    pixels *= np.array((1 + 0.055 * warm, 1 + 0.005 * warm, 1 - 0.11 * warm), np.float32)
