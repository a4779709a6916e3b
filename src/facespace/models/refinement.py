"""Further passes of an encoder: its latents, corrected by what it sees of their reconstruction.
Iterative inference: Marino et al., 2018; Alaluf et al., 2021."""

from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]


def refine(x: Tensor, first: Tensor, encode: Map, decode: Map, passes: int) -> Tensor:
    """Latents (B, D) of images (B, C, H, W) after so many passes of `encode`, of which `first` (B, D) is one.

    In a pass the reconstruction is encoded too, and the latents move by the difference of the two encodings,
    but no further than `longest_step` allows: the full step overshoots for faces unlike those of the
    training."""
    z = first
    for _ in range(passes - 1):
        decoded = decode(z)
        step = first - encode(decoded)
        z = z + longest_step(x, decoded, decode(z + step)) * step
    return z


def longest_step(x: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """The largest share (B, 1), at most 1, of a step from the images `before` to those `after` that does not
    raise their squared error to x, if the images between are averages of the two; all are (B, C, H, W).

    With r the error before and c the change, |r − t c|² ≤ |r|² up to t = 2 r·c / c·c."""
    error, change = (x - before).flatten(1), (after - before).flatten(1)
    square = change.square().sum(1, keepdim=True).clamp(min=torch.finfo(change.dtype).tiny)
    return (2 * (error * change).sum(1, keepdim=True) / square).clamp(0, 1)
