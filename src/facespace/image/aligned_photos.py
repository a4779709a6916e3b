"""Photographs from files, as they are or with the largest face aligned: what encoding, editing and morphing
start from."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from facespace.core.errors import ImageError
from facespace.image.align import TEMPLATES, FoundFace, align, main_face
from facespace.image.detectors import open_detector
from facespace.image.photos import read_photo


def read_photos(paths: Sequence[Path | str], align_faces: bool = False) -> list[Image.Image]:
    """Photographs by name; with `align_faces` the largest face of each, aligned to CelebA's template. Raises
    ImageError for the first file that cannot be used."""
    detector = open_detector() if align_faces else None
    photos = []
    for path in map(Path, paths):
        try:
            photo = read_photo(path)
            photos.append(_aligned(photo, detector(photo)) if detector else photo)
        except ImageError as error:
            hint = " To use the faces of a prepared set, add --data SET." if path.is_dir() else ""
            raise ImageError(
                f"{path} cannot be used: {error}. Name a photograph (JPEG, PNG, WebP, TIFF …).{hint}"
            ) from error
    return photos


def _aligned(photo: Image.Image, found: Sequence[FoundFace]) -> Image.Image:
    if not found:
        raise ImageError("no face found in it")
    face, _ = main_face(found, photo)
    return align(photo, face, TEMPLATES["celeba"])
