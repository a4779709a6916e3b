"""What bodies are built of: layers, residual blocks, and the type of a body itself."""

import math
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.core.errors import UsageError
from facespace.recipes.model_config import ModelConfig

GROUPS = 8  # of a group norm
FINEST = 16  # channels of a decoder of residual blocks at the whole size


class Body(NamedTuple):
    """What a row of BODIES builds."""

    encoder: nn.Module  # (B, C, H, W) -> (B, features)
    features: int
    decoder: nn.Module  # (B, inputs) -> (B, raw_channels, *size)
    size: tuple[int, int]  # height and width of the decoder's image
    grid: tuple[int, int] | None = None  # height and width of what the encoder ends with, where that is a map


class Side(nn.Sequential):
    """Layers that join a network's main way from its side, or leave it there; `says` what they are, for a diagram."""

    def __init__(self, says: str, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.says = says


class Residual(nn.Module):
    """Norm, SiLU and a 3×3 convolution, twice, beside a way around them (He et al., 2016). It begins as the identity."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        dropout: list[nn.Module] = [nn.Dropout2d(config.dropout)] if config.dropout else []
        layers = [*active(config, width), nn.Conv2d(width, width, 3, 1, 1), *active(config, width), *dropout]
        self.change = nn.Sequential(*layers, zeros(width, width, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same."""
        return x + self.change(x)


def zeros(before: int, after: int, kernel: int) -> nn.Conv2d:
    """A convolution that keeps the size and begins by adding nothing."""
    layer = nn.Conv2d(before, after, kernel, 1, kernel // 2)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(cast(Tensor, layer.bias))
    return layer


def halving(before: int, after: int, first: bool) -> nn.Conv2d:
    """A convolution to half the size. The first is the only one that sees whole pixels, and sees each of them equally often."""
    return nn.Conv2d(before, after, 4 if first else 3, 2, 1)


def enlarging(before: int, after: int, kernel: int) -> list[nn.Module]:
    """To twice the size, by a shuffle of pixels (Shi et al., 2016)."""
    return [_smooth(nn.Conv2d(before, 4 * after, kernel, 1, kernel // 2)), nn.PixelShuffle(2)]


@torch.no_grad()
def _smooth(before_shuffle: nn.Conv2d) -> nn.Conv2d:
    """The convolution, whose four channels for each one after the shuffle begin alike: else a checkerboard of their
    differences has to be unlearned first (Aitken et al., 2017)."""
    for part in (before_shuffle.weight, cast(Tensor, before_shuffle.bias)):
        part.copy_(part[::4].repeat_interleave(4, 0))
    return before_shuffle


def active(config: ModelConfig, width: int) -> list[nn.Module]:
    """Group norm (Wu and He, 2018), where the config has norms, and SiLU."""
    norm: list[nn.Module] = [nn.GroupNorm(math.gcd(GROUPS, width), width)] if config.norm else []
    return [*norm, nn.SiLU()]


class TransposedConv(nn.ConvTranspose2d):
    """nn.ConvTranspose2d, square, with a faster way through bfloat16 on a processor."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C', (H − 1) · stride − 2 · padding + kernel, same of W)."""
        if not (input.device.type == "cpu" and torch.is_autocast_enabled("cpu")):
            return super().forward(input, output_size)
        dtype = torch.get_autocast_dtype("cpu")
        assert self.bias is not None
        parts = (part.to(dtype) for part in (input, self.weight, self.bias))
        return cast(Tensor, _InputGradient.apply(*parts, self.stride[0], self.padding[0]))


class Doubling(nn.ConvTranspose2d):
    """nn.ConvTranspose2d of two pixels in steps of two, which touch no neighbour: without gradients, a 1×1 convolution and
    a shuffle of pixels (Shi et al., 2016), in some three fifths of the time for a single face on a processor."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        if torch.is_grad_enabled():
            return super().forward(input, output_size)
        assert self.bias is not None
        weight = self.weight.permute(1, 2, 3, 0).reshape(-1, self.in_channels, 1, 1)
        return F.pixel_shuffle(F.conv2d(input, weight, self.bias.repeat_interleave(4)), 2)


class _InputGradient(torch.autograd.Function):
    """A transposed convolution as what it is by definition, a convolution's gradient with respect to its input. oneDNN's
    bfloat16 kernels for that, and for its own gradients, take an eighth to nine tenths of the time of its deconvolution
    where the kernel is odd, and of the gradients of it where the kernel is even (measured: benchmarks/train.py)."""

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
        back = F.conv2d(grad, weight, None, *ctx.steps) if ctx.needs_input_grad[0] else None
        return back, _gradients(x, grad, weight, ctx.steps, (False, True))[1], grad.sum((0, 2, 3)), None, None


def _gradients(
    x: Tensor, image: Tensor, weight: Tensor, steps: tuple, wanted: tuple[bool, bool]
) -> tuple[Tensor, ...]:
    """Of the convolution that leads from `image` to `x`, with respect to its input and its weight."""
    backward = torch.ops.aten.convolution_backward
    return backward(x, image, weight, None, *steps, [1, 1], False, [0, 0], 1, [*wanted, False])


class Trim(nn.Module):
    """The top left height × width of an image."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ≥ height, ≥ width) -> (B, C, height, width)."""
        return x[..., : self.height, : self.width]


def folded(config: ModelConfig, channels: int, halvings: int | None = None) -> tuple[int, int, int]:
    """(channels, height, width) after so many halvings, as many as there are widths unless told; UsageError where a side
    does not halve."""
    _, height, width = config.image
    halvings = len(config.widths) if halvings is None else halvings
    fold = 2**halvings
    if height % fold or width % fold:
        raise UsageError(
            f"The {config.body} body halves an image {halvings} times, so height and width must be multiples of "
            f"{fold}; this one is {height}×{width}. Prepare the set at another --size, or change model.widths."
        )
    return channels, height // fold, width // fold


def entrance(config: ModelConfig, inputs: int, small: tuple[int, int, int]) -> list[nn.Module]:
    """From a latent (B, inputs) to a decoder's smallest map (B, *small): a linear layer, which lets each number reach the
    whole face, or for a spatial latent a convolution over its cells."""
    if not config.spatial:
        return [nn.Linear(inputs, math.prod(small)), nn.Unflatten(1, small)]
    cells = small[1] * small[2]
    if config.conditions:
        raise UsageError(
            "model.spatial: a spatial latent cannot be told model.conditions; leave one of them out."
        )
    if inputs % cells:
        raise UsageError(
            f"model.spatial: the {config.body} body ends in {small[1]}×{small[2]} cells, so model.latent must be a multiple "
            f"of {cells}; got {inputs}."
        )
    return [nn.Unflatten(1, (inputs // cells, *small[1:])), nn.Conv2d(inputs // cells, small[0], 3, 1, 1)]


def heads(config: ModelConfig, body: Body, told: int, parts: int) -> nn.Module:
    """From an encoder's features (B, features + told) to a bottleneck's raw numbers (B, parts · latent)."""
    if not config.spatial:
        return nn.Linear(body.features + told, config.latent * parts)
    if body.grid is None:
        raise UsageError(
            f"model.spatial: the {config.body} body does not end in a map of features; take conv, residual or pyramid."
        )
    cells = math.prod(body.grid)
    if config.bottleneck == "codes" and (config.latent // cells) % config.code:
        raise UsageError(
            f"model.spatial: each of the {cells} cells holds {config.latent // cells} numbers, which codes of {config.code} do not "
            "divide evenly; change model.latent or model.code."
        )
    channels = body.features // cells
    convolution = nn.Conv2d(channels, config.latent // cells * parts, 1)
    return nn.Sequential(nn.Unflatten(1, (channels, *body.grid)), convolution, nn.Flatten())
