"""Labeled Faces in the Wild: Name/Name_0001.jpg in the original, funneled or deep-funneled layout, with the attributes of
Kumar et al. (ICCV 2009), whose sign says yes or no, or a table of 0 and 1. Huang et al., UMass 07-49, 2007."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facespace.core.errors import FaceSetError, UsageError
from facespace.data.faces import Face, Listing
from facespace.data.sources import Source, SourceOptions, tables
from facespace.data.splits import by_hash

TABLES = ("lfw_attributes.txt", "lfw_binary_attributes.csv", "lfw_attributes.csv")
SHOT = re.compile(r"(.+)_(\d{4})")


def read(root: Path, options: SourceOptions) -> Listing:
    """Every photograph, in the order of names; joined with the attribute table by person and image number."""
    if options.zeros not in ("unknown", "no"):
        raise UsageError(f"--zeros takes unknown or no; got {options.zeros!r}.")
    folder, others = _image_folder(root)
    table = options.table or next(
        (p for place in (root, folder, folder.parent) for t in TABLES if (p := place / t).is_file()), None
    )
    names, attributes = _attributes(table, options.zeros) if table else ((), {})
    splits = _official_splits((root, folder, folder.parent))
    faces, keys, skipped = [], [], []
    for path in sorted(path for person in folder.iterdir() if person.is_dir() for path in person.iterdir()):
        match = SHOT.fullmatch(path.stem)
        if not match or match[1] != path.parent.name:
            skipped.append(
                (path.relative_to(folder).as_posix(), "its name is not its folder's with an image number")
            )
            continue
        keys.append((match[1], int(match[2])))
        faces.append(Face(path.name, path, identity=match[1], split=splits.get(match[1])))
    missing = sorted(attributes.keys() - set(keys))
    skipped += [
        (f"{person}_{shot:04d}", "in the attribute table, but no image file") for person, shot in missing
    ]
    unknown = np.full(len(names), np.nan, np.float32)
    values = (
        np.stack([attributes.get(key, unknown) for key in keys])
        if keys
        else np.empty((0, len(names)), np.float32)
    )
    return Listing(faces, names, values, skipped, _notes(folder, others, table, keys, attributes, splits))


def _image_folder(root: Path) -> tuple[Path, list[str]]:
    """The folder of people, deep-funneled before funneled before original, and the layouts that were left out."""
    below = sorted(path for path in root.glob("*") if path.is_dir())
    nested = sorted(
        path
        for place in below
        if place.name.startswith("lfw")
        for path in place.glob("lfw*")
        if path.is_dir()
    )
    found = [place for place in (root, *below, *nested) if _holds_people(place)]
    if not found:
        raise FaceSetError(
            f"{root} holds no LFW photographs: folders such as Aaron_Eckhart/Aaron_Eckhart_0001.jpg are expected."
        )
    order = sorted(found, key=lambda path: ("deep" not in path.name, "funneled" not in path.name))
    return order[0], [path.name for path in order[1:]]


def _holds_people(folder: Path) -> bool:
    people = (path for path in folder.iterdir() if path.is_dir())
    return any(file.stem == f"{person.name}_0001" for person in people for file in person.iterdir())


def clean(name: str) -> str:
    """An attribute's name as CelebA writes it: "5 o' Clock Shadow" -> "5_o_Clock_Shadow"."""
    return re.sub(r"[\s\-]+", "_", name.strip().replace("'", ""))


def _attributes(path: Path, zeros: str) -> tuple[tuple[str, ...], dict[tuple[str, int], np.ndarray]]:
    """Names, and (person, image number) -> float32 (A,): scores as they stand, or 0/1 read as `zeros` says."""
    lines = _lines(path)
    header = next(lines, [])
    skip = 3 if len(header) > 2 and header[2] == "file" else 2
    if len(header) <= skip or header[:2] != ["person", "imagenum"]:
        raise FaceSetError(
            f"{path} is no LFW attribute table: a header with person, imagenum and attributes is expected."
        )
    table = {}
    for row in lines:
        try:
            table[row[0].replace(" ", "_"), int(row[1])] = np.array(row[skip:], dtype=np.float32).reshape(
                len(header) - skip
            )
        except (ValueError, IndexError) as error:
            raise FaceSetError(
                f"{path}: the row of {row[0]} cannot be read ({error}). Fetch the file again."
            ) from error
    binary = all(np.isin(values, (0, 1)).all() for values in table.values())
    if binary:
        no = np.nan if zeros == "unknown" else -1.0
        table = {key: np.where(values > 0, 1, no).astype(np.float32) for key, values in table.items()}
    return tuple(clean(name) for name in header[skip:]), table


def _lines(path: Path) -> Iterator[list[str]]:
    """Header and rows of Kumar's table (tabs, the header behind #) or of a CSV."""
    if not path.is_file():
        raise FaceSetError(f"--table {path} does not exist.")
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        if path.suffix == ".csv":
            yield from (row for row in csv.reader(file) if row)
            return
        for line in file:
            cells = line.rstrip("\r\n").split("\t")
            if cells[0] == "#":
                yield cells[1:]
            elif not line.startswith("#") and line.strip():
                yield cells


def _official_splits(places: tuple[Path, ...]) -> dict[str, str]:
    """Person -> split, from View 1 (peopleDevTrain.txt, peopleDevTest.txt) or View 2 (pairs.txt, ten folds of people),
    where the files are there. A tenth of View 1's training people validates; of View 2 the last two folds stay out."""
    people: dict[str, str] = {}
    for name, side in (("peopleDevTrain", "train"), ("peopleDevTest", "test")):
        path = tables.find(places, name, (".txt",))
        for row in tables.rows(path) if path else ():
            if len(row) == 2:
                kept = (
                    by_hash(f"person {row[0]}", {"train": 0.9, "validation": 0.1})
                    if side == "train"
                    else side
                )
                people[row[0]] = kept
    path = tables.find(places, "pairs", (".txt",))
    if people or path is None:
        return people
    header, *pairs = tables.rows(path)
    fold = 2 * int(header[1]) if len(header) == 2 else len(pairs)
    for number, row in enumerate(pairs):
        side = {8: "validation", 9: "test"}.get(number // fold, "train")
        people |= dict.fromkeys((row[0], row[2]) if len(row) == 4 else (row[0],), side)
    return people


def _notes(
    folder: Path, others: list[str], table: Path | None, keys: list, attributes: dict, splits: dict
) -> tuple[str, ...]:
    notes = [f"layout {folder.name}" + (f"; {', '.join(others)} left out" if others else "")]
    if table is None:
        notes.append(f"no attribute table ({TABLES[0]})")
    else:
        without = sum(key not in attributes for key in keys)
        notes.append(
            f"attributes from {table.name}" + (f"; {without:,} images have no row in it" if without else "")
        )
    notes.append("split from LFW's own lists of people" if splits else "no list of who is in which split")
    return tuple(notes)


SOURCE = Source(
    read,
    summary="Labeled Faces in the Wild, any layout, with the attributes of Kumar et al.",
    holds="folders such as Aaron_Eckhart/Aaron_Eckhart_0001.jpg",
    terms="research only; the photographs are of public figures, from news sources",
    crop="center-90",
    size=(45, 45),
    original=(250, 250),
    takes=("table", "zeros"),
)
