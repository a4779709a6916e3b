"""From any source to a prepared set: list, read or draw each face in worker processes, write images, table and card.
The bytes depend on the input and the options alone, never on the number of workers. Sources live in sources/."""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import facespace
from facespace.console import progress
from facespace.data.faces import (
    CARD,
    COLUMNS,
    FORMAT,
    IMAGES,
    SKIPPED,
    SPLITS,
    TABLE,
    Face,
    FaceSet,
    Listing,
    is_face_set,
)
from facespace.data.sources import SOURCES, Source, SourceOptions
from facespace.data.splits import assign_splits
from facespace.data.workers import map_in_order
from facespace.errors import FaceSetError, ImageError, UsageError, choose
from facespace.files import build_folder, sha256, write_json
from facespace.image.photos import Template, read_photo

CHUNK = 32  # faces a worker takes at a time

Made = tuple[np.ndarray | None, str, tuple[int, int]]  # pixels or None, digest or reason, source (height, width)


def prepare(
    source: str,
    root: Path | str | None = None,
    *,
    to: Path | str,
    size: int | tuple[int, int] = 64,
    crop: str | None = None,
    gray: bool = False,
    limit: int | None = None,
    workers: int | None = None,
    seed: int = 0,
    table: Path | str | None = None,
    force: bool = False,
) -> FaceSet:
    """Prepares the faces of `source` (a name in SOURCES) under `root` as the folder `to` and opens it.

    `size` is a side or (height, width) in pixels; `crop` a name in CROPS, the source's own where None; `limit` keeps at
    most that many faces, spread evenly over the source; `table` a CSV of attributes for the source `folder`; `seed`
    chooses the drawn faces. An existing set is only replaced with `force`.

    Raises UsageError for impossible options, FaceSetError where the source has no usable face."""
    chosen, to = choose(SOURCES, source, "source"), Path(to)
    height, width = (size, size) if isinstance(size, int) else size
    template = Template(height, width, 1 if gray else 3, crop or chosen.crop)
    if crop and not chosen.needs_root:
        raise UsageError(f"The source {source} is drawn at its final size; leave out --crop {crop}.")
    _check_target(to, force)
    for name, value in (("limit", limit), ("workers", workers)):
        if value is not None and value < 1:
            raise UsageError(f"--{name} must be at least 1; got {value}.")
    options = SourceOptions(limit=limit, seed=seed, table=Path(table) if table else None)
    listing = _thin(_list(chosen, source, root, options), limit)
    with build_folder(to) as folder:
        rows, skipped, sizes = _write_images(listing, template, folder / IMAGES, workers or os.cpu_count() or 1)
        skipped = [*listing.skipped, *skipped]
        if not rows:
            raise FaceSetError(_no_faces(source, root, skipped))
        faces, splits, note = assign_splits(rows)
        _write_table(folder / TABLE, faces, splits, listing.attributes)
        if skipped:
            _write_csv(folder / SKIPPED, [("id", "reason"), *skipped])
        notes = [*listing.notes, *([note] if note else [])]
        facts = _facts(source, chosen, template, splits, skipped, sizes, notes) | {
            "attributes": list(listing.attributes)
        }
        facts["fingerprint"] = hashlib.sha256(
            f"{sha256(folder / IMAGES)} {sha256(folder / TABLE)}".encode()
        ).hexdigest()
        write_json(folder / CARD, facts)
    return FaceSet(to)


def _check_target(to: Path, force: bool) -> None:
    if to.exists() and not to.is_dir():
        raise UsageError(f"--to {to} is a file; name a folder for the prepared set.")
    if to.is_dir() and any(to.iterdir()):
        if not is_face_set(to):
            raise UsageError(f"--to {to} holds other files; name a new folder, so that nothing of yours is replaced.")
        if not force:
            raise UsageError(
                f"--to {to} already holds a prepared set. Add --force to replace it, or name a new folder."
            )


