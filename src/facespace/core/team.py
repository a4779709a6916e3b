"""What tasks.py asks of an executor: how it takes tasks, which errors mean that a worker died, and over what.
Processes of this machine (process_team.py) and a Dask cluster (dask_team.py) answer; both are executors of
the standard library."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Protocol, Self

from facespace.core.worker_files import FilesMissing

VICTIMS = 2  # workers that end over the same part of the work before it is left out

Contents = Mapping[str, bytes | None]  # by path, the bytes of files that travel with a task


class Lost(Exception):
    """The worker of a task died."""


class Team(Protocol):
    """An executor in use, and what tasks.py asks it."""

    width: int  # tasks that run at once
    patience: int  # losses of a task that prove it guilty

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def submit(self, number: int, function: Callable[[Any], Any], one: Any, contents: Contents) -> Future:
        """Starts a task. Raises Lost where it cannot be taken, since a worker has died."""
        ...

    def check(self) -> None:
        """Raises WorkersError where nobody is left to work."""
        ...

    def explain(self, error: BaseException) -> BaseException:
        """Lost, or a sentence, for an error of the executor; any other error as it is."""
        ...

    def was_lost(self, future: Future) -> bool:
        """Whether a finished task has to be submitted again."""
        ...

    def victims(self, number: int) -> list[tuple[int, int | None]]:
        """After the loss of a task: at which tasks and which of their parts (None: unknown) workers ended.
        Lost workers are replaced."""
        ...

    def send(self, missing: FilesMissing) -> None:
        """Brings files to all workers."""
        ...
