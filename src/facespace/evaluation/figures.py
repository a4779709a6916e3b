"""Figures of latents and pixels from arrays alone: no model, no set, no torch."""

import math
from typing import Any

import numpy as np

ACTIVE = 0.01  # variance of the posterior mean over data above which a latent counts as used (Burda et al., 2016)


class Tally:
    """Mean and deviation of pixel values in [0, 1], from counts of the 256 gray levels."""

    def __init__(self) -> None:
        self.counts = np.zeros(256, np.int64)

    def add(self, faces: np.ndarray) -> None:
        """uint8 faces of any shape."""
        self.counts += np.bincount(faces.ravel(), minlength=256)

    def moments(self) -> tuple[float, float]:
        """(mean, standard deviation)."""
        levels, share = np.arange(256) / 255, self.counts / self.counts.sum()
        mean = float(levels @ share)
        return mean, math.sqrt(float((levels - mean) ** 2 @ share))


def latent_structure(z: np.ndarray) -> dict[str, Any]:
    """How (N, D) posterior means lie: against N(0, I), and with each other."""
    covariance = np.cov(z.T).reshape(z.shape[1], -1)  # (D, D)
    variance = np.diag(covariance)
    live = covariance[np.ix_(variance > 0, variance > 0)]  # a latent that never varies correlates with nothing
    scale = np.sqrt(np.diag(live))
    apart = (np.abs(live) / np.outer(scale, scale))[~np.eye(len(live), dtype=bool)]
    return {
        "norm_of_mean": float(np.linalg.norm(z.mean(0))),
        "variance_mean": float(variance.mean()),
        "variance_range": [float(variance.min()), float(variance.max())],
        "mean_absolute_correlation": float(apart.mean()) if len(apart) else None,
        "covariance_distance": float(np.linalg.norm(covariance - np.eye(len(covariance)))),
        "active_units": int((variance > ACTIVE).sum()),
    }


def quality(errors: np.ndarray) -> dict[str, float]:
    """Mean squared errors (N,) of faces in [0, 1] as the mean of them and of the faces' PSNR, in dB."""
    return {"mse": float(errors.mean()), "psnr": float(psnr(errors).mean())}


def psnr(errors: np.ndarray) -> np.ndarray:
    """The peak signal-to-noise ratio of each mean squared error (N,) of pixels in [0, 1]: (N,) dB, at most 100."""
    return -10 * np.log10(errors.clip(min=1e-10))
