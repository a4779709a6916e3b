"""Notes and progress while a command runs, always on stderr, so that stdout holds results alone. A terminal
shows a bar, a log a plain line every LOG_EVERY seconds."""

import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # rich takes longer to import than the rest of a short command
    from rich.console import Console
    from rich.progress import Progress

LOG_EVERY = 15.0  # seconds between progress lines when stderr is not a terminal

# All control characters but tab and line feed, and those that turn the direction of writing.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

Advance = Callable[[int], None]
_STARTED = time.monotonic()


def is_main_process() -> bool:
    """Whether this is the main process: rank 0 of those that torchrun starts for one run."""
    return os.environ.get("RANK", "0") == "0"


# One value a thread: threads whose blocks overlap would otherwise restore each other's value.
_quiet = ContextVar("quiet", default=not is_main_process())
_notes = ContextVar("notes", default=True)


def since_start() -> float:
    """Seconds since this process imported facespace."""
    return time.monotonic() - _STARTED


def duration(seconds: float) -> str:
    """Seconds in a readable unit: `90 s`, `15 min`, `2.5 h`."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def stderr() -> "Console":
    """A console for notes; a new one each time, so that it uses the current sys.stderr, NO_COLOR and
    terminal. In a notebook it is a log: rich would make a display of its own of every line."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True, force_jupyter=False)


def quiet() -> AbstractContextManager[None]:
    """Suppresses notes and progress of this thread inside the block, for tests and for worker processes."""
    return _inside(_quiet, True)


def progress_alone() -> AbstractContextManager[None]:
    """Suppresses notes of this thread inside the block; progress is shown."""
    return _inside(_notes, False)


@contextmanager
def _inside(variable: ContextVar[bool], value: bool) -> Iterator[None]:
    """The variable has the value inside the block."""
    before = variable.set(value)
    try:
        yield
    finally:
        variable.reset(before)


def is_quiet() -> bool:
    """Whether notes and progress of this thread are suppressed."""
    return _quiet.get()


def visible(text: str) -> str:
    """A text whose control characters are shown in place of doing something: names of files and fields of
    cards come from others, and a terminal obeys them."""
    return CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def quoted(path: object) -> str:
    """A path as a word of a command that is printed: in quotes where it holds blanks or other signs."""
    text = str(path)
    if sys.platform == "win32":
        return f'"{text}"' if set(text) & set(" &()^%;,") else text
    return shlex.quote(text)


def counted(count: int, noun: str) -> str:
    """'1 face', '12 faces'."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def note(text: str) -> None:
    """One plain line on stderr."""
    if _notes.get() and not _quiet.get():
        stderr().print(visible(text), markup=False)


@contextmanager
def progress(total: int, doing: str, unit: str, earlier: int = 0) -> Iterator[Advance]:
    """Yields `advance(n)`; shows the progress, the rate (units per second) and the remaining time.

    `earlier` units of the total were done by an interrupted run: they count as done, not in the rate."""
    if _quiet.get():
        yield lambda n: None
    elif stderr().is_terminal:
        with _bar() as bar:
            task = bar.add_task(doing, total=total, completed=earlier, speed="")
            start = time.monotonic()
            done = 0

            def advance(n: int) -> None:
                nonlocal done
                done += n
                bar.update(task, advance=n, speed=_rate(done, time.monotonic() - start, unit))

            yield advance
    else:
        yield _log_lines(total, doing, unit, earlier)


def _rate(done: int, seconds: float, unit: str) -> str:
    """The speed of some work, with a decimal where a whole number would say little."""
    speed = done / max(seconds, 1e-9)
    return f"{speed:,.1f} {unit}/s" if speed < 10 else f"{speed:,.0f} {unit}/s"


def _bar() -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    return Progress(*columns, TimeRemainingColumn(), console=stderr(), transient=True)


def _log_lines(total: int, doing: str, unit: str, earlier: int) -> Advance:
    start = last = time.monotonic()
    done = 0

    def advance(n: int) -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= LOG_EVERY:
            last = now
            left = (total - earlier - done) * (now - start) / max(done, 1)
            pace = f"{_rate(done, now - start, unit)}, {duration(left)} left"
            print(f"{doing}: {earlier + done:,} of {total:,}, {pace}", file=sys.stderr, flush=True)

    return advance
