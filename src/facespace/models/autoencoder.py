"""Autoencoder and VAE in one: a body, a bottleneck and a pixel likelihood put together as the config says; with
`conditions`, encoder and decoder are also told attributes (conditional VAE: Sohn et al., 2015)."""

import math

import torch
from torch import Generator, Tensor

from facespace.core.errors import UsageError, choose
from facespace.models.backbones import BODIES
from facespace.models.blocks import heads
from facespace.models.interface import LatentModel, Pass, Posterior
from facespace.models.likelihoods import LIKELIHOODS
from facespace.models.posteriors import POSTERIORS, Gaussian
from facespace.models.priors import PRIORS
from facespace.models.quantizer import Codebook
from facespace.recipes.model_config import ModelConfig

BLENDED = 4  # faces of the batch that a latent between them is made of
UNTOLD = (
    0.1  # share of attributes hidden while training, and of faces with all of them: "unknown" is learned too
)


class Autoencoder(LatentModel):
    """body × bottleneck × pixels. With a Gaussian bottleneck it is a VAE (Kingma & Welling, 2014)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.posterior = choose(POSTERIORS, config.bottleneck, "bottleneck")(config)
        self.pixels = choose(LIKELIHOODS, config.pixels, "pixels")()
        self.prior = choose(PRIORS, config.bottleneck, "bottleneck")(config.latent)
        told = 2 * len(config.conditions)  # a value, and whether it is known
        body = choose(BODIES, config.body, "body")(
            config, config.latent + told, config.image[0] * self.pixels.parts
        )
        self.encoder, self.decoder = body.encoder, body.decoder
        self.heads = heads(config, body, told, self.posterior.PARTS)
        self.image_shape = (config.image[0], *body.size)
        self.latent_shape = (config.latent,)
        if config.looks > 1 and self.image_shape != config.image:
            raise UsageError(
                f"model.looks must be 1 where the body {config.body} draws less than it is shown."
            )

    def encode(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """(B, C, H, W) in [0, 1] -> q(z | x); y is (B, A) attributes in the order of the config's conditions.

        Once it has learned (in eval mode) an encoder of several looks sees what the decoder made of its latents too, and
        moves them by what it finds lacking there (iterative inference: Marino et al., 2018; Alaluf et al., 2021)."""
        q = self._look(x, y)
        first = q.mean
        for _ in range(0 if self.training else self.config.looks - 1):
            q.mean = q.mean + first - self._look(self.decode(q.mean, y), y).mean
        return q

    def _look(self, x: Tensor, y: Tensor | None) -> Posterior:
        raw = self.heads(self._with(self.encoder(x), y)).float()
        return self.posterior(raw.relu() if self.config.latent_relu else raw)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, D) -> mean image (B, C, H, W) in [0, 1]."""
        return self.pixels.mean(self._raw(self.snap(z), y))

    def snap(self, z: Tensor) -> Tensor:
        """(B, D) as it is, or where it is codes the entries next to them."""
        return self.posterior.snap(z) if isinstance(self.posterior, Codebook) else z

    def forward(
        self,
        x: Tensor,
        y: Tensor | None = None,
        generator: Generator | None = None,
        samples: int = 1,
        drawn: int = 0,
        latents: Tensor | None = None,
    ) -> Pass:
        """One sample of z for each image, and what it says of x; with more samples also the importance-weighted bound. With
        `drawn`, so many images (at most B) of latents between those of the batch, which get no gradient; with `latents` (N, D),
        N at most B, the images of those instead."""
        if self.training and y is not None:
            alone, whole = torch.rand(y.shape, device=y.device), torch.rand(len(y), 1, device=y.device)
            y = torch.where((alone < UNTOLD) | (whole < UNTOLD), torch.nan, y)  # (B, A)
        q, seen = self.encode(x, y), self.target(x)
        z, path = q.draw(generator)
        raw = self._raw(self._noisy(z), y)
        likelihood = self.pixels.log_prob(raw, seen)
        bound = None
        if samples > 1:
            if not isinstance(path, Gaussian):
                raise UsageError(
                    "objective.samples: an importance-weighted bound needs model.bottleneck=gaussian."
                )
            weights = [likelihood + path.log_ratio(z)]
            for _ in range(samples - 1):
                z, other = q.draw(generator)
                weights.append(self.pixels.log_prob(self._raw(z, y), seen) + other.log_ratio(z))
            bound = torch.stack(weights).logsumexp(0) - math.log(samples)  # (B,) Burda et al., 2016
        parts = path.kl_per_latent() if isinstance(path, Gaussian) else None
        if latents is None and drawn:
            latents = blend(z.detach(), drawn)
        others = None
        if latents is not None:
            others = self.decode(latents, None if y is None else y[: len(latents)])
        return Pass(self.pixels.mean(raw), likelihood, path.penalties(), parts, bound, others)

    def _noisy(self, z: Tensor) -> Tensor:
        """Latents (B, D) as the decoder is trained on them: with noise where the config has it, so that it forgives a prior whose
        draws miss the latents of faces by a little (Ghosh et al., 2020)."""
        if not self.training or not self.config.latent_noise:
            return z
        spread = z.detach().std(0, correction=0)  # (D,)
        return z + self.config.latent_noise * spread * torch.randn(z.shape, device=z.device, dtype=z.dtype)

    def _raw(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.decoder(self._with(z, y)).float()  # under autocast the layers alone are bf16

    def _with(self, numbers: Tensor, y: Tensor | None) -> Tensor:
        """Numbers (B, F) beside what is told of the attributes: sign-keeping values, 0 where unknown, and a 1 where known."""
        if not self.config.conditions:
            return numbers
        if y is None:
            y = numbers.new_full((len(numbers), len(self.config.conditions)), torch.nan)
        known = ~y.isnan()
        return torch.cat([numbers, torch.where(known, y, 0.0).to(numbers), known.to(numbers)], 1)


def blend(z: Tensor, count: int) -> Tensor:
    """Latents (count, D), each of BLENDED of the batch's (B, D), drawn by chance and weighed by chance. The weights have length 1,
    so that the blends vary around the batch's mean as much as its latents do: where a fitted prior draws from, near enough."""
    weights = torch.randn(count, len(z), device=z.device)
    order = (
        torch.rand(count, len(z), device=z.device).argsort(1).argsort(1)
    )  # (count, B): a rank for each face
    weights = torch.nn.functional.normalize(weights * (order < BLENDED), dim=1)
    return z.mean(0) + weights @ (z - z.mean(0))
