"""Networks that workers open: once a process, by the SHA-256 of their files. Knows no network; who sends one
says how it is opened."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facespace.core.worker_files import FilesMissing, digest_of, exact_file

MOST_OPEN = 4  # networks of a process; of more the one that was opened first is closed


@dataclass(frozen=True)
class NetworkFiles:
    """A network as a task names it: a function of a module that opens it, of the folder of its files, or of
    the file where there is one; their names, each with its SHA-256. Without a folder it is a part of
    facespace, which each worker has."""

    opener: Callable[[Path | None], Any]
    folder: Path | None
    files: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for the same network, wherever it lies."""
        return self.opener.__module__, self.opener.__qualname__, self.files


def network_files(
    opener: Callable[[Path | None], Any], folder: Path | None, names: Sequence[str] = ()
) -> NetworkFiles:
    """A network to send, with the SHA-256 of its files."""
    digests = [(name, digest_of(folder / name)) for name in names] if folder else []
    return NetworkFiles(opener, folder, tuple(digests))


_open: dict[tuple[object, ...], Any] = {}
_lock = threading.Lock()  # the threads of a worker share its networks


def opened(network: NetworkFiles) -> Any:
    """The network, opened at its first use in this process. Raises FilesMissing where this process has not
    its files, and what opening it raises."""
    with _lock:
        if network.key not in _open:
            while len(_open) >= MOST_OPEN:
                del _open[next(iter(_open))]
            _open[network.key] = _opened(network)
        return _open[network.key]


def _opened(network: NetworkFiles) -> Any:
    if network.folder is None:
        return network.opener(None)
    places, missing = {}, []
    for name, digest in network.files:
        try:
            places[name] = exact_file(network.folder / name, digest)
        except FilesMissing as error:
            missing += error.paths
    if missing:
        raise FilesMissing(missing)
    if len(places) == 1:
        return network.opener(next(iter(places.values())))
    if all(place == network.folder / name for name, place in places.items()):
        return network.opener(network.folder)
    with tempfile.TemporaryDirectory(prefix="facespace-") as gathered:
        for name, place in places.items():
            shutil.copyfile(place, Path(gathered, name))
        return network.opener(Path(gathered))
