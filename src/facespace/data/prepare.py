"""From any source to a prepared set: list the faces, process each in worker processes, write. The bytes
depend on the input and the options alone, never on the number of workers or on interruptions: a killed run
continues where it stopped."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facespace.core.aliases import rename_old_keys
from facespace.core.cards import Card
from facespace.core.errors import FaceSetError
from facespace.core.files import build_folder, check_apart, check_target
from facespace.core.locks import writing
from facespace.core.workers import Workers
from facespace.data.aligned_photos import align_mode
from facespace.data.alignment_report import report_alignment
from facespace.data.faces import FaceSet, SourceListing, is_face_set
from facespace.data.layout import look
from facespace.data.listing import Origin, listing_of, source_of
from facespace.data.masks import check_shares
from facespace.data.other_files import is_no_picture
from facespace.data.processing import Alignment, PrepareSpec
from facespace.data.requests import check_options, check_pixels, check_split
from facespace.data.resumable import LOG, Result, job_digest, write_images
from facespace.data.sources import SourceOptions, landmarks
from facespace.data.splits import assign_splits
from facespace.data.writing import write_card, write_table
from facespace.image.photos import TOO_SMALL

Size = tuple[int, int]  # height, width in pixels


def prepare(
    source: str,
    root: Path | str | None = None,
    *,
    to: Path | str,
    size: int | tuple[int, int] | None = None,
    crop: str | None = None,
    gray: bool | None = None,
    background: str = "keep",
    align: bool | str | Alignment = False,
    cropped: str | None = None,
    enlarge: bool = False,
    split: str | None = None,
    attributes: Sequence[str] | None = None,
    workers: int | Workers | None = None,
    force: bool = False,
    **options: Any,
) -> FaceSet:
    """Prepares the faces of `source` (a name in SOURCES) under `root` as the folder `to` and opens it.

    `size` is a side or (height, width) in pixels, `crop` a name in CROPS, `gray` one channel: the source's
    own where None. `background` keeps the area outside a source's masks, blurs it, or makes it one colour
    ('black', '#rrggbb'). `align` (True or "yes") finds faces and aligns them to CelebA's template first;
    "auto" does so for photographs of a folder whose faces lie at different places, where no crop is named.
    `cropped` names the crop that the pictures already are: each is resized whole, and skipped where it is
    smaller than `size`, unless `enlarge`. `split` (train, validation or test) is that of all faces without
    one in the source. `attributes` keeps only these. `workers` is a number of processes, by default one for
    each core, or a Workers, such as Workers(cluster="local:4"). An existing set is only replaced with
    `force`. Further `options` are those of SourceOptions (limit, seed, table, …).

    Raises UsageError for impossible options, FaceSetError where the source has no usable face."""
    source = rename_old_keys("faceset", {"source": source}, report=True)["source"]
    chosen, to = source_of(source, to), Path(to)
    origin = Origin(source, root, chosen)
    auto = not isinstance(align, Alignment) and align_mode(align) == "auto"
    pixels = partial(
        check_pixels, chosen, source, size, crop, gray, background, cropped=cropped, enlarge=enlarge
    )
    spec = pixels(align=False if auto else align)
    checked = check_options(chosen, source, options)
    check_split(split)
    where = _where(workers)
    with writing(to):
        check_target(to, "a prepared set", is_face_set, force)
        check_apart(to, *[Path(path) for path in (root, checked.table, checked.celeba) if path])
        listing = listing_of(origin, checked, attributes)
        if auto and chosen.unaligned and not (crop or cropped):
            listing, unaligned = _with_layout(listing)
            spec = pixels(align=unaligned)
        with build_folder(to, resumable=True) as folder:
            _make(folder, origin, listing, spec, checked, where, split)
        return FaceSet(to)


def _make(
    folder: Path,
    origin: Origin,
    listing: SourceListing,
    spec: PrepareSpec,
    options: SourceOptions,
    workers: Workers,
    split: str | None,
) -> None:
    """Reads the pictures, from where an interrupted process was, and writes the set."""
    root = origin.root and Path(origin.root).resolve()
    job = job_digest(listing, origin.name, root, options, spec)
    results = write_images(folder, job, listing, spec, workers)
    _write(folder, origin, listing, spec, results, split)
    (folder / LOG).unlink()


def _where(workers: int | Workers | None) -> Workers:
    """Where images are read, by default in one process for each core."""
    chosen = workers if isinstance(workers, Workers) else Workers(workers)
    return chosen if chosen.named else Workers(os.cpu_count() or 1)


def _with_layout(listing: SourceListing) -> tuple[SourceListing, bool]:
    """The listing with a note on where its faces lie, and whether they lie at different places."""
    given = sum(face.points is not None for face in listing.faces)
    if given:
        note = (
            f"the landmarks of {given:,} photographs were read from {landmarks.TABLE}, so faces were aligned"
        )
        return replace(listing, notes=(*listing.notes, note)), True
    layout = look(listing.faces)
    if layout.note:
        listing = replace(listing, notes=(*listing.notes, layout.note))
    return listing, layout.unaligned


def _write(
    folder: Path,
    origin: Origin,
    listing: SourceListing,
    spec: PrepareSpec,
    results: Sequence[Result],
    split: str | None,
) -> None:
    """Writes table, card and, of aligned faces, the report on their quality. Raises FaceSetError where no
    face is usable."""
    good = [result for result in results if result.face.good]
    failures, others = _failures(results)
    skipped = [*listing.skipped, *failures]
    if not good:
        raise FaceSetError(_no_faces(origin, skipped, spec))
    digests = [face.detail for face, _ in good]
    listed = [listing.faces[number] for _, number in good]
    splits, note = assign_splits(list(zip(listed, digests)), split)
    rows, values = [], np.empty((len(good), len(listing.attributes)))
    for place, (face, number) in enumerate(good):
        rows.append((face.id, splits[place], listing.faces[number].identity))
        if listing.attributes:
            values[place] = listing.values[number]
    write_table(folder, rows, listing.attributes, values)
    usual = _usual_size(good)
    facts = _facts(origin, listing, spec, good, usual)
    if note:
        facts["notes"].append(note)
    facts["notes"] += _notes_on_sizes(origin, spec, good)
    if others + listing.other_files:
        facts["other_files"] = others + listing.other_files
    if spec.alignment:
        facts["alignment"] = report_alignment(folder, spec.alignment, listing, results)
    template = replace(spec.template, source=origin.source.original if spec.cropped else usual)
    write_card(folder, template, splits, digests, skipped, facts)


def _failures(results: Sequence[Result]) -> tuple[list[tuple[str, str]], int]:
    """(id, reason) of what could not be prepared, and the number of files that were no photographs."""
    failures, others = [], 0
    for face, _ in results:
        if face.good:
            continue
        if is_no_picture(face.id, face.detail):
            others += 1
        else:
            failures.append((face.id, face.detail))
    return failures, others


def _facts(
    origin: Origin, listing: SourceListing, spec: PrepareSpec, good: Sequence[Result], usual: Size | None
) -> Card:
    """The card's entries on the source and the pixels."""
    source = origin.source
    facts: Card = {
        "source": origin.name,
        "resize": "lanczos, antialiased" if source.needs_root else "drawn at this size",
        "attributes": list(listing.attributes),
        "identities": source.people or origin.name,
        "terms": source.terms,
        "notes": list(listing.notes),
    }
    if spec.cropped:
        facts["stored_size"] = usual and list(usual)
    if source.has_masks:
        shares = [face.masked for face, _ in good if face.masked is not None]
        if shares and spec.background != "keep":
            check_shares(shares, "; --keep names the parts to keep" if "keep" in source.takes else "")
        facts["background"] = spec.background
        facts["masked_share"] = None
        if shares:
            facts["masked_share"] = round(float(np.mean(shares)), 4)
    return facts


