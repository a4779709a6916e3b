"""The input of a projected discriminator (Sauer et al., 2021): feature maps of frozen networks at four
scales, mixed by fixed random convolutions, so that a discriminator depends on all channels. Trains
nothing."""

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

WIDTHS = (32, 64, 128, 256)  # channels after the mixing, from the finest scale; half of the paper's
Shape = tuple[int, int, int]  # (C, h, w)


class EfficientNetFeatures(nn.Module):
    """EfficientNet-lite0, for images resized to a shorter side of `size` pixels; 0 keeps their size."""

    def __init__(self, image: Shape, eyes: np.ndarray, size: int) -> None:
        super().__init__()
        self.net = open_efficientnet()
        ratio = size / min(image[1:]) if size else 1.0
        self.size = (round(image[1] * ratio), round(image[2] * ratio))
        self.shrinks = ratio < 1
        self.shapes: list[Shape] = []
        height, width = self.size
        for channels, stride in zip(efficientnet.CHANNELS, efficientnet.STRIDES):
            self.shapes.append((channels, math.ceil(height / stride), math.ceil(width / stride)))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Images (B, C, H, W) in [0, 1] to feature maps of `shapes`."""
        if tuple(image.shape[2:]) != self.size:
            image = F.interpolate(
                image, self.size, mode="bilinear", align_corners=False, antialias=self.shrinks
            )
        return self.net.stages(image)


class RecognitionFeatures(nn.Module):
    """The face recognition network, for the region around the eyes, at the size of its own training."""

    def __init__(self, image: Shape, eyes: np.ndarray, size: int) -> None:
        super().__init__()
        self.net = open_recognition(eyes, image, "objective.discriminator_features=recognition")
        self.shapes: list[Shape] = []
        for channels, side in zip(dlib_resnet.WIDTHS, dlib_resnet.SIDES):
            self.shapes.append((channels, side, side))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Images (B, C, H, W) in [0, 1] to feature maps of `shapes`."""
        return self.net.stages(image)


NETWORKS = {"efficientnet": EfficientNetFeatures, "recognition": RecognitionFeatures}


class Mixing(nn.Module):
    """Fixed random convolutions over the feature maps of one network: 1×1 across channels, then 3×3 across
    scales.

    Each coarser map is convolved, upsampled and added to the finer one. The weights are a function of `name`
    alone, the same in every run, so they are in no state; the global generator is not used."""

    def __init__(self, name: str, shapes: Sequence[Shape]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))

        def kernel(after: int, before: int, side: int) -> Tensor:
            # He et al. (2015), for layers without an activation: the variance is preserved.
            weight = torch.randn(after, before, side, side, generator=generator)
            return weight / math.sqrt(before * side * side)

        for index, ((channels, _, _), width) in enumerate(zip(shapes, WIDTHS)):
            self.register_buffer(f"channels{index}", kernel(width, channels, 1), persistent=False)
        for index, (fine, coarse) in enumerate(pairwise(WIDTHS)):
            self.register_buffer(f"scales{index}", kernel(fine, coarse, 3), persistent=False)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """(B, C_i, h_i, w_i) to (B, WIDTHS[i], h_i, w_i), from the finest scale to the coarsest."""
        mixed = [F.conv2d(part, self.get_buffer(f"channels{index}")) for index, part in enumerate(maps)]
        for index in reversed(range(len(mixed) - 1)):
            # A convolution before upsampling costs a quarter of one after it, and both are linear.
            below = F.conv2d(mixed[index + 1], self.get_buffer(f"scales{index}"), padding=1)
            above = F.interpolate(below, mixed[index].shape[2:], mode="bilinear", align_corners=False)
            mixed[index] = mixed[index] + above
        return mixed


class Projection(nn.Module):
    """The networks of these names with their mixing, all frozen, for images (C, H, W) with the eyes at `eyes`
    (2, 2).

    Raises UsageError where weights are missing."""

    def __init__(self, names: Sequence[str], image: Shape, eyes: np.ndarray, size: int) -> None:
        super().__init__()
        self.networks, self.mixings = nn.ModuleList(), nn.ModuleList()
        shapes: list[Shape] = []
        for name in names:
            network = NETWORKS[name](image, eyes, size)
            self.networks.append(network)
            self.mixings.append(Mixing(name, network.shapes))
            shapes += network.shapes
        self.channels = sum(shape[0] for shape in shapes)
        self.sides = [(height, width) for _, height, width in shapes]  # of each map
        self.eval().requires_grad_(False)

    def features(self, image: Tensor) -> list[Tensor]:
        """The networks' own feature maps of images (B, C, H, W) in [0, 1], four of each network."""
        maps: list[Tensor] = []
        for network in self.networks:
            maps += network(image)
        return maps

    def mix(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Feature maps after the mixing, (B, WIDTHS[i], h_i, w_i) for each network."""
        mixed, each = [], len(WIDTHS)
        for index, mixing in enumerate(self.mixings):
            mixed += mixing(maps[index * each : (index + 1) * each])
        return mixed
