"""The patch-adversarial term: a small network that learns to tell reconstructions from photographs, patch by patch, teaches
the model late and weakly (Isola et al., 2017; Esser et al., 2021), with the distance between what it sees in the two as a
second term (feature matching: Larsen et al., 2016; Wang et al., 2018). It may judge drawn faces too, as in the first of these
two, so that a decoder learns what to make of latents that no photograph has. Its state belongs in the checkpoint."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from facespace.core.errors import UsageError
from facespace.recipes.config import Recipe
from facespace.training.runtime import Machine

WIDTHS = (32, 64, 128, 128)  # channels of the strided convolutions
SMALLEST = 16  # pixels a side that leave it more than one patch
BETAS = (0.5, 0.9)  # of Adam: an opponent that changes makes long averages stale (Miyato et al., 2018)
RATE = 3e-4  # of Adam, whatever the model's is (Heusel et al., 2017): one that fell with it would lag behind and teach little


class Critic(nn.Module):
    """Strided convolutions with spectral norm (Miyato et al., 2018): a logit for each patch of some 78 px."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for width in WIDTHS:
            self.layers.append(spectral_norm(nn.Conv2d(channels, width, 4, 2, 1)))
            channels = width
        self.head = spectral_norm(nn.Conv2d(channels, 1, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, C, H, W) in [0, 1] -> logits (B, 1, h, w), above 0 for photographs, and what each layer saw."""
        x, seen = image * 2 - 1, []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            seen.append(x)
        return self.head(x).float(), seen


class Adversary:
    """The critic with its optimiser, and what it has to say of the model's images."""

    def __init__(self, plan: Recipe, image: tuple[int, int, int], machine: Machine) -> None:
        if min(image[1:]) < SMALLEST:
            raise UsageError(
                f"objective.adversarial needs faces of at least {SMALLEST} px a side; got {image[1:]}."
            )
        self.machine, self.skips_images = machine, plan.objective.adversarial_on == "samples"
        self.critic = cast(Critic, machine.place(Critic(image[0])))
        self.optimizer = torch.optim.Adam(self.critic.parameters(), RATE, BETAS, fused=True)
        self.network = machine.prepare(self.critic, self.optimizer)

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return {"critic": self.critic, "critic_optimizer": self.optimizer}

    def judge(self, image: Tensor, seen: Tensor, drawn: Tensor | None = None) -> dict[str, Tensor]:
        """Two terms of the model's loss: minus the mean logit of its images (B, C, H, W), those `drawn` (N, C, H, W) among
        them or alone, as objective.adversarial_on says, and the mean difference between what the layers see in reconstructions and in those `seen`. Both count once for
        each pixel value, so that they stand beside nats, which are sums over pixels. The critic gets no gradient."""
        self.critic.eval().requires_grad_(False)
        made, wanted = _shifted(_joined(image, drawn), seen)
        with self._autocast():
            logits, ours = self.critic(made)
            with torch.no_grad():
                _, theirs = self.critic(wanted)
        apart = torch.stack(
            [(a[: len(b)].float() - b.float()).abs().mean() for a, b in zip(ours, theirs)]
        ).mean()
        size = seen[0].numel()
        judged = logits[len(image) :] if self.skips_images else logits
        return {"adversarial": -judged.mean() * size, "matching": apart * size}

    def learn(self, image: Tensor, seen: Tensor, drawn: Tensor | None = None) -> dict[str, Tensor]:
        """One step of the critic on the model's images and the photographs; its hinge loss, which is 1 where it cannot tell them
        apart and 0 where it always can."""
        self.critic.train().requires_grad_(True)
        made = drawn if self.skips_images and drawn is not None else _joined(image, drawn)
        (both,) = _shifted(torch.cat([seen, made.detach()]))
        with self._autocast():
            logits, _ = self.network(both)
        real, fake = logits[: len(seen)], logits[len(seen) :]
        loss = (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"critic": loss.detach()}

    def _autocast(self) -> AbstractContextManager[Any]:
        """The machine's, but for fp16, in which small gradients vanish without a loss scale of the critic's own."""
        return nullcontext() if self.machine.precision == "fp16" else self.machine.autocast()


def _joined(image: Tensor, drawn: Tensor | None) -> Tensor:
    return image if drawn is None else torch.cat([image, drawn])


def _shifted(*images: Tensor) -> tuple[Tensor, ...]:
    """Images (B, C, H, W) as they are, or all down or to the right by a pixel, by chance: the critic's steps are two pixels wide,
    and from a fixed place it would ask for a hatch that it alone sees."""
    top, left = torch.randint(2, (2,)).tolist()
    padded = (F.pad(image, (left, 0, top, 0), mode="replicate") for image in images)
    return tuple(large[..., : image.shape[-2], : image.shape[-1]] for large, image in zip(padded, images))
