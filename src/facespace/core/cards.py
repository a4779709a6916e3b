"""The card of a folder that facespace wrote, and the tensors beside it: names of the files, fingerprints, and one way to read
them that says what is wrong."""

import hashlib
from importlib.resources.abc import Traversable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes

from facespace.core.errors import BundleError

WEIGHTS, CARD, DIRECTIONS = "model.safetensors", "card.json", "directions.safetensors"
RETRIEVE = "Copy the bundle again from where it came from, or train it again."


def fingerprint(weights: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names, shapes and values: tells models apart, and a damaged file from a whole one."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name} {tuple(weights[name].shape)} {weights[name].dtype}".encode())
        # Flat first: a 1×1 convolution laid out by channels counts as contiguous, and its last stride is still not 1.
        digest.update(weights[name].contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_tensors(path: Path | Traversable, expected: str | None, mend: str) -> dict[str, torch.Tensor]:
    """The tensors of a file with the fingerprint that its card gives; BundleError, ending in `mend`, for any other file."""
    try:
        tensors = from_bytes(path.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing. {mend}") from error
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path} is cut short or damaged ({error}). {mend}") from error
    if fingerprint(tensors) != expected:
        raise BundleError(f"{path} is not the file that its card describes. {mend}")
    return tensors
