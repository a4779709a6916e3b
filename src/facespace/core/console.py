"""Notes and progress while a command runs, always on stderr, so that stdout holds results alone. A terminal
shows a bar, a log a plain line every LOG_EVERY seconds."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # rich takes longer to import than the rest of a short command
    from rich.console import Console
    from rich.progress import Progress

LOG_EVERY = 15.0  # seconds between progress lines when stderr is not a terminal

Advance = Callable[[int], None]
_STARTED = time.monotonic()


def is_main_process() -> bool:
    """Whether this is the main process: rank 0 of those that torchrun starts for one run."""
    return os.environ.get("RANK", "0") == "0"


# One value a thread: threads whose blocks overlap would otherwise restore each other's value.
_quiet = ContextVar("quiet", default=not is_main_process())


def since_start() -> float:
    """Seconds since this process imported facespace."""
    return time.monotonic() - _STARTED


def stderr() -> "Console":
    """A console for notes; a new one each time, so that it uses the current sys.stderr, NO_COLOR and
    terminal."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses notes and progress of this thread inside the block, for tests and for worker processes."""
    before = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(before)


def is_quiet() -> bool:
    """Whether notes and progress of this thread are suppressed."""
    return _quiet.get()


def quoted(path: object) -> str:
    """A path as a word of a command that is printed: in quotes where it holds blanks or other signs."""
    text = str(path)
    if sys.platform == "win32":
        return f'"{text}"' if set(text) & set(" &()^%;,") else text
    return shlex.quote(text)


def note(text: str) -> None:
    """One plain line on stderr."""
    if not _quiet.get():
        stderr().print(text, markup=False)


@contextmanager
def progress(total: int, doing: str, unit: str) -> Iterator[Advance]:
    """Yields `advance(n)`; shows the progress, the rate (units per second) and the remaining time."""
    if _quiet.get():
        yield lambda n: None
    elif stderr().is_terminal:
        with _bar() as bar:
            task = bar.add_task(doing, total=total, speed="")
            start = time.monotonic()
            done = 0

            def advance(n: int) -> None:
                nonlocal done
                done += n
                bar.update(task, advance=n, speed=f"{done / (time.monotonic() - start + 1e-9):,.0f} {unit}/s")

            yield advance
    else:
        yield _log_lines(total, doing, unit)


def _bar() -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    return Progress(*columns, TimeRemainingColumn(), console=stderr(), transient=True)


def _log_lines(total: int, doing: str, unit: str) -> Advance:
    start = last = time.monotonic()
    done = 0

    def advance(n: int) -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= LOG_EVERY:
            last = now
            speed = done / (now - start)
            left = (total - done) / max(speed, 1e-9)
            print(
                f"{doing}: {done:,} of {total:,}, {speed:,.0f} {unit}/s, {left:,.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    return advance
