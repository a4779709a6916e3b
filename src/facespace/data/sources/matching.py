"""The rows of a table and the files on the disk, matched by name where that is unambiguous: names differ by
the case of the ending, slashes, a leading folder, the Unicode form, blanks, the encoding."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from facespace.data.sources.names import stem_of_picture

PLAIN = re.compile(r"[^\x21-\x7e]+|\?+|_+")  # what encodings and systems write in place of a letter

Groups = Mapping[str, list[int]]  # the places of the texts that have the same form


class Matches(NamedTuple):
    """The row of each file, by numbers; None where it has none. And the rows that fit several files."""

    rows: list[int | None]
    ambiguous: int


def match(files: Sequence[str], names: Sequence[str]) -> Matches:
    """The row of a table for each file, whose paths are relative to the folder of photographs. Names are
    compared ever more loosely; at each step a name is matched only where one file and one row have it."""
    return match_columns(files, [names])[0]


def match_columns(files: Sequence[str], columns: Sequence[Sequence[str]]) -> list[Matches]:
    """The same for the names in each of several columns. The forms of the files are made once for all."""
    columns_found = [_Column(len(files), names) for names in columns]
    for form in FORMS:
        left = [column for column in columns_found if not column.complete]
        if not left:
            break
        by_file = _grouped(form, files)
        for column in left:
            column.match(by_file, _grouped(form, column.names))
    return [Matches(column.found, len(column.ambiguous - column.used)) for column in columns_found]


class _Column:
    """What was found so far of the names in one column."""

    def __init__(self, files: int, names: Sequence[str]) -> None:
        self.names = names
        self.found: list[int | None] = [None] * files
        self.used: set[int] = set()
        self.ambiguous: set[int] = set()

    @property
    def complete(self) -> bool:
        return len(self.used) == min(len(self.found), len(self.names))

    def match(self, by_file: Groups, by_row: Groups) -> None:
        """Matches names of one form, each where one file and one row have it."""
        for key in by_row.keys() & by_file.keys():
            (place, *others), (row, *more) = by_file[key], by_row[key]
            if others or more:
                self.ambiguous.update(by_row[key])
            elif self.found[place] is None and row not in self.used:
                self.found[place] = row
                self.used.add(row)


def _grouped(form: Callable[[str], str], texts: Sequence[str]) -> Groups:
    groups: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        key = form(text)
        if key:
            groups.setdefault(key, []).append(place)
    return groups


def clean(name: str) -> str:
    """A path with slashes, in Unicode's composed form, without blanks around its parts and without './'."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").strip()
    parts = [part.strip() for part in name.split("/")]
    return "/".join(part for part in parts if part not in ("", "."))


def _folded(name: str) -> str:
    return clean(name).casefold()


def _stem(name: str) -> str:
    return stem_of_picture(_folded(name)).rstrip()


def _last(name: str, count: int) -> str:
    """The last parts of a path, where it has as many, without the ending."""
    parts = _stem(name).split("/")
    return "/".join(parts[-count:]) if len(parts) >= count else ""


def _skeleton(name: str) -> str:
    """What every encoding leaves of a name: its letters of ASCII."""
    return PLAIN.sub("*", _stem(name).rpartition("/")[2])


def _number(name: str) -> str:
    """A name of digits without leading zeros, which spreadsheets remove."""
    last = _last(name, 1)
    return str(int(last)) if last.isdecimal() else ""


FORMS: tuple[Callable[[str], str], ...] = (
    str,
    clean,
    _folded,
    _stem,
    lambda name: _last(name, 4),
    lambda name: _last(name, 3),
    lambda name: _last(name, 2),
    lambda name: clean(name).rpartition("/")[2],
    lambda name: _folded(name).rpartition("/")[2],
    lambda name: _last(name, 1),
    _skeleton,
    _number,
)
