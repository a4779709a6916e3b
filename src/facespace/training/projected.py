"""The projected discriminator (Sauer et al., 2021): small heads with spectral norm on features of frozen
networks, at four scales, which need fewer steps than a patch discriminator without pretraining. With or
without it, moment matching of the same features (moments.py). The state of both belongs in the checkpoint."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from facespace.core.console import note
from facespace.recipes.config import ObjectiveConfig, Recipe
from facespace.training.checkpoint import Parts
from facespace.training.diffaugment import augment
from facespace.training.loaders import Loader
from facespace.training.moments import FACES, Moments
from facespace.training.projection import WIDTHS, Projection, Shape
from facespace.training.runtime import Runtime

WIDTH = 64  # channels within a head
STRIDED = 2  # convolutions that halve a map, at most
SMALLEST = 8  # pixels a side of a map that is halved
BETAS, RATE = (0.0, 0.99), 2e-4  # of Adam
BATCH = 64  # faces whose features are measured at a time


class Head(nn.Module):
    """A feature map (B, C, h, w) to a map of logits (B, 1, h', w').

    Strided convolutions while the map is large, or one without stride where it is small, then the output
    layer."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        while len(self.layers) < STRIDED and side >= SMALLEST:
            self.layers.append(spectral_norm(nn.Conv2d(channels, WIDTH, 4, 2, 1)))
            channels, side = WIDTH, side // 2
        if not self.layers:
            self.layers.append(spectral_norm(nn.Conv2d(channels, WIDTH, 3, 1, 1)))
        self.last = spectral_norm(nn.Conv2d(WIDTH, 1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, 1, h', w')."""
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return self.last(x).float()


class Heads(nn.Module):
    """One head for each scale of each network."""

    def __init__(self, sides: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.heads = nn.ModuleList()
        for index, side in enumerate(sides):
            self.heads.append(Head(WIDTHS[index % len(WIDTHS)], min(side)))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Mixed maps to the logits of each face (B, h, w), above 0 for photographs, one tensor a head."""
        logits = []
        for head, part in zip(self.heads, maps, strict=True):
            logits.append(head(part)[:, 0])
        return logits


def mean_logit(logits: Sequence[Tensor]) -> Tensor:
    """The logit of each face, (B,): the mean over heads of the mean over places."""
    of_heads = []
    for part in logits:
        of_heads.append(part.mean((1, 2)))
    return torch.stack(of_heads).mean(0)


def hinge(real: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """The hinge loss of logits, averaged over heads: 1 without any separation, 0 with perfect separation."""
    parts = []
    for a, b in zip(real, made):
        parts.append((F.relu(1 - a).mean() + F.relu(1 + b).mean()) / 2)
    return torch.stack(parts).mean()


class ProjectedAdversary:
    """The frozen networks, the heads with their optimizer, the moments, and their terms of the model's loss.

    Heads and moments exist where the recipe has them."""

    def __init__(self, plan: Recipe, image: Shape, eyes: np.ndarray, runtime: Runtime) -> None:
        self.goal, self.runtime = plan.objective, runtime
        goal = plan.objective
        projection = Projection(goal.discriminator_features, image, eyes, goal.discriminator_size)
        self.projection = cast(Projection, runtime.to_device(projection)).eval().requires_grad_(False)
        self.moments = None
        if goal.moments:
            moments = Moments(projection.channels, goal.moments_variance, runtime.all_reduce_mean)
            self.moments = cast(Moments, runtime.to_device(moments))
        self.heads, self.made = None, []  # mixed maps of the images that were scored last
        if has_projected_discriminator(goal):
            self.heads = cast(Heads, runtime.to_device(Heads(projection.sides)))
            self.optimizer = torch.optim.Adam(self.heads.parameters(), RATE, BETAS, fused=True)
            self.network = runtime.prepare(self.heads, self.optimizer)

    @property
    def parts(self) -> Parts:
        """The parts whose state is in a checkpoint."""
        parts: Parts = {}
        if self.moments is not None:
            parts["moments"] = self.moments
        if self.heads is not None:
            parts["discriminator"] = self.heads
            parts["discriminator_optimizer"] = self.optimizer
        return parts

    @torch.no_grad()
    def measure(self, loader: Loader, seed: int) -> None:
        """Measures the moments of at most FACES of the loader's faces, augmented like the model's images."""
        if self.moments is None:
            return
        places = np.linspace(0, len(loader.rows) - 1, min(FACES, len(loader.rows))).round().astype(int)
        note(f"Measuring the features of {len(places):,} training faces.")
        batches = loader.with_rows(loader.rows[places], BATCH, all_rows=True).in_order()
        with torch.random.fork_rng([self.runtime.device] if self.runtime.device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.moments.measure(self._features(self._varied(batch.image)) for batch in batches)

    def generator_terms(
        self, image: Tensor, target: Tensor, generated: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Terms of the model's loss, without gradient for the heads.

        `adversarial` is minus the mean logit of images (B, C, H, W) and of those `generated` (N, C, H, W);
        `moments` is the distance between the moments of their features and those of real faces. Both are
        multiplied by the number of pixel values, like nats, which are sums over pixels."""
        scored = scored_images(self.goal, image, generated)
        maps, size, terms = self._features(self._varied(*scored)), target[0].numel(), {}
        if self.moments is not None:
            terms["moments"] = self.moments(maps) * size
        if self.heads is not None:
            self.heads.eval().requires_grad_(False)
            with self._autocast():
                mixed = self.projection.mix(maps)
                terms["adversarial"] = -mean_logit(self.heads(mixed)).mean() * size
            self.made = list(map(Tensor.detach, mixed))
        return terms

    def step(self, image: Tensor, target: Tensor, generated: Tensor | None = None) -> dict[str, Tensor]:
        """One step of the heads on the images that were scored last and the photographs `target`; their hinge
        loss.

        The images keep the augmentation with which they were scored."""
        if self.heads is None:
            return {}
        self.heads.train().requires_grad_(True)
        with self._autocast():
            with torch.no_grad():
                real = self.projection.mix(self.projection.features(self._varied(target)))
            joined = list(map(torch.cat, zip(real, self.made)))
            logits = self.network(joined)
        self.made = []
        count = len(target)
        loss = hinge([part[:count] for part in logits], [part[count:] for part in logits])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"discriminator": loss.detach()}

    def _features(self, image: Tensor) -> list[Tensor]:
        with self._autocast():
            return self.projection.features(image)

    def _varied(self, *images: Tensor) -> Tensor:
        """Groups of images as one batch, each face with its own augmentation."""
        varied = []
        with self.runtime.sharded_randomness():
            for group in images:
                varied.append(augment(group, self.goal.augmentation))
        return torch.cat(varied)

    def _autocast(self) -> AbstractContextManager[Any]:
        """The runtime's number format, but fp32 in place of fp16, whose small gradients need a loss scale."""
        if self.runtime.precision == "fp16":
            return nullcontext()
        return self.runtime.autocast()


def has_projected_discriminator(goal: ObjectiveConfig) -> bool:
    """Whether a recipe has a projected discriminator."""
    return goal.discriminator == "projected" and goal.adversarial > 0


def scored_images(goal: ObjectiveConfig, image: Tensor, generated: Tensor | None) -> list[Tensor]:
    """The images that a discriminator scores: reconstructions, further ones or both, by
    objective.adversarial_on."""
    groups = []
    if goal.adversarial_on != "samples":
        groups.append(image)
    if generated is not None:
        groups.append(generated)
    return groups
