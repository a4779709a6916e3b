"""Encoder-decoder pairs without a bottleneck: an encoder from an image to `features` numbers, and a decoder from a
latent to the raw numbers of a pixel likelihood. What lies between, and what the numbers mean, is chosen elsewhere."""

import math
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.errors import UsageError
from facespace.models.config import ModelConfig

GROUPS = 8  # of a group norm
FINEST = 16  # channels of a residual decoder at the whole size


class Body(NamedTuple):
    """What a row of BODIES builds."""

    encoder: nn.Module  # (B, C, H, W) -> (B, features)
    features: int
    decoder: nn.Module  # (B, inputs) -> (B, raw_channels, *size)
    size: tuple[int, int]  # height and width of the decoder's image


def mlp(config: ModelConfig, inputs: int, raw_channels: int) -> Body:
    """Fully connected: pixels → widths → latent → widths reversed → pixels, each hidden layer with its own norm and
    activation."""
    channels, height, width = config.image
    encoder: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise([channels * height * width, *config.widths]):
        encoder += [nn.Linear(before, after), *_between(config, nn.BatchNorm1d, after, nn.Dropout)]
    decoder: list[nn.Module] = []
    for before, after in pairwise([inputs, *reversed(config.widths)]):
        decoder += [nn.Linear(before, after), *_between(config, nn.BatchNorm1d, after, nn.Dropout)]
    decoder += [
        nn.Linear(config.widths[0], raw_channels * height * width),
        nn.Unflatten(1, (raw_channels, height, width)),
    ]
    return Body(nn.Sequential(*encoder), config.widths[-1], nn.Sequential(*decoder), (height, width))


def conv(config: ModelConfig, inputs: int, raw_channels: int) -> Body:
    """Strided 4×4 convolutions that halve the image once for each width, and transposed ones that double it back."""
    return _strided(config, inputs, raw_channels, 4, [1] * len(config.widths))


def conv_trim(config: ModelConfig, inputs: int, raw_channels: int) -> Body:
    """Strided 3×3 convolutions, and transposed ones whose odd sizes (8 → 17 → 33 → 65 → 129) are trimmed at the end:
    the 128 px system."""
    body = _strided(config, inputs, raw_channels, 3, [0] + [1] * (len(config.widths) - 1))
    return body._replace(decoder=nn.Sequential(*body.decoder.children(), Trim(*body.size)))


def _strided(config: ModelConfig, inputs: int, raw_channels: int, kernel: int, paddings: list[int]) -> Body:
    """Convolutions of stride 2 down to a latent's features, and as many transposed ones, with these paddings, up again."""
    channels, height, width = config.image
    small = _folded(config, config.widths[-1])
    encoder: list[nn.Module] = []
    for before, after in pairwise([channels, *config.widths]):
        encoder += [nn.Conv2d(before, after, kernel, 2, 1), *_between(config, nn.BatchNorm2d, after, nn.Dropout2d)]
    decoder: list[nn.Module] = [nn.Linear(inputs, math.prod(small)), nn.Unflatten(1, small)]
    for (before, after), padding in zip(pairwise(reversed(config.widths)), paddings):
        layer = TransposedConv(before, after, kernel, 2, padding)
        decoder += [layer, *_between(config, nn.BatchNorm2d, after, nn.Dropout2d)]
    decoder += [TransposedConv(config.widths[0], raw_channels, kernel, 2, paddings[-1])]
    return Body(nn.Sequential(*encoder, nn.Flatten()), math.prod(small), nn.Sequential(*decoder), (height, width))


