"""The settings of an attribute classifier's training, and the attributes of a set that it can be trained
on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from facespace.core.attribute_names import check_names, mirror_attributes
from facespace.core.console import note, quoted
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.perception.classifier import ClassifierConfig
from facespace.recipes.config import DataConfig, TrainConfig


@dataclass(frozen=True)
class AttributePlan:
    """The architecture of an attribute classifier and its training."""

    network: ClassifierConfig = field(default_factory=ClassifierConfig)
    epochs: int = 18
    patience: int = 6  # stop after this many epochs without a better mean AUC on the validation faces
    batch: int = 64
    learning_rate: float = 2e-3  # falls along half a cosine to 1 % of it
    warmup: int = 150  # steps over which it rises from 0
    weight_decay: float = 0.05  # of AdamW (Loshchilov and Hutter, 2019)
    ema: float = 0.995  # decay a step of the moving average of the weights, which is validated and saved
    flip: bool = True  # mirror half of the faces; left/right attributes follow
    affine: float = 0.4  # rotation, scaling and translation; 1 is 15°, ±15 % and ±10 % of a side
    jitter: float = 0.2  # relative range of brightness, contrast and saturation
    gray: float = 0.1  # share of the faces in gray, so that gray sets can be labelled
    smoothing: float = 0.05  # labels are 1 − half of this, and half of this (Szegedy et al., 2016)
    # A yes has weight (no ÷ yes)^balance: 0 leaves the imbalance, 1 gives yes and no the same total weight.
    # The calibration removes the bias of these weights.
    balance: float = 0.25

    def __post_init__(self) -> None:
        DataConfig(flip=self.flip, jitter=self.jitter, affine=self.affine)  # checks their ranges
        if not (0 <= self.gray <= 1 and 0 <= self.balance <= 1 and 0 <= self.smoothing < 1):
            raise UsageError(
                "gray and balance must lie in [0, 1], smoothing in [0, 1); "
                f"got {self.gray}, {self.balance}, {self.smoothing}."
            )
        self.schedule()

    def schedule(self) -> TrainConfig:
        """The fields that all trainings share. Raises UsageError for values out of range."""
        return TrainConfig(
            optimizer="adamw",
            final_learning_rate=0.01,
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            warmup=self.warmup,
            weight_decay=self.weight_decay,
            ema=self.ema,
            patience=self.patience,
        )


def learnable(faces: FaceSet, requested: Sequence[str]) -> tuple[str, ...]:
    """The attributes to train on: of the requested ones, or all, those with both yes and no in the training
    faces."""
    known = faces.attribute_names
    if not known:
        raise UsageError(
            f"{faces.place} has no attributes to learn. Prepare a set that has some, such as celeba."
        )
    for split in ("train", "validation"):
        if not len(faces.rows(split)):
            raise UsageError(
                f"{faces.place} has no {split} faces. "
                f"Give it some: facespace split {quoted(faces.place)} --to NEW"
            )
    names = check_names(requested, known, f"{faces.place} has no attribute") or known
    signs = np.sign(np.nan_to_num(faces.attributes[faces.rows("train")]))
    both = tuple(name for name in names if {1, -1} <= set(signs[:, known.index(name)]))
    if len(both) < len(names):
        left_out = ", ".join(name for name in names if name not in both)
        note(f"Left out, since the training faces do not have both yes and no of it: {left_out}.")
    if not both:
        raise UsageError(f"{faces.place} has no attribute of which the training faces know both yes and no.")
    _check_mirrored(both, known)
    return both


def _check_mirrored(names: Sequence[str], known: Sequence[str]) -> None:
    """Raises UsageError where an attribute is named without its mirror image, such as left_x without
    right_x."""
    columns = mirror_attributes(known)[0]
    for name in names:
        partner = known[columns[known.index(name)]]
        if partner not in names:
            raise UsageError(f"{name} and {partner} change places in a mirror; name both or neither.")
