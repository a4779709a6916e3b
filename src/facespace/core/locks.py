"""One writer at a time: an exclusive lock of a file or a folder that is about to be written. The operating
system holds it, so a process that died keeps none. Readers take no lock, since everything is replaced
whole."""

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from facespace.core.addresses import check_here
from facespace.core.errors import FacespaceError

WAIT = 60.0  # seconds that a short change waits for another one of the same target
LOCK = ".facespace-lock"
LONGEST_NAME = 120  # bytes of a name within the names of its lock and its partials

_held = threading.local()  # .paths: what this thread has locked, since its locks may be nested


class BusyError(FacespaceError):
    """Another process, or another thread, is writing the target."""


@contextmanager
def writing(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Holds the exclusive lock of a target inside the block; in the same thread blocks may be nested.

    Long work refuses to start while another holds the lock; a short change waits up to `wait` seconds. What
    the block decides about the target, it must read inside. Raises BusyError, UsageError for an address."""
    check_here(path)
    target = path.resolve()
    paths: set[Path] = _held.__dict__.setdefault("paths", set())
    if target in paths:
        yield
        return
    with _parents(target.parent), _locked(target, path, wait):
        paths.add(target)
        try:
            yield
        finally:
            paths.discard(target)


@contextmanager
def _locked(target: Path, shown: Path, wait: float) -> Iterator[None]:
    from filelock import FileLock, Timeout  # here, since only writing needs it

    removed_at_release = _removed_at_release()
    for place in (_beside(target), _elsewhere(target)):
        lock = FileLock(place, thread_local=False)
        try:
            lock.acquire(timeout=wait)
            break
        except OSError as error:  # Timeout is one, too
            # A folder that cannot be written to, such as that of a mount, has its lock elsewhere. A lock that
            # is there is held, or another user's.
            if isinstance(error, Timeout) or place.exists():
                raise BusyError(
                    f"Another facespace command is writing {shown}. Wait until it has ended, or name another."
                ) from error
    else:
        raise BusyError(f"{shown} cannot be locked, so it is not written. Choose another folder.")
    try:
        yield
    finally:
        # Removed while it is held: filelock sees that the file it waited for is gone, and takes a new one.
        # Where filelock removes it at the release, one here too would make that of the next writer's.
        if not removed_at_release:
            with contextlib.suppress(OSError):
                place.unlink()
        lock.release()


@cache
def _removed_at_release() -> bool:
    """Whether this version of filelock removes the file of a lock that is released, as 3.21 to 3.25 do."""
    from filelock import FileLock

    with contextlib.suppress(OSError), tempfile.TemporaryDirectory() as folder:
        place = Path(folder, LOCK)
        with FileLock(place):
            pass
        return not place.exists()
    return False  # nothing can be written here


def _beside(target: Path) -> Path:
    return target.with_name(f".{short_name(target)}{LOCK}") if target.name else target / LOCK


def _elsewhere(target: Path) -> Path:
    """A lock of this machine alone."""
    digest = hashlib.sha256(os.fsencode(target)).hexdigest()[:24]
    return Path(tempfile.gettempdir(), f".{digest}{LOCK}")


def short_name(path: Path) -> str:
    """The name of a target as part of another name; of a long one a digest."""
    raw = os.fsencode(path.name)
    if len(raw) <= LONGEST_NAME:
        return path.name
    return hashlib.sha256(raw).hexdigest()[:24]


@contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """Creates a folder and its parents; those that are empty after the block, such as one that failed, are
    removed again."""
    created: list[Path] = []
    for place in (folder, *folder.parents):
        if place.exists():
            break
        created.append(place)
    with contextlib.suppress(OSError):  # the block says what it cannot write
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for place in created:
            with contextlib.suppress(OSError):
                place.rmdir()


def is_lock(path: Path) -> bool:
    """Whether a path is that of a lock."""
    return path.name.startswith(".") and path.name.endswith(LOCK)
