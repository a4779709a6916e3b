"""A body that grows: 32 → 64 → 128 pixels, each stage beginning as the one before (progressive growing: Karras et al., 2018).

Every size has its own look at the image and its own drawing of it, which are added up over the sizes, as in the skip
connections of StyleGAN2 (Karras et al., 2020). What a larger size adds begins at zero, so a body that takes over the weights
of a smaller one draws that one's face, enlarged, before its first step, and no fading in is needed. Sizes are numbered from
the smallest, so that the weights of a smaller body keep their names in a larger one."""

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from facespace.models.blocks import Body, Residual, Side, active, enlarging, entrance, folded, zeros
from facespace.recipes.model_config import ModelConfig


def pyramid(config: ModelConfig, inputs: int, raw_channels: int) -> Body:
    """Residual blocks at every size; `widths` are channels from the whole size inwards, so the image is halved once less
    often than there are widths."""
    channels, height, width = config.image
    inwards = [*config.widths]
    small = folded(config, inwards[-1], len(inwards) - 1)
    encoder, decoder = (
        Looks(config, inwards, channels),
        Drawings(config, inwards[::-1], inputs, small, raw_channels),
    )
    return Body(encoder, math.prod(small), decoder, (height, width), small[1:])


class Looks(nn.Module):
    """The encoder: at each size what the larger one saw, halved, and a look of its own at the image in that size."""

    def __init__(self, config: ModelConfig, inwards: list[int], channels: int) -> None:
        super().__init__()
        outwards = inwards[::-1]
        self.look = nn.ModuleList(
            Side("a look at this size", nn.Conv2d(channels, width, 3, 1, 1)) for width in outwards
        )
        self.shrink = nn.ModuleList()  # at n from size n + 1 to size n
        for after, before in pairwise(outwards):
            halved = nn.Conv2d(before, after, 4, 2, 1)
            self.shrink.append(
                nn.Sequential(
                    *active(config, before), halved, Residual(config, after), zeros(after, after, 1)
                )
            )
        self.end = nn.Sequential(Residual(config, outwards[0]), *active(config, outwards[0]), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, features)."""
        last = len(self.look) - 1
        seen = self.look[last](x)
        for level in range(last - 1, -1, -1):
            x = F.avg_pool2d(x, 2)
            seen = self.shrink[level](seen) + self.look[level](x)
        return self.end(seen)


class Drawings(nn.Module):
    """The decoder: at each size some blocks, and what they add to the enlarged drawing of the size below."""

    def __init__(
        self,
        config: ModelConfig,
        outwards: list[int],
        inputs: int,
        small: tuple[int, int, int],
        raw_channels: int,
    ) -> None:
        super().__init__()
        self.start = nn.Sequential(*entrance(config, inputs, small))
        self.blocks, self.draw, self.rise = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(outwards):
            self.blocks.append(
                nn.Sequential(*(Residual(config, width) for _ in range(config.decoder_blocks)))
            )
            final = zeros(width, raw_channels, 3) if level else nn.Conv2d(width, raw_channels, 3, 1, 1)
            self.draw.append(Side("a drawing at this size", *active(config, width), final))
        for before, after in pairwise(outwards):
            self.rise.append(nn.Sequential(*enlarging(before, after, 1)))

    def forward(self, z: Tensor) -> Tensor:
        """(B, inputs) -> (B, raw_channels, H, W)."""
        h = self.blocks[0](self.start(z))
        drawn = self.draw[0](h)
        for rise, blocks, draw in zip(self.rise, [*self.blocks][1:], [*self.draw][1:]):
            h = blocks(rise(h))
            drawn = F.interpolate(drawn, scale_factor=2, mode="bilinear", align_corners=False) + draw(h)
        return drawn
