"""A hierarchical VAE: noise enters the decoder at several sizes, the coarsest first, and the posterior of a
finer level depends on the coarser ones (ladder VAE: Sønderby et al., 2016; residual levels: Vahdat & Kautz,
2020).

What a level adds is a function of all levels above it and of its own noise e, N(0, I) under the prior. The
concatenated noise of all levels is therefore the latent: one tensor with the prior N(0, I), which edits,
morphs and fitted priors use like any other. The posterior of each number is N(μ, σ²), and the KL divergence
is that of a plain VAE."""

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from facespace.core.errors import UsageError, choose
from facespace.models.autoencoder import Autoencoder
from facespace.models.blocks import (
    FULL_SIZE_WIDTH,
    Residual,
    SideBranch,
    downsample,
    norm_activation,
    smallest_map,
    upsample,
)
from facespace.models.interface import LatentModel, Posterior
from facespace.models.likelihoods import LIKELIHOODS
from facespace.models.posteriors import Gaussian
from facespace.models.priors import StandardNormal
from facespace.recipes.model_config import ModelConfig

Sampler = Callable[[Gaussian, int], Tensor]  # from a level's posterior and index to its latent (B, part)
Shape = tuple[int, int, int]


class HierarchicalPosterior(Gaussian):
    """q(z | x), level by level. `infer(sampler)` runs through the levels with the latents that the sampler
    returns, and gives (B, 2D): μ and log σ². `mean` is the result of sampling each level at its mean."""

    def __init__(self, infer: Callable[[Sampler], Tensor]) -> None:
        self._infer = infer

    @cached_property
    def _at_means(self) -> Gaussian:
        return Gaussian(self._infer(lambda level, _: level.mean))

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """(B, D)."""
        return self._at_means.mean

    @property
    def log_var(self) -> Tensor:  # type: ignore[override]
        """(B, D), given the means of the coarser levels."""
        return self._at_means.log_var

    def sample_with_posterior(self, generator: Generator | None = None) -> tuple[Tensor, Posterior]:
        """A latent (B, D) sampled level by level, and the posterior given its coarser levels."""
        parts: list[Tensor] = []

        def sampled(level: Gaussian, _: int) -> Tensor:
            parts.append(level.sample(generator))
            return parts[-1]

        posterior = Gaussian(self._infer(sampled))
        return torch.cat(parts, 1), posterior

    def sample(self, generator: Generator | None = None) -> Tensor:
        """A latent sampled level by level, (B, D)."""
        return self.sample_with_posterior(generator)[0]

    def log_ratio(self, z: Tensor) -> Tensor:
        """log p(z) − log q(z | x), (B,) nats, where each level is given the coarser levels of z."""
        rest = z

        def given(level: Gaussian, _: int) -> Tensor:
            nonlocal rest
            size = level.mean.shape[1]
            part, rest = rest[:, :size], rest[:, size:]
            return part

        return Gaussian(self._infer(given)).log_ratio(z)


