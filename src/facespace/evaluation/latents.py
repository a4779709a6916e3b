"""The health of a latent space: how much each latent tells of a face, and whether encoded faces lie where the prior draws
from. Figures from arrays, and warnings in plain words with what to change. Opens no model."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from facespace.core.errors import UsageError
from facespace.latent.structure import ACTIVE, latent_structure

TOLD_APART = 2_000  # faces, and as many draws from the prior, that a classifier is shown
MIXED = 8_000  # faces whose posteriors are mixed into q(z): the time grows with the square
KEPT = 0.999  # share of the variance whose principal components it sees
FOLDS, FEWEST = 5, 25  # of the classifier's cross-validation, and faces below which it is left out
COLLAPSED = 1.0  # nats of KL in all, below which hardly anything is told of a face
UNUSED, HOLES = 0.1, 0.8  # share of dead latents, and the classifier's AUC, from which on there is a warning

PROTOCOL = {
    "kl": "KL(q(z | x) ‖ N(0, I)) in nats, closed form, mean over faces (Kingma & Welling, 2014, appendix B)",
    "active_units": f"latents whose posterior mean varies by more than {ACTIVE:g} over faces (Burda et al., 2016)",
    "dead_units": f"the others; of an autoencoder, latents below {ACTIVE:g} of the mean variance, since its scale is free",
    "mutual_information": (
        "E log q(z | x) − log q(z) with q(z) the mixture of the faces' posteriors, one sample a face (Hoffman & Johnson, "
        "2016); never above its bound, the logarithm of the number of faces, and near it a lower bound of the truth"
    ),
    "aggregate": "mean and covariance of q(z), posterior variances included, against N(0, I)",
    "classifier_auc": (
        f"posterior samples (means, for a prior fitted to means) against draws from the prior, {FOLDS} folds: the better of logistic regression on the principal "
        f"components with {KEPT:.1%} of the variance and their squares, and of extremely randomised trees; 0.5 is ideal"
    ),
}


def latent_health(
    means: np.ndarray,
    variances: np.ndarray | None,
    prior: np.ndarray | Callable[[int], np.ndarray],
    kl_per_dim: np.ndarray | None = None,
    seed: int = 0,
    fitted: bool = False,
) -> dict[str, Any]:
    """Figures of posteriors with `means` (N, D) and `variances` (N, D), None for an autoencoder, whose figures then lack KL
    and mutual information. `prior` is draws (M, D), or a function of their number; `kl_per_dim` (N, D) or (D,) nats,
    otherwise the closed form against N(0, I). A `fitted` prior learned posterior means (FaceSpace.fit_prior), so the means
    and not samples of the posteriors are told from its draws. All is plain numbers and lists, ready for JSON.

    Raises UsageError for fewer than 2 faces or shapes that do not fit."""
    if means.ndim != 2 or len(means) < 2 or (variances is not None and variances.shape != means.shape):
        raise UsageError(
            f"Latent health needs the means (N, D) of 2 or more faces, and as many variances; got {means.shape}."
        )
    drawn = prior(len(means)) if callable(prior) else prior
    if drawn.ndim != 2 or drawn.shape[1] != means.shape[1]:
        raise UsageError(f"Draws from the prior must be (M, {means.shape[1]}); got {drawn.shape}.")
    means = means.astype(np.float64)
    variances = None if variances is None else variances.astype(np.float64)
    random = np.random.default_rng(seed)
    z = means if variances is None else means + np.sqrt(variances) * random.standard_normal(means.shape)
    spread = means.var(0, ddof=1)  # (D,)
    found = {
        "faces": len(means),
        "dimensions": means.shape[1],
        **latent_structure(means),
        "active_above": ACTIVE,
        "dead_units": int((spread <= ACTIVE * (1.0 if variances is not None else spread.mean())).sum()),
        "largest_absolute_mean": float(np.abs(means.mean(0)).max()),
        "aggregate": aggregate(means, variances),
        "per_dimension": {"mean": means.mean(0).tolist(), "variance": spread.tolist()},
    }
    if variances is not None:
        nats = gaussian_kl(means, variances) if kl_per_dim is None else kl_per_dim.astype(np.float64)
        nats = nats.reshape(-1, means.shape[1]).mean(0)  # (D,)
        found |= {"kl": float(nats.sum()), **information(z, means, variances, random)}
        found["marginal_kl"] = found["kl"] - found["mutual_information"]
        found["per_dimension"]["kl"] = nats.tolist()
    return {
        **found,
        "prior_fitted": fitted,
        **told_apart(means if fitted else z, drawn, seed),
        "protocol": PROTOCOL,
    }


def gaussian_kl(means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """KL(N(mean, variance) ‖ N(0, 1)) of each latent of each face, (N, D) nats."""
    return 0.5 * (means**2 + variances - 1 - np.log(variances))


def aggregate(means: np.ndarray, variances: np.ndarray | None) -> dict[str, float]:
    """How q(z), the mixture of the posteriors of (N, D), lies against N(0, I) by its first two moments. `gaussian_kl` is
    that of a Gaussian with the same moments, in nats; where latents are dead or faces few, it is that of the others."""
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
) -> dict[str, Any]:
    """I(x; z) over at most MIXED faces, chosen at random, in nats: the mean of log q(z | x) − log q(z) over one sample z
    (N, D) of each posterior, where q(z) mixes the same faces' posteriors. It cannot exceed log N."""
    rows = random.permutation(len(z))[:MIXED]
    z, means, variances = z[rows], means[rows], variances[rows]
    # (z − m)² / v, multiplied out, so that all pairs are products of matrices.
    precision, weighted = 1 / variances, means / variances
    constant = (means * weighted + np.log(variances)).sum(1)  # (N,)
    total = 0.0
    for start in range(0, len(z), 256):
        part = z[start : start + 256]
        logs = -0.5 * (
            part**2 @ precision.T - 2 * part @ weighted.T + constant
        )  # (B, N), less a shared constant
        peak = logs.max(1)
        mixed = peak + np.log(np.exp(logs - peak[:, None]).mean(1))  # (B,) log q(z)
        own = logs[np.arange(len(part)), start + np.arange(len(part))]  # (B,) log q(z | x)
        total += float((own - mixed).sum())
    bound = math.log(len(z))  # exceeded by rounding alone
    return {"mutual_information": min(total / len(z), bound), "mutual_information_bound": bound}


