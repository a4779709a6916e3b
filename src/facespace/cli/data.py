"""Verbs for face data: prepare, show."""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.errors import UsageError


@verb("facespace prepare SOURCE [ROOT] --to SET [OPTIONS]")
def prepare(
    source: str,
    root: Path | None = None,
    /,
    *,
    to: Path,
    size: str = "64",
    crop: str | None = None,
    gray: Annotated[bool, Parameter(negative="")] = False,
    limit: int | None = None,
    workers: int | None = None,
    seed: int = 0,
    table: Path | None = None,
    force: Annotated[bool, Parameter(negative="")] = False,
) -> Done:
    """Make a set of face photographs ready for training.

    Example: facespace prepare folder my-photos --to sets/mine --size 64

    Parameters
    ----------
    source
        Where the faces come from: celeba, folder (any tree of images) or procedural (drawn; needs no ROOT).
    root
        The folder that the source lies in.
    to
        The folder to make; it appears only when it is complete.
    size
        Pixels of a face: a side, or HEIGHTxWIDTH.
    crop
        What part of a picture to take: fit (largest centred part), center-148, box-148, around-128, center-N.
        [default: the source's own]
    gray
        One gray channel instead of colour.
    limit
        At most this many faces, spread evenly over the source.
    workers
        Processes that read images. [default: one for each core]
    seed
        Which faces the source procedural draws.
    table
        A CSV of attributes for the source folder: a column of file names, then one column an attribute.
    force
        Replace a prepared set that is already there.
    """
    from facespace.data.prepare import prepare as make

    start = time.monotonic()
    pixels = parse_size(size)
    faces = make(
        source,
        root,
        to=to,
        size=pixels,
        crop=crop,
        gray=gray,
        limit=limit,
        workers=workers,
        seed=seed,
        table=table,
        force=force,
    )
    card, skipped = faces.card, faces.card["skipped"]
    facts = {"set": str(to), "faces": len(faces), "skipped": skipped["total"], "reasons": skipped["reasons"]}
    facts |= {
        "splits": card["splits"],
        "fingerprint": card["fingerprint"],
        "seconds": round(time.monotonic() - start, 2),
    }
    return Done(facts, f"{facts_line(card)}\nLook at them: facespace show {to} --to sheet.png")


@verb("facespace show SET --to FILE")
def show(
    data: Path,
    /,
    *,
    to: Path,
    count: Annotated[int, Parameter(alias="-n")] = 64,
    split: str = "all",
) -> Done:
    """Draw a contact sheet of a prepared set, with a line of facts.

    Example: facespace show sets/celeba --to sheet.png

    Parameters
    ----------
    data
        A folder that facespace prepare made.
    to
        The picture (.png, .jpg, .webp), or .npy for the faces as an array.
    count
        How many faces, spread evenly over the set.
    split
        Only faces of train, validation or test.
    """
    from facespace.cli.pictures import check_still, save_faces
    from facespace.data.faces import FaceSet
    from facespace.image import sheets

    check_still(to)
    faces = FaceSet(data)
    chosen = spread(faces, split, count)
    save_faces(faces.images[chosen], to, lambda sheet: sheets.labelled(sheet, facts_line(faces.card).splitlines()))
    facts = {"to": str(to), "set": str(data), "shown": len(chosen), "faces": len(faces), "splits": faces.card["splits"]}
    return Done(facts, f"{len(chosen)} of {len(faces):,} faces in {to}")


def parse_size(text: str) -> tuple[int, int]:
    """'64' or 'HEIGHTxWIDTH' as (height, width)."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdigit() for part in parts):
        raise UsageError(f"--size takes a side or HEIGHTxWIDTH in pixels, for example 64 or 171x186; got {text!r}.")
    return int(parts[0]), int(parts[-1])


def spread(faces, split: str, count: int):
    """Row numbers of at most `count` faces of a split, evenly spread."""
    rows = faces.rows(split)
    if count < 1:
        raise UsageError(f"The number of faces must be at least 1; got {count}.")
    if not len(rows):
        raise UsageError(f"{faces.root} has no faces in the split {split!r}: {faces.card['splits']}.")
    count = min(count, len(rows))
    return rows[[index * len(rows) // count for index in range(count)]]


def facts_line(card: dict) -> str:
    """What a set holds and what it left out, in a few lines."""
    height, width = card["size"]
    splits = ", ".join(f"{name} {count:,}" for name, count in card["splits"].items() if count)
    colour = "gray" if card["channels"] == 1 else "colour"
    lines = [
        f"{card['faces']:,} faces from {card['source']}, {height}×{width} {colour}, crop {card['crop']} ({splits})"
    ]
    if card["skipped"]["total"]:
        reasons = ", ".join(f"{count:,} × {reason}" for reason, count in card["skipped"]["reasons"].items())
        lines.append(f"{card['skipped']['total']:,} skipped: {reasons} (each one in skipped.csv)")
    lines += [f"{note[0].upper()}{note[1:]}" for note in card["notes"]]
    lines.append(f"Terms: {card['terms']}")
    return "\n".join(lines)
