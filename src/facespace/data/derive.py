"""New prepared sets from old ones: merged, split anew, balanced, subsampled. Pixels are copied unchanged,
tables are reconciled."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facespace.core.cards import Card
from facespace.core.errors import FaceSetError, UsageError, check_seed, suggest
from facespace.core.files import build_folder, check_apart, check_target
from facespace.core.locks import writing
from facespace.data.faces import IMAGES, SPLITS, FaceSet, is_face_set
from facespace.data.splits import SHARES, by_hash, groups_of, unite_copies
from facespace.data.writing import write_card, write_header, write_table
from facespace.image.photos import Template

CHUNK = 1_024  # rows copied at a time
CARRIED = (
    "terms",
    "resize",
    "crop",
    "source_size",
    "stored_size",
    "background",
    "masked_share",
    "alignment",
    "identities",
    "labelled",
)


Row = tuple[str, str, str | None]  # id, split, identity


class Table(NamedTuple):
    """The content of table.csv."""

    rows: Sequence[Row]
    attributes: Sequence[str]
    values: np.ndarray  # float32 (N, A), NaN unknown


def merge(sets: Sequence[FaceSet | Path | str], to: Path | str, force: bool = False) -> FaceSet:
    """One set of the faces of several, in their order. Attributes with the same name but for case, blanks,
    dashes and apostrophes are one; where a set lacks an attribute it is unknown. Splits stay; a person named
    by two sets of the same origin (CelebA and CelebAMask-HQ) is one person.

    Raises UsageError for fewer than two sets or faces of different shapes, FaceSetError where a person would
    be in two splits."""
    opened = list(map(_open, sets))
    if len(opened) < 2:
        raise UsageError(f"Merging takes at least two prepared sets; got {len(opened)}.")
    _check_shapes(opened)
    names, columns = merge_attribute_names([faces.attribute_names for faces in opened])
    rows: list[Row] = []
    parts, terms, picked, values = [], [], [], []
    for faces, places, prefix in zip(opened, columns, _prefixes(opened)):
        rows += _prefixed(faces, prefix)
        parts.append(_part(faces))
        terms.append(faces.card["terms"])
        picked.append((faces, np.arange(len(faces))))
        known = np.full((len(faces), len(names)), np.nan, np.float32)
        known[:, places] = faces.attributes
        values.append(known)
    _check_splits(rows)
    digests = list(itertools.chain.from_iterable(_digests(faces.images) for faces in opened))
    splits, copies = unite_copies([split for _, split, _ in rows], digests)
    rows = [(key, split, person) for (key, _, person), split in zip(rows, splits)]
    template, notes = _common_template(opened)
    if copies:
        notes.append(copies)
    facts = {
        "source": "merge",
        "attributes": list(names),
        "terms": "; ".join(dict.fromkeys(terms)),
        "notes": notes,
        "parts": parts,
    }
    table = Table(rows, names, np.concatenate(values))
    return _write(Path(to), force, picked, table, template, facts, digests)


def _open(faces: FaceSet | Path | str) -> FaceSet:
    return faces if isinstance(faces, FaceSet) else FaceSet(faces)


def _digests(images: Iterable[np.ndarray]) -> list[str]:
    """The SHA-256 of the pixels of each image."""
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]


def _check_shapes(sets: Sequence[FaceSet]) -> None:
    shapes = {faces.image_shape for faces in sets}
    if len(shapes) == 1:
        return
    found = ", ".join(f"{faces.root} {'×'.join(map(str, faces.image_shape))}" for faces in sets)
    raise UsageError(
        f"Only faces of one shape can be merged: {found}. Prepare them again with the same --size and --gray."
    )


def _prefixed(faces: FaceSet, prefix: str) -> list[Row]:
    """The rows of a set with its prefix before each id, and its origin before each person's name."""
    origin = faces.card.get("identities", faces.card["source"])
    rows: list[Row] = []
    for key, split, person in zip(faces.ids, faces.splits, faces.identities):
        if person and ":" not in person:
            person = f"{origin}:{person}"
        rows.append((f"{prefix}/{key}", split, person))
    return rows


def _part(faces: FaceSet) -> Card:
    """The card's entry on one of the sets that were merged."""
    return {
        "set": faces.root.name,
        "source": faces.card["source"],
        "faces": len(faces),
        "fingerprint": faces.fingerprint,
        **_carried(faces),
    }


