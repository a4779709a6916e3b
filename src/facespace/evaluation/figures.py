"""Figures of latents and pixels from arrays alone: no model, no set, no torch."""

import math

import numpy as np


class Tally:
    """Mean and deviation of pixel values in [0, 1], from counts of the 256 gray levels."""

    def __init__(self) -> None:
        self.counts = np.zeros(256, np.int64)

    def add(self, faces: np.ndarray) -> None:
        """uint8 faces of any shape."""
        self.counts += np.bincount(faces.ravel(), minlength=256)

    def moments(self) -> tuple[float, float]:
        """(mean, standard deviation)."""
        levels, share = np.arange(256) / 255, self.counts / self.counts.sum()
        mean = float(levels @ share)
        return mean, math.sqrt(float((levels - mean) ** 2 @ share))


def quality(errors: np.ndarray) -> dict[str, float]:
    """Mean squared errors (N,) of faces in [0, 1] as the mean of them and of the faces' PSNR, in dB."""
    return {"mse": float(errors.mean()), "psnr": float(psnr(errors).mean())}


def psnr(errors: np.ndarray) -> np.ndarray:
    """The peak signal-to-noise ratio of each mean squared error (N,) of pixels in [0, 1]: (N,) dB, at most 100."""
    return -10 * np.log10(errors.clip(min=1e-10))
