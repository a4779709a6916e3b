"""From a face's landmarks to an upright picture of a fixed size with CelebA's layout, and measures of its
quality. Needs Pillow and numpy only; detectors.py finds the landmarks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from facespace.core.errors import ImageError
from facespace.image.colours import REDUCED

# Least-squares weight of each point. The nose has none: it moves most when a head turns.
WEIGHTS = (1.0, 1.0, 0.0, 0.3, 0.3)
SUPERSAMPLING = 2  # a downsampled face is first rendered this much larger, then reduced: antialiasing


@dataclass(frozen=True, eq=False)  # arrays have no single truth to compare by
class FoundFace:
    """One face in a picture. Lengths are pixels from the picture's top left corner, as in Pillow's boxes."""

    box: tuple[float, float, float, float]  # left, top, width, height
    # (5, 2) float: the eye at the picture's left, the eye at its right, the tip of the nose, the corner of
    # the mouth at the left, the one at the right. NaN where the detector gives none.
    points: np.ndarray
    score: float  # the detector's confidence, in [0, 1]; not comparable between detectors

    @property
    def eye_distance(self) -> float:
        """Pixels between the centres of the eyes."""
        return float(np.linalg.norm(self.points[1] - self.points[0]))

    @property
    def roll(self) -> float:
        """The angle of the line through the eyes, in degrees."""
        across, down = self.points[1] - self.points[0]
        return float(np.degrees(np.arctan2(down, across)))

    @property
    def turn(self) -> int:
        """The quarter turns that lie in the face, in degrees: 0 upright, 180 upside down, 90 and 270 on a
        side."""
        return round(self.roll / 90) * 90 % 360


@dataclass(frozen=True, eq=False)
class FaceTemplate:
    """The positions of the five points of a face in an aligned picture of a fixed size."""

    name: str
    width: int
    height: int
    points: np.ndarray  # (5, 2), in the order of FoundFace.points

    def framed(self, scale: float, width: int, height: int) -> "FaceTemplate":
        """The same layout, `scale` times as large, in the middle of another frame."""
        shift = (width - scale * self.width) / 2, (height - scale * self.height) / 2
        return FaceTemplate(self.name, width, height, self.points * scale + shift)


TEMPLATES = {
    # CelebA's aligned pictures. Medians of the points that YuNet (in detectors.py, the largest face of each)
    # found in 2,000 of them, evenly spread over 13,700; half the interquartile range is 1.7 × 1.1 px for the
    # eyes, 4 × 1.4 for the nose and 1.9 × 1.5 for the mouth.
    "celeba": FaceTemplate(
        "celeba",
        178,
        218,
        np.array([(69.4, 111.9), (108.4, 112.0), (88.4, 135.4), (72.3, 152.8), (105.5, 152.7)]),
    ),
}


def similarity(points: np.ndarray, target: np.ndarray, weights: tuple[float, ...] = WEIGHTS) -> np.ndarray:
    """The similarity transform, as a (2, 3) matrix, that maps (N, 2) points to their targets with the least
    squared error: a rotation, a scale and a shift. Points with a NaN on either side are ignored; two must
    remain.

    Umeyama (1991) in the plane: with points as complex numbers, the best map without reflection is z → a·z +
    b."""
    p, q, w = np.asarray(points, float), np.asarray(target, float), np.asarray(weights, float)
    known = np.isfinite(p).all(1) & np.isfinite(q).all(1) & (w > 0)
    p, q, w = p[known] @ (1, 1j), q[known] @ (1, 1j), w[known]  # (K,) complex
    total = w.sum()
    if known.sum() < 2:
        raise ImageError("fewer than two distinct face points")
    middle_p, middle_q = (w @ p) / total, (w @ q) / total
    variance = w @ np.abs(p - middle_p) ** 2
    if variance < 1e-9:
        raise ImageError("fewer than two distinct face points")
    a = (w * (p - middle_p).conj()) @ (q - middle_q) / variance
    if abs(a) < 1e-9:
        raise ImageError("face points that fit no template")
    b = middle_q - a * middle_p
    return np.array([(a.real, -a.imag, b.real), (a.imag, a.real, b.imag)])


def given_face(points: np.ndarray, photo: Image.Image) -> FoundFace:
    """The face with these landmarks (5, 2) in a photograph, in pixels of its file, NaN where unknown. Raises
    ImageError where they lie outside it: they are of another picture, or of this one at another size."""
    reduced = photo.info.get(REDUCED, 1.0)
    points = points / reduced
    known = points[np.isfinite(points).all(1)]
    low, high = known.min(0), known.max(0)
    if (low < 0).any() or (high > photo.size).any():
        width, height = (round(side * reduced) for side in photo.size)
        raise ImageError(f"its given points lie outside the picture of {width}×{height} pixels")
    left, top = low.tolist()
    width, height = (high - low).tolist()
    return FoundFace((left, top, width, height), points, 1.0)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 2) points through a (2, 3) matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that undoes another."""
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack((back, -back @ matrix[:, 2]))


