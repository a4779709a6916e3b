"""CelebA, aligned and cropped (178×218): the authors' .txt tables or Kaggle's .csv tables, with 40
attributes, identity where its table exists, and the official split. Copies that were cropped and resized
elsewhere are in a folder `images` or beside the tables. Liu et al., Deep Learning Face Attributes in the
Wild, ICCV 2015."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from facespace.core.errors import FaceSetError
from facespace.data import other_files
from facespace.data.faces import SPLITS, Face, SourceListing
from facespace.data.sources import tables
from facespace.data.sources.source import Source, SourceOptions

IMAGES = "img_align_celeba"
SPLIT_WORDS = {"train": "0", "val": "1", "valid": "1", "validation": "1", "test": "2"}
TABLES = ("list_attr_celeba", "list_eval_partition", "identity_CelebA")


def read(root: Path, options: SourceOptions) -> SourceListing:
    """Every image, in the order of file names; table rows without an image are reported. A file and a row are
    matched by the name without its ending."""
    files, skipped = _files(_image_folder(root), root)
    attribute_file, partition_file, identity_file = _tables(root)
    names, attributes = tables.celeba_attributes(attribute_file) if attribute_file else ((), {})
    partition = tables.column(partition_file)
    identity = tables.column(identity_file)
    faces = []
    tables.check_matches(files.keys(), attributes.keys(), attribute_file)
    tables.check_matches(files.keys(), partition.keys(), partition_file)
    for name, path in files.items():
        faces.append(Face(path.name, path, identity.get(name), split(partition.get(name))))
    missing = (attributes.keys() | partition.keys() | identity.keys()) - files.keys()
    written = tables.names(missing, (attribute_file, partition_file, identity_file))
    for stem in sorted(missing):
        skipped.append((written[stem], "in the tables, but no image file"))
    notes = _notes(files, {"attributes": attributes, "split": partition, "identity": identity})
    signs = tables.values(list(files), attributes, len(names))
    signs = np.where(signs == 0, -1, signs).astype(np.float32)  # some copies write 0 for no
    return SourceListing(faces, names, signs, skipped, notes)


def _notes(files: Mapping[str, Path], by_name: Mapping[str, Mapping[str, object]]) -> tuple[str, ...]:
    """A note on each table that lacks rows of images, or is missing."""
    notes = []
    for name, table in by_name.items():
        without = len(files.keys() - table.keys())
        if without and table:
            notes.append(f"{without:,} of {len(files):,} images have no {name} row")
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


def _files(folder: Path, root: Path) -> tuple[dict[str, Path], list[tuple[str, str]]]:
    """Key -> image file, in the order of names, and files that share their stem with an earlier one. Beside
    the tables only image files are taken."""
    files: dict[str, Path] = {}
    skipped = []
    for path in other_files.files(folder):
        name = tables.key(path.name)
        if folder == root and not _is_picture(path.name):
            continue
        if name in files:
            skipped.append((path.name, "another file has the same number"))
        else:
            files[name] = path
    return files, skipped


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
    return any(_is_picture(path.name) for path in other_files.files(folder))


SOURCE = Source(
    read,
    summary="CelebA: 178×218 aligned faces with 40 attributes, identity and the official split",
    holds="img_align_celeba and its tables",
    terms="non-commercial research only; no copies of the images may be passed on (CelebA agreement)",
    crop="center-148",
    original=(218, 178),
)
