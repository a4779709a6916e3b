"""What a source yields (Face, SourceListing) and what `prepare` writes (FaceSet): memory-mapped uint8 images
in one file or in shards, one table, one card. Reading only; `writing.py` and `image_writer.py` write.

Attributes are floats whose sign means yes (+) or no (−) and whose magnitude may be a score; NaN is
unknown."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Protocol, TypedDict

import msgspec
import numpy as np

from facespace.core import html
from facespace.core.cards import CARD, Card, CardKind, read_card
from facespace.core.console import progress, quoted
from facespace.core.errors import FaceSetError, UsageError
from facespace.core.files import restore_interrupted
from facespace.data.remote_sets import RemoteSet, remote_set
from facespace.data.set_table import SPLITS, DamagedTable, SetTable, read_table, table_file
from facespace.data.shards import IMAGES, DamagedImages, Digest, Shard, ShardedImages, open_images, shard_name
from facespace.image.photos import Template
from facespace.image.shown import Faces, drawn_grid, png

BATCH_SIZE = 64  # faces a forward pass of a space, which bounds the memory
SHOWN = 16  # faces of a set in a notebook
SMALL_NETWORK_BATCH_SIZE = 256  # a forward pass of a smaller network

FORMAT, SHARDED = 1, 2  # of a set with one file of images, and with shards
SKIPPED = "skipped.csv"
Length = Annotated[int, msgspec.Meta(ge=1, le=2**20)]  # a side in pixels


class Renderable(Protocol):
    """An image that is rendered rather than read; must survive pickling, for worker processes."""

    def render(self, height: int, width: int) -> np.ndarray:
        """uint8 (height, width, 3)."""
        ...


@dataclass(frozen=True)
class StoredImage:
    """An image file within another file, by two numbers that say where. Subclasses read it; they must survive
    pickling, for worker processes."""

    path: Path
    first: int
    second: int

    def read(self) -> bytes:
        """The bytes of the image file. Raises ImageError where there are none."""
        raise NotImplementedError


class Mask(Protocol):
    """The pixels of an image that belong to the person; must survive pickling."""

    def load(self) -> np.ndarray:
        """bool (H, W) at the mask's own size. Raises ImageError where it cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class Face:
    """One face as a source lists it, before its pixels are read."""

    id: str
    image: Path | np.ndarray | Renderable | StoredImage  # an array is uint8 (H, W) or (H, W, 3)
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

    The texts are kept packed: `ids` and `identities` make an array at each use, and `table` has the columns.
    Images in shards are read like one array; a part of them is a copy. Of a set at an address such as
    s3://BUCKET/SET, `root` is the folder of the cache (core/remote_cache.py) to which its files are copied as
    they are read, and `place` the address.

    Raises FaceSetError where the folder is missing, unfinished or damaged; RemoteError where an address
    cannot be read, FetchError where the disk is full."""

    def __init__(self, root: Path | str) -> None:
        remote = remote_set(root)
        self.root = remote.folder if remote else _folder_of(Path(root))
        self.place = str(remote.address if remote else self.root)  # as messages and protocols name it
        self.name = remote.address.name if remote else self.root.name
        if remote is None:
            restore_interrupted(self.root)
        try:
            self.card = read_set_card(self.root)
        except FaceSetError as error:
            raise FaceSetError(str(error).replace(str(self.root), self.place)) from error
        if remote:
            entry = self.card.get("table")
            remote.fetch_table(*((entry["file"], entry["sha256"]) if entry else ()))
        self.images = self._map_images(remote)
        self._check_template()
        self.table = self._read_table()
        self.attribute_names, self.attributes = self.table.attributes, self.table.values
        self.attributes.setflags(write=False)

    @property
    def ids(self) -> np.ndarray:
        """What the source calls each face, (N,) text."""
        return self.table.ids.to_array()

    @property
    def splits(self) -> np.ndarray:
        """The split of each face, (N,) text."""
        return self.table.splits.to_array()

    @property
    def identities(self) -> np.ndarray:
        """The person of each face, (N,) text, empty where nobody is named."""
        return self.table.identities.to_array()

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
        return html.facts(f"FaceSet {self.name}", rows, html.picture(png(image), "png", alt))

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
        """A hash of images and table: two sets with the same one are the same, however they are stored."""
        return self.card["fingerprint"]

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of a split, int64 ascending; 'all' is every row."""
        if split == "all":
            return np.arange(len(self))
        if split not in SPLITS:
            raise UsageError(f"Unknown split {split!r}. Known: {', '.join(SPLITS)}, all.")
        return self.table.splits.rows(split)

    def attribute_signs(self, split: str) -> np.ndarray:
        """The signs of the attributes of a split: +1 yes, −1 no, NaN unknown, (N, A)."""
        values = np.sign(self.attributes[self.rows(split)])
        return np.where(values == 0, np.nan, values)

    def _map_images(self, remote: RemoteSet | None) -> np.ndarray | ShardedImages:
        count, shards = self.card["faces"], self.card.get("shards")
        try:
            return remote.open_images(count, shards) if remote else open_images(self.root, count, shards)
        except DamagedImages as error:
            raise _damaged(self.place, str(error)) from error

    def _check_template(self) -> None:
        try:
            template = self.template
        except UsageError as error:
            raise _damaged(self.place, f"its {CARD} does not describe its faces ({error})") from error
        if template.channels not in (1, 3):
            raise _damaged(self.place, f"{IMAGES} has {template.channels} channels")

    def _read_table(self) -> SetTable:
        try:
            return read_table(self.root, len(self.images))
        except DamagedTable as error:
            raise _damaged(self.place, str(error)) from error
        except (csv.Error, ValueError, OSError) as error:
            raise _damaged(self.place, f"{table_file(self.root).name} cannot be read ({error})") from error


def _folder_of(path: Path) -> Path:
    """The folder of the set that a file such as images.npy belongs to; any other path as it is."""
    return path.parent if path.is_file() and is_face_set(path.parent) else path


def is_face_set(root: Path) -> bool:
    """Whether the folder holds images and card of a prepared set."""
    return (root / CARD).is_file() and ((root / IMAGES).is_file() or (root / shard_name(0)).is_file())


class TableEntry(TypedDict):
    """The table of a set in shards, as the card describes it."""

    file: Literal["table.csv", "table.parquet"]
    sha256: Digest


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
    shards: NotRequired[Annotated[list[Shard], msgspec.Meta(min_length=1)]]
    table: NotRequired[TableEntry]


_CARD = CardKind(
    "faceset",
    "a prepared set",
    (FORMAT, SHARDED),
    FaceSetError,
    unreadable="Delete the folder and prepare it again.",
    wrong_kind="Name a folder that `facespace prepare` made.",
    wrong_format="Prepare it again.",
    schema=SetCard,
)


def read_set_card(root: Path) -> Card:
    """The card of a prepared set. Raises FaceSetError, with the next step, where there is none."""
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


def _damaged(place: str, what: str) -> FaceSetError:
    return FaceSetError(
        f"The prepared set {place} is damaged: {what}. Delete the folder and prepare it again."
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
