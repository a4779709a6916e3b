"""Worker processes of this machine. Each notes what it works on, so that the part over which one ended is
known."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Self

from facespace.core.interrupts import deferred
from facespace.core.team import VICTIMS, Contents, Lost
from facespace.core.worker_files import FilesMissing

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # of a process, for its libraries


class Processes:
    """Worker processes of this machine. Each notes what it works on in memory that they share, so that the
    part over which one ended is known."""

    patience = VICTIMS

    def __init__(self, count: int, method: str, one_thread: bool) -> None:
        self.width, self._one_thread = count, one_thread
        self._context = multiprocessing.get_context(method)
        self._older = set(multiprocessing.active_children())
        self._open()

    def _open(self) -> None:
        self._members: set[Any] = set()
        self._notes = self._context.RawArray("q", 3 * self.width)  # process, task, part + 1 of each worker
        self._taken = self._context.Value("i", 0)  # the rows of these that have a worker
        self._broken = False
        # Workers start when the first tasks are submitted.
        self._pool = ProcessPoolExecutor(
            self.width,
            self._context,
            _start_worker,
            (self._notes, self._taken),  # type: ignore[arg-type]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # workers write nothing, so they need no time to end
            for process in set(multiprocessing.active_children()) - self._older:
                process.kill()
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def submit(self, number: int, function: Callable[[Any], Any], one: Any, contents: Contents) -> Future:
        """Starts a task."""
        # A submission may start workers, to which Ctrl-C is not sent.
        with deferred(), _one_thread() if self._one_thread else contextlib.nullcontext():
            try:
                return self._pool.submit(_work, number, function, one)
            except BrokenProcessPool as error:
                self._broken = True
                raise Lost from error
            finally:
                self._members |= set(multiprocessing.active_children()) - self._older

    def check(self) -> None:
        """A process that ends breaks the pool, whose futures say so."""

    def explain(self, error: BaseException) -> BaseException:
        """Lost for a broken pool, and for a task that was withdrawn from one."""
        if isinstance(error, BrokenProcessPool | CancelledError):
            self._broken = self._broken or isinstance(error, BrokenProcessPool)
            return Lost()
        return error

    def was_lost(self, future: Future) -> bool:
        """A broken pool takes all of its tasks along."""
        return future.cancelled() or isinstance(future.exception(), BrokenProcessPool)

    def victims(self, number: int) -> list[tuple[int, int | None]]:
        """What the processes worked on that ended by themselves; the pool ends the others by SIGTERM."""
        if not self._broken:  # the pool was replaced since this task was lost
            return []
        self._pool.shutdown(wait=True, cancel_futures=True)
        ended = set()
        for process in self._members:
            process.join(1)
            if process.exitcode not in (None, 0, -signal.SIGTERM):
                ended.add(process.pid)
        rows = [self._notes[start : start + 3] for start in range(0, len(self._notes), 3)]
        self._open()
        return [(task, part - 1 if part else None) for process, task, part in rows if process in ended]

    def send(self, missing: FilesMissing) -> None:
        """Processes of this machine see its files."""
        raise missing


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that start inside the block compute on one thread each: as many as there are cores would
    otherwise share them, and with a number of threads sums change in their last bits."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_row: Any = None  # in a worker process: where it notes what it works on


def working_on(part: int) -> None:
    """Called by a function before each part of its input, so that a part that ends its worker is known."""
    if _row is not None:
        notes, start = _row
        notes[start + 2] = part + 1


def _work(number: int, function: Callable[[Any], Any], one: Any) -> Any:
    if _row is not None:
        notes, start = _row
        notes[start + 2] = 0
        notes[start + 1] = number
    try:
        return function(one)
    finally:
        if _row is not None:
            _row[0][_row[1] + 1] = -1


def _start_worker(notes: Any, taken: Any) -> None:
    """Ignores Ctrl-C, which the parent handles, and ends the worker when its parent is killed."""
    global _row
    with taken.get_lock():
        start = 3 * (taken.value % (len(notes) // 3))
        taken.value += 1
    notes[start : start + 3] = [os.getpid(), -1, 0]
    _row = notes, start
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
