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

from facespace.core.addresses import is_address
from facespace.core.aliases import rename_old_keys
from facespace.core.cards import Card
from facespace.core.errors import FaceSetError
from facespace.core.files import build_folder, check_apart, check_target
from facespace.core.locks import writing
from facespace.data.aligned_photos import align_mode
from facespace.data.alignment_report import report_alignment
from facespace.data.columns import Texts, Words
from facespace.data.copies import CopyRules, copy_rules
from facespace.data.faces import FaceSet, SourceListing, is_face_set
from facespace.data.image_writer import faces_per_shard
from facespace.data.layout import look
from facespace.data.listing import Origin, listing_of, source_of
from facespace.data.masks import check_shares
from facespace.data.other_files import is_no_picture
from facespace.data.processing import Alignment, PrepareSpec
from facespace.data.requests import check_options, check_pixels, check_split
from facespace.data.results import Results
from facespace.data.resumable import LOG, job_digest, write_images
from facespace.data.set_table import SPLITS, SetTable
from facespace.data.shards import Shard
from facespace.data.sources import SourceOptions, landmarks
from facespace.data.split_copies import join_copies, own_splits
from facespace.data.splits import Groups, assign_splits, copies_of
from facespace.data.stored import StoredFaces, given_points, people_of
from facespace.data.writing import write_facts
from facespace.image.photos import TOO_SMALL
from facespace.workers.where import Workers

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
    shard_size: int | str | None = None,
    copies: str | None = None,
    near_copies: str = "ignore",
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
    each core, or a Workers, such as Workers(cluster="local:4"). `shard_size` are the bytes of a file of
    images, as a number or a text such as "1GiB", or "one-file"; without it a set of at most 10 GiB is one
    file, and a larger one has shards of 1 GiB. `copies` keeps exact copies of a picture, or drops all but the
    first; None is the source's own way. `near_copies` are ignored, kept in one split, or dropped. An existing
    set is only replaced with `force`. Further `options` are those of SourceOptions (limit, seed, table, …).

    Raises UsageError for impossible options, FaceSetError where the source has no usable face."""
    source = rename_old_keys("faceset", {"source": source}, report=True)["source"]
    chosen, to = source_of(source, to), Path(to)
    origin = Origin(source, root, chosen)
    auto = not isinstance(align, Alignment) and align_mode(align) == "auto"
    pixels = partial(
        check_pixels, chosen, source, size, crop, gray, background, cropped=cropped, enlarge=enlarge
    )
    spec = pixels(align=False if auto else align)
    rules = copy_rules(copies, near_copies, chosen.drops_copies)
    checked = check_options(chosen, source, options)
    check_split(split)
    faces_per_shard(shard_size, 0, spec.template)
    where = _where(workers)
    with writing(to):
        check_target(to, "a prepared set", is_face_set, force)
        check_apart(to, *[Path(path) for path in (root, checked.table, checked.celeba) if path])
        listing = listing_of(origin, checked, attributes)
        if auto and chosen.unaligned and not (crop or cropped):
            listing, unaligned = _with_layout(listing)
            spec = pixels(align=unaligned)
        with build_folder(to, resumable=True) as folder:
            per_shard = faces_per_shard(shard_size, len(listing.faces), spec.template)
            spec = replace(spec, hashed=rules.near != "ignore")
            _make(folder, origin, listing, spec, checked, where, split, per_shard, rules)
        return FaceSet(to)


def _make(
    folder: Path,
    origin: Origin,
    listing: SourceListing,
    spec: PrepareSpec,
    options: SourceOptions,
    workers: Workers,
    split: str | None,
    per_shard: int | None,
    rules: CopyRules,
) -> None:
    """Reads the pictures, from where an interrupted process was, and writes the set."""
    root = origin.root
    if root and not is_address(root):
        root = Path(root).resolve()
    further = [option for option in (per_shard, rules if rules.looks else None) if option]
    job = job_digest(listing, origin.name, root, options, spec, *further)
    results, shards = write_images(folder, job, listing, spec, workers, per_shard, rules)
    _write(folder, origin, listing, spec, results, split, shards)
    (folder / LOG).unlink()


def _where(workers: int | Workers | None) -> Workers:
    """Where images are read, by default in one process for each core."""
    chosen = workers if isinstance(workers, Workers) else Workers(workers)
    return chosen if chosen.named else Workers(os.cpu_count() or 1)


def _with_layout(listing: SourceListing) -> tuple[SourceListing, bool]:
    """The listing with a note on where its faces lie, and whether they lie at different places."""
    given = given_points(listing.faces)
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
    results: Results,
    split: str | None,
    shards: Sequence[Shard] | None,
) -> None:
    """Writes table, card and, of aligned faces, the report on their quality. Raises FaceSetError where no
    face is usable."""
    good = np.flatnonzero(results.good)
    failures, others = _failures(listing, results)
    skipped = [*listing.skipped, *failures]
    if not len(good):
        raise FaceSetError(_no_faces(origin, skipped, spec))
    numbers, digests = results.numbers[good], results.digests[good]
    people = Texts(people_of(listing.faces, numbers))
    copies, near = join_copies(copies_of(digests), good, results)
    groups = Groups(people, copies, digests)
    splits, note = assign_splits(own_splits(listing.faces, results, good), copies, groups, split)
    del copies, groups  # the table takes as much again
    values = np.empty((len(good), 0))
    if listing.attributes:
        everything = np.array_equal(numbers, np.arange(len(listing.values)))
        values = listing.values if everything else listing.values[numbers]
    ids = Texts(map(results.id, map(int, good)))
    words = Words(SPLITS)
    for code in splits:
        words.append(SPLITS[code])
    table = SetTable(ids, words, people, tuple(listing.attributes), values)
    sizes = results.sizes()
    usual = _usual_size(sizes)
    facts = _facts(origin, listing, spec, results, usual)
    facts["notes"] += [text for text in (note, near) if text]
    facts["notes"] += _notes_on_sizes(origin, spec, sizes)
    if others + listing.other_files:
        facts["other_files"] = others + listing.other_files
    if spec.alignment:
        facts["alignment"] = report_alignment(folder, spec.alignment, listing, results)
    template = replace(spec.template, source=origin.source.original if spec.cropped else usual)
    write_facts(folder, template, table, digests, shards, skipped, facts)


def _failures(listing: SourceListing, results: Results) -> tuple[list[tuple[str, str]], int]:
    """(id, reason) of what could not be prepared, and the number of files that were no photographs."""
    failures, others = [], 0
    stored = isinstance(listing.faces, StoredFaces)  # a source that has chosen the pictures
    for place, reason in results.failures.items():
        name = results.id(place)
        if not stored and is_no_picture(name, reason):
            others += 1
        else:
            failures.append((name, reason))
    return failures, others


def _facts(
    origin: Origin, listing: SourceListing, spec: PrepareSpec, results: Results, usual: Size | None
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
        shares = results.masked_shares().tolist()
        if shares and spec.background != "keep":
            check_shares(shares, "; --keep names the parts to keep" if "keep" in source.takes else "")
        facts["background"] = spec.background
        facts["masked_share"] = None
        if shares:
            facts["masked_share"] = round(float(np.mean(shares)), 4)
    return facts


def _usual_size(sizes: Counter[Size]) -> Size | None:
    """The size of nearly all source pictures: only then a crop of them can be repeated on new photographs."""
    size, count = sizes.most_common(1)[0]
    return size if count >= 0.9 * sizes.total() else None


def _notes_on_sizes(origin: Origin, spec: PrepareSpec, sizes: Counter[Size]) -> list[str]:
    """Notes on pictures that are not the source's photographs: cropped elsewhere, or of another size than
    those have."""
    (height, width), count = sizes.most_common(1)[0]
    original = origin.source.original
    found = f"{height}×{width}"
    if count < sizes.total():
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
