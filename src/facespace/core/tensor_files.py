"""Safetensors files as numpy arrays, for programs that run without torch: where each tensor lies in the file,
and its numbers, checked like those that cards.read_tensors reads. Number formats that numpy lacks are
refused."""

import hashlib
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from facespace.core.cards import LARGEST_HEADER, LARGEST_WEIGHTS, SCALE, Side
from facespace.core.errors import BundleError
from facespace.core.reading import RefusedFile, parse_json, read_bounded

# Number formats of the header, and the names that fingerprints have for them.
FORMATS: dict[str, tuple[type[np.generic], str]] = {
    "F64": (np.float64, "torch.float64"),
    "F32": (np.float32, "torch.float32"),
    "F16": (np.float16, "torch.float16"),
    "I64": (np.int64, "torch.int64"),
    "I32": (np.int32, "torch.int32"),
    "I16": (np.int16, "torch.int16"),
    "I8": (np.int8, "torch.int8"),
    "U8": (np.uint8, "torch.uint8"),
    "BOOL": (np.bool_, "torch.bool"),
}
_NAMES = {np.dtype(kind): name for kind, name in FORMATS.values()}
LENGTH = 8  # bytes of the length of the header, before it


class _Entry(msgspec.Struct):
    dtype: str
    shape: Annotated[list[Side], msgspec.Meta(max_length=8)]
    data_offsets: Annotated[list[Side], msgspec.Meta(min_length=2, max_length=2)]


class Stored(NamedTuple):
    """A tensor of a file, and where its bytes lie in it."""

    offset: int
    array: np.ndarray  # read-only


def stored_tensors(content: bytes) -> dict[str, Stored]:
    """The tensors of the bytes of a file. Raises RefusedFile for bytes that are no such file."""
    try:
        (length,) = struct.unpack("<Q", content[:LENGTH])
        start = LENGTH + min(length, LARGEST_HEADER)
        header = parse_json(content[LENGTH:start])
        header.pop("__metadata__", None)
        entries = msgspec.convert(header, dict[str, _Entry])
        return {name: _stored(content, start, entry) for name, entry in entries.items()}
    except (struct.error, AttributeError, KeyError, ValueError) as error:
        raise RefusedFile(f"it is no file of tensors ({error!s:.200})") from error


def _stored(content: bytes, start: int, entry: _Entry) -> Stored:
    kind = np.dtype(FORMATS[entry.dtype][0])
    first, last = entry.data_offsets
    count = math.prod(entry.shape)
    if last - first != count * kind.itemsize or start + last > len(content):
        raise ValueError("a tensor has other bytes than its shape says")
    array = np.frombuffer(content, kind, count, start + first).reshape(entry.shape)
    return Stored(start + first, array)


def fingerprint(arrays: Mapping[str, np.ndarray]) -> str:
    """What cards.fingerprint gives for the same tensors."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.shape} {_NAMES[array.dtype]}".encode())
        digest.update(np.ascontiguousarray(array.reshape(-1)).view(np.uint8).data)
    return digest.hexdigest()


def read_stored(path: Path, expected: str | None, remedy: str) -> dict[str, Stored]:
    """The tensors of a file with the fingerprint that its card gives, and their places. BundleError, ending
    in `remedy`, for any other file, and for numbers that are not finite."""
    try:
        found = stored_tensors(read_bounded(path, LARGEST_WEIGHTS))
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing. {remedy}") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} is cut short or damaged ({error}). {remedy}") from error
    arrays = {name: row.array for name, row in found.items()}
    if fingerprint(arrays) != expected:
        raise BundleError(f"{path} is not the file that its card describes. {remedy}")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not name.endswith(SCALE) and not np.isfinite(array).all():
            raise BundleError(f"{path} holds numbers that are not finite, in {name}. {remedy}")
    return found


def read_arrays(path: Path, expected: str | None, remedy: str) -> dict[str, np.ndarray]:
    """The numbers of `read_stored`; 8-bit weights multiplied by their scales and 16-bit ones are float32."""
    found: dict[str, np.ndarray] = {}
    stored = {name: row.array for name, row in read_stored(path, expected, remedy).items()}
    for name, array in stored.items():
        scale = stored.get(name + SCALE)
        if array.dtype == np.int8 and scale is not None:
            array = array.astype(np.float32) * scale
        array = widened(array)
        if not (name.endswith(SCALE) and name.removesuffix(SCALE) in stored):
            found[name] = array
    return found


def widened(array: np.ndarray) -> np.ndarray:
    """Float16 numbers as float32; others as they are."""
    return array.astype(np.float32) if array.dtype == np.float16 else array
