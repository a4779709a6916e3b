"""The rows of a table as people have them: any encoding, any separator, with or without quotes. A file that
is no table is refused by what it is. Reads one row at a time: CelebA's as lists of words would fill the
memory."""

import codecs
import csv
import itertools
import re
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from facespace.core.errors import FaceSetError

SAMPLE = 65_536  # bytes looked at
SAMPLE_LINES = 50
SEPARATORS = ("\t", ";", ",", "|")
BLANKS = ""  # the separator of tables with blanks between their columns
FIELD_LIMIT = 1_000_000  # characters of a cell
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The first bytes of what is saved in place of a table, and its name in a sentence.
OTHERS = {
    b"PK\x03\x04": "an Excel or OpenDocument file, or a .zip: save it as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "an Excel file: save it as CSV",
    b"\x1f\x8b": "compressed: unpack it",
    b"BZh": "compressed: unpack it",
    b"7z\xbc\xaf": "compressed: unpack it",
    b"%PDF": "a PDF: save the table as CSV",
    b"PAR1": "a Parquet file: save it as CSV",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x80\x04": "a pickle, which is never opened: save it as CSV",
}
PAGE = re.compile(r"^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
TITLE = re.compile(r"<title[^>]*>\s*(.*?)\s*</title>", re.I | re.S)


class Dialect(NamedTuple):
    """How the cells of a table lie in its bytes."""

    encoding: str
    separator: str  # one of SEPARATORS, or BLANKS
    skipped: int = 0  # lines at the top: Excel's "sep=;"


def rows(path: Path | None) -> Iterator[list[str]]:
    """The rows of a table without empty ones, cells without blanks around them; none without a path. Raises
    FaceSetError, with the real cause, for a file that is no table."""
    if path is None:
        return
    dialect = find_dialect(path)
    # Names may hold bytes that are no text; what is no UTF-8 was found to be another encoding before.
    with path.open(encoding=dialect.encoding, errors="surrogateescape", newline="") as file:
        lines = itertools.islice(file, dialect.skipped, None)
        try:
            for cells in _cells(lines, dialect.separator):
                stripped = [cell.strip() for cell in cells]
                if any(stripped):
                    yield stripped
        except (csv.Error, UnicodeError) as error:
            raise FaceSetError(f"{path} is no table that can be read ({error}). Save it as CSV.") from error


def _cells(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    if separator == BLANKS:
        return map(str.split, lines)
    csv.field_size_limit(FIELD_LIMIT)
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def find_dialect(path: Path) -> Dialect:
    """Encoding and separator of a table, from its first 64 kB."""
    try:
        with path.open("rb") as file:
            head = file.read(SAMPLE)
    except OSError as error:
        raise FaceSetError(f"{path} cannot be read ({error.strerror}).") from error
    for start, what in OTHERS.items():
        if head.startswith(start):
            raise FaceSetError(f"{path} is no table but {what}.")
    encoding = _encoding(path, head)
    text = head.decode(encoding, "ignore")
    _check_text(path, text)
    lines = text.splitlines()
    if len(head) == SAMPLE:
        lines = lines[:-1]  # which may be cut
    lines = [line for line in lines[: SAMPLE_LINES + 1] if line.strip()]
    if lines and re.fullmatch(r"\s*\"?sep=.\"?\s*", lines[0]):
        return Dialect(encoding, lines[0].partition("=")[2][0], skipped=1)
    return Dialect(encoding, _separator(lines))


def _check_text(path: Path, text: str) -> None:
    """Raises FaceSetError for a web page that was saved as a table, with its title, and for binary files."""
    if PAGE.match(text):
        title = TITLE.search(text)
        named = f" ({' '.join(title[1].split())[:100]})" if title else ""
        raise FaceSetError(
            f"{path} is no table but a web page{named}: the download was refused. Fetch the file again."
        )
    if "\0" in text:
        raise FaceSetError(f"{path} is no table: it holds binary data. Save it as CSV.")
    if text.lstrip()[:1] in ("{", "["):
        raise FaceSetError(f"{path} is no table but JSON. Save it as CSV.")


def _encoding(path: Path, head: bytes) -> str:
    for bom, name in BOMS:
        if head.startswith(bom):
            return name
    if head[1::2].count(0) > 0.4 * len(head[1::2]) > 0:
        return "utf-16-le"
    if head[::2].count(0) > 0.4 * len(head[::2]) > 0:
        return "utf-16-be"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252" if _is(head, "cp1252") else "latin-1"
    return "utf-8"


def _is(head: bytes, encoding: str) -> bool:
    try:
        head.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _separator(lines: list[str]) -> str:
    """The separator that splits most lines into the same number of cells, two or more; of several the one
    that most lines agree on, then the one with the most cells."""
    best, found = (0.5, 1), BLANKS
    for separator in SEPARATORS:
        try:
            counts = [len(cells) for cells in _cells(lines, separator) if cells]
        except csv.Error:
            continue
        if not counts:
            continue
        usual = statistics.mode(counts)
        score = (counts.count(usual) / len(counts), usual)
        if usual > 1 and score > best:
            best, found = score, separator
    return found
