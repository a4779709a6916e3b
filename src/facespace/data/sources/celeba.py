"""CelebA, aligned and cropped (178×218): the authors' .txt tables or Kaggle's .csv tables, with 40 attributes, identity
where the table is there, and the official split. Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015."""

import os
from pathlib import Path

import numpy as np

from facespace.data.faces import SPLITS, Face, Listing
from facespace.data.sources import Source, SourceOptions, tables
from facespace.errors import FaceSetError

IMAGES = "img_align_celeba"


def read(root: Path, options: SourceOptions) -> Listing:
    """Every image, in the order of file names; table rows without an image are reported."""
    folder = _image_folder(root)
    with os.scandir(folder) as entries:
        files = {
            tables.stem(name): folder / name for name in sorted(entry.name for entry in entries if entry.is_file())
        }
    places = (root, root / "Anno", root / "Eval")
    attribute_file = tables.find(places, "list_attr_celeba")
    names, attributes = tables.celeba_attributes(attribute_file) if attribute_file else ((), {})
    partition = tables.column(tables.find(places, "list_eval_partition"))
    identity = tables.column(tables.find(places, "identity_CelebA"))
    faces = [Face(path.name, path, identity.get(stem), split(partition.get(stem))) for stem, path in files.items()]
    listed = attributes.keys() | partition.keys() | identity.keys()
    skipped = [(f"{stem}.jpg", "in the tables, but no image file") for stem in sorted(listed - files.keys())]
    notes = []
    for what, table in {"attributes": attributes, "split": partition, "identity": identity}.items():
        missing = len(files.keys() - table.keys())
        if missing:
            notes.append(f"{missing:,} of {len(files):,} images have no {what} row" if table else f"no {what} table")
    signs = tables.values(files, attributes, len(names))
    signs = np.where(signs == 0, -1, signs).astype(np.float32)  # some copies write 0 for no
    return Listing(faces, names, signs, skipped, tuple(notes))


def split(code: str | None) -> str | None:
    """The split of a code in list_eval_partition; None where there is no row."""
    if code not in (None, "0", "1", "2"):
        raise FaceSetError(f"list_eval_partition: the split is 0, 1 or 2; found {code!r}. Fetch the file again.")
    return None if code is None else SPLITS[int(code)]


def _image_folder(root: Path) -> Path:
    for place in (root, root / "Img", root / IMAGES):
        for folder in (place / IMAGES / IMAGES, place / IMAGES):
            if folder.is_dir():
                return folder
    if root.name == IMAGES:
        raise FaceSetError(f"{root} is the image folder itself. Name the folder above it, which also holds the tables.")
    raise FaceSetError(
        f"{root} holds no CelebA images: a folder {IMAGES} is expected in it. Unpack img_align_celeba.zip there."
    )


SOURCE = Source(
    read,
    summary="CelebA: 178×218 aligned faces with 40 attributes, identity and the official split",
    holds="img_align_celeba and its tables",
    terms="non-commercial research only; no copies of the images may be passed on (CelebA agreement)",
    crop="center-148",
)
