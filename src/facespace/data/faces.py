"""What a source yields (Face, SourceListing) and what `prepare` writes (FaceSet): one memory-mapped file of
uint8 images, one table, one card. Reading only; `writing.py` writes.

Attributes are floats whose sign means yes (+) or no (−) and whose magnitude may be a score; NaN is
unknown."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NotRequired, Protocol, TypedDict

import msgspec
import numpy as np

from facespace.core import html
from facespace.core.cards import CARD, Card, CardKind, read_card
from facespace.core.cells import from_text
from facespace.core.console import progress, quoted
from facespace.core.errors import FaceSetError, UsageError
from facespace.core.files import restore_interrupted
from facespace.core.reading import MEGABYTE, check_regular
from facespace.image.photos import Template
from facespace.image.shown import Faces, drawn_grid, png

LONGEST_TEXT = 100_000  # characters of a file's id or a person's name
BATCH_SIZE = 64  # faces a forward pass of a space, which bounds the memory
SHOWN = 16  # faces of a set in a notebook
SMALL_NETWORK_BATCH_SIZE = 256  # a forward pass of a smaller network

FORMAT = 1
SPLITS = ("train", "validation", "test")
IMAGES, TABLE, SKIPPED = "images.npy", "table.csv", "skipped.csv"
LARGEST_TABLE = 1024 * MEGABYTE  # of a table, and of its texts as an array of characters
Length = Annotated[int, msgspec.Meta(ge=1, le=2**20)]  # a side in pixels
COLUMNS = ("id", "split", "identity")  # then one column an attribute


class Renderable(Protocol):
    """An image that is rendered rather than read; must survive pickling, for worker processes."""

    def render(self, height: int, width: int) -> np.ndarray:
        """uint8 (height, width, 3)."""
        ...


class Mask(Protocol):
    """The pixels of an image that belong to the person; must survive pickling."""

    def load(self) -> np.ndarray:
        """bool (H, W) at the mask's own size. Raises ImageError where it cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class Face:
    """One face as a source lists it, before its pixels are read."""

    id: str
    image: Path | np.ndarray | Renderable  # an array is uint8 (H, W) or (H, W, 3)
    identity: str | None = None
    split: str | None = None  # one of SPLITS, or None: by a stable hash of identity or pixels
    mask: Mask | None = None
    points: np.ndarray | None = None  # given landmarks (5, 2) in pixels of the upright image, NaN unknown


@dataclass(frozen=True)
class SourceListing:
    """The content of a source: its faces in a fixed order, their attributes, and what could not be listed."""

    faces: Sequence[Face]
    attributes: tuple[str, ...] = ()
    values: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))  # (faces, attributes)
    skipped: Sequence[tuple[str, str]] = ()  # (id, reason)
    notes: tuple[str, ...] = ()
    other_files: int = 0  # beside the photographs: tables, notes, hidden files …


