"""Batches from a prepared set. Bytes are read from the memory map and become floats on the model's device.
The order of rows is a function of (seed, epoch, step) alone, and of a set in shards of the number of
processes, so a run can resume at any step. Training
batches may have other shares of attributes than the set; rows in order do not."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from facespace.core.errors import UsageError, suggest
from facespace.data.faces import FaceSet
from facespace.data.shards import ShardedImages
from facespace.image.pixels import to_float
from facespace.training import balancing
from facespace.training.block_order import BlockSizes, block_order

# Faces of a forward pass without gradients, and pixels of a channel, which bound the memory of large images.
FORWARD_BATCH, FORWARD_PIXELS = 256, 256 * 64 * 64


class Batch(NamedTuple):
    """Some faces of a set."""

    image: Tensor  # (B, C, H, W) in [0, 1]
    attributes: Tensor  # (B, A), NaN = unknown
    # (B,) rows of the set; shadows tuple.index, which is not used.
    index: Tensor  # type: ignore[assignment]


class DeviceCache:
    """A set's pixels: a copy on the device, as bytes, where they fill at most half of its free memory; else
    the memory map."""

    def __init__(self, faces: FaceSet, device: torch.device) -> None:
        self.faces, self.device = faces, device
        fits = device.type == "cuda" and faces.images.nbytes < torch.cuda.mem_get_info(device)[0] / 2
        self.resident = self.load_all() if fits else None
        self._bytes = np.empty((0, 0, 0, 0), np.uint8)  # of the last batch: new memory is slower than old

    def load_all(self) -> Tensor:
        """All bytes on the device, (N, H, W, C)."""
        return torch.from_numpy(np.array(self.faces.images)).to(self.device)

    def rows(self, rows: np.ndarray) -> Tensor:
        """Those rows, float (B, C, H, W) in [0, 1]."""
        images = self.faces.images
        if self.resident is None and isinstance(images, ShardedImages) and (rows[1:] >= rows[:-1]).all():
            if len(self._bytes) < len(rows):
                self._bytes = np.empty((len(rows), *images.shape[1:]), np.uint8)
            return to_float(images.read_into(self._bytes[: len(rows)], rows), self.device)
        if self.resident is None:
            return to_float(images[rows], self.device)
        return to_float(self.resident[torch.from_numpy(rows).to(self.device)])


class Loader:
    """Batches of `size` from chosen rows of a set, on `device`; each of `world` processes gets its own
    share."""

    def __init__(
        self,
        faces: FaceSet,
        rows: np.ndarray,
        size: int,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        cache: DeviceCache | None = None,
    ) -> None:
        self.faces, self.rows, self.size = faces, rows, min(size, len(rows))
        self.device = torch.device(device)
        self.rank, self.world = rank, world
        self.shelf = cache or DeviceCache(faces, self.device)
        # (len(rows),) expected number of times that each row is used in a training epoch; None: once.
        self.expected: np.ndarray | None = None

    def balance(self, shares: Mapping[str, float]) -> Sequence[str]:
        """Sets the shares of attributes in training batches; returns a phrase on each.

        Raises UsageError for an attribute that the set does not have, and for shares that its rows cannot
        have."""
        if not shares:
            return ()
        values = self.faces.attributes[self.rows][:, self.attribute_columns(list(shares))]
        self.expected = balancing.expected_counts(values, shares)
        return balancing.describe(values, shares, self.expected)

    def with_rows(self, rows: np.ndarray, size: int | None = None, all_rows: bool = False) -> "Loader":
        """The same set by other rows and batches, without a `size` those of a forward pass; `all_rows` takes
        every row in this process."""
        _, height, width = self.faces.image_shape
        size = size or min(FORWARD_BATCH, max(1, FORWARD_PIXELS // (height * width)))
        rank, world = (0, 1) if all_rows else (self.rank, self.world)
        return Loader(self.faces, rows, size, self.device, rank, world, self.shelf)

    @property
    def steps(self) -> int:
        """Training steps an epoch: whole batches only, since batch norm fails for a batch of one face."""
        return len(self.rows) // self.size

    def shuffled(self, seed: int, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The shuffled batches of an epoch from step `start` on; balanced ones hold some rows more than once,
        others not. A set in shards is read shard by shard, each process its own."""
        images = self.faces.images
        if isinstance(images, ShardedImages):
            yield from self._by_blocks(images, seed, epoch, start)
            return
        generator = np.random.default_rng((seed, epoch))
        if self.expected is None:
            order = generator.permutation(self.rows)
        else:
            order = self.rows[balancing.resample(self.expected, generator)]
        for step in range(start, self.steps):
            batch = order[step * self.size : (step + 1) * self.size]
            yield self.batch(batch[self.rank :: self.world])

    def _by_blocks(self, images: ShardedImages, seed: int, epoch: int, start: int) -> Iterator[Batch]:
        """The batches of this process of an epoch over a set in shards; the next window of faces is read
        ahead, and the last one leaves the memory."""
        rows = self.rows
        if self.expected is not None:
            rows = np.sort(rows[balancing.resample(self.expected, np.random.default_rng((seed, epoch)))])
        sizes, share = BlockSizes.of(images.face_bytes), self.size // self.world
        count = self.steps * share
        order = block_order(rows, images.ends, sizes, seed, epoch, count, self.rank, self.world)
        window, asked = -1, 0
        for step in range(start, self.steps):
            batch = order[step * share : (step + 1) * share]
            if step * share // sizes.window != window:
                window = step * share // sizes.window
                first = window * sizes.window
                images.forget(order[max(first - sizes.window, 0) : first])
                images.read_ahead(order[max(first, asked) : first + 2 * sizes.window])
                asked = first + 2 * sizes.window
            yield self.batch(np.sort(batch))  # read in the order of the files

    def in_order(self) -> Iterator[Batch]:
        """Every row once, in order, the last batch short; of several processes each takes its own whole
        batches."""
        if not self.size:
            return
        for step in range(self.rank, math.ceil(len(self.rows) / self.size), self.world):
            yield self.batch(self.rows[step * self.size : (step + 1) * self.size])

    def attribute_columns(self, names: Sequence[str]) -> list[int]:
        """The columns of attributes in a batch. Raises UsageError for one that the set does not have."""
        known = self.faces.attribute_names
        for name in names:
            if name not in known:
                raise UsageError(f"{self.faces.place} has no attribute {name!r}. {suggest(name, known)}")
        return [known.index(name) for name in names]

    def batch(self, rows: np.ndarray) -> Batch:
        """The given rows of the set."""
        attributes = torch.from_numpy(self.faces.attributes[rows]).to(self.device)
        return Batch(self.shelf.rows(rows), attributes, torch.from_numpy(rows))
