"""Verbs for face data: prepare, show."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, Flag, verb
from facespace.core.console import note
from facespace.core.errors import UsageError
from facespace.core.files import partial_folder


@verb("facespace prepare SOURCE [ROOT] --to SET [OPTIONS]")
def prepare(
    source: str,
    root: Path | None = None,
    /,
    *,
    to: Path,
    size: str | None = None,
    crop: str | None = None,
    gray: Annotated[bool | None, Parameter(negative="--colour")] = None,
    limit: int | None = None,
    workers: int | None = None,
    seed: int = 0,
    attributes: str | None = None,
    table: Path | None = None,
    zeros: str = "unknown",
    background: str = "keep",
    keep: str | None = None,
    celeba: Path | None = None,
    cropped: str | None = None,
    enlarge: Flag = False,
    split: str | None = None,
    align: Flag = False,
    detector: str = "auto",
    weights: Path | None = None,
    every_face: Flag = False,
    smallest: float = 20.0,
    force: Flag = False,
) -> Done:
    """Make a set of face photographs ready for training.

    Example: facespace prepare folder my-photos --to sets/mine --size 64 --align

    Parameters
    ----------
    source
        Where the faces come from: celeba, celebamask-hq, lfw, yearbook, olivetti, folder (any tree of images) or
        synthetic (rendered; needs no ROOT).
    root
        The folder that the source lies in.
    to
        The folder to make; it appears only when it is complete. The same command goes on after an interruption.
    size
        Pixels of a face: a side, or HEIGHTxWIDTH. [default: the source's own, 64 for most]
    crop
        What part of a picture to take: fit (largest centred part), center-148, box-148, around-128, center-N.
        [default: the source's own]
    gray
        One gray channel, or three colours. [default: the source's own]
    limit
        At most this many faces, spread evenly over the source.
    workers
        Processes that read images. [default: one for each core]
    seed
        Which faces the source synthetic renders.
    attributes
        Keep only these, with commas between them. [default: all]
    table
        A CSV of attributes for the source folder (a column of file names, then one column an attribute), or the
        attribute table to use for lfw.
    zeros
        What 0 means in a 0/1 table of lfw: unknown or no.
    background
        What to do with what the masks of celebamask-hq call background: keep, blur, or a colour (black, #8899aa).
    keep
        Face parts of celebamask-hq that are not background, with commas: skin,hair,hat,… [default: all]
    celeba
        The folder of CelebA's own tables, for the identities of celebamask-hq.
    cropped
        The crop that the pictures already are, such as center-148; each is then resized whole, down to --size.
    enlarge
        With --cropped, take pictures that are smaller than --size too.
    split
        Where faces go that the source gives no split: train, validation or test. [default: by a hash]
    align
        Find the face in each photograph and lay it on CelebA's template before cropping.
    detector
        What finds faces for --align: yunet, haar, or auto.
    weights
        YuNet's weights, where they are not to be fetched.
    every_face
        All faces of a photograph instead of the largest.
    smallest
        Leave out faces with fewer pixels than this between the eyes.
    force
        Replace a prepared set that is already there.
    """
    from facespace.data.prepare import prepare as make
    from facespace.data.processing import Alignment

    start = time.monotonic()
    with going_on_later(to):
        faces = make(
            source,
            root,
            to=to,
            size=parse_size(size) if size else None,
            crop=crop,
            gray=gray,
            background=background,
            align=Alignment(detector, weights, every=every_face, smallest=smallest) if align else False,
            cropped=cropped,
            enlarge=enlarge,
            split=split,
            attributes=words(attributes),
            workers=workers,
            force=force,
            **dict(
                limit=limit, seed=seed, table=table, zeros=zeros, keep=tuple(words(keep) or ()), celeba=celeba
            ),
        )
    card, skipped = faces.card, faces.card["skipped"]
    facts = {"set": str(to), "faces": len(faces), "skipped": skipped["total"], "reasons": skipped["reasons"]}
    facts |= {
        key: card[key]
        for key in ("splits", "notes", "masked_share", "alignment", "fingerprint")
        if key in card
    }
    facts["seconds"] = round(time.monotonic() - start, 2)
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
    from facespace.image import grids

    check_still(to)
    faces = FaceSet(data)
    chosen = spread(faces, split, count)
    save_faces(
        faces.images[chosen], to, lambda sheet: grids.labelled(sheet, facts_line(faces.card).splitlines())
    )
    facts = {
        "to": str(to),
        "set": str(data),
        "shown": len(chosen),
        "faces": len(faces),
        "splits": faces.card["splits"],
    }
    return Done(facts, f"{len(chosen)} of {len(faces):,} faces in {to}")


def parse_size(text: str) -> tuple[int, int]:
    """'64' or 'HEIGHTxWIDTH' as (height, width)."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise UsageError(
            f"--size takes a side or HEIGHTxWIDTH in pixels, for example 64 or 171x186; got {text!r}."
        )
    return int(parts[0]), int(parts[-1])


@contextmanager
def going_on_later(to: Path) -> Iterator[None]:
    """Says, on Ctrl-C, that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"Stopped. The same command goes on from there (what is done lies in {partial_folder(to)}).")
        raise


def words(text: str | None) -> list[str] | None:
    """'a,b' as ['a', 'b']; None stays None."""
    return [word.strip() for word in text.split(",") if word.strip()] if text is not None else None


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
    if "masked_share" in card and card["background"] != "keep":
        lines.append(f"Background replaced ({card['background']}): {card['masked_share']:.1%} of the pixels")
    if "alignment" in card:
        how = card["alignment"]
        lines.append(
            f"Aligned by {how['detector']}: {how['photos_with_a_face']:,} of {how['photos']:,} photographs gave a face"
        )
    for part in card.get("parts", ()):
        lines.append(f"{part['faces']:,} of them from {part['set']} ({part['source']})")
    lines += [f"{note[0].upper()}{note[1:]}" for note in card["notes"]]
    lines.append(f"Terms: {card['terms']}")
    return "\n".join(lines)
