"""Statistics of single latents and of their relation to attributes, from arrays alone: a row of facts for
each latent, correlations, and how well linear probes read attributes from all latents. No model and no
pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

# Variance of the posterior mean over data above which a latent counts as active (Burda et al., 2016).
ACTIVE = 0.01
FEWEST = 10  # faces of each class, yes and no, that an attribute needs to be measured
FOLDS = 5


@dataclass(frozen=True)
class Separability:
    """How well a linear probe separates the faces with an attribute from those without it, on held-out faces;
    `auc` is None for too few faces."""

    yes: int
    no: int
    unknown: int
    auc: float | None


class LatentRow(NamedTuple):
    """Statistics of one latent over faces, and the attribute that it correlates with most."""

    latent: int  # its index
    rank: int  # by influence, from 1
    influence: float  # mean absolute change of a pixel in [0, 1] per standard deviation
    minimum: float
    maximum: float
    mean: float
    deviation: float
    total_activation: float  # sum of absolute values
    kl: float | None  # nats per image
    active: bool
    attribute: str | None  # the one with the largest absolute correlation, None where nothing varies
    correlation: float | None  # Pearson's r
    faces: int | None  # with a known value of that attribute


@dataclass(frozen=True)
class LatentStructure:
    """Moments of N latents of D numbers; those of N(0, I) in brackets."""

    norm_of_mean: float  # (0)
    variance_mean: float  # (1)
    variance_range: list[float]  # lowest and highest
    mean_absolute_correlation: float | None  # of two latents (0); None with fewer than two that vary
    covariance_distance: float  # Frobenius distance of the covariance to I (0)
    active_units: int  # latents whose variance is above ACTIVE


def active_above(z: np.ndarray, variational: bool) -> float:
    """The variance of a latent's posterior means (N, D) above which it counts as active: ACTIVE, of an
    autoencoder times the mean variance, since its scale is free."""
    return ACTIVE if variational else ACTIVE * float(z.var(0, ddof=1, dtype=np.float64).mean())


def whiten(z: np.ndarray, center: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """(N, D) latents in the deviations of a Gaussian with that center (D,) and covariance (D, D): (N, K) over
    those of its principal axes that vary, K ≤ D."""
    values, vectors = np.linalg.eigh(covariance)
    live = values > 1e-6 * max(values.max(), 1e-300)
    return (z - center) @ vectors[:, live] / np.sqrt(values[live])


def correlate(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's r of each column of (N, P) with each of (N, Q), and the number of rows in which both are
    known, (P, Q) each. NaN is unknown; r is NaN where either does not vary among those rows."""
    a, known_a = _standard(a)
    b, known_b = _standard(b)
    count = known_a.T @ known_b
    sum_a, sum_b = a.T @ known_b, known_a.T @ b
    spread_a = count * ((a**2).T @ known_b) - sum_a**2
    spread_b = count * (known_a.T @ (b**2)) - sum_b**2
    varies = (spread_a > 1e-9 * count**2) & (spread_b > 1e-9 * count**2)
    r = np.full(count.shape, np.nan)
    np.divide(count * (a.T @ b) - sum_a * sum_b, np.sqrt(np.abs(spread_a * spread_b)), out=r, where=varies)
    return r.clip(-1, 1), count.astype(int)


