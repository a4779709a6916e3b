"""A hierarchical VAE: noise comes in at several sizes of the decoder, the coarse first, and what the encoder says of a finer
level depends on the coarser ones (ladder VAE: Sønderby et al., 2016; residual levels: Vahdat & Kautz, 2020).

What a level adds is a function of all above it and of its own noise e, N(0, I) under the prior. So the noise of all levels side
by side is the latent: one tensor, whose prior is N(0, I) and which sliders, morphs and fitted priors take like any other. The
encoder says of each number how far it lies from the prior, N(μ, σ²), and the KL is that of a plain VAE."""

import math
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from facespace.core.errors import UsageError, choose
from facespace.models.autoencoder import Autoencoder
from facespace.models.blocks import FINEST, Residual, Side, active, enlarging, folded, halving
from facespace.models.interface import LatentModel, Posterior
from facespace.models.likelihoods import LIKELIHOODS
from facespace.models.posteriors import Gaussian
from facespace.models.priors import StandardNormal
from facespace.recipes.model_config import ModelConfig

Choice = Callable[[Gaussian, int], Tensor]  # of a level's posterior and its number: its latent (B, part)


class Climb(Gaussian):
    """q(z | x) level by level; `look(choice)` goes through the levels and gives (B, 2D): μ and log σ² along that way. Its mean
    is the way of means."""

    def __init__(self, look: Callable[[Choice], Tensor]) -> None:
        self._look = look

    @cached_property
    def _means(self) -> Gaussian:
        return Gaussian(self._look(lambda level, _: level.mean))

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """(B, D)."""
        return self._means.mean

    @property
    def log_var(self) -> Tensor:  # type: ignore[override]
        """(B, D), along the way of means."""
        return self._means.log_var

    def draw(self, generator: Generator | None = None) -> tuple[Tensor, Posterior]:
        """A latent (B, D) drawn level by level, and the posterior along its way."""
        parts: list[Tensor] = []

        def choice(level: Gaussian, _: int) -> Tensor:
            parts.append(level.sample(generator))
            return parts[-1]

        path = Gaussian(self._look(choice))
        return torch.cat(parts, 1), path

    def sample(self, generator: Generator | None = None) -> Tensor:
        """A latent drawn level by level, (B, D)."""
        return self.draw(generator)[0]

    def log_ratio(self, z: Tensor) -> Tensor:
        """log p(z) − log q(z | x), (B,) nats, along the way of z itself."""
        rest = z

        def choice(level: Gaussian, _: int) -> Tensor:
            nonlocal rest
            size = level.mean.shape[1]
            part, rest = rest[:, :size], rest[:, size:]
            return part

        return Gaussian(self._look(choice)).log_ratio(z)


class Ladder(Autoencoder):
    """Residual blocks at every size up to half the image's. The first level is flat: `latent` numbers that each reach the whole
    face; `levels` are channels of noise at twice the smallest size, at four times, and so on."""

    def __init__(self, config: ModelConfig) -> None:
        LatentModel.__init__(self)
        _refuse(config)
        small = folded(config, config.widths[-1])
        self.config, self.posterior = config, Gaussian
        self.pixels = choose(LIKELIHOODS, config.pixels, "pixels")()
        outwards = [*reversed(config.widths)]
        shapes = [
            (count, small[1] * 2**level, small[2] * 2**level) for level, count in enumerate(config.levels, 1)
        ]
        self.sizes = [config.latent, *(math.prod(shape) for shape in shapes)]
        self.encoder = nn.ModuleList()
        for index, (before, after) in enumerate(pairwise([config.image[0], *config.widths])):
            self.encoder.append(
                nn.Sequential(halving(before, after, first=index == 0), Residual(config, after))
            )
        first = nn.Linear(math.prod(small), 2 * config.latent)
        self.heads = nn.ModuleList([nn.Sequential(*active(config, small[0]), nn.Flatten(), first)])  # type: ignore[assignment]
        start = nn.Sequential(nn.Linear(config.latent, math.prod(small)), nn.Unflatten(1, small))
        noises, blocks, rises = nn.ModuleList([start]), nn.ModuleList(), nn.ModuleList()
        for (count, high, wide), width in zip(shapes, outwards[1:]):
            both = 2 * width  # what the encoder saw at this size, and what the decoder has drawn so far
            self.heads.append(
                nn.Sequential(*active(config, both), nn.Conv2d(both, 2 * count, 3, 1, 1), nn.Flatten())
            )
            noises.append(
                Side(
                    f"and noise of {high}×{wide}×{count}",
                    nn.Unflatten(1, (count, high, wide)),
                    nn.Conv2d(count, width, 1),
                )
            )
        for before, after in pairwise([*outwards, FINEST]):
            blocks.append(
                nn.Sequential(Residual(config, before), Residual(config, before), *active(config, before))
            )
            rises.append(nn.Sequential(*enlarging(before, after, 3)))
        last = nn.Sequential(
            *active(config, FINEST), nn.Conv2d(FINEST, config.image[0] * self.pixels.parts, 3, 1, 1)
        )
        self.decoder = nn.ModuleDict({"noises": noises, "blocks": blocks, "rises": rises, "last": last})
        self.image_shape, self.latent_shape = config.image, (sum(self.sizes),)
        self.prior = StandardNormal(sum(self.sizes))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """(B, C, H, W) in [0, 1] -> q(z | x)."""
        seen = []
        for part in self.encoder:
            x = part(x)
            seen.append(x)
        return Climb(lambda choice: self._climb(seen[::-1], choice))

    def _climb(self, seen: list[Tensor], choice: Choice) -> Tensor:
        """μ and log σ² (B, 2D) of all levels, given what the encoder saw, the smallest first, along the way that is chosen."""
        said: list[Tensor] = []
        h = None
        for level, head in enumerate(self.heads):  # type: ignore[arg-type]
            said.append(head(seen[level] if h is None else torch.cat([seen[level], h], 1)).float())
            h = self._rise(h, choice(Gaussian(said[-1]), level), level)
        return torch.cat([part for half in zip(*(raw.chunk(2, 1) for raw in said)) for part in half], 1)

    def _rise(self, h: Tensor | None, z: Tensor | None, level: int) -> Tensor:
        """What is drawn at the next size, from what is drawn (B, C, h, w), nothing at first, and a level's noise (B, part)."""
        if z is not None:
            added = self.decoder["noises"][level](z)  # type: ignore[index]
            h = added if h is None else h + added
        return self.decoder["rises"][level](self.decoder["blocks"][level](h))  # type: ignore[index]

    def _raw(self, z: Tensor, y: Tensor | None) -> Tensor:
        parts, h = z.split(self.sizes, 1), None
        for level in range(len(self.encoder)):
            h = self._rise(h, parts[level] if level < len(parts) else None, level)
        return self.decoder["last"](h).float()  # type: ignore[index]


def _refuse(config: ModelConfig) -> None:
    most = len(config.widths) - 1
    if not 1 <= len(config.levels) <= most or min(config.levels) < 1:
        raise UsageError(
            f"A ladder of {len(config.widths)} widths takes 1 to {most} further levels of at least 1 channel each, for example "
            f"--set model.levels=2,1; got {list(config.levels)}."
        )
    if (config.body, config.bottleneck) != ("residual", "gaussian") or config.conditions or config.spatial:
        raise UsageError(
            "A ladder takes model.body=residual, model.bottleneck=gaussian, no model.conditions and no model.spatial."
        )
