"""The results of an edit benchmark as data, and the figures that are read from them at one success rate or
one identity. The fields are the keys of edit_benchmark.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from facespace.evaluation.session import SessionProtocol

RATE, ALIKE = 0.8, 0.8  # the success rate, and the identity, at which methods are compared
LEAST_RATE = 0.05  # below this success rate two methods are not compared
TINY = 1e-9  # keeps ratios finite


class Point(NamedTuple):
    """The effect of edits of one strength: means over N faces. Probabilities are those of the scoring
    classifier."""

    strength: float
    success_rate: float  # share of faces in which the attribute is detected after the edit
    identity: float  # cosine to the reconstruction of the face
    distance: float  # LPIPS to the reconstruction, or a difference of pixels
    other_change: float  # mean absolute change of another attribute's probability
    leakage: float  # mean over the others of the absolute mean change, which all faces share
    change: tuple[float, ...]  # mean change of each attribute's probability, (A,)


Curve = list[Point]  # by rising strength


class SideEffects(NamedTuple):
    """The side effects of edits at one success rate."""

    identity: float
    distance: float
    other_change: float
    leakage: float


class AtIdentity(NamedTuple):
    """The success rate and the side effects of edits at one identity."""

    success_rate: float
    other_change: float
    leakage: float


NO_EDIT = SideEffects(1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Matched:
    """A method and plain mean differences at equal success rates, means over attributes."""

    identity: float
    plain_identity: float
    other_change: float
    plain_other_change: float
    other_change_ratio: float
    leakage_ratio: float
    attributes: int


@dataclass(frozen=True)
class MethodResults:
    """A method over all attributes. `reach_rate` counts the attributes in which it reaches RATE."""

    success_at_identity: float
    other_change_at_identity: float
    leakage_at_identity: float
    reach_rate: int
    attributes: int
    matched: Matched | None  # None if no attribute can be compared


class ScorerFigures(NamedTuple):
    """Held-out figures of the scoring classifier for one attribute; None where its card has none."""

    auc: float | None
    accuracy: float | None
    yes: int | None  # held-out faces with the attribute
    no: int | None


@dataclass(frozen=True)
class AttributeResults:
    """One attribute by each method."""

    faces: int
    present_before: float  # share of faces in which the attribute is detected without an edit
    scorer: ScorerFigures  # held-out figures of the scoring classifier
    curves: dict[str, Curve]
    at_rate: dict[str, SideEffects | None]


@dataclass(frozen=True)
class FewFacesResults:
    """Directions from few faces. `attributes` has for each name (mean, standard deviation) over the draws of
    "cosine" (to the direction from all faces, in whitened space), "auc" and "success_rate"; {} without
    faces to edit."""

    draws: int
    faces: tuple[int, int]  # with and without the attribute
    strength: float  # standard deviations
    attributes: dict[str, dict[str, tuple[float, float]]]


@dataclass(frozen=True)
class ScorerProtocol:
    """The scoring classifier."""

    fingerprint: str
    trained: str
    held_out: Mapping[str, float | None] | None  # means over attributes


@dataclass(frozen=True)
class GuideProtocol:
    """The classifier of closed-loop edits."""

    of: str  # the method
    fingerprint: str


@dataclass(frozen=True)
class EditProtocol(SessionProtocol):
    """Everything that is needed to reproduce the results."""

    edited: str
    directions: str
    scorer: ScorerProtocol
    guide: GuideProtocol
    against: str
    identity: str
    distance: str
    strengths: list[float]
    strength_unit: str
    margins: list[float]
    success_rate: float  # at which methods are compared
    identity_level: float
    seed: int


@dataclass(frozen=True)
class EditBenchmarkResults:
    """All that edit_benchmark.json holds."""

    protocol: EditProtocol
    methods: dict[str, MethodResults]
    attributes: dict[str, AttributeResults]
    few_faces: FewFacesResults


def at_rate(curve: Curve, rate: float) -> SideEffects | None:
    """The side effects at a success rate, interpolated between the points of a curve that starts without an
    edit; None if no strength reaches the rate."""
    rates = np.maximum.accumulate([0.0, *_column(curve, "success_rate")])
    if rates[-1] < rate:
        return None
    after = max(1, int(np.argmax(rates >= rate)))  # the first point that reaches the rate
    before = after - 1
    share = (rate - rates[before]) / max(rates[after] - rates[before], TINY)
    rows = [NO_EDIT, *map(_side_effects, curve)]
    values = np.array(rows[before]) + share * (np.array(rows[after]) - np.array(rows[before]))
    return SideEffects(*map(float, values))


def at_identity(curve: Curve, alike: float) -> AtIdentity:
    """The success rate and side effects at an identity; if even the strongest edits keep more of it, at
    theirs."""
    lost = -np.minimum.accumulate([1.0, *_column(curve, "identity")])  # rising
    values: list[float] = []
    for name in AtIdentity._fields:
        values.append(float(np.interp(-alike, lost, [0.0, *_column(curve, name)])))
    return AtIdentity(*values)


def summary(curves: Sequence[Curve], plain: Sequence[Curve]) -> MethodResults:
    """A method over all attributes, from its curves and those of plain mean differences. They are compared at
    equal success rates: for each attribute at RATE, or at the highest rate that both reach."""
    measured = [curve for curve in curves if curve]
    success, other_change, leakage = _column_means([at_identity(curve, ALIKE) for curve in measured])
    reached = [at_rate(curve, RATE) is not None for curve in measured]
    pairs: list[tuple[SideEffects, SideEffects]] = []
    for curve, plain_curve in zip(curves, plain):
        pair = matched(curve, plain_curve)
        if pair:
            pairs.append(pair)
    return MethodResults(
        success_at_identity=success,
        other_change_at_identity=other_change,
        leakage_at_identity=leakage,
        reach_rate=sum(reached),
        attributes=len(reached),
        matched=_means(pairs) if pairs else None,
    )


def matched(curve: Curve, plain: Curve) -> tuple[SideEffects, SideEffects] | None:
    """Two curves of one attribute at the same success rate; None if one of them never succeeds."""
    rate = min(RATE, highest_rate(curve), highest_rate(plain))
    if rate < LEAST_RATE:
        return None
    both = at_rate(curve, rate), at_rate(plain, rate)
    if both[0] is None or both[1] is None:
        return None
    return both[0], both[1]


def highest_rate(curve: Curve) -> float:
    """The highest success rate of a curve, 0 for an empty one."""
    return max(_column(curve, "success_rate"), default=0.0)


def reached_at(curve: Curve) -> int:
    """The place of the first point that reaches RATE, else of the one with the highest success rate."""
    for place, point in enumerate(curve):
        if point.success_rate >= RATE:
            return place
    return int(np.argmax(_column(curve, "success_rate")))


def _column(curve: Curve, name: str) -> list[float]:
    return [getattr(point, name) for point in curve]


def _side_effects(point: Point) -> SideEffects:
    return SideEffects(point.identity, point.distance, point.other_change, point.leakage)


def _column_means(rows: Sequence[Sequence[float]]) -> list[float]:
    return [float(np.mean(column)) for column in zip(*rows)]


def _means(pairs: Sequence[tuple[SideEffects, SideEffects]]) -> Matched:
    own = SideEffects(*_column_means([one for one, _ in pairs]))
    plain = SideEffects(*_column_means([other for _, other in pairs]))
    return Matched(
        identity=own.identity,
        plain_identity=plain.identity,
        other_change=own.other_change,
        plain_other_change=plain.other_change,
        other_change_ratio=own.other_change / max(plain.other_change, TINY),
        leakage_ratio=own.leakage / max(plain.leakage, TINY),
        attributes=len(pairs),
    )
