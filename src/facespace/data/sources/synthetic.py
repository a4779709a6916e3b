"""Faces drawn from known factors: the embedded data that needs no download and no permission, and whose every attribute
is exact. The drawing itself is in drawn/."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facespace.data.faces import Face, Listing
from facespace.data.sources import Source, SourceOptions
from facespace.data.synthetic.factors import FACTORS, draw_factors, render

DEFAULT_COUNT = 4_000


@dataclass(frozen=True)
class DrawnFace:
    """A face that is still to be drawn."""

    factors: Mapping[str, float]

    def draw(self, height: int, width: int) -> np.ndarray:
        """uint8 (height, width, 3)."""
        return render(self.factors, height, width)


def read(root: Path, options: SourceOptions) -> Listing:
    """`limit` faces (4,000 where it is not set); face i of a seed is the same however many are drawn."""
    drawn = [draw_factors(options.seed, index) for index in range(options.limit or DEFAULT_COUNT)]
    faces = [
        Face(f"drawn-{options.seed}-{index:06d}", DrawnFace(factors)) for index, factors in enumerate(drawn)
    ]
    values = np.array([list(factors.values()) for factors in drawn], np.float32)
    return Listing(faces, tuple(FACTORS), values, notes=(f"drawn with seed {options.seed}",))


SOURCE = Source(
    read,
    summary="drawn faces from known factors; nothing to download (--limit says how many, 4,000 unless told)",
    holds="nothing",
    terms="free: drawn by facespace, no person is shown",
    needs_root=False,
)
