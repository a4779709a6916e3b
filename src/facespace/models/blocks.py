"""What backbones are made of: layers, residual blocks, and the type of a backbone."""

import math
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.core.errors import UsageError
from facespace.recipes.model_config import ModelConfig
from facespace.recipes.sizes import FULL_SIZE_WIDTH, GROUPS, cell_channels, smallest_map


class Backbone(NamedTuple):
    """What a row of BACKBONES makes."""

    encoder: nn.Module  # (B, C, H, W) -> (B, features)
    features: int
    decoder: nn.Module  # (B, inputs) -> (B, raw_channels, *size)
    size: tuple[int, int]  # height and width of the decoder's image
    grid: tuple[int, int] | None = None  # height and width of the encoder's last feature map, if it has one


class SideBranch(nn.Sequential):
    """Layers of a side branch of a network; `says` is their name in a diagram."""

    def __init__(self, says: str, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.label = says


class Residual(nn.Module):
    """Norm, SiLU and a 3×3 convolution, twice, with a skip connection (He et al., 2016). Initially the
    identity."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        dropout: list[nn.Module] = [nn.Dropout2d(config.dropout)] if config.dropout else []
        self.change = nn.Sequential(
            *norm_activation(config, width),
            nn.Conv2d(width, width, 3, 1, 1),
            *norm_activation(config, width),
            *dropout,
            zero_convolution(width, width, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same."""
        return x + self.change(x)


def zero_convolution(before: int, after: int, kernel: int) -> nn.Conv2d:
    """A convolution at the same size whose output is 0 at first."""
    layer = nn.Conv2d(before, after, kernel, 1, kernel // 2)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(cast(Tensor, layer.bias))
    return layer


def downsample(before: int, after: int, first: bool) -> nn.Conv2d:
    """A convolution to half the size. The first one, which alone reads pixels, has a 4×4 kernel, so that each
    pixel enters equally often."""
    return nn.Conv2d(before, after, 4 if first else 3, 2, 1)


def residual_encoder(config: ModelConfig) -> nn.Sequential:
    """A strided convolution and a residual block for each width; (B, C, H, W) to a flat (B, features)."""
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(pairwise([config.image[0], *config.widths])):
        layers += [downsample(before, after, first=index == 0), Residual(config, after)]
    return nn.Sequential(*layers, *norm_activation(config, config.widths[-1]), nn.Flatten())


def upsample(before: int, after: int, kernel: int) -> list[nn.Module]:
    """To twice the size by a pixel shuffle (Shi et al., 2016)."""
    convolution = nn.Conv2d(before, 4 * after, kernel, 1, kernel // 2)
    _equalize_subpixels(convolution)
    return [convolution, nn.PixelShuffle(2)]


@torch.no_grad()
def _equalize_subpixels(convolution: nn.Conv2d) -> None:
    """Makes the four channels of each pixel-shuffle group equal: otherwise their initial differences are a
    checkerboard that training must remove (Aitken et al., 2017)."""
    for part in (convolution.weight, cast(Tensor, convolution.bias)):
        part.copy_(part[::4].repeat_interleave(4, 0))


def norm_activation(config: ModelConfig, width: int) -> list[nn.Module]:
    """Group norm (Wu and He, 2018), if the config has norms, and SiLU."""
    if not config.norm:
        return [nn.SiLU()]
    return [nn.GroupNorm(math.gcd(GROUPS, width), width), nn.SiLU()]


class TransposedConv(nn.ConvTranspose2d):
    """A square nn.ConvTranspose2d that trains faster on CPUs."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C', (H − 1) · stride − 2 · padding + kernel, same of W)."""
        autocast = torch.is_autocast_enabled("cpu")
        if input.device.type != "cpu" or not (autocast or self.training):
            return super().forward(input, output_size)
        dtype = torch.get_autocast_dtype("cpu") if autocast else input.dtype
        assert self.bias is not None
        x, weight, bias = input.to(dtype), self.weight.to(dtype), self.bias.to(dtype)
        return cast(Tensor, _InputGradient.apply(x, weight, bias, self.stride[0], self.padding[0]))


class TransposedConv2x(nn.ConvTranspose2d):
    """nn.ConvTranspose2d with a 2×2 kernel and stride 2. Without gradients it is computed as a 1×1
    convolution and a pixel shuffle (Shi et al., 2016), in about 60 % of the time for one face on a CPU."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        if torch.is_grad_enabled():
            return super().forward(input, output_size)
        assert self.bias is not None
        weight = self.weight.permute(1, 2, 3, 0).reshape(-1, self.in_channels, 1, 1)
        return F.pixel_shuffle(F.conv2d(input, weight, self.bias.repeat_interleave(4)), 2)


class _InputGradient(torch.autograd.Function):
    """A transposed convolution computed by its definition, as the gradient of a convolution with respect to
    its input. In bfloat16 oneDNN's kernels for that take an eighth to nine tenths of the time of its
    deconvolution for odd kernels, and those for the gradients the same for even kernels; in float32 they take
    seven tenths for odd kernels, and the same time for even ones (measured: benchmarks/train.py)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.steps = [stride] * 2, [padding] * 2
        if weight.shape[2] % 2 == 0:
            return F.conv_transpose2d(x, weight, bias, stride, padding)
        size = [(side - 1) * stride - 2 * padding + weight.shape[2] for side in x.shape[2:]]
        like = x.new_empty(len(x), weight.shape[1], *size).contiguous(memory_format=torch.channels_last)
        return _gradients(x, like, weight, ctx.steps, (True, False))[0].add_(bias[:, None, None])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), (grad,) = ctx.saved_tensors, grads
        input_grad = F.conv2d(grad, weight, None, *ctx.steps) if ctx.needs_input_grad[0] else None
        weight_grad = _gradients(x, grad, weight, ctx.steps, (False, True))[1]
        return input_grad, weight_grad, grad.sum((0, 2, 3)), None, None


def _gradients(
    x: Tensor, image: Tensor, weight: Tensor, steps: tuple, needed: tuple[bool, bool]
) -> tuple[Tensor, ...]:
    """Gradients of the convolution from `image` to `x`, with respect to its input and its weight, those that
    are needed."""
    backward = torch.ops.aten.convolution_backward
    return backward(x, image, weight, None, *steps, [1, 1], False, [0, 0], 1, [*needed, False])


class Trim(nn.Module):
    """The top left height × width of an image."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ≥ height, ≥ width) -> (B, C, height, width)."""
        return x[..., : self.height, : self.width]


def latent_projection(config: ModelConfig, inputs: int, small: tuple[int, int, int]) -> list[nn.Module]:
    """From a latent (B, inputs) to the decoder's smallest feature map (B, *small): a linear layer, through
    which each number reaches the whole face, or for a spatial latent a convolution over its cells."""
    if not config.spatial:
        return [nn.Linear(inputs, math.prod(small)), nn.Unflatten(1, small)]
    channels = cell_channels(config, inputs, small[1:])
    return [nn.Unflatten(1, (channels, *small[1:])), nn.Conv2d(channels, small[0], 3, 1, 1)]


def bottleneck_layers(config: ModelConfig, backbone: Backbone, attributes: int, parts: int) -> nn.Module:
    """From an encoder's features and attributes (B, features + attributes) to a bottleneck's input (B, parts
    · latent)."""
    if not config.spatial:
        return nn.Linear(backbone.features + attributes, config.latent_dim * parts)
    if backbone.grid is None:
        raise UsageError(
            f"model.spatial: the {config.backbone} backbone does not end in a map of features; take conv, "
            "residual or progressive."
        )
    cells = math.prod(backbone.grid)
    if config.bottleneck == "vq" and (config.latent_dim // cells) % config.code_dim:
        raise UsageError(
            f"model.spatial: each of the {cells} cells holds {config.latent_dim // cells} numbers, which "
            f"codes of {config.code_dim} do not divide evenly; change model.latent_dim or model.code_dim."
        )
    channels = backbone.features // cells
    convolution = nn.Conv2d(channels, config.latent_dim // cells * parts, 1)
    return nn.Sequential(nn.Unflatten(1, (channels, *backbone.grid)), convolution, nn.Flatten())


__all__ = [
    "FULL_SIZE_WIDTH",
    "Backbone",
    "Residual",
    "SideBranch",
    "TransposedConv",
    "TransposedConv2x",
    "Trim",
    "bottleneck_layers",
    "downsample",
    "latent_projection",
    "norm_activation",
    "smallest_map",
    "upsample",
    "zero_convolution",
]
