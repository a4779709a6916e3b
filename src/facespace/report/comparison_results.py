"""The results of a comparison as data: what each space is, and its figures on the same faces. The fields are
the keys of compare.json, in their order."""

from dataclasses import dataclass

EpochMetrics = dict[str, float]  # the losses of one split by term, as the run logged them


@dataclass(frozen=True)
class ComparisonProtocol:
    """Everything that is needed to reproduce the figures."""

    set: str
    set_fingerprint: str
    source: str
    size: list[int]  # (height, width) in pixels
    channels: int
    crop: str
    split: str
    count: int
    selection: str
    seed: int
    temperature: float
    active_threshold: float  # variance of a latent
    conditioned: bool  # whether the attributes of the faces were given to the spaces
    facespace: str


@dataclass(frozen=True)
class ModelFacts:
    """The model of a space."""

    image: str | None
    parameters: int
    latents: int
    backbone: str
    widths: list[int]
    bottleneck: str
    likelihood: str  # of pixel values
    conditions: list[str]
    objective: str


@dataclass(frozen=True)
class TrainingSetFacts:
    """The set that a space was trained on."""

    source: str | None
    faces: int | None
    crop: str
    fingerprint: str | None
    same_set: bool  # as the faces of the comparison


@dataclass(frozen=True)
class LastEpoch:
    """The last epoch of the training run, or the metrics in the card of a bundle without a run."""

    epoch: int | None
    step: int | None
    train: EpochMetrics | None
    validation: EpochMetrics | None


@dataclass(frozen=True)
class ReconstructionFigures:
    """Of images decoded from posterior means; `faces` says how the faces were fitted to the space."""

    faces: str
    mse: float  # of pixel values in [0, 1]
    psnr: float  # dB, mean over faces


@dataclass(frozen=True)
class SamplingFigures:
    """Moments of pixel values in [0, 1], of samples and of the faces themselves."""

    prior: str
    origin: str
    pixel_mean: float
    pixel_deviation: float
    real_pixel_mean: float
    real_pixel_deviation: float


@dataclass(frozen=True)
class LatentFigures:
    """Moments of the posterior means, as `latent.structure.LatentStructure` has them, and the KL."""

    norm_of_mean: float
    variance_mean: float
    variance_range: list[float]  # lowest and highest
    mean_absolute_correlation: float | None
    covariance_distance: float
    active_units: int
    kl: float | None  # nats per image; None without a Gaussian posterior


@dataclass(frozen=True)
class SpaceFacts:
    """One space: what it is, and how it was trained."""

    name: str
    path: str
    recipe: str | None
    bundle: str
    step: int | None
    started_from: str | None  # fingerprint of the space whose weights training started from
    fingerprint: str
    training_networks: list[str]  # whose features the training losses compared
    model: ModelFacts
    trained_on: TrainingSetFacts
    training: LastEpoch


@dataclass(frozen=True)
class SpaceResults(SpaceFacts):
    """One space and its figures."""

    reconstruction: ReconstructionFigures
    sampling: SamplingFigures
    latents: LatentFigures


@dataclass(frozen=True)
class ComparisonResults:
    """All that compare.json holds."""

    protocol: ComparisonProtocol
    runs: list[SpaceResults]
