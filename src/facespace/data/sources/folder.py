"""Any tree of photographs. Every file under it is listed or skipped with a reason; subfolder names become labels, and
a CSV may add attributes. Faces are taken as they stand; finding and aligning them is not done here."""

import csv
import mimetypes
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data.faces import Face, Listing
from facespace.data.sources import Source, SourceOptions, tables

MOST_LABELS = 40  # more subfolders than this are taken for people, one folder each
WORDS = {
    "yes": 1.0,
    "true": 1.0,
    "no": -1.0,
    "false": -1.0,
    "": float("nan"),
    "unknown": float("nan"),
    "nan": float("nan"),
}


def read(root: Path, options: SourceOptions) -> Listing:
    """Every file in the order of its path. Up to 40 subfolders become attributes (+1 in it, −1 in another); more become
    identities, so that no person stands in two splits."""
    columns, table = _read_table(options.table) if options.table else ((), {})
    paths, skipped = [], []
    for path, trouble in _walk(root):
        if options.table and path.exists() and path.samefile(options.table):
            continue
        (skipped.append((_id(path, root), trouble)) if trouble else paths.append(path))
    labels = [path.parent.relative_to(root).as_posix() for path in paths]
    # A folder of notes beside the pictures is no label; the skipped files in it are reported all the same.
    pictured = {label for path, label in zip(paths, labels) if _looks_like_picture(path)}
    names = sorted(pictured - {"."})
    people = len(names) > MOST_LABELS
    marks = () if people else tuple(name for name in names if name not in columns)
    values = np.full((len(paths), len(marks) + len(columns)), np.nan, np.float32)
    endless = _without_endings(table)
    used: set[str] = set()
    for row, (path, label) in enumerate(zip(paths, labels)):
        if label != ".":
            values[row, : len(marks)] = [1 if name == label else -1 for name in marks]
        key = _row_of(path, root, table, endless)
        if key is not None:
            values[row, len(marks) :] = table[key]
            used.add(key)
    faces = [
        Face(_id(p, root), p, identity=label if people and label != "." else None)
        for p, label in zip(paths, labels)
    ]
    skipped += [(key, "in the attribute table, but no image file") for key in table if key not in used]
    return Listing(faces, (*marks, *columns), values, skipped, _notes(labels, names, people, table, used))


def _walk(root: Path) -> Iterator[tuple[Path, str | None]]:
    """(path, None) for each file, (path, reason) for what cannot be followed, in a fixed order."""
    found: list[tuple[Path, str | None]] = []

    def closed(error: OSError) -> None:
        found.append((Path(error.filename), "folder cannot be opened"))

    for here, folders, files in os.walk(root, onerror=closed):
        found += [(Path(here, name), None) for name in files]
        found += [
            (Path(here, name), "a link to a folder") for name in folders if Path(here, name).is_symlink()
        ]
    yield from sorted(found, key=lambda item: item[0].as_posix())


def _looks_like_picture(path: Path) -> bool:
    return (mimetypes.guess_type(path.name)[0] or "image/unknown").startswith("image/")


def _row_of(path: Path, root: Path, table: Collection[str], endless: Mapping[str, str]) -> str | None:
    """The table's name of a file: its path, its name, its stem; or one that differs by the ending alone."""
    for key in (_id(path, root), path.name, path.stem):
        if key in table:
            return key
    return endless.get(tables.stem(_id(path, root)), endless.get(path.stem))


def _without_endings(table: Iterable[str]) -> dict[str, str]:
    """Stem -> the table's name, for pictures that no other row shares its stem with."""
    pictures = [key for key in table if tables.has_picture_ending(key)]
    often = Counter(tables.stem(key) for key in pictures)
    return {tables.stem(key): key for key in pictures if often[tables.stem(key)] == 1}


def _id(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _read_table(path: Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """A CSV whose first column names the file; the others are attributes: numbers, yes/no, or empty for unknown.

    A column of only 0 and 1 is read as no and yes, since a sign carries the answer here."""
    if not path.is_file():
        raise FaceSetError(f"--table {path} does not exist.")
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except csv.Error as error:
        raise FaceSetError(f"--table {path} is no CSV that can be read ({error}).") from error
    if len(set(header)) < len(header):
        raise FaceSetError(f"--table {path} names a column twice. Give each its own name.")
    if len(header) < 2 or not rows:
        raise FaceSetError(
            f"--table {path} needs a header, a first column of file names and at least one attribute column."
        )
    width = len(header) - 1
    cells = [[*row[1:], *[""] * width][:width] for row in rows]
    values = np.array(
        [
            [_number(c, name, row[0], path) for c, name in zip(line, header[1:])]
            for row, line in zip(rows, cells)
        ]
    )
    binary = np.isin(values, (0, 1)) | np.isnan(values)
    values = np.where(binary.all(0), 2 * values - 1, values)
    return tuple(header[1:]), {row[0]: line for row, line in zip(rows, values)}


def _number(text: str, column: str, row: str, path: Path) -> float:
    word = text.strip().lower()
    if word in WORDS:
        return WORDS[word]
    try:
        return float(word)
    except ValueError as error:
        raise FaceSetError(
            f"--table {path}: {column} of {row} is {text!r}; use a number, yes, no, or leave it empty."
        ) from error


def _notes(labels: list[str], names: list[str], people: bool, table: dict, used: set[str]) -> tuple[str, ...]:
    notes = []
    if names:
        sizes = Counter(labels)
        kind = "people" if people else "labels"
        shown = ", ".join(f"{name} ({sizes[name]})" for name in names[:6])
        notes.append(f"{len(names)} subfolders taken as {kind}: {shown}{', …' if len(names) > 6 else ''}")
    if table:
        notes.append(f"{len(used):,} of {len(labels):,} files have a row in the attribute table")
    return tuple(notes)


SOURCE = Source(
    read,
    summary="any tree of face photographs; subfolder names become labels, a CSV may add attributes",
    holds="photographs",
    terms="as the owners of the photographs allow",
    takes=("table",),
)
