"""Autoencoder and VAE in one class: a backbone, a bottleneck and a pixel likelihood, chosen by the config.
With `conditions`, encoder and decoder also get attributes (conditional VAE: Sohn et al., 2015)."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from facespace.core.errors import UsageError, choose
from facespace.models.backbones import BACKBONES
from facespace.models.blocks import bottleneck_layers
from facespace.models.codes import CodeGrid
from facespace.models.interface import LatentModel, ModelOutput, Posterior
from facespace.models.likelihoods import LIKELIHOODS
from facespace.models.posteriors import POSTERIORS, Gaussian
from facespace.models.priors import PRIORS
from facespace.models.quantizer import Codebook
from facespace.models.refinement import refine
from facespace.recipes.model_config import ModelConfig

MIXED = 4  # latents of the batch in one interpolated latent
MASKED = 0.1  # share of attributes masked in training, and of faces with all masked: NaN is learned too


class Autoencoder(LatentModel):
    """backbone × bottleneck × pixel likelihood. With a Gaussian bottleneck it is a VAE (Kingma & Welling,
    2014)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.posterior = choose(POSTERIORS, config.bottleneck, "bottleneck")(config)
        self.pixels = choose(LIKELIHOODS, config.likelihood, "likelihood")()
        self.prior = choose(PRIORS, config.bottleneck, "bottleneck")(config.latent_dim)
        attributes = 2 * len(config.conditions)  # a value, and whether it is known
        make = choose(BACKBONES, config.backbone, "backbone")
        backbone = make(config, config.latent_dim + attributes, config.image[0] * self.pixels.parts)
        self.encoder, self.decoder = backbone.encoder, backbone.decoder
        self.heads = bottleneck_layers(config, backbone, attributes, self.posterior.PARTS)
        self.grid = backbone.grid if config.spatial and backbone.grid else (1, 1)
        self.image_shape = (config.image[0], *backbone.size)
        self.latent_shape = (config.latent_dim,)
        if config.refinement_steps > 1 and self.image_shape != config.image:
            raise UsageError(
                f"model.refinement_steps must be 1 where the backbone, here {config.backbone}, has an output "
                "smaller than its input."
            )

    def encode(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """(B, C, H, W) in [0, 1] -> q(z | x); y is (B, A) attributes in the order of the config's conditions.

        In eval mode the mean is refined, if the config has it (see refinement). Latents of a frozen encoder
        have no gradient, those of further passes neither."""
        q = self._infer(x, y)
        if not self.training:
            with torch.set_grad_enabled(q.mean.requires_grad):
                q.mean = refine(
                    x,
                    q.mean,
                    lambda image: self._infer(image, y).mean,
                    lambda z: self.decode(z, y),
                    self.config.refinement_steps,
                )
        return q

    def _infer(self, x: Tensor, y: Tensor | None) -> Posterior:
        raw = self.heads(self._with_attributes(self.encoder(x), y)).float()
        return self.posterior(raw.relu() if self.config.latent_relu else raw)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, D) -> mean image (B, C, H, W) in [0, 1]."""
        return self.pixels.mean(self._raw(self.quantize(z), y))

    @property
    def code_grids(self) -> tuple[CodeGrid, ...]:
        """The map of codes of a vector-quantized latent: the cells of a spatial one, else one cell."""
        if not isinstance(self.posterior, Codebook):
            return ()
        height, width = self.grid
        depth = self.config.latent_dim // self.config.code_dim // (height * width)
        return (CodeGrid(depth, height, width, self.posterior.codes),)

    def quantize(self, z: Tensor) -> Tensor:
        """(B, D) with vector quantization, if the model has it."""
        if isinstance(self.posterior, Codebook):
            return self.posterior.quantize(z)
        return z

    def forward(
        self,
        x: Tensor,
        y: Tensor | None = None,
        generator: Generator | None = None,
        iwae_samples: int = 1,
        generated: int = 0,
        latents: Tensor | None = None,
    ) -> ModelOutput:
        """Encodes, samples and decodes a batch; with `iwae_samples` above 1 also the importance-weighted
        bound. `generated` adds so many images, at most B, of interpolated latents without gradient; `latents`
        (N, D), N at most B, the images of those instead."""
        if self.training and y is not None:
            y = _masked(y)
        q, target = self.encode(x, y), self.target(x)
        z, path = q.sample_with_posterior(generator)
        raw = self._raw(self._noisy(z), y)
        likelihood = self.pixels.log_prob(raw, target)
        kl_per_latent, bound = None, None
        if iwae_samples > 1:
            if not isinstance(path, Gaussian):
                raise UsageError(
                    "objective.iwae_samples: an importance-weighted bound needs model.bottleneck=gaussian."
                )
            weights = [likelihood + path.log_ratio(z)]
            weights += self._importance_weights(q, target, y, iwae_samples - 1, generator)
            bound = torch.stack(weights).logsumexp(0) - math.log(iwae_samples)  # (B,) Burda et al., 2016
        if isinstance(path, Gaussian):
            kl_per_latent = path.kl_per_latent()
        if latents is None and generated:
            latents = interpolate_batch(z.detach(), generated)
        others = None
        if latents is not None:
            others = self.decode(latents, None if y is None else y[: len(latents)])
        return ModelOutput(
            self.pixels.mean(raw), likelihood, path.regularizers(), kl_per_latent, bound, others
        )

    def _importance_weights(
        self, q: Posterior, target: Tensor, y: Tensor | None, count: int, generator: Generator | None
    ) -> list[Tensor]:
        """log p(x, z) − log q(z | x) of further samples, (B,) nats each."""
        weights = []
        for _ in range(count):
            z, path = q.sample_with_posterior(generator)
            weights.append(self.pixels.log_prob(self._raw(z, y), target) + path.log_ratio(z))
        return weights

    def _noisy(self, z: Tensor) -> Tensor:
        """Latents (B, D) with the config's noise in training. It makes the decoder robust to samples of a
        fitted prior, which differ a little from latents of faces (Ghosh et al., 2020)."""
        if not self.training or not self.config.latent_noise:
            return z
        deviation = z.detach().std(0, correction=0)  # (D,)
        noise = torch.randn(z.shape, device=z.device, dtype=z.dtype)
        return z + self.config.latent_noise * deviation * noise

    def _raw(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.decoder(self._with_attributes(z, y)).float()  # under autocast only the layers are bf16

    def _with_attributes(self, features: Tensor, y: Tensor | None) -> Tensor:
        """Features (B, F), the attributes with 0 where unknown, and a 1 where known: (B, F + 2A)."""
        if not self.config.conditions:
            return features
        if y is None:
            y = features.new_full((len(features), len(self.config.conditions)), torch.nan)
        known = ~y.isnan()
        return torch.cat([features, torch.where(known, y, 0.0).to(features), known.to(features)], 1)


def _masked(y: Tensor) -> Tensor:
    """Attributes (B, A) with a random part set to NaN."""
    single, whole = torch.rand(y.shape, device=y.device), torch.rand(len(y), 1, device=y.device)
    return torch.where((single < MASKED) | (whole < MASKED), torch.nan, y)


def interpolate_batch(z: Tensor, count: int) -> Tensor:
    """Interpolated latents (count, D): each a random combination of MIXED random latents of the batch (B, D).
    The weights have length 1, so that the results vary around the batch's mean as much as its latents do,
    like samples of a fitted prior."""
    weights = torch.randn(count, len(z), device=z.device)
    ranks = torch.rand(count, len(z), device=z.device).argsort(1).argsort(1)  # (count, B)
    weights = F.normalize(weights * (ranks < MIXED), dim=1)
    return z.mean(0) + weights @ (z - z.mean(0))
