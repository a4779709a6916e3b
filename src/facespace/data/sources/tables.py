"""Reading the tables that face data sets come with, one row at a time: CelebA's as lists of words would fill the memory."""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from facespace.core.errors import FaceSetError

PICTURES = ("jpg", "jpeg", "png", "webp", "avif", "tif", "tiff", "bmp", "gif", "ppm", "pgm", "jp2", "tga")


def rows(path: Path | None) -> Iterator[list[str]]:
    """The rows of a .csv, or of a table with blanks between its columns, without empty ones; none without a path."""
    if path is None:
        return
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        lines = csv.reader(file) if path.suffix == ".csv" else map(str.split, file)
        yield from filter(None, lines)


def stem(name: str) -> str:
    """A file's name without its ending."""
    return name.rpartition(".")[0] or name


def has_picture_ending(name: str) -> bool:
    """Whether a file's name has the ending of an image file."""
    return name.rpartition(".")[2].lower() in PICTURES


def names(stems: Collection[str], paths: Iterable[Path | None]) -> dict[str, str]:
    """For each stem the file's name in the first of some tables that has it."""
    found: dict[str, str] = {}
    if not stems:
        return found
    for path in paths:
        for row in rows(path):
            key = stem(row[0])
            if key in stems:
                found.setdefault(key, row[0])
    return found


def find(places: Iterable[Path], name: str, endings: Sequence[str] = (".txt", ".csv")) -> Path | None:
    """The first table of that name in some folders."""
    for place in places:
        for ending in endings:
            path = place / f"{name}{ending}"
            if path.is_file():
                return path
    return None


def celeba_attributes(path: Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """CelebA's attribute table, the authors' or Kaggle's: names, and stem of the file -> float32 (A,)."""
    lines = rows(path)
    header = next(lines, [])
    if path.suffix == ".txt" and len(header) == 1:  # the authors' first line is a count
        header = ["", *next(lines, [])]
    names = tuple(header[1:])
    table = {}
    for key, *cells in lines:
        if len(cells) != len(names):
            raise FaceSetError(
                f"{path}: the row of {key} has {len(cells)} values for {len(names)} attributes. Fetch it again."
            )
        try:
            table[stem(key)] = np.array(cells, dtype=np.float32)
        except ValueError as error:
            raise FaceSetError(
                f"{path}: the row of {key} holds {error}; numbers are expected. Fetch it again."
            ) from error
    return names, table


def column(path: Path | None) -> dict[str, str]:
    """Stem of the file -> value, from a table of two columns; empty without the table."""
    found = {}
    for row in rows(path):
        if len(row) == 2 and ("." in row[0] or row[0].isdigit()):  # else a header
            found[stem(row[0])] = row[1]
    return found


def values(keys: Sequence[str], table: Mapping[str, np.ndarray], width: int) -> np.ndarray:
    """float32 (N, width): each key's row of the table, NaN where it has none."""
    found = np.full((len(keys), width), np.nan, np.float32)
    for place, key in enumerate(keys):
        if key in table:
            found[place] = table[key]
    return found
