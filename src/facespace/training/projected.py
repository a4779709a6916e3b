"""The projected discriminator (Sauer et al., 2021): small heads with spectral norm judge what frozen networks see of faces, at
four scales. It says more of a face than a network of patches that starts from nothing, and sooner. Beside it, or without it,
moments of the same features (moments.py). The state of both belongs in the checkpoint."""

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
from facespace.training.diffaugment import augment
from facespace.training.loaders import Loader
from facespace.training.moments import FACES, Moments
from facespace.training.projection import WIDTHS, Projection, Shape
from facespace.training.runtime import Machine

WIDTH = 64  # channels within a head
STRIDED = 2  # convolutions that halve a map, at most
SMALLEST = 8  # pixels a side of a map that is halved
BETAS, RATE = (0.0, 0.99), 2e-4  # of Adam
BATCH = 64  # faces whose features are measured at a time


class Head(nn.Module):
    """A map (B, C, h, w) to a map of logits (B, 1, h', w'): strided convolutions while the map is large, one without stride where
    it is small from the start, and one that decides."""

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
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return self.last(x).float()


class Heads(nn.Module):
    """One for each scale of each network."""

    def __init__(self, sides: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            Head(WIDTHS[index % len(WIDTHS)], min(side)) for index, side in enumerate(sides)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Mixed maps to the logits of each face (B, h, w), above 0 for photographs, one tensor a head."""
        return [head(part)[:, 0] for head, part in zip(self.heads, maps, strict=True)]


def mean_logit(logits: Sequence[Tensor]) -> Tensor:
    """Of each face, (B,): the mean over heads of the mean over places."""
    return torch.stack([part.mean((1, 2)) for part in logits]).mean(0)


def hinge(real: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """The hinge loss of logits, averaged over heads: 1 where they cannot tell, 0 where they always can."""
    parts = [(F.relu(1 - a).mean() + F.relu(1 + b).mean()) / 2 for a, b in zip(real, made)]
    return torch.stack(parts).mean()


class Projected:
    """The frozen networks, the heads with their optimiser where the recipe has a discriminator of this kind, and the moments
    where it has them; what they have to say of the model's images."""

    def __init__(self, plan: Recipe, image: Shape, eyes: np.ndarray, machine: Machine) -> None:
        self.goal, self.machine = plan.objective, machine
        goal = plan.objective
        projection = Projection(goal.discriminator_features, image, eyes, goal.discriminator_size)
        self.projection = cast(Projection, machine.place(projection)).eval().requires_grad_(False)
        self.moments = None
        if goal.moments:
            moments = Moments(projection.channels, goal.moments_variance, machine.mean)
            self.moments = cast(Moments, machine.place(moments))
        self.heads, self.made = None, []  # mixed maps of the images that were judged last
        if judges(goal):
            self.heads = cast(Heads, machine.place(Heads(projection.sides)))
            self.optimizer = torch.optim.Adam(self.heads.parameters(), RATE, BETAS, fused=True)
            self.network = machine.prepare(self.heads, self.optimizer)

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        parts: dict[str, Any] = {} if self.moments is None else {"moments": self.moments}
        if self.heads is None:
            return parts
        return parts | {"discriminator": self.heads, "discriminator_optimizer": self.optimizer}

    @torch.no_grad()
    def measure(self, loader: Loader, seed: int) -> None:
        """The moments of real faces, FACES of the loader's at most, which vary as those that are judged do."""
        if self.moments is None:
            return
        places = np.linspace(0, len(loader.rows) - 1, min(FACES, len(loader.rows))).round().astype(int)
        note(f"Measuring the features of {len(places):,} training faces.")
        batches = loader.over(loader.rows[places], BATCH, alone=True).in_order()
        with torch.random.fork_rng([self.machine.device] if self.machine.device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.moments.measure(self._features(self._varied(batch.image)) for batch in batches)

    def judge(self, image: Tensor, seen: Tensor, drawn: Tensor | None = None) -> dict[str, Tensor]:
        """Terms of the model's loss that the recipe weighs: minus the mean logit of its images (B, C, H, W), those `drawn`
        (N, C, H, W) among them, and how far the moments of their features are from those of real faces. Both count once for each
        pixel value, so that they stand beside nats. The heads get no gradient."""
        maps, size, terms = (
            self._features(self._varied(*judged(self.goal, image, drawn))),
            seen[0].numel(),
            {},
        )
        if self.moments is not None:
            terms["moments"] = self.moments(maps) * size
        if self.heads is not None:
            self.heads.eval().requires_grad_(False)
            with self._autocast():
                mixed = self.projection.mix(maps)
                terms["adversarial"] = -mean_logit(self.heads(mixed)).mean() * size
            self.made = [part.detach() for part in mixed]
        return terms

    def learn(self, image: Tensor, seen: Tensor, drawn: Tensor | None = None) -> dict[str, Tensor]:
        """One step of the heads on the images that were judged last, as they were varied then, and the photographs `seen`; their
        hinge loss."""
        if self.heads is None:
            return {}
        self.heads.train().requires_grad_(True)
        with self._autocast():
            with torch.no_grad():
                real = self.projection.mix(self.projection.features(self._varied(seen)))
            logits = self.network([torch.cat(both) for both in zip(real, self.made)])
        self.made = []
        loss = hinge([part[: len(seen)] for part in logits], [part[len(seen) :] for part in logits])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"critic": loss.detach()}

    def _features(self, image: Tensor) -> list[Tensor]:
        with self._autocast():
            return self.projection.features(image)

    def _varied(self, *images: Tensor) -> Tensor:
        """Groups of images, each face with its own variation, as one batch."""
        with self.machine.randomness():
            return torch.cat([augment(group, self.goal.augmentation) for group in images])

    def _autocast(self) -> AbstractContextManager[Any]:
        """The machine's, but for fp16, in which small gradients vanish without a loss scale of their own."""
        return nullcontext() if self.machine.precision == "fp16" else self.machine.autocast()


def judges(goal: ObjectiveConfig) -> bool:
    """Whether a recipe has a projected discriminator."""
    return goal.discriminator == "projected" and goal.adversarial > 0


def judged(goal: ObjectiveConfig, image: Tensor, drawn: Tensor | None) -> list[Tensor]:
    """The groups of a model's images that an adversary judges: reconstructions, drawn ones or both, as the recipe says."""
    groups = [] if goal.adversarial_on == "samples" else [image]
    return groups if drawn is None else [*groups, drawn]
