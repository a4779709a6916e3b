"""Principal components of latents by numpy alone. Fits and transforms arrays; draws nothing."""

from typing import NamedTuple

import numpy as np


class PrincipalComponents(NamedTuple):
    """The principal components of latents (N, D), the largest variance first, K = min(N, D) of them."""

    mean: np.ndarray  # (D,)
    axes: np.ndarray  # (K, D) unit vectors, whose number of the largest magnitude is positive
    variances: np.ndarray  # (K,) along the axes, with N − 1 in the denominator

    @property
    def shares(self) -> np.ndarray:
        """The shares (K,) of the variance; NaN where nothing varies."""
        total = self.variances.sum()
        if total == 0:
            return np.full(len(self.variances), np.nan)
        return self.variances / total

    def transform(self, z: np.ndarray) -> np.ndarray:
        """Latents (N, D) along the axes, (N, K)."""
        return (z - self.mean) @ self.axes.T

    def plane(self, z: np.ndarray) -> np.ndarray:
        """Latents (N, D) along the first two axes, float64 (N, 2); zeros along one that is missing."""
        places = np.zeros((len(z), 2))
        found = self.transform(z.astype(np.float64))[:, :2]
        places[:, : found.shape[1]] = found
        return places


def principal_components(z: np.ndarray) -> PrincipalComponents:
    """All principal components of latents (N, D), N ≥ 2, by an exact decomposition in float64."""
    z = z.astype(np.float64)
    mean = z.mean(0)
    _, lengths, axes = np.linalg.svd(z - mean, full_matrices=False)
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(1)]
    return PrincipalComponents(mean, axes * np.sign(largest)[:, None], lengths**2 / (len(z) - 1))
