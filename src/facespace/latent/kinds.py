"""Kinds of faces that share an attribute, such as clear glasses and dark ones, found by clustering their
latents. Arrays in and out; the kinds are named elsewhere."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from facespace.core.errors import UsageError
from facespace.latent.directions import MIN_FACES, Whitening

AXES = 16  # principal components of the whitened latents in which faces are clustered
MOST = 9
STARTS: Any = 10  # of k-means, of which the best is kept


@dataclass(frozen=True)
class Clusters:
    """Clusters of faces: centers (K, A) in the plane of `axes` (A, D) through `middle` (D,) of whitened
    latents, the largest kind first."""

    whitening: Whitening
    middle: np.ndarray
    axes: np.ndarray
    centers: np.ndarray

    def signs(self, z: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """Signs (N, K) of latents (N, D) with signs (N,) of the attribute: +1 for a face of the kind, −1 for
        one without the attribute, NaN for the other kinds and where the attribute is unknown."""
        x = (z - self.whitening.center) @ self.whitening.inverse
        places = (x - self.middle) @ self.axes.T
        nearest = ((places[:, None] - self.centers) ** 2).sum(2).argmin(1)
        found = np.full((len(z), len(self.centers)), np.nan)
        having = np.flatnonzero(signs > 0)
        found[having, nearest[having]] = 1
        found[signs < 0] = -1
        return found


def find_clusters(
    z: np.ndarray, signs: np.ndarray, count: int, whitening: Whitening, seed: int = 0
) -> Clusters:
    """The `count` kinds of the faces with an attribute, from latents (N, D) and its signs (N,): k-means
    (k-means++, ten starts) in the first principal components of their whitened latents. On CelebA's faces
    with glasses, latents that were not whitened separated clear from dark ones less well.

    Raises UsageError for a count below 2 or above MOST, too few faces, or a kind of fewer than 5."""
    from sklearn.cluster import KMeans  # here, since it takes a second to import
    from sklearn.decomposition import PCA

    x = (z[signs > 0] - whitening.center) @ whitening.inverse
    if not 2 <= count <= MOST:
        raise UsageError(f"An attribute has 2 to {MOST} kinds; got {count}.")
    if len(x) < MIN_FACES * count:
        raise UsageError(
            f"{count} kinds need at least {MIN_FACES * count} faces with the attribute; "
            f"this split has {len(x)}. "
            "Name a larger set."
        )
    plane = PCA(min(AXES, *x.shape), svd_solver="full").fit(x)
    places = plane.transform(x)
    clusters = KMeans(count, n_init=STARTS, random_state=seed).fit(places)
    sizes = np.bincount(clusters.predict(places), minlength=count)
    if sizes.min() < MIN_FACES:
        raise UsageError(
            f"The smallest of {count} kinds has {sizes.min()} faces, and a direction needs {MIN_FACES}. "
            "Name fewer kinds."
        )
    order = np.argsort(-sizes, kind="stable")
    return Clusters(whitening, plane.mean_, np.asarray(plane.components_), clusters.cluster_centers_[order])
