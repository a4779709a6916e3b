"""A Century of Portraits: American high-school yearbook portraits, gray, 186×171, in folders M and F, with the year in label
files or in the file's name. Ginosar et al., ICCV Workshops 2015."""

import re
from pathlib import Path

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data.faces import Face, Listing
from facespace.data.sources import Source, SourceOptions, tables

SIDES = {"train": "train", "valid": "validation", "test": "test"}
SEXES = {"M": 1.0, "F": -1.0}
YEAR = re.compile(r"(18|19|20)\d\d(?=_)")  # 1905_Ohio_Cleveland_Central_0-1.png


def read(root: Path, options: SourceOptions) -> Listing:
    """Every portrait with its year, NaN where neither label nor name has one; label rows without a file are reported."""
    for place in (root, *sorted(path for path in root.glob("*") if path.is_dir())):
        if any((place / side / sex).is_dir() for side in SIDES for sex in SEXES):
            return _read_sides(place)
        if all((place / sex).is_dir() for sex in SEXES):
            return _listing(
                [(path, None, _year(path.name)) for sex in SEXES for path in _files(place / sex)], place, []
            )
    raise FaceSetError(
        f"{root} holds no yearbook portraits: folders M and F are expected, or train, valid and test of them."
    )


def _read_sides(root: Path) -> Listing:
    """train, valid and test, with label files of `M/000001.png<TAB>1967`."""
    portraits, skipped = [], []
    for side, split in SIDES.items():
        path = tables.find((root,), f"yearbook_{side}", (".txt",))
        labels = [row for row in (tables.rows(path) if path else ()) if len(row) == 2]
        years = {tables.stem(name): float(year) for name, year in labels}  # some copies have another ending
        files = [
            (f"{sex}/{tables.stem(file.name)}", file) for sex in SEXES for file in _files(root / side / sex)
        ]
        present = {key for key, _ in files}
        for name, _ in labels:
            if tables.stem(name) not in present:
                skipped.append((f"{side}/{name}", "in the label file, but no image file"))
        portraits += [(file, split, years.get(key, float("nan"))) for key, file in files]
    return _listing(portraits, root, skipped)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _year(name: str) -> float:
    match = YEAR.match(name)
    return float(match[0]) if match else float("nan")


def _listing(
    portraits: list[tuple[Path, str | None, float]], root: Path, skipped: list[tuple[str, str]]
) -> Listing:
    faces = [Face(path.relative_to(root).as_posix(), path, split=split) for path, split, _ in portraits]
    rows = [(SEXES[path.parent.name], year) for path, _, year in portraits]
    values = np.array(rows, np.float32).reshape(len(rows), 2)
    unknown = int(np.isnan(values[:, 1]).sum())
    notes = (f"{unknown:,} of {len(faces):,} portraits have no year",) if unknown else ()
    return Listing(faces, ("Male", "Year"), values, skipped, notes)


SOURCE = Source(
    read,
    summary="A Century of Portraits: gray yearbook portraits with sex and year",
    holds="folders M and F of portraits",
    terms="research only; the portraits are of private persons (A Century of Portraits)",
    size=(171, 186),
    gray=True,
)
