"""A backbone for progressive growing: 32 → 64 → 128 pixels, each stage starting from the one before (Karras
et al., 2018).

Every size has its own from-RGB branch in the encoder and its own to-RGB branch in the decoder, whose outputs
are added up over the sizes, as with the skip connections of StyleGAN2 (Karras et al., 2020). The branches of
a larger size are initially zero, so a backbone with the weights of a smaller one starts at that one's image,
upsampled, and needs no fading in. Sizes are numbered from the smallest, so that weights keep their names in a
larger backbone."""

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from facespace.models.blocks import (
    Backbone,
    Residual,
    SideBranch,
    latent_projection,
    norm_activation,
    smallest_map,
    upsample,
    zero_convolution,
)
from facespace.recipes.model_config import ModelConfig


def progressive(config: ModelConfig, inputs: int, raw_channels: int) -> Backbone:
    """Residual blocks at every size; `widths` are channels from the image's size inwards, with one
    downsampling less than widths."""
    channels, height, width = config.image
    inwards = list(config.widths)
    small = smallest_map(config, inwards[-1], len(inwards) - 1)
    encoder = ProgressiveEncoder(config, inwards, channels)
    decoder = ProgressiveDecoder(config, inwards[::-1], inputs, small, raw_channels)
    return Backbone(encoder, math.prod(small), decoder, (height, width), small[1:])


class ProgressiveEncoder(nn.Module):
    """At each size: the features of the larger size, downsampled, plus the from-RGB branch of the image in
    this size."""

    def __init__(self, config: ModelConfig, inwards: list[int], channels: int) -> None:
        super().__init__()
        outwards = inwards[::-1]
        # The names `look`, `shrink` and `end` are those of the weights in bundles.
        self.look = nn.ModuleList()
        for width in outwards:
            self.look.append(SideBranch("from RGB", nn.Conv2d(channels, width, 3, 1, 1)))
        self.shrink = nn.ModuleList()  # at n from size n + 1 to size n
        for after, before in pairwise(outwards):
            convolution = nn.Conv2d(before, after, 4, 2, 1)
            self.shrink.append(
                nn.Sequential(
                    *norm_activation(config, before),
                    convolution,
                    Residual(config, after),
                    zero_convolution(after, after, 1),
                )
            )
        smallest = outwards[0]
        self.end = nn.Sequential(Residual(config, smallest), *norm_activation(config, smallest), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, features)."""
        last = len(self.look) - 1
        h = self.look[last](x)
        for level in range(last - 1, -1, -1):
            x = F.avg_pool2d(x, 2)
            h = self.shrink[level](h) + self.look[level](x)
        return self.end(h)


class ProgressiveDecoder(nn.Module):
    """At each size: residual blocks, and a to-RGB branch that is added to the upsampled image of the smaller
    size."""

    def __init__(
        self,
        config: ModelConfig,
        outwards: list[int],
        inputs: int,
        small: tuple[int, int, int],
        raw_channels: int,
    ) -> None:
        super().__init__()
        # The names `start`, `blocks`, `draw` and `rise` are those of the weights in bundles.
        self.start = nn.Sequential(*latent_projection(config, inputs, small))
        self.blocks, self.draw, self.rise = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(outwards):
            blocks = [Residual(config, width) for _ in range(config.decoder_blocks)]
            self.blocks.append(nn.Sequential(*blocks))
            if level:
                to_rgb = zero_convolution(width, raw_channels, 3)
            else:
                to_rgb = nn.Conv2d(width, raw_channels, 3, 1, 1)
            self.draw.append(SideBranch("to RGB", *norm_activation(config, width), to_rgb))
        for before, after in pairwise(outwards):
            self.rise.append(nn.Sequential(*upsample(before, after, 1)))

    def forward(self, z: Tensor) -> Tensor:
        """(B, inputs) -> (B, raw_channels, H, W)."""
        h = self.blocks[0](self.start(z))
        image = self.draw[0](h)
        for rise, blocks, to_rgb in zip(self.rise, [*self.blocks][1:], [*self.draw][1:]):
            h = blocks(rise(h))
            image = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False) + to_rgb(h)
        return image
