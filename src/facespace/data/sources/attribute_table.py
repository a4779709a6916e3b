"""A user's table of attributes for a folder of photographs: which column names the files, which are
attributes, and which row belongs to which file."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data.sources.matching import match, match_columns
from facespace.data.sources.reading import rows as read_rows
from facespace.data.sources.values import UNKNOWN, parse, parse_column

SHOWN = 3  # text columns whose example a note shows
LOOKED_AT = 200  # rows in which the column of file names is looked for


class AttributeTable(NamedTuple):
    """A table that was matched to files: names of its attributes, values (files, attributes) with NaN where a
    file has no row, the names of rows without a file, and notes."""

    columns: tuple[str, ...]
    values: np.ndarray
    unmatched: tuple[str, ...]
    notes: tuple[str, ...]


def read_table(path: Path | None, files: Sequence[str]) -> AttributeTable:
    """The attributes of files, whose paths are relative to their folder. Raises FaceSetError where the table
    cannot be read, and where none of its rows names a file."""
    if path is None:
        return AttributeTable((), np.empty((len(files), 0)), (), ())
    header, rows = _read(path)
    name_column = _name_column(header, rows, files)
    names = [row[name_column] for row in rows]
    found = match(files, names)
    used = [row for row in found.rows if row is not None]
    if files and not used:
        raise FaceSetError(
            f"--table {path}: none of its {len(rows):,} rows names one of the {len(files):,} files. "
            f"A row names {names[0]!r}, a file is {files[0]!r}."
        )
    columns, table, notes = _attributes(path, header, rows, name_column)
    values = np.full((len(files), len(columns)), UNKNOWN)
    for place, row in enumerate(found.rows):
        if row is not None:
            values[place] = table[row]
    missing = set(range(len(rows))) - set(used)
    notes.append(f"{len(used):,} of {len(files):,} files have a row in the attribute table")
    if found.ambiguous:
        notes.append(f"{found.ambiguous:,} rows fit several files or other rows and were left out")
    return AttributeTable(columns, values, tuple(names[row] for row in sorted(missing)), tuple(notes))


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows, each with as many cells as the header."""
    if not path.is_file():
        raise FaceSetError(f"--table {path} does not exist.")
    header, *rows = list(read_rows(path)) or [[]]
    if len(header) < 2 or not rows:
        raise FaceSetError(
            f"--table {path} needs a header, a first column of file names and at least one attribute column."
        )
    filled = [name for name in header if name]
    if len(set(filled)) < len(filled):
        raise FaceSetError(f"--table {path} names a column twice. Give each its own name.")
    for place, row in enumerate(rows):
        if len(row) > len(header) and any(row[len(header) :]):
            raise FaceSetError(
                f"--table {path}: the row of {row[0]} has {len(row)} cells, and the header {len(header)}. "
                "Put texts that hold the separator into quotes."
            )
        rows[place] = [*row, *[""] * (len(header) - len(row))][: len(header)]
    return header, rows


def _name_column(header: Sequence[str], rows: Sequence[Sequence[str]], files: Sequence[str]) -> int:
    """The column whose cells name the most files; the first of equal ones."""
    possible: dict[int, list[str]] = {}
    for column in range(len(header)):
        names = [row[column] for row in rows[:LOOKED_AT]]
        # Numbers are names only in the first column.
        if not column or any(parse(name) is None for name in names):
            possible[column] = names
    counts = [0] * len(header)
    for column, found in zip(possible, match_columns(files, list(possible.values()))):
        counts[column] = sum(row is not None for row in found.rows)
    return counts.index(max(counts))


def _attributes(
    path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], name_column: int
) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """The names of the attributes, their values (rows, attributes), and notes on columns that are none."""
    names, columns, texts = [], [], []
    for place, name in enumerate(header):
        cells = [row[place] for row in rows]
        if place == name_column or (not name and _is_count(cells)) or not any(cells):
            continue
        found = parse_column(name, cells)
        if found.values is None:
            texts.append(f"{name} (such as {found.text!r})")
        elif found.text:
            raise FaceSetError(
                f"--table {path}: {name} of {rows[found.row][name_column]} is {found.text!r}; "
                "use a number, yes, no, or leave it empty."
            )
        else:
            names.append(name)
            columns.append(found.values)
    notes = []
    if texts:
        more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
        notes.append(f"columns of text left out: {', '.join(texts[:SHOWN])}{more}")
    return tuple(names), np.column_stack(columns) if columns else np.empty((len(rows), 0)), notes


def _is_count(cells: Sequence[str]) -> bool:
    """Whether a column without a name only numbers the rows, as pandas writes it."""
    return all(cell.isdecimal() for cell in cells)
