"""What can go wrong, in sentences. Every error here says what was asked, what was found and what to do next; the
command line prints the sentence and leaves with `exit_code`. Nothing here knows how to mend anything."""

import errno
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


class FacespaceError(Exception):
    """Something in the world is not as the work needs it: a file, a disk, a number."""

    exit_code = 1


class UsageError(FacespaceError):
    """The request itself is wrong, whatever lies on disk: an unknown name, an impossible size."""

    exit_code = 2


class ImageError(FacespaceError):
    """One image cannot be used. The message is a short reason without the file's name, so that reasons can be counted."""


class FaceSetError(FacespaceError):
    """A prepared set, or the source of one, is missing, unfinished or damaged."""


class BundleError(FacespaceError):
    """A trained model on disk is missing, damaged or from another format."""


class TrainingError(FacespaceError):
    """Training cannot start or go on."""


def choose(table: Mapping[str, Value], name: str, what: str) -> Value:
    """The entry `name` of a table; an unknown name raises UsageError with the nearest and all the known ones."""
    if name in table:
        return table[name]
    raise UsageError(f"Unknown {what} {name!r}. {suggest(name, table)}")


def suggest(name: str, known: Iterable[str]) -> str:
    """'Did you mean …? Known: …' for a name that is not among the known ones."""
    import difflib  # here, since every start of the program would pay for it

    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {', '.join(names)}."


def check_seed(seed: int) -> None:
    """Raises UsageError for a seed that not every generator takes."""
    if not 0 <= seed < 2**63:
        raise UsageError(f"A seed is a whole number from 0 to 2^63 - 1; got {seed}.")


def explain(error: OSError) -> str:
    """A sentence for an operating-system error that a user can act on."""
    where = error.filename or "the output"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: {where} could not be written. Free some space, or choose another folder, and run again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission for {where}. Choose a folder that you may write to, or change its permissions."
    if error.errno == errno.ENOENT:
        return f"{where} does not exist."
    return f"{where}: {error.strerror or error}."
