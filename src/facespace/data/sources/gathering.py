"""Attributes of faces that come one after another with fields of their own, as in JSON files and rows of
Parquet: gathered as columns, then judged as the columns of a table are."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data.sources.subfolders import SPLITS as SPLIT_WORDS
from facespace.data.sources.values import MISSING, UNKNOWN, WORDS, parse

MOST = 1_000  # fields
SHOWN = 5  # of fields in a note
PEOPLE = ("identity", "person", "person_id", "identity_id", "celeb_id")  # fields that name a person
# What img2dataset and other tools write beside each picture about the file rather than the face.
_ABOUT_FILES = """key url caption status error_message width height original_width original_height exif md5
    sha256 sha512 hash id index uid image_path file_name filename path license __index_level_0__"""
ABOUT_FILES = frozenset(_ABOUT_FILES.split())
NO_NUMBERS = WORDS.keys() - {"", *MISSING.split()}


@dataclass
class _Column:
    values: array = field(default_factory=lambda: array("f"))
    texts: int = 0  # cells of other text
    example: str = ""
    words: bool = False  # whether a cell said yes, no, m or f


class Gathered:
    """Fields of faces by name. Faces are counted from 0 in their order."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}

    def add(self, row: int, name: str, value: Any) -> None:
        """A field of a face: a number, true or false, or a text as a table has it."""
        column = self._column(name, row)
        if isinstance(value, bool):
            column.values.append(1.0 if value else -1.0)
            column.words = True
        elif isinstance(value, int | float):
            column.values.append(_finite(value))
        elif value is None:
            column.values.append(UNKNOWN)
        else:
            self._add_text(column, str(value))

    def _add_text(self, column: _Column, text: str) -> None:
        number = parse(text[:1_000])
        column.words |= text.strip().casefold() in NO_NUMBERS
        column.values.append(UNKNOWN if number is None else number)
        if number is None:
            column.texts += 1
            column.example = column.example or text

    def add_numbers(self, row: int, name: str, values: np.ndarray, words: bool = False) -> None:
        """A field of many faces from `row` on, float (B,), NaN unknown; `words` where they say yes or no."""
        column = self._column(name, row)
        column.words |= words
        finite = np.where(np.isfinite(values), values, np.nan)
        column.values.frombytes(finite.astype(np.float32).tobytes())

    def _column(self, name: str, row: int) -> _Column:
        if name not in self._columns:
            if len(self._columns) == MOST:
                raise FaceSetError(
                    f"The faces have more than {MOST:,} different fields, such as {name!r:.60}. "
                    "Remove the fields that are no attributes."
                )
            self._columns[name] = _Column()
        column = self._columns[name]
        missing = row - len(column.values)
        if missing > 0:
            column.values.extend([UNKNOWN] * missing)
        return column

    def finish(self, count: int) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
        """The names of the attributes, their values float32 (count, A), NaN unknown, and notes. Numbers of 0
        and 1 alone are no and yes; fields of which most cells are text are left out."""
        names, texts = [], []
        for name, column in self._columns.items():
            self._column(name, count)
            values = np.frombuffer(column.values, np.float32)
            known = int(np.isfinite(values).sum())
            if column.texts > known:
                texts.append(f"{name} (such as {column.example[:40]!r})")
            elif known:
                names.append(name)
        found = np.empty((count, len(names)), np.float32)
        for place, name in enumerate(names):
            column = self._columns.pop(name)
            found[:, place] = np.frombuffer(column.values, np.float32)
            seen = found[:, place]
            if not column.words and (np.isin(seen, (0, 1)) | np.isnan(seen)).all():
                found[:, place] = 2 * seen - 1
        notes = []
        if texts:
            more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
            notes.append(f"fields of text left out: {', '.join(texts[:SHOWN])}{more}")
        return tuple(names), found, notes


def _finite(value: float) -> float:
    try:
        return value if abs(value) < np.finfo(np.float32).max else UNKNOWN
    except OverflowError:  # a whole number with hundreds of digits
        return UNKNOWN


def identity_in(fields: dict[str, Any]) -> str | None:
    """The person that the fields of a face name."""
    for name in PEOPLE:
        value = fields.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return None


def split_in(value: Any) -> str | None:
    """The split that a text names, as Hugging Face and others write it."""
    return SPLIT_WORDS.get(value.casefold().strip()) if isinstance(value, str) else None


def split_of_file(parts: Sequence[str]) -> str | None:
    """The split that the folders of a shard or the first word of its name say: train/00000.tar,
    validation-00000-of-00002.parquet."""
    *folders, name = parts
    word = name.replace("_", "-").partition(".")[0].partition("-")[0]
    for text in (word, *reversed(folders)):
        if split := split_in(text):
            return split
    return None
