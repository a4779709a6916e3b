"""What several verbs share about pictures: endings, reading photographs by name, saving faces as a sheet or an array."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from facespace.core.errors import FacespaceError, ImageError
from facespace.image import grids
from facespace.image.photos import read_photo

ARRAY = ".npy"


def is_array(to: Path) -> bool:
    """Whether a result shall be an array rather than a picture."""
    return to.suffix.lower() == ARRAY


def check_still(to: Path) -> None:
    """Raises UsageError unless a picture or an array can be written under that name."""
    grids.check_ending(to, (*grids.STILLS, ARRAY))


def save_faces(
    faces: np.ndarray,
    to: Path,
    finish: Callable[[Image.Image], Image.Image] = lambda sheet: sheet,
    columns: int | None = None,
) -> None:
    """uint8 (N, H, W, C) faces as an array if the name ends in .npy, else as a finished sheet."""
    if is_array(to):
        grids.save_array(np.asarray(faces), to)
    else:
        grids.save_still(finish(grids.grid(faces, columns)), to)


def read_all(paths: Sequence[Path], align: bool = False) -> list[Image.Image]:
    """Photographs by name; with `align` the largest face of each, laid on CelebA's template. Raises ImageError with the
    first file that cannot be used."""
    from facespace.image import align as aligning
    from facespace.image.detectors import open_detector

    find = open_detector() if align else None
    photos = []
    for path in paths:
        try:
            photo = read_photo(path)
            found = find(photo) if find else None
            if found == []:
                raise ImageError("no face found in it")
            if found:
                face, _ = aligning.foremost(found, photo)
                photo = aligning.align(photo, face, aligning.TEMPLATES["celeba"])
            photos.append(photo)
        except ImageError as error:
            what = " To take the faces of a prepared set, add --data SET." if path.is_dir() else ""
            raise ImageError(
                f"{path} cannot be used: {error}. Name a photograph (JPEG, PNG, WebP, TIFF …).{what}"
            ) from error
    return photos


def read_array(path: Path) -> np.ndarray:
    """A .npy file of real numbers, never unpickled. Raises FacespaceError where it is not one."""
    if not path.is_file():
        raise FacespaceError(f"{path} does not exist. Make it with: facespace encode SPACE IMAGE --to {path}")
    try:
        array = np.lib.format.open_memmap(
            path, mode="r"
        )  # a header that claims more than the file holds is found out
    except Exception as error:  # a hostile header can raise almost anything
        raise FacespaceError(
            f"{path} is not a .npy file of numbers ({error}). Make one with: facespace encode"
        ) from error
    if not np.issubdtype(array.dtype, np.floating) and not np.issubdtype(array.dtype, np.integer):
        raise FacespaceError(
            f"{path} holds {array.dtype}, not real numbers. Make latents with: facespace encode"
        )
    return np.array(array)
