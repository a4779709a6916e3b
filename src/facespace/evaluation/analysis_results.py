"""The results of an analysis as data. The fields are the keys of analysis.json."""

from dataclasses import dataclass

import numpy as np

from facespace.evaluation.disentanglement import NotMeasured
from facespace.evaluation.session import SessionProtocol, SpaceIdentity
from facespace.latent.disentanglement import Disentanglement
from facespace.latent.health import LatentHealth
from facespace.latent.structure import LatentRow, LatentStructure, Separability


@dataclass(frozen=True)
class AnalyzedSpace(SpaceIdentity):
    """The space of an analysis."""

    family: str  # of its model


@dataclass(frozen=True)
class AnalysisProtocol(SessionProtocol):
    """Everything that is needed to reproduce the figures; `space` is an AnalyzedSpace."""

    latents: str
    conditioned: bool  # whether the attributes of the faces were given to the space
    seed: int
    influence: str
    auc: str


@dataclass(frozen=True)
class LatentResults:
    """All latents, the most influential first."""

    posterior_means: LatentStructure
    active_threshold: float  # variance
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
class PosteriorResults(LatentStructure):
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
    """Pearson's r of P latents or components (rows) with A attributes (columns), and of the attributes with
    each other; NaN where either does not vary."""

    rows: list[str]
    columns: list[str]
    r: np.ndarray  # (P, A)
    faces: np.ndarray  # (P, A), in which both are known
    attributes_r: np.ndarray  # (A, A)
    attributes_faces: np.ndarray  # (A, A)
    by_chance: float  # |r| that unrelated columns exceed in one analysis of twenty


@dataclass(frozen=True)
class AnalysisResults:
    """All that analysis.json holds but the duration."""

    protocol: AnalysisProtocol
    latents: LatentResults
    components: ComponentResults
    posterior: PosteriorResults
    health: LatentHealth  # as in an evaluation
    maps: dict[str, MapResults]
    maps_missing: list[str]  # a sentence for each map that could not be made
    coloured_by: list[str]
    attributes: dict[str, Separability]
    correlations: CorrelationResults
    disentanglement: Disentanglement | NotMeasured | None  # None where the factors of the faces are unknown
