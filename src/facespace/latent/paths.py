"""Lines, circles and sums of latents: pure functions of tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from facespace.core.errors import UsageError


def lerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """The straight line between latents, (D,) or (T, D), at each t (T,) in [0, 1]: (T, D). Exact at both ends."""
    t = t[:, None]
    return (1 - t) * start + t * end


def slerp(start: Tensor, end: Tensor, t: Tensor, center: Tensor | float = 0.0) -> Tensor:
    """The great circle about `center` between latents, (D,) or (T, D), at each t (T,) in [0, 1], whose distance from the
    centre goes evenly from the one's to the other's: (T, D). Exact at both ends; parallel and opposite ends, between which
    there is no one great circle, fall back to the line (Shoemake, 1985)."""
    line = lerp(start, end, t)
    a, b = ((side - center).expand_as(line).double() for side in (start, end))
    far = [side.norm(dim=1, keepdim=True) for side in (a, b)]
    units = [side / length.clamp(min=1e-12) for side, length in zip((a, b), far)]
    angle = (units[0] * units[1]).sum(1, keepdim=True).clamp(-1, 1).acos()  # (T, 1) radians
    at = t[:, None].double()
    turned = (((1 - at) * angle).sin() * units[0] + (at * angle).sin() * units[1]) / angle.sin()
    curve = center + ((1 - at) * far[0] + at * far[1]) * turned
    straight = (angle.sin() < 1e-6) | (far[0] * far[1] == 0) | (at == 0) | (at == 1)
    return torch.where(straight, line, curve.to(line))


def bilinear(corners: Tensor, rows: int, columns: int) -> Tensor:
    """The blends of four latents (4, D), top left, top right, bottom left and bottom right, row by row:
    (rows · columns, D). Raises UsageError for another number of corners and fewer than two rows or columns."""
    if len(corners) != 4 or min(rows, columns) < 2:
        raise UsageError(
            f"Four faces are blended over two or more rows and columns; got {len(corners)} faces, {rows} rows and "
            f"{columns} columns."
        )
    down, across = (torch.linspace(0, 1, count, dtype=corners.dtype) for count in (rows, columns))
    left, right = lerp(corners[0], corners[2], down), lerp(corners[1], corners[3], down)  # (rows, D)
    return torch.cat([lerp(left[row], right[row], across) for row in range(rows)])


def mix(parts: Tensor, weights: Sequence[float], center: Tensor | float = 0.0) -> Tensor:
    """The weighted sum of latents (N, D), counted from `center`: (D,). With weights that sum to 1 the centre has no say."""
    return center + torch.tensor(weights, dtype=parts.dtype) @ (parts - center)