class HierarchicalVAE(Autoencoder):
    """Residual blocks at every size up to half the image's. The first level is flat: `latent` numbers, each
    of which reaches the whole face; `levels` are channels of noise at twice the smallest size, at four times,
    and so on."""

    def __init__(self, config: ModelConfig) -> None:
        LatentModel.__init__(self)
        _check(config)
        small = smallest_map(config, config.widths[-1])
        self.config, self.posterior = config, Gaussian
        self.pixels = choose(LIKELIHOODS, config.likelihood, "likelihood")()
        shapes = finer_shapes(config, small)
        self.sizes = [config.latent_dim, *map(math.prod, shapes)]
        self.encoder = encoder_stages(config)
        self._add_heads_and_decoder(config, small, shapes)
        self.image_shape, self.latent_shape = config.image, (sum(self.sizes),)
        self.prior = StandardNormal(sum(self.sizes))

    def _add_heads_and_decoder(self, config: ModelConfig, small: Shape, shapes: Sequence[Shape]) -> None:
        """The posterior's heads and the decoder's parts, in the order in which recorded seeds initialise
        them."""
        outwards = [*reversed(config.widths)]
        first = nn.Linear(math.prod(small), 2 * config.latent_dim)
        heads = [nn.Sequential(*norm_activation(config, small[0]), nn.Flatten(), first)]
        start = nn.Sequential(nn.Linear(config.latent_dim, math.prod(small)), nn.Unflatten(1, small))
        # The names `noises`, `blocks`, `rises` and `last` are those of the weights in bundles.
        noises = nn.ModuleList([start])
        for shape, width in zip(shapes, outwards[1:]):
            heads.append(level_head(config, 2 * width, 2 * shape[0]))
            noises.append(latent_branch(shape, width, "noise"))
        blocks, rises, last = decoder_stages(config, config.image[0] * self.pixels.parts)
        self.heads = nn.ModuleList(heads)  # type: ignore[assignment]
        self.decoder = nn.ModuleDict({"noises": noises, "blocks": blocks, "rises": rises, "last": last})

    def encode(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """(B, C, H, W) in [0, 1] -> q(z | x)."""
        features = []
        for part in self.encoder:
            x = part(x)
            features.append(x)
        return HierarchicalPosterior(lambda sampler: self._infer_levels(features[::-1], sampler))

    def _infer_levels(self, features: list[Tensor], sampler: Sampler) -> Tensor:
        """μ and log σ² (B, 2D) of all levels, from the encoder's feature maps, the smallest first. The latent
        of each level comes from `sampler`, and the finer levels depend on it."""
        means, log_vars = [], []
        h = None
        for level, head in enumerate(self.heads):  # type: ignore[arg-type]
            inputs = features[level] if h is None else torch.cat([features[level], h], 1)
            raw = head(inputs).float()
            mean, log_var = raw.chunk(2, 1)
            means.append(mean)
            log_vars.append(log_var)
            h = self._decode_level(h, sampler(Gaussian(raw), level), level)
        return torch.cat([*means, *log_vars], 1)

    def _decode_level(self, h: Tensor | None, z: Tensor | None, level: int) -> Tensor:
        """The decoder's features at the next size, from those of this size (B, C, h, w), None at first, and
        the level's latent (B, part), None where the level has none."""
        if z is not None:
            added = self.decoder["noises"][level](z)  # type: ignore[index]
            h = added if h is None else h + added
        return self.decoder["rises"][level](self.decoder["blocks"][level](h))  # type: ignore[index]

    def _raw(self, z: Tensor, y: Tensor | None) -> Tensor:
        parts, h = z.split(self.sizes, 1), None
        for level in range(len(self.encoder)):
            part = parts[level] if level < len(parts) else None
            h = self._decode_level(h, part, level)
        return self.decoder["last"](h).float()  # type: ignore[index]


def finer_shapes(config: ModelConfig, small: Shape) -> list[Shape]:
    """(channels, height, width) of the levels after the first."""
    shapes = []
    for level, channels in enumerate(config.levels, 1):
        shapes.append((channels, small[1] * 2**level, small[2] * 2**level))
    return shapes


def encoder_stages(config: ModelConfig) -> nn.ModuleList:
    """To half the size and a residual block, for each width."""
    layers = nn.ModuleList()
    for index, (before, after) in enumerate(pairwise([config.image[0], *config.widths])):
        layers.append(nn.Sequential(downsample(before, after, first=index == 0), Residual(config, after)))
    return layers


def decoder_stages(
    config: ModelConfig, raw_channels: int
) -> tuple[nn.ModuleList, nn.ModuleList, nn.Sequential]:
    """The residual blocks of each size of the decoder, the layers from each size to the next, and the last
    ones, to (B, raw_channels, H, W)."""
    blocks, rises = nn.ModuleList(), nn.ModuleList()
    for before, after in pairwise([*reversed(config.widths), FULL_SIZE_WIDTH]):
        pair = Residual(config, before), Residual(config, before)
        blocks.append(nn.Sequential(*pair, *norm_activation(config, before)))
        rises.append(nn.Sequential(*upsample(before, after, 3)))
    output = nn.Conv2d(FULL_SIZE_WIDTH, raw_channels, 3, 1, 1)
    return blocks, rises, nn.Sequential(*norm_activation(config, FULL_SIZE_WIDTH), output)


def level_head(config: ModelConfig, before: int, after: int) -> nn.Sequential:
    """From `before` features of a size, the encoder's and the decoder's, to the `after` numbers of each cell
    that a level's posterior is made from, flat."""
    convolution = nn.Conv2d(before, after, 3, 1, 1)
    return nn.Sequential(*norm_activation(config, before), convolution, nn.Flatten())


def latent_branch(shape: Shape, width: int, what: str) -> SideBranch:
    """From the latent of a level (B, prod(shape)) to what it adds to the decoder's features."""
    channels, high, wide = shape
    name = f"and {what} of {high}×{wide}×{channels}"
    return SideBranch(name, nn.Unflatten(1, shape), nn.Conv2d(channels, width, 1))


def _check(config: ModelConfig) -> None:
    """Raises UsageError for a config that this model cannot have."""
    most = len(config.widths) - 1
    if not 1 <= len(config.levels) <= most or min(config.levels) < 1:
        raise UsageError(
            f"A hierarchical model of {len(config.widths)} widths takes 1 to {most} further levels of at "
            f"least 1 channel each, for example --set model.levels=2,1; got {list(config.levels)}."
        )
    if (
        (config.backbone, config.bottleneck) != ("residual", "gaussian")
        or config.conditions
        or config.spatial
    ):
        raise UsageError(
            "A hierarchical model takes model.backbone=residual, model.bottleneck=gaussian, no "
            "model.conditions and no model.spatial."
        )
