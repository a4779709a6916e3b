"""Writes the images of a prepared set one after another: into one file, or into shards of equal numbers of
faces, each with its SHA-256. Continues after what an interrupted run has written."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from facespace.core import sizes
from facespace.core.errors import UsageError
from facespace.core.files import flush, sha256
from facespace.data.shards import IMAGES, Shard, shard_name
from facespace.image.photos import Template

ONE_FILE = 10 * 2**30  # bytes of pixels up to which a set is one file unless shards are asked for
SHARD = 2**30  # bytes of a shard where none are given
HEADER = 128  # bytes of an .npy header of images


def parse_bytes(text: str) -> int:
    """A number of bytes from a text such as 1GiB, 256MB or 100000. Raises UsageError."""
    size = sizes.parse_bytes(text)
    if size is None:
        raise UsageError(f"--shard-size takes a size such as 1GiB, 256MiB or one-file; got {text!r}.")
    return size


def faces_per_shard(size: int | str | None, listed: int, template: Template) -> int | None:
    """The faces of a shard of `size` bytes, or None for one file: for the text "one-file", and where no size
    is given and `listed` faces take at most ONE_FILE. Raises UsageError for a size that holds no face."""
    face = int(np.prod(template.shape))
    if size == "one-file" or (size is None and listed * face <= ONE_FILE):
        return None
    if isinstance(size, str):
        size = parse_bytes(size)
    count = (SHARD if size is None else size) // face
    if count < 1:
        raise UsageError(f"--shard-size {size} holds no face: one of this size takes {face:,} bytes.")
    return count


class ImageWriter:
    """The images of a set that is being written in `folder`: images.npy, or shards of `per_shard` faces."""

    def __init__(self, folder: Path, template: Template, per_shard: int | None) -> None:
        self.folder, self.template, self.per_shard = folder, template, per_shard
        self.face_bytes = int(np.prod(template.shape))
        self.count = 0  # of all faces that are written
        self.shards: list[Shard] = []
        self._file: BinaryIO | None = None

    def resume(self, count: int, digests: Mapping[str, str]) -> None:
        """Continues after `count` faces. `digests` are the known checksums of shards, by their names."""
        self.count = count
        if self.per_shard is not None:
            for number in range(count // self.per_shard):
                name = shard_name(number)
                self.shards.append(self._entry(name, self.per_shard, digests.get(name)))
        inside = count - len(self.shards) * (self.per_shard or 0)
        if self.per_shard is None or inside:
            self._open(inside)

    def intact(self, count: int) -> int:
        """How many of `count` faces the files of an interrupted run still hold: whole shards, up to the first
        one that is missing or short."""
        held = 0
        for number in range(-(-count // (self.per_shard or count or 1))):
            name = IMAGES if self.per_shard is None else shard_name(number)
            wanted = min(count - held, self.per_shard or count)
            path = self.folder / name
            if not path.is_file() or path.stat().st_size < HEADER + wanted * self.face_bytes:
                return held
            held += wanted
        return held

    def write(self, pixels: bytes) -> list[Shard]:
        """Appends the pixels of whole faces; returns the shards that were completed by it."""
        completed, rest = len(self.shards), memoryview(pixels)
        while len(rest):
            if self._file is None:
                self._open(0)
            assert self._file is not None
            room = len(rest)
            if self.per_shard is not None:
                room = ((len(self.shards) + 1) * self.per_shard - self.count) * self.face_bytes
            part, rest = rest[:room], rest[room:]
            self._file.write(part)
            self.count += len(part) // self.face_bytes
            if self.per_shard is not None and len(part) == room:
                self._close_shard()
        if self._file is not None:
            self._file.flush()
        return self.shards[completed:]

    def finish(self) -> list[Shard] | None:
        """Completes the last file; returns the shards, or None for one file."""
        if self.per_shard is None:
            if self._file is None:
                self._open(0)
            self._complete(self.count)
            return None
        if self._file is not None:
            self._close_shard()
        return self.shards

    def close(self) -> None:
        """Closes the file as it is, for a later run to continue."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, inside: int) -> None:
        """Opens the current file after `inside` of its faces, and removes what follows them."""
        path = self.folder / (IMAGES if self.per_shard is None else shard_name(len(self.shards)))
        self._file = path.open("r+b" if inside else "wb")
        self._write_header(0)
        self._file.seek(inside * self.face_bytes, os.SEEK_CUR)
        self._file.truncate()

    def _complete(self, count: int) -> None:
        self._write_header(count)
        self.close()

    def _close_shard(self) -> None:
        faces = self.count - len(self.shards) * (self.per_shard or 0)
        name = shard_name(len(self.shards))
        self._complete(faces)
        flush(self.folder / name)  # before a checksum says that it is complete
        self.shards.append(self._entry(name, faces, None))

    def _entry(self, name: str, faces: int, digest: str | None) -> Shard:
        path = self.folder / name
        return Shard(file=name, faces=faces, bytes=path.stat().st_size, sha256=digest or sha256(path))

    def _write_header(self, count: int) -> None:
        """An .npy header at the file's start. numpy pads it so that its length does not depend on the count,
        which is known only at the end."""
        assert self._file is not None
        shape = (count, self.template.height, self.template.width, self.template.channels)
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(
            self._file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
