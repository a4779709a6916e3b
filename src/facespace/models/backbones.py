"""Encoder-decoder pairs without a bottleneck: an encoder from an image to `features` numbers, and a decoder from a
latent to the raw numbers of a pixel likelihood. What lies between, and what the numbers mean, is chosen elsewhere."""

import math
from itertools import pairwise

from torch import nn

from facespace.core.errors import UsageError
from facespace.models.blocks import (
    FINEST,
    Body,
    Doubling,
    Residual,
    TransposedConv,
    Trim,
    active,
    enlarging,
    entrance,
    folded,
    halving,
)
from facespace.models.progressive import pyramid
from facespace.recipes.model_config import ModelConfig


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
    small = folded(config, config.widths[-1])
    encoder: list[nn.Module] = []
    for before, after in pairwise([channels, *config.widths]):
        encoder += [
            nn.Conv2d(before, after, kernel, 2, 1),
            *_between(config, nn.BatchNorm2d, after, nn.Dropout2d),
        ]
    decoder = entrance(config, inputs, small)
    for (before, after), padding in zip(pairwise(reversed(config.widths)), paddings):
        layer = TransposedConv(before, after, kernel, 2, padding)
        decoder += [layer, *_between(config, nn.BatchNorm2d, after, nn.Dropout2d)]
    decoder += [TransposedConv(config.widths[0], raw_channels, kernel, 2, paddings[-1])]
    parts = nn.Sequential(*encoder, nn.Flatten()), math.prod(small), nn.Sequential(*decoder)
    return Body(*parts, (height, width), small[1:])


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
    return Body(
        nn.Sequential(*encoder), math.prod(low), nn.Sequential(*decoder), (low[1] * fold, low[2] * fold)
    )


def residual(config: ModelConfig, inputs: int, raw_channels: int) -> Body:
    """Residual blocks at half the image's size and below: one at each size on the way in, two on the way out, so that the
    costly whole size holds no more than a strided convolution, a shuffle of pixels (Shi et al., 2016) and a narrow layer."""
    channels, height, width = config.image
    small = folded(config, config.widths[-1])
    encoder: list[nn.Module] = []
    for index, (before, after) in enumerate(pairwise([channels, *config.widths])):
        encoder += [halving(before, after, first=index == 0), Residual(config, after)]
    decoder = entrance(config, inputs, small)
    outwards = [*reversed(config.widths)]
    for before, after in pairwise(outwards):
        decoder += [Residual(config, before), Residual(config, before)]
        decoder += enlarging(before, after, 1)
    last = outwards[-1]
    decoder += [Residual(config, last), Residual(config, last), *active(config, last)]
    decoder += [*enlarging(last, FINEST, 3), *active(config, FINEST)]
    decoder.append(
        nn.Conv2d(FINEST, raw_channels, 3, 1, 1)
    )  # neighbours see each other: no hatch of a shuffle's channels
    encoder += [*active(config, config.widths[-1]), nn.Flatten()]
    return Body(
        nn.Sequential(*encoder), math.prod(small), nn.Sequential(*decoder), (height, width), small[1:]
    )


def _between(
    config: ModelConfig, norm: type[nn.Module], width: int, dropout: type[nn.Module]
) -> list[nn.Module]:
    """What follows a layer of `width` channels: norm, activation, dropout, each where the config has it."""
    layers: list[nn.Module] = [norm(width)] if config.norm else []
    layers.append(nn.LeakyReLU(config.slope) if config.slope else nn.ReLU())
    return [*layers, dropout(config.dropout)] if config.dropout else layers


BODIES = {
    "mlp": mlp,
    "conv": conv,
    "conv_trim": conv_trim,
    "conv_pool": conv_pool,
    "residual": residual,
    "pyramid": pyramid,
}
