"""How well a fitted prior describes the latents of faces: its density on held-out latents, and whether its
samples copy the latents that it was fitted to. Works on latents alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor

from facespace.models.bundle_card import LogLikelihoods
from facespace.models.priors import Autoregressive, Prior

MEASURED = 1_000  # latents of a split, evenly spaced: the density of a flow takes .01 s for each


@dataclass(frozen=True)
class PriorFacts:
    """What a fitted prior's card entry says of the fit, beside its figures."""

    kind: str
    data: str  # the set's fingerprint
    split: str
    faces: int
    mirror: bool
    seed: int


class FitFigures(TypedDict):
    """What a fit is measured by, as `measure_fit` says."""

    nats: dict[str, LogLikelihoods]  # by split
    discrete: bool
    nearest: dict[str, float]  # by split, "new" of samples


def _unchanged(z: Tensor) -> Tensor:
    return z


def measure_fit(
    prior: Prior,
    model_prior: Prior,
    learned: Tensor,
    others: Mapping[str, Tensor],
    fitted_to: str,
    snap: Callable[[Tensor], Tensor] = _unchanged,
) -> FitFigures:
    """Figures of a `prior` fitted to latents `learned` (N, D) and of `model_prior`, on splits `others`
    (M, D) by name, of which `fitted_to` was learned. `snap` quantizes samples as the decoder does.

    `nats`: for each split the mean log-density per latent vector under both priors; of a discrete prior,
    whose log-probabilities of codes cannot be compared with densities, beside that of equally likely
    entries. `discrete` says which of the two. `nearest`: the median distance from a sample, and from a
    latent of each split that was not learned, to the nearest learned one. Samples that copy learned latents
    lie nearer than held-out faces do."""
    nats: dict[str, LogLikelihoods] = {}
    compared: dict[str, Tensor] = {}
    samples = prior.sample_many(MEASURED, torch.Generator().manual_seed(0))
    compared["new"] = snap(samples)
    for name, z in others.items():
        subset = z[:: math.ceil(len(z) / MEASURED)]
        nats[name] = {"fitted": mean_density(prior, subset)}
        if isinstance(prior, Autoregressive):
            nats[name]["uniform"] = prior.uniform_log_prob
        else:
            nats[name]["model"] = mean_density(model_prior, subset)
        if name != fitted_to:
            compared[name] = subset
    nearest = {name: _nearest(z, learned) for name, z in compared.items()}
    return {"nats": nats, "discrete": prior.discrete, "nearest": nearest}


def mean_density(prior: Prior, z: Tensor) -> float:
    """The mean log-density of latents (N, D), nats per latent vector."""
    return float(prior.log_prob(z.to(prior.mean)).mean())


def _nearest(z: Tensor, learned: Tensor) -> float:
    return float(torch.cdist(z.cpu().float(), learned.cpu().float()).amin(1).median())
