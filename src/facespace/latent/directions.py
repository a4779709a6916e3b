"""Directions in a latent space, along which one attribute of a face changes: how they are found from encoded
faces with known attributes, and how well they separate faces. Arrays in and out; no model, no files.

A direction is a unit vector in whitened posterior-mean space: its strength 1 is one standard deviation of the
projection of encoded faces onto it."""

from collections.abc import Mapping, Sequence

import numpy as np

from facespace.core.errors import UsageError, choose
from facespace.latent.direction_methods import DECORRELATED, METHODS, mean_difference, ridge_probe, unit
from facespace.latent.direction_set import (
    DirectionFacts,
    Directions,
    FitFacts,
    Whitening,
    chosen,
    gap_of,
    merged,
    whitening_of,
)
from facespace.latent.ranking import roc_auc

MIN_FACES = 5  # faces of each class, yes and no, that a direction needs
LEAST_DIFFERENCE = 1e-4  # of the mean latents of both classes
OWN, COMPONENTS, PAIRED = "own", "components", "paired"  # methods that are not rows of METHODS


def fit_direction_table(
    z: np.ndarray,
    signs: np.ndarray,
    names: Sequence[str],
    method: str = DECORRELATED,
    whitening: Whitening | None = None,
    rows: np.ndarray | None = None,
) -> Directions:
    """Directions of attributes from latents (N, D) and their signs (N, A): +1 yes, −1 no, NaN unknown. With
    `rows` (R,) they are fitted to those faces alone, and the directions are the probes as well: so few faces
    give no better one.

    Raises UsageError for an unknown method, or an attribute that fewer than 5 faces have, or lack."""
    find = choose(METHODS, method, "method")
    check_counts(signs if rows is None else signs[rows], names)
    whitening = whitening or whitening_of(z)
    x = (z - whitening.center) @ whitening.inverse
    fitted, known = x, signs
    if rows is not None:
        fitted, known = x[rows], signs[rows]
    units = unit(find(fitted, known))
    probes = unit(ridge_probe(x, signs)) if rows is None else units
    apart = np.linalg.norm(mean_difference(fitted, known), axis=1)
    lengths = np.linalg.norm(units @ whitening.root, axis=1)
    facts: dict[str, DirectionFacts] = {}
    for place, name in enumerate(names):
        scores = x @ probes[place]
        on = float(scores[signs[:, place] > 0].mean())
        off = float(scores[signs[:, place] < 0].mean())
        facts[name] = {
            "method": method,
            "yes": int((known[:, place] > 0).sum()),
            "no": int((known[:, place] < 0).sum()),
            "length": float(lengths[place]),
            "difference": float(apart[place]),
            "on": on,
            "off": off,
            "gap": gap_of(units[place], probes[place], on, off),
        }
    return Directions(tuple(names), units, probes, whitening, facts)


def fit_directions(
    z: np.ndarray,
    signs: np.ndarray,
    known: Sequence[str],
    names: Sequence[str] = (),
    method: str = DECORRELATED,
    shots: int | None = None,
    seed: int = 0,
) -> Directions:
    """Directions of the named ones of the known attributes, else of all that enough faces have and lack, from
    latents (N, D) and signs (N, A). `decorrelated` separates them from all others that are known, named or
    not. With `shots` each is found from so many random faces of each class. Raises UsageError for unknown
    names and too few faces."""
    for name in names:
        choose(dict.fromkeys(known), name, "attribute")
    least = max(MIN_FACES, shots or 0)
    enough = _with_enough(known, signs, least)
    names = list(dict.fromkeys(names)) or enough
    if not names:
        raise UsageError(
            f"No attribute of this set has {least} faces with it and as many without it in this split. "
            "Give the set attributes with facespace label, or make a direction of your own: "
            "--positive DIR --negative DIR --name NAME."
        )
    column = {name: place for place, name in enumerate(known)}
    whitening = whitening_of(z)
    if shots:
        tables = {name: signs[:, [column[name]]] for name in names}
        return _find_from_pairs(z, tables, method, whitening, shots, seed)
    # `decorrelated` regresses on all attributes together, the other methods on each alone.
    together = list(dict.fromkeys([*names, *enough])) if method == DECORRELATED else names
    table = signs[:, [column[name] for name in together]]
    return chosen(fit_direction_table(z, table, together, method, whitening), names)


def _with_enough(known: Sequence[str], signs: np.ndarray, least: int) -> list[str]:
    """The attributes that at least so many faces have, and as many lack."""
    fewest = np.minimum((signs > 0).sum(0), (signs < 0).sum(0))
    return [name for name, count in zip(known, fewest) if count >= least]


