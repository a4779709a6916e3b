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

from facespace.core.addresses import check_here
from facespace.core.errors import UsageError, WorkersError
from facespace.core.left_behind import is_system_file
from facespace.core.locks import WAIT, is_lock, short_name, writing

# Hidden names that no user chooses, since files and folders with these names may be removed.
OLD = ".facespace-old"
# Names of what is being written: .NAME.HOST-PROCESS-NUMBER.facespace-partial, of a file with its ending. The
# number tells the writes of one process apart; host and process tell who would still need it.
PARTIAL = "facespace-partial"
_OWNED = re.compile(r"\.(?P<host>[0-9a-f]{4})-(?P<process>\d+)-[0-9a-f]{8}\." + PARTIAL)
_OLDER = re.compile(r"^\..+\.(?P<process>\d+)\.partial(\.|$)")  # as older versions named those of files
LAST_NAME = "card.json"  # what makes a folder of facespace's complete
FULL = 2**20  # bytes: a disk with less is full
ABANDONED = 24 * 3600.0  # seconds after which a partial of another host counts as nobody's


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder, with the same ending; renamed to `path` if the block
    succeeds and removed if it does not."""
    check_here(path)
    if path.is_symlink():  # what the link leads to is written, and the link stays
        path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = short_name(path.with_suffix(""))
    clear_partials(path.parent, stem)
    beside = path.with_name(f".{stem}{owner()}{path.suffix}")
    try:
        with _named(path):
            yield beside
            flush(beside)
            _replace_file(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def owner() -> str:
    """The part of a partial's name that says whose it is."""
    return f".{_host()}-{os.getpid()}-{secrets.token_hex(4)}.{PARTIAL}"


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:4]


def is_own(path: Path) -> bool:
    """Whether a name is one that facespace gives to what is not a result (partials, locks, folders that are
    being replaced), or that systems leave behind. They are never in the way of a command."""
    return is_system_file(path.name) or bool(_OLDER.match(path.name))


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

    The folder is empty, unless it is `resumable`: then it stays when the block is interrupted, the disk is
    full or the workers are gone, and the next call yields it with its content. An older folder is replaced in
    two renames; `restore_interrupted` repairs an interruption between them. A folder that cannot be renamed,
    such as a mount point, keeps its place: its content is replaced, with the card last. One writer at a time:
    raises BusyError."""
    path = path.resolve()
    with writing(path, WAIT):
        _clear_unfinished(path, resumable)
        restore_interrupted(path)
        beside = unfinished_folder(path)
        if not resumable and beside.parent != path:
            beside = path.with_name(f".{short_name(path)}{owner()}")
        beside.mkdir(parents=True, exist_ok=True)
        try:
            with _named(path):
                yield beside
                for file in beside.iterdir():
                    if file.is_file():
                        flush(file)
                _replace_folder(beside, path)
        except BaseException as error:
            if not (resumable and isinstance(error, KeyboardInterrupt | OSError | WorkersError)):
                shutil.rmtree(beside, ignore_errors=True)
            raise


def _clear_unfinished(path: Path, resumable: bool) -> None:
    """Removes what killed writers of the folder left beside it."""
    clear_partials(path.parent, short_name(path))
    if not resumable:
        shutil.rmtree(unfinished_folder(path), ignore_errors=True)


# Of a rename: another disk, a mount point, and a folder that another program holds open.
NO_RENAME = (errno.EXDEV, errno.EBUSY)


def _replace_file(beside: Path, path: Path) -> None:
    try:
        beside.replace(path)
    except OSError as error:  # a file that is a mount point, as of a container
        if error.errno not in NO_RENAME or not path.is_file():
            raise
        shutil.copyfile(beside, path)
        flush(path)


def _replace_folder(beside: Path, path: Path) -> None:
    """Puts a finished folder in place of an older one."""
    old = _old(path)
    if beside.parent == path:
        return _replace_content(beside, path)
    shutil.rmtree(old, ignore_errors=True)
    try:
        if path.exists():
            path.replace(old)
        beside.replace(path)
    except BaseException as error:
        restore_interrupted(path)
        if not isinstance(error, OSError) or error.errno not in NO_RENAME or not path.is_dir():
            raise
        return _replace_content(beside, path)
    shutil.rmtree(old, ignore_errors=True)


def _replace_content(beside: Path, path: Path) -> None:
    """Moves the content of a finished folder into an existing one, whose own content goes: its card first,
    and the new card last, so that at no moment half of it looks finished."""
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name != LAST_NAME):
        if entry == beside or is_system_file(entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    for entry in sorted(beside.iterdir(), key=lambda entry: entry.name == LAST_NAME):
        shutil.move(entry, path / entry.name)
    beside.rmdir()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Adds the path to an error of the operating system that has no file name."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # of a library, such as Pillow's "encoder error -2" on a full disk
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
    of the same `kind`, such as "a prepared set", which `recognise` knows.

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


def is_same(path: Path, other: Path) -> bool:
    """Whether two paths are one existing file or folder, also through links and on disks that ignore case."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def check_apart(to: Path, *inputs: Path) -> None:
    """Raises UsageError where the file or folder `to` is one of the inputs, or a folder that holds one: what
    is read is never replaced."""
    for path in inputs:
        if is_same(to, path):
            raise UsageError(
                f"--to {to} is what is read, and nothing that a command reads is replaced. Name another one."
            )
        if to.is_dir() and any(is_same(to, parent) for parent in path.resolve().parents):
            raise UsageError(f"--to {to} holds {path}, which is read. Name a folder beside it.")


def holds_only(*names: str) -> Callable[[Path], bool]:
    """A predicate: whether all entries of a folder have one of these names."""
    return lambda folder: all(path.name in names or is_own(path) for path in folder.iterdir())


def flush(path: Path) -> None:
    """Waits until the file's bytes are on the disk, so that a rename does not precede them."""
    with path.open("r+b") as file:  # Windows flushes no file that is open for reading alone
        os.fsync(file.fileno())


def write_json(path: Path, content: Any) -> None:
    """Readable JSON with a final newline, written whole or not at all."""
    with write_atomically(path) as beside:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        # File names may hold bytes that are no text.
        beside.write_text(text, encoding="utf-8", errors="surrogateescape")


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unfinished_folder(path: Path) -> Path:
    """The temporary folder in which the folder `path` is written until it is complete: beside it, or in it
    where it is a mount point, which lies on a disk of its own."""
    path = path.resolve()
    if os.path.ismount(path):
        return path / f".{PARTIAL}"
    return path.with_name(f".{short_name(path)}.{PARTIAL}")


def _old(path: Path) -> Path:
    path = path.resolve()
    return path.with_name(f".{short_name(path)}{OLD}")
