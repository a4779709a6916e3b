"""Ways between latents."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from facespace.errors import UsageError, choose


def lerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """The straight line between (D,) latents at each t (T,) in [0, 1]: (T, D). Exact at both ends."""
    t = t[:, None]
    return (1 - t) * start + t * end


def slerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """The way on a great circle around 0 between (D,) latents at each t (T,) in [0, 1]: (T, D), lengths blended evenly
    (Shoemake, 1985). Ends that are parallel, opposite or 0 fall back to the straight line."""
    sizes = start.norm(), end.norm()
    cosine = (start @ end / (sizes[0] * sizes[1]).clamp(min=1e-12)).clamp(-1, 1)
    angle = cosine.acos()
    if angle.sin() < 1e-4:
        return lerp(start, end, t)
    t = t[:, None]
    turned = ((1 - t) * angle).sin() * start / sizes[0] + (t * angle).sin() * end / sizes[1]
    return turned / angle.sin() * ((1 - t) * sizes[0] + t * sizes[1])


WALKS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": lerp, "spherical": slerp}


def through(keys: Sequence[Tensor], frames: int, loop: bool = False, along: str = "linear") -> Tensor:
    """Latents through two or more (D,) keys, in equal steps a segment: (frames, D), on the lines that `along` names.

    The first and last frame are the first and last key; a loop goes back to the first key and leaves out the frame
    that would repeat it. Raises UsageError for fewer than two keys or fewer frames than keys."""
    if len(keys) < 2:
        raise UsageError(f"A path needs at least two faces; got {len(keys)}.")
    if frames < len(keys):
        raise UsageError(f"{len(keys)} faces need at least {len(keys)} frames; got {frames}.")
    walk = choose(WALKS, along, "path")
    stops = [*keys, keys[0]] if loop else list(keys)
    segments = len(stops) - 1
    where = torch.arange(frames, dtype=torch.float64) * segments / (frames if loop else frames - 1)
    where = torch.where((where - where.round()).abs() < 1e-9, where.round(), where)  # keys are met exactly
    segment = where.floor().clamp(max=segments - 1)
    path = [walk(stops[int(s)], stops[int(s) + 1], (w - s)[None].to(stops[0].dtype))[0] for w, s in zip(where, segment)]
    return torch.stack(path)
