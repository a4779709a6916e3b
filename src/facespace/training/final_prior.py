"""The prior of a finished model: a Gaussian, a mixture and a small flow are fitted to the latents of its
training faces, and the one under which held-out faces are most likely is kept in the bundle, where it is
better than the model's own prior. Also measures how far the latents are from N(0, I). Every step is a
function of weights, faces and seed; none is bounded by the clock."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from facespace.core.cards import Card
from facespace.core.console import note
from facespace.data.faces import FaceSet, evenly_spaced
from facespace.models import LatentModel, additions, bundle, bundle_card, fitted, prior_fit
from facespace.models.bundle_card import MODEL_PRIOR
from facespace.models.flow_training import MIN_FACES
from facespace.models.posteriors import Gaussian
from facespace.models.prior import FittedPrior, Prior
from facespace.models.priors import FACES_PER_LATENT, Autoregressive, FittedNormal, fitted_prior
from facespace.recipes.config import Frozen
from facespace.training.loaders import Loader
from facespace.training.records import PriorReport

MOST = 8_000  # latents that are encoded for the fit, mirror images included
HELD_OUT = 0.1  # share of the training faces that is held out where there are no validation faces
FEWEST = 10  # training faces
SMALL_FLOW = {"steps": 600, "width": 256, "blocks": 2}  # 20 s of one core for 256 latents
SMALL_TRANSFORMER = {"steps": 300, "width": 96, "blocks": 2}  # of an autoregressive prior
COMPONENTS, COMPONENTS_OF_MANY, MANY = 10, 5, 128  # Gaussians of a mixture; fewer above so many latents
MOST_LATENTS = 600  # of a mixture: its time grows with their square
AUTO, NONE = "auto", "none"


class Latents(NamedTuple):
    """The encoded faces of a fit, on the CPU."""

    learned: Tensor  # (N, V, D) posterior means of N faces, V views of each
    held_out: Tensor  # (M, D) posterior means
    split: str  # of the held-out ones: "validation", or "held-out" of the training faces
    variances: Tensor | None  # (N, D) of the posteriors of the first views; None without a Gaussian posterior


def fit(
    opened: bundle.Bundle, setting: str, loader: Loader, mirror: bool, seed: int, kept: Frozen = "none"
) -> PriorReport | None:
    """Fits the priors that train.prior names to the model of a bundle, and keeps the best one, or the one
    that is named, and the figures in the bundle. None where training has fewer than FEWEST faces.

    `mirror` fits to mirror images too, where there are few faces. Where training `kept` a part of the space
    that it started from, and the bundle holds priors that were carried over from there, `auto` fits none;
    with the decoder kept, their figures become those of the new latents. A bundle that has the figures
    already stays as it is."""
    start = time.monotonic()
    card = bundle.card_of(opened.folder)
    if "aggregate_posterior" in card:
        return report_of(opened, 0.0)
    if len(loader.rows) < FEWEST:
        return None
    z = encode(opened.model, loader, mirror)
    enough = kept != "none" and setting == AUTO and card.get("priors")
    found = _fit_all({} if enough else candidates(setting, z, opened.model), z, opened.model, seed)
    carried = _measure_carried(opened, z) if enough and kept == "decoder" else {}
    nats = _densities({**found, **carried}, opened.model.prior, z)
    best = setting if setting in nats else max(nats, key=nats.__getitem__)
    if best in found:
        _keep(opened, best, found[best], z, loader.faces, seed)
    facts: Card = {"faces": len(z.learned), "split": z.split, "nats": nats}
    if z.variances is not None:
        facts["kl_to_standard_normal"] = kl_to_standard_normal(z.learned[:, 0], z.variances)
    additions.add_facts(opened, "aggregate_posterior", facts)
    return report_of(opened, time.monotonic() - start)


def report_of(opened: bundle.Bundle, seconds: float) -> PriorReport:
    """The report on the prior and the figures that a bundle holds."""
    card = bundle.card_of(opened.folder)
    figures, kind = card.get("aggregate_posterior"), bundle_card.default_prior(card)
    assert figures
    entry = card.get("priors", {}).get(kind)
    origin = entry["origin"] if entry else opened.model.prior.origin
    distance = figures.get("kl_to_standard_normal")
    return PriorReport(kind, origin, figures["split"], figures["nats"], distance, round(seconds, 2))


def encode(model: LatentModel, loader: Loader, mirror: bool) -> Latents:
    """The latents of at most MOST training faces, and of all validation faces; without these a tenth of the
    training faces is held out. Attributes of a conditional model are unknown."""
    rows, split = evenly_spaced(loader.rows, min(MOST, len(loader.rows))), "validation"
    others = loader.faces.rows("validation")
    if not len(others):
        split, every = "held-out", round(1 / HELD_OUT)
        others, rows = rows[::every], rows[[place for place in range(len(rows)) if place % every]]
    means, variances = _encode(model, loader, rows)
    views = [means]
    if mirror and 2 * len(rows) <= MOST:
        views.append(_encode(model, loader, rows, mirrored=True)[0])
    return Latents(torch.stack(views, 1), _encode(model, loader, others)[0], split, variances)


@torch.no_grad()
def _encode(
    model: LatentModel, loader: Loader, rows: np.ndarray, mirrored: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Posterior means (N, D) of rows, and the posterior variances of a Gaussian posterior, on the CPU."""
    means, variances = [], []
    for batch in loader.with_rows(rows, all_rows=True).in_order():
        q = model.encode(batch.image.flip(3) if mirrored else batch.image)
        means.append(q.mean.flatten(1).float().cpu())
        if isinstance(q, Gaussian):
            variances.append(q.log_var.exp().flatten(1).float().cpu())
    return torch.cat(means), torch.cat(variances) if variances else None


