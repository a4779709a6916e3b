"""The tables that face data sets come with: CelebA's and its kin, matched to files by their names."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data.sources.names import has_picture_ending, key, stem
from facespace.data.sources.reading import rows
from facespace.data.sources.values import parse_row


def check_matches(files: Collection[str], table: Collection[str], path: Path | None) -> None:
    """Raises FaceSetError where a table has rows, and none of them names one of the files; both by `key`."""
    if not files or not table or not table.isdisjoint(files):  # type: ignore[attr-defined]
        return
    refuse_others(files, table, path)


def refuse_others(files: Collection[str], table: Collection[str], path: Path | None) -> None:
    """Raises FaceSetError for a table of other files."""
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


class Filled(NamedTuple):
    """What a table says of some files: values (files, …), whether each has a row (files,), and the names in
    rows of other files, by key."""

    values: np.ndarray
    there: np.ndarray
    others: dict[str, str]


def fill_attributes(path: Path | None, places: Mapping[str, int]) -> tuple[tuple[str, ...], Filled]:
    """The names of CelebA's attributes, and float32 (files, A) of files by their place, NaN where a file has
    no row. One row at a time: tables of large sets fill the memory otherwise."""
    names: tuple[str, ...] = ()
    there, others = np.zeros(len(places), bool), {}
    lines: Iterable[tuple[str, np.ndarray]] = ()
    if path is not None:
        names, lines = _attribute_rows(path)
    found = np.full((len(places), len(names)), np.nan, np.float32)
    for name, values in lines:
        place = places.get(key(name))
        if place is None:
            others[key(name)] = name
        else:
            found[place], there[place] = values, True
    return names, Filled(found, there, others)


def column_rows(path: Path | None) -> Iterator[tuple[str, str]]:
    """(name of the file, value) of a table of two columns."""
    for row in rows(path):
        if len(row) >= 2 and not any(row[2:]) and ("." in row[0] or row[0].isdigit()):  # else a header
            yield row[0], row[1]


def celeba_attributes(path: Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """CelebA's attribute table, the authors' or Kaggle's: names, and key of the file -> float32 (A,)."""
    names, lines = _attribute_rows(path)
    return names, {key(name): values for name, values in lines}


def _attribute_rows(path: Path) -> tuple[tuple[str, ...], Iterator[tuple[str, np.ndarray]]]:
    """The names of the attributes, and (name of the file, float32 (A,)) of each row."""
    lines = rows(path)
    header = next(lines, [])
    if len(header) == 1 and header[0].isdigit():  # the authors' first line is a count
        header = next(lines, [])
        if not _names_files(header):
            header = ["", *header]
    names = tuple(header[1:])
    return names, _parsed(path, names, lines)


def _parsed(path: Path, names: Sequence[str], lines: Iterator[list[str]]) -> Iterator[tuple[str, np.ndarray]]:
    for name, *cells in lines:
        while len(cells) > len(names) and not cells[-1]:  # separators at the end of a line
            cells.pop()
        if len(cells) != len(names):
            raise FaceSetError(
                f"{path}: the row of {name} has {len(cells)} values for {len(names)} attributes. "
                "Fetch it again."
            )
        try:
            values = parse_row(cells)
        except ValueError as error:
            raise FaceSetError(
                f"{path}: the row of {name} holds {error}; numbers are expected. Fetch it again."
            ) from error
        yield name, values


def _names_files(header: Sequence[str]) -> bool:
    """Whether the first cell of a header is the column of names rather than an attribute."""
    return header[:1] == [""] or (
        header[0].casefold() in ("image_id", "image", "file", "filename", "file_name")
    )


def column(path: Path | None) -> dict[str, str]:
    """Key of the file -> value, from a table of two columns; empty without the table."""
    return {key(name): value for name, value in column_rows(path)}


def values(keys: Sequence[str], table: Mapping[str, np.ndarray], width: int) -> np.ndarray:
    """float32 (N, width): each key's row of the table, NaN where it has none."""
    found = np.full((len(keys), width), np.nan, np.float32)
    for place, name in enumerate(keys):
        if name in table:
            found[place] = table[name]
    return found


__all__ = [
    "Filled",
    "celeba_attributes",
    "check_matches",
    "column",
    "column_rows",
    "fill_attributes",
    "find",
    "has_picture_ending",
    "key",
    "refuse_others",
    "rows",
    "stem",
    "values",
]
