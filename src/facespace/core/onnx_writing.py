"""ONNX models as bytes, written without the package `onnx`: tensors, nodes, graphs. All of it is what
onnx_reading.py lets through, but for the bodies of loops. The numbers of fields
are those of onnx.proto (onnx 1.16, IR version 8); the encoding is that of protocol buffers."""

import struct
from collections.abc import Iterable, Sequence

import numpy as np

from facespace.core.onnx_reading import BYTES, FIXED32, TYPES, VARINT, varint

IR_VERSION, OPSET = 8, 17
BATCH = "N"  # the name of the dynamic axis
FLOAT, INT, GRAPH, INTS = 1, 2, 5, 7  # types of attributes
NUMBERS = {np.dtype(kind): number for number, kind in TYPES.items()}
Attribute = int | float | Sequence[int] | bytes  # bytes are a graph


def tensor(name: str, array: np.ndarray) -> bytes:
    """A tensor with its numbers."""
    array = np.asarray(array)
    dims = b"".join(_number(1, side) for side in array.shape)
    raw = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    return dims + _number(2, NUMBERS[array.dtype]) + _text(8, name) + _framed(9, raw)


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Attribute) -> bytes:
    """A node of an operator of the standard domain."""
    parts = [_text(1, name) for name in inputs]
    parts += [_text(2, name) for name in outputs]
    parts.append(_text(4, operator))
    parts += [_framed(5, _attribute(name, value)) for name, value in attributes.items()]
    return b"".join(parts)


def value(name: str, shape: Sequence[int | str], kind: type[np.generic] = np.float32) -> bytes:
    """What goes into a graph or comes out; a text in its shape names a dynamic axis."""
    sides = b""
    for side in shape:
        sides += _framed(1, _text(2, side) if isinstance(side, str) else _number(1, side))
    typed = _number(1, NUMBERS[np.dtype(kind)]) + _framed(2, sides)
    return _text(1, name) + _framed(2, _framed(1, typed))


def graph(
    nodes: Iterable[bytes], inputs: Iterable[bytes], outputs: Iterable[bytes], tensors: Iterable[bytes] = ()
) -> bytes:
    """A graph, whose nodes stand in the order in which they run."""
    parts = [_framed(1, part) for part in nodes]
    parts.append(_text(2, "graph"))
    parts += [_framed(5, part) for part in tensors]
    parts += [_framed(11, part) for part in inputs]
    parts += [_framed(12, part) for part in outputs]
    return b"".join(parts)


def model(content: bytes, opset: int = OPSET) -> bytes:
    """The bytes of a file with a graph."""
    return _number(1, IR_VERSION) + _framed(7, content) + _framed(8, _text(1, "") + _number(2, opset))


def _attribute(name: str, given: Attribute) -> bytes:
    if isinstance(given, bytes):
        content, kind = _framed(6, given), GRAPH
    elif isinstance(given, float):
        content, kind = varint(2 << 3 | FIXED32) + struct.pack("<f", given), FLOAT
    elif isinstance(given, int):
        content, kind = _number(3, given), INT
    else:
        content, kind = b"".join(_number(8, one) for one in given), INTS
    return _text(1, name) + content + _number(20, kind)


def _number(field: int, given: int) -> bytes:
    return varint(field << 3 | VARINT) + varint(given % 2**64)


def _text(field: int, given: str) -> bytes:
    return _framed(field, given.encode())


def _framed(field: int, content: bytes) -> bytes:
    return varint(field << 3 | BYTES) + varint(len(content)) + content
