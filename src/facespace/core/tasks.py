"""A function over many inputs in worker processes, results in the inputs' order, with few waiting. Where they
run is `Workers`: this process, processes of this machine, or a Dask cluster; what differs between these is in
process_team.py and dask_team.py. A worker that dies costs its task again; what ends two workers is taken
apart or refused."""

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from facespace.core import dask_team, process_team
from facespace.core.console import note
from facespace.core.errors import WorkersError
from facespace.core.spawning import is_unguarded_script, note_one_process, start_method
from facespace.core.team import VICTIMS, Lost, Team
from facespace.core.worker_files import FilesMissing, read_all
from facespace.core.workers import Workers, is_local

Input = TypeVar("Input")
Output = TypeVar("Output")

MOST_UNEXPLAINED = 5  # times in a row that workers may end without working on anything
MOST_ASKED = 5  # times that a task may ask for files, since new workers have none
AHEAD = 4  # inputs for each worker that are with the workers or wait as results
POLL = 0.5  # seconds between two looks at whether the cluster is still there


@dataclass(frozen=True)
class Divisible(Generic[Input, Output]):
    """How an input is taken apart when it ends its workers: into `parts`, whose outputs are `joined` again;
    `lost` is the output of a single part that ended two workers. It names that part."""

    parts: Callable[[Input], Sequence[Input]]
    joined: Callable[[Sequence[Output]], Output]
    lost: Callable[[Input], Output]


@dataclass(frozen=True)
class Care(Generic[Input, Output]):
    """What `map_in_order` needs to know about a function beyond calling it."""

    divisible: Divisible[Input, Output] | None = None
    files: Callable[[Input], Sequence[Path]] | None = None  # that it reads, for workers who do not see them
    fresh: bool = False  # runs networks: in new processes with one thread each, never forked ones


_numbers = itertools.count()  # of tasks, so that no two of a process have the same


@dataclass(eq=False)
class _Task(Generic[Input]):
    number: int
    input: Input
    future: Future | None = None  # None: the team refused it, since a worker had died
    died: Counter[int | None] = field(default_factory=Counter)  # workers that ended at each part
    asked: int = 0  # times that workers have asked for its files


def map_in_order(
    function: Callable[[Input], Output],
    inputs: Iterable[Input],
    workers: int | Workers = 1,
    care: Care[Input, Output] | None = None,
) -> Iterator[Output]:
    """function(input) for each input, in order; without a cluster, and with one process, here. Inputs are
    read as they are needed.

    Raises what the function raises, and WorkersError where a cluster cannot be reached or goes away, or
    where an input that cannot be taken apart ends two workers."""
    where = workers if isinstance(workers, Workers) else Workers(workers)
    if isinstance(inputs, Sequence) and where.count:
        where = Workers(max(1, min(where.count, len(inputs))))
    with crew(where, care or Care()) as opened:
        yield from opened.map(function, inputs)


class Crew:
    """Workers that stay for several calls."""

    def __init__(self, team: Team | None, care: Care[Any, Any]) -> None:
        self._team, self._care = team, care

    @property
    def alone(self) -> bool:
        """Whether this process does the work."""
        return self._team is None

    def map(self, function: Callable[[Input], Output], inputs: Iterable[Input]) -> Iterator[Output]:
        """What `map_in_order` gives. One call ends before the next one begins."""
        if self._team is None:
            return map(function, inputs)
        return _Run(function, self._care, self._team).all(inputs)


@contextmanager
def crew(workers: Workers, care: Care[Any, Any]) -> Iterator[Crew]:
    """Workers for the calls inside the block; this process where none are named."""
    opened = _team(workers, care)
    if opened is None:
        yield Crew(None, care)
        return
    with opened as team:
        yield Crew(team, care)


def _team(workers: Workers, care: Care[Any, Any]) -> AbstractContextManager[Team] | None:
    """The executor for some work, not yet started; None for this process."""
    count = workers.count or 1
    method = start_method(care.fresh)
    spawned = workers.cluster is None and method == "spawn"
    if ((spawned and count > 1) or is_local(workers.cluster)) and is_unguarded_script():
        note_one_process()
        return None
    if workers.cluster is not None:
        return dask_team.open_cluster(workers.cluster)
    # One process for a network is a new one too: it computes on one thread, as each of many does.
    if count > 1 or (care.fresh and workers.count):
        return process_team.Processes(count, method, care.fresh)
    return None


