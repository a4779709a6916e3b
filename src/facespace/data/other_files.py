"""Files that lie beside photographs and are none: tables, notes, licences, what systems leave behind. They
are counted, and not reported as photographs that cannot be used."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from facespace.core.left_behind import is_left_behind
from facespace.data.faces import Face, SourceListing
from facespace.data.stored import ListedFiles, StoredFaces, take

# Endings of photographs, also of those that Pillow does not read: such a file is reported.
_PICTURES = """jpg jpeg jpe jfif png apng webp avif tif tiff bmp dib gif ppm pgm pbm pnm jp2 j2k tga ico
    heic heif jxl svg psd xcf eps raw dng cr2 cr3 nef arw orf rw2 raf"""
_OTHERS = """json jsonl txt csv tsv md rst xml yaml yml toml ini cfg log html htm pdf rtf doc docx xls
    xlsx odt ods zip tar gz tgz bz2 xz 7z rar mp4 mov avi mkv webm m4v mp3 wav m4a npy npz mat h5 pkl parquet
    db sqlite py ipynb js css sh bat xmp aae url lnk md5 sha256 part tmp bak"""
_NAMES = "license licence copying readme notice authors changelog makefile"
PICTURES, OTHERS, NAMES = (frozenset(text.split()) for text in (_PICTURES, _OTHERS, _NAMES))
# Reasons that, for a file without a photograph's ending, mean that it was never meant as one.
NO_PICTURE = ("not an image that can be read", "empty file")


def is_other_file(name: str) -> bool:
    """Whether a file's name, or its path below the folder of photographs, says that it is no photograph."""
    path = PurePosixPath(name)
    if any(is_left_behind(part) for part in path.parts):
        return True
    return path.name.lower() in NAMES or _ending(name) in OTHERS


def entries(folder: Path) -> Iterator[Path]:
    """What lies in a folder, in the order of names, without what systems leave behind."""
    for path in sorted(folder.iterdir()):
        if not is_left_behind(path.name):
            yield path


def folders(folder: Path) -> list[Path]:
    """The folders among its entries."""
    return [path for path in entries(folder) if path.is_dir()]


def files(folder: Path) -> list[Path]:
    """The files among its entries."""
    return [path for path in entries(folder) if path.is_file()]


def file_names(folder: Path) -> list[str]:
    """The names of the files among its entries, in their order."""
    with os.scandir(folder) as found:
        names = [entry.name for entry in found if not is_left_behind(entry.name) and entry.is_file()]
    return sorted(names, key=os.path.normcase)  # as paths are sorted


def is_no_picture(name: str, reason: str) -> bool:
    """Whether a file that could not be used has neither a photograph's ending nor a photograph in it."""
    return reason in NO_PICTURE and _ending(name) not in PICTURES


def without_other_files(listing: SourceListing) -> SourceListing:
    """A listing without the files whose names say that they are no photographs; they are counted."""
    if isinstance(listing.faces, StoredFaces):  # its source has chosen the pictures
        return listing
    kept = _kept(listing.faces)
    skipped = _without(listing.skipped)
    left_out = len(listing.faces) - len(kept) + len(listing.skipped) - len(skipped)
    if not left_out:
        return listing
    return replace(
        listing,
        faces=take(listing, kept),
        values=listing.values[kept],
        skipped=skipped,
        other_files=listing.other_files + left_out,
    )


def _kept(faces: Sequence[Face]) -> np.ndarray:
    """The places of faces whose files may be photographs by name."""
    if isinstance(faces, ListedFiles):
        others = map(is_other_file, faces.ids)
    else:
        others = (isinstance(face.image, Path) and is_other_file(face.id) for face in faces)
    return np.flatnonzero(~np.fromiter(others, bool, len(faces)))


def _without(skipped: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Skipped files that are photographs by name; rows of tables without a file stay."""
    return [
        (name, reason) for name, reason in skipped if "no image file" in reason or not is_other_file(name)
    ]


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower().removeprefix(".")
