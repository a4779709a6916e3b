"""Tar shards as img2dataset and WebDataset write them: 00000.tar with 000000001.jpg, and beside it .json with
fields and .txt with a caption. The pictures are read where they lie; nothing is unpacked."""

import os
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import msgspec

from facespace.core.addresses import shown
from facespace.core.console import progress
from facespace.core.errors import FaceSetError, ImageError
from facespace.core.left_behind import is_left_behind
from facespace.core.remote_cache import local_file, paths_below, with_file
from facespace.data.faces import SourceListing, StoredImage
from facespace.data.other_files import PICTURES
from facespace.data.sources.gathering import (
    ABOUT_FILES,
    PEOPLE,
    Gathered,
    identity_in,
    split_in,
    split_of_file,
)
from facespace.data.sources.source import Source, SourceOptions
from facespace.data.stored import StoredFaces

LARGEST_FIELDS = 2**20  # bytes of a .json file
BLOCK = 512  # bytes of a header in a tar file
BESIDE = ("json", "txt", "cls")  # what belongs to a picture
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
LINK, DEVICE, OUTSIDE, SPARSE, PACKED = (
    "a link in an archive, which is not followed",
    "a device or a pipe in an archive",
    "an absolute or climbing name in an archive",
    "a file with holes in an archive",
    "a compressed archive; unpack it to .tar",
)


class TarImage(StoredImage):
    """A picture in a tar file: `first` byte and number of bytes (`second`)."""

    def read(self) -> bytes:
        """The bytes of the image file. Raises ImageError where the archive ends before."""
        try:
            file = with_file(self.path, _opened_now)
            file.seek(self.first)
            data = file.read(self.second)
        except OSError as error:
            raise ImageError(f"unreadable: {(error.strerror or 'input error').lower()}") from error
        if len(data) < self.second:
            raise ImageError("an archive that is cut short")
        return data


def _opened_now(path: Path) -> BinaryIO:
    return _opened(path, path.stat().st_mtime_ns, os.getpid())


@lru_cache(maxsize=4)
def _opened(path: Path, changed: int, process: int) -> BinaryIO:
    """The archive, open: for each version of it, and for each process, since forked ones share a position."""
    return path.open("rb", buffering=0)


def read(root: Path, options: SourceOptions) -> SourceListing:
    """The pictures of all archives below the folder, in the order of archives and members."""
    shards, skipped = _find_shards(root)
    if not shards:
        found = "only compressed ones; unpack them to .tar" if skipped else "none"
        raise FaceSetError(
            f"{shown(root)} should hold tar archives with pictures, such as 00000.tar; found: {found}. "
            "For a folder of pictures: facespace prepare folder"
        )
    reader = _Reader(root, shards)
    reader.skipped += skipped
    with progress(len(shards), "Listing archives", "archives") as advance:
        for number in range(len(shards)):
            reader.read(number)
            advance(1)
    names, values, notes = reader.fields.finish(len(reader.faces))
    notes += reader.notes()
    return SourceListing(reader.faces, names, values, reader.skipped, tuple(notes), reader.others)


