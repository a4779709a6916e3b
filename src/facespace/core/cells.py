"""Texts in the cells of a CSV. A spreadsheet runs a cell that starts like a formula, and names of files come
from others: an apostrophe before such a text makes it a text again."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")  # and the apostrophe itself, so that the way back is unique


def as_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def from_text(cell: str) -> str:
    """The text that `as_text` made a cell of. Cells of older tables, without an apostrophe, stay so."""
    if cell[:1] == "'" and cell[1:].startswith(FORMULA):
        return cell[1:]
    return cell
