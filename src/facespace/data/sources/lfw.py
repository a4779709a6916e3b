"""Labeled Faces in the Wild: Name/Name_0001.jpg in the original, funneled or deep-funneled layout, with the
attributes of Kumar et al. (ICCV 2009), whose sign means yes or no, or a table of 0 and 1. Huang et al., UMass
07-49, 2007."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from facespace.core.errors import FaceSetError, UsageError
from facespace.data import other_files
from facespace.data.faces import Face, SourceListing
from facespace.data.sources import tables
from facespace.data.sources.reading import rows
from facespace.data.sources.source import Source, SourceOptions
from facespace.data.sources.values import parse_row
from facespace.data.splits import by_hash

TABLES = ("lfw_attributes.txt", "lfw_binary_attributes.csv", "lfw_attributes.csv")
Key = tuple[str, int]  # a person and the number of a photograph
SHOT = re.compile(r"(.+)_(\d{4})")


def read(root: Path, options: SourceOptions) -> SourceListing:
    """Every photograph, in the order of names; joined with the attribute table by person and image number."""
    if options.zeros not in ("unknown", "no"):
        raise UsageError(f"--zeros takes unknown or no; got {options.zeros!r}.")
    folder, others = _image_folder(root)
    places = (root, folder, folder.parent)
    table = options.table or _find_table(places)
    names, attributes = _attributes(table, options.zeros) if table else ((), {})
    splits = _official_splits(places)
    faces, keys, skipped = [], [], []
    for path in _files(folder):
        match = SHOT.fullmatch(path.stem)
        if not match or match[1] != path.parent.name:
            reason = "its name is not its folder's with an image number"
            skipped.append((path.relative_to(folder).as_posix(), reason))
            continue
        keys.append((person(match[1]), int(match[2])))
        faces.append(Face(path.name, path, identity=match[1], split=splits.get(match[1])))
    if attributes and keys and attributes.keys().isdisjoint(keys):
        raise FaceSetError(
            f"{table}: none of its {len(attributes):,} rows names one of the {len(keys):,} photographs. "
            f"A row names {_shot(*next(iter(attributes)))!r}, a photograph {_shot(*keys[0])!r}."
        )
    for name, shot in sorted(attributes.keys() - set(keys)):
        skipped.append((_shot(name, shot), "in the attribute table, but no image file"))
    values = np.full((len(keys), len(names)), np.nan, np.float32)
    for place, key in enumerate(keys):
        if key in attributes:
            values[place] = attributes[key]
    notes = _notes(folder, others, table, len(keys) - _count(keys, attributes), splits)
    return SourceListing(faces, names, values, skipped, notes)


def _shot(name: str, number: int) -> str:
    return f"{name}_{number:04d}"


def _find_table(places: Iterable[Path]) -> Path | None:
    for place in places:
        for name in TABLES:
            if (place / name).is_file():
                return place / name
    return None


def _files(folder: Path) -> list[Path]:
    """All files in the folders of people, in the order of paths."""
    found: list[Path] = []
    for folder_of_person in other_files.folders(folder):
        found += other_files.files(folder_of_person)
    return sorted(found)


def _count(keys: Iterable[Key], table: Mapping[Key, np.ndarray]) -> int:
    """How many of the keys the table has."""
    return sum(key in table for key in keys)


def _image_folder(root: Path) -> tuple[Path, list[str]]:
    """The folder of people, deep-funneled before funneled before original, and the names of the other
    layouts."""
    places = [root]
    below = other_files.folders(root)
    nested: list[Path] = []
    for place in below:
        if place.name.startswith("lfw"):
            nested += filter(Path.is_dir, place.glob("lfw*"))
    places += below + sorted(nested)
    found = sorted(filter(_holds_people, places), key=_by_layout)
    if not found:
        raise FaceSetError(
            f"{root} holds no LFW photographs: "
            "folders such as Aaron_Eckhart/Aaron_Eckhart_0001.jpg are expected."
        )
    return found[0], [path.name for path in found[1:]]


def _by_layout(path: Path) -> tuple[bool, bool]:
    """A sort key: deep-funneled, funneled, original."""
    return "deep" not in path.name, "funneled" not in path.name


def _holds_people(folder: Path) -> bool:
    for named in other_files.folders(folder):
        if any(file.stem == f"{named.name}_0001" for file in other_files.files(named)):
            return True
    return False


def person(name: str) -> str:
    """A person's name as tables and folders have in common: with underscores, in one Unicode form."""
    return re.sub(r"[\s_]+", "_", unicodedata.normalize("NFC", name).strip())


