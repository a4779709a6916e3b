"""Directions in a latent space, along which one attribute of a face changes: how they are found from encoded faces whose
attributes are known, and how well they tell faces apart. Arrays in and out; no model, no files.

A direction is a unit vector in whitened posterior-mean space: its strength 1 is one standard deviation of the
projection of encoded faces onto it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score

from facespace.core.errors import UsageError, choose
from facespace.latent.strengths import gap_of

FEWEST = 5  # faces of each kind, yes and no, that a direction needs
DECORRELATED, OWN, COMPONENTS, PAIRED = "decorrelated", "own", "components", "paired"
# Of ridge regression, in faces: shrinks what a few hundred faces cannot tell, and nothing that thousands can.
RIDGE = 10.0


class Whitening(NamedTuple):
    """The Gaussian of encoded faces: `center` (D,) and `root` (D, D), the symmetric square root of their covariance."""

    center: np.ndarray
    root: np.ndarray

    @property
    def inverse(self) -> np.ndarray:
        """The inverse of `root`, (D, D)."""
        return np.linalg.inv(self.root)


@dataclass(frozen=True)
class Directions:
    """The named directions of a space, float64. `units` (A, D) are their unit vectors in whitened space, `probes` (A, D)
    those from which an attribute is best read; `facts` says of each name how it was found, and how well it tells."""

    names: tuple[str, ...]
    units: np.ndarray
    probes: np.ndarray
    whitening: Whitening
    facts: Mapping[str, Mapping[str, Any]]

    @property
    def steps(self) -> np.ndarray:
        """By how much a latent moves for one standard deviation of each direction, (A, D)."""
        return self.units @ self.whitening.root

    @property
    def correlation(self) -> np.ndarray:
        """Cosines of the directions with each other in whitened space, (A, A): how much of one is in another."""
        return self.units @ self.units.T

    @cached_property
    def readouts(self) -> np.ndarray:
        """What scores are linear in, (D, A): made once, since sliders ask at every move."""
        return self.whitening.inverse @ self.probes.T

    def scores(self, z: np.ndarray) -> np.ndarray:
        """How much of each attribute latents (N, D) have, in standard deviations from the mean face: (N, A)."""
        return (np.atleast_2d(z) - self.whitening.center) @ self.readouts

    def place(self, name: str) -> int:
        """The number of a direction; UsageError names the nearest for one that is not there."""
        return choose({known: number for number, known in enumerate(self.names)}, name, "direction")


def whitening_of(z: np.ndarray) -> Whitening:
    """Of latents (N, D), N ≥ 2. Axes that hardly vary get a small deviation instead of none, so that nothing is
    divided by zero: with fewer faces than latents most of them are such."""
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(z.astype(np.float64).T)))
    spread = np.sqrt(np.maximum(values, 1e-4 * max(values.max(), 1e-12)))
    return Whitening(z.mean(0, dtype=np.float64), (vectors * spread) @ vectors.T)


# Each way to find directions: whitened latents (N, D) and signs (N, A), NaN unknown, to vectors (A, D) of any length.
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]


def mean_difference(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """From the mean of the faces without an attribute to the mean of those with it: the way of both student projects
    that facespace began with, and of Larsen et al. (2016). Drags along what goes with the attribute."""
    return np.stack([x[column > 0].mean(0) - x[column < 0].mean(0) for column in signs.T])


def logistic_probe(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """The normal of the plane that best parts faces with an attribute from those without (InterFaceGAN, Shen et al.,
    2020, with logistic regression)."""
    vectors = []
    for column in signs.T:
        known = np.isfinite(column)
        model = LogisticRegression(C=0.01, max_iter=300, class_weight="balanced")
        vectors.append(model.fit(x[known], column[known] > 0).coef_[0])
    return np.stack(vectors)


def ridge_probe(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """The same by ridge regression on ±1, in a fraction of the time."""
    vectors = []
    for column in signs.T:
        known = np.isfinite(column)
        weight = np.where(column[known] > 0, 1 / (column > 0).sum(), 1 / (column < 0).sum()) * known.sum() / 2
        vectors.append(Ridge(alpha=RIDGE * 10).fit(x[known], column[known], sample_weight=weight).coef_)
    return np.stack(vectors)


def decorrelated(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """What each attribute adds to a face where all the others stay: latents regressed on all attributes together. Smiling
    then does not drag Male and Young along, as far as the attributes at hand explain them."""
    known = np.nan_to_num(signs - np.nanmean(signs, 0))  # an unknown attribute says nothing
    return np.atleast_2d(Ridge(alpha=RIDGE).fit(known, x).coef_.T)


METHODS: Mapping[str, Method] = {
    "mean": mean_difference,
    "probe": logistic_probe,
    "ridge": ridge_probe,
    DECORRELATED: decorrelated,
}


def find_directions(
    z: np.ndarray,
    signs: np.ndarray,
    names: Sequence[str],
    method: str = DECORRELATED,
    whitening: Whitening | None = None,
    rows: np.ndarray | None = None,
) -> Directions:
    """Directions of attributes from latents (N, D) and their signs (N, A): +1 yes, −1 no, NaN unknown. With `rows` (R,) the
    method sees those faces alone, and scores are read along the directions themselves: so few faces give no better probe.

    Raises UsageError for an unknown method, or an attribute that fewer than 5 faces have, or lack."""
    way = choose(METHODS, method, "method")
    check_counts(signs if rows is None else signs[rows], names)
    whitening = whitening or whitening_of(z)
    x = (z - whitening.center) @ whitening.inverse
    seen, known = (x, signs) if rows is None else (x[rows], signs[rows])
    units = unit(way(seen, known))
    probes = unit(ridge_probe(x, signs)) if rows is None else units
    apart = np.linalg.norm(mean_difference(seen, known), axis=1)
    lengths = np.linalg.norm(units @ whitening.root, axis=1)
    facts = {}
    for place, name in enumerate(names):
        scores = x @ probes[place]
        on, off = (float(scores[signs[:, place] * kind > 0].mean()) for kind in (1, -1))
        facts[name] = {
            "method": method,
            "yes": int((known[:, place] > 0).sum()),
            "no": int((known[:, place] < 0).sum()),
            "length": float(lengths[place]),  # of one unit, in the latents' own numbers
            "difference": float(apart[place]),  # of the means of both kinds, in units
            "on": on,  # the mean score of faces that have it
            "off": off,
            "gap": gap_of(units[place], probes[place], on, off),
        }
    return Directions(tuple(names), units, probes, whitening, facts)


def find_all(
    z: np.ndarray,
    signs: np.ndarray,
    known: Sequence[str],
    names: Sequence[str] = (),
    method: str = DECORRELATED,
    pairs: int | None = None,
    seed: int = 0,
) -> Directions:
    """Directions of the named ones of the known attributes, else of all that enough faces have and lack, from latents (N, D)
    and signs (N, A). `decorrelated` holds them apart from all others that are known, named or not. With `pairs` each is
    found from so many random faces of each kind."""
    for name in names:
        choose(dict.fromkeys(known), name, "attribute")
    enough = [
        name
        for name, column in zip(known, signs.T)
        if min((column > 0).sum(), (column < 0).sum()) >= max(FEWEST, pairs or 0)
    ]
    names = list(dict.fromkeys(names)) or enough
    if not names:
        raise UsageError(
            f"No attribute of this set has {max(FEWEST, pairs or 0)} faces with it and as many without it in this split. Give "
            "the set attributes with facespace label, or make a direction of your own: --with DIR --without DIR --name NAME."
        )
    column = {name: place for place, name in enumerate(known)}
    whitening = whitening_of(z)
    if pairs and method != DECORRELATED:  # each from faces of its own
        found = None
        for name in reversed(names):
            one = signs[:, [column[name]]]
            found = merged(
                found, find_directions(z, one, [name], method, whitening, draw_pairs(one[:, 0], pairs, seed))
            )
        assert found is not None
        return found
    # A few faces cannot tell all attributes apart: with `pairs` only the named ones are.
    together = list(dict.fromkeys([*names, *enough])) if method == DECORRELATED and not pairs else names
    table = signs[:, [column[name] for name in together]]
    rows = np.unique(np.concatenate([draw_pairs(one, pairs, seed) for one in table.T])) if pairs else None
    return chosen(find_directions(z, table, together, method, whitening, rows), names)


def chosen(directions: Directions, names: Sequence[str]) -> Directions:
    """Those of the names alone, in their order."""
    places = [directions.place(name) for name in names]
    facts = {name: directions.facts[name] for name in names}
    return Directions(
        tuple(names), directions.units[places], directions.probes[places], directions.whitening, facts
    )


def components(z: np.ndarray, count: int, whitening: Whitening | None = None) -> Directions:
    """The first principal components of latents (N, D), named PC1, PC2 …: the largest variance first, each with the sign
    that makes its largest number positive."""
    whitening = whitening or whitening_of(z)
    values, vectors = np.linalg.eigh(whitening.root @ whitening.root)
    order = np.argsort(-values)[:count]
    axes = vectors[:, order].T
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    share = values[order] / values.sum()
    names = tuple(f"PC{place}" for place in range(1, len(axes) + 1))
    facts = {name: {"method": COMPONENTS, "variance": float(part)} for name, part in zip(names, share)}
    return Directions(names, axes, axes, whitening, facts)


def own_direction(name: str, having: np.ndarray, lacking: np.ndarray, whitening: Whitening) -> Directions:
    """One direction of one's own, from latents with something (N, D) and without it (M, D): the difference of their means,
    and for reading it the plane that parts them. Raises UsageError for fewer than 5 of either."""
    signs = np.concatenate([np.ones(len(having)), -np.ones(len(lacking))])[:, None]
    check_counts(signs, [name])
    z = np.concatenate([having, lacking])
    found = find_directions(z, signs, [name], "mean", whitening)
    facts = {
        **found.facts[name],
        "method": OWN,
        "auc": _left_out_auc(z, signs[:, 0]),
        "auc_of": "each face left out in turn",
    }
    return Directions(found.names, found.units, found.probes, whitening, {name: facts})


def _left_out_auc(z: np.ndarray, signs: np.ndarray) -> float:
    """How well the difference of means of all other faces parts each face: no face is judged by itself."""
    scores = []
    for place in range(len(z)):
        others = np.arange(len(z)) != place
        yes, no = (z[others & (signs * kind > 0)].mean(0) for kind in (1, -1))
        scores.append((z[place] - (yes + no) / 2) @ (yes - no))
    return float(roc_auc_score(signs > 0, scores))


def auc(directions: Directions, z: np.ndarray, signs: np.ndarray) -> dict[str, float | None]:
    """How well each direction's score parts faces (N, D) that have its attribute, by signs (N, A), from those that lack
    it: 1 always, 0.5 never; None where all are of one kind."""
    scores, found = directions.scores(z), {}
    for place, name in enumerate(directions.names):
        known = np.isfinite(signs[:, place])
        kinds = signs[known, place] > 0
        parted = kinds.any() and not kinds.all()
        found[name] = float(roc_auc_score(kinds, scores[known, place])) if parted else None
    return found


def draw_pairs(signs: np.ndarray, pairs: int, seed: int = 0) -> np.ndarray:
    """Rows of `pairs` random faces with an attribute and as many without it, by its signs (N,): int64 (2 · pairs,).
    Raises UsageError where there are not so many."""
    kinds = [np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)]
    if not FEWEST <= pairs <= min(map(len, kinds)):
        raise UsageError(
            f"--pairs must lie between {FEWEST} and the {min(map(len, kinds))} faces that there are of each kind; got {pairs}."
        )
    random = np.random.default_rng(seed)
    return np.concatenate([random.choice(kind, pairs, replace=False) for kind in kinds])


def merged(older: Directions | None, newer: Directions) -> Directions:
    """Both together, those of `newer` first and in place of older ones of the same name. Older ones of another whitening
    move latents as before; their mean scores are counted from the new center."""
    if older is None:
        return newer
    kept = [place for place, name in enumerate(older.names) if name not in newer.names]
    turn, back = newer.whitening.inverse, newer.whitening.root
    units = older.steps[kept] @ turn
    probes = older.probes[kept] @ older.whitening.inverse @ back
    names = (*newer.names, *(older.names[place] for place in kept))
    nearer = older.scores(newer.whitening.center)[0]  # by how much each old score falls
    facts = {name: dict(newer.facts[name]) for name in newer.names}
    for place in kept:
        name = older.names[place]
        levels = {
            key: older.facts[name][key] - float(nearer[place])
            for key in ("on", "off")
            if key in older.facts[name]
        }
        facts[name] = {**older.facts[name], **levels}
    return Directions(
        names,
        np.concatenate([newer.units, units]),
        np.concatenate([newer.probes, probes]),
        newer.whitening,
        facts,
    )


def check_counts(signs: np.ndarray, names: Sequence[str]) -> None:
    """Raises UsageError for an attribute that fewer than FEWEST faces have, or lack."""
    for name, column in zip(names, signs.T):
        yes, no = int((column > 0).sum()), int((column < 0).sum())
        if min(yes, no) < FEWEST:
            raise UsageError(
                f"A direction needs at least {FEWEST} faces that have {name} and {FEWEST} that lack it; here {yes} have it and "
                f"{no} lack it. Name other attributes, or a set with more faces."
            )


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each of (A, D) vectors at length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
