"""The latents of a prepared set as a file: encoded in parts, by this process or by workers, and written as
they come, so that memory stays flat and an interrupted command continues."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from facespace.core.console import progress
from facespace.core.errors import UsageError
from facespace.core.files import check_apart
from facespace.core.finished_rows import finished_rows
from facespace.core.locks import writing
from facespace.core.tasks import Care, crew
from facespace.core.workers import HERE, Workers
from facespace.data.faces import FaceSet
from facespace.space.face_space import FaceSpace
from facespace.space.set_faces import SetFaces
from facespace.space.shared_engine import PART
from facespace.space.shared_work import encode_faces, space_files


def encode_set(
    space: FaceSpace,
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    split: str = "all",
    count: int | None = None,
    workers: Workers = HERE,
) -> int:
    """Writes the posterior means of a split of a prepared set, or of at most `count` evenly spaced faces of
    it, as the file `to`: .npy, float32 (N, D), in the order of the set. Returns N. The file appears when it
    is complete; the same call continues after an interruption.

    Raises UsageError for a set of another crop, an unknown or empty split, or a name that is no .npy file;
    WorkersError where workers are gone."""
    to = Path(to)
    if to.suffix.lower() != ".npy" or to.is_dir():
        raise UsageError(f"Latents of a set are written as one .npy file; got {to}.")
    faces = SetFaces(space, data, split, count)
    check_apart(to, faces.set.root, space.folder)
    job = {
        "space": space.card["fingerprint"],
        "set": faces.set.fingerprint,
        "split": split,
        "count": count,
        "one_thread": workers.named,
    }
    with writing(to), finished_rows(to, job, len(faces), space.latent_dim, PART) as rows:
        with progress(len(faces), "Encoding", "faces", rows.done) as advance:
            for latents in _encoded(faces, rows.done, workers):
                rows.add(latents)
                advance(len(latents))
        rows.finish(to)
    return len(faces)


def _encoded(faces: SetFaces, done: int, workers: Workers) -> Iterator[np.ndarray]:
    """Latents of the faces from number `done` on, in parts of `PART`."""
    space = faces.space
    assert isinstance(space, FaceSpace)
    parts = _pixels(faces, done)
    if not workers.named:
        yield from map(space.encode, parts)
        return
    with crew(workers, Care(fresh=True)) as opened:
        function = space.encode if opened.alone else partial(encode_faces, space_files(space))
        yield from opened.map(function, parts)


def _pixels(faces: SetFaces, done: int) -> Iterator[np.ndarray]:
    for start in range(done, len(faces), PART):
        yield np.asarray(faces.set.images[faces.rows[start : start + PART]])
