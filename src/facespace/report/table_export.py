"""The latents of many faces with their attributes as a table in CSV or Parquet, for other tools."""

import csv
import importlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facespace.core.cells import as_text
from facespace.core.errors import UsageError, choose
from facespace.core.extras import install_command, is_installed
from facespace.core.files import write_atomically

FORMATS = {"csv": ".csv", "parquet": ".parquet"}


class LatentTable(NamedTuple):
    """N faces: `z` float32 (N, D) posterior means; `attributes` float32 (N, A), positive for yes, negative
    for no and NaN for unknown; their `names`; `ids`, `splits` and `identities` (N,) text, empty if
    unknown."""

    z: np.ndarray
    attributes: np.ndarray
    names: tuple[str, ...]
    ids: np.ndarray
    splits: np.ndarray
    identities: np.ndarray

    def signs(self, name: str) -> np.ndarray:
        """One attribute (N,): +1 yes, −1 no, NaN unknown."""
        return _signs(self.attributes[:, self.names.index(name)])

    @property
    def all_signs(self) -> np.ndarray:
        """All attributes, (N, A)."""
        return _signs(self.attributes)

    @property
    def groups(self) -> np.ndarray:
        """A number for each person, int64 (N,); each face of an unknown person has its own."""
        alone = np.char.add("\0", np.arange(len(self.z)).astype(str))
        return np.unique(np.where(self.identities == "", alone, self.identities), return_inverse=True)[1]

    def columns(self) -> Mapping[str, np.ndarray]:
        """Column name -> (N,): id, split, identity, z_0 …, then the attributes."""
        columns = {"id": self.ids, "split": self.splits, "identity": self.identities}
        for place, values in enumerate(self.z.T):
            columns[f"z_{place}"] = values
        reserved = set(columns)
        for place, name in enumerate(self.names):
            if name in reserved:
                name = f"attribute_{name}"
            columns[name] = self.attributes[:, place]
        return columns

    def save(self, path: Path) -> None:
        """Writes CSV, or Parquet for that ending (needs pyarrow). Unknown attributes are empty cells, or
        nulls."""
        write = _write_csv
        if path.suffix == FORMATS["parquet"]:
            write = _write_parquet
        with write_atomically(path) as beside:
            write(self.columns(), beside)


def check_format(form: str) -> str:
    """The file ending of a form, before any work. Raises UsageError for an unknown one, or if its package is
    missing."""
    ending = choose(FORMATS, form, "table")
    if form == "parquet" and not is_installed("pyarrow"):
        raise UsageError(
            f"--table parquet needs the package pyarrow: {install_command('parquet')}. Or write --table csv."
        )
    return ending


def csv_text(records: Sequence[NamedTuple]) -> str:
    """Records of one type as CSV with a head; None is an empty cell."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(records[0]._fields)
    for record in records:
        rows.writerow([as_text(cell) if isinstance(cell, str) else cell for cell in record])
    return text.getvalue()


def _signs(values: np.ndarray) -> np.ndarray:
    signs = np.sign(values)
    return np.where(signs == 0, np.nan, signs)


def _write_csv(columns: Mapping[str, np.ndarray], path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(map(as_text, columns))
        rows.writerows(_text_rows(columns))


def _text_rows(columns: Mapping[str, np.ndarray]) -> Iterator[list[str]]:
    """Rows of cells: float32 as the shortest text that reads back as the same number, NaN as an empty
    cell."""
    for row in zip(*columns.values()):
        yield list(map(_text_cell, row))


def _text_cell(cell: object) -> str:
    if cell != cell:
        return ""
    return as_text(cell) if isinstance(cell, str) else str(cell)


def _write_parquet(columns: Mapping[str, np.ndarray], path: Path) -> None:
    arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    arrays = {}
    for name, column in columns.items():
        arrays[name] = _arrow_array(arrow, column)
    parquet.write_table(arrow.table(arrays), path)


def _arrow_array(arrow: Any, column: np.ndarray) -> Any:
    if column.dtype.kind == "f":
        return arrow.array(column, from_pandas=True)  # NaN as null
    texts = [text.encode("utf-8", "replace").decode() for text in column.tolist()]
    return arrow.array(texts, arrow.string())
