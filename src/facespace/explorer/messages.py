"""The messages between page and server: one binary message per request and one per reply, each a JSON header
and a payload of raw numbers or pixels. Every field that arrives is checked here before another module uses
it."""

import json
import math
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from facespace.core.errors import UsageError

LENGTH = struct.Struct("<I")  # bytes of the header, before it
LARGEST = 3 << 20  # bytes of a message: two hundred times a drawing, two and a half times a photograph
LARGEST_HEADER = 16 << 10
LARGEST_SIDE = 512  # pixels of a photograph
LANDMARKS = 5

Fields = Mapping[str, object]  # of a request: JSON of unknown shape
Header = dict[str, object]  # of a reply: values that JSON can represent


class Request(NamedTuple):
    """One checked message. The reply has the same `id`."""

    id: int
    name: str
    fields: Fields
    payload: memoryview


def read(message: bytes) -> Request:
    """A message as a request. Raises UsageError for anything else."""
    if len(message) < LENGTH.size:
        raise UsageError("A message is a header and a payload; this one is too short.")
    (length,) = LENGTH.unpack_from(message)
    if length > min(LARGEST_HEADER, len(message) - LENGTH.size):
        raise UsageError(f"A message's header has at most {LARGEST_HEADER:,} bytes and lies in the message.")
    try:
        fields = json.loads(message[LENGTH.size : LENGTH.size + length])
    except (ValueError, RecursionError) as error:
        raise UsageError("A message's header is JSON.") from error
    if not isinstance(fields, dict):
        raise UsageError("A message's header is a JSON object.")
    return Request(
        whole(fields, "id", 0, 2**53),
        word(fields, "request"),
        fields,
        memoryview(message)[LENGTH.size + length :],
    )


def write(header: Fields, payload: bytes | np.ndarray = b"") -> bytes:
    """A reply as one message. Arrays become their bytes, little-endian. Raises ValueError for a header with
    NaN."""
    text = json.dumps(header, allow_nan=False).encode()
    raw = np.ascontiguousarray(payload).tobytes() if isinstance(payload, np.ndarray) else payload
    return b"".join((LENGTH.pack(len(text)), text, raw))


def word(fields: Fields, name: str, default: str | None = None, most: int = 80) -> str:
    """A short text; UsageError where it is missing, of another type or too long."""
    value = fields.get(name, default)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise UsageError(f"{name} is a text of 1 to {most} characters; got {_shown(value)}.")
    return value


def whole(fields: Fields, name: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number from `low` to `high`."""
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError(f"{name} is a whole number from {low} to {high}; got {_shown(value)}.")
    return value


def number(fields: Fields, name: str, low: float, high: float, default: float | None = None) -> float:
    """A finite number from `low` to `high`."""
    value = fields.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError(f"{name} is a number from {low:g} to {high:g}; got {_shown(value)}.")
    return float(value)


def flag(fields: Fields, name: str) -> bool:
    """True or false; UsageError where it is missing or of another type."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise UsageError(f"{name} is true or false; got {_shown(value)}.")
    return value


def signs(fields: Fields, name: str) -> dict[str, float]:
    """Attributes by name, 1 with and −1 without them; none where the field is missing."""
    given = fields.get(name, {})
    if not isinstance(given, dict) or not all(value in (1, -1) for value in given.values()):
        raise UsageError(f"{name} are attributes, each with 1 or -1; got {_shown(given)}.")
    return {attribute: float(value) for attribute, value in given.items()}


def points(fields: Fields, name: str) -> np.ndarray:
    """The five landmarks of a face as float (5, 2) pixels, NaN for null."""
    given = fields.get(name)
    if not isinstance(given, list) or len(given) != LANDMARKS:
        raise UsageError(f"{name} are five pairs of numbers or nulls; got {_shown(given)}.")
    landmarks = np.full((LANDMARKS, 2), math.nan)
    for place, pair in enumerate(given):
        if pair is not None:
            landmarks[place] = _pair(pair, name)
    return landmarks


def latents(payload: memoryview, dim: int, most: int) -> np.ndarray:
    """The payload as float32 (N, dim), 1 ≤ N ≤ most, all finite."""
    row = 4 * dim
    if not payload or len(payload) % row or len(payload) > row * most:
        raise UsageError(
            f"Latents are 1 to {most} rows of {dim} float32 numbers; got {len(payload):,} bytes."
        )
    z = np.frombuffer(payload, "<f4").reshape(-1, dim).astype(np.float32)
    if not np.isfinite(z).all():
        raise UsageError("These latents hold numbers that are not finite, which no face has.")
    return z


def picture(request: Request) -> np.ndarray:
    """As rgba_picture, uint8 (H, W, 3); transparency is ignored."""
    return rgba_picture(request)[..., :3]


def rgba_picture(request: Request) -> np.ndarray:
    """The payload as uint8 (H, W, 4), from RGBA bytes of the width and height in the header."""
    width = whole(request.fields, "width", 8, LARGEST_SIDE)
    height = whole(request.fields, "height", 8, LARGEST_SIDE)
    if len(request.payload) != width * height * 4:
        raise UsageError(
            f"A picture of {width}×{height} has {width * height * 4:,} bytes; got {len(request.payload):,}."
        )
    return np.frombuffer(request.payload, np.uint8).reshape(height, width, 4)


def rgba(faces: np.ndarray) -> np.ndarray:
    """uint8 faces (N, H, W, 1 or 3) as a canvas takes them: (N, H, W, 4), opaque."""
    full = np.full((*faces.shape[:-1], 4), 255, np.uint8)
    full[..., :3] = faces
    return full


def _pair(pair: Any, name: str) -> list[float]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise UsageError(f"{name} are five pairs of numbers or nulls; got {_shown(pair)}.")
    return [number({name: value}, name, -LARGEST_SIDE, 2 * LARGEST_SIDE) for value in pair]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
