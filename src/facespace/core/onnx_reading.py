"""ONNX files of unknown origin: which operators and tensors one holds, read from its bytes without the
package `onnx`, and the same network with all of its tensors inside.

A graph of a bundle (models/graphs.py) names its weights as external data: a file, offset and length. No
runtime gets such a name from facespace. `inlined` accepts tensors that lie in one file alone, which the
caller has read and checked, puts their bytes into the graph, and refuses every part of ONNX that a network of
facespace has no use for: control flow and other subgraphs, functions, training information, sparse tensors,
operators of other domains, and operators outside OPERATORS. So opening the result reads no file, runs nothing
but arithmetic, and ends.

The numbers of fields are those of onnx.proto (onnx 1.16, IR version 10); the encoding is that of protocol
buffers."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from facespace.core.reading import MEGABYTE, RefusedFile
from facespace.core.tensor_files import Stored

LARGEST_GRAPH = 8 * MEGABYTE  # without its weights
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
MOST_NAME = 1000  # bytes
# What networks of facespace consist of, and functions of one number that further ones may have.
_OPERATORS = """
Abs Add And ArgMin AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv
ConvTranspose Cos DepthToSpace Div Equal Erf Exp Expand Flatten Floor Gather Gemm Greater Identity
InstanceNormalization IsInf IsNaN LayerNormalization LeakyRelu Less Log MatMul Max MaxPool Min Mod
Mul Neg Not Or Pow ReduceMean ReduceSum Relu Reshape Resize Shape Sigmoid Sin Slice Softmax Softplus
Split Sqrt Squeeze Sub Tanh Tile Transpose Unsqueeze Where
"""
OPERATORS = frozenset(_OPERATORS.split())
# Numbers of ONNX's tensor types.
TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_}
TYPES |= {10: np.float16, 11: np.float64}

# Fields that are read, by message; the others that ONNX has are refused.
_MODEL = {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES, 14: BYTES}
_GRAPH = {1: BYTES, 2: BYTES, 5: BYTES, 10: BYTES, 11: BYTES, 12: BYTES, 13: BYTES}
_NODE = {1: BYTES, 2: BYTES, 3: BYTES, 4: BYTES, 5: BYTES, 6: BYTES, 7: BYTES}
_ATTRIBUTE = {1: BYTES, 2: FIXED32, 3: VARINT, 4: BYTES, 5: BYTES, 7: None, 8: None, 9: BYTES, 13: BYTES}
_ATTRIBUTE |= {20: VARINT}
_INSIDE = {1: None, 2: VARINT, 4: None, 5: None, 7: None, 8: BYTES, 9: BYTES, 10: None, 12: BYTES}
_EXTERNAL = {1: None, 2: VARINT, 8: BYTES, 13: BYTES, 14: VARINT}
_PAIR = {1: BYTES, 2: BYTES}
_DOMAIN = {1: BYTES, 2: VARINT}
GRAPH, INITIALIZER, RAW, LOCATION = 7, 5, 9, 14  # numbers of fields that are written


class _Field(NamedTuple):
    number: int
    kind: int  # wire type
    value: int  # of a VARINT; else 0
    content: memoryview  # of BYTES; else the bytes of the number
    whole: memoryview  # with the tag


def inlined(graph: bytes, file: str, tensors: Mapping[str, Stored]) -> bytes:
    """The ONNX model in `graph` with the bytes of `tensors` of the file named `file` in place of the external
    data that name them. Raises RefusedFile for a graph with anything that is not expected, see above."""
    if len(graph) > LARGEST_GRAPH:
        raise RefusedFile(f"it has {len(graph):,} bytes, more than the {LARGEST_GRAPH:,} that are read")
    places = {row.offset: row.array for row in tensors.values()}
    written: list[bytes | memoryview] = []
    try:
        for field in _fields(memoryview(graph), _MODEL):
            if field.number == 8:
                _check_domain(_text(field, _DOMAIN, 1))
            if field.number == GRAPH:
                written += _framed(GRAPH, _graph(field.content, file, places))
            else:
                written.append(field.whole)
    except (IndexError, UnicodeDecodeError) as error:
        raise RefusedFile("it is cut short or no ONNX file") from error
    return b"".join(written)


class GraphParts(NamedTuple):
    """The nodes and tensors of a graph, as messages, and the version of its operators."""

    nodes: list[bytes]
    tensors: list[bytes]
    opset: int


def parts_of(model: bytes) -> GraphParts:
    """The parts of a model that `inlined` made."""
    found = GraphParts([], [], 0)
    for field in _fields(memoryview(model), _MODEL):
        if field.number == 8:
            for version in _fields(field.content, _DOMAIN):
                found = found._replace(opset=version.value or found.opset)
        if field.number == GRAPH:
            for part in _fields(field.content, _GRAPH):
                if part.number == 1:
                    found.nodes.append(bytes(part.content))
                if part.number == INITIALIZER:
                    found.tensors.append(bytes(part.content))
    return found


def _graph(content: memoryview, file: str, places: Mapping[int, np.ndarray]) -> list[bytes | memoryview]:
    """The parts of a graph, with all tensors inside."""
    written: list[bytes | memoryview] = []
    for field in _fields(content, _GRAPH):
        if field.number == 1:
            _check_node(field.content)
        if field.number == INITIALIZER and _is_external(field.content):
            written += _framed(INITIALIZER, _filled(field.content, file, places))
            continue
        if field.number == INITIALIZER:
            _check_inside(field.content)
        written.append(field.whole)
    return written


def _check_node(content: memoryview) -> None:
    for field in _fields(content, _NODE):
        if field.number == 4 and (name := _string(field)) not in OPERATORS:
            raise RefusedFile(f"it has the operator {name!r:.80}, which no network of facespace has")
        if field.number == 7:
            _check_domain(_string(field))
        if field.number == 5:
            for part in _fields(field.content, _ATTRIBUTE):
                if part.number == 5:
                    _check_inside(part.content)


def _check_domain(name: str) -> None:
    if name not in ("", "ai.onnx"):
        raise RefusedFile(f"it has operators of the domain {name!r:.80}")


def _check_inside(content: memoryview) -> None:
    """A tensor whose numbers lie in the graph itself."""
    for _ in _fields(content, _INSIDE):
        pass


def _is_external(content: memoryview) -> bool:
    return any(field.number in (13, LOCATION) for field in _fields(content, None))


def _filled(content: memoryview, file: str, places: Mapping[int, np.ndarray]) -> list[bytes | memoryview]:
    """A tensor with external data as one with its bytes. The data must be one whole tensor of the file, of
    that type and size."""
    kept: list[bytes | memoryview] = []
    facts: dict[str, str] = {}
    shape, kind = [], 0
    for field in _fields(content, _EXTERNAL):
        if field.number == 13:
            facts[_text(field, _PAIR, 1)] = _text(field, _PAIR, 2)
        elif field.number != LOCATION:
            kept.append(field.whole)
        if field.number == 1:
            shape += _integers(field)
        if field.number == 2:
            kind = field.value
    if set(facts) != {"location", "offset", "length"} or facts["location"] != file:
        raise RefusedFile(f"it names tensors outside of {file}")
    offset, length = (facts[key] for key in ("offset", "length"))
    array = places.get(int(offset)) if offset.isdecimal() else None
    if array is None or str(array.nbytes) != length or array.dtype != TYPES.get(kind):
        raise RefusedFile(f"it names a tensor that {file} does not have")
    if math.prod(shape) != array.size:
        raise RefusedFile(f"it gives a tensor of {file} another shape")
    return [*kept, *_framed(RAW, [memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)])]


def _framed(number: int, parts: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """A field of BYTES of these parts."""
    size = sum(len(part) for part in parts)
    return [varint(number << 3 | BYTES) + varint(size), *parts]


def varint(value: int) -> bytes:
    """A whole number of at least 0 in the encoding of protocol buffers."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def _read_varint(content: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise RefusedFile("it is no ONNX file")


