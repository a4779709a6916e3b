"""The directions of a space with their whitening and their facts: what a bundle keeps and an edit uses.
Arrays in and out; nothing is fitted here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypedDict

import numpy as np

from facespace.core.errors import choose

LEAST_GAIN = (
    0.05  # of a score for each standard deviation moved; below it a direction does not change the score
)
WHOLE, PART = 2**18, 2**16  # latents whose covariance is computed at once, and in parts above that


class FitFacts(TypedDict, total=False):
    """The faces that directions were found from."""

    data: str  # the set's fingerprint
    split: str
    shots: int | None  # faces of each class that it was found from; None for all
    seed: int
    cluster_of: str  # the attribute whose faces a direction's cluster is part of


class DirectionFacts(FitFacts, total=False):
    """What a bundle's card says of a direction. Scores are in standard deviations from the mean face."""

    method: str  # a row of METHODS, or OWN, COMPONENTS, PAIRED
    yes: int  # faces with the attribute that it was found from
    no: int
    length: float  # of one unit, in the latents' own numbers
    difference: float  # of the class means, in units
    on: float  # the mean score of faces that have the attribute
    off: float
    gap: float | None  # the class gap, see strengths.gap
    variance: float  # of a principal component, the share of the total
    auc: float | None  # on the faces of `auc_of`; None where all of them are of one class
    auc_of: str | None


class Whitening(NamedTuple):
    """The Gaussian of encoded faces: `center` (D,) and `root` (D, D), the symmetric square root of their
    covariance."""

    center: np.ndarray
    root: np.ndarray

    @property
    def inverse(self) -> np.ndarray:
        """The inverse of `root`, (D, D)."""
        return np.linalg.inv(self.root)


@dataclass(frozen=True)
class Directions:
    """The named directions of a space, float64. `units` (A, D) are their unit vectors in whitened space,
    `probes` (A, D) the linear probes of the attributes; `facts` has for each name how it was found, and how
    well it separates faces."""

    names: tuple[str, ...]
    units: np.ndarray
    probes: np.ndarray
    whitening: Whitening
    facts: Mapping[str, DirectionFacts]

    @property
    def steps(self) -> np.ndarray:
        """The move of a latent for one standard deviation of each direction, (A, D)."""
        return self.units @ self.whitening.root

    @property
    def correlation(self) -> np.ndarray:
        """Cosines of the directions with each other in whitened space, (A, A)."""
        return self.units @ self.units.T

    @cached_property
    def probe_map(self) -> np.ndarray:
        """The probes as a linear map of centred latents to scores, (D, A); kept, since sliders use it at
        every move."""
        return self.whitening.inverse @ self.probes.T

    def scores(self, z: np.ndarray) -> np.ndarray:
        """Scores of each attribute for latents (N, D), in standard deviations from the mean face: (N, A)."""
        return (np.atleast_2d(z) - self.whitening.center) @ self.probe_map

    def index(self, name: str) -> int:
        """The number of a direction; UsageError names the nearest for one that is not there."""
        return choose({known: number for number, known in enumerate(self.names)}, name, "direction")


def whitening_of(z: np.ndarray) -> Whitening:
    """Of latents (N, D), N ≥ 2. Axes that hardly vary get a small deviation instead of none, so that nothing
    is divided by zero: with fewer faces than latents most of them are such."""
    values, vectors = np.linalg.eigh(np.atleast_2d(_covariance(z)))
    spread = np.sqrt(np.maximum(values, 1e-4 * max(values.max(), 1e-12)))
    return Whitening(z.mean(0, dtype=np.float64), (vectors * spread) @ vectors.T)


def _covariance(z: np.ndarray) -> np.ndarray:
    """The covariance (D, D) of latents (N, D); of very many in parts, so that no copy of all is made."""
    if len(z) <= WHOLE:
        return np.cov(z.astype(np.float64).T)
    mean, total = z.mean(0, dtype=np.float64), np.zeros((z.shape[1], z.shape[1]))
    for start in range(0, len(z), PART):
        centred = z[start : start + PART] - mean
        total += centred.T @ centred
    return total / (len(z) - 1)


def chosen(directions: Directions, names: Sequence[str]) -> Directions:
    """Those of the names alone, in their order."""
    places = [directions.index(name) for name in names]
    facts = {name: directions.facts[name] for name in names}
    return Directions(
        tuple(names), directions.units[places], directions.probes[places], directions.whitening, facts
    )


def merged(older: Directions | None, newer: Directions) -> Directions:
    """Both together, those of `newer` first and in place of older ones of the same name. Older ones of
    another whitening move latents as before; their mean scores are counted from the new center."""
    if older is None:
        return newer
    kept = [place for place, name in enumerate(older.names) if name not in newer.names]
    turn, back = newer.whitening.inverse, newer.whitening.root
    units = older.steps[kept] @ turn
    probes = older.probes[kept] @ older.whitening.inverse @ back
    offset = older.scores(newer.whitening.center)[0]  # by how much each old score falls
    facts = {name: newer.facts[name] for name in newer.names}
    for place in kept:
        name = older.names[place]
        facts[name] = _shifted(older.facts[name], float(offset[place]))
    names = tuple(facts)
    return Directions(
        names,
        np.concatenate([newer.units, units]),
        np.concatenate([newer.probes, probes]),
        newer.whitening,
        facts,
    )


def _shifted(facts: DirectionFacts, offset: float) -> DirectionFacts:
    """The facts of a direction whose scores fall by an offset."""
    moved: DirectionFacts = {**facts}
    if "on" in moved:
        moved["on"] -= offset
    if "off" in moved:
        moved["off"] -= offset
    return moved


def gap_of(unit: np.ndarray, probe: np.ndarray, on: float, off: float) -> float | None:
    """The standard deviations along a unit vector (D,) that take a score, read along a probe (D,), from the
    mean of faces without an attribute, `off`, to that of faces with it, `on`. None where the scores do not
    rise."""
    gain = float(unit @ probe)
    if gain <= LEAST_GAIN or on <= off:
        return None
    return (on - off) / gain