def conv_pool(config: ModelConfig, inputs: int, raw_channels: int) -> Body:
    """3×3 convolutions with max-pooling down to two channels, and doubling transposed convolutions up again: the yearbook
    system. An image that does not halve evenly loses its border: 171×186 goes in and 160×176, its middle, comes out."""
    channels, height, width = config.image
    fold, thin = 2 ** len(config.widths), 2  # channels at the narrowest place
    low = (thin, height // fold, width // fold)
    if not math.prod(low):
        raise UsageError(
            f"The conv_pool body halves an image {len(config.widths)} times; {height}×{width} is too small for that."
        )
    encoder: list[nn.Module] = []
    for before, after in pairwise([channels, *config.widths]):
        encoder += [
            nn.Conv2d(before, after, 3, 1, 1),
            *_between(config, nn.BatchNorm2d, after, nn.Dropout2d),
            nn.MaxPool2d(2),
        ]
    encoder += [nn.Conv2d(config.widths[-1], thin, 3, 1, 1), nn.ReLU(), nn.Flatten()]
    decoder: list[nn.Module] = [nn.Linear(inputs, math.prod(low)), nn.ReLU(), nn.Unflatten(1, low)]
    for before, after in pairwise([thin, *reversed(config.widths)]):
        layers = _between(config, nn.BatchNorm2d, after, nn.Dropout2d)
        decoder += [nn.Conv2d(before, after, 3, 1, 1), *layers, Doubling(after, after, 2, 2)]
    decoder += [nn.Conv2d(config.widths[0], raw_channels, 3, 1, 1)]
    return Body(nn.Sequential(*encoder), math.prod(low), nn.Sequential(*decoder), (low[1] * fold, low[2] * fold))


def residual(config: ModelConfig, inputs: int, raw_channels: int) -> Body:
    """Residual blocks at half the image's size and below: one at each size on the way in, two on the way out, so that the
    costly whole size holds no more than a strided convolution, a shuffle of pixels (Shi et al., 2016) and a narrow layer."""
    channels, height, width = config.image
    small = _folded(config, config.widths[-1])
    encoder: list[nn.Module] = []
    for index, (before, after) in enumerate(pairwise([channels, *config.widths])):
        # The first is the only one that sees whole pixels, and sees each of them equally often.
        shrink = nn.Conv2d(before, after, 3, 2, 1) if index else nn.Conv2d(before, after, 4, 2, 1)
        encoder += [shrink, Residual(config, after)]
    decoder: list[nn.Module] = [nn.Linear(inputs, math.prod(small)), nn.Unflatten(1, small)]
    outwards = [*reversed(config.widths)]
    for before, after in pairwise(outwards):
        decoder += [Residual(config, before), Residual(config, before)]
        decoder += [_smooth(nn.Conv2d(before, 4 * after, 1)), nn.PixelShuffle(2)]
    last = outwards[-1]
    decoder += [Residual(config, last), Residual(config, last), *_active(config, last)]
    decoder += [_smooth(nn.Conv2d(last, 4 * FINEST, 3, 1, 1)), nn.PixelShuffle(2), *_active(config, FINEST)]
    decoder.append(
        nn.Conv2d(FINEST, raw_channels, 3, 1, 1)
    )  # neighbours see each other: no hatch of a shuffle's channels
    encoder += [*_active(config, config.widths[-1]), nn.Flatten()]
    return Body(nn.Sequential(*encoder), math.prod(small), nn.Sequential(*decoder), (height, width))


class Residual(nn.Module):
    """Norm, SiLU and a 3×3 convolution, twice, beside a way around them (He et al., 2016). It begins as the identity."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        dropout: list[nn.Module] = [nn.Dropout2d(config.dropout)] if config.dropout else []
        layers = [*_active(config, width), nn.Conv2d(width, width, 3, 1, 1), *_active(config, width), *dropout]
        final = nn.Conv2d(width, width, 3, 1, 1)
        nn.init.zeros_(final.weight)
        nn.init.zeros_(cast(Tensor, final.bias))
        self.change = nn.Sequential(*layers, final)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same."""
        return x + self.change(x)


@torch.no_grad()
def _smooth(before_shuffle: nn.Conv2d) -> nn.Conv2d:
    """The convolution, whose four channels for each one after the shuffle begin alike: else a checkerboard of their
    differences has to be unlearned first (Aitken et al., 2017)."""
    for part in (before_shuffle.weight, cast(Tensor, before_shuffle.bias)):
        part.copy_(part[::4].repeat_interleave(4, 0))
    return before_shuffle


def _active(config: ModelConfig, width: int) -> list[nn.Module]:
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


def _gradients(x: Tensor, image: Tensor, weight: Tensor, steps: tuple, wanted: tuple[bool, bool]) -> tuple[Tensor, ...]:
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


def _folded(config: ModelConfig, channels: int) -> tuple[int, int, int]:
    """(channels, height, width) after as many halvings as there are widths; UsageError where a side does not halve."""
    _, height, width = config.image
    fold = 2 ** len(config.widths)
    if height % fold or width % fold:
        raise UsageError(
            f"The {config.body} body halves an image {len(config.widths)} times, so height and width must be multiples of "
            f"{fold}; this one is {height}×{width}. Prepare the set at another --size, or change model.widths."
        )
    return channels, height // fold, width // fold


def _between(config: ModelConfig, norm: type[nn.Module], width: int, dropout: type[nn.Module]) -> list[nn.Module]:
    """What follows a layer of `width` channels: norm, activation, dropout, each where the config has it."""
    layers: list[nn.Module] = [norm(width)] if config.norm else []
    layers.append(nn.LeakyReLU(config.slope) if config.slope else nn.ReLU())
    return [*layers, dropout(config.dropout)] if config.dropout else layers


BODIES = {"mlp": mlp, "conv": conv, "conv_trim": conv_trim, "conv_pool": conv_pool, "residual": residual}