def clean(name: str) -> str:
    """An attribute's name as CelebA writes it: "5 o' Clock Shadow" -> "5_o_Clock_Shadow"."""
    return re.sub(r"[\s\-]+", "_", name.strip().replace("'", ""))


def _attributes(path: Path, zeros: str) -> tuple[tuple[str, ...], dict[Key, np.ndarray]]:
    """Names, and (person, image number) -> float32 (A,): unchanged scores, or signs where all are 0 or 1."""
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
            scores = parse_row(row[skip:]).reshape(len(header) - skip)
            table[person(row[0]), int(row[1])] = scores
        except (ValueError, IndexError) as error:
            raise FaceSetError(
                f"{path}: the row of {row[0]} cannot be read ({error}). Fetch the file again."
            ) from error
    names = tuple(map(clean, header[skip:]))
    if all(np.isin(scores, (0, 1)).all() for scores in table.values()):
        table = _as_signs(table, zeros)
    return names, table


def _as_signs(table: Mapping[Key, np.ndarray], zeros: str) -> dict[Key, np.ndarray]:
    """A table of 0 and 1 with +1 for 1; 0 becomes NaN, or −1 with zeros="no"."""
    no = np.nan if zeros == "unknown" else -1.0
    signs = {}
    for key, scores in table.items():
        signs[key] = np.where(scores > 0, 1, no).astype(np.float32)
    return signs


def _lines(path: Path) -> Iterator[list[str]]:
    """Header and rows of Kumar's table (tabs, the header behind #) or of a CSV."""
    if not path.is_file():
        raise FaceSetError(f"--table {path} does not exist.")
    for cells in rows(path):
        if cells[0] == "#":
            yield cells[1:]
        elif not cells[0].startswith("#"):
            yield cells


def _official_splits(places: tuple[Path, ...]) -> dict[str, str]:
    """Person -> split, from View 1 (peopleDevTrain.txt, peopleDevTest.txt) or View 2 (pairs.txt, ten folds of
    people), where the files exist. A tenth of View 1's training people and the ninth fold of View 2 are the
    validation split, the tenth fold is the test split."""
    people: dict[str, str] = {}
    for row in tables.rows(tables.find(places, "peopleDevTrain", (".txt",))):
        if len(row) == 2:
            people[row[0]] = by_hash(f"person {row[0]}", {"train": 0.9, "validation": 0.1})
    for row in tables.rows(tables.find(places, "peopleDevTest", (".txt",))):
        if len(row) == 2:
            people[row[0]] = "test"
    path = tables.find(places, "pairs", (".txt",))
    if people or path is None:
        return people
    header, *pairs = tables.rows(path)
    fold = 2 * int(header[1]) if len(header) == 2 else len(pairs)
    for number, row in enumerate(pairs):
        split = {8: "validation", 9: "test"}.get(number // fold, "train")
        people[row[0]] = split
        if len(row) == 4:  # two people, with a shot each
            people[row[2]] = split
    return people


def _notes(
    folder: Path, others: list[str], table: Path | None, without: int, splits: Mapping[str, str]
) -> tuple[str, ...]:
    """Notes on the layout, the table of which `without` images have no row, and the split."""
    layout = f"layout {folder.name}"
    if others:
        layout += f"; {', '.join(others)} left out"
    if table is None:
        labels = f"no attribute table ({TABLES[0]})"
    else:
        labels = f"attributes from {table.name}"
        if without:
            labels += f"; {without:,} images have no row in it"
    origin = "split from LFW's own lists of people" if splits else "no list of who is in which split"
    return layout, labels, origin


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
