"""The faces that a morph goes through: from photographs, folders and latents, without the files in which
there is no face, in the order that was asked for. Plans no path."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from facespace.cli.faces import (
    check_one_source,
    faces_in,
    files_in,
    is_array,
    open_space,
    read_array,
    some_latents,
)
from facespace.cli.options import FaceSource
from facespace.core.console import note, progress
from facespace.core.errors import BundleError, ImageError, UsageError
from facespace.data.aligned_photos import PhotoReader
from facespace.data.faces import is_face_set
from facespace.latent.ordering import GIVEN, ordered
from facespace.models.locations import find

if TYPE_CHECKING:
    from facespace.space.face_space import FaceSpace

RANDOM = 4  # new faces of a morph for which none are named
TEMPERATURE = 0.7  # of these: nearer to the mean, fewer have artefacts
RUN_FILES = ("metrics.jsonl", "checkpoint.pt")  # of a run, whose sheets are no faces
NAMED = 5  # files that a note names; of more it gives the number


class Keyframes(NamedTuple):
    """Latents float32 (N, D) in the order of the morph, the name of each, the files that were left out, and a
    phrase for the faces."""

    latents: np.ndarray
    names: list[str]
    skipped: list[str]
    text: str

    def ordered(self, order: str, seed: int, closed: bool) -> "Keyframes":
        """The same in another order, one of latent.ordering.ORDERS."""
        if order == GIVEN:
            return self
        places = ordered(self.latents, order, seed, closed)
        names = [self.names[place] for place in places]
        return self._replace(latents=self.latents[places], names=names)


def open_space_of_faces(paths: Sequence[Path]) -> tuple["FaceSpace", list[Path]]:
    """The space that the first path names, or the default space, and the files of faces: those named, and in
    place of each folder its pictures and arrays by name."""
    if paths and _holds_faces(paths[0]):
        space, files = open_space([])[0], list(paths)
    else:
        space, files = open_space(paths)
    expanded: list[Path] = []
    for file in files:
        expanded += files_in(file)
    return space, expanded


def _holds_faces(folder: Path) -> bool:
    """Whether a folder holds pictures or latents, and is neither a trained model nor an unfinished run."""
    if not folder.is_dir() or any((folder / name).exists() for name in RUN_FILES):
        return False
    if is_face_set(folder):
        return True  # which is refused with a sentence that names --data
    with contextlib.suppress(BundleError):
        find(folder)
        return False
    return next(faces_in(folder), None) is not None


def find_keyframes(space: "FaceSpace", files: Sequence[Path], source: FaceSource) -> Keyframes:
    """The faces of files and folders, of a set, or new ones: RANDOM of them where nothing is named. Pictures
    without a face are left out, with a note that names them. Raises UsageError where fewer than two faces are
    left."""
    if not files and not source.data and source.random is None:
        latents = space.sample_latents(RANDOM, source.seed, TEMPERATURE, source.prior)
        return Keyframes(latents, _numbered("random face", RANDOM), [], _random_text(RANDOM, source.seed))
    check_one_source(files, source)
    if files:
        return _of_files(space, files, source)
    count = source.random
    if source.data:
        count = 2 if source.count is None else source.count
    latents = some_latents(space, source, count or 0)
    if source.data:
        names, text = _numbered("face", len(latents)), f"{len(latents)} faces of {source.data}"
    else:
        names, text = _numbered("random face", len(latents)), _random_text(len(latents), source.seed)
    return Keyframes(latents, names, [], text)


def _numbered(kind: str, count: int) -> list[str]:
    return [f"{kind} {number}" for number in range(1, count + 1)]


def _random_text(count: int, seed: int) -> str:
    return f"{count} random faces (seed {seed})"


def _of_files(space: "FaceSpace", files: Sequence[Path], source: FaceSource) -> Keyframes:
    parts, names, reasons = [], [], {}
    reader = PhotoReader(source.align, space.template)
    with progress(len(files), "Reading faces", "files") as advance:
        for path in files:
            try:
                found = _read(space, path, reader)
                parts.append(found)
                names += [path.name] * len(found)
            except ImageError as error:
                if not path.exists():
                    raise
                reasons[str(path)] = str(error)
            advance(1)
    reader.report()
    latents = np.concatenate([np.empty((0, space.latent_dim), np.float32), *parts])
    _check(len(latents), len(files), reasons)
    if reasons:
        note(_skipped(reasons))
    return Keyframes(latents, names, list(reasons), f"{len(latents)} faces")


def _read(space: "FaceSpace", path: Path, reader: PhotoReader) -> np.ndarray:
    """Latents (N, D) of one file."""
    if is_array(path):
        return space.latents(read_array(path).astype(np.float32))
    photo = reader.read(path)
    return space.encode([photo] if photo else [])


def _check(found: int, files: int, reasons: dict[str, str]) -> None:
    if found >= 2:
        return
    if not reasons:
        raise UsageError(f"A morph goes through at least two faces; got {found}.")
    raise UsageError(
        f"A morph goes through at least two faces; {found or 'none'} of {files} files "
        f"{'has' if found == 1 else 'have'} one. {_skipped(reasons)}"
    )


def _skipped(reasons: dict[str, str]) -> str:
    """A sentence that names the files left out."""
    count = len(reasons)
    if count == 1:
        (reason,) = reasons.values()
        return f"Left out: {reason}"
    named = ", ".join(Path(path).name for path in list(reasons)[:NAMED])
    more = f" and {count - NAMED} more" if count > NAMED else ""
    return f"Left out {count} files, in which no face was found or which are no pictures: {named}{more}."
