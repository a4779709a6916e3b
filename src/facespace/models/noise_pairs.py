"""A prior for tens of faces that draws new ones between two of them: a mixture of Gaussians in the noise
space of a flow that was fitted to many faces, around mixes of pairs of the faces' noises.

A Gaussian of so few noises (noise_normal.py) is likelier, since it is almost the flow's own N(0, I), and so
it draws the faces of the flow, broken ones too. A draw here starts at

    m + (a − m) / 2 + (b − m) / 2 + SPREAD · N(0, I),   m the mean of the noises, a and b two of them,

which has the length of noise that the flow knows, looks like the set, and shows none of its faces."""

import math
from typing import Self

import torch
from torch import Generator, Tensor

from facespace.models.flow import Flow
from facespace.models.prior import noise, standard_density
from facespace.models.prior_facts import SPREAD

NAME = "noise-pairs"
MOST_PAIRS = 1024  # that are kept, in 16 bits half a megabyte for 256 latents
SHARE = 0.5  # of each of two faces' deviations
CHUNK = 64  # latents whose distances to all pairs are in memory at once


class NoisePairs(Flow):
    """A flow whose initial noise is an equal mixture of N(pairs[k], SPREAD² I). Its noise space is that of
    the flow: `encode` and `decode` are the flow's."""

    name = "mixes of pairs of faces in the noise of a flow"
    origin = name
    pairs: Tensor  # (P, D)

    def __init__(self, dim: int, pairs: int = 1, **options: object) -> None:
        super().__init__(dim, **options)  # type: ignore[arg-type]
        self.register_buffer("pairs", torch.zeros(pairs, dim))

    @classmethod
    def around(cls, flow: Flow, pairs: Tensor, origin: str) -> Self:
        """The prior of a flow around centres (P, D) in its noise."""
        made = cls.from_card(len(flow.center), {**flow.options, "pairs": len(pairs)})
        made.load_state_dict({**flow.state_dict(), "pairs": pairs}, strict=False)
        made.origin = origin
        return made.to(flow.center.device).eval().requires_grad_(False)

    @property
    def options(self) -> dict[str, object]:
        """Those of the flow, and the number of pairs."""
        return {**super().options, "pairs": len(self.pairs)}

    @property
    def mean(self) -> Tensor:
        """(D,): the latent that the mean of the noise is transported to."""
        with torch.no_grad():
            return self.transport(self.pairs.mean(0, keepdim=True))[0]

    def initial_noise(self, n: int, generator: Generator | None) -> Tensor:
        """The initial noise of n samples, (n, D). The first number of each row of noise picks a pair."""
        drawn = noise(n, self.pairs.new_zeros(1 + self.pairs.shape[1]), generator)
        uniform = torch.special.ndtr(drawn[:, 0].double())
        chosen = (uniform * len(self.pairs)).long().clamp(max=len(self.pairs) - 1)
        return self.pairs[chosen] + SPREAD * drawn[:, 1:]

    def scaled(self, e: Tensor, factor: float) -> Tensor:
        """Noise (N, D) with its distance from the mean of the pairs scaled."""
        center = self.pairs.mean(0).to(e)
        return center + factor * (e - center)

    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats: the flow's density, with the mixture's in place of N(0, I) for the noise."""
        e = self.encode(z).double()
        return super().log_prob(z) - standard_density(e) + pairs_density(e, self.pairs.double())


def pairs_density(e: Tensor, pairs: Tensor) -> Tensor:
    """Log-densities (N,) of noises (N, D) under the equal mixture of N(pairs[k], SPREAD² I), pairs (P, D),
    nats."""
    squares = torch.cat([torch.cdist(part, pairs).square() for part in e.split(CHUNK)])
    volume = e.shape[1] * (math.log(SPREAD) + 0.5 * math.log(2 * math.pi))
    return torch.logsumexp(-squares / (2 * SPREAD**2), 1) - math.log(len(pairs)) - volume


def mixed_pairs(e: Tensor) -> Tensor:
    """Centres (P, D) between pairs of noises (N, D), N ≥ 2: of all pairs, or of MOST_PAIRS of them. The same
    noises give the same pairs."""
    first, second = torch.triu_indices(len(e), len(e), 1)
    if len(first) > MOST_PAIRS:
        kept = torch.randperm(len(first), generator=Generator().manual_seed(0))[:MOST_PAIRS]
        first, second = first[kept], second[kept]
    center = e.mean(0)
    return center + SHARE * (e[first] - center) + SHARE * (e[second] - center)
