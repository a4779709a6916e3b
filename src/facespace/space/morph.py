"""How a morph goes: which latents lie between its key faces, and when each of them is reached. Draws nothing, and learns
of pictures only through a distance that it is handed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from facespace.core.errors import UsageError, choose, suggest
from facespace.latent.paths import lerp, slerp
from facespace.models.priors import Prior
from facespace.space.geodesic import dense

MOST = 12  # key faces of one path
SAMPLES = (
    32  # places a segment at which an even pace looks: between more of them, rounded pixels differ by chance
)

Walk = Callable[
    [Tensor], Tensor
]  # places (T,), float64 from 0 to the number of segments, whole at keys -> (T, D)
Steps = Callable[
    [Tensor], Tensor
]  # places (T,) -> how far the face at each is from the one before it, (T - 1,)
Adjust = Callable[[Tensor], Tensor]  # latents (N, D) -> latents (N, D)


def _linear(stops: Tensor, prior: Prior) -> Walk:
    return lambda where: lerp(*_on_segment(stops, where))


def _spherical(stops: Tensor, prior: Prior) -> Walk:
    center = prior.mean.to(stops)
    return lambda where: slerp(*_on_segment(stops, where), center)


def _dense(stops: Tensor, prior: Prior) -> Walk:
    between = dense(stops[:-1], stops[1:], prior)
    return lambda where: between(_segment(stops, where), _on_segment(stops, where)[2])


def _segment(stops: Tensor, where: Tensor) -> Tensor:
    return where.floor().clamp(max=len(stops) - 2).long()


def _on_segment(stops: Tensor, where: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each place's segment: its start (T, D), its end (T, D), and how far along it the place lies, (T,) in [0, 1]."""
    segment = _segment(stops, where)
    return stops[segment], stops[segment + 1], (where - segment).to(stops)


PATHS: dict[str, Callable[[Tensor, Prior], Walk]] = {
    "linear": _linear,
    "spherical": _spherical,
    "dense": _dense,
}
PACES = {"even": True, "uniform": False}  # whether it depends on how much the face changes
EASINGS: dict[
    str, Callable[[Tensor], Tensor]
] = {  # the share of a segment's time that has gone -> that of its way
    "linear": lambda t: t,
    "smooth": lambda t: t * t * (3 - 2 * t),
    "hold": lambda t: EASINGS["smooth"](((t - 0.15) / 0.7).clamp(0, 1)),
}


@dataclass(frozen=True)
class Way:
    """How a morph goes from face to face. Raises UsageError for a name that does not exist."""

    path: str = "linear"  # which latents lie between: a row of PATHS
    pace: str = (
        "even"  # "even": each frame changes the face equally much; "uniform": equal steps along the path
    )
    easing: str = "linear"  # of each segment: "smooth" slows down at the keys, "hold" rests at them
    loop: bool = False  # goes back to the first key at the end
    pingpong: bool = False  # goes back the way it came

    def __post_init__(self) -> None:
        for table, name, what in (
            (PATHS, self.path, "path"),
            (PACES, self.pace, "pace"),
            (EASINGS, self.easing, "easing"),
        ):
            choose(table, name, what)
        if self.loop and self.pingpong:
            raise UsageError(
                "A morph goes back to its first face at once (loop) or the way it came (pingpong), not both."
            )

    @classmethod
    def of(cls, **options: Any) -> "Way":
        """A way of these fields; UsageError for one that does not exist."""
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise UsageError(f"A morph has no option {name!r}. {suggest(name, known)}")
        return cls(**options)

    @property
    def closed(self) -> bool:
        """Whether the frame after the last is the first."""
        return self.loop or self.pingpong

    def segments(self, keys: int) -> int:
        """From how many keys to the next one a path through so many goes. Raises UsageError below 2 and above 12 keys."""
        if not 2 <= keys <= MOST:
            raise UsageError(f"A morph goes through at least two faces and at most {MOST}; got {keys}.")
        return (keys - 1) * 2 if self.pingpong else keys if self.loop else keys - 1

    def walk(self, keys: Tensor, prior: Prior, adjust: Adjust | None = None) -> Walk:
        """The path through keys (K, D), there and back if it is to be, every latent of it as `adjust` changes it."""
        stops = torch.cat([keys, keys[:1]]) if self.loop else keys
        last = len(stops) - 1
        walk = PATHS[self.path](stops, prior)
        there = (lambda where: walk(last - (last - where).abs())) if self.pingpong else walk
        return (lambda where: adjust(there(where))) if adjust else there


def places(frames: int, segments: int, way: Way, steps: Steps | None = None) -> Tensor:
    """Where on a walk of so many segments each frame lies: (frames,) float64. Every key has a frame of its own, the first
    key the first frame, the last one the last frame unless the way is closed.

    With `steps`, which an even pace needs, segments get frames, and frames get places, by how much the face changes.
    Raises UsageError where the frames do not reach for the keys."""
    needed = segments + (not way.closed)
    if frames < needed:
        raise UsageError(
            f"This morph meets {needed} faces on its way and needs at least {needed} frames; got {frames}."
        )
    at = torch.linspace(0, 1, SAMPLES + 1, dtype=torch.float64)
    gone = at.expand(segments, -1)  # (S, M + 1) the way that has been gone at each `at`
    if steps and PACES[way.pace]:
        moved = [steps(segment + at).double().cumsum(0) for segment in range(segments)]
        gone = torch.cat([torch.zeros(segments, 1, dtype=torch.float64), torch.stack(moved)], 1)
    parts = []
    for segment, count in enumerate(_share(gone[:, -1].tolist(), frames - (not way.closed))):
        eased = EASINGS[way.easing](torch.arange(count, dtype=torch.float64) / count)
        parts.append(segment + _inverse(at, gone[segment], eased * gone[segment, -1]))
    return torch.cat([*parts, torch.tensor([float(segments)], dtype=torch.float64)[: not way.closed]])


def _share(lengths: list[float], steps: int) -> list[int]:
    """How many of the steps each segment gets, at least one: the next always goes where steps are longest, which leaves
    the longest one as short as can be."""
    counts = [1] * len(lengths)
    lengths = lengths if sum(lengths) > 0 else [1.0] * len(lengths)
    for _ in range(steps - len(lengths)):
        counts[max(range(len(lengths)), key=lambda i: lengths[i] / counts[i])] += 1
    return counts


def _inverse(x: Tensor, y: Tensor, wanted: Tensor) -> Tensor:
    """Where the line through (x, y), both (M,) and ascending, reaches each wanted height (T,)."""
    if y[-1] <= 0:  # a face that does not change
        return torch.linspace(0, 1, len(wanted) + 1, dtype=x.dtype)[:-1]
    right = torch.searchsorted(y, wanted, right=True).clamp(1, len(y) - 1)
    low, high = y[right - 1], y[right]
    share = ((wanted - low) / (high - low).clamp(min=1e-300)).clamp(0, 1)
    return x[right - 1] + share * (x[right] - x[right - 1])


def through(keys: Sequence[Tensor], frames: int, loop: bool = False) -> Tensor:
    """Latents on straight lines through 2 to 12 (D,) keys, in equal steps a segment: (frames, D).

    The first and last frame are the first and last key; a loop goes back to the first key and leaves out the frame
    that would repeat it. Raises UsageError for too few keys, too many, or fewer frames than keys."""
    way = Way(pace="uniform", loop=loop)
    at = places(frames, way.segments(len(keys)), way)
    stops = torch.stack([*keys, keys[0]] if loop else list(keys))
    return lerp(*_on_segment(stops, at))
