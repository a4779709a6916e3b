"""The card of a folder that facespace wrote, and the tensors beside it: file names, fingerprints, and one
reader for each whose errors say what is wrong and what to do. torch is imported where tensors are read or
hashed, not at the start."""

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from facespace.core.aliases import rename_nested
from facespace.core.errors import BundleError, FacespaceError
from facespace.core.reading import MEGABYTE, check_regular, parse_json, read_bounded, read_json

if TYPE_CHECKING:  # 2 s that reading a card does not need
    import torch

# Last parts of the names of tensors that are not trained by gradient descent, and of the scale of a weight
# that is stored with 8 bits.
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "codes", "uses", "sums")
SCALE = ".scale"
WEIGHTS, CARD, DIRECTIONS = "model.safetensors", "card.json", "directions.safetensors"
DISCRIMINATOR, ENCODED = "discriminator.safetensors", "encoded.safetensors"
RESTORE_HINT = "Copy the folder again from where it came from, or train it again."

LARGEST_HEADER = 16 * MEGABYTE  # of a safetensors file
LARGEST_WEIGHTS = 4096 * MEGABYTE
Side = Annotated[int, msgspec.Meta(ge=0, le=2**40)]


def prior_file(kind: str) -> str:
    """The name of the file of a fitted prior."""
    return f"prior-{kind}.safetensors"


class MisfitError(BundleError):
    """A file of tensors that are not those of the model that its card describes."""


class _Misfit(ValueError):
    pass


class _TensorEntry(msgspec.Struct):
    """Of one tensor in the header of a safetensors file."""

    shape: Annotated[list[Side], msgspec.Meta(max_length=8)]


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
    schema: Any = dict[str, Any]  # the type of its fields, which msgspec checks; further fields are allowed


def read_card(path: Path | Traversable, expected: CardKind) -> Card:
    """The card in a file, with current names in place of old ones.

    Raises `expected.error` where it cannot be read, or is of another kind or format."""
    try:
        card = read_json(path) if isinstance(path, Path) else parse_json(path.read_bytes())
        kind, version = card["kind"], card["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise expected.error(f"{path} cannot be read ({error!s:.300}). {expected.unreadable}") from error
    holder = path.parent if isinstance(path, Path) else path
    if kind != expected.kind:
        raise expected.error(f"{holder} holds a {kind!s:.80}, not {expected.title}. {expected.wrong_kind}")
    if version not in expected.formats:
        known = " and ".join(map(str, expected.formats))
        readable = f"format {known}" if len(expected.formats) == 1 else f"the formats {known}"
        raise expected.error(
            f"{holder} has {kind} format {version!s:.80}; this facespace reads {readable}. "
            f"{expected.wrong_format}"
        )
    card = rename_nested(expected.kind, card)
    try:
        msgspec.convert(card, expected.schema)
    except (ValueError, RecursionError) as error:  # of a text with bytes that are no text too
        raise expected.error(f"{path} is damaged ({error!s:.300}). {expected.unreadable}") from error
    return card


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


def read_tensors(
    path: Path | Traversable,
    expected: str | None,
    remedy: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> "dict[str, torch.Tensor]":
    """The tensors of a file with the fingerprint that its card gives; BundleError, ending in `remedy`, for
    any other file, and for numbers that are not finite. Where the `shapes` of a model's tensors are given,
    the file's header is compared with them before a tensor is read."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        most = LARGEST_WEIGHTS
        if shapes is not None and isinstance(path, Path):
            most = _largest(_header(path), shapes)
        tensors = load(read_bounded(path, most) if isinstance(path, Path) else path.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing. {remedy}") from error
    except _Misfit as error:
        raise MisfitError(f"{path} does not fit the model in {CARD}: {error}. {remedy}") from error
    except (
        SafetensorError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        struct.error,
    ) as error:  # KeyError: an unknown number format
        raise BundleError(f"{path} is cut short or damaged ({error}). {remedy}") from error
    if fingerprint(tensors) != expected:
        raise BundleError(f"{path} is not the file that its card describes. {remedy}")
    check_finite(tensors, path, remedy)
    return tensors


def _largest(found: Mapping[str, Sequence[int]], shapes: Mapping[str, Sequence[int]]) -> int:
    """The bytes that a file with tensors of the given shapes has at most, its header and the scales of 8-bit
    weights included. Raises _Misfit where its header says otherwise."""
    total = LARGEST_HEADER
    for name, shape in found.items():
        scale = name.endswith(SCALE) and name.removesuffix(SCALE) in shapes
        if not scale and list(shapes.get(name, (-1,))) != list(shape):
            raise _Misfit(f"{name} has the shape {list(shape)}")
        total += 8 * math.prod(shape)
    if missing := sorted(set(shapes) - set(found)):
        raise _Misfit(f"{missing[0]} is missing")
    return min(total, LARGEST_WEIGHTS)


def check_finite(tensors: "Mapping[str, torch.Tensor]", path: Path | Traversable, remedy: str) -> None:
    """Raises BundleError for tensors with NaN or infinity, of which only black or gray pictures come."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or name.endswith(SCALE):  # scales are checked with their weights
            continue
        if not tensor.isfinite().all():
            raise BundleError(f"{path} holds numbers that are not finite, in {name}. {remedy}")


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
        return _header(path)
    except (OSError, ValueError, AttributeError, struct.error) as error:
        raise BundleError(f"{path} is missing or damaged ({error}).") from error


def _header(path: Path) -> dict[str, list[int]]:
    check_regular(path, LARGEST_WEIGHTS)
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = parse_json(file.read(min(length, LARGEST_HEADER)))
    header.pop("__metadata__", None)
    entries = msgspec.convert(header, dict[str, _TensorEntry])
    return {name: list(entry.shape) for name, entry in entries.items()}
