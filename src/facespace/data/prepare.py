"""From any source to a prepared set: list, make each face in worker processes, write. The bytes depend on the input and
the options alone, never on the number of workers or on interruptions: a killed run goes on where it stopped."""

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facespace.core.console import note, progress
from facespace.core.errors import FaceSetError, UsageError, choose, suggest
from facespace.core.files import build_folder, check_target
from facespace.data.faces import IMAGES, FaceSet, Listing, is_face_set
from facespace.data.processing import Alignment, Made, Making, make_chunk
from facespace.data.requests import check_options, check_pixels, check_split
from facespace.data.sources import SOURCES, Source, SourceOptions
from facespace.data.splits import assign_splits
from facespace.data.workers import map_in_order
from facespace.data.writing import write_card, write_csv, write_header, write_table
from facespace.image import grids
from facespace.image.photos import TOO_SMALL, read_photo

CHUNK = 64  # faces a worker takes at a time
LOG = "made.jsonl"  # in an unfinished folder: what was made, a line a chunk
QUALITY, REJECTS = "quality.csv", "rejects.png"
MOST_REJECTS = 48  # on the sheet


def prepare(
    source: str,
    root: Path | str | None = None,
    *,
    to: Path | str,
    size: int | tuple[int, int] | None = None,
    crop: str | None = None,
    gray: bool | None = None,
    background: str = "keep",
    align: bool | Alignment = False,
    cropped: str | None = None,
    enlarge: bool = False,
    split: str | None = None,
    attributes: Sequence[str] | None = None,
    workers: int | None = None,
    force: bool = False,
    **options: Any,
) -> FaceSet:
    """Prepares the faces of `source` (a name in SOURCES) under `root` as the folder `to` and opens it.

    `size` is a side or (height, width) in pixels, `crop` a name in CROPS, `gray` one channel: the source's own where
    None. `background` keeps what a source's masks call background, blurs it, or makes it one colour ('black',
    '#rrggbb'). `align` finds faces and lays them on CelebA's template first. `cropped` names the crop that the pictures
    already are: each is resized whole, and left out where it is smaller than `size`, unless `enlarge`. `split` (train,
    validation or test) takes all faces that the source gives none. `attributes` keeps only these. An existing set is only
    replaced with `force`. Further `options` are those of SourceOptions (limit, seed, table, …).

    Raises UsageError for impossible options, FaceSetError where the source has no usable face."""
    if source not in SOURCES and Path(source).is_dir():
        raise UsageError(
            f"{source} is a folder, not a source. For photographs of your own: facespace prepare folder {source} --to {to}"
        )
    chosen, to = choose(SOURCES, source, "source"), Path(to)
    making = check_pixels(chosen, source, size, crop, gray, background, align, cropped, enlarge)
    asked = check_options(chosen, source, options)
    check_split(split)
    if workers is not None and workers < 1:
        raise UsageError(f"--workers must be at least 1; got {workers}.")
    check_target(to, "a prepared set", is_face_set, force)
    if background != "keep" and not chosen.has_masks:
        raise UsageError(f"The source {source} has no masks, so --background cannot be replaced.")
    listing = _select(_thin(_list(chosen, source, root, asked), asked.limit), attributes)
    with build_folder(to, resumable=True) as folder:
        job = _job(source, root, asked, making, listing)
        made = _make_all(job, listing, making, folder, workers or os.cpu_count() or 1)
        if not any(item.good for item, _ in made):
            skipped = [*listing.skipped, *((item.id, item.told) for item, _ in made)]
            raise FaceSetError(_no_faces(source, root, skipped, making))
        _write(folder, source, chosen, listing, making, made, split)
        (folder / LOG).unlink()
    return FaceSet(to)


def _list(source: Source, name: str, root: Path | str | None, options: SourceOptions) -> Listing:
    if source.needs_root:
        if root is None:
            raise UsageError(
                f"The source {name} needs the folder it lies in: facespace prepare {name} ROOT --to SET"
            )
        if not Path(root).is_dir():
            raise FaceSetError(f"{root} is not a folder. Name the folder that holds {source.holds}.")
        return source.read(Path(root), options)
    if root is not None:
        raise UsageError(f"The source {name} is drawn and needs no folder; leave out {root}.")
    return source.read(Path(), options)


