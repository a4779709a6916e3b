"""Splits a packed bundle into what it shares with a space of the package and what it has of its own, for
src/facespace/weights: `python benchmarks/split_space.py BUNDLE BASE TO`, such as

    python benchmarks/split_space.py faces128 src/facespace/weights/faces64 src/facespace/weights/faces128

models/shared_parts.py puts the files together again."""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from facespace.core.files import build_folder, sha256, write_json
from facespace.core.reading import read_bounded
from facespace.core.tensor_files import stored_tensors
from facespace.models.shared_parts import LARGEST, OWN, PARTS, File, Part, Parts

LEAST = 64  # bytes from which on a tensor is looked for in the other space


class _Shared(NamedTuple):
    """Where the other space has some bytes."""

    file: str
    offset: int


def split(bundle: Path, base: Path, to: Path) -> None:
    """Writes the folder `to` with a packed bundle as the parts that it does not share with the space of the
    package in the folder `base`."""
    known = _known(base)
    own = bytearray()
    files = {}
    with build_folder(to) as beside:
        for path in sorted(bundle.iterdir()):
            content = read_bounded(path, LARGEST)
            files[path.name] = File(sha256(path), _merged(_parts(path.name, content, known, own)))
        (beside / OWN).write_bytes(own)
        write_json(beside / PARTS, msgspec.to_builtins(Parts(base.name, files)))


def _known(base: Path) -> dict[bytes, _Shared]:
    """Digest -> place of the whole files and of the tensors of a space."""
    known = {}
    for path in sorted(base.iterdir()):
        content = read_bounded(path, LARGEST)
        for start, stop in _pieces(path.name, content):
            known.setdefault(_digest(content[start:stop]), _Shared(path.name, start))
        known[_digest(content)] = _Shared(path.name, 0)
    return known


def _parts(name: str, content: bytes, known: Mapping[bytes, _Shared], own: bytearray) -> Iterator[Part]:
    """The parts of a file; bytes that the other space lacks are added to `own`."""
    pieces = [(0, len(content))] if _digest(content) in known else _pieces(name, content)
    for start, stop in pieces:
        shared = known.get(_digest(content[start:stop])) if stop - start >= LEAST else None
        if shared:
            yield Part(shared.offset, stop - start, shared.file)
            continue
        yield Part(len(own), stop - start)
        own += content[start:stop]


def _pieces(name: str, content: bytes) -> list[tuple[int, int]]:
    """(start, stop) of pieces that make up a file: its tensors and what lies between, or all of it."""
    if not name.endswith(".safetensors"):
        return [(0, len(content))]
    borders = {0, len(content)}
    for row in stored_tensors(content).values():
        borders |= {row.offset, row.offset + row.array.nbytes}
    ordered = sorted(borders)
    return list(pairwise(ordered))


def _merged(parts: Iterable[Part]) -> list[Part]:
    """The parts, neighbours of one file as one."""
    merged: list[Part] = []
    for part in parts:
        last = merged[-1] if merged else None
        if last and last.file == part.file and last.offset + last.length == part.offset:
            merged[-1] = Part(last.offset, last.length + part.length, part.file)
        else:
            merged.append(part)
    return merged


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


if __name__ == "__main__":
    bundle, base, to = map(Path, sys.argv[1:4])
    split(bundle, base, to)
    print(f"{to}: {sum(path.stat().st_size for path in to.iterdir()):,} bytes of its own")
