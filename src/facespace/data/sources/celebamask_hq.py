"""CelebAMask-HQ: 512 or 1024 px faces with masks of their parts, as the authors' part files or as label maps; attributes,
pose, and the mapping to CelebA, hence split and identity. Lee et al., MaskGAN, CVPR 2020."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facespace.core.errors import FaceSetError, ImageError, UsageError, suggest
from facespace.data.faces import Face, Listing
from facespace.data.sources import Source, SourceOptions, tables
from facespace.data.sources.celeba import split

# The order of the labels in label maps; 0 is background.
PARTS = (
    *("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear"),
    *("mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth"),
)
ALIASES = {"eyeglasses": "eye_g", "earring": "ear_r", "necklace": "neck_l"}
LAST_TRAINING, LAST_VALIDATION = 162_770, 182_637  # CelebA's official split, by file number


@dataclass(frozen=True, slots=True)
class PartFiles:
    """A mask in one file a part."""

    files: tuple[Path, ...]

    def load(self) -> np.ndarray:
        """bool (H, W): the union of the parts."""
        union = None
        for path in self.files:
            part = _open(path, "L") > 127
            union = part if union is None else union | part
        if union is None:
            raise ImageError("no mask of the parts to keep")
        return union


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A mask in one file of labels."""

    file: Path
    labels: tuple[int, ...]

    def load(self) -> np.ndarray:
        """bool (H, W): the pixels with one of the labels."""
        return np.isin(_open(self.file, None), self.labels)


def _open(path: Path, mode: str | None) -> np.ndarray:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return np.asarray(image.convert(mode) if mode else image)
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError("mask cannot be read") from error


def read(root: Path, options: SourceOptions) -> Listing:
    """The layout that the folder has, in the order of numbers or names."""
    parts = tuple(ALIASES.get(part, part) for part in options.keep) or PARTS
    for part in parts:
        if part not in PARTS:
            raise UsageError(f"Unknown face part {part!r} in --keep. {suggest(part, [*PARTS, *ALIASES])}")
    for place in (root, root / "CelebAMask-HQ", *sorted(path for path in root.iterdir() if path.is_dir())):
        if (place / "CelebA-HQ-img").is_dir():
            return _read_parts(place, parts, options)
        if (place / "images").is_dir() and (place / "masks").is_dir():
            return _read_labels(place, parts)
    raise FaceSetError(
        f"{root} holds neither CelebA-HQ-img with CelebAMask-HQ-mask-anno, nor images with masks."
    )


def _read_parts(root: Path, parts: tuple[str, ...], options: SourceOptions) -> Listing:
    files = sorted((root / "CelebA-HQ-img").iterdir(), key=lambda path: (len(path.stem), path.stem))
    masks: dict[str, list[Path]] = {}
    for path in sorted(root.glob("CelebAMask-HQ-mask-anno/*/*.png")):
        number, _, part = path.stem.partition("_")
        if part in parts:
            masks.setdefault(str(int(number)) if number.isdigit() else number, []).append(path)
    mapping = tables.find((root,), "CelebA-HQ-to-CelebA-mapping")
    original = {
        row[0]: row[2]
        for row in (tables.rows(mapping) if mapping else ())
        if len(row) == 3 and row[0].isdigit()
    }
    place = (options.celeba,) if options.celeba else ()
    identity = tables.column(tables.find(place, "identity_CelebA"))
    faces = []
    for path in files:
        mask = PartFiles(tuple(masks[path.stem])) if path.stem in masks else None
        celeba = Path(original[path.stem]).stem if path.stem in original else None
        faces.append(Face(path.name, path, identity.get(celeba or ""), official_split(celeba), mask))
    names, values = _numbers(root, [path.stem for path in files])
    alone = sorted(masks.keys() - {path.stem for path in files})
    lone = [(masks[key][0].name, "has masks, but no image file") for key in alone]
    notes = _mask_note(faces)
    if not original:
        notes.append("no mapping to CelebA, so no official split")
    elif not identity:
        notes.append(
            "no identities (--celeba FOLDER names CelebA's own tables); CelebA's split keeps people apart all the same"
        )
    return Listing(faces, names, values, lone, tuple(notes))


def official_split(stem: str | None) -> str | None:
    """CelebA's own split of one of its file numbers."""
    if stem is None or not stem.isdigit():
        return None
    number = int(stem)
    return split("0" if number <= LAST_TRAINING else "1" if number <= LAST_VALIDATION else "2")


def _numbers(root: Path, stems: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Attributes and pose (degrees) side by side."""
    names: tuple[str, ...] = ()
    columns = [np.empty((len(stems), 0), np.float32)]
    for table in ("CelebAMask-HQ-attribute-anno", "CelebAMask-HQ-pose-anno"):
        path = tables.find((root,), table)
        if path:
            found, lines = tables.celeba_attributes(path)
            names += tuple("Roll" if name == "Raw" else name for name in found)  # the authors' slip
            columns.append(tables.values(stems, lines, len(found)))
    return names, np.concatenate(columns, axis=1)


def _read_labels(root: Path, parts: tuple[str, ...]) -> Listing:
    labels = tuple(index for index, part in enumerate(PARTS, start=1) if part in parts)
    masks = {path.stem: path for path in (root / "masks").iterdir()}
    files = sorted((root / "images").iterdir())
    faces = [
        Face(p.name, p, mask=LabelMap(masks[p.stem], labels) if p.stem in masks else None) for p in files
    ]
    lone = [
        (masks[stem].name, "a mask, but no image file")
        for stem in sorted(masks.keys() - {p.stem for p in files})
    ]
    return Listing(faces, (), np.empty((len(faces), 0), np.float32), lone, tuple(_mask_note(faces)))


def _mask_note(faces: list[Face]) -> list[str]:
    missing = sum(face.mask is None for face in faces)
    return [f"{missing:,} of {len(faces):,} images have no mask"] if missing else []


SOURCE = Source(
    read,
    summary="CelebAMask-HQ: part masks or label maps; --background replaces what is not --keep",
    holds="CelebA-HQ-img and CelebAMask-HQ-mask-anno, or images and masks",
    terms="non-commercial research and education only (CelebAMask-HQ agreement)",
    has_masks=True,
    takes=("keep", "celeba"),
    people="celeba",
)
