"""Arrays of any size: in memory, and large ones in temporary files, which the system writes and reads as it
needs the memory."""

import os
import tempfile
from collections.abc import Iterable

import numpy as np

from facespace.core.cache import cache_folder

IN_MEMORY = 2**28  # bytes


def empty(shape: tuple[int, ...], dtype: type[np.generic] | np.dtype) -> np.ndarray:
    """An array to be filled. Of more than IN_MEMORY bytes it lies in a file without a name in the cache
    folder, which is gone with the array. Raises OSError where the disk is full."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY:
        return np.empty(shape, dtype)
    place = cache_folder()
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=place) as file:
        if hasattr(os, "posix_fallocate"):  # else a full disk ends the process, when a page is written
            os.posix_fallocate(file.fileno(), 0, size)
        return np.asarray(np.memmap(file, dtype, "w+", shape=shape))


def joined(parts: Iterable[np.ndarray], count: int) -> np.ndarray:
    """Parts one after another, `count` rows together, without a second copy of them; at least one part."""
    found, done = np.empty(0), 0
    for part in parts:
        if not done:
            found = empty((count, *part.shape[1:]), part.dtype)
        found[done : done + len(part)] = part
        done += len(part)
    return found
