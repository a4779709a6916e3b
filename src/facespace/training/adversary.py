"""The patch discriminator (Isola et al., 2017; Esser et al., 2021): an adversarial loss that starts late, and
feature matching (Larsen et al., 2016; Wang et al., 2018). It can score images of interpolated or sampled
latents too, so that the decoder is trained where no photograph is encoded. Its state belongs in the
checkpoint."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from facespace.core.errors import UsageError
from facespace.recipes.config import Recipe
from facespace.training.checkpoint import Parts
from facespace.training.runtime import Runtime

WIDTHS = (32, 64, 128, 128)  # channels of the strided convolutions
SMALLEST = 16  # pixels a side that give more than one patch
BETAS = (0.5, 0.9)  # of Adam: against a changing opponent, long averages are stale (Miyato et al., 2018)
RATE = 3e-4  # of Adam, constant (Heusel et al., 2017): a decaying discriminator would lag behind the model


class PatchDiscriminator(nn.Module):
    """Strided convolutions with spectral norm (Miyato et al., 2018): a logit for each patch of some 78 px."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for width in WIDTHS:
            self.layers.append(spectral_norm(nn.Conv2d(channels, width, 4, 2, 1)))
            channels = width
        self.head = spectral_norm(nn.Conv2d(channels, 1, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, C, H, W) in [0, 1] -> logits (B, 1, h, w), above 0 for photographs, and the features of each
        layer."""
        x, features = image * 2 - 1, []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.head(x).float(), features


class PatchAdversary:
    """The discriminator with its optimizer, and its terms of the model's loss."""

    def __init__(self, plan: Recipe, image: tuple[int, int, int], runtime: Runtime) -> None:
        if min(image[1:]) < SMALLEST:
            raise UsageError(
                f"objective.adversarial needs faces of at least {SMALLEST} px a side; got {image[1:]}."
            )
        self.runtime, self.skips_images = runtime, plan.objective.adversarial_on == "samples"
        self.discriminator = cast(PatchDiscriminator, runtime.to_device(PatchDiscriminator(image[0])))
        self.optimizer = torch.optim.Adam(self.discriminator.parameters(), RATE, BETAS, fused=True)
        self.network = runtime.prepare(self.discriminator, self.optimizer)

    @property
    def parts(self) -> Parts:
        """The parts whose state is in a checkpoint."""
        return {"critic": self.discriminator, "critic_optimizer": self.optimizer}

    def generator_terms(
        self, image: Tensor, target: Tensor, further: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Two terms of the model's loss, without gradient for the discriminator.

        `adversarial` is minus the mean logit of images (B, C, H, W) and of those `further` (N, C, H, W), or
        of
        the latter alone, by objective.adversarial_on. `feature_matching` is the mean absolute difference
        between features of reconstructions and of the targets `target`. Both are multiplied by the number of
        pixel values, like nats, which are sums over pixels."""
        self.discriminator.eval().requires_grad_(False)
        generated, target = _shifted(_joined(image, further), target)
        with self._autocast():
            logits, features = self.discriminator(generated)
            with torch.no_grad():
                _, expected = self.discriminator(target)
        distances = []
        for a, b in zip(features, expected):
            distances.append((a[: len(b)].float() - b.float()).abs().mean())
        size = target[0].numel()
        scored = logits[len(image) :] if self.skips_images else logits
        return {
            "adversarial": -scored.mean() * size,
            "feature_matching": torch.stack(distances).mean() * size,
        }

    def step(self, image: Tensor, target: Tensor, further: Tensor | None = None) -> dict[str, Tensor]:
        """One step of the discriminator on the model's images and the photographs `target`.

        Returns its hinge loss: 1 where it cannot separate the two, 0 where it always can."""
        self.discriminator.train().requires_grad_(True)
        generated = further if self.skips_images and further is not None else _joined(image, further)
        (both,) = _shifted(torch.cat([target, generated.detach()]))
        with self._autocast():
            logits, _ = self.network(both)
        real, fake = logits[: len(target)], logits[len(target) :]
        loss = (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"discriminator": loss.detach()}

    def _autocast(self) -> AbstractContextManager[Any]:
        """The runtime's number format, but fp32 in place of fp16, whose small gradients need a loss scale."""
        return nullcontext() if self.runtime.precision == "fp16" else self.runtime.autocast()


def _joined(image: Tensor, further: Tensor | None) -> Tensor:
    return image if further is None else torch.cat([image, further])


def _shifted(*images: Tensor) -> tuple[Tensor, ...]:
    """Images (B, C, H, W), all moved by the same random 0 or 1 pixels down and to the right.

    The strides are two pixels, and from a fixed position the discriminator would cause a grid pattern."""
    top, left = torch.randint(2, (2,)).tolist()
    moved = []
    for image in images:
        padded = F.pad(image, (left, 0, top, 0), mode="replicate")
        moved.append(padded[..., : image.shape[-2], : image.shape[-1]])
    return tuple(moved)
