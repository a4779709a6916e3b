"""New prepared sets from old ones: merged, split anew, balanced, subsampled. Pixels are copied unchanged,
tables are reconciled."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from facespace.core.cards import Card
from facespace.core.errors import FaceSetError, UsageError, check_seed, suggest
from facespace.core.files import build_folder, check_apart, check_target
from facespace.core.locks import writing
from facespace.data.faces import FaceSet, is_face_set
from facespace.data.image_writer import ImageWriter, faces_per_shard
from facespace.data.results import DIGEST
from facespace.data.set_table import SPLITS, SetTable, make_table
from facespace.data.splits import SHARES, Groups, by_hash, copies_of, split_codes, unite_copies
from facespace.data.writing import write_facts
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
    parts, terms, picked = [], [], []
    values = np.full((sum(map(len, opened)), len(names)), np.nan, np.float32)
    start = 0
    for faces, places in zip(opened, columns):
        parts.append(_part(faces))
        terms.append(faces.card["terms"])
        picked.append((faces, np.arange(len(faces))))
        values[start : start + len(faces), places] = faces.attributes
        start += len(faces)
    people = [person for faces in opened for person in _people(faces)]
    own = np.concatenate([split_codes(faces.table.splits) for faces in opened])
    _check_splits(own, people)
    digests = np.concatenate([_digests(faces.images) for faces in opened])
    splits, copies = unite_copies(own, copies_of(digests))
    ids = (f"{prefix}/{key}" for faces, prefix in zip(opened, _prefixes(opened)) for key in faces.table.ids)
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
    table = make_table(ids, _names(splits), people, names, values)
    return _write(Path(to), force, picked, table, template, facts, digests)


def _open(faces: FaceSet | Path | str) -> FaceSet:
    return faces if isinstance(faces, FaceSet) else FaceSet(faces)


def _digests(images: Iterable[np.ndarray]) -> np.ndarray:
    """The SHA-256 of the pixels of each image, uint8 (N, 32)."""
    found = b"".join(hashlib.sha256(image.tobytes()).digest() for image in images)
    return np.frombuffer(found, np.uint8).reshape(-1, DIGEST)


def _names(splits: np.ndarray) -> Iterator[str]:
    """The names of codes of splits."""
    return map(SPLITS.__getitem__, splits.tolist())


def _check_shapes(sets: Sequence[FaceSet]) -> None:
    shapes = {faces.image_shape for faces in sets}
    if len(shapes) == 1:
        return
    found = ", ".join(f"{faces.place} {'×'.join(map(str, faces.image_shape))}" for faces in sets)
    raise UsageError(
        f"Only faces of one shape can be merged: {found}. Prepare them again with the same --size and --gray."
    )


def _people(faces: FaceSet) -> Iterator[str]:
    """The people of a set, the set's origin before each name."""
    origin = faces.card.get("identities", faces.card["source"])
    for person in faces.table.identities:
        if person and ":" not in person:
            person = f"{origin}:{person}"
        yield person


