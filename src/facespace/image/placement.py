"""Where a face lies in a picture, compared with where the faces of a space lie in theirs. Works on landmarks;
detectors.py finds them, align.py moves a face that lies elsewhere."""

import math
from typing import NamedTuple

import numpy as np

from facespace.image.align import WEIGHTS, similarity
from facespace.image.photos import Template

Size = tuple[int, int]  # width, height in pixels
# Of 98 % of CelebA's pictures the scale lies within 0.85 and 1.16, the roll below 8° and the shift below
# 0.16; photographs of LFW and of portraits have scales of 0.3 to 0.86 with shifts of 0.28 and more (YuNet).
MOST_SCALE = 0.2  # difference of the natural logarithm from 0
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


def lies_in_crop(points: np.ndarray, template: Template, size: Size, tolerance: float = 1.0) -> bool:
    """Whether a face with these landmarks lies where the template's crop has faces; `tolerance` multiplies
    what it may be off."""
    found = placement(points, template, size)
    return (
        abs(math.log(found.scale)) <= tolerance * MOST_SCALE
        and abs(found.roll) <= tolerance * MOST_ROLL
        and found.shift <= tolerance * MOST_SHIFT
    )