class _Run(Generic[Input, Output]):
    """One call of `map_in_order`, with those tasks that a team has."""

    def __init__(self, function: Callable[[Input], Output], care: Care[Input, Output], team: Team) -> None:
        self.function, self.care, self.team = function, care, team
        self.waiting: deque[_Task[Input]] = deque()
        self.unexplained = 0  # times in a row that workers ended, and over no part of the work
        self.carrying = False  # whether tasks travel with the files that they read

    def all(self, inputs: Iterable[Input]) -> Iterator[Output]:
        for one in inputs:
            self.waiting.append(self.start(one))
            ahead = self.team.width + 1 if self.carrying else AHEAD * self.team.width
            while len(self.waiting) >= ahead:
                yield self.result(self.waiting.popleft())
        while self.waiting:
            yield self.result(self.waiting.popleft())

    def start(self, one: Input) -> _Task[Input]:
        task = _Task(next(_numbers), one)
        self.submit(task)
        return task

    def submit(self, task: _Task[Input]) -> None:
        contents = read_all(self._files(task)) if self.carrying else {}
        try:
            task.future = self.team.submit(task.number, self.function, task.input, contents)
        except Lost:
            task.future = None

    def result(self, task: _Task[Input]) -> Output:
        """The output of a task, whatever becomes of the workers that try it."""
        while True:
            try:
                output = self._wait(task)
                self.unexplained = 0
                return output
            except Lost:
                self._account(task)
                guilty = {part for part, died in task.died.items() if died >= self.team.patience}
                self._again(self.waiting if guilty else (task, *self.waiting))
                if guilty:
                    return self._taken_apart(task, guilty)
            except FilesMissing as missing:
                self._send(task, missing)

    def _wait(self, task: _Task[Input]) -> Output:
        if task.future is None:
            raise Lost
        self._until_done(task.future)
        try:
            return task.future.result()
        except BaseException as error:
            explained = self.team.explain(error)
            if explained is error:
                raise
            raise explained from error

    def _until_done(self, future: Future) -> None:
        while wait([future], POLL).not_done:
            self.team.check()

    def _account(self, task: _Task[Input]) -> None:
        """Notes at which part of which task a worker ended. Raises WorkersError where workers end again and
        again over nothing."""
        tasks = {other.number: other for other in (task, *self.waiting)}
        blamed = False
        for number, part in self.team.victims(task.number):
            if number in tasks:
                tasks[number].died[part] += 1
                blamed = True
        self.unexplained = 0 if blamed else self.unexplained + 1
        if self.unexplained > MOST_UNEXPLAINED:
            raise WorkersError(
                "The worker processes die before they work, most likely for lack of memory. Run again with "
                "fewer workers."
            )

    def _again(self, tasks: Iterable[_Task[Input]]) -> None:
        """Submits those tasks that a dead worker has taken along."""
        for task in tasks:
            if task.future is None or (task.future.done() and self.team.was_lost(task.future)):
                self.submit(task)

    def _taken_apart(self, task: _Task[Input], guilty: Set[int | None]) -> Output:
        """The output of a task that ended its workers: of its parts one after another, without the guilty
        ones."""
        division = self.care.divisible
        if division is None:
            raise WorkersError(
                f"{VICTIMS} worker processes died over the same part of the work, most likely for lack of "
                "memory. Run again with fewer workers, or without them."
            )
        parts = division.parts(task.input)
        if len(parts) == 1:
            return division.lost(parts[0])
        if None in guilty:  # whoever is with the same worker would be blamed, too
            self._settle()
        outputs = []
        for place, part in enumerate(parts):
            outputs.append(division.lost(part) if place in guilty else self.result(self.start(part)))
        return division.joined(outputs)

    def _settle(self) -> None:
        """Waits until no task runs."""
        for other in self.waiting:
            if other.future is not None:
                self._until_done(other.future)

    def _files(self, task: _Task[Input]) -> Sequence[Path]:
        return self.care.files(task.input) if self.care.files else ()

    def _send(self, task: _Task[Input], missing: FilesMissing) -> None:
        """Answers a worker that does not see files: from now on tasks travel with those that they read;
        others, such as networks, are sent to all workers at once."""
        task.asked += 1
        if task.asked > MOST_ASKED:
            raise missing
        if set(missing.paths) <= set(map(str, self._files(task))):
            if not self.carrying:
                note(
                    "The workers do not see the files that are read, so their bytes are sent along. A disk "
                    "that all machines see under the same path is faster."
                )
            self.carrying = True
        else:
            self.team.send(missing)
        for other in (task, *self.waiting):
            future = other.future
            if future is not None and future.done() and isinstance(_error_of(future), FilesMissing):
                self.submit(other)


def _error_of(future: Future) -> BaseException | None:
    """What a finished task raised."""
    return None if future.cancelled() else future.exception()
