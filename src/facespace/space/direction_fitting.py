"""Directions from the faces of a prepared set: by its attributes, by kinds of one attribute, and from pairs
of the same face with and without something that is drawn on. Encodes and decodes; writes nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facespace.core.errors import choose
from facespace.data.faces import FaceSet
from facespace.image import overlays
from facespace.latent import directions as finding
from facespace.latent.directions import DECORRELATED, PAIRED, DirectionFacts, Directions, FitFacts, Whitening
from facespace.latent.kinds import find_clusters
from facespace.space.base import BaseSpace

MAX_OVERLAID = 2_000  # faces that a paired direction is found from, at most

# Latents (N, D) and the set's signs (N, A) -> signs (N, K) of the directions that are measured.
SignsOf = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Fit:
    """The set and the split that directions are found in, and the part of their facts that says so."""

    space: BaseSpace
    faces: FaceSet
    split: str
    pairs: int | None
    seed: int
    kind_of: str | None = None  # the attribute that directions are kinds of

    @property
    def latents(self) -> np.ndarray:
        """Posterior means of the split, float64 (N, D)."""
        return self.space.posterior_means(self.faces, self.split).astype(np.float64)

    @property
    def facts(self) -> FitFacts:
        """The facts that all directions of this fit share."""
        found: FitFacts = {
            "data": self.faces.fingerprint,
            "split": self.split,
            "shots": self.pairs,
            "seed": self.seed,
        }
        if self.kind_of is not None:
            found["cluster_of"] = self.kind_of
        return found


def from_attributes(
    space: BaseSpace,
    faces: FaceSet,
    attributes: Sequence[str] = (),
    method: str = DECORRELATED,
    pairs: int | None = None,
    split: str = "train",
    seed: int = 0,
) -> Directions:
    """A direction for each of a set's attributes, all or the named ones."""
    fit, known = _Fit(space, faces, split, pairs, seed), faces.attribute_names
    found = finding.fit_directions(
        fit.latents, faces.attribute_signs(split), known, attributes, method, pairs, seed
    )
    columns = [known.index(name) for name in found.names]
    return _with_auc(fit, found, lambda _, signs: signs[:, columns])


def from_kinds(
    space: BaseSpace,
    faces: FaceSet,
    attribute: str,
    count: int = 2,
    method: str = DECORRELATED,
    split: str = "train",
    seed: int = 0,
) -> Directions:
    """A direction for each kind of the faces with an attribute, against all faces without it. `decorrelated`
    separates them from the other attributes that enough faces have and lack."""
    column = _column(faces, attribute)
    fit = _Fit(space, faces, split, None, seed, attribute)
    z, signs = fit.latents, faces.attribute_signs(split)
    whitening = finding.whitening_of(z)
    kinds = find_clusters(z, signs[:, column], count, whitening, seed)
    own = kinds.signs(z, signs[:, column])
    means = np.stack([z[member > 0].mean(0) for member in own.T])
    names = name_kinds(attribute, space.decode(means.astype(np.float32)), space.template.points)
    others = [name for name in faces.attribute_names if name != attribute]
    table = np.concatenate([own, np.delete(signs, column, 1)], 1)
    found = finding.fit_directions(z, table, [*names, *others], names, method)
    return _with_auc(fit, found, lambda latents, known: kinds.signs(latents, known[:, column]))


def name_kinds(attribute: str, faces: np.ndarray, points: np.ndarray) -> list[str]:
    """Names of kinds by their mean faces, uint8 (K, H, W, C), and the template's points (5, 2): ATTRIBUTE-1,
    -2 …, the largest kind first; two kinds of glasses are Eyeglasses-clear and Sunglasses, by the brightness
    of the lenses."""
    rule = KIND_NAMES.get(attribute)
    if rule is None or len(faces) != len(rule[0]):
        return [f"{attribute}-{place}" for place in range(1, len(faces) + 1)]
    known, measure = rule
    order = np.argsort([-measure(face, points) for face in faces])
    found = [""] * len(faces)
    for name, place in zip(known, order):
        found[place] = name
    return found


# Names of kinds by a measure of their mean faces, the highest value first.
KIND_NAMES: Mapping[str, tuple[tuple[str, ...], Callable[[np.ndarray, np.ndarray], float]]] = {
    "Eyeglasses": (("Eyeglasses-clear", "Sunglasses"), overlays.lens_brightness),
}


def from_overlays(
    space: BaseSpace, faces: FaceSet, name: str, whitening: Whitening, split: str = "train", seed: int = 0
) -> Directions:
    """A direction from faces of a set without an attribute, at most DRAWN_ON, encoded as they are and with it
    drawn on: the mean difference of the two latents. Age, sex, pose and background are equal in both, and so
    cancel."""
    make, attribute = choose(overlays.OVERLAYS, name, "attribute that can be drawn")
    column = _column(faces, attribute)
    bare = faces.rows(split)[faces.attribute_signs(split)[:, column] < 0]
    bare = bare[np.linspace(0, len(bare) - 1, min(len(bare), MAX_OVERLAID)).round().astype(int)]
    finding.check_counts(np.repeat([1.0, -1.0], len(bare))[:, None], [name])
    random, points = np.random.default_rng(seed), faces.template.points
    before = np.stack([faces.images[row] for row in bare])
    after = np.stack([overlays.add_glasses(face, points, make(random)) for face in before])
    prepared = space.as_prepared()
    found = paired(name, prepared.encode(after), prepared.encode(before), whitening)
    fit = _Fit(space, faces, split, None, seed, attribute)
    return _with_auc(fit, found, lambda _, signs: signs[:, [column]])


def paired(name: str, having: np.ndarray, lacking: np.ndarray, whitening: Whitening) -> Directions:
    """The mean difference of latents (N, D) of the same faces with something and without it."""
    signs = np.repeat([1.0, -1.0], len(lacking))[:, None]
    z = np.concatenate([having, lacking]).astype(np.float64)
    found = finding.fit_direction_table(z, signs, [name], "mean", whitening)
    facts: DirectionFacts = {**found.facts[name], "method": PAIRED}
    return replace(found, facts={name: facts})


def _column(faces: FaceSet, attribute: str) -> int:
    """The column of an attribute in the set's table; UsageError names the nearest for an unknown one."""
    columns = {name: column for column, name in enumerate(faces.attribute_names)}
    return choose(columns, attribute, "attribute")


def _with_auc(fit: _Fit, found: Directions, signs_of: SignsOf) -> Directions:
    """The directions with the facts of their fit, and with the AUC on validation faces, else on test ones."""
    held_out = _held_out_split(fit)
    aucs: Mapping[str, float | None] = {}
    if held_out:
        z = fit.space.posterior_means(fit.faces, held_out)
        aucs = finding.auc(found, z, signs_of(z, fit.faces.attribute_signs(held_out)))
    facts: dict[str, DirectionFacts] = {}
    for name in found.names:
        facts[name] = {**found.facts[name], "auc": aucs.get(name), **fit.facts, "auc_of": held_out}
    return replace(found, facts=facts)


def _held_out_split(fit: _Fit) -> str | None:
    """A split whose faces the directions were not found in; None where they were found in all of them."""
    if fit.split == "all":
        return None
    for name in ("validation", "test"):
        if name != fit.split and len(fit.faces.rows(name)):
            return name
    return None
