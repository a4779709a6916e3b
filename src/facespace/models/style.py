"""A style-modulated decoder (StyleGAN2: Karras et al., 2020) behind the encoder of the residual backbone.

A mapping network turns the latent into a style, and the style scales the input channels of every convolution
of a decoder that starts from a learned constant. An image is added up over the sizes (skip connections).
Differences from StyleGAN2: features are upsampled bilinearly instead of with a filtered transposed
convolution, and the latent is normalised together with a constant, so that its length still counts:
truncation and temperature move latents towards the mean, and must change the face."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.core.errors import UsageError
from facespace.models.blocks import Backbone, residual_encoder, smallest_map
from facespace.recipes.model_config import ModelConfig

MAPPING_LAYERS, STYLE = 3, 256  # layers of the mapping network, and units of each
FULL_SIZE_CHANNELS = 32  # of the decoder at the image's size
SLOPE, GAIN = 0.2, math.sqrt(2)  # of LeakyReLU below zero; it keeps the variance of its input
EPSILON = 1e-8


def style(config: ModelConfig, inputs: int, raw_channels: int) -> Backbone:
    """The residual encoder, and a decoder whose convolutions are modulated by the latent. Raises UsageError
    for a spatial latent, which is no style."""
    if config.spatial:
        raise UsageError(
            "model.spatial: a style is one vector, so model.backbone=style has no spatial latent; "
            "take conv, residual or progressive."
        )
    _, height, width = config.image
    small = smallest_map(config, config.widths[-1])
    encoder = residual_encoder(config)
    decoder = StyleDecoder(config, inputs, small, raw_channels)
    return Backbone(encoder, math.prod(small), decoder, (height, width), small[1:])


class StyleDecoder(nn.Module):
    """Two modulated convolutions at each size, one at the smallest, and a to-RGB layer whose image is added
    to the upsampled image of the size before."""

    def __init__(
        self, config: ModelConfig, inputs: int, small: tuple[int, int, int], raw_channels: int
    ) -> None:
        super().__init__()
        self.mapping = Mapping(inputs)
        self.constant = Constant(small)
        widths = [*reversed(config.widths), FULL_SIZE_CHANNELS]
        noise = config.layer_noise
        self.first = StyledConvolution(widths[0], widths[0], noise=noise)
        self.enlarge, self.refine = nn.ModuleList(), nn.ModuleList()
        self.to_rgb = nn.ModuleList([ToRGB(widths[0], raw_channels)])
        for before, after in pairwise(widths):
            self.enlarge.append(StyledConvolution(before, after, enlarge=True, noise=noise))
            self.refine.append(StyledConvolution(after, after, noise=noise))
            self.to_rgb.append(ToRGB(after, raw_channels))

    def forward(self, z: Tensor) -> Tensor:
        """(B, inputs) -> (B, raw_channels, H, W)."""
        w = self.mapping(z)  # (B, STYLE)
        h = self.first(self.constant(w), w)
        image = self.to_rgb[0](h, w)
        for enlarge, refine, to_rgb in zip(self.enlarge, self.refine, [*self.to_rgb][1:]):
            h = refine(enlarge(h, w), w)
            image = _upsample(image) + to_rgb(h, w)
        return image


class Constant(nn.Module):
    """The learned map that every image starts from."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.randn(shape))

    def forward(self, w: Tensor) -> Tensor:
        """The map for each style (B, STYLE), (B, C, H, W)."""
        return self.value.expand(w.shape[0], -1, -1, -1)  # not len(w), which is a constant in a trace


class Mapping(nn.Sequential):
    """The latent to its style: a normalisation, and fully connected layers with LeakyReLU."""

    def __init__(self, inputs: int) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise([inputs] + [STYLE] * MAPPING_LAYERS):
            layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE)]
        super().__init__(*layers)

    def forward(self, input: Tensor) -> Tensor:
        """(B, inputs) -> (B, STYLE)."""
        return super().forward(normalize_latent(input))


def normalize_latent(z: Tensor) -> Tensor:
    """Latents (B, D) divided by √(1 + mean z²): the pixel norm of (Karras et al., 2018) with a constant 1
    beside the mean square, so that the length is bounded but not lost."""
    return z * (1 + z.float().square().mean(1, keepdim=True)).rsqrt().to(z)


class Modulated(nn.Module):
    """A convolution whose input channels are scaled by a style, and whose output channels are scaled to unit
    expected variance (demodulation: Karras et al., 2020, equations 1 to 3).

    Scaling a channel of the input is scaling its slice of the kernel, and the demodulation is a number for
    each output channel, so one kernel serves the whole batch:

        y = d · conv(s · x, w) + bias,   d_j = 1 / √(Σ_ik (s_i · w_jik)² + ε),

    times a `gain`. With `enlarge` the scaled input is upsampled before the convolution."""

    gain = 1.0

    def __init__(self, before: int, after: int, kernel: int, demodulate: bool, enlarge: bool = False) -> None:
        super().__init__()
        self.kernel, self.demodulate, self.enlarge = kernel, demodulate, enlarge
        self.affine = nn.Linear(STYLE, before)
        nn.init.ones_(self.affine.bias)
        self.convolution = nn.Conv2d(before, after, kernel, 1, kernel // 2, bias=False)
        self.bias = nn.Parameter(torch.zeros(after))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(B, before, H, W) and styles (B, STYLE) to (B, after, H, W), or (B, after, 2H, 2W)."""
        scales = self.affine(w)  # (B, before)
        x = x * scales[:, :, None, None].to(x)
        y = self.convolution(_upsample(x) if self.enlarge else x)
        bias = (self.gain * self.bias)[:, None, None].to(y)
        if not self.demodulate:
            return bias + self.gain * y
        energy = self.convolution.weight.float().square().sum((2, 3))  # (after, before)
        demodulation = (scales.float().square() @ energy.T + EPSILON).rsqrt()  # (B, after)
        return torch.addcmul(bias, y, (self.gain * demodulation)[:, :, None, None].to(y))


class StyledConvolution(Modulated):
    """A modulated and demodulated 3×3 convolution with LeakyReLU, at the same size or, with `enlarge`, at
    twice the size. `noise` adds normal noise of a learned strength in training; in eval mode there is none,
    so that decoding is deterministic."""

    gain = GAIN  # here, where it costs nothing: LeakyReLU(c · y) = c · LeakyReLU(y) for c > 0

    def __init__(self, before: int, after: int, enlarge: bool = False, noise: bool = False) -> None:
        super().__init__(before, after, 3, demodulate=True, enlarge=enlarge)
        self.strength = nn.Parameter(torch.zeros(())) if noise else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(B, before, H, W) and styles (B, STYLE) to (B, after, H, W), or (B, after, 2H, 2W)."""
        y = super().forward(x, w)
        if self.strength is not None and self.training:
            y = y + self.gain * self.strength.to(y) * torch.randn_like(y[:, :1])
        return F.leaky_relu(y, SLOPE)

    @property
    def label(self) -> str:
        """The name of this layer in a diagram."""
        return "modulated conv 3×3" + (", after ×2" if self.enlarge else "")


class ToRGB(Modulated):
    """A modulated 1×1 convolution to the channels of an image, without demodulation."""

    label = "to RGB"

    def __init__(self, before: int, channels: int) -> None:
        super().__init__(before, channels, 1, demodulate=False)


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
