"""Files to spaces, pictures and latents, and back: what the verbs that use a space share. Parses no
options."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from facespace.cli.missing import ARRAY, missing, no_space
from facespace.cli.options import AlignMode, FaceSource, Photos
from facespace.core.console import progress, quoted
from facespace.core.errors import FacespaceError, UsageError
from facespace.core.files import restore_interrupted
from facespace.core.left_behind import is_left_behind
from facespace.data.aligned_photos import PhotoReader
from facespace.data.faces import is_face_set
from facespace.image import grids
from facespace.image.photos import has_image_ending
from facespace.image.provenance import is_own_sheet
from facespace.image.sheets import sheet
from facespace.models.locations import MODEL_ENDINGS, folder_of, is_space

if TYPE_CHECKING:
    from facespace.space.face_space import FaceSpace


def open_space(paths: Sequence[Path]) -> tuple["FaceSpace", list[Path]]:
    """The space in the folder that the first path names, and the other paths; without such a folder the
    default space."""
    from facespace.space.face_space import load

    if paths:
        restore_interrupted(paths[0])
        paths = [_space_or_file(paths[0]), *paths[1:]]
    named = bool(paths) and paths[0].is_dir()
    files = list(paths[1:] if named else paths)
    for place, file in enumerate(files):
        if not file.exists():
            raise missing(file, may_be_space=place == 0 and not named)
    return load(paths[0]) if named else load(), files


def _space_or_file(path: Path) -> Path:
    """The folder of the space that a first path names, be it by one of its files; or a file of faces. Raises
    UsageError for a file that can only be meant as a model."""
    folder = folder_of(path)
    if folder.is_file() and folder.suffix.lower() in MODEL_ENDINGS:
        raise no_space(path)
    return folder


def open_one(space: Path | None) -> "FaceSpace":
    """The space of that folder, or the default space. Raises FacespaceError for a path that is no folder."""
    if space is None:
        return open_space([])[0]
    restore_interrupted(space)
    space = folder_of(space)
    if not space.is_dir():
        raise no_space(space)
    return open_space([space])[0]


def is_array(path: Path) -> bool:
    """Whether a file is an array (.npy) rather than a picture."""
    return path.suffix.lower() == ARRAY


def check_still(to: Path | None) -> None:
    """Raises UsageError unless a picture or an array can be written under that name; None is a new
    picture."""
    if to is not None:
        grids.check_ending(to, (*grids.STILLS, ARRAY))


def _unchanged(picture: Image.Image) -> Image.Image:
    return picture


def save_faces(
    faces: np.ndarray,
    to: Path,
    finish: Callable[[Image.Image], Image.Image] = _unchanged,
    columns: int | None = None,
    scale: int | None = None,
) -> None:
    """Saves uint8 (N, H, W, C) faces as an array if the name ends in .npy, else as an image grid, after
    `finish`; `scale` is that of image/sheets.py."""
    if is_array(to):
        grids.save_array(np.asarray(faces), to)
    else:
        grids.save_still(finish(sheet(faces, columns, scale=scale)), to, sheet=len(faces) > 1)


def exactly(space: "FaceSpace", photos: Photos, count: int) -> np.ndarray:
    """`count` faces of the set that --data names, as the space takes them, uint8 (N, H, W, C). Raises
    UsageError where the split has fewer."""
    assert photos.data
    faces = space.faces_of(photos.data, photos.split, count)
    if len(faces) < count:
        raise UsageError(
            f"This takes {count} faces, and {photos.data} has {len(faces)} in the split {photos.split!r}. "
            "Reduce the number."
        )
    return faces.pixels


def key_latents(space: "FaceSpace", files: Sequence[Path], source: FaceSource) -> np.ndarray:
    """The faces that a morph or an edit starts from, as latents float32 (N, D). Raises UsageError unless they
    come from exactly one of files, --random and --data."""
    check_one_source(files, source)
    if files:
        return read_latents(space, files, source.align)
    if source.data:
        return some_latents(space, source, 2 if source.count is None else source.count)
    return some_latents(space, source, source.random or 0)


def some_latents(space: "FaceSpace", source: FaceSource, count: int) -> np.ndarray:
    """Latents of `count` faces of the set, or of as many new faces, drawn at the temperature of the card:
    float32 (count, D)."""
    if source.data:
        return space.encode(exactly(space, source, count))
    temperature = space.sampling_settings(source.prior)["temperature"]
    return space.sample_latents(count, source.seed, temperature, source.prior)


def check_one_source(files: Sequence[Path], source: FaceSource) -> None:
    """Raises UsageError unless faces come from exactly one of files, --random and --data."""
    named = bool(files) + (source.random is not None) + (source.data is not None)
    if named > 1:
        raise UsageError("Faces come from files, from --random or from --data; name one of the three.")
    if not named:
        raise UsageError(
            "Name faces: photographs, folders of them, .npy files of latents, --random N or --data SET."
        )


def files_in(path: Path) -> list[Path]:
    """A file itself; of a folder its pictures and .npy files, by name, without the sheets and animations that
    facespace wrote there. Raises FacespaceError for a folder without any."""
    if not path.exists():
        raise missing(path)
    if not path.is_dir():
        return [path]
    _check_holds_faces(path)
    files = list(faces_in(path))
    if not files:
        raise FacespaceError(f"The folder {path} holds no pictures and no .npy files of latents.")
    return files


def faces_in(folder: Path) -> Iterator[Path]:
    """The pictures and .npy files of a folder, by name, without facespace's own sheets and animations."""
    for file in sorted(folder.iterdir()):
        if is_left_behind(file.name):
            continue
        if is_array(file) or (has_image_ending(file) and not is_own_sheet(file)):
            yield file


def _check_holds_faces(folder: Path) -> None:
    """Raises UsageError for a prepared set, a run or a bundle, whose pictures are not faces of their own."""
    if is_face_set(folder):
        raise UsageError(f"{folder} is a prepared set. Use its faces with: --data {quoted(folder)}")
    if is_space(folder):
        raise UsageError(f"{folder} is a space, and a space is named first, before photographs and latents.")


def read_latents(
    space: "FaceSpace", files: Sequence[Path], align: AlignMode = "auto", skip_faceless: bool = False
) -> np.ndarray:
    """Photographs encoded, and .npy files of latents as they are: float32 (N, D), in the order of the files.
    `align` and `skip_faceless` are those of `PhotoReader`."""
    reader = PhotoReader(align, space.template, skip_faceless)
    keys = []
    with progress(len(files), "Reading faces", "files") as advance:
        for file in files:
            key = read_array(file).astype(np.float32) if is_array(file) else reader.read(file)
            if key is not None:
                keys.append(key)
            advance(1)
    reader.report()
    return space.latents(*keys)


def read_array(path: Path) -> np.ndarray:
    """A .npy file of real numbers, never unpickled. Raises FacespaceError for any other file."""
    if not path.exists():
        raise missing(path)
    try:
        # A memory map compares the size in the header with the file's size.
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a hostile header can raise almost anything
        raise FacespaceError(
            f"{path} is not a .npy file of numbers ({error}). Make one with: facespace encode"
        ) from error
    if not np.issubdtype(array.dtype, np.floating) and not np.issubdtype(array.dtype, np.integer):
        raise FacespaceError(
            f"{path} holds {array.dtype}, not real numbers. Make latents with: facespace encode"
        )
    return np.array(array)
