"""The layers of the attribute classifier. Its files are in store.py, its use in attributes.py."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.core.errors import UsageError


@dataclass(frozen=True)
class ClassifierConfig:
    """Its layers: a strided convolution, then stages of residual blocks, each at half the size of the one
    before."""

    size: int = 64  # pixels a side of the input, square colour faces
    stem: int = 32  # channels of the first convolution
    widths: tuple[int, ...] = (64, 128, 192)  # channels of the stages; the last is D, the number of features
    blocks: tuple[int, ...] = (1, 2, 1)  # residual blocks a stage

    def __post_init__(self) -> None:
        if (
            not self.widths
            or len(self.widths) != len(self.blocks)
            or min(self.stem, *self.widths, *self.blocks) < 1
        ):
            raise UsageError(
                "network.widths and network.blocks must be as long as each other and above 0; "
                f"got {self.widths}, {self.blocks}."
            )
        if self.size < 2 ** (len(self.widths) + 1):
            raise UsageError(
                f"network.size={self.size} is too small to halve {len(self.widths) + 1} times; take fewer "
                "stages."
            )


class Block(nn.Module):
    """Norm, activation, convolution, twice, with a skip connection (pre-activation; He et al., 2016)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(before)
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.around = None
        if stride > 1 or before != after:
            pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            self.around = nn.Sequential(pool, nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, after, ⌈H / stride⌉, ⌈W / stride⌉)."""
        activated = F.relu(self.first_norm(x))
        change = self.second(F.relu(self.second_norm(self.first(activated))))
        skip = x if self.around is None else self.around(activated)
        return change + skip


class ClassifierNetwork(nn.Module):
    """Images to one logit for each attribute. `slope` and `offset` (A,) calibrate the logits (Platt,
    1999)."""

    slope: Tensor
    offset: Tensor

    def __init__(self, config: ClassifierConfig, attributes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, config.stem, 3, 2, 1, bias=False)]
        for (before, after), count in zip(pairwise([config.stem, *config.widths]), config.blocks):
            layers += [Block(before, after, 2), *(Block(after, after, 1) for _ in range(count - 1))]
        width = config.widths[-1]
        self.body = nn.Sequential(
            *layers, nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Linear(width, attributes)
        self.register_buffer("slope", torch.ones(attributes))
        self.register_buffer("offset", torch.zeros(attributes))

    def stages(self, image: Tensor) -> list[Tensor]:
        """Feature maps (B, C, h, w) of images (B, 3, H, W) in [0, 1]: after the first convolution and after
        each residual block, each after the norm and the ReLU that follow it."""
        x, found = image * 2 - 1, []
        for layer in self.body:
            if isinstance(layer, Block):
                found.append(F.relu(layer.first_norm(x)))
            if isinstance(layer, nn.AdaptiveAvgPool2d):
                break
            x = layer(x)
        return [*found, x]

    def features(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, D), the input of the last, linear layer."""
        return self.body(image * 2 - 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> raw logits (B, A)."""
        return self.head(self.features(image))
