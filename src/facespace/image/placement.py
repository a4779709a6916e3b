"""Where a face lies in a picture, compared with where the faces of a space lie in theirs. Works on landmarks;
detectors.py finds them, align.py moves a face that lies elsewhere."""

from typing import NamedTuple

import numpy as np

from facespace.image.align import WEIGHTS, similarity
from facespace.image.photos import Template

Size = tuple[int, int]  # width, height in pixels
SMALLEST, LARGEST = 0.82, 1.22  # scale
MOST_ROLL = 10.0  # degrees
MOST_SHIFT = 0.22  # eye distances


class Placement(NamedTuple):
    """A face in its crop, relative to the mean face of a set with CelebA's layout."""

    scale: float  # its size ÷ that of the mean face
    roll: float  # degrees by which it is rotated in the picture
    shift: float  # from its place, in eye distances of the mean face


def placement(points: np.ndarray, template: Template, size: Size) -> Placement:
    """How landmarks (5, 2) of a picture of that size lie in the face that the template makes of it. Raises
    ImageError for landmarks that fit no face."""
    placed, usual = template.place(points, size), template.points
    matrix = similarity(placed, usual)
    known = np.isfinite(placed).all(1)
    weights = np.array(WEIGHTS)[known]
    shift = np.average(placed[known] - usual[known], axis=0, weights=weights)
    eye_distance = np.linalg.norm(usual[1] - usual[0])
    return Placement(
        scale=1 / float(np.hypot(matrix[0, 0], matrix[1, 0])),
        roll=-float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))),
        shift=float(np.linalg.norm(shift) / eye_distance),
    )


def lies_in_crop(points: np.ndarray, template: Template, size: Size) -> bool:
    """Whether a face with these landmarks lies where the template's crop has faces."""
    found = placement(points, template, size)
    return (
        SMALLEST <= found.scale <= LARGEST and abs(found.roll) <= MOST_ROLL and found.shift <= MOST_SHIFT
    )
