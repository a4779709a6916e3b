"""The card of a folder that facespace wrote, and the tensors beside it: file names, fingerprints, and one
reader for each whose errors say what is wrong and what to do. torch is imported where tensors are read or
hashed, not at the start."""

import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facespace.core.aliases import rename_nested
from facespace.core.errors import BundleError, FacespaceError

if TYPE_CHECKING:  # 2 s that reading a card does not need
    import torch

# Last parts of the names of tensors that are not trained by gradient descent, and of the scale of a weight
# that is stored with 8 bits.
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "codes", "uses", "sums")
SCALE = ".scale"
WEIGHTS, CARD, DIRECTIONS = "model.safetensors", "card.json", "directions.safetensors"
RESTORE_HINT = "Copy the folder again from where it came from, or train it again."


Card = dict[str, Any]  # the JSON object of a card; the entries depend on its kind


@dataclass(frozen=True)
class CardKind:
    """What a reader expects of a card, and how its errors describe it."""

    kind: str  # the card's "kind"
    title: str  # with its article, such as "a trained model"
    formats: tuple[int, ...]  # the values of "format" that can be read
    error: type[FacespaceError]
    unreadable: str  # next step where the card is damaged
    wrong_kind: str  # next step where the card is of another kind
    wrong_format: str  # next step where the format is unknown


def read_card(path: Path | Traversable, expected: CardKind) -> Card:
    """The card in a file, with current names in place of old ones.

    Raises `expected.error` where it cannot be read, or is of another kind or format."""
    try:
        card = json.loads(path.read_bytes().decode("utf-8", "surrogateescape"))
        kind, version = card["kind"], card["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise expected.error(f"{path} cannot be read ({error}). {expected.unreadable}") from error
    holder = path.parent if isinstance(path, Path) else path
    if kind != expected.kind:
        raise expected.error(f"{holder} holds a {kind}, not {expected.title}. {expected.wrong_kind}")
    if version not in expected.formats:
        known = " and ".join(map(str, expected.formats))
        readable = f"format {known}" if len(expected.formats) == 1 else f"the formats {known}"
        raise expected.error(
            f"{holder} has {kind} format {version}; this facespace reads {readable}. {expected.wrong_format}"
        )
    return rename_nested(expected.kind, card)


def fingerprint(weights: "Mapping[str, torch.Tensor]") -> str:
    """SHA-256 over names, shapes and values: distinguishes models, and a damaged file from an intact one."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name} {tuple(weights[name].shape)} {weights[name].dtype}".encode())
        # Flat first: a 1×1 convolution laid out by channels counts as contiguous, and its last stride is
        # still not 1.
        digest.update(weights[name].contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_tensors(path: Path | Traversable, expected: str | None, remedy: str) -> "dict[str, torch.Tensor]":
    """The tensors of a file with the fingerprint that its card gives; BundleError, ending in `remedy`, for
    any other file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(path.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing. {remedy}") from error
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path} is cut short or damaged ({error}). {remedy}") from error
    if fingerprint(tensors) != expected:
        raise BundleError(f"{path} is not the file that its card describes. {remedy}")
    return tensors


def parameter_count(shapes: Mapping[str, Sequence[int]]) -> int:
    """Parameters of a model whose state dict has tensors of these shapes: all but buffers, its prior and
    8-bit scales."""
    total = 0
    for name, shape in shapes.items():
        scale = name.endswith(SCALE) and name.removesuffix(SCALE) in shapes
        if not scale and not name.startswith("prior.") and name.rpartition(".")[2] not in BUFFERS:
            total += math.prod(shape)
    return total


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """The shapes of the tensors in a safetensors file, from its header: a length of 8 bytes, then JSON.
    Raises BundleError."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 2**27)))
        return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise BundleError(f"{path} is missing or damaged ({error}).") from error
