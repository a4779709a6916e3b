"""The one place where stored pixels become tensors and tensors become pixels: uint8 (B, H, W, C) on disk and in pictures,
float [0, 1] (B, C, H, W) in models. torch is imported where a tensor is made."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def to_float(stored: "np.ndarray | Tensor", device: "torch.device | str | None" = None) -> "Tensor":
    """uint8 (B, H, W, C) to float32 (B, C, H, W) in [0, 1] on `device`. Bytes are copied to the device, not floats."""
    import torch

    levels = torch.from_numpy(stored) if isinstance(stored, np.ndarray) else stored
    return levels.to(device).permute(0, 3, 1, 2).float().div_(255)


def squared_error(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The mean squared difference, in [0, 1], of each of two stacks of uint8 (N, H, W, C) faces: (N,)."""
    return ((faces / 255.0 - others / 255.0) ** 2).mean((1, 2, 3))


def to_uint8(image: "Tensor") -> np.ndarray:
    """Float (B, C, H, W) in [0, 1] to uint8 (B, H, W, C), rounded to the nearest level rather than truncated."""
    import torch

    levels = image.detach().clamp(0, 1).mul(255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
