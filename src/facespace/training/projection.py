"""What a projected discriminator looks at (Sauer et al., 2021): feature maps of frozen networks at four scales, mixed by fixed
random convolutions, so that no single channel can be faked alone. Trains nothing."""

import math
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.perception import dlib_resnet, efficientnet
from facespace.perception.dlib_resnet import open_recognition
from facespace.perception.efficientnet import open_efficientnet

WIDTHS = (
    32,
    64,
    128,
    256,
)  # channels after the mixing, from the finest scale to the coarsest; half of the paper's
Shape = tuple[int, int, int]  # (C, h, w)


class Objects(nn.Module):
    """EfficientNet-lite0, for images whose shorter side is brought to `size` pixels; 0 keeps them."""

    def __init__(self, image: Shape, eyes: np.ndarray, size: int) -> None:
        super().__init__()
        self.net = open_efficientnet()
        ratio = size / min(image[1:]) if size else 1.0
        self.size = (round(image[1] * ratio), round(image[2] * ratio))
        self.shrinks = ratio < 1
        sides = [[math.ceil(side / stride) for side in self.size] for stride in efficientnet.STRIDES]
        self.shapes: list[Shape] = [
            (count, high, wide) for count, (high, wide) in zip(efficientnet.CHANNELS, sides)
        ]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Images (B, C, H, W) in [0, 1] to feature maps of `shapes`."""
        if tuple(image.shape[2:]) != self.size:
            image = F.interpolate(
                image, self.size, mode="bilinear", align_corners=False, antialias=self.shrinks
            )
        return self.net.stages(image)


class Persons(nn.Module):
    """The face recognition network, which looks at what lies around the eyes, at a size of its own."""

    def __init__(self, image: Shape, eyes: np.ndarray, size: int) -> None:
        super().__init__()
        self.net = open_recognition(eyes, image, "objective.discriminator_features=recognition")
        self.shapes: list[Shape] = [
            (count, side, side) for count, side in zip(dlib_resnet.WIDTHS, dlib_resnet.SIDES)
        ]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Images (B, C, H, W) in [0, 1] to feature maps of `shapes`."""
        return self.net.stages(image)


NETWORKS = {"efficientnet": Objects, "recognition": Persons}


class Mixing(nn.Module):
    """Fixed random convolutions over the feature maps of one network: 1×1 across channels, then from the coarsest scale to the
    finest 3×3, enlarged and added. Their weights are made from `name` alone, the same in every run, so that no state
    holds them; other random numbers are left alone."""

    def __init__(self, name: str, shapes: Sequence[Shape]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))

        def kernel(after: int, before: int, side: int) -> Tensor:
            # He et al. (2015), for layers without an activation behind them: variances stay as they are.
            return torch.randn(after, before, side, side, generator=generator) / math.sqrt(
                before * side * side
            )

        for index, ((channels, _, _), width) in enumerate(zip(shapes, WIDTHS)):
            self.register_buffer(f"channels{index}", kernel(width, channels, 1), persistent=False)
        for index, (fine, coarse) in enumerate(pairwise(WIDTHS)):
            self.register_buffer(f"scales{index}", kernel(fine, coarse, 3), persistent=False)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """(B, C_i, h_i, w_i) to (B, WIDTHS[i], h_i, w_i), from the finest scale to the coarsest."""
        mixed = [F.conv2d(part, self.get_buffer(f"channels{index}")) for index, part in enumerate(maps)]
        for index in reversed(range(len(mixed) - 1)):
            # A convolution before enlarging costs a quarter of one behind it, and both are linear.
            below = F.conv2d(mixed[index + 1], self.get_buffer(f"scales{index}"), padding=1)
            above = F.interpolate(below, mixed[index].shape[2:], mode="bilinear", align_corners=False)
            mixed[index] = mixed[index] + above
        return mixed


class Projection(nn.Module):
    """The networks of these names with their mixing, all frozen, for images (C, H, W) in which the eyes lie at `eyes` (2, 2).
    Raises UsageError where weights are missing."""

    def __init__(self, names: Sequence[str], image: Shape, eyes: np.ndarray, size: int) -> None:
        super().__init__()
        networks = [NETWORKS[name](image, eyes, size) for name in names]
        found = [network.shapes for network in networks]
        self.networks = nn.ModuleList(networks)
        self.mixings = nn.ModuleList(Mixing(name, group) for name, group in zip(names, found))
        shapes = [shape for group in found for shape in group]
        self.channels = sum(channels for channels, _, _ in shapes)
        self.sides = [(height, width) for _, height, width in shapes]  # of each map
        self.eval().requires_grad_(False)

    def features(self, image: Tensor) -> list[Tensor]:
        """The networks' own feature maps of images (B, C, H, W) in [0, 1], four of each network."""
        return [part for network in self.networks for part in network(image)]

    def mix(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Those maps mixed, (B, WIDTHS[i], h_i, w_i) for each network."""
        mixed, each = [], len(WIDTHS)
        for index, mixing in enumerate(self.mixings):
            mixed += mixing(maps[index * each : (index + 1) * each])
        return mixed
