"""Any tree of photographs. Every file under it is listed or skipped with a reason; subfolder names become labels, and
a CSV may add attributes. Faces are taken as they stand; finding and aligning them is not done here."""

import csv
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from facespace.data.faces import Face, Listing
from facespace.data.sources import Source, SourceOptions
from facespace.errors import FaceSetError

MOST_LABELS = 40  # more subfolders than this are taken for people, one folder each
WORDS = {
    "yes": 1.0,
    "true": 1.0,
    "no": -1.0,
    "false": -1.0,
    "": float("nan"),
    "unknown": float("nan"),
    "nan": float("nan"),
}


def read(root: Path, options: SourceOptions) -> Listing:
    """Every file in the order of its path. Up to 40 subfolders become attributes (+1 in it, −1 in another); more become
    identities, so that no person stands in two splits."""
    table_names, table = _read_table(options.table) if options.table else ((), {})
    paths, skipped = [], []
    for path, trouble in _walk(root):
        if options.table and path.exists() and path.samefile(options.table):
            continue
        (skipped.append((_id(path, root), trouble)) if trouble else paths.append(path))
    labels = [path.parent.relative_to(root).as_posix() for path in paths]
    names = sorted(set(labels) - {"."})
    people = len(names) > MOST_LABELS
    as_attributes = () if people else tuple(names)
    used: set[str] = set()
    faces = []
    for path, label in zip(paths, labels):
        key = next((key for key in (_id(path, root), path.name, path.stem) if key in table), None)
        used |= {key} if key else set()
        attributes = {name: 1.0 if name == label else -1.0 for name in as_attributes} if label != "." else {}
        identity = label if people and label != "." else None
        faces.append(Face(_id(path, root), path, attributes | (table[key] if key else {}), identity))
    skipped += [(key, "in the attribute table, but no image file") for key in table if key not in used]
    columns = tuple(dict.fromkeys([*as_attributes, *table_names]))
    return Listing(faces, columns, skipped, _notes(labels, names, people, table, used))


def _walk(root: Path) -> Iterator[tuple[Path, str | None]]:
    """(path, None) for each file, (path, reason) for what cannot be followed, in a fixed order."""
    found: list[tuple[Path, str | None]] = []

    def closed(error: OSError) -> None:
        found.append((Path(error.filename), "folder cannot be opened"))

    for here, folders, files in os.walk(root, onerror=closed):
        found += [(Path(here, name), None) for name in files]
        found += [(Path(here, name), "a link to a folder") for name in folders if Path(here, name).is_symlink()]
    yield from sorted(found, key=lambda item: item[0].as_posix())


def _id(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _read_table(path: Path) -> tuple[tuple[str, ...], dict[str, dict[str, float]]]:
    """A CSV whose first column names the file; the others are attributes: numbers, yes/no, or empty for unknown.

    A column of only 0 and 1 is read as no and yes, since a sign carries the answer here."""
    if not path.is_file():
        raise FaceSetError(f"--table {path} does not exist.")
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row] or [[]]
    if len(header) < 2 or not rows:
        raise FaceSetError(
            f"--table {path} needs a header, a first column of file names and at least one attribute column."
        )
    columns: dict[str, dict[str, float]] = {}
    for place, name in enumerate(header[1:], start=1):
        values = {row[0]: _number(row[place] if place < len(row) else "", name, row[0], path) for row in rows}
        binary = {v for v in values.values() if v == v} <= {0.0, 1.0}
        columns[name] = {key: 2 * v - 1 if binary else v for key, v in values.items()}
    table = {row[0]: {name: columns[name][row[0]] for name in columns} for row in rows}
    return tuple(columns), table


def _number(text: str, column: str, row: str, path: Path) -> float:
    word = text.strip().lower()
    if word in WORDS:
        return WORDS[word]
    try:
        return float(word)
    except ValueError as error:
        raise FaceSetError(
            f"--table {path}: {column} of {row} is {text!r}; use a number, yes, no, or leave it empty."
        ) from error


def _notes(labels: list[str], names: list[str], people: bool, table: dict, used: set[str]) -> tuple[str, ...]:
    notes = []
    if names:
        sizes = Counter(labels)
        kind = "people" if people else "labels"
        shown = ", ".join(f"{name} ({sizes[name]})" for name in names[:6])
        notes.append(f"{len(names)} subfolders taken as {kind}: {shown}{', …' if len(names) > 6 else ''}")
    if table:
        notes.append(f"{len(used):,} of {len(labels):,} files have a row in the attribute table")
    return tuple(notes)


SOURCE = Source(
    read,
    summary="any tree of face photographs; subfolder names become labels, a CSV may add attributes",
    holds="photographs",
    terms="as the owners of the photographs allow",
    takes_table=True,
)
