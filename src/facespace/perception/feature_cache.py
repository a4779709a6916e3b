"""Features of real faces, stored in the cache folder, so that they are computed once."""

import hashlib
from pathlib import Path

import numpy as np

from facespace.core.cache import cache_folder
from facespace.core.console import note
from facespace.core.errors import describe_os_error
from facespace.core.files import write_atomically
from facespace.core.large_arrays import IN_MEMORY
from facespace.perception.interface import Features


def cached_features(features: Features, faces: np.ndarray) -> np.ndarray:
    """Features (N, D) of real faces uint8 (N, H, W, C), cached under the fingerprint of the network and a
    hash of the pixels."""
    faces = np.ascontiguousarray(faces)
    shape, pixels = "x".join(map(str, faces.shape[1:])), hashlib.sha256(faces.data).hexdigest()[:16]
    path = cache_folder() / "features" / f"{features.fingerprint}-{shape}-{pixels}.npy"
    cached = _read(path, (len(faces), features.dim))
    if cached is not None:
        return cached
    found = features(faces)
    try:
        with write_atomically(path) as beside, beside.open("wb") as file:
            np.save(file, found, allow_pickle=False)
    except OSError as error:
        note(f"The features of the real faces are not kept for the next time. {describe_os_error(error)}")
    return found


def _read(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """The array of a file; None where there is no file, or a damaged or different one."""
    try:
        large = shape[0] * shape[1] * 4 > IN_MEMORY
        found = np.load(path, "r" if large else None, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if found.shape != shape or found.dtype != np.float32:
        return None
    return found
