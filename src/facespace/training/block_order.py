"""The order of an epoch over a set in shards: shards in random order, blocks of a few shards mixed, faces
shuffled within a window that fits the memory. A pure function of rows, seed, epoch and process."""

import itertools
from dataclasses import dataclass

import numpy as np

MIXED = 4  # shards whose blocks are mixed
BLOCK = 2**24  # bytes of faces that lie side by side and are read together
WINDOW = 2**29  # bytes of faces that are shuffled together


@dataclass(frozen=True)
class BlockSizes:
    """Numbers of faces: of a block and of a window. The same on every machine, so that orders are."""

    block: int
    window: int

    @classmethod
    def of(cls, face_bytes: int) -> "BlockSizes":
        """The sizes for faces of so many bytes."""
        return cls(max(1, BLOCK // face_bytes), max(1, WINDOW // face_bytes))


def block_order(
    rows: np.ndarray,
    shard_ends: np.ndarray,
    sizes: BlockSizes,
    seed: int,
    epoch: int,
    count: int,
    rank: int = 0,
    world: int = 1,
) -> np.ndarray:
    """The first `count` rows of process `rank` of `world`, int64 (count,).

    `rows` are ascending, perhaps some of them several times; `shard_ends` the first row after each shard.
    Shards are dealt out to the processes in their random order: no two processes read the same shard, but
    for one that lies on the border between them."""
    random = np.random.default_rng((seed, epoch))
    starts = np.searchsorted(rows, np.concatenate([[0], shard_ends]))
    shards = [rows[start:end] for start, end in itertools.pairwise(starts.tolist()) if end > start]
    shuffled = [shards[place] for place in random.permutation(len(shards))]
    own = _part(shuffled, rank * count, count)
    if world > 1:
        random = np.random.default_rng((seed, epoch, rank))
    mixed = []
    for first in range(0, len(own), MIXED):
        blocks = [block for shard in own[first : first + MIXED] for block in _cut(shard, sizes.block)]
        mixed += [blocks[place] for place in random.permutation(len(blocks))]
    order = np.concatenate(mixed) if mixed else rows[:0]
    return np.concatenate([random.permutation(window) for window in _cut(order, sizes.window)] or [order])


def _part(shards: list[np.ndarray], start: int, count: int) -> list[np.ndarray]:
    """What lies from `start` on in shards that follow one another, `count` rows of it."""
    part, place = [], 0
    for shard in shards:
        inside = shard[max(start - place, 0) : max(start + count - place, 0)]
        if len(inside):
            part.append(inside)
        place += len(shard)
    return part


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
