"""Directions from the faces of a prepared set: by its attributes, by kinds of one attribute, and from pairs of the same face
with and without something that is drawn on. Encodes and decodes; keeps nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from facespace.core.errors import choose
from facespace.image import overlays
from facespace.latent import directions as finding
from facespace.latent.directions import DECORRELATED, PAIRED, Directions, Whitening
from facespace.latent.kinds import find_kinds

if TYPE_CHECKING:
    from facespace.data.faces import FaceSet
    from facespace.space.codec import Codec

DRAWN_ON = 2_000  # faces that a paired direction is found from, at most


def from_attributes(
    codec: "Codec",
    faces: "FaceSet",
    attributes: Sequence[str] = (),
    method: str = DECORRELATED,
    pairs: int | None = None,
    split: str = "train",
    seed: int = 0,
) -> Directions:
    """A direction for each of a set's attributes, all or the named ones."""
    z = codec.means(faces, split).numpy().astype(np.float64)
    found = finding.find_all(z, faces.signs(split), faces.attribute_names, attributes, method, pairs, seed)
    columns = [faces.attribute_names.index(name) for name in found.names]
    told = {"data": faces.fingerprint, "split": split, "pairs": pairs, "seed": seed}
    return _judged(codec, faces, found, split, told, lambda _, signs: signs[:, columns])


def from_kinds(
    codec: "Codec",
    faces: "FaceSet",
    attribute: str,
    count: int = 2,
    method: str = DECORRELATED,
    split: str = "train",
    seed: int = 0,
) -> Directions:
    """A direction for each kind of the faces with an attribute, against all faces without it. `decorrelated` holds them
    apart from the other attributes that enough faces have and lack."""
    column = choose({name: place for place, name in enumerate(faces.attribute_names)}, attribute, "attribute")
    z, signs = codec.means(faces, split).numpy().astype(np.float64), faces.signs(split)
    whitening = finding.whitening_of(z)
    kinds = find_kinds(z, signs[:, column], count, whitening, seed)
    own = kinds.of(z, signs[:, column])
    means = np.stack([z[member > 0].mean(0) for member in own.T])
    names = name_kinds(attribute, codec.decode(means.astype(np.float32)), codec.template.points)
    others = [name for name in faces.attribute_names if name != attribute]
    table = np.concatenate([own, np.delete(signs, column, 1)], 1)
    found = finding.find_all(z, table, [*names, *others], names, method)
    told = {"data": faces.fingerprint, "split": split, "pairs": None, "seed": seed, "kind_of": attribute}
    return _judged(codec, faces, found, split, told, lambda some, known: kinds.of(some, known[:, column]))


def name_kinds(attribute: str, faces: np.ndarray, points: np.ndarray) -> list[str]:
    """Names of kinds by their mean faces, uint8 (K, H, W, C), and the template's points (5, 2): ATTRIBUTE-1, -2 …, the largest
    kind first; for two kinds of glasses -clear and -dark, by the light in the lenses."""
    rule = KIND_NAMES.get(attribute)
    if rule is None or len(faces) != len(rule[0]):
        return [f"{attribute}-{place}" for place in range(1, len(faces) + 1)]
    words, measure = rule
    order = np.argsort([-measure(face, points) for face in faces])
    found = [""] * len(faces)
    for word, place in zip(words, order):
        found[place] = f"{attribute}-{word}"
    return found


# What kinds of an attribute are called where a measure of their mean faces tells them apart, its highest value first.
KIND_NAMES: Mapping[str, tuple[tuple[str, ...], Callable[[np.ndarray, np.ndarray], float]]] = {
    "Eyeglasses": (("clear", "dark"), overlays.lens_light),
}


def from_pairs(
    codec: "Codec", faces: "FaceSet", name: str, whitening: Whitening, split: str = "train", seed: int = 0
) -> Directions:
    """A direction from faces of a set without an attribute, at most DRAWN_ON, encoded as they are and with it drawn on: the
    mean difference of the two latents. Age, sex, pose and background are the same on both sides, and so are in none of it."""
    make, attribute = choose(overlays.OVERLAYS, name, "attribute that can be drawn")
    column = choose(
        {known: place for place, known in enumerate(faces.attribute_names)}, attribute, "attribute"
    )
    bare = faces.rows(split)[faces.signs(split)[:, column] < 0]
    bare = bare[np.linspace(0, len(bare) - 1, min(len(bare), DRAWN_ON)).round().astype(int)]
    finding.check_counts(np.repeat([1.0, -1.0], len(bare))[:, None], [name])
    random, points = np.random.default_rng(seed), faces.template.points
    before = np.stack([faces.images[row] for row in bare])
    after = np.stack([overlays.draw(face, points, make(random)) for face in before])
    found = paired(name, codec.encode(after), codec.encode(before), whitening)
    told = {"data": faces.fingerprint, "split": split, "pairs": None, "seed": seed, "kind_of": attribute}
    return _judged(codec, faces, found, split, told, lambda _, signs: signs[:, [column]])


def paired(name: str, having: np.ndarray, lacking: np.ndarray, whitening: Whitening) -> Directions:
    """The mean difference of latents (N, D) of the same faces with something and without it."""
    signs = np.repeat([1.0, -1.0], len(lacking))[:, None]
    z = np.concatenate([having, lacking]).astype(np.float64)
    found = finding.find_directions(z, signs, [name], "mean", whitening)
    return replace(found, facts={name: {**found.facts[name], "method": PAIRED}})


def _judged(
    codec: "Codec",
    faces: "FaceSet",
    found: Directions,
    split: str,
    told: Mapping[str, Any],
    signs_of: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Directions:
    """The directions with what is told of them, and the AUC on validation faces, else on test ones, by signs (N, A) that
    `signs_of` makes of latents and the set's signs."""
    others = next((name for name in ("validation", "test") if name != split and len(faces.rows(name))), None)
    aucs: Mapping[str, float | None] = {}
    if others:
        held_out = codec.means(faces, others).numpy()
        aucs = finding.auc(found, held_out, signs_of(held_out, faces.signs(others)))
    facts = {}
    for name in found.names:
        facts[name] = {**found.facts[name], "auc": aucs.get(name), **told, "auc_of": others}
    return replace(found, facts=facts)
