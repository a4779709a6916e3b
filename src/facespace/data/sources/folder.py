"""Any tree of photographs. Every file under it is listed, skipped with a reason, or counted where its name
says that it is no photograph; subfolder names become labels, and a CSV may add attributes. Images are taken
whole; faces are found and aligned elsewhere."""

import csv
import mimetypes
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data.faces import Face, SourceListing
from facespace.data.other_files import is_other_file
from facespace.data.sources import tables
from facespace.data.sources.source import Source, SourceOptions

SHOWN = 6  # subfolders named in the note
MOST_LABELS = 40  # more subfolders than this are taken as people, one folder each
UNKNOWN = float("nan")
WORDS = {"yes": 1.0, "true": 1.0, "no": -1.0, "false": -1.0, "": UNKNOWN, "unknown": UNKNOWN, "nan": UNKNOWN}


class AttributeTable(NamedTuple):
    """A user's CSV: the names of its columns, and name of the file -> float32 (A,)."""

    columns: tuple[str, ...] = ()
    rows: Mapping[str, np.ndarray] = MappingProxyType({})


class Subfolders(NamedTuple):
    """What the names of subfolders mean."""

    names: tuple[str, ...]  # of those that hold pictures
    identities: bool  # each is a person rather than an attribute


def read(root: Path, options: SourceOptions) -> SourceListing:
    """Every file in the order of its path. Up to 40 subfolders become attributes (+1 in it, −1 in another);
    more become identities, so that no person is in two splits."""
    table = _read_table(options.table) if options.table else AttributeTable()
    paths, skipped, others = _find_files(root, options.table)
    subfolders = _subfolders(root, paths)
    labels: list[str] = []
    if not subfolders.identities:
        labels = [name for name in subfolders.names if name not in table.columns]
    rows = _match(root, paths, table)
    faces = []
    values = np.full((len(paths), len(labels) + len(table.columns)), np.nan, np.float32)
    for path, key, row in zip(paths, rows, values):
        folder = _folder(path, root)
        identity = folder if subfolders.identities and folder != "." else None
        faces.append(Face(_id(path, root), path, identity=identity))
        row[: len(labels)] = _signs(folder, labels)
        if key is not None:
            row[len(labels) :] = table.rows[key]
    used = set(rows)
    for key in table.rows:
        if key not in used:
            skipped.append((key, "in the attribute table, but no image file"))
    notes = _notes(root, paths, subfolders, table, len(used - {None}))
    return SourceListing(faces, (*labels, *table.columns), values, skipped, notes, others)


def _signs(folder: str, labels: Sequence[str]) -> np.ndarray:
    """For each label +1 in its folder, −1 in another; NaN for a picture in no subfolder."""
    signs = np.full(len(labels), -1 if folder != "." else np.nan)
    if folder in labels:
        signs[labels.index(folder)] = 1
    return signs


def _find_files(root: Path, table: Path | None) -> tuple[list[Path], list[tuple[str, str]], int]:
    """All files below the folder but the attribute table, (id, reason) of what is skipped, and the number of
    files that are no photographs by name."""
    paths, skipped, others = [], [], 0
    for path, problem in _walk(root):
        if table and _is_same(path, table):
            continue
        if is_other_file(_id(path, root)):
            others += 1
        elif problem:
            skipped.append((_id(path, root), problem))
        else:
            paths.append(path)
    return paths, skipped, others


def _is_same(path: Path, table: Path) -> bool:
    """Whether two paths are one file. One that cannot be followed, such as a too long one, is not."""
    try:
        return path.samefile(table)
    except OSError:
        return False


def _subfolders(root: Path, paths: Sequence[Path]) -> Subfolders:
    # A folder without pictures is no label; the skipped files in it are reported nevertheless.
    found = set()
    for path in filter(_looks_like_picture, paths):
        found.add(_folder(path, root))
    names = tuple(sorted(found - {"."}))
    return Subfolders(names, identities=len(names) > MOST_LABELS)


