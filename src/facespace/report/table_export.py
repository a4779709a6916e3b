"""Latents of many faces beside what is known of the faces: a table to look into, and to hand to other tools as CSV or
Parquet. Arrays in, files out; encodes nothing."""

import csv
import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facespace.core.errors import UsageError, choose
from facespace.core.files import write_beside

FORMS = {"csv": ".csv", "parquet": ".parquet"}


class LatentTable(NamedTuple):
    """N faces: `z` float32 (N, D) posterior means; `attributes` float32 (N, A), whose sign says yes or no and NaN that it
    is unknown; their `names`; `ids`, `splits` and `identities` (N,) text, empty where unknown."""

    z: np.ndarray
    attributes: np.ndarray
    names: tuple[str, ...]
    ids: np.ndarray
    splits: np.ndarray
    identities: np.ndarray

    def signs(self, name: str) -> np.ndarray:
        """Of one attribute (N,): +1 yes, −1 no, NaN unknown."""
        values = np.sign(self.attributes[:, self.names.index(name)])
        return np.where(values == 0, np.nan, values)

    @property
    def all_signs(self) -> np.ndarray:
        """Of all attributes, (N, A)."""
        return (
            np.stack([self.signs(name) for name in self.names], 1)
            if self.names
            else np.empty((len(self.z), 0))
        )

    @property
    def groups(self) -> np.ndarray:
        """A number for each person, int64 (N,); a face of nobody known is a person of its own."""
        alone = np.char.add("\0", np.arange(len(self.z)).astype(str))
        return np.unique(np.where(self.identities == "", alone, self.identities), return_inverse=True)[1]

    def columns(self) -> Mapping[str, np.ndarray]:
        """Column name -> (N,): id, split, identity, z_0 …, then the attributes."""
        texts = {"id": self.ids, "split": self.splits, "identity": self.identities}
        latents = {f"z_{place}": self.z[:, place] for place in range(self.z.shape[1])}
        taken = texts | latents
        names = [f"attribute_{name}" if name in taken else name for name in self.names]
        return taken | {name: self.attributes[:, place] for place, name in enumerate(names)}

    def save(self, path: Path) -> None:
        """Writes CSV, or Parquet for that ending (needs pyarrow). Unknown attributes are empty cells, or nulls."""
        columns = self.columns()
        with write_beside(path) as beside:
            if path.suffix == FORMS["parquet"]:
                _write_parquet(columns, beside)
                return
            with beside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(columns)
                # float32 as the shortest text that reads back as the same number
                rows.writerows(
                    ["" if cell != cell else str(cell) for cell in row] for row in zip(*columns.values())
                )


def _write_parquet(columns: Mapping[str, np.ndarray], path: Path) -> None:
    arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    arrays = {
        name: arrow.array(column, from_pandas=True)  # NaN as null
        if column.dtype.kind == "f"
        else arrow.array(
            [text.encode("utf-8", "replace").decode() for text in column.tolist()], arrow.string()
        )
        for name, column in columns.items()
    }
    parquet.write_table(arrow.table(arrays), path)


def check_form(form: str) -> str:
    """The file ending of a form, before any work: UsageError for an unknown one, or where its package is missing."""
    ending = choose(FORMS, form, "table")
    if form == "parquet" and not importlib.util.find_spec("pyarrow"):
        raise UsageError(
            "--table parquet needs the package pyarrow: pip install pyarrow. Or write --table csv."
        )
    return ending
