"""The interface of every distribution of latents, and the noise that all of them sample from. The
distributions are in priors.py, flow.py and diffusion.py."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Generator, Tensor, nn

from facespace.models.codes import CodeGrid

FLOOR = 1e-6  # of each variance, relative to the mean variance: collapsed latents leave a covariance singular

Options = Mapping[str, Any]  # arguments of a prior's constructor beside the dimension, as its card has them


class Prior(nn.Module):
    """A distribution of latents (D,). `origin` describes in one sentence where it comes from."""

    origin: str
    conditions: tuple[str, ...] = ()  # attributes that samples can be conditioned on
    # Whether log_prob is a log-probability of codes, which has no gradient and cannot be compared with the
    # log-density of a continuous prior.
    discrete: bool = False

    @property
    def mean(self) -> Tensor:
        """(D,): the mean latent."""
        raise NotImplementedError

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D) latents; deviations from the mean are scaled by `temperature`."""
        raise NotImplementedError

    def sample_many(self, n: int, generator: Generator, temperature: float = 1.0) -> Tensor:
        """(n, D) latents, equal to those of `sample` up to rounding, in larger batches where that is
        faster."""
        return self.sample(n, temperature, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """(N, D) latents to log-densities (N,), nats."""
        raise NotImplementedError

    def truncate(self, z: Tensor, strength: float) -> Tensor:
        """Truncation: latents (N, D) moved towards regions of high density. `strength` lies in [0, 1]; 0
        leaves a latent, 1 moves it to the mode. Here the mode is the mean, and the path a straight line."""
        return z + strength * (self.mean.to(z) - z)


class FittedPrior(Prior):
    """A prior that is fitted to latents. Its state dict and its `options` describe it completely."""

    @classmethod
    def from_card(cls, dim: int, options: Options) -> Self:
        """An unfitted prior with the `options` of a card."""
        return cls(dim, **options)  # type: ignore[call-arg]

    @classmethod
    def for_latents(cls, dim: int, grids: Sequence[CodeGrid], options: Options) -> Self:
        """An unfitted prior for latents (dim,), which consist of these maps of codes where they are
        quantized. Raises UsageError where the prior cannot have such latents."""
        return cls(dim, **options)  # type: ignore[call-arg]

    @property
    def options(self) -> Options:
        """The arguments of the constructor beside the dimension."""
        return {}

    def fit(self, z: Tensor, seed: int = 0, y: Tensor | None = None) -> None:
        """Fits the prior to latents (N, D), N ≥ 2, or (N, V, D), V views of each face. With `conditions` it
        also uses the attributes y (N, A) or (N, V, A): +1 yes, −1 no, NaN unknown."""
        raise NotImplementedError


def identity(size: int) -> Tensor:
    """The identity matrix (size, size). `torch.eye` is not used, since for shapes without memory it imports
    half of the compiler, which takes longer than opening a space."""
    return torch.zeros(size, size).fill_diagonal_(1)


def standard_density(e: Tensor) -> Tensor:
    """Log-densities (N,) of vectors (N, D) under N(0, I), float64, in nats."""
    return -0.5 * (e.double().square() + math.log(2 * math.pi)).sum(1)


def variance_floor(variances: Tensor) -> float:
    """The lowest variance that is kept, of variances (D,)."""
    return FLOOR * max(float(variances.mean()), FLOOR)


def noise(n: int, like: Tensor, generator: Generator | None) -> Tensor:
    """Standard normal noise (n, *like.shape) on the device of `like`.

    With a generator it is drawn on the generator's device, so that a seed means the same on every device, and
    row by row, so that the first samples of a seed do not depend on n. Nor may what is computed from it: the
    last bits of a matrix product depend on the number of rows."""
    if generator is None:
        return torch.randn(n, *like.shape, device=like.device, dtype=like.dtype)
    rows = [torch.randn(like.shape, generator=generator, device=generator.device) for _ in range(n)]
    return torch.stack(rows).to(like)
