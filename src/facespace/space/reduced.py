"""A space whose faces are measured in a smaller size, so that spaces of several sizes compare."""

from dataclasses import replace

import numpy as np

from facespace.core.errors import UsageError
from facespace.image.photos import Template
from facespace.space.base import Given
from facespace.space.face_space import FaceSpace


class ReducedSpace(FaceSpace):
    """A copy of a space, with its networks and template, whose decoded faces and whose targets are `height`
    pixels high: each pixel is the mean of a square of the space's own.

    Raises UsageError unless the space's height is a multiple of `height`, and its width of the same."""

    def __init__(self, space: FaceSpace, height: int) -> None:
        super().__init__(space._loaded, space._codec)
        self.template = space.template
        _, own_height, own_width = space.image_shape
        side = own_height // height if 0 < height <= own_height else 0
        if not side or own_height % height or own_width % side:
            raise UsageError(
                f"--size {height} is no whole part of the space's faces, which are {own_width}×{own_height} "
                f"(width × height): name their height divided by 1, 2, 3 …"
            )
        self._side = side

    @property
    def target_template(self) -> Template:
        """As in FaceSpace, in the smaller size."""
        height, width = self.template.height // self._side, self.template.width // self._side
        return replace(self.template, height=height, width=width)

    def decode(self, z: np.ndarray, conditions: Given = None) -> np.ndarray:
        """As in FaceSpace, in the smaller size: uint8 (N, H, W, C)."""
        return reduced(super().decode(z, conditions), self._side)

    def target(self, faces: np.ndarray) -> np.ndarray:
        """As in FaceSpace, in the smaller size: uint8 (N, H, W, C)."""
        return reduced(super().target(faces), self._side)


def reduced(faces: np.ndarray, side: int) -> np.ndarray:
    """Faces uint8 (N, H, W, C) whose squares of `side` pixels become one, their rounded mean."""
    count, height, width, channels = faces.shape
    squares = faces.reshape(count, height // side, side, width // side, side, channels)
    return np.rint(squares.mean((2, 4), dtype=np.float32)).astype(np.uint8)
