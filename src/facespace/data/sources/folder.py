"""Any tree of photographs. Every file under it is listed, skipped with a reason, or counted where its name
says that it is no photograph; subfolders become splits and labels, and a table may add attributes. Images are
taken whole; faces are found and aligned elsewhere."""

import mimetypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from facespace.core import remote
from facespace.core.addresses import address_of
from facespace.core.files import is_same
from facespace.data.faces import SourceListing
from facespace.data.other_files import is_other_file
from facespace.data.sources.attribute_table import read_table
from facespace.data.sources.landmarks import PointsBeside
from facespace.data.sources.source import Source, SourceOptions
from facespace.data.sources.subfolders import understand
from facespace.data.stored import ListedFiles

Skipped = list[tuple[str, str]]  # (id, reason)


def read(root: Path, options: SourceOptions) -> SourceListing:
    """Every file in the order of its path. Folders such as train, val and test are splits. Up to 40 other
    subfolders become attributes (+1 in it, −1 in another); more become identities, so that no person is in
    two splits."""
    names, skipped, others = _find_files(root, options.table)
    # A folder without pictures is no label; the skipped files in it are reported nevertheless.
    subfolders = understand(_folders(names), list(map(_looks_like_picture, names)))
    table = read_table(options.table, names)
    skipped += [(name, "in the attribute table, but no image file") for name in table.unmatched]
    labels: list[str] = []
    if not subfolders.identities:
        labels = [name for name in subfolders.names if name not in table.columns]
    points = PointsBeside()
    faces, places = ListedFiles(root), {label: place for place, label in enumerate(labels)}
    values = np.full((len(names), len(labels) + len(table.columns)), np.nan, np.float32)
    values[:, len(labels) :] = table.values
    for place, name in enumerate(names):
        label = subfolders.labels[place]
        identity = label if subfolders.identities and label else None
        faces.add(name, identity, subfolders.splits[place], points(root / name))
        if label:  # +1 for its folder, −1 for the others; NaN for a picture in no subfolder
            values[place, : len(labels)] = -1
            if label in places:
                values[place, places[label]] = 1
    notes = (*subfolders.notes, *table.notes)
    return SourceListing(faces, (*labels, *table.columns), values, skipped, notes, others)


def _folders(names: Sequence[str]) -> list[tuple[str, ...]]:
    """The folders of each file; files of one folder share them."""
    known: dict[str, tuple[str, ...]] = {}
    found = []
    for name in names:
        folder = name.rpartition("/")[0]
        if folder not in known:
            known[folder] = tuple(folder.split("/")) if folder else ()
        found.append(known[folder])
    return found


def _find_files(root: Path, table: Path | None) -> tuple[list[str], Skipped, int]:
    """The paths below the folder of all files but the attribute table, (path, reason) of what is skipped, and
    the number of files that are no photographs by name."""
    if address := address_of(root):
        found = [(file.name, None) for file in remote.files_below(address)]
    else:
        found = _walk(root)
    names: list[str] = []
    skipped: Skipped = []
    others = 0
    for name, problem in found:
        if table and is_same(root / name, table):
            continue
        if is_other_file(name):
            others += 1
        elif problem:
            skipped.append((name, problem))
        else:
            names.append(name)
    return sorted(names), sorted(skipped), others


def _walk(root: Path) -> Iterator[tuple[str, str | None]]:
    """(path below the folder, None) for each file, (path, reason) for what cannot be followed."""
    closed: list[str] = []
    for here, folders, files in os.walk(root, onerror=lambda error: closed.append(error.filename)):
        inside = Path(here).relative_to(root).as_posix()
        start = "" if inside == "." else f"{inside}/"
        for name in files:
            yield f"{start}{name}", None
        for name in folders:
            if os.path.islink(Path(here, name)):  # noqa: PTH114 (answers for too long a path, too)
                yield f"{start}{name}", "a link to a folder"
    for path in closed:
        yield Path(path).relative_to(root).as_posix(), "folder cannot be opened"


def _looks_like_picture(name: str) -> bool:
    return (mimetypes.guess_type(name.rpartition("/")[2])[0] or "image/unknown").startswith("image/")


SOURCE = Source(
    read,
    summary="any tree of face photographs; subfolders become splits and labels, a table may add attributes",
    holds="photographs",
    terms="as the owners of the photographs allow",
    takes=("table",),
    unaligned=True,
    remote=True,
)
