"""Whether single latents stand for single factors of the faces: MIG, DCI and SAP, from codes and known factors alone. Each
is 1 where every factor has a latent of its own and about 0 where none has."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from facespace.core.errors import UsageError

BINS = 20  # equal bins of a code, and of a factor with more values than that
MOST = 2_000  # faces looked at, half of them to learn from where something is learned
FEWEST = 20  # faces below which the figures would be noise
TREES, LEAF = 30, 5  # of a forest, and faces of its smallest leaf

PROTOCOL = {
    "mig": f"Chen et al., 2018: mutual information in {BINS} equal bins, gap of the two best latents as a share of the "
    "factor's entropy, mean over factors",
    "dci": f"Eastwood & Williams, 2018: importances of random forests ({TREES} trees); informativeness is the share of a "
    "guesser's error that is gone on the other half of the faces",
    "sap": "Kumar et al., 2018: gap of the two best single latents; squared correlation for continuous factors, balanced "
    "accuracy of thresholds, rescaled so that guessing is 0, for discrete ones",
}


def measure(
    codes: np.ndarray, factors: np.ndarray, names: Sequence[str] | None = None, seed: int = 0
) -> dict[str, Any]:
    """`mig`, `dci_disentanglement`, `dci_completeness`, `dci_informativeness` and `sap` of codes (N, D) and factors (N, K),
    floats; a factor with more than 20 values is continuous. Faces with an unknown (NaN) factor and factors that never vary
    are left out, at most MOST faces are looked at, chosen at random. `per_factor` has the figures of each by name.

    Raises UsageError for shapes that do not fit, fewer than 20 faces, or nothing that varies."""
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors):
        raise UsageError(
            f"Codes are (N, D) and factors (N, K) of the same faces; got {codes.shape} and {factors.shape}."
        )
    whole = np.flatnonzero(np.isfinite(factors).all(1) & np.isfinite(codes).all(1))
    rows = np.random.default_rng(seed).permutation(whole)[:MOST]
    if len(rows) < FEWEST:
        raise UsageError(
            f"Disentanglement needs {FEWEST} faces whose factors are all known; got {len(rows)}."
        )
    codes, factors = codes[rows].astype(np.float64), factors[rows].astype(np.float64)
    names = list(names) if names is not None else [f"factor {index}" for index in range(factors.shape[1])]
    varies = [len(np.unique(column)) > 1 for column in factors.T]
    if not any(varies):
        raise UsageError(
            "None of these factors varies from face to face, so nothing can be said of disentanglement."
        )
    factors, kept = factors[:, varies], [name for name, one in zip(names, varies) if one]
    gaps, margins = mig(codes, factors), sap(codes, factors)
    importance, informativeness = importances(codes, factors, seed)
    disentanglement, completeness = dci(importance)
    rows_of = zip(kept, gaps, margins, completeness, informativeness, importance.argmax(0))
    return {
        "mig": float(gaps.mean()),
        "dci_disentanglement": disentanglement,
        "dci_completeness": float(completeness.mean()),
        "dci_informativeness": float(informativeness.mean()),
        "sap": float(margins.mean()),
        "faces": len(rows),
        "per_factor": {
            name: {
                "mig": float(a),
                "sap": float(b),
                "completeness": float(c),
                "informativeness": float(d),
                "latent": int(e),
            }
            for name, a, b, c, d, e in rows_of
        },
        "left_out": [f"{name} is left out: it never varies." for name, one in zip(names, varies) if not one],
        "protocol": PROTOCOL,
    }


def mig(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The mutual information gap of each factor, (K,) in [0, 1], of codes (N, D) and factors (N, K) (Chen et al., 2018)."""
    from sklearn.metrics import (
        mutual_info_score,  # here, since it takes longer to load than most figures take
    )

    binned = [_levels(column, binned=True) for column in codes.T]
    gaps = []
    for column in factors.T:
        factor = _levels(column)
        shared = [mutual_info_score(code, factor) for code in binned]
        gaps.append(_gap(shared) / mutual_info_score(factor, factor))
    return np.array(gaps)


