"""The faces of a photograph, by a detector of upright faces: at two scales, in photographs that lie on their
side or upside down, and each face a second time in an upright view of itself. Works on pixels; detectors.py
has the detectors."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from facespace.image.align import FaceTemplate, FoundFace, apply, invert, similarity, warp

SMALL, LARGE = 320, 640  # limits of a photo's longer side, in pixels, at the first detection
MARGIN = 0.2  # of the longer side, added all around: both detectors miss a face that touches the edge
ROTATIONS = (20, -20, 40, -40)  # degrees by which a photo without an upright face is rotated
QUARTERS = (180, 90, 270)  # degrees by which scans and photographs without EXIF lie
EYE_DISTANCE = 20.0  # photo pixels between the eyes that are still found
FINEST = 3200  # pixels of the longer side at the second detection, which bound its memory
LEAD = 0.01  # by which the score of a turned picture exceeds that of the picture as it is

DetectUpright = Callable[[np.ndarray], list[FoundFace]]  # (H, W, 3) uint8 RGB -> the upright faces in it


def search(
    look: DetectUpright,
    image: Image.Image,
    frame: FaceTemplate,
    sure: float = 0.0,
    least: float = 8.0,
    fast: bool = True,
    upright: bool = False,
) -> list[FoundFace]:
    """All faces of a picture, largest first. A large photograph is searched at a second, finer scale, at
    which eyes that are 20 px apart lie `least` px apart, as the detector needs; by a slow one only where the
    first scale shows no face. Unless all faces are `upright`: where no score reaches `sure`, the picture is
    tried on its sides and upside down too, and the turn with the highest score counts; without any face small
    rotations are tried. Each face is then detected a second time, upright in `frame`, which reduces the noise
    of its points."""
    photo = image if image.mode == "RGB" else image.convert("RGB")
    scales = partial(_look_at, look, frame=frame, least=least, fast=fast)
    found = scales(photo)
    if not upright:
        found = _turned_or_tilted(look, scales, photo, found, sure)
    coarse = [_look_again(look, photo, face, frame) or face for face in found.coarse]
    return sorted([*coarse, *found.fine], key=lambda face: -face.box[2] * face.box[3])


class Seen(NamedTuple):
    """The faces of a picture that were found at the first scale, and smaller ones that a finer one shows,
    each of which was detected twice."""

    coarse: list[FoundFace]
    fine: list[FoundFace] = []  # noqa: RUF012 (never changed)

    @property
    def faces(self) -> list[FoundFace]:
        """All of them."""
        return [*self.coarse, *self.fine]

    @property
    def score(self) -> float:
        """The highest score; 0 without a face."""
        return max((face.score for face in self.faces), default=0.0)


def _turned_or_tilted(
    look: DetectUpright, scales: Callable[[Image.Image], Seen], photo: Image.Image, found: Seen, sure: float
) -> Seen:
    """What was found in the picture as it is, unless its turns or small rotations show surer faces."""
    if found.score < sure:
        found = _turned(scales, photo, found)
    if not found.faces:
        found = _tilted(look, photo)
    if not found.faces and not sure:
        found = _turned(scales, photo, found)
    return found


def _turned(scales: Callable[[Image.Image], Seen], photo: Image.Image, found: Seen) -> Seen:
    """The faces of the picture by the quarter turn, or none, at which the detector is surest."""
    best = found
    lead = LEAD  # over the picture as it is; turns are compared without
    for degrees in QUARTERS:
        turn = Quarter(photo.size, degrees)
        seen = scales(photo.transpose(turn.method))
        if seen.score > best.score + lead:
            best, lead = Seen(list(map(turn.back, seen.coarse)), list(map(turn.back, seen.fine))), 0.0
    return best


def _tilted(look: DetectUpright, photo: Image.Image) -> Seen:
    """The faces of the picture by the small rotation at which the detector is surest."""
    padded, grown = _padded(photo, min(max(*photo.size, SMALL), LARGE))
    image = Image.fromarray(padded)
    tilted = [Seen(_look_tilted(look, image, grown, degrees)) for degrees in ROTATIONS]
    return max(tilted, key=lambda seen: seen.score)


class Quarter:
    """A turn of a picture of that size (width, height) by 90, 180 or 270 degrees, counterclockwise."""

    def __init__(self, size: tuple[int, int], degrees: int) -> None:
        self.method = {
            90: Image.Transpose.ROTATE_90,
            180: Image.Transpose.ROTATE_180,
            270: Image.Transpose.ROTATE_270,
        }[degrees]
        width, height = size
        matrices = {  # from the turned picture back
            90: [(0, -1, width), (1, 0, 0)],
            180: [(-1, 0, width), (0, -1, height)],
            270: [(0, 1, 0), (-1, 0, height)],
        }
        self._matrix = np.array(matrices[degrees], float)
        self._sideways = degrees != 180

    def back(self, face: FoundFace) -> FoundFace:
        """A face of the turned picture, in the picture as it is."""
        moved = _mapped(face, self._matrix)
        if not self._sideways:
            return moved
        left, top, width, height = moved.box
        x, y = left + width / 2, top + height / 2
        return FoundFace((x - height / 2, y - width / 2, height, width), moved.points, moved.score)


def _look_at(look: DetectUpright, photo: Image.Image, frame: FaceTemplate, least: float, fast: bool) -> Seen:
    """The upright faces of a photograph, in its pixels: those found in a small copy, and, of a large
    photograph, smaller ones that a finer copy shows and an upright view confirms."""
    longer = max(photo.size)
    found = Seen(_look_in(look, photo, min(max(longer, SMALL), LARGE)), [])
    finer = min(round(longer * least / EYE_DISTANCE), FINEST)
    if finer <= LARGE or (found.coarse and not fast):
        return found
    for face in _look_in(look, photo, finer):
        if not _known(face, found.faces):
            confirmed = _look_again(look, photo, face, frame)
            if confirmed:
                found.fine.append(confirmed)
    return found


def _known(face: FoundFace, found: Sequence[FoundFace]) -> bool:
    """Whether the centre of a face lies in one that was found before."""
    x, y = face.box[0] + face.box[2] / 2, face.box[1] + face.box[3] / 2
    for left, top, width, height in (other.box for other in found):
        if left <= x <= left + width and top <= y <= top + height:
            return True
    return False


def _look_in(look: DetectUpright, photo: Image.Image, longer: int) -> list[FoundFace]:
    """The faces of a copy whose longer side has so many pixels, in pixels of the photograph."""
    padded, back = _padded(photo, longer)
    return [_mapped(face, back) for face in look(padded)]


def _padded(photo: Image.Image, longer: int) -> tuple[np.ndarray, np.ndarray]:
    """A resized copy with repeated edges all around, and the (2, 3) matrix back to the photograph."""
    scale = longer / max(photo.size)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    margin = round(MARGIN * LARGE) if longer > LARGE else round(MARGIN * max(size))
    pixels = np.asarray(photo.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
    padded = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    return padded, np.array([(1 / scale, 0, -margin / scale), (0, 1 / scale, -margin / scale)])


def _look_tilted(
    look: DetectUpright, image: Image.Image, grown: np.ndarray, degrees: float
) -> list[FoundFace]:
    """The faces of a padded copy that is rotated by a few degrees, in pixels of the picture, to which the
    (2, 3) matrix `grown` leads back."""
    turned = image.rotate(degrees, Image.Resampling.BILINEAR, expand=True, fillcolor=(128, 128, 128))
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    back = np.array([(cos, -sin), (sin, cos)])
    shift = np.array(image.size) / 2 - back @ np.array(turned.size) / 2  # the centres lie on each other
    matrix = np.column_stack((back, shift))
    return [_mapped(_mapped(face, matrix), grown) for face in look(np.asarray(turned))]


def _look_again(
    look: DetectUpright, image: Image.Image, face: FoundFace, frame: FaceTemplate
) -> FoundFace | None:
    """The face with the mean of the points from an upright view of it and from that view's mirror image,
    whose errors differ; None where it is found in neither."""
    matrix = similarity(face.points, frame.points)
    view = warp(image, matrix, frame.width, frame.height)
    points, scores = [], []
    for found in _placed(look(np.asarray(view)), frame):
        points.append(found.points)
        scores.append(found.score)
    for found in _placed(look(np.asarray(ImageOps.mirror(view))), frame):
        points.append((found.points * (-1, 1) + (frame.width, 0))[[1, 0, 2, 4, 3]])
        scores.append(found.score)
    if not points:
        return None
    return FoundFace(face.box, apply(invert(matrix), np.mean(points, axis=0)), float(np.mean(scores)))


def _placed(faces: list[FoundFace], frame: FaceTemplate) -> list[FoundFace]:
    """The face whose eyes are at the frame's positions, within half of their distance; or none."""
    eyes = frame.points[:2]
    if not faces:
        return []
    distances = [float(np.abs(face.points[:2] - eyes).max()) for face in faces]
    nearest = int(np.argmin(distances))
    if distances[nearest] >= (eyes[1, 0] - eyes[0, 0]) / 2:
        return []
    return [faces[nearest]]


def _mapped(face: FoundFace, matrix: np.ndarray) -> FoundFace:
    """The face through a similarity; its box stays upright, around the same centre."""
    left, top, width, height = face.box
    scale = float(np.sqrt(np.linalg.det(matrix[:, :2])))
    x, y = apply(matrix, np.array([(left + width / 2, top + height / 2)]))[0]
    width, height = width * scale, height * scale
    box = (float(x - width / 2), float(y - height / 2), width, height)
    return FoundFace(box, apply(matrix, face.points), face.score)
