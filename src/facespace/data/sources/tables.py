"""The tables that face data sets come with: CelebA's and its kin, matched to files by their names."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data.sources.names import has_picture_ending, key, stem
from facespace.data.sources.reading import rows
from facespace.data.sources.values import parse_row


def names(keys: Collection[str], paths: Iterable[Path | None]) -> dict[str, str]:
    """For each key the file's name in the first of some tables that has it."""
    found: dict[str, str] = {}
    if not keys:
        return found
    for path in paths:
        for row in rows(path):
            name = key(row[0])
            if name in keys:
                found.setdefault(name, row[0])
    return found


def check_matches(files: Collection[str], table: Collection[str], path: Path | None) -> None:
    """Raises FaceSetError where a table has rows, and none of them names one of the files; both by `key`."""
    if not files or not table or not table.isdisjoint(files):  # type: ignore[attr-defined]
        return
    raise FaceSetError(
        f"{path}: none of its {len(table):,} rows names one of the {len(files):,} image files. "
        f"A row names {next(iter(table))!r}, a file {next(iter(files))!r}."
    )


def find(places: Iterable[Path], name: str, endings: Sequence[str] = (".txt", ".csv", ".tsv")) -> Path | None:
    """The first table of that name in some folders."""
    for place in places:
        for ending in endings:
            path = place / f"{name}{ending}"
            if path.is_file():
                return path
    return None


def celeba_attributes(path: Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """CelebA's attribute table, the authors' or Kaggle's: names, and key of the file -> float32 (A,)."""
    lines = rows(path)
    header = next(lines, [])
    if len(header) == 1 and header[0].isdigit():  # the authors' first line is a count
        header = next(lines, [])
        if not _names_files(header):
            header = ["", *header]
    names = tuple(header[1:])
    table = {}
    for name, *cells in lines:
        while len(cells) > len(names) and not cells[-1]:  # separators at the end of a line
            cells.pop()
        if len(cells) != len(names):
            raise FaceSetError(
                f"{path}: the row of {name} has {len(cells)} values for {len(names)} attributes. "
                "Fetch it again."
            )
        try:
            table[key(name)] = parse_row(cells)
        except ValueError as error:
            raise FaceSetError(
                f"{path}: the row of {name} holds {error}; numbers are expected. Fetch it again."
            ) from error
    return names, table


def _names_files(header: Sequence[str]) -> bool:
    """Whether the first cell of a header is the column of names rather than an attribute."""
    return header[:1] == [""] or (
        header[0].casefold() in ("image_id", "image", "file", "filename", "file_name")
    )


def column(path: Path | None) -> dict[str, str]:
    """Key of the file -> value, from a table of two columns; empty without the table."""
    found = {}
    for row in rows(path):
        if len(row) >= 2 and not any(row[2:]) and ("." in row[0] or row[0].isdigit()):  # else a header
            found[key(row[0])] = row[1]
    return found


def values(keys: Sequence[str], table: Mapping[str, np.ndarray], width: int) -> np.ndarray:
    """float32 (N, width): each key's row of the table, NaN where it has none."""
    found = np.full((len(keys), width), np.nan, np.float32)
    for place, name in enumerate(keys):
        if name in table:
            found[place] = table[name]
    return found


__all__ = [
    "celeba_attributes",
    "check_matches",
    "column",
    "find",
    "has_picture_ending",
    "key",
    "names",
    "rows",
    "stem",
    "values",
]
