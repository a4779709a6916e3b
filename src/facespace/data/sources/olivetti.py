"""The Olivetti faces: 400 gray 64×64 portraits of 40 people (AT&T Laboratories Cambridge, 1994), from
olivettifaces.mat or from scikit-learn's cache. Small enough for lessons, and for trying the recipe
`yearbook-ae`."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.core.reading import MEGABYTE, read_bounded
from facespace.data.faces import Face, SourceListing
from facespace.data.sources.source import Source, SourceOptions

LARGEST = 64 * MEGABYTE  # of the file and of what it unpacks to, which is 6.5 MB
SIDE, SHOTS = 64, 10  # pixels; pictures of each person


def read(root: Path, options: SourceOptions) -> SourceListing:
    """400 faces, ten a person, in the file's order."""
    matlab, cache = root / "olivettifaces.mat", root / "olivetti_py3.pkz"
    if matlab.is_file():
        pixels = _from_matlab(matlab)
    elif cache.is_file():
        pixels = _from_cache(cache)
    else:
        raise FaceSetError(f"{root} holds neither {matlab.name} nor scikit-learn's {cache.name}.")
    faces = []
    for number, image in enumerate(pixels):
        person, shot = divmod(number, SHOTS)
        name = f"person{person + 1:02d}"
        faces.append(Face(f"{name}-{shot + 1:02d}", image, identity=name))
    return SourceListing(faces, (), np.empty((len(faces), 0), np.float32))


def _from_matlab(path: Path) -> np.ndarray:
    """uint8 (400, 64, 64): each column of `faces` is one picture, column by column."""
    from scipy.io import loadmat

    try:
        columns = loadmat(path, variable_names=["faces"])["faces"]
    except Exception as error:  # a damaged file can raise almost anything
        raise FaceSetError(f"{path} cannot be read ({error}). Fetch it again.") from error
    return _upright(columns.T, path)


def _from_cache(path: Path) -> np.ndarray:
    """The same from scikit-learn's compressed pickle, by an unpickler that allows numpy arrays only."""
    from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

    class ArraysOnly(NumpyUnpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in ARRAYS:
                raise FaceSetError(f"{path} holds more than numbers ({module}.{name}) and is not opened.")
            return Numbers if name == NumpyArrayWrapper.__name__ else super().find_class(module, name)

    class Numbers(NumpyArrayWrapper):
        def read(self, *arguments: Any) -> Any:  # type: ignore[override]
            if self.dtype.hasobject:  # which joblib reads by an unpickler without limits
                raise FaceSetError(f"{path} holds objects in place of numbers and is not opened.")
            return super().read(*arguments)

    try:
        content = io.BytesIO(zlib.decompressobj().decompress(read_bounded(path, LARGEST), LARGEST))
        rows = ArraysOnly(str(path), content, ensure_native_byte_order=True).load()
    except FaceSetError:
        raise
    except Exception as error:
        raise FaceSetError(f"{path} cannot be read ({error}). Let scikit-learn fetch it again.") from error
    return _upright(np.asarray(rows), path)


ARRAYS = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


def _upright(rows: np.ndarray, path: Path) -> np.ndarray:
    if rows.ndim != 2 or rows.shape[1] != SIDE * SIDE or len(rows) % SHOTS:
        raise FaceSetError(
            f"{path} holds {rows.shape} numbers where 400 × 4,096 are expected. Fetch it again."
        )
    levels = rows
    if rows.dtype != np.uint8:
        levels = np.round(255 * rows / max(float(rows.max()), 1e-9)).astype(np.uint8)
    return np.ascontiguousarray(levels.reshape(-1, SIDE, SIDE).transpose(0, 2, 1))


SOURCE = Source(
    read,
    summary="the Olivetti faces: 400 gray portraits of 40 people, for lessons",
    holds="olivettifaces.mat",
    terms="research and education, with credit to AT&T Laboratories Cambridge",
    gray=True,
)