def _most_common_size(results: Sequence[Result]) -> tuple[Size, int]:
    """The most common size of the source pictures, and how many have it."""
    return Counter(result.face.size for result in results).most_common(1)[0]


def _usual_size(results: Sequence[Result]) -> Size | None:
    """The size of nearly all source pictures: only then a crop of them can be repeated on new photographs."""
    (height, width), count = _most_common_size(results)
    return (height, width) if count >= 0.9 * len(results) else None


def _notes_on_sizes(origin: Origin, spec: PrepareSpec, results: Sequence[Result]) -> list[str]:
    """Notes on pictures that are not the source's photographs: cropped elsewhere, or of another size than
    those have."""
    (height, width), count = _most_common_size(results)
    original = origin.source.original
    found = f"{height}×{width}"
    if count < len(results):
        found = f"various sizes, mostly {found}"
    if spec.cropped:
        notes = [f"cropped elsewhere as {spec.template.crop} and stored at {found}"]
        if original is None:
            notes.append("the size of the photographs that they were cropped from is not known")
        return notes
    if original in (None, (height, width)) or spec.alignment or spec.template.crop == "fit":
        return []
    whole = "×".join(map(str, original))
    return [
        f"pictures of {found}, not {whole} as those of {origin.name}: "
        "if they were cropped before, say how (--cropped)"
    ]


def _no_faces(origin: Origin, skipped: Sequence[tuple[str, str]], spec: PrepareSpec) -> str:
    """The error sentence where no face is usable: the most common reasons, and the next step."""
    if not skipped:
        return (
            f"{origin.root} holds no images that the source {origin.name} could list. "
            "Name a folder with photographs in it."
        )
    counts = Counter(reason for _, reason in skipped)
    reasons = ", ".join(f"{count} × {reason}" for reason, count in counts.most_common(5))
    sentence = f"None of the {len(skipped)} files under {origin.root} could be used ({reasons})."
    crop = spec.template.crop
    if TOO_SMALL.format(crop) in counts:
        return f"{sentence} Where the pictures already are that crop, say so: --cropped {crop}"
    if spec.cropped:
        return (
            f"{sentence} Choose a smaller --size or add --enlarge; "
            f"pictures that were never cropped take --crop {crop}."
        )
    return f"{sentence} Name a folder with photographs."
