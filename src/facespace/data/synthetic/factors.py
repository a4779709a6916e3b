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

Distribution = Callable[[np.random.Generator], float]
FACTOR_LIMIT = 1.5  # limit of the factors of edits; others are clipped


@dataclass(frozen=True)
class Factor:
    """One factor of variation of synthetic faces."""

    kind: str  # "continuous" or "binary" (-1 or +1)
    distribution: Distribution  # its distribution
    meaning: str

    @property
    def default(self) -> float:
        """The default value."""
        return -1.0 if self.kind == "binary" else 0.0


def uniform(random: np.random.Generator) -> float:
    """Uniform on [-1, 1]."""
    return random.uniform(-1, 1)


def clipped_normal(random: np.random.Generator) -> float:
    """Normal around 0 with deviation 0.45, clipped to [-1, 1]: extremes are rare."""
    return min(max(random.normal(0, 0.45), -1.0), 1.0)


def triangular(low: float, peak: float, high: float) -> Distribution:
    """A triangular distribution, for factors with a skewed distribution in photographs."""
    return lambda random: random.triangular(low, peak, high)


def zero_inflated(share: float, low: float) -> Distribution:
    """-1 for most faces; for a `share` of them uniform on [`low`, 1]."""

    def law(random: np.random.Generator) -> float:
        has, value = random.random() < share, random.uniform(low, 1)
        return value if has else -1.0

    return law


def bernoulli(share: float) -> Distribution:
    """+1 for a `share` of faces, else -1."""
    return lambda random: 1.0 if random.random() < share else -1.0


def _continuous(law: Distribution, meaning: str) -> Factor:
    return Factor("continuous", law, meaning)


def _binary(share: float, meaning: str) -> Factor:
    return Factor("binary", bernoulli(share), meaning)


FACTORS: dict[str, Factor] = {
    "skin_tone": _continuous(uniform, "very light to very dark"),
    "face_width": _continuous(clipped_normal, "narrow to wide"),
    "jaw": _continuous(clipped_normal, "pointed to square"),
    "hair_shade": _continuous(triangular(-1, -0.5, 1), "black through brown to blond"),
    "hair_warmth": _continuous(clipped_normal, "gray to red"),
    "hair_length": _continuous(uniform, "cropped to below the shoulders"),
    "hair_volume": _continuous(clipped_normal, "flat to big"),
    "curl": _continuous(uniform, "straight to curly"),
    "parting": _continuous(uniform, "parted on the picture's left to its right"),
    "brow_angle": _continuous(clipped_normal, "worried to angry"),
    "brow_thickness": _continuous(clipped_normal, "thin to thick"),
    "eye_size": _continuous(clipped_normal, "small to large"),
    "eye_spacing": _continuous(clipped_normal, "close-set to wide-set"),
    "eye_hue": _continuous(uniform, "brown through green to blue"),
    "gaze": _continuous(clipped_normal, "looks to the picture's left to its right"),
    "nose_size": _continuous(clipped_normal, "small to large"),
    "mouth_open": _continuous(triangular(-1, -1, 1), "closed to wide open"),
    "smile": _continuous(triangular(-1, 0.5, 1), "frown to grin"),
    "lip_fullness": _continuous(clipped_normal, "thin to full"),
    "beard": _continuous(zero_inflated(0.28, 0.0), "none through stubble to full"),
    "age_lines": _continuous(zero_inflated(0.4, -0.6), "smooth to deeply lined"),
    "yaw": _continuous(clipped_normal, "turned to the picture's left to its right, 25 degrees at 1"),
    "roll": _continuous(clipped_normal, "leans anticlockwise to clockwise, 12 degrees at 1"),
    "light_direction": _continuous(uniform, "lit from the picture's left to its right"),
    "light_warmth": _continuous(clipped_normal, "cool to warm light"),
    "background_hue": _continuous(uniform, "rose through green to violet"),
    "background_lightness": _continuous(uniform, "dark to pale"),
    "shirt_hue": _continuous(uniform, "wine through green to violet"),
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
    factors = {name: float(factor.distribution(random)) for name, factor in FACTORS.items()}
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
    complete = {name: factor.default for name, factor in FACTORS.items()}
    for name, value in factors.items():
        if name not in FACTORS:
            raise UsageError(f"Unknown factor {name!r}. {suggest(name, FACTORS)}")
        if not math.isfinite(value):
            raise UsageError(f"Factor '{name}' is {value}; give a number in [-1, 1].")
        complete[name] = min(max(float(value), -FACTOR_LIMIT), FACTOR_LIMIT)
    return complete