def _walk(root: Path) -> Iterator[tuple[Path, str | None]]:
    """(path, None) for each file, (path, reason) for what cannot be followed, in a fixed order."""
    found: list[tuple[Path, str | None]] = []

    def closed(error: OSError) -> None:
        found.append((Path(error.filename), "folder cannot be opened"))

    for here, folders, files in os.walk(root, onerror=closed):
        for name in files:
            found.append((Path(here, name), None))
        for name in folders:
            if os.path.islink(Path(here, name)):  # noqa: PTH114 (which also answers for a path that is too long)
                found.append((Path(here, name), "a link to a folder"))
    yield from sorted(found, key=_path_as_text)


def _path_as_text(item: tuple[Path, str | None]) -> str:
    return item[0].as_posix()


def _looks_like_picture(path: Path) -> bool:
    return (mimetypes.guess_type(path.name)[0] or "image/unknown").startswith("image/")


def _match(root: Path, paths: Sequence[Path], table: AttributeTable) -> list[str | None]:
    """For each file its name in the table, None where there is no row."""
    by_stem = _without_endings(table.rows)
    return [_row_of(path, root, table.rows, by_stem) for path in paths]


def _row_of(path: Path, root: Path, table: Collection[str], by_stem: Mapping[str, str]) -> str | None:
    """The table's name of a file: its path, its name, its stem; or one that differs by the ending alone."""
    for key in (_id(path, root), path.name, path.stem):
        if key in table:
            return key
    return by_stem.get(tables.stem(_id(path, root)), by_stem.get(path.stem))


def _without_endings(table: Iterable[str]) -> dict[str, str]:
    """Stem -> the table's name, for pictures that no other row shares its stem with."""
    by_stem: dict[str, list[str]] = {}
    for key in filter(tables.has_picture_ending, table):
        by_stem.setdefault(tables.stem(key), []).append(key)
    return {stem: keys[0] for stem, keys in by_stem.items() if len(keys) == 1}


def _id(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _folder(path: Path, root: Path) -> str:
    """The folder of a file below the root; '.' for the root itself."""
    return path.parent.relative_to(root).as_posix()


def _read_table(path: Path) -> AttributeTable:
    """A CSV whose first column names the file; the others are attributes: numbers, yes/no, or empty for
    unknown.

    A column of only 0 and 1 is read as no and yes, since a sign carries the answer here."""
    header, rows = _read_csv(path)
    if len(set(header)) < len(header):
        raise FaceSetError(f"--table {path} names a column twice. Give each its own name.")
    if len(header) < 2 or not rows:
        raise FaceSetError(
            f"--table {path} needs a header, a first column of file names and at least one attribute column."
        )
    names = tuple(header[1:])
    values = np.full((len(rows), len(names)), UNKNOWN)
    for place, row in enumerate(rows):
        for column, (name, text) in enumerate(zip(names, row[1:])):
            values[place, column] = _number(text, name, row[0], path)
    binary = np.isin(values, (0, 1)) | np.isnan(values)
    values = np.where(binary.all(0), 2 * values - 1, values)
    return AttributeTable(names, {row[0]: line for row, line in zip(rows, values)})


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows without the empty ones."""
    if not path.is_file():
        raise FaceSetError(f"--table {path} does not exist.")
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = filter(None, csv.reader(file))
            return next(lines, []), list(lines)
    except csv.Error as error:
        raise FaceSetError(f"--table {path} is no CSV that can be read ({error}).") from error


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


def _notes(
    root: Path, paths: Sequence[Path], subfolders: Subfolders, table: AttributeTable, used: int
) -> tuple[str, ...]:
    notes = []
    names = subfolders.names
    if names:
        sizes = Counter(_folder(path, root) for path in paths)
        meaning = "people" if subfolders.identities else "labels"
        shown = [f"{name} ({sizes[name]})" for name in names[:SHOWN]]
        if len(names) > SHOWN:
            shown.append("…")
        notes.append(f"{len(names)} subfolders taken as {meaning}: {', '.join(shown)}")
    if table.rows:
        notes.append(f"{used:,} of {len(paths):,} files have a row in the attribute table")
    return tuple(notes)


SOURCE = Source(
    read,
    summary="any tree of face photographs; subfolder names become labels, a CSV may add attributes",
    holds="photographs",
    terms="as the owners of the photographs allow",
    takes=("table",),
    unaligned=True,
)