def align(image: Image.Image, face: FoundFace, template: FaceTemplate) -> Image.Image:
    """The face, upright and at the template's position, as an RGB picture of the template's size. Outside the
    photo its edge is continued, with increasing blur."""
    return warp(image, similarity(face.points, template.points), template.width, template.height)


def warp(image: Image.Image, matrix: np.ndarray, width: int, height: int) -> Image.Image:
    """The RGB photo transformed by `matrix` (2, 3), as a picture of `width` × `height`."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    finer = SUPERSAMPLING if scale < 0.9 else 1
    matrix = matrix * finer
    small = image if image.mode == "RGB" else image.convert("RGB")
    if (
        scale < 1 / SUPERSAMPLING
    ):  # Pillow's affine takes no averages: a large photo is first reduced to the size needed
        size = max(1, round(image.width * scale * finer)), max(1, round(image.height * scale * finer))
        small = small.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        grown = np.array((image.width / small.width, image.height / small.height, 1.0))
        matrix = matrix * grown
    back = invert(matrix)
    size = (width * finer, height * finer)
    inside = _inside(back, size, small.size)
    result = _draw(small, back, size)
    if not inside.all():
        result = _soften(result, inside, finer * width / 30)
    return result if finer == 1 else result.resize((width, height), Image.Resampling.LANCZOS)


def _draw(image: Image.Image, back: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Bicubic sampling; the photo's edge pixels are repeated outwards as far as the corners of the result
    reach."""
    corners = apply(back, np.array([(0, 0), (size[0], 0), (0, size[1]), size], float))
    left, top = np.floor(corners.min(0)).astype(int) - 3
    right, bottom = np.ceil(corners.max(0)).astype(int) + 3
    rows = np.arange(top, bottom).clip(0, image.height - 1)
    columns = np.arange(left, right).clip(0, image.width - 1)
    needed = np.asarray(image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)))
    part = Image.fromarray(needed[rows - rows[0]][:, columns - columns[0]])
    shifted = back - np.array([(0, 0, left), (0, 0, top)])
    return part.transform(size, Image.Transform.AFFINE, tuple(shifted.ravel()), Image.Resampling.BICUBIC)


def _inside(back: np.ndarray, size: tuple[int, int], photo: tuple[int, int]) -> np.ndarray:
    """(height, width) bool: which pixels of a result of `size` have their centre inside the photo."""
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    u = back[0, 0] * x + back[0, 1] * y + back[0, 2]
    v = back[1, 0] * x + back[1, 1] * y + back[1, 2]
    return (u >= 0) & (u <= photo[0]) & (v >= 0) & (v <= photo[1])


def _soften(image: Image.Image, inside: np.ndarray, radius: float) -> Image.Image:
    """Blurs the repeated edge, fully from about two radii outwards; the photo itself is unchanged."""
    near = Image.fromarray(np.uint8(inside) * 255).filter(ImageFilter.GaussianBlur(radius))
    ramp = (1 - np.asarray(near) / 127.5).clip(0, 1) * ~inside  # 0 at the edge, 1 far outside
    return Image.composite(
        image.filter(ImageFilter.GaussianBlur(radius)), image, Image.fromarray(np.uint8(ramp * 255))
    )


def sharpness(image: Image.Image) -> float:
    """The variance of the Laplacian of the brightness (0 to 255): near 0 for a blurred picture, hundreds and
    more for a sharp one. Comparable only between pictures of one size."""
    gray = np.asarray(image.convert("L"), np.float64)
    inner = gray[1:-1, 1:-1]
    if inner.size == 0:
        return 0.0
    return float((gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * inner).var())


def main_face(found: Sequence[FoundFace], image: Image.Image) -> tuple[FoundFace, dict[str, float]]:
    """The main face of a photograph, and its quality: the one with the largest product of eye distance and
    share inside the photo."""
    measured = [(face, quality(face, image)) for face in found]
    return max(measured, key=lambda item: item[1]["eye_distance"] * item[1]["inside"])


def quality(
    face: FoundFace, image: Image.Image, template: FaceTemplate = TEMPLATES["celeba"]
) -> dict[str, float]:
    """Measures of a face: `eye_distance` in photo pixels, the detector's `score`, the `sharpness` of the
    aligned picture, the share of it that is `inside` the photo, and the quarter `turn` in which it lies, in
    degrees."""
    matrix = similarity(face.points, template.points)
    inside = _inside(invert(matrix), (template.width, template.height), image.size)
    return {
        "eye_distance": face.eye_distance,
        "score": face.score,
        "sharpness": sharpness(warp(image, matrix, template.width, template.height)),
        "inside": float(inside.mean()),
        "turn": float(face.turn),
    }
