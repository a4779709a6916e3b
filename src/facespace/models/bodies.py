"""Encoder-decoder pairs without a bottleneck: an encoder from an image to `features` numbers, and a decoder from a
latent to the raw numbers of a pixel likelihood. What lies between, and what the numbers mean, is chosen elsewhere."""

import math
from itertools import pairwise

from torch import nn

from facespace.errors import UsageError
from facespace.models.config import ModelConfig


def mlp(config: ModelConfig, raw_channels: int) -> tuple[nn.Module, int, nn.Module]:
    """Fully connected: pixels → widths → latent → widths reversed → pixels, each hidden layer with its own norm and
    activation. Returns (encoder, features, decoder)."""
    channels, height, width = config.image
    wide = [channels * height * width, *config.widths]
    encoder = [nn.Flatten()]
    for before, after in pairwise(wide):
        encoder += [nn.Linear(before, after), *_between(config, nn.BatchNorm1d, after, nn.Dropout)]
    decoder: list[nn.Module] = []
    for before, after in pairwise([config.latent, *reversed(config.widths)]):
        decoder += [nn.Linear(before, after), *_between(config, nn.BatchNorm1d, after, nn.Dropout)]
    decoder += [
        nn.Linear(config.widths[0], raw_channels * height * width),
        nn.Unflatten(1, (raw_channels, height, width)),
    ]
    return nn.Sequential(*encoder), config.widths[-1], nn.Sequential(*decoder)


def conv(config: ModelConfig, raw_channels: int) -> tuple[nn.Module, int, nn.Module]:
    """Strided 4×4 convolutions that halve the image once for each width, and transposed ones that double it back.
    Returns (encoder, features, decoder)."""
    channels, height, width = config.image
    fold = 2 ** len(config.widths)
    if height % fold or width % fold:
        raise UsageError(
            f"The conv body halves an image {len(config.widths)} times, so height and width must be multiples of {fold}; "
            f"this one is {height}×{width}. Prepare the set at another --size, or change model.widths."
        )
    encoder: list[nn.Module] = []
    for before, after in pairwise([channels, *config.widths]):
        encoder += [nn.Conv2d(before, after, 4, 2, 1), *_between(config, nn.BatchNorm2d, after, nn.Dropout2d)]
    small = (config.widths[-1], height // fold, width // fold)
    decoder: list[nn.Module] = [nn.Linear(config.latent, math.prod(small)), nn.Unflatten(1, small)]
    for before, after in pairwise(reversed(config.widths)):
        decoder += [nn.ConvTranspose2d(before, after, 4, 2, 1), *_between(config, nn.BatchNorm2d, after, nn.Dropout2d)]
    decoder += [nn.ConvTranspose2d(config.widths[0], raw_channels, 4, 2, 1)]
    return nn.Sequential(*encoder, nn.Flatten()), math.prod(small), nn.Sequential(*decoder)


def _between(config: ModelConfig, norm: type[nn.Module], width: int, dropout: type[nn.Module]) -> list[nn.Module]:
    """What follows a layer of `width` channels: norm, activation, dropout, each where the config has it."""
    layers: list[nn.Module] = [norm(width)] if config.norm else []
    layers.append(nn.LeakyReLU(config.slope) if config.slope else nn.ReLU())
    return [*layers, dropout(config.dropout)] if config.dropout else layers


BODIES = {"mlp": mlp, "conv": conv}
