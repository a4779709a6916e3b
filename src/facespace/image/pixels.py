"""The one place where stored pixels become tensors and tensors become pixels: uint8 (B, H, W, C) on disk and
in pictures, float [0, 1] (B, C, H, W) in models. torch is imported where a tensor is made."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def to_float(stored: "np.ndarray | Tensor", device: "torch.device | str | None" = None) -> "Tensor":
    """uint8 (B, H, W, C) to float32 (B, C, H, W) in [0, 1] on `device`. Bytes are copied to the device, not
    floats."""
    import torch

    levels = torch.from_numpy(stored) if isinstance(stored, np.ndarray) else stored
    return levels.to(device).permute(0, 3, 1, 2).float().div_(255)


def shares_of(stored: np.ndarray) -> np.ndarray:
    """`to_float` in numpy: uint8 (B, H, W, C) to float32 (B, C, H, W) in [0, 1]."""
    return np.ascontiguousarray(stored.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)


def levels_of(image: np.ndarray) -> np.ndarray:
    """`to_uint8` in numpy: float32 (B, C, H, W) in [0, 1] to uint8 (B, H, W, C)."""
    levels = np.rint(image.clip(0, 1) * np.float32(255)).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))


def squared_error(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The mean squared difference, in [0, 1], of each of two stacks of uint8 (N, H, W, C) faces: (N,)."""
    return ((faces / 255.0 - others / 255.0) ** 2).mean((1, 2, 3))


def pixel_distance(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The root mean squared difference, in [0, 1], of each of two stacks of uint8 (N, H, W, C) faces:
    (N,)."""
    return np.sqrt(squared_error(faces, others))


def to_uint8(image: "Tensor") -> np.ndarray:
    """Float (B, C, H, W) in [0, 1] to uint8 (B, H, W, C), rounded to the nearest level rather than
    truncated."""
    import torch

    levels = image.detach().clamp(0, 1).mul(255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def psnr(errors: np.ndarray) -> np.ndarray:
    """The peak signal-to-noise ratio of each mean squared error (N,) of pixels in [0, 1]: (N,) dB, at most
    100."""
    return -10 * np.log10(errors.clip(min=1e-10))


def quality(errors: np.ndarray) -> dict[str, float]:
    """Mean squared errors (N,) of faces in [0, 1] as their mean, and the mean PSNR in dB."""
    return {"mse": float(errors.mean()), "psnr": float(psnr(errors).mean())}


class PixelHistogram:
    """Mean and deviation of pixel values in [0, 1], from a histogram of the 256 gray levels."""

    def __init__(self) -> None:
        self.counts = np.zeros(256, np.int64)

    def add(self, faces: np.ndarray) -> None:
        """uint8 faces of any shape."""
        self.counts += np.bincount(faces.ravel(), minlength=256)

    def moments(self) -> tuple[float, float]:
        """(mean, standard deviation)."""
        levels, share = np.arange(256) / 255, self.counts / self.counts.sum()
        mean = float(levels @ share)
        return mean, float(np.sqrt((levels - mean) ** 2 @ share))
