"""Moments of posterior means against N(0, I), as data."""

from dataclasses import dataclass

import numpy as np

from facespace.latent.structure import latent_structure


@dataclass(frozen=True)
class LatentMoments:
    """Moments of N latents of D numbers; those of N(0, I) in brackets."""

    norm_of_mean: float  # (0)
    variance_mean: float  # (1)
    variance_range: list[float]  # lowest and highest
    mean_absolute_correlation: float | None  # of two latents (0); None with fewer than two that vary
    covariance_distance: float  # Frobenius distance of the covariance to I (0)
    active_units: int  # latents whose variance is above structure.ACTIVE


def latent_moments(z: np.ndarray) -> LatentMoments:
    """The moments of float64 latents (N, D)."""
    return LatentMoments(**latent_structure(z))
