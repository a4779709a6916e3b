"""Differentiable augmentation of a discriminator's input, generated and real faces alike (Zhao et al., 2020),
against overfitting to few faces. Each face has its own augmentation; random numbers come from torch's global
generator. The training faces themselves are augmented in training/augment.py."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

MOVE = 1 / 8  # of a side, the longest translation
CUT = 1 / 2  # of a side, the width of the square that is cut out
GRAY = 0.5  # value outside of the image, and in the square


def augment(image: Tensor, policy: Sequence[str]) -> Tensor:
    """Images (B, C, H, W) in [0, 1] with the augmentations of the policy, in the order of VARIATIONS.

    Values of the result may lie outside of [0, 1]."""
    for name, variation in FUNCTIONS.items():
        if name in policy:
            image = variation(image)
    return image


def flip(image: Tensor) -> Tensor:
    """Mirrors a random half left to right."""
    chosen = torch.rand(len(image), device=image.device) < 0.5
    return torch.where(chosen[:, None, None, None], image.flip(3), image)


def color(image: Tensor) -> Tensor:
    """Changes brightness by ± 1/4, and multiplies saturation by 0 to 2 and contrast by 1/2 to 3/2."""
    draw = torch.rand(len(image), 3, device=image.device).T[..., None, None, None]  # (3, B, 1, 1, 1)
    image = image + (draw[0] - 0.5) / 2
    image = torch.lerp(image.mean(1, keepdim=True), image, 2 * draw[1])
    return torch.lerp(image.mean((1, 2, 3), keepdim=True), image, draw[2] + 0.5)


def translation(image: Tensor) -> Tensor:
    """Moves by whole pixels, up to MOVE of a side in each direction."""
    count, _, height, width = image.shape
    draw = 2 * torch.rand(count, 2, device=image.device) - 1
    sides = torch.tensor([width, height], device=image.device)
    moved = (draw * MOVE * sides).round() * 2 / sides  # (B, 2) in units of half a side
    theta = torch.eye(2, 3, device=image.device).repeat(count, 1, 1)
    theta[:, :, 2] = moved
    places = F.affine_grid(theta, list(image.shape), align_corners=False)
    return F.grid_sample(image - GRAY, places, padding_mode="zeros", align_corners=False) + GRAY


def cutout(image: Tensor) -> Tensor:
    """Fills a square of CUT of a side with gray; its centre is uniform over the image."""
    count, _, height, width = image.shape
    center = torch.rand(count, 2, device=image.device)
    rows = (torch.arange(height, device=image.device) + 0.5) / height
    columns = (torch.arange(width, device=image.device) + 0.5) / width
    across = (columns[None] - center[:, :1]).abs() < CUT / 2  # (B, W)
    down = (rows[None] - center[:, 1:]).abs() < CUT / 2  # (B, H)
    inside = (down[:, :, None] & across[:, None, :])[:, None]
    return torch.where(inside, GRAY, image)


FUNCTIONS = {"flip": flip, "color": color, "translation": translation, "cutout": cutout}
