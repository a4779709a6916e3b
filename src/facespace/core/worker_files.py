"""Files that workers read, also those of machines that share no disk with the command: a worker says which
ones it does not see, and gets their bytes. Where work runs in this process or on this machine, paths stay
paths."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from facespace.core.errors import WorkersError
from facespace.core.files import sha256

# By path the bytes that came with the task; None where the command has no such file either. No mapping: this
# process is no worker of a cluster.
_carried: ContextVar[Mapping[str, bytes | None] | None] = ContextVar("carried", default=None)
_kept: dict[str, Path] = {}  # by SHA-256, files that were sent to this worker
_known: dict[tuple[str, int, int], str] = {}  # (path, size, time of change) -> SHA-256
_folder: list[tempfile.TemporaryDirectory] = []  # of the kept files, while this process runs


class FilesMissing(WorkersError):
    """A worker of a cluster does not see files that its task reads."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        super().__init__(self.paths)

    def __str__(self) -> str:
        return f"The workers of the cluster do not see {self.paths[0]}. Put it where they see it too."


@contextmanager
def as_worker(contents: Mapping[str, bytes | None]) -> Iterator[None]:
    """Inside the block this process is a worker of a cluster, with the bytes of these files."""
    before = _carried.set(contents)
    try:
        yield
    finally:
        _carried.reset(before)


def source(path: Path) -> Path | bytes:
    """The file itself, or its bytes where they came with the task."""
    content = (_carried.get() or {}).get(str(path))
    return path if content is None else content


def require(paths: Sequence[Path]) -> None:
    """In a worker of a cluster, raises FilesMissing for all those files that are neither here nor came with
    the task; elsewhere whoever reads a file says what is wrong with it."""
    carried = _carried.get()
    if carried is None:
        return
    missing = [str(path) for path in paths if str(path) not in carried and not path.exists()]
    if missing:
        raise FilesMissing(missing)


def require_here(path: Path) -> None:
    """In a worker of a cluster, raises WorkersError for a file that has to lie there: it is not sent."""
    if _carried.get() is not None and not path.exists():
        raise WorkersError(f"The workers of the cluster do not see {path}. Put it under the same path there.")


def read_all(paths: Sequence[Path]) -> dict[str, bytes | None]:
    """The bytes of those files; None for one that cannot be read."""
    contents: dict[str, bytes | None] = {}
    for path in paths:
        contents[str(path)] = None
        with contextlib.suppress(OSError, ValueError):
            contents[str(path)] = path.read_bytes()
    return contents


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, read once as long as it does not change."""
    facts = path.stat()
    key = (str(path.absolute()), facts.st_size, facts.st_mtime_ns)
    if key not in _known:
        _known[key] = sha256(path)
    return _known[key]


def exact_file(path: Path, digest: str) -> Path:
    """Where in this process a file of that SHA-256 lies: at its path, or among those that were sent. Raises
    FilesMissing."""
    with contextlib.suppress(OSError):
        if digest_of(path) == digest:
            return path
    if digest in _kept and _kept[digest].is_file():
        return _kept[digest]
    raise FilesMissing([str(path)])


def keep(contents: Sequence[bytes]) -> None:
    """Stores files in a folder of this process, which is removed at its end."""
    if not _folder:
        _folder.append(tempfile.TemporaryDirectory(prefix="facespace-"))
    for content in contents:
        digest = hashlib.sha256(content).hexdigest()
        place = Path(_folder[0].name, digest)
        place.write_bytes(content)
        _kept[digest] = place
