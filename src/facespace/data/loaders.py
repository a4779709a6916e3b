"""Batches from a prepared set. Bytes are gathered from the memory map and become floats on the model's device. Which
row comes when is a function of (seed, epoch, step) alone, so a run can be taken up at any step."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from facespace.data.faces import FaceSet
from facespace.errors import UsageError, suggest
from facespace.image.pixels import to_float


class Batch(NamedTuple):
    """Some faces of a set."""

    image: Tensor  # (B, C, H, W) in [0, 1]
    attributes: Tensor  # (B, A), NaN = unknown
    index: Tensor  # type: ignore[assignment]  # (B,) rows of the set; shadows tuple.index, which nothing here needs


class Loader:
    """Batches of `size` from chosen rows of a set, on `device`; each of `world` processes gets its own share."""

    def __init__(
        self,
        faces: FaceSet,
        rows: np.ndarray,
        size: int,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.faces, self.rows, self.size, self.device = faces, rows, min(size, len(rows)), device
        self.rank, self.world = rank, world

    @property
    def steps(self) -> int:
        """Training steps an epoch: whole batches only, since a rump of one face would upset batch norm."""
        return len(self.rows) // self.size

    def training(self, seed: int, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The shuffled batches of an epoch from step `start` on."""
        order = np.random.default_rng((seed, epoch)).permutation(self.rows)
        for step in range(start, self.steps):
            batch = order[step * self.size : (step + 1) * self.size]
            yield self.batch(batch[self.rank :: self.world])

    def in_order(self) -> Iterator[Batch]:
        """Every row once, in order, the last batch short."""
        for step in range(math.ceil(len(self.rows) / self.size) if self.size else 0):
            yield self.batch(self.rows[step * self.size : (step + 1) * self.size])

    def columns(self, names: Sequence[str]) -> list[int]:
        """Where attributes stand in a batch; UsageError for one that the set does not have."""
        known = self.faces.attribute_names
        for name in names:
            if name not in known:
                raise UsageError(f"{self.faces.root} has no attribute {name!r}. {suggest(name, known)}")
        return [known.index(name) for name in names]

    def batch(self, rows: np.ndarray) -> Batch:
        """The given rows of the set."""
        image = to_float(self.faces.images[rows], self.device)
        attributes = torch.from_numpy(self.faces.attributes[rows]).to(self.device)
        return Batch(image, attributes, torch.from_numpy(rows))
