"""Copies of files at addresses, in a folder of bounded size: FACESPACE_REMOTE_CACHE, else `remote` in the
cache folder, of at most FACESPACE_REMOTE_CACHE_SIZE bytes (such as 200GiB; 50GiB by default). A copy appears
whole: checked by size and, where it is known, SHA-256, then renamed. One process fetches a file and the
others wait. The files that were not used for the longest time leave."""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from facespace.core import remote
from facespace.core.addresses import Address, address_of
from facespace.core.cache import cache_folder
from facespace.core.errors import UsageError
from facespace.core.fetch import check_space
from facespace.core.files import PARTIAL, clear_partials, write_atomically
from facespace.core.locks import is_lock, writing
from facespace.core.remote import RemoteError
from facespace.core.sizes import parse_bytes, shown_bytes

FOLDER, SIZE = "FACESPACE_REMOTE_CACHE", "FACESPACE_REMOTE_CACHE_SIZE"
DEFAULT_SIZE = 50 * 2**30
FOREVER = -1.0  # seconds to wait for a process that fetches the same file
DIGITS = 16  # of a digest in the names of folders
TRIES = 3  # to open a copy, since it may leave before
Result = TypeVar("Result")


def folder() -> Path:
    """Where the copies lie."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else cache_folder() / "remote"


def limit() -> int:
    """The bytes that all copies together have at most. Raises UsageError for another text than a size."""
    text = os.environ.get(SIZE)
    if not text:
        return DEFAULT_SIZE
    size = parse_bytes(text)
    if size is None:
        raise UsageError(f"{SIZE} is {text!r}, which is no size. Set it to one such as 200GiB.")
    return size


def digest(text: str | bytes) -> str:
    """A name for a folder of copies."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:DIGITS]


def check_room(needed: int, what: str) -> None:
    """Raises RemoteError where the cache is too small for what is used at the same time."""
    if needed > limit():
        raise RemoteError(
            f"{what} needs {shown_bytes(needed)} of cache at a time, and {SIZE} allows "
            f"{shown_bytes(limit())}. Raise it, for example {SIZE}={-(-needed // 2**30)}GiB."
        )


def fetch(address: Address, inside: str, size: int | None = None, sha256: str | None = None) -> Path:
    """The copy of a file, in the folder `inside` of the cache, which stands for one version of it.

    Raises RemoteError for a file that is not there, has not the size or checksum that it should have, or is
    larger than the cache, FetchError where the disk is full."""
    place = folder() / inside / address.name
    if not _is_whole(place, size):
        with writing(place, FOREVER):
            if not _is_whole(place, size):
                _download(address, place, size, sha256)
    with contextlib.suppress(OSError):  # its last use; the time of change stays
        os.utime(place, (time.time(), place.stat().st_mtime))
    return place


def _is_whole(place: Path, size: int | None) -> bool:
    """Whether a copy is there: only whole ones get their names."""
    try:
        return place.stat().st_size == size or (size is None and place.is_file())
    except OSError:
        return False


def _download(address: Address, place: Path, size: int | None, sha256: str | None) -> None:
    if size is None:
        size, _ = remote.version_of(address)
    with write_atomically(place) as beside:
        _reserve(beside, size, address)
        receive(address, beside, size, sha256)


def receive(address: Address, to: Path, size: int, sha256: str | None) -> None:
    """Writes the bytes of a file to a file of this machine. Raises RemoteError where they are not `size`, or
    have another checksum."""
    found, received = hashlib.sha256(), 0
    with to.open("r+b" if to.exists() else "wb") as file:
        for block in remote.blocks(address):
            received += len(block)
            if received > size:
                break
            found.update(block)
            file.write(block)
    if received != size:
        more = f"more than {size:,}" if received > size else f"{received:,} of {size:,}"
        raise RemoteError(f"{address} gave {more} bytes. Nothing was kept of it; run again.")
    if sha256 is not None and found.hexdigest() != sha256:
        raise RemoteError(
            f"{address} was changed or damaged: its SHA-256 is not the one on the card. Nothing was kept of "
            "it; facespace verify says what else is."
        )


def _reserve(beside: Path, size: int, address: Address) -> None:
    """Makes room for a file, and takes it at once, so that processes do not take the same."""
    place, most = folder(), limit()
    check_room(size, str(address))
    with writing(place / "room", FOREVER):
        kept, total = _copies(place)
        while kept and (total + size > most or shutil.disk_usage(place).free < size):
            used, path = kept.pop(0)
            with contextlib.suppress(OSError):  # of Windows, while a process reads it
                path.unlink()
                total -= used
                path.parent.rmdir()
        if total + size > most:
            raise RemoteError(
                f"The cache {place} is full of files that are being fetched. Wait for these, or raise {SIZE}."
            )
        check_space(beside, size, str(address))
        with beside.open("wb") as file:
            file.truncate(size)


def _copies(place: Path) -> tuple[list[tuple[int, Path]], int]:
    """Size and path of each copy, the one that was not used for the longest time first; and the bytes of
    everything, also of what is being fetched."""
    found, total = [], 0
    for here, _, names in os.walk(place):
        clear_partials(Path(here))
        for name in names:
            path = Path(here, name)
            with contextlib.suppress(OSError):
                facts = path.stat()
                total += facts.st_size
                if PARTIAL not in str(path.relative_to(place)) and not is_lock(path):
                    found.append((facts.st_atime, facts.st_size, path))
    return [(size, path) for _, size, path in sorted(found)], total


@cache
def _version(path: Path) -> tuple[int, str]:
    """The size and version of a file at an address, asked once in a process."""
    address = address_of(path)
    assert address is not None
    return remote.version_of(address)


def local_file(path: Path) -> Path:
    """The file itself, or the copy of one at an address. Raises RemoteError, FetchError."""
    address = address_of(path)
    if address is None:
        return path
    size, version = _version(path)
    return fetch(address, f"files/{digest(address.url + version)}", size)


def with_file(path: Path, function: Callable[[Path], Result]) -> Result:
    """function(file of this machine), again where the copy left the cache before it was opened."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(FileNotFoundError):
            return function(local_file(path))
        if address_of(path) is None:
            break
    return function(local_file(path))


def paths_below(root: Path) -> list[Path]:
    """All files below a folder, of this machine or at an address, in the order of their paths. Raises
    RemoteError."""
    address = address_of(root)
    if address is None:
        return [path for path in sorted(root.rglob("*")) if path.is_file()]
    return sorted(Path(root, *file.name.split("/")) for file in remote.files_below(address))


def identity(path: Path) -> tuple[str, int, int | str]:
    """A value that changes with the content of a file: where it is, its size, and its time of change or
    version. Raises OSError, RemoteError."""
    address = address_of(path)
    if address is not None:
        return str(address), *_version(path)
    facts = path.stat()
    return str(path), facts.st_size, facts.st_mtime_ns
