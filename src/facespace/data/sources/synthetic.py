"""Synthetic faces, rendered from known factors: data that needs no download and no permission, and whose every attribute is
exact. The renderer is in data/synthetic/."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facespace.data.faces import Face, SourceListing
from facespace.data.sources.source import Source, SourceOptions
from facespace.data.synthetic.factors import FACTORS, draw_factors
from facespace.data.synthetic.factors import render as render_face

DEFAULT_COUNT = 4_000


@dataclass(frozen=True)
class SyntheticFace:
    """A face that is rendered when its pixels are needed."""

    factors: Mapping[str, float]

    def render(self, height: int, width: int) -> np.ndarray:
        """uint8 (height, width, 3)."""
        return render_face(self.factors, height, width)


def read(root: Path, options: SourceOptions) -> SourceListing:
    """`limit` faces (4,000 where it is not set); face i of a seed is the same for every number of faces."""
    count = options.limit or DEFAULT_COUNT
    faces = []
    values = np.empty((count, len(FACTORS)), np.float32)
    for index in range(count):
        factors = draw_factors(options.seed, index)
        faces.append(Face(f"drawn-{options.seed}-{index:06d}", SyntheticFace(factors)))
        values[index] = list(factors.values())
    return SourceListing(faces, tuple(FACTORS), values, notes=(f"drawn with seed {options.seed}",))


SOURCE = Source(
    read,
    summary="synthetic faces from known factors; nothing to download (--limit sets their number, 4,000 by default)",
    holds="nothing",
    terms="free: drawn by facespace, no person is shown",
    needs_root=False,
)
