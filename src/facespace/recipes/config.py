"""A recipe: all that is needed to train a model again, as frozen data that travels in every bundle's card."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from facespace.core.errors import UsageError
from facespace.recipes.model_config import ModelConfig

FEATURES = (
    "efficientnet",
    "recognition",
)  # networks of the projected discriminator, from weights that the user names
AUGMENTATIONS = ("flip", "color", "translation", "cutout")


@dataclass(frozen=True)
class DataConfig:
    """The prepared set that a recipe is meant for; its size and channels are the model's."""

    source: str = "folder"
    crop: str = "fit"
    flip: bool = False  # mirror half of the training faces, anew at each step; left/right attributes go along
    jitter: float = 0.0  # brightness, contrast and saturation vary by this share
    shift: float = 0.0  # slight turns, scales and shifts; 1 is 15°, ±15 % and ±10 % of a side
    balance: Mapping[str, float] = field(
        default_factory=dict
    )  # share of an attribute in training batches, by name

    def __post_init__(self) -> None:
        if not 0 <= self.jitter < 1 or not 0 <= self.shift <= 3:
            raise UsageError(
                f"data.jitter must lie in [0, 1) and data.shift in [0, 3]; got {self.jitter}, {self.shift}."
            )
        for name, share in self.balance.items():
            if not 0 < share < 1:
                raise UsageError(
                    f"data.balance.{name} is a share of the training batches, in (0, 1); got {share:g}."
                )

    def prepare_line(self, image: tuple[int, int, int]) -> str:
        """The command that prepares such a set."""
        channels, height, width = image
        size = f"{height}" if height == width else f"{height}x{width}"
        crop = "" if self.source == "synthetic" else f" --crop {self.crop}"
        root = "" if self.source == "synthetic" else " ROOT"
        return f"facespace prepare {self.source}{root} --to SET --size {size}{crop}{' --gray' if channels == 1 else ''}"


@dataclass(frozen=True)
class ObjectiveConfig:
    """Weights on the penalties that the model reports (see objectives.py), and on what is compared beside pixels."""

    weights: Mapping[str, float] = field(default_factory=dict)  # {"kl": 1.0} is the evidence lower bound
    warmup: int = 0  # steps over which the weights rise from 0 (Sønderby et al., 2016)
    free_bits: float = (
        0.0  # nats of each latent's KL, averaged over the batch, that cost nothing (Kingma et al., 2016)
    )
    perceptual: float = 0.0  # weight of the distance between what a network sees; see training/perceptual.py
    features: str = (
        "attributes"  # that network: the one that comes along, the folder of one that was trained, or vgg16
    )
    perceptual_share: float = 1.0  # of each batch that it looks at; less costs less
    identity: float = 0.0  # weight of the distance between persons; see training/recognition.py
    focus: float = 0.0  # how much more the middle of the face counts, in pixels and to that network
    adversarial: float = (
        0.0  # weight of what a discriminator says; see training/adversary.py and training/projected.py
    )
    discriminator: Literal["patch", "projected"] = (
        "patch"  # a network of patches, or heads on features of frozen networks
    )
    discriminator_features: tuple[str, ...] = (
        "efficientnet",
    )  # those networks, for the moments too; see FEATURES
    discriminator_size: int = (
        128  # pixels of the shorter side at which efficientnet sees a face; 0 is the face's own
    )
    augmentation: tuple[str, ...] = AUGMENTATIONS  # of what those networks see; see training/diffaugment.py
    adversarial_on: Literal["reconstructions", "samples", "both"] = (
        "reconstructions"  # samples: from the fitted prior
    )
    adversarial_drawn: float = (
        0.0  # faces drawn to be judged too, as a share of the batch: between its own, or samples
    )
    prior: str = (
        ""  # kind of the fitted prior that samples come from; empty: the one that a space uses by default
    )
    matching: float = (
        0.0  # weight of the distance between what the patch discriminator sees in an image and reconstruction
    )
    moments: float = (
        0.0  # weight of the distance between moments of features, real and made; see training/moments.py
    )
    moments_variance: bool = True  # compare variances too, not means alone
    adversary_start: float = 0.6  # share of the steps after which adversarial, matching and moments count
    samples: int = (
        1  # more than one: the importance-weighted bound (Burda et al., 2016) in place of the weighted sum
    )

    def __post_init__(self) -> None:
        for name in (
            "warmup",
            "free_bits",
            "perceptual",
            "identity",
            "focus",
            "adversarial",
            "matching",
            "moments",
        ):
            if getattr(self, name) < 0:
                raise UsageError(f"objective.{name} must be at or above 0; got {getattr(self, name)}.")
        if self.samples < 1 or not 0 <= self.adversary_start < 1 or not 0 < self.perceptual_share <= 1:
            raise UsageError(
                "objective: samples must be at least 1, adversary_start in [0, 1), perceptual_share in (0, 1]."
            )
        if not 0 <= self.adversarial_drawn <= 1:
            raise UsageError(f"objective.adversarial_drawn must lie in [0, 1]; got {self.adversarial_drawn}.")
        if self.discriminator_size < 0:
            raise UsageError(
                f"objective.discriminator_size must be at or above 0; got {self.discriminator_size}."
            )
        _check_names("discriminator_features", self.discriminator_features, FEATURES)
        _check_names("augmentation", self.augmentation, AUGMENTATIONS)
        if not self.discriminator_features:
            raise UsageError(
                f"objective.discriminator_features needs at least one of: {', '.join(FEATURES)}."
            )
        if self.discriminator == "projected" and self.matching:
            raise UsageError(
                f"objective.matching={self.matching:g} compares layers of the patch discriminator, and "
                "objective.discriminator=projected has none. Set objective.matching=0; objective.moments matches features."
            )

    @property
    def draws_samples(self) -> bool:
        """Whether faces drawn from a fitted prior are judged."""
        return self.adversarial_on != "reconstructions" and (self.adversarial > 0 or self.moments > 0)