def _part(faces: FaceSet) -> Card:
    """The card's entry on one of the sets that were merged."""
    return {
        "set": faces.name,
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
    digests = _digests(faces.images)
    groups = Groups(faces.table.identities, copies_of(digests), digests)
    by_group = np.full(len(groups), -1, np.int8)
    for group in np.unique(groups.of).tolist():
        by_group[group] = SPLITS.index(by_hash(groups.key(group), shares, seed))
    everything = np.arange(len(faces))
    splits = _names(by_group[groups.of])
    named = ", ".join(f"{name} {share:g}" for name, share in shares.items())
    note = f"split anew with seed {seed}: {named}"
    return _derived(faces, everything, Path(to), force, note, splits, digests)


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
        inside = np.zeros(len(faces), bool)
        inside[faces.rows(split)] = True
        having, lacking = np.flatnonzero(inside & (sign == 1)), np.flatnonzero(inside & (sign == -1))
        count = min(len(having), len(lacking))
        kept += [random.permutation(having)[:count], random.permutation(lacking)[:count]]
    chosen = np.sort(np.concatenate(kept))
    if not len(chosen):
        raise FaceSetError(
            f"{faces.place} has no split with faces both with and without {on}, so nothing is left to "
            "balance."
        )
    note = f"balanced on {on}: {len(chosen):,} of {len(faces):,} faces kept"
    return _derived(faces, chosen, Path(to), force, note)


def subsample(
    faces: FaceSet | Path | str, limits: Mapping[str, int], to: Path | str, force: bool = False
) -> FaceSet:
    """At most so many faces of each split that `limits` names, evenly spaced, and all of the others: for a
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
    return _derived(faces, chosen, Path(to), force, note)


def relabel(
    faces: FaceSet,
    names: Sequence[str],
    values: np.ndarray,
    to: Path | str,
    note: str,
    facts: Mapping[str, object],
    force: bool = False,
) -> FaceSet:
    """The same faces with other attributes: `values` float32 (N, A), NaN unknown. `note` says where
    they come from, and `facts` join the card."""
    if values.shape != (len(faces), len(names)):
        raise UsageError(
            f"{len(faces)} faces and {len(names)} names do not fit values of shape {values.shape}."
        )
    everything = np.arange(len(faces))
    card = {**_facts(faces, note), "attributes": list(names), **facts}
    table = _picked_table(faces, everything, names, values)
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
        name, number = faces.name, 1
        while name in names:
            number += 1
            name = f"{faces.name}-{number}"
        names.append(name)
    return names


def _check_splits(splits: np.ndarray, people: Sequence[str]) -> None:
    """Raises FaceSetError where faces of one person are in several splits."""
    first: dict[str, int] = {}
    divided: dict[str, None] = {}
    for person, split in zip(people, splits.tolist()):
        if person and first.setdefault(person, split) != split:
            divided[person] = None
    if divided:
        name = next(person for person in first if person in divided)
        raise FaceSetError(
            f"{len(divided)} people would be in two splits ({name} …). "
            "Give the sets the same splits first, for example with: facespace split SET --to NEW"
        )


def _picked_table(
    faces: FaceSet,
    chosen: np.ndarray,
    names: Sequence[str],
    values: np.ndarray,
    splits: Iterable[str] | None = None,
) -> SetTable:
    """The rows of a set with other attributes, and other splits where they are given."""
    table, places = faces.table, chosen.tolist()
    if splits is None:
        splits = map(table.splits.__getitem__, places)
    people = map(table.identities.__getitem__, places)
    return make_table(map(table.ids.__getitem__, places), splits, people, names, values)


def _carried(faces: FaceSet) -> Card:
    """The entries of a set's card that hold for the derived set too."""
    return {key: faces.card[key] for key in CARRIED if key in faces.card}


def _derived(
    faces: FaceSet,
    chosen: np.ndarray,
    to: Path,
    force: bool,
    note: str,
    splits: Iterable[str] | None = None,
    digests: np.ndarray | None = None,
) -> FaceSet:
    table = _picked_table(faces, chosen, faces.attribute_names, faces.attributes[chosen], splits)
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
    table: SetTable,
    template: Template,
    facts: Card,
    digests: np.ndarray | None = None,
) -> FaceSet:
    """Copies the picked rows of some sets into a new one, in shards where one of them is or where they are
    large. `digests` are those of the rows, where they are known."""
    check_apart(to, *[faces.root for faces, _ in picked])
    found = [] if digests is None else [digests]
    with writing(to):
        check_target(to, "a prepared set", is_face_set, force)
        with build_folder(to) as folder:
            writer = ImageWriter(folder, template, _per_shard(picked, table, template))
            with contextlib.closing(writer):
                for images in _chunks(picked):
                    writer.write(images.tobytes())
                    if digests is None:
                        found.append(_digests(images))
                shards = writer.finish()
            write_facts(folder, template, table, np.concatenate(found), shards, (), facts)
    return FaceSet(to)


def _per_shard(
    picked: Sequence[tuple[FaceSet, np.ndarray]], table: SetTable, template: Template
) -> int | None:
    """The faces of a shard of a new set: as many as the largest shard of the sets that it is made of."""
    counts = [shard["faces"] for faces, _ in picked for shard in faces.card.get("shards", ())]
    return max(counts) if counts else faces_per_shard(None, len(table), template)


def _chunks(picked: Sequence[tuple[FaceSet, np.ndarray]]) -> Iterator[np.ndarray]:
    """The images of the picked rows, uint8 (CHUNK, H, W, C) at a time."""
    for faces, chosen in picked:
        for start in range(0, len(chosen), CHUNK):
            yield faces.images[chosen[start : start + CHUNK]]
