"""Vector-quantized latents as codes, and back; and where the codes lie, which a prior over codes must know
of a model. The codebooks themselves, which learn, are in quantizer.py."""

from typing import NamedTuple

import torch
from torch import Tensor


class CodeGrid(NamedTuple):
    """A map of codes, with the codebook of its entries. A latent lists the numbers of its grids one grid
    after the other; in a grid of n codes number j of code k stands at j · n + k, where k counts depth, then
    rows, then columns."""

    depth: int  # codes of each cell
    height: int
    width: int
    entries: Tensor  # (K, c): K entries of c numbers

    @property
    def size(self) -> int:
        """Codes of the grid."""
        return self.depth * self.height * self.width


def split(z: Tensor, numbers: int) -> Tensor:
    """Latents (B, n · c) of one grid to the vectors of their codes (B, n, c)."""
    return z.unflatten(1, (numbers, -1)).transpose(1, 2)


def join(parts: Tensor) -> Tensor:
    """(B, n, c) to (B, n · c), the inverse of `split`."""
    return parts.transpose(1, 2).flatten(1)


@torch.no_grad()
def nearest(parts: Tensor, entries: Tensor) -> Tensor:
    """The indices of the entries (K, c) nearest to vectors (B, n, c): int64 (B, n)."""
    kind = "cpu" if parts.is_meta else parts.device.type
    with torch.autocast(kind, enabled=False):  # bfloat16 would find other neighbours
        # Squared distances without |part|², which is the same for all entries.
        distances = entries.square().sum(1) - 2 * parts.float() @ entries.T
        return distances.argmin(-1)
