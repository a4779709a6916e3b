"""The errors of facespace. Each message names the request, what was found and the next step; the command line
prints it and exits with `exit_code`."""

import errno
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


class FacespaceError(Exception):
    """The environment does not meet the requirements: a file, a disk, a number."""

    exit_code = 1


class UsageError(FacespaceError):
    """The request itself is invalid, whatever is on disk: an unknown name, an impossible size."""

    exit_code = 2


class ImageError(FacespaceError):
    """One image cannot be used. The message is a short reason without the file's name, so that reasons can be
    counted."""


class FaceSetError(FacespaceError):
    """A prepared set, or the source of one, is missing, unfinished or damaged."""


class BundleError(FacespaceError):
    """A trained model on disk is missing, damaged or from another format."""


class WorkersError(FacespaceError):
    """Those who do a part of the work cannot go on with it. What is finished stays, for the same command."""


class TrainingError(FacespaceError):
    """Training cannot start or continue."""


def choose(table: Mapping[str, Value], name: str, what: str) -> Value:
    """The entry `name` of a table. Raises UsageError for an unknown name, with the most similar and all known
    ones."""
    if name in table:
        return table[name]
    raise UsageError(f"Unknown {what} {name!r}. {suggest(name, table)}")


def suggest(name: str, known: Iterable[str]) -> str:
    """'Did you mean …? Known: …' for an unknown name."""
    import difflib  # here, since only errors need it

    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {', '.join(names)}."


def check_seed(seed: int) -> None:
    """Raises UsageError for a seed that some generators do not accept."""
    if not 0 <= seed < 2**63:
        raise UsageError(f"A seed is a whole number from 0 to 2^63 - 1; got {seed}.")


def describe_os_error(error: OSError) -> str:
    """A sentence for an operating-system error that a user can act on."""
    where = error.filename or "the output"
    if getattr(error, "winerror", None) == 32:  # a sharing violation of Windows
        return f"{where} is open in another program. Close it there, and run again."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk is full: {where} could not be written. "
            "Free some space, or choose another folder, and run again."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission for {where}. Choose a folder that you may write to, or change its permissions."
    if error.errno == errno.ENOENT:
        return f"{where} does not exist."
    return f"{where}: {error.strerror or error}."
