"""The results of an analysis as data. The fields are the keys of analysis.json."""

from dataclasses import dataclass
from typing import Any

from facespace.evaluation.latent_moments import LatentMoments

Json = dict[str, Any]  # a JSON object whose keys another module defines
Table = list[list[float | None]]  # rows of numbers, None where a value is undefined


@dataclass(frozen=True)
class LatentRow:
    """One latent over all faces, and the attribute that it correlates with most."""

    latent: int  # its index
    rank: int  # by influence, from 1
    influence: float  # mean absolute change of a pixel in [0, 1] per standard deviation
    minimum: float
    maximum: float
    mean: float
    deviation: float
    total_activation: float  # sum of absolute values
    kl: float | None  # nats per image
    active: bool
    attribute: str | None
    correlation: float | None  # Pearson's r
    faces: int | None  # in which the attribute is known


@dataclass(frozen=True)
class AttributeFacts:
    """The counts of an attribute, and the AUC of a linear probe on held-out faces; None with too few
    faces."""

    yes: int
    no: int
    unknown: int
    auc: float | None


@dataclass(frozen=True)
class LatentResults:
    """All latents, the most influential first."""

    posterior_means: LatentMoments
    active_above: float  # variance
    active: int
    dead: list[int]
    kl: float | None  # nats per image
    rows: list[LatentRow]


@dataclass(frozen=True)
class ComponentResults:
    """Shares of variance of the principal components, and how many reach 50, 90 and 99 %; None without any
    variance."""

    explained: list[float]
    for_50_percent: int | None
    for_90_percent: int | None
    for_99_percent: int | None


@dataclass(frozen=True)
class PosteriorResults(LatentMoments):
    """Posterior samples, whitened by the prior, against N(0, I)."""

    prior: str
    dimensions: int  # axes along which the prior varies
    length_mean: float
    length_deviation: float


@dataclass(frozen=True)
class MapResults:
    """One map: the number of faces on it, and its trustworthiness in [0, 1]."""

    faces: int
    trustworthiness: float | None


@dataclass(frozen=True)
class CorrelationResults:
    """Pearson's r of latents or components (rows) with attributes (columns), and of attributes with each
    other."""

    rows: list[str]
    columns: list[str]
    r: Table
    faces: list[list[int]]
    attributes_r: Table
    attributes_faces: list[list[int]]
    by_chance: float  # |r| that unrelated columns exceed in one analysis of twenty


@dataclass(frozen=True)
class AnalysisResults:
    """All that analysis.json holds but the duration."""

    protocol: Json
    latents: LatentResults
    components: ComponentResults
    posterior: PosteriorResults
    maps: dict[str, MapResults]
    maps_missing: list[str]  # a sentence for each map that could not be made
    coloured_by: list[str]
    attributes: dict[str, AttributeFacts]
    correlations: CorrelationResults
    disentanglement: Json | None  # None where the factors of the faces are unknown
