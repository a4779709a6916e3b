"""Files of unknown origin: regular ones alone, of a size that is known and capped before a byte is read.
Every refusal is a ValueError whose message follows the file's name in a sentence."""

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MEGABYTE = 2**20
LARGEST_JSON = 4 * MEGABYTE  # of a card, a result, a state; those of facespace have less than a tenth
LARGEST_LOG = 256 * MEGABYTE
DEEPEST = 40  # tables and lists within each other in a JSON file
# Halves of a character, which no file can hold. U+DC80 to U+DCFF are bytes of a file name that is no text.
_HALF_CHARACTER = re.compile("[\ud800-\udc7f\udd00-\udfff]")


class RefusedFile(ValueError):
    """A file that is not read. The message says why, without the file's name."""


def check_regular(path: Path, most: int) -> int:
    """The size of a regular file in bytes. Raises RefusedFile for a pipe, a device or a folder, and for more
    than `most` bytes; OSError where there is no file."""
    return _check(path.stat(), most)


def _check(facts: os.stat_result, most: int) -> int:
    if not stat.S_ISREG(facts.st_mode):
        raise RefusedFile("it is not a regular file")
    if facts.st_size > most:
        raise RefusedFile(f"it has {facts.st_size:,} bytes, more than the {most:,} that are read")
    return facts.st_size


def read_bounded(path: Path, most: int) -> bytes:
    """The bytes of a regular file of at most `most` bytes. Raises RefusedFile, OSError."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe does not block
    with os.fdopen(os.open(path, flags), "rb") as file:
        size = _check(os.fstat(file.fileno()), most)
        return file.read(size)


def read_json(path: Path, most: int = LARGEST_JSON) -> Any:
    """The JSON value in a file. Raises ValueError for other content and for one that is nested too deeply."""
    return parse_json(read_bounded(path, most))


def parse_json(content: bytes) -> Any:
    """The same of bytes. File names in it may hold bytes that are no text."""
    try:
        value = json.loads(content.decode("utf-8", "surrogateescape"))
    except RecursionError as error:
        raise RefusedFile("its tables are nested too deeply") from error
    _check_content(value)
    return value


def _check_content(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for item in level:
            if isinstance(item, Mapping):
                below += [*item, *item.values()]
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and _HALF_CHARACTER.search(item):
                raise RefusedFile(f"its text {item[:40]!r} holds half a character")
        level = below
        if not level:
            return
    raise RefusedFile("its tables are nested too deeply")
