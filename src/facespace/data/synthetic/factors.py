"""Synthetic faces: their factors, the distributions of the factors, and the picture that they determine.

Every factor is a float in [-1, 1], positive where the face has the attribute. The factors of a picture are
known exactly, which measures of disentanglement require. scene.py sets up the views, face_parts.py and
accessories.py paint."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from facespace.core.errors import UsageError, suggest
from facespace.data.synthetic import accessories, face_parts
from facespace.data.synthetic.scene import open_scene

Law = Callable[[np.random.Generator], float]
REACH = 1.5  # limit of the factors of edits; others are clipped


@dataclass(frozen=True)
class Factor:
    """One factor of variation of synthetic faces."""

    kind: str  # "continuous" or "binary" (-1 or +1)
    law: Law  # its distribution
    meaning: str

    @property
    def rest(self) -> float:
        """The default value."""
        return -1.0 if self.kind == "binary" else 0.0


def even(random: np.random.Generator) -> float:
    """Uniform on [-1, 1]."""
    return random.uniform(-1, 1)


def mild(random: np.random.Generator) -> float:
    """Normal around 0 with deviation 0.45, clipped to [-1, 1]: extremes are rare."""
    return min(max(random.normal(0, 0.45), -1.0), 1.0)


def leaning(low: float, peak: float, high: float) -> Law:
    """A triangular distribution, for factors with a skewed distribution in photographs."""
    return lambda random: random.triangular(low, peak, high)


def seldom(share: float, low: float) -> Law:
    """-1 for most faces; for a `share` of them uniform on [`low`, 1]."""

    def law(random: np.random.Generator) -> float:
        has, value = random.random() < share, random.uniform(low, 1)
        return value if has else -1.0

    return law


def chance(share: float) -> Law:
    """+1 for a `share` of faces, else -1."""
    return lambda random: 1.0 if random.random() < share else -1.0


def _continuous(law: Law, meaning: str) -> Factor:
    return Factor("continuous", law, meaning)


def _binary(share: float, meaning: str) -> Factor:
    return Factor("binary", chance(share), meaning)


FACTORS: dict[str, Factor] = {
    "skin_tone": _continuous(even, "very light to very dark"),
    "face_width": _continuous(mild, "narrow to wide"),
    "jaw": _continuous(mild, "pointed to square"),
    "hair_shade": _continuous(leaning(-1, -0.5, 1), "black through brown to blond"),
    "hair_warmth": _continuous(mild, "gray to red"),
    "hair_length": _continuous(even, "cropped to below the shoulders"),
    "hair_volume": _continuous(mild, "flat to big"),
    "curl": _continuous(even, "straight to curly"),
    "parting": _continuous(even, "parted on the picture's left to its right"),
    "brow_angle": _continuous(mild, "worried to angry"),
    "brow_thickness": _continuous(mild, "thin to thick"),
    "eye_size": _continuous(mild, "small to large"),
    "eye_spacing": _continuous(mild, "close-set to wide-set"),
    "eye_hue": _continuous(even, "brown through green to blue"),
    "gaze": _continuous(mild, "looks to the picture's left to its right"),
    "nose_size": _continuous(mild, "small to large"),
    "mouth_open": _continuous(leaning(-1, -1, 1), "closed to wide open"),
    "smile": _continuous(leaning(-1, 0.5, 1), "frown to grin"),
    "lip_fullness": _continuous(mild, "thin to full"),
    "beard": _continuous(seldom(0.28, 0.0), "none through stubble to full"),
    "age_lines": _continuous(seldom(0.4, -0.6), "smooth to deeply lined"),
    "yaw": _continuous(mild, "turned to the picture's left to its right, 25 degrees at 1"),
    "roll": _continuous(mild, "leans anticlockwise to clockwise, 12 degrees at 1"),
    "light_direction": _continuous(even, "lit from the picture's left to its right"),
    "light_warmth": _continuous(mild, "cool to warm light"),
    "background_hue": _continuous(even, "rose through green to violet"),
    "background_lightness": _continuous(even, "dark to pale"),
    "shirt_hue": _continuous(even, "wine through green to violet"),
    "Bangs": _binary(0.2, "a fringe over the forehead"),
    "Bald": _binary(0.06, "no hair on the head"),
    "Eyeglasses": _binary(0.22, "clear glasses"),
    "Sunglasses": _binary(0.08, "dark glasses; never with Eyeglasses"),
    "Hat": _binary(0.1, "a brimmed hat"),
}


# Back to front.
PARTS = (
    face_parts.background,
    accessories.hair_back,
    face_parts.torso,
    face_parts.ears,
    face_parts.head,
    face_parts.eyes,
    face_parts.brows,
    face_parts.age_lines,
    face_parts.nose,
    face_parts.beard,
    face_parts.mouth,
    accessories.glasses,
    accessories.hair_front,
    accessories.hat,
    face_parts.grade,
)


def draw_factors(seed: int, index: int) -> dict[str, float]:
    """The factors of face `index` of the seed `seed`, independent of all other faces."""
    random = np.random.default_rng((seed, index))
    factors = {name: float(factor.law(random)) for name, factor in FACTORS.items()}
    if factors["Sunglasses"] > 0:
        factors["Eyeglasses"] = -1.0
    return factors


def render(factors: Mapping[str, float], height: int, width: int) -> np.ndarray:
    """The face with these factors, (height, width, 3) uint8. A factor left out is 0, or -1 where it is
    binary."""
    scene = open_scene(_complete(factors), height, width)
    for part in PARTS:
        part(scene)
    return scene.page.to_bytes()


def _complete(factors: Mapping[str, float]) -> dict[str, float]:
    """All factors, checked and clipped to ±REACH."""
    complete = {name: factor.rest for name, factor in FACTORS.items()}
    for name, value in factors.items():
        if name not in FACTORS:
            raise UsageError(f"Unknown factor {name!r}. {suggest(name, FACTORS)}")
        if not math.isfinite(value):
            raise UsageError(f"Factor '{name}' is {value}; give a number in [-1, 1].")
        complete[name] = min(max(float(value), -REACH), REACH)
    return complete
