"""Latents as the frames of an animation, which are decoded where they are read, in parts, so that memory does
not grow with its length; and a morph as a film, whose steps are measured on the way. Which latents it has is
FaceSpace.morph_latents."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from facespace.data.faces import BATCH_SIZE
from facespace.image.animation import Distance

if TYPE_CHECKING:
    from facespace.space.face_space import FaceSpace


class Decoded:
    """Faces of latents float32 (F, D): `shape` (F, H, W, C) and slices of frames uint8 (K, H, W, C), as an
    array has them."""

    def __init__(self, space: "FaceSpace", latents: np.ndarray) -> None:
        self._space, self.latents = space, latents
        channels, height, width = space.image_shape
        self.shape = (len(latents), height, width, channels)

        self._ahead: Iterator[np.ndarray] = iter(())  # the next parts, where workers decode them
        self._place = 0  # the frame with which the next of these begins

    def __getitem__(self, places: slice, /) -> np.ndarray:
        start, stop, step = places.indices(len(self.latents))
        if step != 1 or stop - start > BATCH_SIZE or len(self.latents) <= BATCH_SIZE:
            return self._space.decode(self.latents[places])
        if start == 0:
            self._place, self._ahead = 0, self._space.decode_ahead(self.latents)
        if start == self._place and stop == min(start + BATCH_SIZE, len(self.latents)):
            self._place = stop
            return next(self._ahead)
        return self._space.decode(self.latents[places])


class Film(Decoded):
    """A morph whose steps are measured while its frames are read in order."""

    def __init__(
        self,
        space: "FaceSpace",
        latents: np.ndarray,
        distance: Distance,
        closed: bool,
        ratios: dict[str, float],
    ) -> None:
        super().__init__(space, latents)
        self._distance, self._closed, self._predicted = distance, closed, ratios
        self._first: np.ndarray | None = None
        self._last: np.ndarray | None = None  # of the frames that were read in order
        self._read, self._steps = 0, [np.empty(0)]  # how many these are, and the steps between them

    def __getitem__(self, places: slice, /) -> np.ndarray:
        faces = super().__getitem__(places)
        start, _, step = places.indices(len(self.latents))
        if start == 0:  # read once more
            self._read, self._last, self._steps = 0, None, [np.empty(0)]
        if start == self._read and step == 1 and len(faces):
            self._measure(faces)
        return faces

    def _measure(self, faces: np.ndarray) -> None:
        """Adds the steps to these frames, the next ones, from those before."""
        if self._last is None:
            self._first, known = faces[:1], faces
        else:
            known = np.concatenate([self._last, faces])
        if len(known) > 1:
            self._steps.append(np.asarray(self._distance(known[:-1], known[1:]), np.float64))
        self._last, self._read = faces[-1:], self._read + len(faces)

    @property
    def frames(self) -> np.ndarray:
        """All frames at once."""
        return self[:]

    @property
    def step_ratio(self) -> float:
        """The largest step between neighbouring frames over the mean step, once all frames were read in
        order."""
        steps = np.concatenate(self._steps)
        if self._closed and self._last is not None and self._first is not None:
            steps = np.append(steps, self._distance(self._last, self._first))
        return float(steps.max() / steps.mean()) if len(steps) and steps.mean() > 0 else 1.0

    def step_ratios(self, pace: str) -> dict[str, float]:
        """The step ratio by pace: measured for that of the frames, predicted for a uniform one."""
        return {**self._predicted, pace: self.step_ratio}
