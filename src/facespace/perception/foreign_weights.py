"""Weights in files of other projects: safetensors, npz, TensorFlow.js, and pickles of numpy arrays. The
networks that use them have files of their own."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor

from facespace.core.errors import UsageError

Network = TypeVar("Network")
Tree = dict[str, Any]  # arrays by name, in a pickle also nested


def open_named(variable: str, setting: str, formats: str, build: Callable[[Path], Network]) -> Network:
    """The network that `build` makes of the file that an environment variable names.

    Raises UsageError where there is no such file, or where `build` raises KeyError for a missing array, or
    ValueError or OSError for a file that does not fit. The sentence names the `setting` that needs the
    network and the known `formats`."""
    named = os.environ.get(variable, "")
    path = Path(named)
    if not path.is_file():
        found = f"it names {path}, which is no file" if named else "it is not set"
        raise UsageError(f"{setting} needs weights that {variable} names; {found}. {formats}")
    try:
        return build(path)
    except KeyError as error:
        raise UsageError(f"{path} has no array {error.args[0]}. {formats}") from error
    except (ValueError, OSError) as error:
        raise UsageError(f"{path} does not fit: {error}. {formats}") from error


def read_tree(path: Path) -> Tree:
    """The arrays of a file by their names: of a pickle nested as it has them, of a .json file those that it
    describes (TensorFlow.js). Raises ValueError for a damaged file and for a pickle of other objects than
    arrays."""
    try:
        if path.suffix == ".json":
            return _read_manifest(path)
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        with path.open("rb") as file:
            return _ArraysAlone(file).load()
    except (SafetensorError, zipfile.BadZipFile, pickle.UnpicklingError, EOFError, TypeError) as error:
        raise ValueError(str(error)) from error


def as_tensor(weights: Mapping[str, np.ndarray], name: str, shape: Sequence[int]) -> Tensor:
    """An array as float32 of that shape, where axes of length 1 do not count. Raises KeyError and
    ValueError."""
    array = np.asarray(weights[name])
    if array.squeeze().shape != tuple(shape):
        raise ValueError(f"{name} is {array.shape}, not {tuple(shape)}")
    return torch.from_numpy(array.astype(np.float32).reshape(tuple(shape)))


def flax_convolutions(tree: Tree, count: int) -> dict[str, np.ndarray]:
    """The first `count` convolutions of a flax module, whose kernels are (height, width, in, out), as
    conv1.weight (out, in, height, width), conv1.bias …"""
    found = {}
    for index in range(count):
        conv = tree[f"Conv_{index}"]
        found[f"conv{index + 1}.weight"] = conv["kernel"].transpose(3, 2, 0, 1)
        found[f"conv{index + 1}.bias"] = conv["bias"]
    return found


def _read_manifest(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a TensorFlow.js manifest, float32, from the files beside it that it names."""
    found = {}
    try:
        for group in json.loads(path.read_text(encoding="utf-8")):
            data = b"".join((path.parent / Path(name).name).read_bytes() for name in group["paths"])
            offset = 0
            for entry in group["weights"]:
                array, size = _read_entry(data, offset, entry)
                found[entry["name"]] = array
                offset += size
    except (AttributeError, KeyError) as error:
        raise ValueError(f"it is no manifest of arrays ({error})") from error
    return found


def _read_entry(data: bytes, offset: int, entry: Tree) -> tuple[np.ndarray, int]:
    """An array as float32, dequantized where it is stored with 8 bits, and its size in bytes."""
    scale = entry.get("quantization")
    kind = np.dtype((scale or entry)["dtype"])
    count = int(np.prod(entry["shape"]))
    array = np.frombuffer(data, kind, count, offset).reshape(entry["shape"]).astype(np.float32)
    if scale:
        array = array * scale["scale"] + scale["min"]
    return array, count * kind.itemsize


_RECONSTRUCT = np.empty(0).__reduce__()[0]
ARRAYS = {  # all names in the pickle of an array; the function's module differs between versions of numpy
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArraysAlone(pickle.Unpickler):
    """Reads numpy arrays in dicts and nothing else, since a pickle can call any function."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, which no array needs")
        return ARRAYS[module_name, global_name]
