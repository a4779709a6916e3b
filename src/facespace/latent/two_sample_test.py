"""A two-sample test by classifiers: whether encoded latents are distributed like draws from a prior."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

TEST_SIZE = 2_000  # encoded latents, and as many draws from the prior, in the two-sample test
EXPLAINED = 0.999  # share of the variance whose principal components the classifier gets
FOLDS, FEWEST = 5, 25  # of the cross-validation, and latents below which the test is left out


class TwoSampleTest(NamedTuple):
    """A classifier two-sample test (Lopez-Paz & Oquab, 2017): the best classifier's scores, and those of
    all."""

    classifier_auc: float
    classifier_accuracy: float
    classifier: str
    classifiers: dict[str, dict[str, float]]
    classifier_faces: int


def two_sample_test(z: np.ndarray, drawn: np.ndarray, seed: int) -> TwoSampleTest | None:
    """How well classifiers separate encoded latents (N, D) from draws (M, D) of the prior, as many of each:
    means over cross-validation folds, and the better classifier by AUC. None below FEWEST of each."""
    from sklearn.model_selection import StratifiedKFold, cross_validate

    count = min(len(z), len(drawn), TEST_SIZE)
    if count < FEWEST:
        return None
    random = np.random.default_rng(seed)
    x = np.concatenate([random.permutation(z)[:count], random.permutation(drawn)[:count]])
    y = np.repeat([1, 0], count)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    found: dict[str, dict[str, float]] = {}
    for name, classifier in _classifiers(seed).items():
        scores = cross_validate(classifier, x, y, cv=folds, scoring=("roc_auc", "accuracy"))
        auc, accuracy = scores["test_roc_auc"].mean(), scores["test_accuracy"].mean()
        found[name] = {"auc": float(auc), "accuracy": float(accuracy)}
    best = max(found, key=lambda name: found[name]["auc"])
    return TwoSampleTest(found[best]["auc"], found[best]["accuracy"], best, found, count)


def _classifiers(seed: int) -> "dict[str, BaseEstimator]":
    from sklearn.decomposition import PCA  # here, since its import takes longer than all other figures
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    # Squares along principal components reveal correlations too; trees reveal another shape with the same
    # moments. Directions without variance, as an autoencoder has, would count as much as others once scaled:
    # they are left out.
    squares = FunctionTransformer(lambda part: np.concatenate([part, part**2], 1))
    components = PCA(EXPLAINED, svd_solver="full")
    regression = LogisticRegression(C=0.1, max_iter=500)
    trees = ExtraTreesClassifier(100, min_samples_leaf=3, random_state=seed % 2**32)
    return {
        "logistic regression": make_pipeline(components, squares, StandardScaler(), regression),
        "trees": trees,
    }