def _fields(content: memoryview, known: Mapping[int, int | None] | None) -> Iterator[_Field]:
    """The fields of a message. Raises RefusedFile for a field that is not `known`, or of another wire type;
    the type None stands for repeated numbers, one by one or packed."""
    place = 0
    while place < len(content):
        begin = place
        tag, place = _read_varint(content, place)
        number, kind = tag >> 3, tag & 7
        value, first = 0, place
        if kind == VARINT:
            value, place = _read_varint(content, place)
        elif kind == BYTES:
            size, first = _read_varint(content, place)
            place = first + size
        elif kind in (FIXED32, FIXED64):
            place += 4 if kind == FIXED32 else 8
        else:
            raise RefusedFile("it is no ONNX file")
        if place > len(content):
            raise IndexError("cut short")
        if known is not None and (number not in known or known[number] not in (kind, None)):
            raise RefusedFile("it has a part that no network of facespace has, such as a loop or a function")
        yield _Field(number, kind, value, content[first:place], content[begin:place])


def _integers(field: _Field) -> list[int]:
    """One number, or packed ones."""
    if field.kind == VARINT:
        return [field.value]
    found, place = [], 0
    while place < len(field.content):
        value, place = _read_varint(field.content, place)
        found.append(value)
    return found


def _string(field: _Field) -> str:
    if len(field.content) > MOST_NAME:
        raise RefusedFile("it has a name of too many letters")
    return bytes(field.content).decode()


def _text(field: _Field, known: Mapping[int, int], number: int) -> str:
    """The text of a field of a small message; empty where it is not there, the last one where it is there
    more than once, as protocol buffers say."""
    found = ""
    for part in _fields(field.content, known):
        if part.number == number:
            found = _string(part)
    return found
