"""A space whose networks run in workers: the same arrays in and out, computed by several processes or a
cluster. Which ones these are is workers/tasks.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from facespace.core.cards import CARD, WEIGHTS
from facespace.models.locations import is_default
from facespace.space.face_space import FaceSpace, load
from facespace.workers.networks import NetworkFiles, network_files, opened
from facespace.workers.tasks import Care, Crew, crew
from facespace.workers.where import Workers


def space_files(space: FaceSpace) -> NetworkFiles:
    """A space as a task names it."""
    if is_default(space.folder):
        return network_files(open_prepared, None)
    return network_files(open_prepared, space.folder, (CARD, WEIGHTS))


def open_prepared(folder: Path | None) -> FaceSpace:
    """The space of a folder, or the default space, for prepared faces."""
    return load(folder).as_prepared()


def encode_faces(network: NetworkFiles, faces: np.ndarray) -> np.ndarray:
    """A task: posterior means (N, D) of prepared faces uint8 (N, H, W, C) of any size."""
    return opened(network).encode(faces)


@contextmanager
def shared(space: FaceSpace, workers: Workers) -> Iterator[FaceSpace]:
    """Inside the block a copy of the space whose faces are encoded and decoded by workers; the space itself
    where none are named. The result is the same for any number of workers."""
    with crew(workers, Care(fresh=True)) as opened_crew:
        yield on_crew(space, opened_crew)


def on_crew(space: FaceSpace, workers: Crew) -> FaceSpace:
    """A copy of the space on a crew; the space itself where the crew is this process."""
    if workers.alone:
        return space
    from facespace.space.shared_engine import SharedEngine  # torch, which one process may do without

    engine = SharedEngine(space.torch_engine.bundle, space_files(space), workers)
    return space.on_engine(engine)
