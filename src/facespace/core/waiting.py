"""Long work that somebody waits for: it stops at its next step once nobody does. Whoever starts it says how
to ask; without that it goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_wanted: ContextVar[Callable[[], bool] | None] = ContextVar("wanted", default=None)


class Abandoned(Exception):
    """Nobody waits for the result any more."""


def step() -> None:
    """Called before each step of long work. Raises Abandoned where nobody waits for it."""
    wanted = _wanted.get()
    if wanted is not None and not wanted():
        raise Abandoned


@contextmanager
def while_wanted(wanted: Callable[[], bool]) -> Iterator[None]:
    """Inside the block, and in this thread, `step` asks `wanted`, and whom a block around it asks."""
    around = _wanted.get()
    before = _wanted.set(lambda: wanted() and (around is None or around()))
    try:
        yield
    finally:
        _wanted.reset(before)
