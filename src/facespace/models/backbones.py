"""Backbones: an encoder from an image to `features` numbers, and a decoder from a latent to the raw output of
a pixel likelihood. Bottleneck and likelihood are chosen elsewhere."""

import math
from itertools import pairwise

from torch import nn

from facespace.models.blocks import (
    Backbone,
    TransposedConv,
    TransposedConv2x,
    Trim,
    latent_projection,
    smallest_map,
)
from facespace.models.progressive import progressive
from facespace.models.residual import residual
from facespace.models.style import style
from facespace.models.upsampled import residual_upsampled
from facespace.recipes.model_config import ModelConfig
from facespace.recipes.sizes import pooled_map


def mlp(config: ModelConfig, inputs: int, raw_channels: int) -> Backbone:
    """Fully connected: pixels → widths → latent → widths reversed → pixels, each hidden layer with its own
    norm and activation."""
    channels, height, width = config.image
    encoder: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise([channels * height * width, *config.widths]):
        encoder.append(nn.Linear(before, after))
        encoder += _norm_activation_dropout(config, nn.BatchNorm1d, after, nn.Dropout)
    decoder: list[nn.Module] = []
    for before, after in pairwise([inputs, *reversed(config.widths)]):
        decoder.append(nn.Linear(before, after))
        decoder += _norm_activation_dropout(config, nn.BatchNorm1d, after, nn.Dropout)
    decoder += [
        nn.Linear(config.widths[0], raw_channels * height * width),
        nn.Unflatten(1, (raw_channels, height, width)),
    ]
    return Backbone(nn.Sequential(*encoder), config.widths[-1], nn.Sequential(*decoder), (height, width))


def conv(config: ModelConfig, inputs: int, raw_channels: int) -> Backbone:
    """Strided 4×4 convolutions, one for each width, and as many transposed ones."""
    return _strided(config, inputs, raw_channels, 4, [1] * len(config.widths))


def conv_trim(config: ModelConfig, inputs: int, raw_channels: int) -> Backbone:
    """Strided 3×3 convolutions, and transposed ones whose odd sizes (8 → 17 → 33 → 65 → 129) are trimmed at
    the end: the 128 px system."""
    backbone = _strided(config, inputs, raw_channels, 3, [0] + [1] * (len(config.widths) - 1))
    decoder = nn.Sequential(*backbone.decoder.children(), Trim(*backbone.size))
    return backbone._replace(decoder=decoder)


def _strided(
    config: ModelConfig, inputs: int, raw_channels: int, kernel: int, paddings: list[int]
) -> Backbone:
    """Convolutions of stride 2, and as many transposed ones with these paddings."""
    channels, height, width = config.image
    small = smallest_map(config, config.widths[-1])
    encoder: list[nn.Module] = []
    for before, after in pairwise([channels, *config.widths]):
        encoder.append(nn.Conv2d(before, after, kernel, 2, 1))
        encoder += _norm_activation_dropout(config, nn.BatchNorm2d, after, nn.Dropout2d)
    decoder = latent_projection(config, inputs, small)
    for (before, after), padding in zip(pairwise(reversed(config.widths)), paddings):
        decoder.append(TransposedConv(before, after, kernel, 2, padding))
        decoder += _norm_activation_dropout(config, nn.BatchNorm2d, after, nn.Dropout2d)
    decoder.append(TransposedConv(config.widths[0], raw_channels, kernel, 2, paddings[-1]))
    return Backbone(
        encoder=nn.Sequential(*encoder, nn.Flatten()),
        features=math.prod(small),
        decoder=nn.Sequential(*decoder),
        size=(height, width),
        grid=small[1:],
    )


def conv_pool(config: ModelConfig, inputs: int, raw_channels: int) -> Backbone:
    """3×3 convolutions with max-pooling down to two channels, and transposed convolutions of stride 2: the
    yearbook system. A size that is not divisible loses its border: of 171×186 the output is the central
    160×176."""
    channels = config.image[0]
    small = pooled_map(config)
    factor, narrowest = 2 ** len(config.widths), small[0]
    encoder: list[nn.Module] = []
    for before, after in pairwise([channels, *config.widths]):
        encoder.append(nn.Conv2d(before, after, 3, 1, 1))
        encoder += _norm_activation_dropout(config, nn.BatchNorm2d, after, nn.Dropout2d)
        encoder.append(nn.MaxPool2d(2))
    encoder += [nn.Conv2d(config.widths[-1], narrowest, 3, 1, 1), nn.ReLU(), nn.Flatten()]
    decoder: list[nn.Module] = [nn.Linear(inputs, math.prod(small)), nn.ReLU(), nn.Unflatten(1, small)]
    for before, after in pairwise([narrowest, *reversed(config.widths)]):
        decoder.append(nn.Conv2d(before, after, 3, 1, 1))
        decoder += _norm_activation_dropout(config, nn.BatchNorm2d, after, nn.Dropout2d)
        decoder.append(TransposedConv2x(after, after, 2, 2))
    decoder += [nn.Conv2d(config.widths[0], raw_channels, 3, 1, 1)]
    size = (small[1] * factor, small[2] * factor)
    return Backbone(nn.Sequential(*encoder), math.prod(small), nn.Sequential(*decoder), size)


def _norm_activation_dropout(
    config: ModelConfig, norm: type[nn.Module], width: int, dropout: type[nn.Module]
) -> list[nn.Module]:
    """Norm, activation and dropout after a layer of `width` channels, each if the config has it."""
    layers: list[nn.Module] = []
    if config.norm:
        layers.append(norm(width))
    layers.append(nn.LeakyReLU(config.slope) if config.slope else nn.ReLU())
    if config.dropout:
        layers.append(dropout(config.dropout))
    return layers


BACKBONES = {
    "mlp": mlp,
    "conv": conv,
    "conv_trim": conv_trim,
    "conv_pool": conv_pool,
    "residual": residual,
    "residual_upsampled": residual_upsampled,
    "progressive": progressive,
    "style": style,
}
