"""Whether the faces of a folder of photographs lie at one place, as in a data set that was aligned before, or
anywhere: looks at a few photographs with a face detector."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from facespace.core.errors import FacespaceError, ImageError
from facespace.data.faces import Face, StoredImage, evenly_spaced
from facespace.image.align import main_face
from facespace.image.detectors import Detector, open_detector
from facespace.image.photos import read_photo

MOST = 24  # photographs looked at
SMALLEST = 96  # px of the shorter side; prepared faces are often smaller, and drawn ones too
WITH_FACE = 0.8  # share of the photographs looked at, above which a folder counts as one of faces
SHIFT = 0.2  # eye distances: standard deviation of the place of the eyes, above which faces lie anywhere
SCALE = 0.16  # standard deviation of the logarithm of the eye distance, above which they do
UPRIGHT = 45.0  # degrees: median of that line, above which faces do not stand upright
ROLL = 4.5  # degrees: standard deviation of the line through the eyes, above which they do


class Layout(NamedTuple):
    """What was seen: the number of photographs looked at, of those with a face, and whether the faces lie at
    one place."""

    photographs: int
    faces: int
    consistent: bool

    @property
    def unaligned(self) -> bool:
        """Whether these are photographs of faces that lie anywhere."""
        return self.photographs > 0 and self.faces >= WITH_FACE * self.photographs and not self.consistent

    @property
    def note(self) -> str:
        """A sentence for the card of a set, or an empty text where nothing was looked at."""
        if not self.photographs:
            return ""
        seen = f"{self.faces} of {self.photographs} photographs looked at show a face"
        if self.unaligned:
            return f"{seen}, at different places, so faces were aligned (--align no takes pictures whole)"
        if self.faces < WITH_FACE * self.photographs:
            return f"{seen}, too few to align faces, so pictures were taken whole (--align yes aligns faces)"
        return f"{seen}, at one place, so pictures were taken whole (--align yes aligns faces)"


def look(faces: Sequence[Face]) -> Layout:
    """Looks at some listed photographs, evenly spaced. Without OpenCV, and among small pictures, nothing is
    looked at."""
    photographs = []
    for place in evenly_spaced(np.arange(len(faces)), MOST):
        image = faces[int(place)].image
        photo = _read(image) if isinstance(image, Path | StoredImage) else None
        if photo and min(photo.size) >= SMALLEST:
            photographs.append(photo)
    if not photographs:
        return Layout(0, 0, True)
    try:
        detector = open_detector()
    except FacespaceError:
        return Layout(0, 0, True)
    places = [place for place in (_place(detector, photo) for photo in photographs) if place]
    return Layout(len(photographs), len(places), _consistent(np.array(places)))


def _read(source: Path | StoredImage) -> Image.Image | None:
    try:
        return read_photo(source if isinstance(source, Path) else source.read(), own=False)
    except ImageError:
        return None


def _place(detector: Detector, photo: Image.Image) -> tuple[float, float, float, float] | None:
    """The middle of the eyes from the centre of the picture, and their distance, in shorter sides; and the
    angle of the line through them in degrees."""
    found = detector(photo)
    if not found:
        return None
    face, _ = main_face(found, photo)
    x, y = face.points[:2].mean(0) - np.array(photo.size) / 2
    side = min(photo.size)
    return x / side, y / side, face.eye_distance / side, face.roll


def _consistent(places: np.ndarray) -> bool:
    if len(places) < 2:
        return True
    if abs(np.median(places[:, 3])) > UPRIGHT:  # a stack of scans that all lie on one side
        return False
    measures = np.column_stack((places[:, :2], np.log(places[:, 2]), places[:, 3]))
    x, y, scale, roll = _deviation(measures).tolist()
    shift = np.hypot(x, y) / np.median(places[:, 2])
    return bool(shift <= SHIFT and scale <= SCALE and roll <= ROLL)


def _deviation(values: np.ndarray) -> np.ndarray:
    """The standard deviation of each column of (N, D), by the median absolute deviation: a profile, or a face
    in the background, does not count."""
    return 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
