"""What the cells of a table say: numbers as they are written anywhere, and the words for yes, no and unknown.
Attributes are floats whose sign means yes (+) or no (−); NaN is unknown."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

UNKNOWN = float("nan")
YES = "yes y true t"
NO = "no n false f"
MISSING = "na n/a nan #n/a null none unknown unk ? - -- . missing"
MALE, FEMALE = "m male man", "f female woman"
WORDS: dict[str, float] = {
    **dict.fromkeys(("", *MISSING.split()), UNKNOWN),
    **dict.fromkeys((*YES.split(), *MALE.split()), 1.0),
    **dict.fromkeys((*NO.split(), *FEMALE.split()), -1.0),
}
WOMEN = ("female", "woman", "women")  # columns in which a woman is a yes
MINUS = str.maketrans("−–—‐‑‒", "------")  # as word processors write it
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


def parse(text: str) -> float | None:
    """A cell as a number; NaN for unknown, None for other text."""
    word = text.strip().strip("'\"").casefold()
    if word in WORDS:
        return WORDS[word]
    word = word.translate(MINUS)
    if DECIMAL_COMMA.fullmatch(word):
        word = word.replace(",", ".")
    try:
        number = float(word)
    except ValueError:
        return None
    return number if abs(number) < np.finfo(np.float32).max else None


def parse_row(cells: Sequence[str]) -> np.ndarray:
    """Cells as float32 (A,). Raises ValueError with the first that is neither a number nor a known word."""
    try:
        numbers = np.array(cells, dtype=np.float32)  # nearly always, and many times as fast
        if np.isfinite(numbers).all():
            return numbers
    except ValueError:
        pass
    values = []
    for cell in cells:
        value = parse(cell)
        if value is None:
            raise ValueError(repr(cell))
        values.append(value)
    return np.array(values, dtype=np.float32)


class Column(NamedTuple):
    """A column of a table: its numbers (N,), or why it is left out, and the first cell that is no number."""

    values: np.ndarray | None
    text: str = ""
    row: int = 0


def parse_column(name: str, cells: Sequence[str]) -> Column:
    """A column of attributes. Numbers of 0 and 1 alone are no and yes, since a sign carries the answer; in a
    column of that name a woman is a yes. A column in which most cells that are filled are text is text."""
    values = np.full(len(cells), UNKNOWN)
    wrong: list[int] = []
    filled = 0
    for place, cell in enumerate(cells):
        value = parse(cell)
        filled += bool(cell.strip())
        if value is None:
            wrong.append(place)
        else:
            values[place] = value
    if wrong and 2 * len(wrong) < filled:
        return Column(values, cells[wrong[0]], wrong[0])
    if wrong:
        return Column(None, cells[wrong[0]], wrong[0])
    words = {cell.strip().casefold() for cell in cells}
    sexes = {*MALE.split(), *FEMALE.split()}
    if words & (sexes - {"f"}) and name.strip().casefold() in WOMEN:
        values = -values
    numbers = not words & WORDS.keys() - {"", *MISSING.split()}
    if numbers and (np.isin(values, (0, 1)) | np.isnan(values)).all():
        values = 2 * values - 1
    return Column(values)
