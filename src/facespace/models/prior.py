"""What every distribution of latents promises, and the noise that all draw from. The distributions themselves are in
priors.py and flow.py."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn

FLOOR = 1e-6  # under each variance, as a share of the mean one: dead latents and few faces leave a covariance singular


class Prior(nn.Module):
    """A distribution of latents (D,). `origin` says in words where it comes from."""

    origin: str
    conditions: tuple[str, ...] = ()  # attributes that its draws can be conditioned on

    @property
    def mean(self) -> Tensor:
        """(D,): the mean latent."""
        raise NotImplementedError

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D) latents; deviations from the centre are scaled by `temperature`."""
        raise NotImplementedError

    def sample_many(self, n: int, generator: Generator) -> Tensor:
        """(n, D) latents, those of `sample` but for the last bits, in larger portions where that is faster."""
        return self.sample(n, generator=generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """(N, D) latents to log-densities (N,), nats."""
        raise NotImplementedError

    def pull(self, z: Tensor, share: float) -> Tensor:
        """Latents (N, D) moved by a `share` in [0, 1] of the way towards likely ones: 0 leaves them, 1 takes them to the
        middle of where they lie. Here that is the mean, and the way a straight line."""
        return z + share * (self.mean.to(z) - z)


class FittedPrior(Prior):
    """A prior that learns from latents. All that it knows lies in its state dict and its `options`."""

    @classmethod
    def from_card(cls, dim: int, options: Mapping[str, Any]) -> "FittedPrior":
        """One that is not fitted yet, with the `options` that a card has of it."""
        return cls(dim, **options)  # type: ignore[call-arg]

    @property
    def options(self) -> dict[str, Any]:
        """What its constructor takes beside the dimension."""
        return {}

    def fit(self, z: Tensor, seed: int = 0, y: Tensor | None = None) -> None:
        """Learns from (N, D) latents, N ≥ 2, or (N, V, D), V views of each face; with `conditions` also from the attributes y
        (N, A) or (N, V, A), +1 yes, −1 no, NaN unknown."""
        raise NotImplementedError


def floor(variances: Tensor) -> float:
    """The least variance that is kept of (D,)."""
    return FLOOR * max(float(variances.mean()), FLOOR)


def noise(n: int, like: Tensor, generator: Generator | None) -> Tensor:
    """(n, D) on the device of `like`. With a generator it is drawn where that lives, so that a seed means the same on
    every device, and row by row, so that the first faces of a seed are the same however many are asked for. What is made
    of it must not depend on n either: the last bits of a product of matrices depend on how many rows there are."""
    if generator is None:
        return torch.randn(n, *like.shape, device=like.device, dtype=like.dtype)
    rows = [torch.randn(like.shape, generator=generator, device=generator.device) for _ in range(n)]
    return torch.stack(rows).to(like)
