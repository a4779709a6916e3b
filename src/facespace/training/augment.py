"""Augmentation of training faces: mirror, colour, position. Pure functions of tensors; random numbers come
from torch's global generator. Attributes that distinguish left and right change with the mirror."""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from facespace.core.attribute_names import mirror_attributes
from facespace.training.loaders import Batch


def mirror(image: Tensor, attributes: Tensor, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Half of (B, C, H, W) images, chosen at random, mirrored left to right; their (B, A) attributes with
    them."""
    chosen = torch.rand(len(image), device=image.device) < 0.5
    image = torch.where(chosen[:, None, None, None], image.flip(3), image)
    if not names:
        return image, attributes
    columns, signs = mirror_attributes(names)
    turned = attributes[:, columns] * torch.tensor(signs, device=attributes.device)
    return image, torch.where(chosen[:, None], turned, attributes)


def jitter(image: Tensor, strength: float) -> Tensor:
    """Brightness, contrast and (in colour) saturation of (B, C, H, W) images, each scaled by 1 ± strength, in
    [0, 1]."""
    scale = 1 + strength * (2 * torch.rand(len(image), 3, 1, 1, 1, device=image.device).transpose(0, 1) - 1)
    image = image * scale[0]
    image = torch.lerp(image.mean((1, 2, 3), keepdim=True), image, scale[1])
    return torch.lerp(image.mean(1, keepdim=True), image, scale[2]).clamp(0, 1)


def affine(image: Tensor, strength: float) -> Tensor:
    """Slight turns, scales and shifts of (B, C, H, W) images: at strength 1 up to 15°, ±15 % and ±10 % of a
    side. The border is mirrored, so that no edge shows."""
    count, _, height, width = image.shape
    draw = strength * (2 * torch.rand(count, 4, device=image.device).T - 1)
    turn, scale = draw[0] * math.radians(15), 1 + 0.15 * draw[1]
    cos, sin = turn.cos() * scale, turn.sin() * scale
    ratio = height / width
    theta = torch.stack([cos, -sin * ratio, 0.2 * draw[2], sin / ratio, cos, 0.2 * draw[3]], 1).reshape(
        count, 2, 3
    )
    where = F.affine_grid(theta, list(image.shape), align_corners=False)
    return F.grid_sample(image, where, mode="bilinear", padding_mode="reflection", align_corners=False)


class Augmentation(Protocol):
    """The settings, as a recipe's data section and an AttributePlan have them."""

    @property
    def flip(self) -> bool: ...

    @property
    def affine(self) -> float: ...

    @property
    def jitter(self) -> float: ...


def augment_batch(batch: Batch, how: Augmentation, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) and attributes (B, A) of a batch, mirrored, transformed and jittered; `names` are
    those of the A."""
    image, attributes = batch.image, batch.attributes
    if how.flip:
        image, attributes = mirror(image, attributes, names)
    if how.affine:
        image = affine(image, how.affine)
    if how.jitter:
        image = jitter(image, how.jitter)
    return image, attributes