def _find_shards(root: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """The archives below a folder in the order of their paths, and compressed ones with the reason."""
    shards, skipped = [], []
    for path in paths_below(root):
        name = path.relative_to(root).as_posix()
        if any(map(is_left_behind, path.relative_to(root).parts)):
            continue
        if name.lower().endswith(COMPRESSED):
            skipped.append((name, PACKED))
        elif path.suffix.lower() == ".tar":
            shards.append(path)
    return shards, skipped


class _Reader:
    """Reads the headers of archives, and the fields beside pictures."""

    def __init__(self, root: Path, shards: list[Path]) -> None:
        self.root, self.shards = root, shards
        self.faces = StoredFaces(shards, TarImage)
        self.fields = Gathered()
        self.skipped: list[tuple[str, str]] = []
        self.others = self.broken = self.captions = 0

    def notes(self) -> list[str]:
        """Sentences for the card."""
        notes = []
        if self.captions:
            notes.append(f"{self.captions:,} captions (.txt) were not read")
        if self.broken:
            notes.append(f"the fields of {self.broken:,} pictures could not be read (.json)")
        return notes

    def read(self, number: int) -> None:
        """Lists the pictures of an archive. Files of one name but for the ending belong together, and stand
        next to each other."""
        path = self.shards[number]
        shard = path.relative_to(self.root).with_suffix("").as_posix()
        split = split_of_file(shard.split("/"))
        key, group = None, {}
        local = local_file(path)
        with local.open("rb") as file:
            for member in _members(path, local, self.root):
                name = f"{shard}/{member.name}"
                if reason := _refused(member):
                    self.skipped.append((name, reason))
                    continue
                if not member.isreg():
                    continue
                stem, _, ending = PurePosixPath(member.name).name.partition(".")
                stem = f"{PurePosixPath(member.name).parent}/{stem}"
                if stem != key:
                    self._add(number, shard, split, group, file)
                    key, group = stem, {}
                self._sort(member, ending.lower(), group)
            self._add(number, shard, split, group, file)

    def _sort(self, member: tarfile.TarInfo, ending: str, group: dict[str, tarfile.TarInfo]) -> None:
        """Puts a file with the others of its name."""
        if ending in PICTURES and "picture" not in group:
            group["picture"] = member
        elif ending in BESIDE:
            group.setdefault(ending, member)
            self.captions += ending == "txt"
        else:
            self.others += 1

    def _add(
        self, number: int, shard: str, split: str | None, group: dict[str, tarfile.TarInfo], file: BinaryIO
    ) -> None:
        picture = group.get("picture")
        if picture is None:
            self.others += len(group)
            return
        row = len(self.faces)
        fields = self._fields(group["json"], file) if "json" in group else {}
        split = split_in(fields.get("split")) or split
        where = picture.offset_data, picture.size
        self.faces.add(
            f"{shard}/{PurePosixPath(picture.name).as_posix()}", number, *where, identity_in(fields), split
        )
        for name, value in fields.items():
            if name not in ABOUT_FILES and name not in PEOPLE and name != "split":
                self.fields.add(row, name, value)

    def _fields(self, member: tarfile.TarInfo, file: BinaryIO) -> dict[str, Any]:
        """The fields in a .json file; none where it cannot be read."""
        if member.size > LARGEST_FIELDS:
            self.broken += 1
            return {}
        file.seek(member.offset_data)
        try:
            return msgspec.json.decode(file.read(member.size), type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            self.broken += 1
            return {}


def _refused(member: tarfile.TarInfo) -> str | None:
    """Why a member is not read: none is ever written to the disk, but its name becomes an id."""
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts[:1] and path.parts[0].endswith(":")):
        return OUTSIDE
    if member.issym() or member.islnk():
        return LINK
    if member.isdev():
        return DEVICE
    return SPARSE if member.issparse() else None


def _members(path: Path, local: Path, root: Path) -> Iterator[tarfile.TarInfo]:
    """The members of an archive, of which `local` is the copy on this machine. Raises FaceSetError for a file
    that is no archive, or is cut short."""
    size, named = local.stat().st_size, shown(path)
    count, end = 0, 0
    try:
        with tarfile.open(local, "r:", errorlevel=0) as archive:
            while member := archive.next():
                archive.members = []  # else it keeps them all  # type: ignore[attr-defined]
                end = archive.offset  # type: ignore[attr-defined]
                if member.isreg() and member.offset_data + member.size > size:
                    raise tarfile.ReadError("unexpected end of data")
                count += 1
                yield member
        if size and not _ends(local, end):
            raise tarfile.ReadError("what follows is no header")
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        if not count:
            raise FaceSetError(
                f"{named} is no tar archive that can be read ({error}). "
                f"Fetch it again, or move it out of {shown(root)}."
            ) from error
        raise FaceSetError(
            f"{named} is cut short or damaged after {count:,} files ({error}). "
            f"Fetch it again, or move it out of {shown(root)}."
        ) from error


def _ends(path: Path, end: int) -> bool:
    """Whether an archive ends where its last member does: with blocks of zeros, or with the file."""
    with path.open("rb") as file:
        file.seek(end)
        return not file.read(BLOCK).strip(b"\0")


SOURCE = Source(
    read,
    summary="tar shards as img2dataset and WebDataset write them; numbers in the .json beside are attributes",
    holds="tar archives of pictures",
    terms="as the owners of the photographs allow",
    unaligned=True,
    drops_copies=True,
    remote=True,
)
