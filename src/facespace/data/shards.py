"""The images of a prepared set on disk: one file, images.npy, or shards of equal size, images-00000.npy and
so on. One reader for both; `image_writer.py` writes."""

import itertools
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol, TypedDict

import msgspec
import numpy as np

IMAGES = "images.npy"
NEAR = 64  # rows that are left out between two that still count as one stretch of a file
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Shard(TypedDict):
    """A file of images, as the card describes it."""

    file: Annotated[str, msgspec.Meta(pattern=r"^images-\d{5,9}\.npy$")]
    faces: Annotated[int, msgspec.Meta(ge=1)]
    bytes: Annotated[int, msgspec.Meta(ge=1)]
    sha256: Digest


class DamagedImages(ValueError):
    """A file of images that is missing, cut short or not what the card says; the message names it."""


def shard_name(number: int) -> str:
    """The name of a shard, counted from 0."""
    return f"images-{number:05d}.npy"


class Parts(Protocol):
    """The shards of a set, opened at once or as they are read."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> np.ndarray: ...
    def __iter__(self) -> Iterator[np.ndarray]: ...

    def mapped(self, number: int) -> mmap.mmap | None:
        """The mapped file of a shard that is open."""
        ...

    def fetch_ahead(self, numbers: Sequence[int]) -> None:
        """Starts to fetch shards that lie elsewhere, and does not wait."""
        ...


class OpenParts(list[np.ndarray]):
    """Shards that are open, as they lie on this machine."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        super().__init__(map(np.asarray, parts))
        self._maps: list[mmap.mmap | None] = [getattr(part, "_mmap", None) for part in parts]

    def mapped(self, number: int) -> mmap.mmap | None:
        """The mapped file of a shard."""
        return self._maps[number]

    def fetch_ahead(self, numbers: Sequence[int]) -> None:
        """Nothing: they are here."""


