"""The interface of every model of a face latent space. A latent is one tensor, images are floats in [0, 1],
and all sums run over pixels or latents, never over the batch."""

from typing import NamedTuple, Protocol

from torch import Generator, Tensor, nn

from facespace.models.codes import CodeGrid
from facespace.models.priors import Prior
from facespace.recipes.model_config import ModelConfig


class ModelOutput(NamedTuple):
    """The result of a forward pass: everything that a loss may use."""

    image: Tensor  # (B, C, H, W) mean image in [0, 1]
    log_likelihood: Tensor  # (B,) nats, summed over pixels
    # Regularizers, name -> (B,): none of an autoencoder, "kl" in nats of a VAE, "commitment" of vector
    # quantization.
    regularizers: dict[str, Tensor]
    kl_per_latent: Tensor | None = None  # (B, D) nats: the summands of "kl"
    iwae_bound: Tensor | None = None  # (B,) nats: the importance-weighted bound, for several samples
    # (N, C, H, W) mean images of further latents: given ones, or interpolations of the batch's.
    generated: Tensor | None = None


class Posterior(Protocol):
    """q(z | x) for a batch of images."""

    mean: Tensor  # (B, D)

    def sample(self, generator: Generator | None = None) -> Tensor:
        """One latent for each image, (B, D), differentiable."""
        ...

    def sample_with_posterior(self, generator: Generator | None = None) -> "tuple[Tensor, Posterior]":
        """A sample, and the posterior that gives its regularizers: this one, unless it is hierarchical, where
        the distribution of a level depends on the sample of those before it."""
        return self.sample(generator), self

    def regularizers(self) -> dict[str, Tensor]:
        """Regularizers by name, (B,) each."""
        ...

    def log_ratio(self, z: Tensor) -> Tensor:
        """log p(z) − log q(z | x) of one latent for each image, (B,) nats; 0 for a deterministic
        posterior."""
        ...


class LatentModel(nn.Module):
    """An encoder, a decoder and a prior over latents."""

    config: ModelConfig
    image_shape: tuple[int, int, int]  # (C, H, W) of its output
    latent_shape: tuple[int, ...]  # without the batch
    prior: Prior
    decoder: nn.Module  # all parameters of `decode`, and no others

    def encode(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """(B, C, H, W) in [0, 1] -> q(z | x)."""
        raise NotImplementedError

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, *latent_shape) -> mean image (B, C, H, W) in [0, 1]."""
        raise NotImplementedError

    @property
    def code_grids(self) -> tuple[CodeGrid, ...]:
        """The maps of codes of a latent; none without vector quantization."""
        return ()

    def quantize(self, z: Tensor) -> Tensor:
        """Latents (B, *latent_shape) quantized as the decoder does; unchanged in models without vector
        quantization."""
        return z

    def target(self, x: Tensor) -> Tensor:
        """The part of an input that the output is compared with: the centre, where the output is smaller."""
        _, height, width = self.image_shape
        top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
        return x[..., top : top + height, left : left + width]

    def forward(
        self,
        x: Tensor,
        y: Tensor | None = None,
        generator: Generator | None = None,
        iwae_samples: int = 1,
        generated: int = 0,
        latents: Tensor | None = None,
    ) -> ModelOutput:
        """Encodes, samples and decodes a batch. `iwae_samples` above 1 adds the importance-weighted bound.
        `generated` adds so many images of interpolated latents, `latents` (N, *latent_shape), N at most B,
        the images of those instead. Losses and DDP wrappers call this."""
        raise NotImplementedError