def sap(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The separated attribute predictability of each factor, (K,) in [0, 1] (Kumar et al., 2018). Thresholds are learned
    on the first half of the faces and judged on the second."""
    return np.array([_gap([_alone(code, column) for code in codes.T]) for column in factors.T])


def _alone(code: np.ndarray, factor: np.ndarray) -> float:
    """How well one latent (N,) alone tells a factor (N,): 0 as guessing, 1 exactly."""
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    if code.std() == 0:
        return 0.0
    if _continuous(factor):
        return float(np.corrcoef(code, factor)[0, 1] ** 2)
    levels, half = _levels(factor), len(code) // 2
    known = len(np.unique(levels[:half]))
    seen = np.isin(levels[half:], levels[:half])  # a level that was never shown cannot be told
    if known < 2 or len(np.unique(levels[half:][seen])) < 2:
        return 0.0
    tree = DecisionTreeClassifier(max_leaf_nodes=known, class_weight="balanced")
    told = tree.fit(code[:half, None], levels[:half]).predict(code[half:, None])
    accuracy = balanced_accuracy_score(levels[half:][seen], told[seen])
    guess = 1 / len(np.unique(levels[half:][seen]))
    return max(0.0, float(accuracy - guess) / (1 - guess))


def importances(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """How much each latent matters for telling each factor, (D, K), each column a sum of 1 (0 where nothing is told); and
    how well all latents tell it, (K,), as the share of a guesser's error that is gone on the second half of the faces."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    half, columns, told = len(codes) // 2, [], []
    options: dict[str, Any] = dict(n_estimators=TREES, min_samples_leaf=LEAF, random_state=seed % 2**32)
    for column in factors.T:
        if _continuous(column):
            forest, factor = RandomForestRegressor(**options), column
        else:
            forest, factor = RandomForestClassifier(max_features=1.0, **options), _levels(column)  # type: ignore[arg-type]
        forest.fit(codes[:half], factor[:half])
        error, guess = _errors(factor[:half], factor[half:], forest.predict(codes[half:]))
        columns.append(forest.feature_importances_)
        told.append(max(0.0, 1 - error / guess) if guess > 0 else float(error == 0))
    return np.stack(columns, 1), np.array(told)


def _errors(known: np.ndarray, truth: np.ndarray, told: np.ndarray) -> tuple[float, float]:
    """The error of a prediction, and that of saying the same for all: squared for numbers, a rate for levels."""
    if np.issubdtype(truth.dtype, np.floating):
        return float(((truth - told) ** 2).mean()), float(((truth - known.mean()) ** 2).mean())
    return float((truth != told).mean()), float((truth != np.bincount(known).argmax()).mean())


def dci(importance: np.ndarray) -> tuple[float, np.ndarray]:
    """From importances (D, K): disentanglement, the mean over latents, each weighed by its importance, of how far a latent
    serves one factor alone; and completeness (K,), how far a factor is told by one latent alone."""
    latents, total = importance.sum(1), importance.sum()
    if total == 0:
        return 0.0, np.zeros(importance.shape[1])
    return float(latents @ _focus(importance) / total), _focus(importance.T)


def _focus(table: np.ndarray) -> np.ndarray:
    """1 − entropy of each row, as a share of that of an even one: (rows,) in [0, 1]; 0 for a row of zeros."""
    total = table.sum(1, keepdims=True)
    shares = np.divide(table, total, out=np.full(table.shape, 1 / table.shape[1]), where=total > 0)
    if table.shape[1] == 1:
        return (total[:, 0] > 0).astype(np.float64)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return 1 + (shares * logs).sum(1) / np.log(table.shape[1])


def _gap(scores: Sequence[float]) -> float:
    """The best less the second best; a single latent has no rival."""
    second, best = np.sort([0.0, 0.0, *scores])[-2:]
    return float(best - second)


def _continuous(factor: np.ndarray) -> bool:
    return len(np.unique(factor)) > BINS


def _levels(column: np.ndarray, binned: bool = False) -> np.ndarray:
    """A column (N,) as whole numbers from 0: its own values, or equal bins where it has too many or where asked."""
    if binned or _continuous(column):
        return np.digitize(column, np.histogram_bin_edges(column, BINS)[1:-1])
    return np.unique(column, return_inverse=True)[1]