def kl_to_standard_normal(means: Tensor, variances: Tensor) -> float:
    """KL(N(m, S) ‖ N(0, I)) in nats, where m and S are mean and covariance of the aggregate posterior, the
    mixture of the posteriors N(means[i], diag(variances[i])), (N, D) each: ½ (tr S + m·m − D − log det S)."""
    means, count = means.double(), means.shape[1]
    center = means.mean(0)
    spread = (means - center).T @ (means - center) / len(means) + variances.double().mean(0).diag()
    log_det = torch.linalg.slogdet(spread).logabsdet
    return float(0.5 * (spread.trace() + center.square().sum() - count - log_det))


def candidates(setting: str, z: Latents, model: LatentModel) -> dict[str, dict]:
    """The kinds of prior to fit and their options: the one that is named, or for `auto` all that so many
    faces allow. A Gaussian is the own prior of an autoencoder, and is not fitted a second time."""
    faces, views, dim = z.learned.shape
    components = COMPONENTS if dim <= MANY else COMPONENTS_OF_MANY
    components = max(1, min(components, faces * views // (FACES_PER_LATENT * dim)))
    kinds: dict[str, dict] = {
        "normal": {},
        "mixture": {"components": components},
        "flow": SMALL_FLOW,
        "autoregressive": SMALL_TRANSFORMER,
    }
    if setting == NONE:
        return {}
    if model.code_grids and setting in (AUTO, "autoregressive"):
        # The density of a continuous prior at codes, which are points, says nothing.
        return {"autoregressive": SMALL_TRANSFORMER} if faces >= MIN_FACES else {}
    if setting != AUTO:
        return {setting: kinds[setting]}
    del kinds["autoregressive"]
    if isinstance(model.prior, FittedNormal):
        del kinds["normal"]
    if components < 2 or dim > MOST_LATENTS:
        del kinds["mixture"]  # of one component it would be the Gaussian
    if faces < MIN_FACES:
        del kinds["flow"]
    return kinds


def _fit_all(kinds: Mapping[str, dict], z: Latents, model: LatentModel, seed: int) -> dict[str, FittedPrior]:
    """The fitted priors by kind; one whose fit fails is left out with a note."""
    found = {}
    for kind, options in kinds.items():
        prior = fitted_prior(kind, z.learned.shape[2], options, model.code_grids)
        try:
            prior.fit(z.learned, seed)
        except (ValueError, RuntimeError) as error:  # a covariance that is singular
            note(f"No prior {kind!r}: {str(error).splitlines()[0]}")
            continue
        found[kind] = prior
    return found


def _density(prior: Prior, z: Tensor) -> float:
    """The mean log-density of at most MEASURED latents (M, D), nats per latent vector; NaN where it fails."""
    try:
        return prior_fit.mean_density(prior, z[:: math.ceil(len(z) / prior_fit.MEASURED)])
    except (ValueError, RuntimeError):
        return math.nan


def _densities(found: Mapping[str, FittedPrior], own: Prior, z: Latents) -> dict[str, float]:
    """The mean log-density of held-out latents, by kind, that of the model's own prior included; of a prior
    over codes, whose log-probability is no density, beside `uniform`, the one of equally likely entries."""
    nats: dict[str, float] = {}
    for kind, prior in found.items():
        density = _density(prior, z.held_out)
        if math.isfinite(density):
            nats[kind] = density
        if isinstance(prior, Autoregressive):
            return {**nats, "uniform": prior.uniform_log_prob}
    return {MODEL_PRIOR: _density(own, z.held_out), **nats}


def _figures(prior: FittedPrior, z: Latents, model: LatentModel) -> prior_fit.FitFigures:
    """The figures that `fit-prior` gives of a prior."""
    others = {"train": z.learned[:, 0], z.split: z.held_out}
    learned = z.learned.flatten(0, 1)
    return prior_fit.measure_fit(prior, model.prior, learned, others, "train", _on_cpu(model.quantize, model))


def _measure_carried(opened: bundle.Bundle, z: Latents) -> dict[str, FittedPrior]:
    """Writes the figures of priors that were carried over, for latents of another encoder; the priors."""
    entries: Card = dict(bundle.card_of(opened.folder).get("priors", {}))
    found = {kind: fitted.load_prior(opened, kind) for kind in entries}
    for kind, prior in found.items():
        entries[kind] = {**entries[kind], **_figures(prior, z, opened.model)}
    additions.add_facts(opened, "priors", entries)
    return found


def _keep(
    opened: bundle.Bundle, kind: str, prior: FittedPrior, z: Latents, faces: FaceSet, seed: int
) -> None:
    """Keeps a prior in a bundle with the facts and figures that `fit-prior` gives."""
    figures = _figures(prior, z, opened.model)
    count, views, _ = z.learned.shape
    facts = asdict(prior_fit.PriorFacts(kind, faces.fingerprint, "train", count, views > 1, seed))
    # Fitted at the end of training, not by fit-prior.
    fitted.save_prior(opened, kind, prior, {**facts, "automatic": True, **figures})


def _on_cpu(quantize: Callable[[Tensor], Tensor], model: LatentModel) -> Callable[[Tensor], Tensor]:
    """Quantization of latents on the CPU by a model on any device."""
    device = next(model.parameters()).device
    return lambda z: quantize(z.to(device)).cpu()