def _check_names(field_name: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known or names.count(name) > 1:
            raise UsageError(
                f"objective.{field_name} takes each of {', '.join(known)} at most once; got {name!r}."
            )


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained."""

    only: Literal["all", "decoder"] = "all"  # decoder: the rest stays as the space that it starts from has it
    epochs: int = 20
    steps: int | None = None  # where set, this many optimiser steps instead of whole epochs
    batch: int = 32  # images a step, over all devices together
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-3
    final_rate: float = (
        1.0  # share of the learning rate that is left at the end of a cosine; 1 keeps it constant
    )
    warmup: int = 0  # steps over which the learning rate rises from 0
    weight_decay: float = 0.0
    clip: float | None = None  # longest gradient, as a norm over all parameters
    ema: float = (
        0.0  # decay a step of an average of the weights, which then validates and is saved; 0 keeps none
    )
    ema_half_life: float | None = (
        None  # the same in images, so that it keeps its meaning when the batch changes
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = (
        "auto"  # of the forward pass; weights and losses stay fp32
    )
    compile: Literal["auto", "on", "off"] = "auto"  # torch.compile; auto: on CUDA, where it pays
    on_nan: Literal["stop", "lower"] = (
        "stop"  # lower: once, from the last good state, at a quarter of the rate
    )
    patience: int | None = None  # stop after this many epochs without a better validation loss
    min_delta: float = 0.0  # nats per image that count as better

    def __post_init__(self) -> None:
        for name in ("epochs", "steps", "batch", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"train.{name} must be at least 1; got {value}.")
        if not 0 < self.learning_rate < 10 or not 0 <= self.final_rate <= 1 or self.weight_decay < 0:
            raise UsageError(
                "train: learning_rate must lie in (0, 10), final_rate in [0, 1], weight_decay at or above 0."
            )
        if (
            not 0 <= self.ema < 1
            or (self.ema_half_life or 1) <= 0
            or (self.clip or 1) <= 0
            or self.warmup < 0
        ):
            raise UsageError(
                "train: ema must lie in [0, 1), ema_half_life and clip above 0, warmup at or above 0."
            )

    @property
    def decay(self) -> float:
        """Of the average of the weights, a step; 0 where there is none."""
        return self.ema if self.ema_half_life is None else 0.5 ** (self.batch / self.ema_half_life)


@dataclass(frozen=True)
class Recipe:
    """Name, data, model, objective and training of one way to learn a face space."""

    name: str
    summary: str
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