class FaceSet:
    """A prepared set: `images` uint8 (N, H, W, C) memory-mapped; `attributes` float32 (N, A), NaN unknown;
    `splits`, `ids` and `identities` (N,) text, empty where unknown; `card` its metadata.

    Raises FaceSetError where the folder is missing, unfinished or damaged."""

    def __init__(self, root: Path | str) -> None:
        self.root = _folder_of(Path(root))
        restore_interrupted(self.root)
        self.card = _read_card(self.root)
        self.images = self._map_images()
        self._check_template()
        (self.ids, self.splits, self.identities), self.attribute_names, self.attributes = self._read_table()
        self.attributes.setflags(write=False)

    def __len__(self) -> int:
        return len(self.images)

    def _repr_html_(self) -> str:
        """Facts and SHOWN evenly spaced faces, for notebooks."""
        channels, height, width = self.image_shape
        rows = [
            ("faces", ", ".join(f"{len(self.rows(split)):,} {split}" for split in SPLITS)),
            (
                "pixels",
                f"{width}×{height}, {'gray' if channels == 1 else 'colour'}, crop {self.card['crop']}",
            ),
            ("attributes", ", ".join(self.attribute_names)),
            ("source", self.card["source"]),
            ("terms", self.card["terms"]),
        ]
        image, alt = drawn_grid(self.images[evenly_spaced(np.arange(len(self)), SHOWN)])
        return html.facts(f"FaceSet {self.root.name}", rows, html.picture(png(image), "png", alt))

    def faces(self, split: str = "all", count: int | None = None) -> Faces:
        """At most `count` evenly spaced faces of a split, uint8 (N, H, W, C), which notebooks show as a
        picture."""
        rows = self.rows(split)
        return Faces(self.images[rows if count is None else evenly_spaced(rows, count)])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    @property
    def template(self) -> Template:
        """The size and crop of these faces."""
        channels, height, width = self.image_shape
        source = self.card["source_size"]
        if source:
            source = tuple(source)
        return Template(height, width, channels, self.card["crop"], source or None)

    @property
    def fingerprint(self) -> str:
        """A hash of images and table: two sets with the same one are the same."""
        return self.card["fingerprint"]

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of a split, int64 ascending; 'all' is every row."""
        if split == "all":
            return np.arange(len(self))
        if split not in SPLITS:
            raise UsageError(f"Unknown split {split!r}. Known: {', '.join(SPLITS)}, all.")
        return np.flatnonzero(self.splits == split)

    def attribute_signs(self, split: str) -> np.ndarray:
        """The signs of the attributes of a split: +1 yes, −1 no, NaN unknown, (N, A)."""
        values = np.sign(self.attributes[self.rows(split)])
        return np.where(values == 0, np.nan, values)

    def _map_images(self) -> np.ndarray:
        path, count = self.root / IMAGES, self.card["faces"]
        if not path.is_file():
            raise _damaged(self.root, f"{IMAGES} is missing")
        try:
            images = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # a made-up header can raise almost anything
            raise _damaged(self.root, f"{IMAGES} is cut short or not an array ({error})") from error
        if not isinstance(images, np.ndarray):  # an archive of arrays, whatever its name
            raise _damaged(self.root, f"{IMAGES} is not an array")
        if images.ndim != 4 or images.dtype != np.uint8 or len(images) != count:
            raise _damaged(self.root, f"{IMAGES} holds {images.dtype} {images.shape}, the card {count} faces")
        return images

    def _check_template(self) -> None:
        try:
            template = self.template
        except UsageError as error:
            raise _damaged(self.root, f"its {CARD} does not describe its faces ({error})") from error
        if template.channels not in (1, 3):
            raise _damaged(self.root, f"{IMAGES} has {template.channels} channels")

    def _read_table(self) -> tuple[list[np.ndarray], tuple[str, ...], np.ndarray]:
        path, count = self.root / TABLE, len(self.images)
        if not path.is_file():
            raise _damaged(self.root, f"{TABLE} is missing")
        try:
            return self._rows_of(path, count)
        except (csv.Error, ValueError, OSError) as error:
            raise _damaged(self.root, f"{TABLE} cannot be read ({error})") from error

    def _rows_of(self, path: Path, count: int) -> tuple[list[np.ndarray], tuple[str, ...], np.ndarray]:
        size = check_regular(path, LARGEST_TABLE)
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            names = tuple(map(from_text, header[3:]))
            if count * (len(header) - 1) > size:  # so many commas it has not; before memory is taken for it
                raise ValueError("it is cut short")
            texts, values = np.empty((3, count), object), np.full((count, len(names)), np.nan, np.float32)
            whole = 0
            for row in lines:  # one at a time: as lists of words a large table would fill the memory
                if whole == count or len(row) != len(header):
                    whole = -1
                    break
                if max(len(row[0]), len(row[2])) > LONGEST_TEXT:
                    raise ValueError(f"it holds a text of more than {LONGEST_TEXT:,} characters")
                texts[:, whole] = from_text(row[0]), row[1], from_text(row[2])
                values[whole] = _numbers(row[3:])
                whole += 1
        if tuple(header[:3]) != COLUMNS or whole != count:
            raise _damaged(self.root, f"{TABLE} does not have one whole row for each of the {count} images")
        longest = max(map(len, texts.ravel()), default=0)
        if count * longest > LARGEST_TABLE:  # as an array every text takes as much as the longest
            raise ValueError(f"it holds a name of {longest:,} characters")
        return [column.astype(str) for column in texts], names, values


def _folder_of(path: Path) -> Path:
    """The folder of the set that a file such as images.npy belongs to; any other path as it is."""
    return path.parent if path.is_file() and is_face_set(path.parent) else path


def _numbers(cells: list[str]) -> list[str]:
    """The cells with "nan" where they are empty."""
    if "" not in cells:
        return cells
    return [cell or "nan" for cell in cells]


def is_face_set(root: Path) -> bool:
    """Whether the folder holds images and card of a prepared set."""
    return (root / CARD).is_file() and (root / IMAGES).is_file()


class SetCard(TypedDict):
    """The card of a prepared set, as far as it is read again; what a source or a derived set adds is free."""

    kind: str
    format: int
    faces: Annotated[int, msgspec.Meta(ge=1)]
    fingerprint: str
    crop: str
    source: str
    terms: str
    source_size: tuple[Length, Length] | None
    splits: dict[str, int]
    notes: list[str]
    attributes: NotRequired[list[str]]
    identities: NotRequired[str]
    skipped: NotRequired[dict[str, Any]]
    size: NotRequired[tuple[Length, Length]]
    channels: NotRequired[int]
    resize: NotRequired[str]
    stored_size: NotRequired[tuple[Length, Length] | None]
    background: NotRequired[str | list[int]]
    masked_share: NotRequired[float | None]
    alignment: NotRequired[dict[str, Any]]
    labelled: NotRequired[dict[str, Any]]
    parts: NotRequired[list[dict[str, Any]]]
    other_files: NotRequired[int]


_CARD = CardKind(
    "faceset",
    "a prepared set",
    (FORMAT,),
    FaceSetError,
    unreadable="Delete the folder and prepare it again.",
    wrong_kind="Name a folder that `facespace prepare` made.",
    wrong_format="Prepare it again.",
    schema=SetCard,
)


def _read_card(root: Path) -> Card:
    if root.is_file():
        raise FaceSetError(f"{root} is a file, and a prepared set is a folder. Name the folder.")
    if not root.is_dir():
        raise FaceSetError(
            f"{root} does not exist. Prepare a set: facespace prepare celeba ROOT --to {quoted(root)}"
        )
    if not (root / CARD).is_file():
        raise FaceSetError(
            f"{root} holds no prepared faces (no {CARD}). "
            f"For a folder of photographs: facespace prepare folder {quoted(root)} --to NEW"
        )
    return read_card(root / CARD, _CARD)


def _damaged(root: Path, what: str) -> FaceSetError:
    return FaceSetError(
        f"The prepared set {root} is damaged: {what}. Delete the folder and prepare it again."
    )


def map_images(
    faces: FaceSet, rows: np.ndarray, function: Callable[[np.ndarray], np.ndarray], title: str
) -> np.ndarray:
    """The results of a function of faces uint8 (B, H, W, C) for those rows of a set, in batches straight from
    the disk."""
    parts = []
    with progress(len(rows), title, "faces") as advance:
        for start in range(0, max(len(rows), 1), SMALL_NETWORK_BATCH_SIZE):
            parts.append(function(faces.images[rows[start : start + SMALL_NETWORK_BATCH_SIZE]]))
            advance(len(parts[-1]))
    return np.concatenate(parts)


def evenly_spaced(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the rows, evenly spaced."""
    count = min(count, len(rows))
    if not count:
        return rows[:0]
    return rows[np.arange(count) * len(rows) // count]


def batches(rows: np.ndarray) -> list[np.ndarray]:
    """Row numbers in parts of at most BATCH."""
    return [rows[start : start + BATCH_SIZE] for start in range(0, len(rows), BATCH_SIZE)]