def _thin(listing: Listing, limit: int | None) -> Listing:
    """At most `limit` faces, evenly spread, so that every split and label stays represented."""
    count = len(listing.faces)
    if limit is None or count <= limit:
        return listing
    kept = [index * count // limit for index in range(limit)]
    told = f"{limit:,} of {count:,} listed faces taken, evenly spread (--limit)"
    faces = [listing.faces[index] for index in kept]
    return replace(listing, faces=faces, values=listing.values[kept], notes=(*listing.notes, told))


def _select(listing: Listing, attributes: Sequence[str] | None) -> Listing:
    """Only the named attributes, in the order named."""
    if attributes is None:
        return listing
    attributes = list(dict.fromkeys(attributes))
    for name in attributes:
        if name not in listing.attributes:
            raise UsageError(f"Unknown attribute {name!r}. {suggest(name, listing.attributes)}")
    columns = [listing.attributes.index(name) for name in attributes]
    return replace(listing, attributes=tuple(attributes), values=listing.values[:, columns])


def _make_all(
    job: str, listing: Listing, making: Making, folder: Path, workers: int
) -> list[tuple[Made, int]]:
    """Writes the images one after another, so that memory stays flat, and returns what was made and the number of the
    listed face that it came from."""
    faces, log = listing.faces, folder / LOG
    chunks = [faces[start : start + CHUNK] for start in range(0, len(faces), CHUNK)]
    made = list(_take_up(log, job))
    done = len({number // CHUNK for _, number in made})
    count = sum(item.good for item, _ in made)
    with (
        (folder / IMAGES).open("r+b" if done else "wb") as file,
        log.open("a" if done else "w", encoding="utf-8", errors="surrogateescape") as lines,
        progress(len(faces), "Preparing faces", "faces") as advance,
    ):
        write_header(file, 0, making.template)
        file.seek(count * int(np.prod(making.template.shape)), os.SEEK_CUR)
        file.truncate()
        if not done:
            lines.write(json.dumps(job) + "\n")
        else:
            note(
                f"Going on after {min(done * CHUNK, len(faces)):,} of {len(faces):,} faces that an interrupted run had done."
            )
            advance(min(done * CHUNK, len(faces)))
        # An interruption leaves images and log as they are, for the same command to take up.
        work = map_in_order(partial(make_chunk, making), chunks[done:], workers)
        for number, (results, pixels) in enumerate(work, start=done):
            new = [(item, number * CHUNK + place) for place, items in enumerate(results) for item in items]
            made += new
            file.write(pixels)
            file.flush()
            lines.write(json.dumps([[place, *item] for item, place in new]) + "\n")
            lines.flush()
            advance(len(chunks[number]))
        write_header(file, sum(item.good for item, _ in made), making.template)
    return made


def _job(source: str, root: Path | str | None, asked: SourceOptions, making: Making, listing: Listing) -> str:
    """Tells one job from another: an interrupted one is only taken up where every file is still what it was."""
    digest = hashlib.sha256(
        repr((source, root and Path(root).resolve(), asked, making)).encode("utf-8", "surrogateescape")
    )
    digest.update(listing.values.tobytes())
    for face in listing.faces:
        image: Any = face.image
        if isinstance(image, Path):
            with contextlib.suppress(OSError):  # a file that is not there gets its reason later
                facts = image.stat()
                image = str(image), facts.st_size, facts.st_mtime_ns
        elif isinstance(image, np.ndarray):
            image = hashlib.sha256(image.tobytes()).hexdigest()
        digest.update(
            repr((face.id, image, face.identity, face.split, face.mask)).encode("utf-8", "surrogateescape")
        )
    return digest.hexdigest()


def _take_up(log: Path, job: str) -> Iterator[tuple[Made, int]]:
    """What an interrupted run of the very same job had made, whole chunks only; a line that a kill left unfinished is cut
    off the log."""
    if not log.is_file():
        return
    content = log.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    log.write_bytes(whole)
    first, *lines = whole.decode("utf-8", "surrogateescape").split("\n")
    if first != json.dumps(job):
        return
    for line in lines[:-1]:
        for place, key, good, told, size, masked, quality in json.loads(line):
            yield Made(key, good, told, tuple(size), masked, quality), place


def _write(
    folder: Path,
    source: str,
    chosen: Source,
    listing: Listing,
    making: Making,
    made: Sequence[tuple[Made, int]],
    split: str | None,
) -> None:
    """Table, card and what goes with them."""
    good = [(item, listing.faces[number], number) for item, number in made if item.good]
    bad = [(item.id, item.told) for item, _ in made if not item.good]
    splits, told = assign_splits([(face, item.told) for item, face, _ in good], split)
    values = (
        listing.values[[number for _, _, number in good]] if listing.attributes else np.empty((len(good), 0))
    )
    rows = ((item.id, split, face.identity) for (item, face, _), split in zip(good, splits))
    write_table(folder, rows, listing.attributes, values)
    sizes = [item.size for item, _, _ in good]
    usual = _usual_size(sizes)
    template = replace(making.template, source=chosen.original if making.cropped else usual)
    facts: dict[str, Any] = {
        "source": source,
        "resize": "lanczos, antialiased" if chosen.needs_root else "drawn at this size",
        "attributes": list(listing.attributes),
        "identities": chosen.people or source,
        "terms": chosen.terms,
        "notes": [*listing.notes, *([told] if told else []), *_told_of_sizes(source, chosen, making, sizes)],
    }
    if making.cropped:
        facts["stored_size"] = list(usual) if usual else None
    if chosen.has_masks:
        shares = [item.masked for item, _, _ in good if item.masked is not None]
        facts["background"] = making.background
        facts["masked_share"] = round(float(np.mean(shares)), 4) if shares else None
    if making.alignment:
        facts["alignment"] = _report_alignment(folder, making.alignment, listing, made)
    write_card(folder, template, splits, (item.told for item, _, _ in good), [*listing.skipped, *bad], facts)


def _usual_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The sources' size: a crop can be repeated on new photos only where nearly all of them had the same."""
    usual, often = Counter(sizes).most_common(1)[0]
    return (usual[0], usual[1]) if often >= 0.9 * len(sizes) else None


def _told_of_sizes(
    source: str, chosen: Source, making: Making, sizes: Sequence[tuple[int, int]]
) -> list[str]:
    """Notes on pictures that are not the source's photographs: cropped elsewhere, or of another size than those have."""
    (height, width), often = Counter(sizes).most_common(1)[0]
    found = f"{height}×{width}" if often == len(sizes) else f"various sizes, mostly {height}×{width}"
    if making.cropped:
        notes = [f"cropped elsewhere as {making.template.crop} and stored at {found}"]
        if chosen.original is None:
            notes.append("the size of the photographs that they were cropped from is not known")
        return notes
    if chosen.original in (None, (height, width)) or making.alignment or making.template.crop == "fit":
        return []
    whole = "×".join(map(str, chosen.original))
    return [
        f"pictures of {found}, not {whole} as those of {source}: if they were cropped before, say how (--cropped)"
    ]


def _report_alignment(
    folder: Path, alignment: Alignment, listing: Listing, made: Sequence[tuple[Made, int]]
) -> dict[str, Any]:
    """quality.csv with a row a face, rejects.png with the photographs that gave none, and a summary for the card."""
    measured = [(item.id, item.quality) for item, _ in made if item.quality]
    names = list(measured[0][1])
    write_csv(
        folder / QUALITY,
        ("id", *names),
        [(key, *(f"{quality[n]:.5g}" for n in names)) for key, quality in measured],
    )
    rejects = [
        (listing.faces[number].image, item) for item, number in made if not item.good and any(item.size)
    ]
    shown = [(path, item) for path, item in rejects[:MOST_REJECTS] if isinstance(path, Path)]
    if shown:
        tiles = [grids.tile(read_photo(path), 96) for path, _ in shown]
        captions = [f"{number}. {item.id}: {item.told}" for number, (_, item) in enumerate(shown, start=1)]
        grids.save_still(grids.labelled(grids.grid(np.stack(tiles), 8), captions), folder / REJECTS)
    median = {name: round(float(np.median([quality[name] for _, quality in measured])), 4) for name in names}
    photos = len({number for item, number in made if any(item.size)})
    how = {key: value for key, value in asdict(alignment).items() if key != "weights"}
    return how | {"photos": photos, "photos_with_a_face": photos - len(rejects), "median": median}


def _no_faces(
    source: str, root: Path | str | None, skipped: Sequence[tuple[str, str]], making: Making
) -> str:
    if not skipped:
        return f"{root} holds no images that the source {source} could list. Name a folder with photographs in it."
    reasons = ", ".join(
        f"{count} × {reason}" for reason, count in Counter(why for _, why in skipped).most_common(5)
    )
    told = f"None of the {len(skipped)} files under {root} could be used ({reasons})."
    crop = making.template.crop
    if any(why == TOO_SMALL.format(crop) for _, why in skipped):
        return f"{told} Where the pictures already are that crop, say so: --cropped {crop}"
    if making.cropped:
        return f"{told} Choose a smaller --size or add --enlarge; pictures that were never cropped take --crop {crop}."
    return f"{told} Name a folder with photographs."