class ShardedImages:
    """Faces uint8 (N, H, W, C) in several memory-mapped files, read like one array: by a row, a slice, row
    numbers or a mask. What is read is a copy. Of `parts` that are not open yet, `counts` are the numbers of
    faces."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, parts: Sequence[np.ndarray] | Parts, counts: Sequence[int] | None = None) -> None:
        self.parts: Parts = OpenParts(parts) if isinstance(parts, Sequence) else parts
        counts = counts or [len(part) for part in self.parts]
        self.ends = np.cumsum(counts)  # the first row after each shard
        self.starts = self.ends - counts
        self.shape: tuple[int, ...] = (int(self.ends[-1]), *self.parts[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """The bytes of all pixels."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):  # rows first, then pixels
            rows, *rest = key
            picked = self[rows]
            return (
                picked[tuple(rest)]
                if np.ndim(rows) == 0 and not isinstance(rows, slice)
                else picked[:, *rest]
            )
        if isinstance(key, slice):
            return self._rows(np.arange(*key.indices(len(self))))
        if key is Ellipsis:
            return self._rows(np.arange(len(self)))
        rows = np.asarray(key)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise IndexError(f"a mask of shape {rows.shape} does not fit {len(self)} faces")
            rows = np.flatnonzero(rows)
        if rows.ndim == 0:
            return self._rows(rows[None])[0]
        return self._rows(rows.reshape(-1).astype(np.int64)).reshape(*rows.shape, *self.shape[1:])

    def _rows(self, rows: np.ndarray) -> np.ndarray:
        """The faces of row numbers (B,), which may be negative."""
        if len(rows) and not -len(self) <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"row {rows.min()} or {rows.max()} of {len(self)} faces")
        rows = np.where(rows < 0, rows + len(self), rows)
        if len(rows) > 1 and (rows[1:] < rows[:-1]).any():
            order = np.argsort(rows, kind="stable")  # each shard is read once, in its order
            picked = np.empty((len(rows), *self.shape[1:]), np.uint8)
            picked[order] = self.read_into(np.empty_like(picked), rows[order])
            return picked
        return self.read_into(np.empty((len(rows), *self.shape[1:]), np.uint8), rows)

    def read_into(self, picked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The faces of ascending row numbers (B,), which exist, in an array uint8 (B, H, W, C)."""
        borders = np.searchsorted(rows, self.ends).tolist()
        for shard, (start, end) in enumerate(itertools.pairwise([0, *borders])):
            if end > start:  # straight into its place; "clip" spares a copy, and no row is outside
                inside = rows[start:end] - self.starts[shard]
                np.take(self.parts[shard], inside, axis=0, out=picked[start:end], mode="clip")
        return picked

    def __iter__(self) -> Iterator[np.ndarray]:
        for part in self.parts:
            yield from part

    @property
    def face_bytes(self) -> int:
        """The bytes of a face."""
        return int(np.prod(self.shape[1:]))

    def read_ahead(self, rows: np.ndarray) -> None:
        """Asks the system to read these rows from the disk, and fetches what lies elsewhere: does not
        wait."""
        self.parts.fetch_ahead(np.unique(np.searchsorted(self.ends, rows, side="right")).tolist())
        self._advise(rows, getattr(mmap, "MADV_WILLNEED", None))

    def forget(self, rows: np.ndarray) -> None:
        """Gives back the memory of these rows; they can be read again."""
        self._advise(rows, getattr(mmap, "MADV_DONTNEED", None))

    def _advise(self, rows: np.ndarray, advice: int | None) -> None:
        """Tells the system about the stretches of the files in which rows lie. Not on Windows."""
        if advice is None or not len(rows):
            return
        rows = np.unique(rows)
        cuts = np.flatnonzero(np.diff(rows) > NEAR) + 1
        for stretch in np.split(rows, cuts):
            first, last = np.searchsorted(self.ends, stretch[[0, -1]], side="right").tolist()
            for shard in range(first, last + 1):
                self._advise_in(shard, int(stretch[0]), int(stretch[-1]) + 1, advice)

    def _advise_in(self, shard: int, first: int, end: int, advice: int) -> None:
        mapped = self.parts.mapped(shard)
        if mapped is None:
            return
        first = max(first, int(self.starts[shard])) - int(self.starts[shard])
        end = min(end, int(self.ends[shard])) - int(self.starts[shard])
        header = len(mapped) - int(self.ends[shard] - self.starts[shard]) * self.face_bytes
        start = (header + first * self.face_bytes) // mmap.PAGESIZE * mmap.PAGESIZE
        mapped.madvise(advice, start, header + end * self.face_bytes - start)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All faces in memory."""
        whole = np.concatenate(list(self.parts))
        return whole if dtype is None else whole.astype(dtype, copy=False)


def open_images(root: Path, count: int, shards: Sequence[Shard] | None) -> np.ndarray | ShardedImages:
    """The images of a set of `count` faces: of one file, or of the shards on its card. Raises
    DamagedImages."""
    if shards is None:
        return open_file(root, IMAGES, count)
    parts = [open_file(root, shard["file"], shard["faces"]) for shard in shards]
    shapes = {part.shape[1:] for part in parts}
    if sum(map(len, parts)) != count or len(shapes) != 1:
        found = sum(map(len, parts))
        raise DamagedImages(f"its shards hold {found:,} faces of {len(shapes)} shapes, the card {count:,}")
    return ShardedImages(parts)


def open_file(root: Path, name: str, count: int) -> np.ndarray:
    """The faces of one file, memory-mapped. Raises DamagedImages."""
    path = root / name
    if not path.is_file():
        raise DamagedImages(f"{name} is missing")
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a made-up header can raise almost anything
        raise DamagedImages(f"{name} is cut short or not an array ({error})") from error
    if not isinstance(images, np.ndarray):  # an archive of arrays, whatever its name
        raise DamagedImages(f"{name} is not an array")
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) != count:
        raise DamagedImages(f"{name} holds {images.dtype} {images.shape}, the card {count} faces")
    return images