def _find_from_pairs(
    z: np.ndarray,
    tables: Mapping[str, np.ndarray],
    method: str,
    whitening: Whitening,
    pairs: int,
    seed: int,
) -> Directions:
    """Directions by name from signs (N, 1) of random faces: each from its own, or with `decorrelated`
    together from the faces drawn for any."""
    rows = {name: draw_shots(signs[:, 0], pairs, seed) for name, signs in tables.items()}
    if method == DECORRELATED:  # a few faces cannot separate attributes beside the named ones
        table = np.concatenate(list(tables.values()), 1)
        together = np.unique(np.concatenate(list(rows.values())))
        return fit_direction_table(z, table, list(tables), method, whitening, together)
    found = None
    for name in reversed(list(tables)):
        found = merged(found, fit_direction_table(z, tables[name], [name], method, whitening, rows[name]))
    assert found is not None
    return found


def components(z: np.ndarray, count: int, whitening: Whitening | None = None) -> Directions:
    """The first principal components of latents (N, D), named PC1, PC2 …: the largest variance first, each
    with the sign that makes its largest number positive."""
    whitening = whitening or whitening_of(z)
    values, vectors = np.linalg.eigh(whitening.root @ whitening.root)
    order = np.argsort(-values)[:count]
    axes = vectors[:, order].T
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    share = values[order] / values.sum()
    names = tuple(f"PC{place}" for place in range(1, len(axes) + 1))
    facts: dict[str, DirectionFacts] = {}
    for name, part in zip(names, share):
        facts[name] = {"method": COMPONENTS, "variance": float(part)}
    return Directions(names, axes, axes, whitening, facts)


def custom_direction(name: str, having: np.ndarray, lacking: np.ndarray, whitening: Whitening) -> Directions:
    """A custom direction, from latents with something (N, D) and without it (M, D): the difference of their
    means, with the plane that separates them as its probe. Raises UsageError for fewer than 5 of either, and
    where their means are the same."""
    signs = np.concatenate([np.ones(len(having)), -np.ones(len(lacking))])[:, None]
    check_counts(signs, [name])
    if np.linalg.norm(having.mean(0) - lacking.mean(0)) < LEAST_DIFFERENCE:
        raise UsageError("The faces with and without are the same on average. Collect faces that differ.")
    z = np.concatenate([having, lacking])
    found = fit_direction_table(z, signs, [name], "mean", whitening)
    facts: DirectionFacts = {
        **found.facts[name],
        "method": OWN,
        "auc": _left_out_auc(z, signs[:, 0]),
        "auc_of": "each face left out in turn",
    }
    return Directions(found.names, found.units, found.probes, whitening, {name: facts})


def _left_out_auc(z: np.ndarray, signs: np.ndarray) -> float:
    """The AUC of scores of each face along the difference of means of all other faces (leave-one-out)."""
    scores = []
    for place in range(len(z)):
        others = np.arange(len(z)) != place
        yes = z[others & (signs > 0)].mean(0)
        no = z[others & (signs < 0)].mean(0)
        scores.append((z[place] - (yes + no) / 2) @ (yes - no))
    return roc_auc(signs > 0, np.array(scores))


def auc(directions: Directions, z: np.ndarray, signs: np.ndarray) -> dict[str, float | None]:
    """The area under the ROC curve of each direction's score for faces (N, D) that have its attribute, by
    signs (N, A), against those that lack it; None where all are of one class."""
    scores, found = directions.scores(z), {}
    for place, name in enumerate(directions.names):
        known = np.isfinite(signs[:, place])
        classes = signs[known, place] > 0
        found[name] = None
        if classes.any() and not classes.all():
            found[name] = roc_auc(classes, scores[known, place])
    return found


def draw_shots(signs: np.ndarray, pairs: int, seed: int = 0) -> np.ndarray:
    """Rows of `pairs` random faces with an attribute and as many without it, by its signs (N,): int64 (2 ·
    pairs,). Raises UsageError where there are not so many."""
    yes, no = np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)
    fewest = min(len(yes), len(no))
    if not MIN_FACES <= pairs <= fewest:
        raise UsageError(
            f"--shots must lie between {MIN_FACES} and the {fewest} faces that there are of each class; "
            f"got {pairs}."
        )
    random = np.random.default_rng(seed)
    return np.concatenate([random.choice(rows, pairs, replace=False) for rows in (yes, no)])


def check_counts(signs: np.ndarray, names: Sequence[str]) -> None:
    """Raises UsageError for an attribute that fewer than FEWEST faces have, or lack."""
    for name, column in zip(names, signs.T):
        yes, no = int((column > 0).sum()), int((column < 0).sum())
        if min(yes, no) < MIN_FACES:
            raise UsageError(
                f"A direction needs at least {MIN_FACES} faces that have {name} and {MIN_FACES} that "
                "lack it; "
                f"here {yes} have it and {no} lack it. Name other attributes, or a set with more faces."
            )


__all__ = [
    "COMPONENTS",
    "DECORRELATED",
    "METHODS",
    "MIN_FACES",
    "OWN",
    "PAIRED",
    "DirectionFacts",
    "Directions",
    "FitFacts",
    "Whitening",
    "auc",
    "check_counts",
    "chosen",
    "components",
    "custom_direction",
    "draw_shots",
    "fit_direction_table",
    "fit_directions",
    "merged",
    "unit",
    "whitening_of",
]
