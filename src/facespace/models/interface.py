"""The contract of every model of a face latent space. A latent is one tensor, images are floats in [0, 1], and all
sums run over pixels or latents, never over the batch."""

from typing import NamedTuple, Protocol

from torch import Generator, Tensor, nn

from facespace.models.priors import Prior
from facespace.recipes.model_config import ModelConfig


class Pass(NamedTuple):
    """One trip through a model: all that a loss may look at."""

    image: Tensor  # (B, C, H, W) mean image in [0, 1]
    log_likelihood: Tensor  # (B,) nats, summed over pixels
    penalties: dict[
        str, Tensor
    ]  # name -> (B,): {} for an autoencoder, {"kl"} in nats for a VAE, {"commitment"} for codes
    kl_per_latent: Tensor | None = None  # (B, D) nats: what a KL penalty is the sum of
    bound: Tensor | None = (
        None  # (B,) nats: the importance-weighted bound, where several samples were asked for
    )
    drawn: Tensor | None = (
        None  # (N, C, H, W) mean images of given latents, or of latents between those of the batch, where any were asked for
    )


class Posterior(Protocol):
    """q(z | x) for a batch of images."""

    mean: Tensor  # (B, D)

    def sample(self, generator: Generator | None = None) -> Tensor:
        """One latent for each image, (B, D), differentiable."""
        ...

    def draw(self, generator: Generator | None = None) -> "tuple[Tensor, Posterior]":
        """Such a latent, and the posterior that says its penalties: itself, unless what is said of one latent depends on
        those before it."""
        return self.sample(generator), self

    def penalties(self) -> dict[str, Tensor]:
        """What a loss may weigh, name -> (B,)."""
        ...

    def log_ratio(self, z: Tensor) -> Tensor:
        """log p(z) − log q(z | x) of one latent for each image, (B,) nats; 0 for a point."""
        ...


class LatentModel(nn.Module):
    """An encoder, a decoder and a prior over what lies between them."""

    config: ModelConfig
    image_shape: tuple[int, int, int]  # (C, H, W) of the images that it makes
    latent_shape: tuple[int, ...]  # without the batch
    prior: Prior
    decoder: nn.Module  # all that turns a latent into an image and nothing else uses

    def encode(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """(B, C, H, W) in [0, 1] -> q(z | x)."""
        raise NotImplementedError

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, *latent_shape) -> mean image (B, C, H, W) in [0, 1]."""
        raise NotImplementedError

    def snap(self, z: Tensor) -> Tensor:
        """Latents (B, *latent_shape) as what they are decoded as: themselves, unless the model knows some latents alone."""
        return z

    def target(self, x: Tensor) -> Tensor:
        """The part of an input that the model's images are compared with: its centre, where they are smaller."""
        _, height, width = self.image_shape
        top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
        return x[..., top : top + height, left : left + width]

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """Mean images (n, C, H, W) of latents from the prior, whose deviations are scaled by `temperature`."""
        return self.decode(self.prior.sample(n, temperature, generator))

    def forward(
        self,
        x: Tensor,
        y: Tensor | None = None,
        generator: Generator | None = None,
        samples: int = 1,
        drawn: int = 0,
        latents: Tensor | None = None,
    ) -> Pass:
        """One sample of z for each image, and what it says of x; and `drawn` images of latents in between, or those of the given
        `latents` (N, *latent_shape), N at most B. This is what a loss and a DDP wrapper call."""
        raise NotImplementedError
