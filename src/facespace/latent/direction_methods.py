"""The methods that find directions from whitened latents and signs of attributes; each is a row of
METHODS."""

from collections.abc import Callable, Mapping

import numpy as np

DECORRELATED = "decorrelated"
# Of ridge regression, in faces: shrinks what a few hundred faces cannot determine, little that thousands can.
RIDGE = 10.0

# Whitened latents (N, D) and signs (N, A), NaN unknown -> vectors (A, D) of any length.
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]


def mean_difference(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """From the mean of the faces without an attribute to the mean of those with it (Larsen et al., 2016).
    Includes what correlates with the attribute."""
    return np.stack([x[column > 0].mean(0) - x[column < 0].mean(0) for column in signs.T])


def logistic_probe(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """The normal of the plane that best separates faces with an attribute from those without (InterFaceGAN,
    Shen et al., 2020, with logistic regression)."""
    from sklearn.linear_model import LogisticRegression  # here, since it takes a second to import

    vectors = []
    for column in signs.T:
        known = np.isfinite(column)
        model = LogisticRegression(C=0.01, max_iter=300, class_weight="balanced")
        vectors.append(model.fit(x[known], column[known] > 0).coef_[0])
    return np.stack(vectors)


def ridge_probe(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """The same by ridge regression on ±1, in a fraction of the time."""
    vectors = []
    for column in signs.T:
        known = np.isfinite(column)
        weight = np.where(column[known] > 0, 1 / (column > 0).sum(), 1 / (column < 0).sum()) * known.sum() / 2
        vectors.append(_ridge(x[known], column[known, None], RIDGE * 10, weight)[:, 0])
    return np.stack(vectors)


def decorrelated(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """The change of a face by each attribute where all the others stay: latents regressed on all attributes
    together. Smiling then does not change Male and Young, as far as the known attributes explain them."""
    known = np.nan_to_num(signs - np.nanmean(signs, 0))  # an unknown attribute counts as the mean
    return _ridge(known, x, RIDGE, np.ones(len(x)))


def _ridge(x: np.ndarray, y: np.ndarray, penalty: float, weight: np.ndarray) -> np.ndarray:
    """Coefficients (P, Q) of the ridge regression with an intercept of y (N, Q) on x (N, P), rows weighted by
    `weight` (N,): the solution of its normal equations."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    x, y = (table - weight @ table / weight.sum() for table in (x, y))
    weighted = x.T * weight
    return np.linalg.solve(weighted @ x + penalty * np.eye(x.shape[1]), weighted @ y)


METHODS: Mapping[str, Method] = {
    "mean": mean_difference,
    "probe": logistic_probe,
    "ridge": ridge_probe,
    DECORRELATED: decorrelated,
}


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each of (A, D) vectors at length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
