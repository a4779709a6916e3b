"""CelebAMask-HQ: 512 or 1024 px faces with masks of their parts, as the authors' part files or as label maps;
attributes, pose, and the mapping to CelebA, hence split and identity. Lee et al., MaskGAN, CVPR 2020."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facespace.core.errors import FaceSetError, ImageError, UsageError, suggest
from facespace.data import other_files
from facespace.data.faces import Face, SourceListing
from facespace.data.masks import read_binary, read_labels
from facespace.data.sources import tables
from facespace.data.sources.celeba import split
from facespace.data.sources.source import Source, SourceOptions

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
        if not self.files:
            raise ImageError("no mask of the parts to keep")
        union = read_binary(self.files[0])
        for path in self.files[1:]:
            part = read_binary(path)
            if part.shape != union.shape:
                raise ImageError("masks of parts that differ in size")
            union = union | part
        return union


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A mask in one file of labels."""

    file: Path
    labels: tuple[int, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """What it reads."""
        return (self.file,)

    def load(self) -> np.ndarray:
        """bool (H, W): the pixels with one of the labels."""
        return np.isin(
            read_labels(self.file, len(PARTS) + 1, parts=len(self.labels) < len(PARTS)), self.labels
        )


def read(root: Path, options: SourceOptions) -> SourceListing:
    """The layout that the folder has, in the order of numbers or names."""
    parts = tuple(ALIASES.get(part, part) for part in options.keep) or PARTS
    for part in parts:
        if part not in PARTS:
            raise UsageError(f"Unknown face part {part!r} in --keep. {suggest(part, [*PARTS, *ALIASES])}")
    for place in (root, root / "CelebAMask-HQ", *other_files.folders(root)):
        if (place / "CelebA-HQ-img").is_dir():
            return _read_parts(place, parts, options)
        if (place / "images").is_dir() and (place / "masks").is_dir():
            return _read_labels(place, parts)
    raise FaceSetError(
        f"{root} holds neither CelebA-HQ-img with CelebAMask-HQ-mask-anno, nor images with masks."
    )


def _read_parts(root: Path, parts: tuple[str, ...], options: SourceOptions) -> SourceListing:
    files = sorted(other_files.files(root / "CelebA-HQ-img"), key=_by_number)
    masks = _part_files(root, parts)
    original = _mapping(root)
    identity = {}
    if options.celeba:
        identity = tables.column(tables.find((options.celeba,), "identity_CelebA"))
    faces = []
    for path in files:
        mask = PartFiles(tuple(masks[path.stem])) if path.stem in masks else None
        celeba = original.get(path.stem)
        faces.append(Face(path.name, path, identity.get(celeba or ""), official_split(celeba), mask))
    stems = [tables.key(path.name) for path in files]
    names, values = _numbers(root, stems)
    skipped = []
    for key in sorted(masks.keys() - set(stems)):
        skipped.append((masks[key][0].name, "has masks, but no image file"))
    notes = _mask_note(faces)
    if not original:
        notes.append("no mapping to CelebA, so no official split")
    elif not identity:
        notes.append(
            "no identities (--celeba FOLDER names CelebA's own tables); "
            "CelebA's split keeps people apart all the same"
        )
    return SourceListing(faces, names, values, skipped, tuple(notes))


def _by_number(path: Path) -> tuple[int, str]:
    """A sort key: numbers in ascending order, whether they have leading zeros or not."""
    return len(path.stem), path.stem


def _part_files(root: Path, parts: tuple[str, ...]) -> dict[str, list[Path]]:
    """Stem of an image -> its files of these parts, such as 00012_hair.png."""
    masks: dict[str, list[Path]] = {}
    for path in sorted(root.glob("CelebAMask-HQ-mask-anno/*/*.png")):
        if other_files.is_other_file(path.relative_to(root).as_posix()):
            continue
        number, _, part = path.stem.partition("_")
        if part not in parts:
            continue
        if number.isdigit():
            number = str(int(number))
        masks.setdefault(number, []).append(path)
    return masks


def _mapping(root: Path) -> dict[str, str]:
    """Stem of an image -> stem of CelebA's picture that it was made from."""
    original = {}
    for row in tables.rows(tables.find((root,), "CelebA-HQ-to-CelebA-mapping")):
        if len(row) == 3 and row[0].isdigit():
            original[row[0]] = tables.key(row[2])
    return original


def official_split(stem: str | None) -> str | None:
    """CelebA's own split of one of its file numbers."""
    if stem is None or not stem.isdigit():
        return None
    number = int(stem)
    if number <= LAST_TRAINING:
        return split("0")
    return split("1" if number <= LAST_VALIDATION else "2")


def _numbers(root: Path, stems: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Attributes and pose (degrees) side by side."""
    names: tuple[str, ...] = ()
    columns = [np.empty((len(stems), 0), np.float32)]
    for table in ("CelebAMask-HQ-attribute-anno", "CelebAMask-HQ-pose-anno"):
        path = tables.find((root,), table)
        if path:
            found, lines = tables.celeba_attributes(path)
            names += found
            columns.append(tables.values(stems, lines, len(found)))
    if "Raw" in names:  # the authors' slip
        place = names.index("Raw")
        names = (*names[:place], "Roll", *names[place + 1 :])
    return names, np.concatenate(columns, axis=1)


def _read_labels(root: Path, parts: tuple[str, ...]) -> SourceListing:
    labels = tuple(PARTS.index(part) + 1 for part in PARTS if part in parts)
    masks = {path.stem: path for path in other_files.files(root / "masks")}
    faces, stems = [], set()
    for path in other_files.files(root / "images"):
        mask = LabelMap(masks[path.stem], labels) if path.stem in masks else None
        faces.append(Face(path.name, path, mask=mask))
        stems.add(path.stem)
    skipped = []
    for stem in sorted(masks.keys() - stems):
        skipped.append((masks[stem].name, "a mask, but no image file"))
    return SourceListing(faces, (), np.empty((len(faces), 0), np.float32), skipped, tuple(_mask_note(faces)))


def _mask_note(faces: list[Face]) -> list[str]:
    missing = sum(face.mask is None for face in faces)
    if not missing:
        return []
    return [f"{missing:,} of {len(faces):,} images have no mask"]


SOURCE = Source(
    read,
    summary="CelebAMask-HQ: part masks or label maps; --background replaces what is not --keep",
    holds="CelebA-HQ-img and CelebAMask-HQ-mask-anno, or images and masks",
    terms="non-commercial research and education only (CelebAMask-HQ agreement)",
    has_masks=True,
    takes=("keep", "celeba"),
    people="celeba",
)
