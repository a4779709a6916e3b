"""New prepared sets from old ones: merged, split anew, balanced. Pixels are copied as they are, tables are reconciled."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from facespace.core.errors import FaceSetError, UsageError, check_seed, suggest
from facespace.core.files import build_folder, check_target
from facespace.data.faces import IMAGES, SPLITS, FaceSet, is_face_set
from facespace.data.splits import SHARES, by_hash
from facespace.data.writing import write_card, write_header, write_table

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
    """One set of the faces of several, in their order. Attributes with the same name but for case, blanks, dashes and
    apostrophes are one; where a set lacks an attribute it is unknown. Splits stay; a person named by two sets of the
    same origin (CelebA and CelebAMask-HQ) is one person.

    Raises UsageError for fewer than two sets or faces of different shapes, FaceSetError where a person would stand on
    two sides."""
    opened = [item if isinstance(item, FaceSet) else FaceSet(item) for item in sets]
    if len(opened) < 2:
        raise UsageError(f"Merging takes at least two prepared sets; got {len(opened)}.")
    shapes = {faces.image_shape for faces in opened}
    if len(shapes) > 1:
        told = ", ".join(f"{faces.root} {'×'.join(map(str, faces.image_shape))}" for faces in opened)
        raise UsageError(
            f"Only faces of one shape can be merged: {told}. Prepare them again with the same --size and --gray."
        )
    names, columns = reconcile([faces.attribute_names for faces in opened])
    values = np.full((sum(map(len, opened)), len(names)), np.nan, np.float32)
    rows: list[tuple[str, str, str | None]] = []
    for faces, places, prefix in zip(opened, columns, _prefixes(opened)):
        values[len(rows) : len(rows) + len(faces), places] = faces.attributes
        origin = faces.card.get("identities", faces.card["source"])
        people = [who and (who if ":" in who else f"{origin}:{who}") for who in faces.identities]
        rows += zip([f"{prefix}/{key}" for key in faces.ids], faces.splits, people)
    _check_sides(rows)
    crops = {faces.card["crop"] for faces in opened}
    source, told = _common_source(opened) if len(crops) == 1 else (None, None)
    template = replace(
        opened[0].template, crop=opened[0].card["crop"] if len(crops) == 1 else "fit", source=source
    )
    parts = [
        {"set": f.root.name, "source": f.card["source"], "faces": len(f), "fingerprint": f.fingerprint}
        | _carried(f)
        for f in opened
    ]
    notes = [told] if told else []
    notes += [] if len(crops) == 1 else [f"crops differ: {', '.join(sorted(crops))}"]
    facts = {
        "source": "merge",
        "attributes": list(names),
        "terms": "; ".join(dict.fromkeys(faces.card["terms"] for faces in opened)),
        "notes": notes,
        "parts": parts,
    }
    picked = [(faces, np.arange(len(faces))) for faces in opened]
    return _write(Path(to), force, picked, rows, names, values, template, facts)


def split(
    faces: FaceSet | Path | str,
    to: Path | str,
    shares: Mapping[str, float] = SHARES,
    seed: int = 0,
    force: bool = False,
) -> FaceSet:
    """The same faces with new sides, by a hash of the person, or of the pixels where nobody is named; `shares` are those
    of train, validation and test."""
    faces = faces if isinstance(faces, FaceSet) else FaceSet(faces)
    if (
        set(shares) - set(SPLITS)
        or not all(0 <= share < 1e9 for share in shares.values())
        or not shares.get("train")
    ):
        raise UsageError(
            f"Shares of train, validation and test must be at or above 0, and train above it; got {dict(shares)}."
        )
    check_seed(seed)
    keys = [
        f"person {who}" if who else f"pixels {hashlib.sha256(image.tobytes()).hexdigest()}"
        for who, image in zip(faces.identities, faces.images)
    ]
    sides = [by_hash(key, shares, seed) for key in keys]
    rows = [(key, side, who) for key, side, who in zip(faces.ids, sides, faces.identities)]
    told = f"split anew with seed {seed}: " + ", ".join(f"{name} {share:g}" for name, share in shares.items())
    return _derived(faces, np.arange(len(faces)), rows, Path(to), force, told)


def balance(
    faces: FaceSet | Path | str, on: str, to: Path | str, seed: int = 0, force: bool = False
) -> FaceSet:
    """As many faces with the attribute `on` as without it on every side, drawn at random by `seed`; faces of which it is
    not known are left out."""
    faces = faces if isinstance(faces, FaceSet) else FaceSet(faces)
    if on not in faces.attribute_names:
        raise UsageError(f"Unknown attribute {on!r}. {suggest(on, faces.attribute_names)}")
    check_seed(seed)
    sign = np.sign(faces.attributes[:, faces.attribute_names.index(on)])
    draw, kept = np.random.default_rng(seed), []
    for side in SPLITS:
        groups = [np.flatnonzero((faces.splits == side) & (sign == wanted)) for wanted in (1, -1)]
        count = min(map(len, groups))
        kept += [draw.permutation(group)[:count] for group in groups]
    chosen = np.sort(np.concatenate(kept))
    if not len(chosen):
        raise FaceSetError(
            f"{faces.root} has no side with faces both with and without {on}, so nothing is left to balance."
        )
    rows = [(faces.ids[row], faces.splits[row], faces.identities[row]) for row in chosen]
    return _derived(
        faces,
        chosen,
        rows,
        Path(to),
        force,
        f"balanced on {on}: {len(chosen):,} of {len(faces):,} faces kept",
    )


def thin(
    faces: FaceSet | Path | str, most: Mapping[str, int], to: Path | str, force: bool = False
) -> FaceSet:
    """At most so many faces of each side that `most` names, evenly spread, and all of the others: for a curve of how much a
    space learns from how many faces, or a quicker look."""
    faces = faces if isinstance(faces, FaceSet) else FaceSet(faces)
    if not most or set(most) - set(SPLITS) or min(most.values()) < 1:
        told = ", ".join(f"{side} {count}" for side, count in most.items()) or "none"
        raise UsageError(
            f"Say how many faces of train, validation or test to keep, each at least 1; got {told}."
        )
    kept = []
    for side in SPLITS:
        rows = faces.rows(side)
        count = min(len(rows), most.get(side, len(rows)))
        kept.append(rows[np.linspace(0, len(rows) - 1, count).round().astype(int)])
    chosen = np.sort(np.concatenate(kept))
    rows = [(faces.ids[row], faces.splits[row], faces.identities[row]) for row in chosen]
    return _derived(
        faces, chosen, rows, Path(to), force, f"thinned: {len(chosen):,} of {len(faces):,} faces kept"
    )


def relabel(
    faces: FaceSet,
    names: Sequence[str],
    values: np.ndarray,
    to: Path | str,
    told: str,
    facts: Mapping[str, Any],
    force: bool = False,
) -> FaceSet:
    """The same faces with other attributes: `values` float32 (N, A), NaN unknown. `told` is a note on where they come
    from, and `facts` join the card."""
    if values.shape != (len(faces), len(names)):
        raise UsageError(
            f"{len(faces)} faces and {len(names)} names do not fit values of shape {values.shape}."
        )
    rows = list(zip(faces.ids, faces.splits, faces.identities))
    card = _facts(faces, told) | {"attributes": list(names)} | dict(facts)
    picked = [(faces, np.arange(len(faces)))]
    return _write(Path(to), force, picked, rows, names, values, faces.template, card)


def reconcile(sets: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], list[list[int]]]:
    """The union of several lists of attribute names, and for each list where its columns go. The first spelling stays."""
    places: dict[str, int] = {}
    names: list[str] = []
    columns = []
    for listed in sets:
        keys = ["".join(letter for letter in name.lower() if letter.isalnum()) for name in listed]
        for key, name in zip(keys, listed):
            if key not in places:
                places[key] = len(names)
                names.append(name)
        columns.append([places[key] for key in keys])
    return tuple(names), columns


def _common_source(sets: Sequence[FaceSet]) -> tuple[tuple[int, int] | None, str | None]:
    """Height and width of the photographs that sets of one crop were cut from: those of the first set that knows them;
    and a note where another set knows others."""
    known = [faces.template.source for faces in sets if faces.template.source]
    if len(set(known)) < 2:
        return next(iter(known), None), None
    told = ", ".join(f"{height}×{width}" for height, width in dict.fromkeys(known))
    return known[0], f"photographs of different sizes: {told}; new ones are cut as those of the first"


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


def _check_sides(rows: Sequence[tuple[str, str, str | None]]) -> None:
    sides: dict[str, set[str]] = {}
    for _, side, who in rows:
        if who:
            sides.setdefault(who, set()).add(side)
    torn = [who for who, found in sides.items() if len(found) > 1]
    if torn:
        raise FaceSetError(
            f"{len(torn)} people would stand on two sides of the split ({torn[0]} …). "
            "Give the sets the same sides first, for example with: facespace split SET --to NEW"
        )


def _carried(faces: FaceSet) -> dict[str, Any]:
    return {key: faces.card[key] for key in CARRIED if key in faces.card}


def _derived(faces: FaceSet, chosen: np.ndarray, rows: list, to: Path, force: bool, told: str) -> FaceSet:
    picked, values = [(faces, chosen)], faces.attributes[chosen]
    return _write(to, force, picked, rows, faces.attribute_names, values, faces.template, _facts(faces, told))


def _facts(faces: FaceSet, told: str) -> dict[str, Any]:
    facts = _carried(faces) | {
        "source": faces.card["source"],
        "attributes": list(faces.attribute_names),
        "notes": [*faces.card["notes"], told],
    }
    return facts | {"parts": faces.card["parts"]} if "parts" in faces.card else facts


def _write(
    to: Path,
    force: bool,
    picked: Sequence[tuple[FaceSet, np.ndarray]],
    rows: Sequence[tuple[str, str, str | None]],
    names: Sequence[str],
    values: np.ndarray,
    template: Any,
    facts: dict[str, Any],
) -> FaceSet:
    if any(to.resolve() == faces.root.resolve() for faces, _ in picked):
        raise UsageError(f"--to {to} is one of the sets themselves; name a new folder.")
    check_target(to, "a prepared set", is_face_set, force)
    with build_folder(to) as folder:
        with (folder / IMAGES).open("wb") as file:
            write_header(file, len(rows), template)
            digests = []
            for faces, chosen in picked:
                for start in range(0, len(chosen), CHUNK):
                    images = faces.images[chosen[start : start + CHUNK]]
                    file.write(images.tobytes())
                    digests += [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
        write_table(folder, rows, names, values)
        write_card(folder, template, [side for _, side, _ in rows], digests, (), facts)
    return FaceSet(to)
