"""Landmarks that somebody gave by hand: a table points.csv beside photographs holds five points of the face
in each, for faces that no detector finds, such as those of drawings, busts and animals. Its columns are those
of CelebA's `list_landmarks_celeba`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data.sources.matching import match
from facespace.data.sources.reading import rows
from facespace.data.sources.values import parse

TABLE = "points.csv"
POINTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")  # left and right as one sees them
COLUMNS = [f"{point}_{axis}" for point in POINTS for axis in "xy"]


class PointsBeside:
    """The points (5, 2) of photographs in whose folder a table points.csv names them, in pixels of the
    upright photograph, NaN where a cell is empty. Each table is read once."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, np.ndarray]] = {}

    def __call__(self, path: Path) -> np.ndarray | None:
        """The points of a photograph; None where no table has them. Raises FaceSetError as read_landmarks
        does."""
        folder = path.parent
        if folder not in self._folders:
            table = folder / TABLE
            self._folders[folder] = read_landmarks(table) if table.is_file() else {}
        return self._folders[folder].get(path.name)


def read_landmarks(table: Path) -> dict[str, np.ndarray]:
    """The points (5, 2) of the files beside a table, by name: those that it names, where that is unambiguous.
    A row is a file's name and ten numbers, in the order of COLUMNS.

    Raises FaceSetError where the file is no such table, a row has fewer than two points of eyes and mouth, or
    no row names a file beside it."""
    names, points = _read(table)
    files = sorted(path.name for path in table.parent.iterdir() if path.name != table.name)
    found = match(files, names).rows
    if all(row is None for row in found):
        raise FaceSetError(
            f"{table}: none of its {len(names):,} rows names one of the {len(files):,} files beside it. A "
            f"row names {names[0]!r}{f', a file {files[0]!r}' if files else ''}."
        )
    return {file: points[row] for file, row in zip(files, found) if row is not None}


def _read(table: Path) -> tuple[list[str], np.ndarray]:
    """The names of a table and its points (N, 5, 2)."""
    names, points = [], []
    for number, cells in enumerate(rows(table)):
        values = [parse(cell) for cell in cells[1 : 1 + len(COLUMNS)]]
        if number < 2 and _is_header(cells, values):
            continue
        numbers = [value for value in values if value is not None]
        if len(numbers) < len(COLUMNS):
            raise FaceSetError(
                f"{table}: the row of {cells[0]!r} does not have ten numbers. A row is a file's name, then x "
                f"and y of {', '.join(POINTS)}; the first line is image_id,{','.join(COLUMNS)}."
            )
        face = np.array(numbers).reshape(len(POINTS), 2)
        without_nose = np.delete(face, POINTS.index("nose"), 0)
        if np.count_nonzero(np.isfinite(without_nose).min(1)) < 2:
            raise FaceSetError(
                f"{table}: the row of {cells[0]!r} has fewer than two points of eyes and mouth."
            )
        names.append(cells[0])
        points.append(face)
    if not names:
        raise FaceSetError(f"{table} has no rows. The first line is image_id,{','.join(COLUMNS)}.")
    return names, np.stack(points)


def _is_header(cells: Sequence[str], values: Sequence[float | None]) -> bool:
    """Whether a line names columns, or is CelebA's first one, which holds the number of the rows."""
    return len(cells) == 1 or all(value is None for value in values)
