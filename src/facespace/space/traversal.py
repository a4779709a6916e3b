"""Traversals: steps through a space along one axis at a time, and the change of the picture by each
latent."""

import numpy as np

from facespace.core.console import progress
from facespace.space.face_space import BATCH_SIZE, FaceSpace

STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # standard deviations


def influence(space: FaceSpace, z: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The mean absolute change of a pixel value, (P,) in [0, 1], when one of the `steps` (P, D) is added to a
    latent, over the latents `z` (M, D). Attributes of a conditional space stay unknown."""
    faces, table = np.asarray(z, np.float32), np.asarray(steps, np.float32)
    before = space.images(faces)  # (M, C, H, W)
    parts = []
    at_once = max(1, BATCH_SIZE // len(faces))
    with progress(len(steps), "Moving each latent", "latents") as advance:
        for start in range(0, len(table), at_once):
            some = table[start : start + at_once]
            after = space.images((faces + some[:, None]).reshape(-1, faces.shape[1]))  # (P · M, C, H, W)
            change = np.abs(after.reshape(len(some), *before.shape) - before)
            parts.append(change.reshape(len(some), -1).mean(1, dtype=np.float64))
            advance(len(some))
    return np.concatenate(parts)


def traverse(center: np.ndarray, axes: np.ndarray, steps: tuple[float, ...] = STEPS) -> np.ndarray:
    """Latents float32 (R, K, D): from `center` (D,) by each step along each of the `axes` (R, D), whose
    lengths are one step's."""
    return (center + np.asarray(steps)[None, :, None] * axes[:, None]).astype(np.float32)


def decode_traversal(space: FaceSpace, latents: np.ndarray) -> np.ndarray:
    """Faces uint8 (R, K, H, W, C) of latents (R, K, D)."""
    faces = space.decode(latents.reshape(-1, latents.shape[-1]))
    return faces.reshape(*latents.shape[:2], *faces.shape[1:])
