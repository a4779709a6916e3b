"""Sizes of a model that follow from its config alone, without torch: the networks and the code that is
printed of them read the same numbers."""

from dataclasses import replace

from facespace.core.errors import UsageError
from facespace.recipes.model_config import ModelConfig

GROUPS = 8  # of a group norm
FULL_SIZE_WIDTH = 16  # channels of a residual decoder at the image's size
DETAIL_WIDTH = 48  # channels of the detail network of residual_upsampled, at half the image's size
POOLED_WIDTH = 2  # channels of the smallest map of backbone=conv_pool


def smallest_map(
    config: ModelConfig, channels: int, downsamplings: int | None = None
) -> tuple[int, int, int]:
    """(channels, height, width) after `downsamplings`, by default one for each width. Raises UsageError where
    a side is not divisible."""
    _, height, width = config.image
    if downsamplings is None:
        downsamplings = len(config.widths)
    factor = 2**downsamplings
    if height % factor or width % factor:
        raise UsageError(
            f"The {config.backbone} backbone halves an image {downsamplings} times, so height and width must "
            f"be multiples of {factor}; this one is {height}×{width}. Prepare the set at another --size, or "
            "change model.widths."
        )
    return channels, height // factor, width // factor


def halved(config: ModelConfig) -> ModelConfig:
    """The config with half the image's height and width. Raises UsageError for an odd size."""
    channels, height, width = config.image
    if height % 2 or width % 2:
        raise UsageError(
            f"The {config.backbone} backbone halves an image first, and cannot halve {height}×{width}. "
            "Prepare the set at another --size."
        )
    return replace(config, image=(channels, height // 2, width // 2))


def pooled_map(config: ModelConfig) -> tuple[int, int, int]:
    """(channels, height, width) of the smallest map of backbone=conv_pool, whose poolings drop the border
    of an odd size. Raises UsageError where nothing is left."""
    _, height, width = config.image
    factor = 2 ** len(config.widths)
    small = (POOLED_WIDTH, height // factor, width // factor)
    if 0 in small:
        raise UsageError(
            f"The conv_pool backbone halves an image {len(config.widths)} times; {height}×{width} is too "
            "small for that."
        )
    return small


def cell_channels(config: ModelConfig, inputs: int, grid: tuple[int, int]) -> int:
    """The latents of each cell of a grid (rows, columns), of `inputs` in all, with model.spatial. Raises
    UsageError for conditions, and where they are not a whole number."""
    cells = grid[0] * grid[1]
    if config.conditions:
        raise UsageError(
            "model.spatial: a spatial latent cannot be conditioned on model.conditions; leave one of them "
            "out."
        )
    if inputs % cells:
        raise UsageError(
            f"model.spatial: the {config.backbone} backbone ends in {grid[0]}×{grid[1]} cells, so "
            f"model.latent_dim must be a multiple of {cells}; got {inputs}."
        )
    return inputs // cells
