"""Atomic writes of files and folders: write under a temporary name, flush, then rename. Independent of the
content."""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facespace.core.errors import UsageError
from facespace.core.locks import WAIT, is_lock, short_name, writing

# Names of what is being written: .NAME.HOST-PROCESS-NUMBER.facespace-partial, of a file with its ending. The
# number tells the writes of one process apart; host and process tell who would still need it.
PARTIAL = "facespace-partial"
_OWNED = re.compile(r"\.(?P<host>[0-9a-f]{4})-(?P<process>\d+)-[0-9a-f]{8}\." + PARTIAL)
_OLDER = re.compile(r"^\..+\.(?P<process>\d+)\.partial(\.|$)")  # as older versions named those of files
FULL = 2**20  # bytes: a disk with less is full
ABANDONED = 24 * 3600.0  # seconds after which a partial of another host counts as nobody's


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder, with the same ending; renamed to `path` if the block
    succeeds and removed if it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = short_name(path.with_suffix(""))
    clear_partials(path.parent, stem)
    beside = path.with_name(f".{stem}{_owner()}{path.suffix}")
    try:
        with _named(path):
            yield beside
            flush(beside)
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _owner() -> str:
    """The part of a partial's name that says whose it is."""
    return f".{_host()}-{os.getpid()}-{secrets.token_hex(4)}.{PARTIAL}"


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:4]


def is_partial(path: Path) -> bool:
    """Whether a name is that of an unfinished file or folder, of this version or an older one."""
    name = path.name
    return name.startswith(".") and (PARTIAL in name or bool(_OLDER.match(name)))


def is_own(path: Path) -> bool:
    """Whether a name is one that facespace gives to what is not a result: partials, locks, folders that are
    being replaced. They are never in the way of a command."""
    return is_partial(path) or is_lock(path) or path.name.endswith(OLD)


def clear_partials(folder: Path, stem: str | None = None) -> None:
    """Removes what processes that were killed left in a folder: unfinished files and folders, of one target
    where its `stem` is given. Those of running processes stay."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            owned = _OWNED.search(path.name) or _OLDER.match(path.name)
            mine = stem is None or path.name.startswith(f".{stem}.")
            if owned and mine and _is_abandoned(path, owned):
                _remove(path)


def _is_abandoned(path: Path, owned: re.Match[str]) -> bool:
    if owned.groupdict().get("host", _host()) != _host():
        with contextlib.suppress(OSError):
            return time.time() - path.lstat().st_mtime > ABANDONED
        return False
    return int(owned["process"]) != os.getpid() and not _runs(int(owned["process"]))


def _runs(process: int) -> bool:
    """Whether a process of this machine runs. Where that cannot be asked without harm, as on Windows, it
    counts as running."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def clear_folder(folder: Path) -> None:
    """Removes what a folder holds, but for the locks of those who write in it."""
    if folder.is_dir():
        for path in folder.iterdir():
            if not is_lock(path):
                _remove(path)


@contextmanager
def build_folder(path: Path, resumable: bool = False) -> Iterator[Path]:
    """Yields a temporary folder beside `path` that replaces it if the block succeeds, and is removed if it
    fails.

    The folder is empty, unless it is `resumable`: then it stays when the block is interrupted or the disk is
    full, and the next call yields it with its content. An older folder is replaced in two renames;
    `restore_interrupted` repairs an interruption between them. One writer at a time: raises BusyError."""
    path = path.resolve()
    with writing(path, WAIT):
        _clear_unfinished(path, resumable)
        restore_interrupted(path)
        beside = unfinished_folder(path) if resumable else path.with_name(f".{short_name(path)}{_owner()}")
        beside.mkdir(parents=True, exist_ok=True)
        try:
            with _named(path):
                yield beside
                for file in beside.iterdir():
                    if file.is_file():
                        flush(file)
                _put_in_place(beside, path)
        except BaseException as error:
            if not (resumable and isinstance(error, KeyboardInterrupt | OSError)):
                shutil.rmtree(beside, ignore_errors=True)
            raise


def _clear_unfinished(path: Path, resumable: bool) -> None:
    """Removes what killed writers of the folder left beside it."""
    clear_partials(path.parent, short_name(path))
    if not resumable:
        shutil.rmtree(unfinished_folder(path), ignore_errors=True)


def _put_in_place(beside: Path, path: Path) -> None:
    """Renames a finished folder to its name, in place of an older one."""
    old = _old(path)
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.replace(old)
    try:
        beside.replace(path)
    except BaseException:
        restore_interrupted(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Adds the path to an error of the operating system that has no file name."""
    try:
        yield
    except OSError as error:
        if (
            error.errno is None
        ):  # of a library, such as Pillow's "encoder error -2", which comes of a full disk
            full = _free(path) < FULL
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error), str(path)) from error
        error.filename = error.filename or str(path)
        raise


def _free(path: Path) -> float:
    """The free bytes of a path's disk."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return math.inf


def restore_interrupted(path: Path) -> None:
    """If a replacement of the folder `path` was killed between its two renames, restores the older one."""
    if not path.exists() and _old(path).is_dir():
        with writing(path, WAIT):  # not between the two renames of one who is still writing
            if not path.exists() and _old(path).is_dir():
                _old(path).replace(path)


def check_target(to: Path, kind: str, recognise: Callable[[Path], bool], force: bool = False) -> None:
    """The one rule for a folder that a verb writes: a new or an empty one, or, with `force`, an older result
    of the same `kind`, such as "a prepared set", which `ours` recognises.

    Raises UsageError for a file, the working directory, a folder of other files, or an older result without
    `force`."""
    restore_interrupted(to)
    if to.resolve() == Path.cwd():
        raise UsageError(f"--to {to} is the working directory, which cannot be replaced; name a new folder.")
    if to.exists() and not to.is_dir():
        raise UsageError(f"--to {to} is a file; name a folder for {kind}.")
    if not to.is_dir() or all(map(is_own, to.iterdir())):
        return
    if not recognise(to):
        raise UsageError(
            f"--to {to} holds other files; name a new folder, so that nothing of yours is replaced."
        )
    if not force:
        raise UsageError(f"--to {to} already holds {kind}. Add --force to replace it, or name a new folder.")


def holds_only(*names: str) -> Callable[[Path], bool]:
    """A predicate: whether all entries of a folder have one of these names."""
    return lambda folder: all(path.name in names or is_own(path) for path in folder.iterdir())


def flush(path: Path) -> None:
    """Waits until the file's bytes are on the disk, so that a rename does not precede them."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_json(path: Path, content: Any) -> None:
    """Readable JSON with a final newline, written whole or not at all."""
    with write_atomically(path) as beside:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        beside.write_text(
            text, encoding="utf-8", errors="surrogateescape"
        )  # file names may hold bytes that are no text


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Hidden names that no user chooses, since folders with these names may be removed.
OLD = ".facespace-old"


def unfinished_folder(path: Path) -> Path:
    """The temporary folder in which the folder `path` is written until it is complete, where an interrupted
    command may go on."""
    path = path.resolve()
    return path.with_name(f".{short_name(path)}.{PARTIAL}")


def _old(path: Path) -> Path:
    path = path.resolve()
    return path.with_name(f".{short_name(path)}{OLD}")
