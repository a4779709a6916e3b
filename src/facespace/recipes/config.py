"""A recipe: all that is needed to repeat a training, as frozen data that is stored in every bundle's card."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from facespace.core.errors import UsageError
from facespace.recipes.model_config import ModelConfig, Rule, check_rules

# Networks of the projected discriminator; the user names their weights.
FEATURES = ("efficientnet", "recognition")
AUGMENTATIONS = ("flip", "color", "translation", "cutout")


@dataclass(frozen=True)
class DataConfig:
    """The prepared set that a recipe is meant for; its size and channels are the model's."""

    source: str = "folder"
    crop: str = "fit"
    flip: bool = False  # mirror half of the training faces at each step; left/right attributes follow
    jitter: float = 0.0  # relative range of brightness, contrast and saturation
    affine: float = 0.0  # rotation, scaling and translation; 1 is 15°, ±15 % and ±10 % of a side
    balance: Mapping[str, float] = field(default_factory=dict)  # attribute -> share of the training batches

    def __post_init__(self) -> None:
        check_rules(self._rules())

    def _rules(self) -> Iterator[Rule]:
        yield (
            0 <= self.jitter < 1 and 0 <= self.affine <= 3,
            f"data.jitter must lie in [0, 1) and data.affine in [0, 3]; got {self.jitter}, {self.affine}.",
        )
        for name, share in self.balance.items():
            yield (
                0 < share < 1,
                f"data.balance.{name} is a share of the training batches, in (0, 1); got {share:g}.",
            )

    def prepare_line(self, image: tuple[int, int, int]) -> str:
        """The command that prepares such a set for images (C, H, W)."""
        channels, height, width = image
        size = f"{height}" if height == width else f"{height}x{width}"
        gray = " --gray" if channels == 1 else ""
        if self.source == "synthetic":
            return f"facespace prepare synthetic --to SET --size {size}{gray}"
        return f"facespace prepare {self.source} ROOT --to SET --size {size} --crop {self.crop}{gray}"


# Weights and counts of ObjectiveConfig that cannot be negative.
_NON_NEGATIVE = (
    "warmup",
    "free_bits",
    "perceptual",
    "identity",
    "center_weight",
    "adversarial",
    "feature_matching",
    "moments",
)


@dataclass(frozen=True)
class ObjectiveConfig:
    """Weights of the model's regularizers (training/loss.py) and of the auxiliary losses."""

    weights: Mapping[str, float] = field(default_factory=dict)  # {"kl": 1.0} is the evidence lower bound
    warmup: int = 0  # steps over which the weights rise from 0 (Sønderby et al., 2016)
    # Nats of each latent's KL, averaged over the batch, that cost nothing (Kingma et al., 2016).
    free_bits: float = 0.0
    perceptual: float = 0.0  # weight of the feature distance of perception/perceptual.py
    # Network of those features: the default attribute classifier, the folder of another one, or vgg16.
    features: str = "attributes"
    perceptual_share: float = 1.0  # share of each batch with that term; less costs less
    identity: float = 0.0  # weight of the distance between face recognition embeddings
    # Additional weight of the face's center, in the pixels and in the perceptual term.
    center_weight: float = 0.0
    # Weight of the adversarial loss; see training/adversary.py and training/projected.py.
    adversarial: float = 0.0
    # A patch network, or heads on features of frozen networks.
    discriminator: Literal["patch", "projected"] = "patch"
    discriminator_features: tuple[str, ...] = ("efficientnet",)  # of FEATURES, for the moments too
    # Pixels of the shorter side of efficientnet's input; 0 keeps the face's own.
    discriminator_size: int = 128
    augmentation: tuple[str, ...] = AUGMENTATIONS  # of those networks' input; see training/diffaugment.py
    # Images that the discriminator scores; samples are from the fitted prior.
    adversarial_on: Literal["reconstructions", "samples", "both"] = "reconstructions"
    # Additional images, as a share of the batch: of interpolated latents, or samples.
    adversarial_generated: float = 0.0
    prior: str = ""  # kind of the fitted prior of those samples; empty: the space's default
    # Weight of feature matching between image and reconstruction (patch discriminator).
    feature_matching: float = 0.0
    moments: float = 0.0  # weight of moment matching of features; see training/moments.py
    moments_variance: bool = True  # match variances too, not means alone
    # Share of the steps after which the adversarial, feature-matching and moment terms start.
    adversarial_start: float = 0.6
    # More than one: the importance-weighted bound (Burda et al., 2016) replaces the weighted sum.
    iwae_samples: int = 1

    def __post_init__(self) -> None:
        check_rules(self._rules())
        _check_names("discriminator_features", self.discriminator_features, FEATURES)
        _check_names("augmentation", self.augmentation, AUGMENTATIONS)
        check_rules(self._discriminator_rules())

    def _rules(self) -> Iterator[Rule]:
        for name in _NON_NEGATIVE:
            value = getattr(self, name)
            yield value >= 0, f"objective.{name} must be at or above 0; got {value}."
        yield (
            self.iwae_samples >= 1 and 0 <= self.adversarial_start < 1 and 0 < self.perceptual_share <= 1,
            "objective: iwae_samples must be at least 1, adversarial_start in [0, 1), "
            "perceptual_share in (0, 1].",
        )
        yield (
            0 <= self.adversarial_generated <= 1,
            f"objective.adversarial_generated must lie in [0, 1]; got {self.adversarial_generated}.",
        )
        yield (
            self.discriminator_size >= 0,
            f"objective.discriminator_size must be at or above 0; got {self.discriminator_size}.",
        )

    def _discriminator_rules(self) -> Iterator[Rule]:
        yield (
            bool(self.discriminator_features),
            f"objective.discriminator_features needs at least one of: {', '.join(FEATURES)}.",
        )
        yield (
            self.discriminator != "projected" or not self.feature_matching,
            f"objective.feature_matching={self.feature_matching:g} compares layers of the patch "
            "discriminator, and objective.discriminator=projected has none. Set "
            "objective.feature_matching=0; objective.moments matches features.",
        )

    @property
    def scores_samples(self) -> bool:
        """Whether the discriminator scores samples of a fitted prior."""
        return self.adversarial_on != "reconstructions" and (self.adversarial > 0 or self.moments > 0)


