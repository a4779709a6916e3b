"""Any tree of photographs. Every file under it is listed, skipped with a reason, or counted where its name
says that it is no photograph; subfolders become splits and labels, and a table may add attributes. Images are
taken whole; faces are found and aligned elsewhere."""

import mimetypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from facespace.core.files import is_same
from facespace.data.faces import Face, SourceListing
from facespace.data.other_files import is_other_file
from facespace.data.sources.attribute_table import read_table
from facespace.data.sources.landmarks import PointsBeside
from facespace.data.sources.source import Source, SourceOptions
from facespace.data.sources.subfolders import understand


def read(root: Path, options: SourceOptions) -> SourceListing:
    """Every file in the order of its path. Folders such as train, val and test are splits. Up to 40 other
    subfolders become attributes (+1 in it, −1 in another); more become identities, so that no person is in
    two splits."""
    paths, skipped, others = _find_files(root, options.table)
    ids = [_id(path, root) for path in paths]
    folders = [tuple(name.split("/")[:-1]) for name in ids]
    # A folder without pictures is no label; the skipped files in it are reported nevertheless.
    subfolders = understand(folders, list(map(_looks_like_picture, paths)))
    table = read_table(options.table, ids)
    skipped += [(name, "in the attribute table, but no image file") for name in table.unmatched]
    labels: list[str] = []
    if not subfolders.identities:
        labels = [name for name in subfolders.names if name not in table.columns]
    points = PointsBeside()
    faces = []
    values = np.full((len(paths), len(labels) + len(table.columns)), np.nan, np.float32)
    values[:, len(labels) :] = table.values
    for place, path in enumerate(paths):
        label = subfolders.labels[place]
        identity = label if subfolders.identities and label else None
        split = subfolders.splits[place]
        faces.append(Face(ids[place], path, identity, split, points=points(path)))
        values[place, : len(labels)] = _signs(label, labels)
    notes = (*subfolders.notes, *table.notes)
    return SourceListing(faces, (*labels, *table.columns), values, skipped, notes, others)


def _signs(label: str, labels: Sequence[str]) -> np.ndarray:
    """For each label +1 in its folder, −1 in another; NaN for a picture in no subfolder."""
    signs = np.full(len(labels), -1 if label else np.nan)
    if label in labels:
        signs[labels.index(label)] = 1
    return signs


def _find_files(root: Path, table: Path | None) -> tuple[list[Path], list[tuple[str, str]], int]:
    """All files below the folder but the attribute table, (id, reason) of what is skipped, and the number of
    files that are no photographs by name."""
    paths, skipped, others = [], [], 0
    for path, problem in _walk(root):
        if table and is_same(path, table):
            continue
        if is_other_file(_id(path, root)):
            others += 1
        elif problem:
            skipped.append((_id(path, root), problem))
        else:
            paths.append(path)
    return paths, skipped, others


def _walk(root: Path) -> Iterator[tuple[Path, str | None]]:
    """(path, None) for each file, (path, reason) for what cannot be followed, in a fixed order."""
    found: list[tuple[Path, str | None]] = []

    def closed(error: OSError) -> None:
        found.append((Path(error.filename), "folder cannot be opened"))

    for here, folders, files in os.walk(root, onerror=closed):
        for name in files:
            found.append((Path(here, name), None))
        for name in folders:
            if os.path.islink(Path(here, name)):  # noqa: PTH114 (answers for too long a path, too)
                found.append((Path(here, name), "a link to a folder"))
    yield from sorted(found, key=_path_as_text)


def _path_as_text(item: tuple[Path, str | None]) -> str:
    return item[0].as_posix()


def _looks_like_picture(path: Path) -> bool:
    return (mimetypes.guess_type(path.name)[0] or "image/unknown").startswith("image/")


def _id(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


SOURCE = Source(
    read,
    summary="any tree of face photographs; subfolders become splits and labels, a table may add attributes",
    holds="photographs",
    terms="as the owners of the photographs allow",
    takes=("table",),
    unaligned=True,
)
