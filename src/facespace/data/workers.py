"""A function over many inputs in worker processes, results in the inputs' order, with few results waiting."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import TypeVar

from facespace.core.errors import FacespaceError
from facespace.core.interrupts import deferred
from facespace.data.spawning import is_unguarded_script, note_one_process

Input = TypeVar("Input")
Output = TypeVar("Output")


def map_in_order(
    function: Callable[[Input], Output], inputs: Sequence[Input], workers: int
) -> Iterator[Output]:
    """function(input) for each input, in order. One worker runs here, in this process."""
    workers = min(workers, len(inputs))
    method = "fork" if sys.platform == "linux" else "spawn"
    if workers > 1 and method == "spawn" and is_unguarded_script():
        note_one_process()
        workers = 1
    if workers <= 1:
        yield from map(function, inputs)
        return
    # Fork starts fast and needs no `if __name__ == "__main__"` in a user's script; elsewhere workers import
    # anew.
    context = multiprocessing.get_context(method)
    # The inputs are sent once, at a worker's start (a forked one shares them); later only their numbers are.
    pool = ProcessPoolExecutor(workers, context, _start_worker, (function, inputs))
    older, done = set(multiprocessing.active_children()), False
    waiting: deque = deque()
    try:
        for number in range(len(inputs)):
            with deferred():  # a submission may start workers, to which Ctrl-C is not sent
                waiting.append(pool.submit(_work_on, number))
            if len(waiting) >= 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        done = True
    except BrokenProcessPool as error:
        raise FacespaceError(
            "A worker process died, most likely for lack of memory. Run again with --workers 1."
        ) from error
    finally:
        if not done:  # workers write nothing, so they need no time to end
            for process in set(multiprocessing.active_children()) - older:
                process.kill()
        pool.shutdown(wait=done, cancel_futures=True)


_job: tuple[Callable, Sequence] | None = None  # in a worker: the function and its inputs


def _work_on(number: int) -> object:
    assert _job is not None
    function, inputs = _job
    return function(inputs[number])


def _start_worker(function: Callable, inputs: Sequence) -> None:
    """Ignores Ctrl-C, which the parent handles, and ends the worker when its parent is killed."""
    global _job
    _job = function, inputs
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