def _common_template(sets: Sequence[FaceSet]) -> tuple[Template, list[str]]:
    """The template of a merged set, and notes on what its parts do not have in common."""
    crops = sorted({faces.card["crop"] for faces in sets})
    template = sets[0].template
    if len(crops) > 1:
        return replace(template, crop="fit", source=None), [f"crops differ: {', '.join(crops)}"]
    source, note = _common_source(sets)
    return replace(template, source=source), [note] if note else []


def split(
    faces: FaceSet | Path | str,
    to: Path | str,
    shares: Mapping[str, float] = SHARES,
    seed: int = 0,
    force: bool = False,
) -> FaceSet:
    """The same faces with new splits, by a hash of the person, or of the pixels where nobody is named;
    `shares` are those of train, validation and test."""
    faces = _open(faces)
    possible = all(0 <= share < 1e9 for share in shares.values())
    if not possible or set(shares) - set(SPLITS) or not shares.get("train"):
        raise UsageError(
            "Shares of train, validation and test must be at or above 0, and train above it; "
            f"got {dict(shares)}."
        )
    check_seed(seed)
    rows: list[Row] = []
    digests = _digests(faces.images)
    groups = groups_of(list(faces.identities), digests)
    for key, person, group in zip(faces.ids, faces.identities, groups):
        rows.append((key, by_hash(group, shares, seed), person))
    named = ", ".join(f"{name} {share:g}" for name, share in shares.items())
    note = f"split anew with seed {seed}: {named}"
    return _derived(faces, np.arange(len(faces)), rows, Path(to), force, note, digests)


def balance(
    faces: FaceSet | Path | str, on: str, to: Path | str, seed: int = 0, force: bool = False
) -> FaceSet:
    """As many faces with the attribute `on` as without it in every split, drawn at random by `seed`; faces
    for which it is unknown are left out."""
    faces = _open(faces)
    if on not in faces.attribute_names:
        raise UsageError(f"Unknown attribute {on!r}. {suggest(on, faces.attribute_names)}")
    check_seed(seed)
    sign = np.sign(faces.attributes[:, faces.attribute_names.index(on)])
    random, kept = np.random.default_rng(seed), []
    for split in SPLITS:
        inside = faces.splits == split
        having, lacking = np.flatnonzero(inside & (sign == 1)), np.flatnonzero(inside & (sign == -1))
        count = min(len(having), len(lacking))
        kept += [random.permutation(having)[:count], random.permutation(lacking)[:count]]
    chosen = np.sort(np.concatenate(kept))
    if not len(chosen):
        raise FaceSetError(
            f"{faces.root} has no split with faces both with and without {on}, so nothing is left to balance."
        )
    note = f"balanced on {on}: {len(chosen):,} of {len(faces):,} faces kept"
    return _derived(faces, chosen, _rows(faces, chosen), Path(to), force, note)


def subsample(
    faces: FaceSet | Path | str, limits: Mapping[str, int], to: Path | str, force: bool = False
) -> FaceSet:
    """At most so many faces of each split that `most` names, evenly spaced, and all of the others: for a
    learning curve, or a quicker run."""
    faces = _open(faces)
    if not limits or set(limits) - set(SPLITS) or min(limits.values()) < 1:
        given = ", ".join(f"{split} {count}" for split, count in limits.items()) or "none"
        raise UsageError(
            f"Say how many faces of train, validation or test to keep, each at least 1; got {given}."
        )
    kept = []
    for split in SPLITS:
        rows = faces.rows(split)
        count = min(len(rows), limits.get(split, len(rows)))
        kept.append(rows[np.linspace(0, len(rows) - 1, count).round().astype(int)])
    chosen = np.sort(np.concatenate(kept))
    note = f"thinned: {len(chosen):,} of {len(faces):,} faces kept"
    return _derived(faces, chosen, _rows(faces, chosen), Path(to), force, note)


def relabel(
    faces: FaceSet,
    names: Sequence[str],
    values: np.ndarray,
    to: Path | str,
    note: str,
    facts: Mapping[str, object],
    force: bool = False,
) -> FaceSet:
    """The same faces with other attributes: `values` float32 (N, A), NaN unknown. `told` is a note on where
    they come from, and `facts` join the card."""
    if values.shape != (len(faces), len(names)):
        raise UsageError(
            f"{len(faces)} faces and {len(names)} names do not fit values of shape {values.shape}."
        )
    everything = np.arange(len(faces))
    card = {**_facts(faces, note), "attributes": list(names), **facts}
    table = Table(_rows(faces, everything), names, values)
    return _write(Path(to), force, [(faces, everything)], table, faces.template, card)


