"""The residual backbone."""

import math
from itertools import pairwise

from torch import nn

from facespace.models.blocks import (
    FULL_SIZE_WIDTH,
    Backbone,
    Residual,
    latent_projection,
    norm_activation,
    residual_encoder,
    smallest_map,
    upsample,
)
from facespace.recipes.model_config import ModelConfig


def residual(config: ModelConfig, inputs: int, raw_channels: int) -> Backbone:
    """Residual blocks at half the image's size and below: one at each size in the encoder, two in the
    decoder. The image's own size, which is expensive, has only a strided convolution, a pixel shuffle (Shi et
    al., 2016) and a narrow layer."""
    _, height, width = config.image
    small = smallest_map(config, config.widths[-1])
    encoder = residual_encoder(config)
    decoder = latent_projection(config, inputs, small)
    outwards = [*reversed(config.widths)]
    for before, after in pairwise(outwards):
        decoder += [Residual(config, before), Residual(config, before)]
        decoder += upsample(before, after, 1)
    last = outwards[-1]
    decoder += [Residual(config, last), Residual(config, last), *norm_activation(config, last)]
    decoder += [*upsample(last, FULL_SIZE_WIDTH, 3), *norm_activation(config, FULL_SIZE_WIDTH)]
    # 3×3, so that neighbouring pixels, which come from different channels of the shuffle, are smoothed.
    decoder.append(nn.Conv2d(FULL_SIZE_WIDTH, raw_channels, 3, 1, 1))
    return Backbone(encoder, math.prod(small), nn.Sequential(*decoder), (height, width), small[1:])