def _list(source: Source, name: str, root: Path | str | None, options: SourceOptions) -> Listing:
    if options.table and not source.takes_table:
        raise UsageError(f"The source {name} brings its own attributes; --table is for: facespace prepare folder.")
    if source.needs_root:
        if root is None:
            raise UsageError(f"The source {name} needs the folder it lies in: facespace prepare {name} ROOT --to SET")
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
    kept = [listing.faces[index * count // limit] for index in range(limit)]
    note = f"{limit:,} of {count:,} listed faces taken, evenly spread (--limit)"
    return Listing(kept, listing.attributes, listing.skipped, (*listing.notes, note))


def make_face(template: Template, face: Face) -> Made:
    """A face's pixels uint8 (H, W, C), their digest and the source's (height, width); or None, a reason and (0, 0)."""
    try:
        if isinstance(face.image, Path):
            image = read_photo(face.image)
            pixels = template.prepare(image)
            size = (image.height, image.width)
        else:
            drawn = Image.fromarray(face.image.draw(template.height, template.width))
            pixels, size = template.prepare(drawn), (template.height, template.width)
    except ImageError as error:
        return None, str(error), (0, 0)
    return pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), size


def _make_chunk(template: Template, faces: Sequence[Face]) -> list[Made]:
    return [make_face(template, face) for face in faces]


def _write_images(
    listing: Listing, template: Template, path: Path, workers: int
) -> tuple[list[tuple[Face, str]], list[tuple[str, str]], Counter[tuple[int, int]]]:
    """Writes the images one after another, so that memory stays flat. Returns (face, digest) of each one written,
    (id, reason) of each one skipped, and how often each source size occurred."""
    rows, skipped, sizes = [], [], Counter()
    faces = listing.faces
    chunks = [faces[start : start + CHUNK] for start in range(0, len(faces), CHUNK)]
    with path.open("wb") as file, progress(len(faces), "Preparing faces", "faces") as advance:
        _write_header(file, 0, template)
        for chunk, made in zip(chunks, map_in_order(partial(_make_chunk, template), chunks, workers)):
            for face, (pixels, told, size) in zip(chunk, made):
                if pixels is None:
                    skipped.append((face.id, told))
                else:
                    file.write(pixels.tobytes())
                    rows.append((face, told))
                    sizes[size] += 1
            advance(len(chunk))
        file.seek(0)
        _write_header(file, len(rows), template)
    return rows, skipped, sizes


def _write_header(file: Any, count: int, template: Template) -> None:
    """An .npy header. numpy pads it so that its length does not depend on the count, which is known only at the end."""
    shape = (count, template.height, template.width, template.channels)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _write_table(path: Path, faces: Sequence[Face], splits: Sequence[str], attributes: Sequence[str]) -> None:
    rows: list[Sequence[str]] = [(*COLUMNS, *attributes)]
    for face, split in zip(faces, splits):
        values = [face.attributes.get(name, float("nan")) for name in attributes]
        rows.append((face.id, split, face.identity or "", *("" if v != v else f"{v:.7g}" for v in values)))
    _write_csv(path, rows)


def _write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    # File names may hold bytes that are no text; surrogateescape carries them through unchanged.
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _facts(
    name: str,
    source: Source,
    template: Template,
    splits: Sequence[str],
    skipped: Sequence[tuple[str, str]],
    sizes: Counter[tuple[int, int]],
    notes: Sequence[str],
) -> dict[str, Any]:
    usual, often = sizes.most_common(1)[0]
    reasons = Counter(reason for _, reason in skipped)
    return {
        "kind": "faceset",
        "format": FORMAT,
        "facespace": facespace.__version__,
        "source": name,
        "faces": len(splits),
        "splits": {split: splits.count(split) for split in SPLITS},
        "size": [template.height, template.width],
        "channels": template.channels,
        "crop": template.crop,
        "resize": "lanczos, antialiased" if source.needs_root else "drawn at this size",
        # A crop can be repeated on new photos only where nearly all sources had one size.
        "source_size": list(usual) if often >= 0.9 * sizes.total() else None,
        "terms": source.terms,
        "skipped": {"total": len(skipped), "reasons": dict(sorted(reasons.items()))},
        "notes": list(notes),
    }


def _no_faces(source: str, root: Path | str | None, skipped: Sequence[tuple[str, str]]) -> str:
    if not skipped:
        return f"{root} holds no images that the source {source} could list. Name a folder with photographs in it."
    reasons = ", ".join(f"{count} × {reason}" for reason, count in Counter(why for _, why in skipped).most_common(5))
    return f"None of the {len(skipped)} files under {root} could be used ({reasons}). Name a folder with photographs."
