"""The workers of a Dask cluster, through the executor that its client gives. Needs the extra `cluster`."""

import contextlib
import logging
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, Future
from contextlib import AbstractContextManager
from pathlib import Path
from pkgutil import resolve_name
from types import TracebackType
from typing import Any, Self

from facespace.core.errors import FacespaceError, WorkersError
from facespace.core.extras import install_command
from facespace.core.interrupts import deferred, is_leaving
from facespace.core.version import __version__
from facespace.workers.files import FilesMissing, as_worker, keep, read_all
from facespace.workers.spawning import prepare_spawning
from facespace.workers.team import VICTIMS, Contents, Lost, Team
from facespace.workers.where import LOCAL, SCHEMES

CONNECT = 8.0  # seconds for a scheduler to answer
WORKERS = 30.0  # seconds without any worker before the work is given up
CLOSE = 5.0  # seconds for a cluster to end


class DaskTeam:
    """The workers of a Dask cluster: of a scheduler at an address, or of one that is started here with so
    many workers. Dask itself gives a task of a dead worker to another; it gives up those that have ended
    several, and then they are guilty."""

    patience = 1

    def __init__(self, address: str, count: int | None) -> None:
        self._address, self._count = address, count
        self._cluster: Any = None
        self._older = set(multiprocessing.active_children())
        self._deserted: float | None = None  # since when there are no workers

    def __enter__(self) -> Self:
        distributed = _import_distributed()
        prepare_spawning()
        try:
            with deferred(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on versions, which each task compares
                if self._address == LOCAL:
                    self._cluster = self._start_local(distributed)
                target = self._cluster or self._address
                self._client = distributed.Client(target, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            self._end()
            raise WorkersError(
                f"No Dask scheduler answers at {self._address}. Start one with: dask scheduler --port PORT; "
                "or work without --cluster."
            ) from error
        try:
            self._client.wait_for_workers(1, timeout=WORKERS)
            self._check_versions()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            if isinstance(error, TimeoutError):
                raise self._no_workers() from error
            raise
        self._executor: Executor = self._client.get_executor(pure=False, retries=0)
        self.width = max(1, sum(self._client.nthreads().values()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._cluster is not None:
            # Workers write nothing, so they need no time to end; nobody may start them again.
            for nanny in self._cluster.workers.values():
                nanny.auto_restart = False
            self._kill_workers()
        if is_leaving():  # a scheduler forgets the tasks of a client whose process ends
            if self._cluster is not None:
                self._cluster.shutdown_on_close = False
            return
        with contextlib.suppress(Exception, CancelledError):
            if kind is not None:
                self._executor.shutdown(wait=False)
        self._end()

    def _start_local(self, distributed: Any) -> Any:
        """A cluster on this machine; a second one where a worker ends before it is ready. Raises WorkersError
        where that one fails too."""
        with contextlib.suppress(RuntimeError):
            return _local_cluster(distributed, self._count)
        self._kill_workers()
        try:
            return _local_cluster(distributed, self._count)
        except RuntimeError as error:
            self._kill_workers()
            raise WorkersError(
                f"Workers of a local cluster ended twice before they were ready ({error}), most likely for "
                "lack of memory. Ask for fewer, such as --cluster local:1, or work without --cluster."
            ) from error

    def _kill_workers(self) -> None:
        for process in set(multiprocessing.active_children()) - self._older:
            process.kill()

    def _end(self) -> None:
        for opened in (getattr(self, "_client", None), self._cluster):
            with contextlib.suppress(Exception, CancelledError):  # of what is gone already
                if opened is not None:
                    opened.close(timeout=CLOSE)

    def _check_versions(self) -> None:
        """Raises WorkersError for workers with another facespace, or none. Asked with a function of the
        standard library: a worker that cannot open a task ends its connection, and with it itself."""
        found = self._client.run(resolve_name, f"{__name__}:__version__", on_error="return")
        for worker, version in found.items():
            if isinstance(version, Exception):
                raise WorkersError(
                    f"The worker {worker} has no facespace {__version__} ({version}). Install the same "
                    "version on all machines, and start the workers again."
                )
            check_version(version, f"The worker {worker}")

    def submit(self, number: int, function: Callable[[Any], Any], one: Any, contents: Contents) -> Future:
        """Starts a task."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on the size of a task that carries faces or files
            try:
                return self._executor.submit(_work_remotely, __version__, function, one, contents)
            except Exception as error:
                raise self.explain(error) from error

    def check(self) -> None:
        """Raises WorkersError where the scheduler is gone, or has no workers for a while."""
        if self._client.status != "running":
            raise self._gone()
        if self._client.scheduler_info()["workers"]:
            self._deserted = None
        elif self._deserted is None:
            self._deserted = time.monotonic()
        elif time.monotonic() - self._deserted > WORKERS:
            raise self._no_workers()

    def explain(self, error: BaseException) -> BaseException:
        """Lost for a worker that died, sentences for a scheduler that is gone and workers that do not fit."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return Lost()
        if isinstance(error, CancelledError) or self._client.status != "running":
            return error if isinstance(error, KeyboardInterrupt) else self._gone()
        return error

    def was_lost(self, future: Future) -> bool:
        """Tasks of a dead worker come back by themselves."""
        return False

    def victims(self, number: int) -> list[tuple[int, int | None]]:
        """The task itself, after several workers."""
        return [(number, None)]

    def send(self, missing: FilesMissing) -> None:
        """Brings files to all workers that there are."""
        contents = read_all([Path(path) for path in missing.paths])
        if None in contents.values():
            raise missing
        self._client.run(keep, list(contents.values()))

    def _gone(self) -> WorkersError:
        return WorkersError(
            f"The Dask scheduler {self._address} went away. What is finished stays; start it again, and the "
            "same command goes on."
        )

    def _no_workers(self) -> WorkersError:
        return WorkersError(
            f"The Dask scheduler {self._address} has no workers. Start one on each machine, with the same "
            f"facespace: dask worker {self._address}"
        )


def _import_distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise WorkersError(f"--cluster needs Dask. Run: {install_command('cluster')}") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # tasks.py says what matters
    return distributed


def _local_cluster(distributed: Any, count: int | None) -> Any:
    """A scheduler and workers on this machine, each with one thread, which end with this process."""
    from dask import config

    settings = {
        # A task that ended two workers is given up, and each worker holds one task at a time: nobody else's.
        "distributed.scheduler.allowed-failures": VICTIMS - 1,
        "distributed.scheduler.worker-saturation": 1.0,
    }
    with config.set(settings):
        return distributed.LocalCluster(
            n_workers=count or os.cpu_count() or 1,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )


def check_version(found: str, who: str, needed: str = __version__) -> None:
    """Raises WorkersError for another version than that of the command."""
    if found != needed:
        raise WorkersError(
            f"{who} has facespace {found}, and this command is {needed}. Install the same version on all "
            "machines, and start the workers again."
        )


def _work_remotely(version: str, function: Callable[[Any], Any], one: Any, contents: Contents) -> Any:
    """A task in a worker of a cluster."""
    check_version(__version__, "A worker of the cluster", version)  # it may have come later
    try:
        with as_worker(contents):
            return function(one)
    except WorkersError:
        raise
    except FacespaceError as error:  # of this machine, such as an extra that is not installed here
        raise WorkersError(f"A worker of the cluster cannot do its part. {error}") from error


def _open_local(address: str) -> AbstractContextManager[Team]:
    _, _, count = address.partition(":")
    return DaskTeam(LOCAL, int(count) if count else None)


def _open_remote(address: str) -> AbstractContextManager[Team]:
    return DaskTeam(address, None)


# First word of --cluster -> what it opens.
CLUSTERS: Mapping[str, Callable[[str], AbstractContextManager[Team]]] = {
    LOCAL: _open_local,
    **dict.fromkeys(SCHEMES, _open_remote),
}


def open_cluster(address: str) -> AbstractContextManager[Team]:
    """The cluster of a checked address, not started yet."""
    return CLUSTERS[address.partition(":")[0]](address)
