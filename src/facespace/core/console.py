"""What a person sees while something runs: notes and progress, always on stderr, so that stdout holds results alone.
A terminal gets a bar; a log gets a plain line now and then; neither changes any result."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # rich takes longer to load than the rest of a short command
    from rich.console import Console
    from rich.progress import Progress

LOG_EVERY = 15.0  # seconds between progress lines when stderr is not a terminal

Advance = Callable[[int], None]
_STARTED = time.monotonic()


def leads() -> bool:
    """Whether this process speaks: of those that torchrun starts for one run, the first."""
    return os.environ.get("RANK", "0") == "0"


# Of each thread: two threads whose blocks overlap would put back what the other had set.
_quiet = ContextVar("quiet", default=not leads())


def since_start() -> float:
    """Seconds since this process loaded facespace."""
    return time.monotonic() - _STARTED


def stderr() -> "Console":
    """A console for notes; made anew so that it follows sys.stderr, NO_COLOR and the terminal of the moment."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def quiet() -> Iterator[None]:
    """No notes and no progress from this thread inside the block, for tests and for workers that report through a parent."""
    before = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(before)


def note(text: str) -> None:
    """One plain line on stderr."""
    if not _quiet.get():
        stderr().print(text, markup=False)


@contextmanager
def progress(total: int, doing: str, unit: str) -> Iterator[Advance]:
    """Yields `advance(n)`; shows how far, how fast (units per second) and how long still."""
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
