"""The state of a latent space: how much information each latent carries, and whether encoded faces are
distributed like the prior. Figures from arrays, and warnings with a remedy each."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from facespace.core.errors import UsageError
from facespace.latent.structure import ACTIVE, latent_structure
from facespace.latent.two_sample_test import EXPLAINED, FOLDS, two_sample_test

MIXTURE_SIZE = 8_000  # posteriors in the mixture q(z): the time grows with the square
COLLAPSED = 1.0  # nats of KL in all, below which the latents carry hardly any information
UNUSED, HOLES = 0.1, 0.8  # share of dead latents, and the classifier's AUC, above which there is a warning

PROTOCOL = {
    "kl": "KL(q(z | x) ‖ N(0, I)) in nats, closed form, mean over faces (Kingma & Welling, 2014, appendix B)",
    "active_units": (
        f"latents whose posterior mean varies by more than {ACTIVE:g} over faces (Burda et al., 2016)"
    ),
    "dead_units": (
        f"the others; of an autoencoder, latents below {ACTIVE:g} of the mean variance, since its scale is "
        "free"
    ),
    "mutual_information": (
        "E log q(z | x) − log q(z) with q(z) the mixture of the faces' posteriors, one sample a face "
        "(Hoffman & Johnson, 2016); never above its bound, the logarithm of the number of faces, and near "
        "it a lower bound of the truth"
    ),
    "aggregate": "mean and covariance of q(z), posterior variances included, against N(0, I)",
    "classifier_auc": (
        f"posterior samples (means, for a prior fitted to means) against draws from the prior, {FOLDS} "
        f"folds: the better of logistic regression on the principal components with {EXPLAINED:.1%} of the "
        "variance and their squares, and of extremely randomised trees; 0.5 is ideal"
    ),
}


class LatentWarning(NamedTuple):
    """A fault of a latent space."""

    what: str
    why: str
    change: str  # the remedy


class Information(NamedTuple):
    """Mutual information of face and latent, and the bound that its estimate cannot exceed, in nats."""

    mutual_information: float
    mutual_information_bound: float


@dataclass(frozen=True)
class LatentHealth:
    """Figures of the posteriors of `faces`; None for those that an autoencoder, or a small set, does not
    have."""

    faces: int
    dimensions: int
    norm_of_mean: float
    variance_mean: float
    variance_range: list[float]
    mean_absolute_correlation: float | None
    covariance_distance: float
    active_units: int
    active_threshold: float
    dead_units: int
    largest_absolute_mean: float
    aggregate: dict[str, float]
    per_dimension: dict[str, list[float]]
    prior_fitted: bool
    protocol: dict[str, str]
    prior: str = "the prior"  # where the draws are from
    kl: float | None = None
    mutual_information: float | None = None
    mutual_information_bound: float | None = None
    marginal_kl: float | None = None
    classifier_auc: float | None = None
    classifier_accuracy: float | None = None
    classifier: str | None = None
    classifiers: dict[str, dict[str, float]] | None = None
    classifier_faces: int | None = None
    warnings: list[LatentWarning] | None = None


def latent_health(
    means: np.ndarray,
    variances: np.ndarray | None,
    prior: np.ndarray | Callable[[int], np.ndarray],
    kl_per_dim: np.ndarray | None = None,
    seed: int = 0,
    fitted: bool = False,
    origin: str = "the prior",
) -> LatentHealth:
    """Figures of posteriors with `means` (N, D) and `variances` (N, D), None for an autoencoder. `prior` is
    draws (M, D), or a function of their number; `kl_per_dim` (N, D) or (D,) nats, by default the closed form
    against N(0, I). A `fitted` prior was fitted to posterior means (FaceSpace.fit_prior), so its draws are
    tested against means instead of samples. `origin` names the prior in sentences.

    Raises UsageError for fewer than 2 faces or shapes that do not fit."""
    drawn = _checked_draws(means, variances, prior)
    means = means.astype(np.float64)
    if variances is None:
        return _tested(_health(means, None, fitted, origin), means, drawn, seed)
    variances = variances.astype(np.float64)
    health = _health(means, variances, fitted, origin)
    random = np.random.default_rng(seed)
    z = means + np.sqrt(variances) * random.standard_normal(means.shape)
    if kl_per_dim is None:
        kl_per_dim = gaussian_kl(means, variances)
    health = _informed(health, kl_per_dim, information(z, means, variances, random))
    return _tested(health, means if fitted else z, drawn, seed)


def _health(means: np.ndarray, variances: np.ndarray | None, fitted: bool, origin: str) -> LatentHealth:
    """What means (N, D) and variances alone determine."""
    spread = means.var(0, ddof=1)  # (D,)
    scale = 1.0 if variances is not None else spread.mean()
    return LatentHealth(
        faces=len(means),
        dimensions=means.shape[1],
        **vars(latent_structure(means)),
        active_threshold=ACTIVE,
        dead_units=int((spread <= ACTIVE * scale).sum()),
        largest_absolute_mean=float(np.abs(means.mean(0)).max()),
        aggregate=aggregate(means, variances),
        per_dimension={"mean": means.mean(0).tolist(), "variance": spread.tolist()},
        prior_fitted=fitted,
        prior=origin,
        protocol=PROTOCOL,
    )


def _checked_draws(
    means: np.ndarray, variances: np.ndarray | None, prior: np.ndarray | Callable[[int], np.ndarray]
) -> np.ndarray:
    """Draws from the prior, (M, D). Raises UsageError for shapes that do not fit."""
    fits = variances is None or variances.shape == means.shape
    if means.ndim != 2 or len(means) < 2 or not fits:
        raise UsageError(
            "Latent health needs the means (N, D) of 2 or more faces, and as many variances; got "
            f"{means.shape}."
        )
    drawn = prior(len(means)) if callable(prior) else prior
    if drawn.ndim != 2 or drawn.shape[1] != means.shape[1]:
        raise UsageError(f"Draws from the prior must be (M, {means.shape[1]}); got {drawn.shape}.")
    return drawn


def _informed(health: LatentHealth, kl_per_dim: np.ndarray, shared: Information) -> LatentHealth:
    """With the KL (N, D) or (D,) and the mutual information, in nats."""
    nats = kl_per_dim.astype(np.float64).reshape(-1, health.dimensions).mean(0)  # (D,)
    return replace(
        health,
        kl=float(nats.sum()),
        **shared._asdict(),
        marginal_kl=float(nats.sum()) - shared.mutual_information,
        per_dimension={**health.per_dimension, "kl": nats.tolist()},
    )


def _tested(health: LatentHealth, z: np.ndarray, drawn: np.ndarray, seed: int) -> LatentHealth:
    """With the figures of the two-sample test, unless there are too few latents."""
    test = two_sample_test(z, drawn, seed)
    if test is None:
        return health
    return replace(health, **test._asdict())


def gaussian_kl(means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """KL(N(mean, variance) ‖ N(0, 1)) of each latent of each face, (N, D) nats."""
    return 0.5 * (means**2 + variances - 1 - np.log(variances))


def aggregate(means: np.ndarray, variances: np.ndarray | None) -> dict[str, float]:
    """q(z), the mixture of the posteriors of (N, D), against N(0, I) by its first two moments. `gaussian_kl`
    is that of a Gaussian with the same moments, in nats, over the directions with variance: there are fewer
    than D if latents are dead or faces few."""
    center = means.mean(0)
    covariance = np.cov(means.T).reshape(len(center), -1)
    if variances is not None:
        covariance = covariance + np.diag(variances.mean(0))
    values = np.linalg.eigvalsh(covariance)
    live = values[values > 1e-9 * max(values.max(), 1e-300)]
    apart = np.abs(covariance - np.diag(np.diag(covariance)))
    return {
        "norm_of_mean": float(np.linalg.norm(center)),
        "largest_absolute_mean": float(np.abs(center).max()),
        "variance_low": float(np.diag(covariance).min()),
        "variance_high": float(np.diag(covariance).max()),
        "largest_covariance": float(apart.max()),
        "covariance_distance": float(np.linalg.norm(covariance - np.eye(len(center)))),
        "gaussian_kl": float(0.5 * (center @ center + (live - 1 - np.log(live)).sum())),
    }


def information(
    z: np.ndarray, means: np.ndarray, variances: np.ndarray, random: np.random.Generator
) -> Information:
    """I(x; z) over at most MIXTURE_SIZE random faces, in nats: the mean of log q(z | x) − log q(z) over one
    sample z (N, D) of each posterior, where q(z) is the mixture of the same posteriors. It cannot exceed log
    N."""
    rows = random.permutation(len(z))[:MIXTURE_SIZE]
    z, means, variances = z[rows], means[rows], variances[rows]
    # (z − m)² / v, multiplied out, so that all pairs are matrix products.
    precision, weighted = 1 / variances, means / variances
    constant = (means * weighted + np.log(variances)).sum(1)  # (N,)
    total = 0.0
    for start in range(0, len(z), 256):
        part = z[start : start + 256]
        # (B, N) log-densities, less a shared constant
        logs = -0.5 * (part**2 @ precision.T - 2 * part @ weighted.T + constant)
        peak = logs.max(1)
        mixed = peak + np.log(np.exp(logs - peak[:, None]).mean(1))  # (B,) log q(z)
        own = logs[np.arange(len(part)), start + np.arange(len(part))]  # (B,) log q(z | x)
        total += float((own - mixed).sum())
    bound = math.log(len(z))  # exceeded by rounding alone
    return Information(min(total / len(z), bound), bound)


def latent_warnings(health: LatentHealth, flat: bool = True) -> list[LatentWarning]:
    """The faults of a space by its `latent_health`. `flat`: whether the model could have any other number of
    latents (ModelConfig.flat)."""
    found = [_unused(health, flat), _holes(health)]
    return [warning for warning in found if warning]


def _unused(health: LatentHealth, flat: bool) -> LatentWarning | None:
    active, total, nats, dead = health.active_units, health.dimensions, health.kl, health.dead_units
    if nats is not None and (active == 0 or nats < COLLAPSED):
        return LatentWarning(
            "Posterior collapse",
            f"the {total} latents together carry {nats:.2f} nats of information and {active} of them are in "
            "use, so that the decoder produces nearly the same face for all.",
            "Lower the KL weight (--set objective.weights.kl=0.5), use a longer warm-up (--set "
            "objective.warmup=5000), or free bits (--set objective.free_bits=0.1).",
        )
    if dead <= UNUSED * total:
        return None
    fewer = f" (--set model.latent_dim={max(1, total - dead)})" if flat else ""
    activate = ""
    if nats is not None:
        activate = ", or activate them: free bits (--set objective.free_bits=0.1) or a lower KL weight"
    return LatentWarning(
        "Unused latents",
        f"{dead} of {total} latents hardly vary from face to face, so that the space has fewer dimensions "
        "than it seems.",
        f"Train with fewer latents{fewer}, which loses nothing{activate}.",
    )


def _holes(health: LatentHealth) -> LatentWarning | None:
    auc = health.classifier_auc
    if auc is None or auc <= HOLES:
        return None
    better = "Fit a prior to the latents: facespace fit-prior --kind flow, then --prior flow"
    if health.prior_fitted:
        better = "Fit a flow (facespace fit-prior --kind flow), or a mixture of more Gaussians (--components)"
    if health.kl is not None:
        better += ", or train with a higher KL weight (--set objective.weights.kl=2)"
    return LatentWarning(
        "The prior does not match the faces",
        f"a classifier separates encoded faces from draws of {health.prior} (AUC {auc:.2f}; 0.5 is ideal), "
        "so that some new faces come from regions without training faces.",
        f"{better}.",
    )