def merge_attribute_names(sets: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], list[list[int]]]:
    """The union of several lists of attribute names, and for each list where its columns go. The first
    spelling stays."""
    places: dict[str, int] = {}
    names: list[str] = []
    columns = []
    for listed in sets:
        chosen = []
        for name in listed:
            key = "".join(filter(str.isalnum, name.lower()))
            if key not in places:
                places[key] = len(names)
                names.append(name)
            chosen.append(places[key])
        columns.append(chosen)
    return tuple(names), columns


def _common_source(sets: Sequence[FaceSet]) -> tuple[tuple[int, int] | None, str | None]:
    """Height and width of the photographs that sets of one crop were cut from: those of the first set whose
    card has them; and a note where another card has others."""
    known: list[tuple[int, int]] = []
    for faces in sets:
        source = faces.template.source
        if source and source not in known:
            known.append(source)
    if not known:
        return None, None
    if len(known) == 1:
        return known[0], None
    sizes = ", ".join(f"{height}×{width}" for height, width in known)
    return known[0], f"photographs of different sizes: {sizes}; new ones are cut as those of the first"


def _prefixes(sets: Sequence[FaceSet]) -> list[str]:
    """A name for each set that no other has: its folder's, numbered where that is taken."""
    names: list[str] = []
    for faces in sets:
        name, number = faces.root.name, 1
        while name in names:
            number += 1
            name = f"{faces.root.name}-{number}"
        names.append(name)
    return names


def _check_splits(rows: Sequence[Row]) -> None:
    """Raises FaceSetError where faces of one person are in several splits."""
    splits: dict[str, str] = {}
    divided: dict[str, None] = {}  # in the order of rows
    for _, split, person in rows:
        if person and splits.setdefault(person, split) != split:
            divided[person] = None
    if divided:
        first = next(person for person in splits if person in divided)
        raise FaceSetError(
            f"{len(divided)} people would be in two splits ({first} …). "
            "Give the sets the same splits first, for example with: facespace split SET --to NEW"
        )


def _rows(faces: FaceSet, chosen: np.ndarray) -> list[Row]:
    return list(zip(faces.ids[chosen], faces.splits[chosen], faces.identities[chosen]))


def _carried(faces: FaceSet) -> Card:
    """The entries of a set's card that hold for the derived set too."""
    return {key: faces.card[key] for key in CARRIED if key in faces.card}


def _derived(
    faces: FaceSet,
    chosen: np.ndarray,
    rows: Sequence[Row],
    to: Path,
    force: bool,
    note: str,
    digests: Sequence[str] = (),
) -> FaceSet:
    table = Table(rows, faces.attribute_names, faces.attributes[chosen])
    return _write(to, force, [(faces, chosen)], table, faces.template, _facts(faces, note), digests)


def _facts(faces: FaceSet, note: str) -> Card:
    """The card of a set derived from one set."""
    facts = {
        **_carried(faces),
        "source": faces.card["source"],
        "attributes": list(faces.attribute_names),
        "notes": [*faces.card["notes"], note],
    }
    if "parts" in faces.card:
        facts["parts"] = faces.card["parts"]
    return facts


def _write(
    to: Path,
    force: bool,
    picked: Sequence[tuple[FaceSet, np.ndarray]],
    table: Table,
    template: Template,
    facts: Card,
    digests: Sequence[str] = (),
) -> FaceSet:
    """Copies the picked rows of some sets into a new one. `digests` are those of the rows, where they are
    known."""
    check_apart(to, *[faces.root for faces, _ in picked])
    found = list(digests)
    with writing(to):
        check_target(to, "a prepared set", is_face_set, force)
        with build_folder(to) as folder:
            with (folder / IMAGES).open("wb") as file:
                write_header(file, len(table.rows), template)
                for images in _chunks(picked):
                    file.write(images.tobytes())
                    if not digests:
                        found += _digests(images)
            write_table(folder, table.rows, table.attributes, table.values)
            write_card(folder, template, [split for _, split, _ in table.rows], found, (), facts)
    return FaceSet(to)


def _chunks(picked: Sequence[tuple[FaceSet, np.ndarray]]) -> Iterator[np.ndarray]:
    """The images of the picked rows, uint8 (CHUNK, H, W, C) at a time."""
    for faces, chosen in picked:
        for start in range(0, len(chosen), CHUNK):
            yield faces.images[chosen[start : start + CHUNK]]
