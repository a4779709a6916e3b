"""Likelihoods p(x | z) of pixels, as functions of the decoder's output ("raw"). Each has `parts`, the raw
numbers for each pixel value, `mean`, the mean image, and `log_prob`, the log-likelihood of an image in nats,
summed over pixels.

Bernoulli "probabilities" of gray levels and the densities of the others are not comparable."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# A learned deviation below a quarter of a gray level would gain nats from the rounding to 8 bits.
LOG_SCALE_RANGE = (math.log(0.25 / 255), 0.0)


class Bernoulli(nn.Module):
    """Each value in [0, 1] as a probability: binary cross-entropy with logits."""

    parts = 1

    def mean(self, raw: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1]."""
        return raw.sigmoid()

    def log_prob(self, raw: Tensor, x: Tensor) -> Tensor:
        """(B,) nats."""
        return -F.binary_cross_entropy_with_logits(raw, x, reduction="none").flatten(1).sum(1)


class Normal(nn.Module):
    """Gaussian pixels around a sigmoid mean. The deviation is "fixed", "shared" (one learned number for all
    pixels; σ-VAE: Rybkin et al., 2021), or learned for each "pixel" value of each image."""

    def __init__(self, deviation: str = "fixed", scale: float = 1.0) -> None:
        super().__init__()
        self.deviation = deviation
        self.parts = 2 if deviation == "pixel" else 1
        log_scale = torch.tensor(math.log(scale))
        if deviation == "shared":
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale, persistent=False)

    def mean(self, raw: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1]."""
        if self.parts == 2:
            raw = raw.chunk(2, dim=1)[0]
        return raw.sigmoid()

    def scale(self, raw: Tensor) -> Tensor:
        """The standard deviation of each pixel value, (B, C, H, W), where values lie in [0, 1]."""
        return self._log_scale(raw).exp().expand_as(self.mean(raw))

    def log_prob(self, raw: Tensor, x: Tensor) -> Tensor:
        """(B,) nats, the constant ½·log 2π of each pixel included."""
        log_scale = self._log_scale(raw)
        standard = (x - self.mean(raw)) * (-log_scale).exp()
        return (-0.5 * standard**2 - log_scale - 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)

    def _log_scale(self, raw: Tensor) -> Tensor:
        if self.parts == 2:  # the head predicts a log-variance
            return (0.5 * raw.chunk(2, dim=1)[1]).clamp(*LOG_SCALE_RANGE)
        if self.deviation == "shared":
            return self.log_scale.clamp(*LOG_SCALE_RANGE)
        return self.log_scale


class Laplace(nn.Module):
    """Absolute error (L1): a Laplace density of width 1 around a sigmoid mean."""

    parts = 1

    def mean(self, raw: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1]."""
        return raw.sigmoid()

    def log_prob(self, raw: Tensor, x: Tensor) -> Tensor:
        """(B,) nats, the constant log 2 of each pixel included."""
        return (-(x - self.mean(raw)).abs() - math.log(2)).flatten(1).sum(1)


# `mse` is a Normal with σ² = ½, whose log-likelihood is minus the summed squared error, up to a constant.
LIKELIHOODS = {
    "bernoulli": lambda: Bernoulli(),
    "mse": lambda: Normal(scale=math.sqrt(0.5)),
    "normal": lambda: Normal(),
    "normal_shared": lambda: Normal("shared", scale=0.1),
    "normal_pixel": lambda: Normal("pixel"),
    "l1": lambda: Laplace(),
}