def _standard(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns with mean 0 and deviation 1 over their known rows and 0 elsewhere, and 1.0 where a row is
    known."""
    known = np.isfinite(table)
    count = np.maximum(known.sum(0), 1)
    values = np.where(known, table, 0.0).astype(np.float64)
    values = np.where(known, values - values.sum(0) / count, 0.0)
    scale = np.sqrt((values**2).sum(0) / count)
    return np.divide(values, scale, out=np.zeros_like(values), where=scale > 0), known.astype(np.float64)


def chance_correlation(count: int, tests: int) -> float:
    """The absolute correlation that unrelated columns of `count` rows exceed in one of twenty studies with so
    many tests each (Bonferroni; r is near to normal with deviation 1 / √count)."""
    return min(1.0, NormalDist().inv_cdf(1 - 0.025 / max(tests, 1)) / max(count, 1) ** 0.5)


def separability(z: np.ndarray, signs: np.ndarray, groups: np.ndarray) -> list[Separability]:
    """How well a linear probe of (N, D) latents separates yes from no, for each column of `signs` (N, A):
    counts, and the cross-validated area under the ROC curve of a ridge regression, 5 folds, no group (N,) in
    two of them. The area is None for an attribute with fewer than 10 faces of either class."""
    found = []
    for column in signs.T:
        known = np.isfinite(column)
        yes = int((column > 0).sum())
        no = int(known.sum()) - yes
        auc = None
        if min(yes, no) >= FEWEST and len(np.unique(groups[known])) >= FOLDS:
            auc = _auc(z[known], column[known], groups[known])
        found.append(Separability(yes, no, int((~known).sum()), auc))
    return found


def _auc(z: np.ndarray, sign: np.ndarray, groups: np.ndarray) -> float:
    from sklearn.linear_model import RidgeCV  # here, since they take a second to import
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 5)))
    score = cross_val_predict(probe, z.astype(np.float64), sign, groups=groups, cv=GroupKFold(FOLDS))
    return float(roc_auc_score(sign > 0, score))


def best_separated(names: Sequence[str], found: Sequence[Separability], count: int) -> list[str]:
    """The attributes with the highest AUC; after them, those without one, the most evenly split first."""

    def order(place: int) -> tuple[bool, float, int]:
        facts = found[place]
        return facts.auc is None, -(facts.auc or 0.0), -min(facts.yes, facts.no)

    varied = [place for place in range(len(names)) if min(found[place].yes, found[place].no)]
    return [names[place] for place in sorted(varied, key=order)[:count]]


def latent_table(
    z: np.ndarray,
    kl: np.ndarray | None,
    influence: np.ndarray,
    names: Sequence[str],
    signs: np.ndarray,
    threshold: float,
) -> list[LatentRow]:
    """A row for each latent of (N, D), the most influential first; `kl` (N, D) nats, `influence` (D,),
    `signs` (N, A) of the attributes `names`; active ones have more variance than `threshold`."""
    r, counts = correlate(z, signs)
    rank = np.argsort(-influence, kind="stable")
    variance = z.astype(np.float64).var(0, ddof=1)
    rows: list[LatentRow] = []
    for place, latent in enumerate(rank.tolist(), start=1):
        attribute, correlation, faces = _strongest(r[latent], counts[latent], names)
        rows.append(
            LatentRow(
                latent=latent,
                rank=place,
                influence=float(influence[latent]),
                minimum=float(z[:, latent].min()),
                maximum=float(z[:, latent].max()),
                mean=float(z[:, latent].mean(dtype=np.float64)),
                deviation=float(np.sqrt(variance[latent])),
                total_activation=float(np.abs(z[:, latent]).sum(dtype=np.float64)),
                kl=None if kl is None else float(kl[:, latent].mean(dtype=np.float64)),
                active=bool(variance[latent] > threshold),
                attribute=attribute,
                correlation=correlation,
                faces=faces,
            )
        )
    return rows


def _strongest(
    r: np.ndarray, counts: np.ndarray, names: Sequence[str]
) -> tuple[str | None, float | None, int | None]:
    """The attribute with the largest absolute correlation (A,), that correlation, and its number of faces."""
    if not np.isfinite(r).any():
        return None, None, None
    best = int(np.nanargmax(np.abs(r)))
    return names[best], float(r[best]), int(counts[best])


def latent_structure(z: np.ndarray) -> LatentStructure:
    """(N, D) posterior means compared with N(0, I), and with each other."""
    covariance = np.cov(z.T).reshape(z.shape[1], -1)  # (D, D)
    variance = np.diag(covariance)
    varying = variance > 0  # a constant latent has no correlation
    live = covariance[np.ix_(varying, varying)]
    scale = np.sqrt(np.diag(live))
    apart = (np.abs(live) / np.outer(scale, scale))[~np.eye(len(live), dtype=bool)]
    return LatentStructure(
        norm_of_mean=float(np.linalg.norm(z.mean(0))),
        variance_mean=float(variance.mean()),
        variance_range=[float(variance.min()), float(variance.max())],
        mean_absolute_correlation=float(apart.mean()) if len(apart) else None,
        covariance_distance=float(np.linalg.norm(covariance - np.eye(len(covariance)))),
        active_units=int((variance > ACTIVE).sum()),
    )


def components_for(shares: np.ndarray, share: float) -> int | None:
    """How many of the first `shares` of variance (K,) sum to this share of their total; None if all are 0."""
    total = float(shares.sum())
    if not total:
        return None
    return int(np.searchsorted(shares.cumsum(), share * total - 1e-12)) + 1


def half_of_influence(rows: Sequence[LatentRow]) -> int:
    """How many of the most influential latents have half of the influence of all."""
    total = sum(row.influence for row in rows) or 1.0
    so_far = 0.0
    for count, row in enumerate(rows):
        if so_far >= 0.5 * total:
            return count
        so_far += row.influence
    return len(rows)
