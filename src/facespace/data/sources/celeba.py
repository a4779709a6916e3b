"""CelebA, aligned and cropped (178×218): the authors' .txt tables or Kaggle's .csv tables, with 40 attributes, identity
where the table is there, and the official split. Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015."""

import csv
from pathlib import Path

from facespace.data.faces import SPLITS, Face, Listing
from facespace.data.sources import Source, SourceOptions
from facespace.errors import FaceSetError

IMAGES = "img_align_celeba"


def read(root: Path, options: SourceOptions) -> Listing:
    """Every image and every table row, in the order of file names."""
    files = {path.stem: path for path in sorted(_image_folder(root).iterdir()) if path.is_file()}
    names, attributes = _attributes(root)
    partition = _pairs(root, "list_eval_partition")
    identity = _pairs(root, "identity_CelebA")
    listed = attributes.keys() | partition.keys() | identity.keys()
    faces = [
        Face(
            id=path.name,
            image=path,
            attributes=attributes.get(stem, {}),
            identity=identity.get(stem),
            split=_split(partition[stem]) if stem in partition else None,
        )
        for stem, path in files.items()
    ]
    skipped = [(f"{stem}.jpg", "in the tables, but no image file") for stem in sorted(listed - files.keys())]
    tables = {"attributes": attributes, "split": partition, "identity": identity}
    notes = []
    for what, table in tables.items():
        missing = len(files.keys() - table.keys())
        if missing:
            notes.append(f"{missing:,} of {len(files):,} images have no {what} row" if table else f"no {what} table")
    return Listing(faces, names, skipped, tuple(notes))


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


def _find(root: Path, name: str) -> Path | None:
    places = (root, root / "Anno", root / "Eval")
    return next((p for place in places for p in (place / f"{name}.txt", place / f"{name}.csv") if p.is_file()), None)


def _rows(path: Path) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = csv.reader(lines) if path.suffix == ".csv" else (line.split() for line in lines)
    return [row for row in rows if row]


def _attributes(root: Path) -> tuple[tuple[str, ...], dict[str, dict[str, float]]]:
    path = _find(root, "list_attr_celeba")
    if path is None:
        return (), {}
    rows = _rows(path)
    if path.suffix == ".txt":
        names, body = rows[1], rows[2:]  # line 1 is a count
    else:
        names, body = rows[0][1:], rows[1:]
    table = {}
    for row in body:
        if len(row) != len(names) + 1:
            raise FaceSetError(
                f"{path}: the row of {row[0]} has {len(row) - 1} values for {len(names)} attributes. Fetch it again."
            )
        table[Path(row[0]).stem] = {name: _sign(value, path) for name, value in zip(names, row[1:])}
    return tuple(names), table


def _sign(value: str, path: Path) -> float:
    if value not in ("1", "-1", "0"):
        raise FaceSetError(f"{path}: attributes are 1 or -1 (0 in some copies); found {value!r}. Fetch the file again.")
    return 1.0 if value == "1" else -1.0


def _pairs(root: Path, name: str) -> dict[str, str]:
    """Image stem -> value, from a table of two columns; empty without the table."""
    path = _find(root, name)
    rows = _rows(path) if path else []
    return {Path(row[0]).stem: row[1] for row in rows if len(row) == 2 and "." in row[0]}


def _split(code: str) -> str:
    if code not in ("0", "1", "2"):
        raise FaceSetError(f"list_eval_partition: the split is 0, 1 or 2; found {code!r}. Fetch the file again.")
    return SPLITS[int(code)]


SOURCE = Source(
    read,
    summary="CelebA: 178×218 aligned faces with 40 attributes, identity and the official split",
    holds="img_align_celeba and its tables",
    terms="non-commercial research only; no copies of the images may be passed on (CelebA agreement)",
    crop="center-148",
)
