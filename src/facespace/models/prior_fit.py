"""How well a fitted prior knows the latents of faces: how dense it is where faces lie, and whether it copies those that it
learned. Latents in, figures out."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from facespace.models.priors import Prior

LOOKED_AT = 1_000  # latents of a split that are looked at, evenly spread: the density of a flow takes a hundredth of a second each


def judge(
    prior: Prior,
    own: Prior,
    learned: Tensor,
    others: Mapping[str, Tensor],
    fitted_to: str,
    snap: Callable[[Tensor], Tensor] = lambda z: z,
) -> dict[str, dict]:
    """Figures of a `prior` fitted to latents `learned` (N, D), and the model's `own`, on named `others` (M, D), of which those
    named `fitted_to` were learned; `snap` says what new latents are decoded as.

    `nats`: for each name the mean log-density per latent vector of both priors. `nearest`: the median distance from a new
    latent, and from one of each of the `others` that was not learned, to the nearest learned one: copies lie nearer than
    faces that the prior never saw."""
    some = {name: z[:: math.ceil(len(z) / LOOKED_AT)] for name, z in others.items()}
    nats = {name: {"fitted": _mean(prior, z), "own": _mean(own, z)} for name, z in some.items()}
    new = snap(prior.sample(LOOKED_AT, generator=torch.Generator().manual_seed(0)))
    compared = {"new": new} | {name: z for name, z in some.items() if name != fitted_to}
    return {"nats": nats, "nearest": {name: _distance(z, learned) for name, z in compared.items()}}


def _mean(prior: Prior, z: Tensor) -> float:
    return float(prior.log_prob(z.to(prior.mean)).mean())


def _distance(z: Tensor, learned: Tensor) -> float:
    return float(torch.cdist(z.cpu().float(), learned.cpu().float()).amin(1).median())
