"""Arrays in files that others made: safetensors, npz, and the pickles of packages that hold numpy arrays alone. Knows
nothing of what they are for."""

import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor


def read_tree(path: Path) -> dict[str, Any]:
    """The arrays of a file by their names; those of a pickle in dicts of dicts, as it has them; of a .json file those that it
    describes (TensorFlow.js). Raises ValueError for a damaged file and for a pickle that would do more than hold arrays."""
    try:
        if path.suffix == ".json":
            return _described(path)
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
    """One array as float32 of that shape, whatever axes of length 1 it has besides. Raises KeyError and ValueError."""
    array = np.asarray(weights[name])
    if array.squeeze().shape != tuple(shape):
        raise ValueError(f"{name} is {array.shape}, not {tuple(shape)}")
    return torch.from_numpy(array.astype(np.float32).reshape(tuple(shape)))


def flax_convolutions(tree: Mapping[str, Any], count: int) -> dict[str, np.ndarray]:
    """The first `count` convolutions of a flax module as conv1.weight (out, in, height, width), conv1.bias …, which flax has as
    (height, width, in, out)."""
    found = {}
    for index in range(count):
        conv = tree[f"Conv_{index}"]
        found[f"conv{index + 1}.weight"] = conv["kernel"].transpose(3, 2, 0, 1)
        found[f"conv{index + 1}.bias"] = conv["bias"]
    return found


def _described(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a TensorFlow.js manifest, from the files beside it that it names; those kept as 8 bits become floats."""
    found = {}
    try:
        for group in json.loads(path.read_text()):
            data, at = b"".join((path.parent / Path(name).name).read_bytes() for name in group["paths"]), 0
            for about in group["weights"]:
                scale = about.get("quantization")
                kind = np.dtype((scale or about)["dtype"])
                count = int(np.prod(about["shape"]))
                array = np.frombuffer(data, kind, count, at).reshape(about["shape"]).astype(np.float32)
                found[about["name"]] = array * scale["scale"] + scale["min"] if scale else array
                at += count * kind.itemsize
    except (AttributeError, KeyError) as error:
        raise ValueError(f"it is no manifest of arrays ({error})") from error
    return found


_RECONSTRUCT = np.empty(0).__reduce__()[0]
ARRAYS = {  # all that a pickled array names; the function's module has moved between versions of numpy
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArraysAlone(pickle.Unpickler):
    """Reads numpy arrays in dicts and nothing else: a pickle can name any function for Python to call."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, which no array needs")
        return ARRAYS[module_name, global_name]
