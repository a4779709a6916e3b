"""Where new latents come from. A VAE's prior is N(0, I); an autoencoder has none, so one is fitted to its training
latents afterwards and says so."""

import torch
from torch import Generator, Tensor, nn


class Prior(nn.Module):
    """A distribution of latents (D,). `origin` says in words where it comes from."""

    origin: str

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D) latents; deviations from the centre are scaled by `temperature`."""
        raise NotImplementedError


class StandardNormal(Prior):
    """N(0, I) over (D,)."""

    origin = "the prior N(0, I)"
    center: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(dim), persistent=False)  # carries the device

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D)."""
        return temperature * _noise(n, self.center, generator)


class FittedNormal(Prior):
    """N(mean, covariance) of the training latents; both are stored with the weights. N(0, I) until it is fitted."""

    origin = "a Gaussian fitted to the latents of the training faces (an autoencoder has no prior of its own)"
    center: Tensor
    covariance: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("covariance", torch.eye(dim))

    @torch.no_grad()
    def fit(self, z: Tensor) -> None:
        """Takes mean and covariance of (N, D) latents, N ≥ 2."""
        self.center.copy_(z.mean(0))
        self.covariance.copy_(torch.cov(z.double().T).reshape(self.covariance.shape))

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D)."""
        # Eigenvectors rather than Cholesky: fewer faces than latents, or dead latents, leave the covariance singular.
        values, vectors = torch.linalg.eigh(self.covariance.double())
        spread = (vectors * values.clamp(min=0).sqrt()).to(self.center.dtype)
        return self.center + temperature * _noise(n, self.center, generator) @ spread.T


def _noise(n: int, like: Tensor, generator: Generator | None) -> Tensor:
    """(n, D) on the device of `like`. With a generator it is drawn where that lives, so that a seed means the same on
    every device, and row by row, so that the first faces of a seed are the same however many are asked for."""
    if generator is None:
        return torch.randn(n, *like.shape, device=like.device, dtype=like.dtype)
    rows = [torch.randn(like.shape, generator=generator, device=generator.device) for _ in range(n)]
    return torch.stack(rows).to(like)


PRIORS = {"point": FittedNormal, "gaussian": StandardNormal}
