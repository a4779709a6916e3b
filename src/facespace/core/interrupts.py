"""Ctrl-C on the command line. The first one raises KeyboardInterrupt in the main thread; the cleanup that
follows is not disturbed by further ones, and a deadline ends a process whose cleanup hangs. Libraries and
notebooks keep Python's own handling."""

import _thread
import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 130
SENTENCE = "facespace: Interrupted."
DEADLINE = 1.7  # seconds for the cleanup; nothing is half written, whenever the process ends


class _State:
    """Of this process."""

    process: int | None = None  # the one that `install` was called in; a forked worker has another number
    leaving = False  # the deadline runs, and further signals are ignored
    finished: int | None = None  # the exit code, once only the end of the interpreter remains
    said = False  # the sentence was printed


def install() -> None:
    """Takes over SIGINT, where it is not ignored as in a background job; the deadline of `leave_soon` holds
    there too. For the console script."""
    if _State.process == os.getpid() or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _handle)
    _State.process = os.getpid()
    atexit.register(_ignore)  # the first one registered is the last one called


def _ignore() -> None:
    """Without this the interpreter, at its very end, lets a signal end the process by its default."""
    if _State.process == os.getpid():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _handle(_number: int, _frame: FrameType | None) -> None:
    if os.getpid() != _State.process or _State.leaving:
        return
    if _State.finished is not None:
        leave_soon(_State.finished, "")
        return
    leave_soon()
    raise KeyboardInterrupt


def leave_soon(code: int = EXIT_CODE, sentence: str = SENTENCE) -> None:
    """Starts the deadline, after which the process ends at once with the exit code, after the sentence where
    none was printed. Without `install` nothing happens."""
    if _State.process != os.getpid() or _State.leaving:
        return
    _State.leaving = True
    # What a callback of the interpreter cannot raise, it would print with a traceback.
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None
    # Not threading.Thread, whose locks the main thread may hold at this moment.
    _thread.start_new_thread(_wait_and_leave, (code, sentence))


def is_leaving() -> bool:
    """Whether Ctrl-C has ended the work of this process."""
    return _State.leaving


def said() -> None:
    """The sentence on the interruption was printed."""
    _State.said = True


def finish(code: int) -> None:
    """The work is done, and only the end of the interpreter remains."""
    _State.finished = code
    if _State.leaving:
        _ignore()
        # CPython notes a KeyboardInterrupt that leaves exec(), of which dataclasses make use, as one that
        # nobody handles, and ends the process by the signal. The next exec() clears the note.
        exec("")


def _wait_and_leave(code: int, sentence: str) -> None:
    time.sleep(DEADLINE)
    kill_children()
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr.isatty():
            os.write(2, b"\x1b[?25h")  # shows the cursor, which a progress bar hides
        if sentence and not _State.said:
            os.write(2, f"{sentence}\n".encode())
    os._exit(code)


def kill_children() -> None:
    """Ends all worker processes of this process at once."""
    for child in multiprocessing.active_children():
        with contextlib.suppress(OSError, ValueError):
            child.kill()


@contextmanager
def deferred() -> Iterator[None]:
    """Ctrl-C waits until the end of the block. Processes that are started in it never receive one: who
    started them ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
