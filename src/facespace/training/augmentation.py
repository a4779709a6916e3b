"""Random variation of a training batch by the settings that the model's and the classifier's training
share."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from facespace.training import augment
from facespace.training.loaders import Batch


class Variation(Protocol):
    """The settings, as a recipe's data section and an AttributePlan have them."""

    @property
    def flip(self) -> bool: ...

    @property
    def affine(self) -> float: ...

    @property
    def jitter(self) -> float: ...


def varied(batch: Batch, how: Variation, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) and attributes (B, A) of a batch, mirrored, transformed and jittered; `names` are
    those of the A."""
    image, attributes = batch.image, batch.attributes
    if how.flip:
        image, attributes = augment.mirror(image, attributes, names)
    if how.affine:
        image = augment.affine(image, how.affine)
    if how.jitter:
        image = augment.jitter(image, how.jitter)
    return image, attributes
