"""Posteriors q(z | x) of a batch of images: deterministic, Gaussian, or vector-quantized (quantizer.py). Each
is made from the bottleneck's output, `PARTS` × D numbers for each image."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from facespace.models.interface import Posterior
from facespace.models.quantizer import Codebook
from facespace.recipes.model_config import ModelConfig

# log σ² outside this range would overflow exp() or stop the gradient; trained models stay far from both ends.
LOG_VAR_RANGE = (-20.0, 10.0)


class Deterministic(Posterior):
    """The deterministic posterior of an autoencoder: z is a function of x."""

    PARTS = 1

    def __init__(self, raw: Tensor) -> None:
        self.mean = raw  # (B, D)

    def sample(self, generator: Generator | None = None) -> Tensor:
        """The latent itself, (B, D)."""
        return self.mean

    def regularizers(self) -> dict[str, Tensor]:
        """No regularizer."""
        return {}

    def log_ratio(self, z: Tensor) -> Tensor:
        """0: there is no density."""
        return z.new_zeros(len(z))


class Gaussian(Posterior):
    """q(z | x) = N(mean, exp(log_var)), independent in each latent (Kingma & Welling, 2014)."""

    PARTS = 2

    def __init__(self, raw: Tensor) -> None:
        self.mean, log_var = raw.chunk(2, dim=1)  # (B, D) each
        self.log_var = log_var.clamp(*LOG_VAR_RANGE)

    def sample(self, generator: Generator | None = None) -> Tensor:
        """mean + ε·σ with ε from N(0, I), (B, D)."""
        like = self.mean
        noise = torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)
        return self.mean + noise * (0.5 * self.log_var).exp()

    def kl_per_latent(self) -> Tensor:
        """KL(q ‖ N(0, 1)) of each latent, (B, D) nats (Kingma & Welling, appendix B)."""
        return 0.5 * (self.mean**2 + self.log_var.exp() - 1 - self.log_var)

    def regularizers(self) -> dict[str, Tensor]:
        """{"kl": (B,) nats, summed over latents}."""
        return {"kl": self.kl_per_latent().sum(1)}

    def log_ratio(self, z: Tensor) -> Tensor:
        """log p(z) − log q(z | x), (B,) nats, summed over latents; the constants of both cancel."""
        standard = (z - self.mean) * (-0.5 * self.log_var).exp()
        return 0.5 * (standard**2 + self.log_var - z**2).sum(1)


# A row makes, from a config, the function from the bottleneck's output to a posterior.
POSTERIORS: dict[str, Callable[[ModelConfig], Any]] = {
    "deterministic": lambda _: Deterministic,
    "gaussian": lambda _: Gaussian,
    "vq": Codebook,
}
