"""Whether single latents correspond to single factors of synthetic faces: MIG, DCI and SAP, from codes and
known factors. Each is 1 if every factor has a latent of its own and about 0 if none has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from facespace.core.console import Advance, progress
from facespace.core.errors import UsageError

BINS = 20  # equal bins of a code, and of a factor with more values than that
MOST = 2_000  # faces that are measured, half of them for training where something is fitted
FEWEST = 20  # faces below which the figures would be noise
TREES, LEAF = 30, 5  # of a forest, and faces of its smallest leaf

PROTOCOL = {
    "mig": (
        f"Chen et al., 2018: mutual information in {BINS} equal bins, gap of the two best latents as a share "
        "of the factor's entropy, mean over factors"
    ),
    "dci": (
        f"Eastwood & Williams, 2018: importances of random forests ({TREES} trees); informativeness is the "
        "share of a guesser's error that is gone on the other half of the faces"
    ),
    "sap": (
        "Kumar et al., 2018: gap of the two best single latents; squared correlation for continuous factors, "
        "balanced accuracy of thresholds, rescaled so that guessing is 0, for discrete ones"
    ),
}


class FactorScores(NamedTuple):
    """One factor's scores, and the latent that matters most for it."""

    mig: float
    sap: float
    completeness: float
    informativeness: float
    best_latent: int


@dataclass(frozen=True)
class Disentanglement:
    """Means over factors, each in [0, 1]."""

    mig: float
    dci_disentanglement: float
    dci_completeness: float
    dci_informativeness: float
    sap: float
    faces: int
    per_factor: dict[str, FactorScores]
    left_out: list[str]  # a sentence for each factor that never varies
    protocol: dict[str, str]


def measure_disentanglement(
    codes: np.ndarray, factors: np.ndarray, names: Sequence[str] | None = None, seed: int = 0
) -> Disentanglement:
    """MIG, DCI and SAP of codes (N, D) and factors (N, K), floats; a factor with more than 20 values is
    continuous. Faces with an unknown (NaN) factor and factors that never vary are left out; at most MOST
    random faces are used.

    Raises UsageError for shapes that do not fit, fewer than 20 faces, or nothing that varies."""
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors):
        raise UsageError(
            f"Codes are (N, D) and factors (N, K) of the same faces; got {codes.shape} and {factors.shape}."
        )
    names = names or [f"factor {index}" for index in range(factors.shape[1])]
    codes, factors = _known_faces(codes, factors, seed)
    varies = (factors != factors[0]).any(0)  # (K,)
    if not varies.any():
        raise UsageError("None of these factors varies from face to face, so disentanglement is undefined.")
    factors, kept = factors[:, varies], np.array(names)[varies].tolist()
    constant = np.array(names)[~varies]
    with progress(3 * len(kept), "Measuring disentanglement", "factors") as advance:
        gaps, margins = mig(codes, factors, advance), sap(codes, factors, advance)
        importance, informativeness = importances(codes, factors, seed, advance)
    disentanglement, completeness = dci(importance)
    columns = (gaps, margins, completeness, informativeness, importance.argmax(0))
    scores = zip(*(column.tolist() for column in columns))
    return Disentanglement(
        mig=float(gaps.mean()),
        dci_disentanglement=disentanglement,
        dci_completeness=float(completeness.mean()),
        dci_informativeness=float(informativeness.mean()),
        sap=float(margins.mean()),
        faces=len(codes),
        per_factor={name: FactorScores(*row) for name, row in zip(kept, scores)},
        left_out=[f"{name} is left out: it never varies." for name in constant],
        protocol=PROTOCOL,
    )


