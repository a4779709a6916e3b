"""The files that verbs write pictures to: the one that --to names, or a new one in the current folder. Where
an interrupted verb continues is said here, too. Makes no pictures."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from facespace.core.console import note
from facespace.core.files import unfinished_folder

# The enlargement of faces in a picture; the default is that of image/sheets.py.
Scale = Annotated[
    int | None,
    Parameter(
        help="Enlarge each face by this whole number; 1 writes the pixels as the space decodes them. "
        "[default: faces of 256 px while the picture is at most 2,048 px wide, smaller ones in a wider "
        "picture, of at least 128 px; a space's larger faces keep their size]"
    ),
]


@contextmanager
def output_file(to: Path | None, default: str) -> Iterator[Path]:
    """The file to write: `to`, or without one `default` in the current folder, or NAME-2, NAME-3 … where
    files of these names exist. The new name is taken at once, so that commands that run side by side write
    different files, and given back if the block fails. A note says that a named file is replaced."""
    if to is not None:
        replaced = to.is_file()
        yield to
        if replaced:
            note(f"{to} existed, and was replaced.")
        return
    path = _take_new(Path(default))
    try:
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def faces_text(count: int) -> str:
    """'1 face' or '12 faces'."""
    return f"{count} face{'s' * (count != 1)}"


def _take_new(path: Path) -> Path:
    """Creates the first of `path`, PATH-2, PATH-3 … that does not exist."""
    for number in itertools.count(1):
        candidate = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            candidate.open("xb").close()
            return candidate
        except FileExistsError:
            continue
    raise AssertionError


@contextmanager
def resumable(to: Path) -> Iterator[None]:
    """Prints, on Ctrl-C, that the same command continues."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"Stopped. The same command continues from there (finished part: {unfinished_folder(to)}).")
        raise
