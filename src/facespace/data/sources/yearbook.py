"""A Century of Portraits: American high-school yearbook portraits, gray, 186×171, in folders M and F, with
the year in a label file or in the file's name. Ginosar et al., ICCV Workshops 2015."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data import other_files
from facespace.data.faces import Face, SourceListing
from facespace.data.sources import tables
from facespace.data.sources.matching import clean
from facespace.data.sources.source import Source, SourceOptions
from facespace.data.sources.values import parse

SPLITS = {"train": "train", "valid": "validation", "test": "test"}  # folder -> split
SEXES = {"M": 1.0, "F": -1.0}
YEAR = re.compile(r"(18|19|20)\d\d(?=_)")  # 1905_Ohio_Cleveland_Central_0-1.png
UNKNOWN = float("nan")


class Portrait(NamedTuple):
    """One file."""

    path: Path
    split: str | None
    year: float  # NaN where unknown


def read(root: Path, options: SourceOptions) -> SourceListing:
    """Every portrait with its year, NaN where neither label nor name has one; label rows without a file are
    reported."""
    for place in (root, *other_files.folders(root)):
        if any(_has_sexes(place / name) for name in SPLITS):
            return _read_splits(place)
        if all((place / sex).is_dir() for sex in SEXES):
            return _listing(_read_sexes(place), place, [])
    raise FaceSetError(
        f"{root} holds no yearbook portraits: folders M and F are expected, or train, valid and test of them."
    )


def _has_sexes(folder: Path) -> bool:
    return any((folder / sex).is_dir() for sex in SEXES)


def _read_sexes(root: Path) -> list[Portrait]:
    """M and F, with the year in the file's name."""
    portraits = []
    for sex in SEXES:
        for path in _files(root / sex):
            portraits.append(Portrait(path, None, _year(path.name)))
    return portraits


def _read_splits(root: Path) -> SourceListing:
    """train, valid and test, with label files of `M/000001.png<TAB>1967`."""
    portraits, skipped = [], []
    for folder, split in SPLITS.items():
        labels = _labels(tables.find((root,), f"yearbook_{folder}", (".txt",)))
        found = set()
        for sex in SEXES:
            for path in _files(root / folder / sex):
                key = f"{sex.casefold()}/{tables.key(path.name)}"
                _, year = labels.get(key, ("", UNKNOWN))
                portraits.append(Portrait(path, split, year))
                found.add(key)
        for key, (name, _) in labels.items():
            if key not in found:
                skipped.append((f"{folder}/{name}", "in the label file, but no image file"))
    return _listing(portraits, root, skipped)


def _labels(path: Path | None) -> dict[str, tuple[str, float]]:
    """Stem of the file -> its name in a label file, and the year. Some copies have another ending than the
    images."""
    labels = {}
    for row in tables.rows(path):
        if len(row) != 2:
            continue
        year = parse(row[1])
        if year is None:
            raise FaceSetError(f"{path}: the year of {row[0]} is {row[1]!r}. Fetch the file again.")
        folder, _, name = clean(row[0]).rpartition("/")
        labels[f"{folder.rpartition('/')[2].casefold()}/{tables.key(name)}"] = row[0], year
    return labels


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return other_files.files(folder)


def _year(name: str) -> float:
    match = YEAR.match(name)
    return float(match[0]) if match else UNKNOWN


def _listing(portraits: list[Portrait], root: Path, skipped: list[tuple[str, str]]) -> SourceListing:
    faces = []
    values = np.empty((len(portraits), 2), np.float32)
    for row, portrait in zip(values, portraits):
        path = portrait.path
        faces.append(Face(path.relative_to(root).as_posix(), path, split=portrait.split))
        row[:] = SEXES[path.parent.name], portrait.year
    unknown = int(np.isnan(values[:, 1]).sum())
    notes: tuple[str, ...] = ()
    if unknown:
        notes = (f"{unknown:,} of {len(faces):,} portraits have no year",)
    return SourceListing(faces, ("Male", "Year"), values, skipped, notes)


SOURCE = Source(
    read,
    summary="A Century of Portraits: gray yearbook portraits with sex and year",
    holds="folders M and F of portraits",
    terms="research only; the portraits are of private persons (A Century of Portraits)",
    size=(171, 186),
    gray=True,
)
