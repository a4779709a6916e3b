"""A torch engine whose faces are encoded and decoded by a crew of workers. What it is opened from is in
shared_work.py."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from facespace.core.large_arrays import joined
from facespace.data.faces import BATCH_SIZE
from facespace.models import bundle
from facespace.space.torch_engine import TorchEngine
from facespace.workers.networks import NetworkFiles, opened
from facespace.workers.tasks import Crew

PART = 4 * BATCH_SIZE  # faces of a task; networks see the same batches as in one process


def _encode(network: NetworkFiles, attributes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return opened(network).torch_engine.encode(faces, attributes)


def _decode(network: NetworkFiles, attributes: np.ndarray, latents: np.ndarray) -> np.ndarray:
    return opened(network).torch_engine.decode(latents, attributes)


class SharedEngine(TorchEngine):
    """A torch engine that gives all but small tasks to a crew. What takes gradients, and priors, stay in this
    process."""

    def __init__(self, loaded: bundle.Bundle, network: NetworkFiles, workers: Crew) -> None:
        super().__init__(loaded)
        self._network, self._crew = network, workers

    def encode(self, faces: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Faces uint8 (N, H, W, C) to posterior means, float32 (N, D)."""
        if len(faces) <= BATCH_SIZE:
            return super().encode(faces, attributes)
        function = partial(_encode, self._network, attributes)
        return np.concatenate(list(self._crew.map(function, _parts(faces, PART))))

    def decode(self, z: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Latents (N, D) to faces uint8 (N, H, W, C)."""
        if len(z) <= BATCH_SIZE:
            return super().decode(z, attributes)
        function = partial(_decode, self._network, attributes)
        return joined(self._crew.map(function, _parts(z, PART)), len(z))

    def decode_ahead(self, z: np.ndarray, attributes: np.ndarray) -> Iterator[np.ndarray]:
        """Faces of latents (N, D) in parts of `BATCH_SIZE`, decoded before they are asked for."""
        return self._crew.map(partial(_decode, self._network, attributes), _parts(z, BATCH_SIZE))


def _parts(array: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(array), size):
        yield array[start : start + size]
