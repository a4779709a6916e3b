"""A residual backbone with an output layer of twice its size, for a space that has been trained at half the
image's size: it starts from that space's weights, keeps its encoder (`train.freeze=encoder`), and so its
latents, priors and directions, and learns the detail that the larger image adds.

The detail is a residual of the upsampled image, as in networks for super-resolution (Ledig et al., 2017), and
zero at first, so that training starts at the smaller space's image, enlarged. It is computed from the
decoder's features and not from its image, which has fewer channels. They are enlarged bilinearly: where a
discriminator scores images, a pixel shuffle learns a pattern of every second pixel."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from facespace.models.blocks import Backbone, Residual, norm_activation, zero_convolution
from facespace.models.residual import residual
from facespace.recipes.model_config import ModelConfig
from facespace.recipes.sizes import DETAIL_WIDTH, FULL_SIZE_WIDTH, halved


def residual_upsampled(config: ModelConfig, inputs: int, raw_channels: int) -> Backbone:
    """The backbone `residual` at half the image's height and width, with a detail network. Raises UsageError
    for an odd size, and what `residual` does."""
    small = residual(halved(config), inputs, raw_channels)
    encoder = Halved(*cast(nn.Sequential, small.encoder))
    decoder = Upsampled(config, raw_channels, *cast(nn.Sequential, small.decoder))
    return small._replace(encoder=encoder, decoder=decoder, size=config.image[1:])


class Halved(nn.Sequential):
    """An encoder of images of half the size: each 2×2 pixels are averaged, as when a photograph is shrunk."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, features)."""
        return super().forward(F.avg_pool2d(input, 2))


class Upsampled(nn.Sequential):
    """A decoder of images of half the size, whose layers keep their numbers as names, and the detail that is
    added to its image in twice that size."""

    def __init__(self, config: ModelConfig, raw_channels: int, *layers: nn.Module) -> None:
        super().__init__(*layers)
        width = DETAIL_WIDTH
        self.to_detail = nn.Sequential(
            nn.Conv2d(FULL_SIZE_WIDTH, width, 3, 1, 1),
            Residual(config, width),
            Residual(config, width),
            *norm_activation(config, width),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            nn.Conv2d(width, FULL_SIZE_WIDTH, 3, 1, 1),
            *norm_activation(config, FULL_SIZE_WIDTH),
            zero_convolution(FULL_SIZE_WIDTH, raw_channels, 3),
        )
        self.depth = len(layers)

    def forward(self, input: Tensor) -> Tensor:
        """(B, inputs) -> (B, raw_channels, H, W)."""
        layers = [*self.children()][: self.depth]
        h = input
        for layer in layers[:-1]:
            h = layer(h)
        image = F.interpolate(layers[-1](h), scale_factor=2, mode="bilinear", align_corners=False)
        return image + self.to_detail(h)
