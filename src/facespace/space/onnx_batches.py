"""Faces through an encoder and a decoder in onnxruntime, in batches: what both engines that run graphs share.
A graph comes in as a function of float32 arrays."""

from collections.abc import Callable

import numpy as np

from facespace.core.waiting import step
from facespace.image.pixels import levels_of, shares_of

BATCH = 16  # faces at once: as fast as 64, and onnxruntime keeps the memory of its largest batch

# A batch, float32 (N, …), under the same attributes (A,) for all, NaN unknown, to float32 (N, …).
Network = Callable[[np.ndarray, np.ndarray], np.ndarray]


def encode(encoder: Network, faces: np.ndarray, attributes: np.ndarray, latent_dim: int) -> np.ndarray:
    """Faces uint8 (N, H, W, C) to latents float32 (N, D)."""
    none = np.empty((0, latent_dim), np.float32)
    return _in_batches(lambda part: encoder(shares_of(part), attributes), faces, none)


def decode(
    decoder: Network, z: np.ndarray, attributes: np.ndarray, image_shape: tuple[int, int, int]
) -> np.ndarray:
    """Latents (N, D) to faces uint8 (N, H, W, C), of `image_shape` (C, H, W)."""
    channels, height, width = image_shape
    none = np.empty((0, height, width, channels), np.uint8)
    return _in_batches(lambda part: levels_of(decoder(np.ascontiguousarray(part), attributes)), z, none)


def images(
    decoder: Network, z: np.ndarray, attributes: np.ndarray, image_shape: tuple[int, int, int]
) -> np.ndarray:
    """Latents (N, D) to images float32 (N, C, H, W) in [0, 1], not rounded."""
    none = np.empty((0, *image_shape), np.float32)
    return _in_batches(lambda part: decoder(np.ascontiguousarray(part), attributes), z, none)


def _in_batches(run: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, none: np.ndarray) -> np.ndarray:
    """What `run` makes of all rows, BATCH at once; `none` for no rows."""
    parts = [none]
    for start in range(0, len(rows), BATCH):
        step()
        parts.append(run(rows[start : start + BATCH]))
    return np.concatenate(parts)


def rows_of(attributes: np.ndarray, rows: int) -> np.ndarray:
    """The same attributes (A,) for each of some faces, float32 (rows, A)."""
    return np.tile(attributes.astype(np.float32), (rows, 1))
