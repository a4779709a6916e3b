"""Distances between two sets of feature vectors: FID, KID, and precision and recall. Takes arrays; runs no
network."""

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from facespace.core.errors import UsageError

SUBSETS, SUBSET = 100, 1_000  # number and size of KID's subsets, the usual values
NEIGHBOURS = 3  # k of precision and recall
AT_ONCE, PART = 10_000, 1_024  # vectors whose covariance is computed at once, and in parts above that
WHOLE = 2_000  # vectors up to which KID computes the kernel matrices once, 3 · 32 MB


def fid(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of the Gaussians of two sets of features (N, D) and (M, D) (Heusel et al., 2017)."""
    (mean_a, root_a), (mean_b, root_b) = _gaussian(a), _gaussian(b)
    apart = np.square(mean_a - mean_b).sum()
    # tr (S T)^½ is the sum of the singular values of R Qᵀ, where S = Rᵀ R and T = Qᵀ Q: no matrix square
    # root, and no complex numbers if there are fewer vectors than features.
    shared = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    return float(apart + np.square(root_a).sum() + np.square(root_b).sum() - 2 * shared)


def _gaussian(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of (N, D) features, and R with Rᵀ R their covariance, min(N, D) rows. Many are read once, a
    part at a time."""
    if len(x) > max(AT_ONCE, x.shape[1]):
        return _gaussian_of_many(x)
    x = x.astype(np.float64)
    mean = x.mean(0)
    centred = (x - mean) / np.sqrt(len(x) - 1)
    return mean, centred if len(x) <= x.shape[1] else np.linalg.qr(centred)[1]


def _gaussian_of_many(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    origin = x[:PART].mean(0, dtype=np.float64)  # near the mean, so that little is lost in the difference
    total, products = np.zeros(x.shape[1]), np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), PART):
        part = x[start : start + PART] - origin
        total += part.sum(0)
        products += part.T @ part
    shift = total / len(x)
    covariance = (products - len(x) * np.outer(shift, shift)) / (len(x) - 1)
    variances, axes = np.linalg.eigh(covariance)
    return origin + shift, np.sqrt(np.maximum(variances, 0))[:, None] * axes.T


def kid(
    a: np.ndarray, b: np.ndarray, subsets: int = SUBSETS, size: int | None = None, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance of two sets of features (N, D), (M, D): mean and standard deviation over random subsets
    of the unbiased squared MMD with the kernel (x·y / D + 1)³ (Bińkowski et al., 2018).

    `size` defaults to min(1,000, the smaller count). The deviation is 0 if a subset holds all vectors.
    Raises UsageError for a size below 2 or above the smaller count."""
    fewest = min(len(a), len(b))
    size = min(SUBSET, fewest) if size is None else size
    if not 2 <= size <= fewest:
        raise UsageError(f"Subsets of KID have between 2 and {fewest:,} faces; got {size}.")
    kernels = _Kernels(a, b)
    random, found = np.random.default_rng(seed), []
    for _ in range(subsets):
        i = random.choice(len(a), size, replace=False)
        j = random.choice(len(b), size, replace=False)
        within_a, within_b, between = kernels.of(i, j)
        same = (_off_diagonal_sum(within_a) + _off_diagonal_sum(within_b)) / (size * (size - 1))
        found.append(same - 2 * between.mean())
    return float(np.mean(found)), float(np.std(found))


class _Kernels:
    """Kernel matrices of subsets, cut out of those of all vectors if these fit into memory."""

    def __init__(self, a: np.ndarray, b: np.ndarray) -> None:
        self.a, self.b = a, b
        self.whole: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        if max(len(a), len(b)) <= WHOLE:
            a, b = a.astype(np.float64), b.astype(np.float64)
            self.whole = polynomial_kernel(a), polynomial_kernel(b), polynomial_kernel(a, b)

    def of(self, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(a with a, b with b, a with b) for the rows i of a and j of b."""
        if self.whole:
            within_a, within_b, between = self.whole
            return within_a[np.ix_(i, i)], within_b[np.ix_(j, j)], between[np.ix_(i, j)]
        a, b = self.a[i].astype(np.float64), self.b[j].astype(np.float64)
        return polynomial_kernel(a, a), polynomial_kernel(b, b), polynomial_kernel(a, b)


def _off_diagonal_sum(kernel: np.ndarray) -> float:
    return kernel.sum() - np.trace(kernel)


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = NEIGHBOURS) -> tuple[float, float]:
    """(precision, recall) of features (N, D), (M, D): the share of fakes within the manifold of the real
    faces, and of real faces within that of the fakes. A manifold is the union of balls that reach to each
    point's k-th neighbour.

    Kynkäänniemi et al., 2019. Raises UsageError for k faces or fewer."""
    if min(len(real), len(fake)) <= k:
        raise UsageError(f"Precision and recall with k = {k} need more than {k} faces a side.")
    return _inside(fake, real, k), _inside(real, fake, k)


def _inside(points: np.ndarray, centres: np.ndarray, k: int) -> float:
    """The share of points within a ball around any centre."""
    neighbours = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(centres)
    radii = neighbours.kneighbors()[0][:, -1]  # (M,) without the centre itself

    def covered(distances: np.ndarray, start: int) -> np.ndarray:
        return (distances <= radii).any(1)

    parts = list(pairwise_distances_chunked(points, centres, reduce_func=covered))
    return float(np.concatenate(parts).mean())
