"""CelebA, aligned and cropped (178×218): the authors' .txt tables or Kaggle's .csv tables, with 40
attributes, identity where its table exists, and the official split. Copies that were cropped and resized
elsewhere are in a folder `images` or beside the tables. Liu et al., Deep Learning Face Attributes in the
Wild, ICCV 2015."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data import other_files
from facespace.data.faces import SPLITS, SourceListing
from facespace.data.sources import tables
from facespace.data.sources.source import Source, SourceOptions
from facespace.data.stored import ListedFiles

IMAGES = "img_align_celeba"
SPLIT_WORDS = {"train": "0", "val": "1", "valid": "1", "validation": "1", "test": "2"}
CODES = (*SPLITS, None)  # the split of each code, the last one for -1
TABLES = ("list_attr_celeba", "list_eval_partition", "identity_CelebA")


def read(root: Path, options: SourceOptions) -> SourceListing:
    """Every image, in the order of file names; table rows without an image are reported. A file and a row are
    matched by the name without its ending."""
    folder = _image_folder(root)
    names, places, skipped = _files(folder, root)
    attribute_file, partition_file, identity_file = _tables(root)
    attributes, signs = tables.fill_attributes(attribute_file, places)
    _check(places, signs, attribute_file)
    codes = _codes(partition_file, places)
    _check(places, codes, partition_file)
    people, identities = _people(identity_file, places)
    faces = ListedFiles(folder)
    for place, name in enumerate(names):
        faces.add(name, people[place] or None, CODES[codes.values[place]])
    missing: dict[str, str] = {}
    for table in (signs, codes, identities):
        missing = table.others | missing  # of several names that of the first table
    skipped += [(missing[key], "in the tables, but no image file") for key in sorted(missing)]
    notes = _notes({"attributes": signs, "split": codes, "identity": identities})
    signs.values[signs.values == 0] = -1  # some copies write 0 for no
    return SourceListing(faces, attributes, signs.values, skipped, notes)


def _check(places: Mapping[str, int], table: tables.Filled, path: Path | None) -> None:
    """Raises FaceSetError where a table has rows, and none of them names one of the files."""
    if places and table.others and not table.there.any():
        tables.refuse_others(places.keys(), table.others.keys(), path)


def _codes(path: Path | None, places: Mapping[str, int]) -> tables.Filled:
    """The splits of files as places in SPLITS, int8 (files,), -1 without a row."""
    found = tables.Filled(np.full(len(places), -1, np.int8), np.zeros(len(places), bool), {})
    for name, value in tables.column_rows(path):
        key = tables.key(name)
        place = places.get(key)
        if place is None:
            found.others[key] = name
        elif (chosen := split(value)) is not None:
            found.values[place], found.there[place] = SPLITS.index(chosen), True
    return found


def _people(path: Path | None, places: Mapping[str, int]) -> tuple[list[str], tables.Filled]:
    """The identities of files, an empty text without a row. Faces of one person share their text."""
    people, known = [""] * len(places), {"": ""}
    found = tables.Filled(np.empty(0), np.zeros(len(places), bool), {})
    for name, value in tables.column_rows(path):
        key = tables.key(name)
        place = places.get(key)
        if place is None:
            found.others[key] = name
        else:
            people[place], found.there[place] = known.setdefault(value, value), True
    return people, found


def _notes(by_name: Mapping[str, tables.Filled]) -> tuple[str, ...]:
    """A note on each table that lacks rows of images, or is missing."""
    notes = []
    for name, table in by_name.items():
        count = len(table.there)
        without = count - int(np.count_nonzero(table.there))
        if without and (table.others or without < count):
            notes.append(f"{without:,} of {count:,} images have no {name} row")
        elif without:
            notes.append(f"no {name} table")
    return tuple(notes)


def split(code: str | None) -> str | None:
    """The split of a code in list_eval_partition; None where there is no row."""
    code = SPLIT_WORDS.get((code or "").casefold(), code)
    if code not in (None, "0", "1", "2"):
        raise FaceSetError(
            f"list_eval_partition: the split is 0, 1 or 2; found {code!r}. Fetch the file again."
        )
    if code is None:
        return None
    return SPLITS[int(code)]


def _files(folder: Path, root: Path) -> tuple[list[str], dict[str, int], list[tuple[str, str]]]:
    """Names of image files in their order, the place of each by its key, and files that share their stem with
    an earlier one. Beside the tables only image files are taken."""
    names: list[str] = []
    places: dict[str, int] = {}
    skipped = []
    for name in other_files.file_names(folder):
        key = tables.key(name)
        if folder == root and not _is_picture(name):
            continue
        if key in places:
            skipped.append((name, "another file has the same number"))
        else:
            places[key] = len(names)
            names.append(name)
    return names, places, skipped


def _is_picture(name: str) -> bool:
    return tables.stem(name).isdigit() or tables.has_picture_ending(name)


def _tables(root: Path) -> list[Path | None]:
    places = (root, root / "Anno", root / "Eval")
    return [tables.find(places, name) for name in TABLES]


def _image_folder(root: Path) -> Path:
    """The authors' folder of images or Kaggle's. Only beside CelebA's tables, `images` or the root itself."""
    for name in (IMAGES, f"{IMAGES}_png"):
        for place in (root, root / "Img", root / name):
            for folder in (place / name / name, place / name):
                if folder.is_dir():
                    return folder
    if any(_tables(root)):
        if (root / "images").is_dir():
            return root / "images"
        if _holds_pictures(root):
            return root
    if root.name in (IMAGES, f"{IMAGES}_png", "images"):
        raise FaceSetError(
            f"{root} is the image folder itself. Name the folder above it, which also holds the tables."
        )
    raise FaceSetError(
        f"{root} holds no CelebA images: a folder {IMAGES} is expected in it, "
        "or, beside CelebA's tables, a folder images or the images themselves. "
        "Unpack img_align_celeba.zip there."
    )


def _holds_pictures(folder: Path) -> bool:
    return any(map(_is_picture, other_files.file_names(folder)))


SOURCE = Source(
    read,
    summary="CelebA: 178×218 aligned faces with 40 attributes, identity and the official split",
    holds="img_align_celeba and its tables",
    terms="non-commercial research only; no copies of the images may be passed on (CelebA agreement)",
    crop="center-148",
    original=(218, 178),
)
