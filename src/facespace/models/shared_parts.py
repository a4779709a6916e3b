"""A space of the package that shares tensors with another one, stored as what differs from it: a space of
the same encoder, prior and directions needs a second decoder and not a second copy of all. Opening it puts
its files together in the cache folder, once, byte for byte those that benchmarks/split_space.py split."""

import hashlib
from pathlib import Path
from typing import Annotated

import msgspec

from facespace.core.cache import cache_folder
from facespace.core.cards import RESTORE_HINT
from facespace.core.errors import BundleError
from facespace.core.files import build_folder, sha256
from facespace.core.reading import MEGABYTE, RefusedFile, read_bounded

PARTS, OWN = "parts.json", "own.bin"
LARGEST = 64 * MEGABYTE  # of a file of the package

Place = Annotated[int, msgspec.Meta(ge=0)]


class Part(msgspec.Struct, frozen=True):
    """Bytes of a file: of `file` in the other space, or of OWN where there is none."""

    offset: Place
    length: Place
    file: str = ""


class File(msgspec.Struct, frozen=True):
    """A file as its parts, in their order."""

    sha256: str
    parts: list[Part]


class Parts(msgspec.Struct, frozen=True):
    """The content of PARTS: the other space's name, and the files by their names."""

    of: str
    files: dict[str, File]


def whole(folder: Path) -> Path:
    """The folder with all files of a space of the package: the folder itself, or, for one that is stored as
    parts, a folder of the cache, which is made where it is missing. Raises BundleError for parts that do not
    belong together and a cache that cannot be written."""
    to = place(folder)
    if to.is_dir() or to == folder:
        return to
    text = read_bounded(folder / PARTS, MEGABYTE)
    try:
        _assemble(folder, msgspec.json.decode(text, type=Parts), to)
    except OSError as error:
        raise BundleError(
            f"The space {folder.name} is put together in the cache folder {cache_folder()}, which cannot be "
            f"written ({error.strerror or error}). Let FACESPACE_CACHE name another folder."
        ) from error
    except (msgspec.MsgspecError, RefusedFile, ValueError) as error:
        raise BundleError(f"The files of {folder} do not belong together: {error}. {RESTORE_HINT}") from error
    return to


def is_cached(folder: Path) -> bool:
    """Whether a folder is one of the cache that `whole` made."""
    return folder.resolve().is_relative_to(_spaces().resolve())


def place(folder: Path) -> Path:
    """Where `whole` has all files of a space, whether they are there yet: the folder itself, or for parts a
    folder of the cache. Another version of the parts lies elsewhere."""
    if not (folder / PARTS).is_file():
        return folder
    text = read_bounded(folder / PARTS, MEGABYTE)
    return _spaces() / hashlib.sha256(text).hexdigest()[:16] / folder.name


def _spaces() -> Path:
    return cache_folder() / "spaces"


def _assemble(folder: Path, parts: Parts, to: Path) -> None:
    """Writes the files of the space, all or none. Raises ValueError for one that is not what was split."""
    base = folder.parent / parts.of
    with build_folder(to) as beside:
        for name, file in parts.files.items():
            path = beside / Path(name).name
            with path.open("wb") as written:
                for part in file.parts:
                    source = base / Path(part.file).name if part.file else folder / OWN
                    written.write(_read(source, part))
            if sha256(path) != file.sha256:
                raise ValueError(f"{name} is not the file that was split")


def _read(source: Path, part: Part) -> bytes:
    if not source.is_file():
        raise ValueError(f"{source} is missing")
    with source.open("rb") as file:
        file.seek(part.offset)
        return file.read(min(part.length, LARGEST))