def told_apart(z: np.ndarray, drawn: np.ndarray, seed: int) -> dict[str, Any]:
    """How well classifiers tell encoded latents (N, D) from draws (M, D) of the prior, as many of each: the mean AUC and
    accuracy over cross-validation folds of the better one by AUC, and its name. Empty below FEWEST of each."""
    from sklearn.decomposition import PCA  # here, since it takes longer to load than all other figures take
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_validate
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    count = min(len(z), len(drawn), TOLD_APART)
    if count < FEWEST:
        return {}
    random = np.random.default_rng(seed)
    x = np.concatenate([random.permutation(part)[:count] for part in (z, drawn)])
    y = np.repeat([1, 0], count)
    # Along principal components squares see correlations too; trees see what has the same moments and another shape.
    # Directions without variance, as an autoencoder has, would count as much as others once scaled: they are left out.
    squares = FunctionTransformer(lambda part: np.concatenate([part, part**2], 1))
    judges = {
        "logistic regression": make_pipeline(
            PCA(KEPT, svd_solver="full"), squares, StandardScaler(), LogisticRegression(C=0.1, max_iter=500)
        ),
        "trees": ExtraTreesClassifier(100, min_samples_leaf=3, random_state=seed % 2**32),
    }
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    found = {}
    for name, judge in judges.items():
        scores = cross_validate(judge, x, y, cv=folds, scoring=("roc_auc", "accuracy"))
        found[name] = {
            "auc": float(scores["test_roc_auc"].mean()),
            "accuracy": float(scores["test_accuracy"].mean()),
        }
    best = max(found, key=lambda name: found[name]["auc"])
    return {
        "classifier_auc": found[best]["auc"],
        "classifier_accuracy": found[best]["accuracy"],
        "classifier": best,
        "classifiers": found,
        "classifier_faces": count,
    }


def warnings(health: Mapping[str, Any], flat: bool = True) -> list[dict[str, str]]:
    """What is wrong with a space by its `latent_health`, each as {what, why, change}; none where all is well. `flat`: whether
    any other number of latents would do (ModelConfig.flat)."""
    found, active, total = [], health["active_units"], health["dimensions"]
    nats, dead = health.get("kl"), health["dead_units"]
    if nats is not None and (active == 0 or nats < COLLAPSED):
        found.append(
            _warning(
                "Posterior collapse",
                f"the {total} latents together tell {nats:.2f} nats of a face and {active} of them are in use, so that "
                "the decoder draws nearly the same face for all",
                "Lower the KL weight (--set objective.weights.kl=0.5), let it rise over a longer warm-up (--set "
                "objective.warmup=5000), or give free bits (--set objective.free_bits=0.1).",
            )
        )
    elif dead > UNUSED * total:
        waken = (
            ""
            if nats is None
            else ", or waken them: free bits (--set objective.free_bits=0.1) or a lower KL weight"
        )
        fewer = f" (--set model.latent={max(1, total - dead)})" if flat else ""
        found.append(
            _warning(
                "Unused latents",
                f"{dead} of {total} latents hardly vary from face to face, so that the space is smaller than it looks",
                f"Train with fewer latents{fewer}, which loses nothing{waken}.",
            )
        )
    auc = health.get("classifier_auc")
    if auc is not None and auc > HOLES:
        higher = "" if nats is None else ", or train with a higher KL weight (--set objective.weights.kl=2)"
        better = "Fit a prior to the latents: facespace fit-prior --kind flow, then --prior flow"
        if health["prior_fitted"]:
            better = (
                "Fit a flow (facespace fit-prior --kind flow), or a mixture of more Gaussians (--components)"
            )
        found.append(
            _warning(
                "The prior misses the faces",
                f"a classifier tells encoded faces from draws of the prior (AUC {auc:.2f}, where 0.5 is ideal), so that "
                "some new faces come from holes where no face lies",
                f"{better}{higher}.",
            )
        )
    return found


def _warning(what: str, why: str, change: str) -> dict[str, str]:
    return {"what": what, "why": f"{why}.", "change": change}