def _check_names(field_name: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known or names.count(name) > 1:
            raise UsageError(
                f"objective.{field_name} takes each of {', '.join(known)} at most once; got {name!r}."
            )


Frozen = Literal["none", "encoder", "decoder"]  # a part of a model


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained."""

    # The part of the starting space that stays as it is. With the encoder latents stay, and with the decoder
    # the faces that latents decode to.
    freeze: Frozen = "none"
    epochs: int = 20
    steps: int | None = None  # where set, this many optimiser steps instead of whole epochs
    # At least this many steps, in whole epochs: `epochs` of a small set can be too few for faces. Setting
    # train.epochs sets it to 0.
    min_steps: int = 0
    batch: int = 32  # images a step, over all devices together
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-3
    # At the end of a cosine, as a share of the learning rate; 1 keeps it constant.
    final_learning_rate: float = 1.0
    warmup: int = 0  # steps over which the learning rate rises from 0
    weight_decay: float = 0.0
    gradient_clip: float | None = None  # largest norm of the gradient over all parameters
    # Decay a step of the moving average of the weights, min(ema, n / (n + 9)) at step n; 0: no average. Of
    # the average and the weights themselves the one with the lower validation loss is saved.
    ema: float = 0.0
    # Half-life in images, independent of the batch size; where set, it replaces `ema`.
    ema_half_life: float | None = None
    # Of the forward pass; weights and losses stay fp32.
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"  # torch.compile; auto: on CUDA, where it pays
    # lower: once, continue from the last finite state at a quarter of the learning rate.
    on_nan: Literal["stop", "lower"] = "stop"
    # Fitted to the latents at the end, for sampling: auto keeps the best of these by held-out likelihood.
    # Of codes, autoregressive is the one of auto.
    prior: Literal["auto", "none", "normal", "mixture", "flow", "autoregressive"] = "auto"
    patience: int | None = None  # stop after this many epochs without a better validation loss
    min_delta: float = 0.0  # nats per image that count as better

    def __post_init__(self) -> None:
        check_rules(self._rules())

    def _rules(self) -> Iterator[Rule]:
        for name in ("epochs", "steps", "batch", "patience"):
            value = getattr(self, name)
            yield value is None or value >= 1, f"train.{name} must be at least 1; got {value}."
        yield (
            0 < self.learning_rate < 10 and 0 <= self.final_learning_rate <= 1 and self.weight_decay >= 0,
            "train: learning_rate must lie in (0, 10), final_learning_rate in [0, 1], "
            "weight_decay at or above 0.",
        )
        # None and 0 are both "not set" for the clipping and the half-life.
        lengths = (self.ema_half_life or 1, self.gradient_clip or 1)
        yield (
            0 <= self.ema < 1 and min(lengths) > 0 and min(self.warmup, self.min_steps) >= 0,
            "train: ema must lie in [0, 1), ema_half_life and gradient_clip above 0, warmup and min_steps at "
            "or above 0.",
        )

    @property
    def decay(self) -> float:
        """Decay of the moving average of the weights, a step; 0 without an average."""
        return self.ema if self.ema_half_life is None else 0.5 ** (self.batch / self.ema_half_life)


@dataclass(frozen=True)
class Recipe:
    """Name, data, model, objective and training of one face space."""

    name: str
    summary: str
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
