"""The interface of frozen networks that map faces to vectors. Each network has a file of its own; networks
for losses, which work on tensors with gradients, have a method `stages` instead, from images to feature
maps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from facespace.core.console import progress
from facespace.core.errors import FacespaceError, UsageError
from facespace.core.large_arrays import empty
from facespace.workers.tasks import Crew

BATCH = 32  # faces through a network at once, so that memory stays constant


class FeaturesError(FacespaceError):
    """A feature network is missing, or does not do what it should."""


class FaceNetwork(Protocol):
    """A network that maps faces uint8 (N, H, W, C), C 1 or 3, to vectors float32 (N, D)."""

    @property
    def name(self) -> str:
        """One word."""
        ...

    @property
    def about(self) -> str:
        """One line for a protocol: the network, its input size, how faces are resized."""
        ...

    def __call__(self, faces: np.ndarray, /) -> np.ndarray:
        """Vectors (N, D) of faces (N, H, W, C)."""
        ...


@dataclass(frozen=True)
class Features:
    """A feature network for figures that compare sets of faces, a FaceNetwork."""

    name: str
    about: str
    dim: int  # D
    fingerprint: str  # of the weights and of the form of the input: part of the cache's key
    extract: Callable[[np.ndarray], np.ndarray]  # one batch: uint8 (B, H, W, 3) -> (B, D)
    workers: Crew | None = None  # who apply it; None: this process

    def __call__(self, faces: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Features of faces uint8 (N, H, W, C), also memory-mapped, or of those in `rows`: float32 (N, D).
        Gray faces get three equal channels. Raises UsageError for other arrays, FeaturesError where the
        features are not finite."""
        check_faces(faces)
        if rows is None:
            rows = np.arange(len(faces))
        found, finite = empty((len(rows), self.dim), np.float32), True
        done, parts = 0, _batches(faces, rows)
        features = self.workers.map(self.extract, parts) if self.workers else map(self.extract, parts)
        with progress(len(rows), f"Features ({self.name})", "faces") as advance:
            for part in features:
                found[done : done + len(part)] = part
                finite = finite and bool(np.isfinite(part).all())
                done += len(part)
                advance(len(part))
        if not finite:
            raise FeaturesError(
                f"The features of {self.name} are not finite; its weights are damaged or too large."
            )
        return found


def _batches(faces: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Faces in colour, uint8 (B, H, W, 3)."""
    for start in range(0, len(rows), BATCH):
        part = faces[rows[start : start + BATCH]]
        yield np.repeat(part, 3, axis=-1) if part.shape[-1] == 1 else np.asarray(part)


def check_faces(faces: np.ndarray) -> None:
    """Raises UsageError for arrays that are not faces uint8 (N, H, W, C), C 1 or 3."""
    if faces.dtype != np.uint8 or faces.ndim != 4 or faces.shape[-1] not in (1, 3):
        raise UsageError(
            f"Faces are uint8 arrays (N, H, W, C) with C 1 or 3; got {faces.dtype} {faces.shape}."
        )
