"""Ways between latents."""

from collections.abc import Sequence

import torch
from torch import Tensor

from facespace.errors import UsageError


def lerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """The straight line between (D,) latents at each t (T,) in [0, 1]: (T, D). Exact at both ends."""
    t = t[:, None]
    return (1 - t) * start + t * end


def through(keys: Sequence[Tensor], frames: int, loop: bool = False) -> Tensor:
    """Latents on straight lines through two or more (D,) keys, in equal steps a segment: (frames, D).

    The first and last frame are the first and last key; a loop goes back to the first key and leaves out the frame
    that would repeat it. Raises UsageError for fewer than two keys or fewer frames than keys."""
    if len(keys) < 2:
        raise UsageError(f"A path needs at least two faces; got {len(keys)}.")
    if frames < len(keys):
        raise UsageError(f"{len(keys)} faces need at least {len(keys)} frames; got {frames}.")
    stops = [*keys, keys[0]] if loop else list(keys)
    segments = len(stops) - 1
    where = torch.arange(frames, dtype=torch.float64) * segments / (frames if loop else frames - 1)
    where = torch.where((where - where.round()).abs() < 1e-9, where.round(), where)  # keys are met exactly
    segment = where.floor().clamp(max=segments - 1)
    path = [lerp(stops[int(s)], stops[int(s) + 1], (w - s)[None].to(stops[0].dtype))[0] for w, s in zip(where, segment)]
    return torch.stack(path)