def _known_faces(codes: np.ndarray, factors: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """At most MOST random faces with known codes and factors, in float64."""
    known = np.flatnonzero(np.isfinite(factors).all(1) & np.isfinite(codes).all(1))
    rows = np.random.default_rng(seed).permutation(known)[:MOST]
    if len(rows) < FEWEST:
        raise UsageError(f"Disentanglement needs {FEWEST} faces with known factors; got {len(rows)}.")
    return codes[rows].astype(np.float64), factors[rows].astype(np.float64)


def _ignore(count: int) -> None:
    """Nobody watches."""


def _columns(factors: np.ndarray, advance: Advance) -> Iterator[np.ndarray]:
    """The columns (N,) of factors (N, K); each is counted when it is done."""
    for column in factors.T:
        yield column
        advance(1)


def mig(codes: np.ndarray, factors: np.ndarray, advance: Advance = _ignore) -> np.ndarray:
    """The mutual information gap of each factor, (K,) in [0, 1], of codes (N, D) and factors (N, K) (Chen et
    al., 2018)."""
    from sklearn.metrics import mutual_info_score  # here, since its import is slow

    binned = [_levels(column, binned=True) for column in codes.T]
    gaps = []
    for column in _columns(factors, advance):
        factor = _levels(column)
        shared = [mutual_info_score(code, factor) for code in binned]
        gaps.append(_gap(shared) / mutual_info_score(factor, factor))
    return np.array(gaps)


def sap(codes: np.ndarray, factors: np.ndarray, advance: Advance = _ignore) -> np.ndarray:
    """The separated attribute predictability of each factor, (K,) in [0, 1] (Kumar et al., 2018). Thresholds
    are fitted to the first half of the faces and tested on the second."""
    gaps = []
    for column in _columns(factors, advance):
        scores = [_alone(code, column) for code in codes.T]
        gaps.append(_gap(scores))
    return np.array(gaps)


def _alone(code: np.ndarray, factor: np.ndarray) -> float:
    """How well one latent (N,) predicts a factor (N,): 0 is chance, 1 exact."""
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    if code.std() == 0:
        return 0.0
    if _continuous(factor):
        return float(np.corrcoef(code, factor)[0, 1] ** 2)
    levels, half = _levels(factor), len(code) // 2
    train, test = levels[:half], levels[half:]
    leaves = len(np.unique(train))
    trained = np.isin(test, train)  # a level without training faces cannot be predicted
    classes = len(np.unique(test[trained]))
    if min(leaves, classes) < 2:
        return 0.0
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, class_weight="balanced")
    predicted = tree.fit(code[:half, None], train).predict(code[half:, None])
    accuracy = balanced_accuracy_score(test[trained], predicted[trained])
    chance = 1 / classes
    return max(0.0, float(accuracy - chance) / (1 - chance))


def importances(
    codes: np.ndarray, factors: np.ndarray, seed: int = 0, advance: Advance = _ignore
) -> tuple[np.ndarray, np.ndarray]:
    """The importance of each latent for predicting each factor, (D, K), whose columns sum to 1 (0 without
    any); and the informativeness of all latents, (K,): the share of a constant prediction's error that is
    gone on the second half of the faces."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    half, columns, informativeness = len(codes) // 2, [], []
    seed %= 2**32
    for column in _columns(factors, advance):
        if _continuous(column):
            forest = RandomForestRegressor(TREES, min_samples_leaf=LEAF, random_state=seed)
            factor = column
        else:
            forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, random_state=seed)
            forest.set_params(max_features=1.0)  # all, as the regressor has it
            factor = _levels(column)
        forest.fit(codes[:half], factor[:half])
        error, guess = _errors(factor[:half], factor[half:], forest.predict(codes[half:]))
        columns.append(forest.feature_importances_)
        gone = float(error == 0) if guess == 0 else max(0.0, 1 - error / guess)
        informativeness.append(gone)
    return np.stack(columns, 1), np.array(informativeness)


def _errors(train: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """The error of a prediction, and that of the best constant one: squared for numbers, a rate for
    levels."""
    if np.issubdtype(truth.dtype, np.floating):
        return float(((truth - predicted) ** 2).mean()), float(((truth - train.mean()) ** 2).mean())
    return float((truth != predicted).mean()), float((truth != np.bincount(train).argmax()).mean())


def dci(importance: np.ndarray) -> tuple[float, np.ndarray]:
    """From importances (D, K): disentanglement, the mean over latents, weighted by importance, of how far a
    latent matters for one factor alone; and completeness (K,), how far a factor depends on one latent
    alone."""
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
    """The best less the second best, which is 0 for a single latent."""
    second, best = np.sort([0.0, 0.0, *scores])[-2:]
    return float(best - second)


def _continuous(factor: np.ndarray) -> bool:
    return len(np.unique(factor)) > BINS


def _levels(column: np.ndarray, binned: bool = False) -> np.ndarray:
    """A column (N,) as whole numbers from 0: its own values, or equal bins if it has too many or `binned` is
    set."""
    if binned or _continuous(column):
        return np.digitize(column, np.histogram_bin_edges(column, BINS)[1:-1])
    return np.unique(column, return_inverse=True)[1]
