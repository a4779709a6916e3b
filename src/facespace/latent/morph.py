"""The plan of a morph: which latents lie between its key faces, and at which of them each frame is taken.
Decodes nothing; how much a face changes comes in as a function, and so do paths that follow the density of a
prior."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from facespace.core.aliases import current_argument
from facespace.core.errors import UsageError, choose, suggest
from facespace.latent.paths import lerp, slerp

SAMPLES = 32  # places a segment at which an even pace measures: closer ones differ by the rounding of pixels

# Places (T,), float64 from 0 to the number of segments, whole at keys -> latents (T, D).
Path = Callable[[np.ndarray], np.ndarray]
# Places (T,) -> how far the face at each is from the one before it, (T - 1,).
StepLengths = Callable[[np.ndarray], np.ndarray]
Projection = Callable[[np.ndarray], np.ndarray]  # latents (N, D) -> latents (N, D)
Between = Callable[[np.ndarray, np.ndarray], np.ndarray]  # segment (T,), t (T,) in [0, 1] -> latents (T, D)
# Starts (S, D) and ends (S, D) of segments -> the paths between.
PathsBetween = Callable[[np.ndarray, np.ndarray], Between]


class PathGeometry(NamedTuple):
    """What paths depend on beside their keys: the `center` (D,) of circles, the density-aware paths of a
    prior, and those through the noise of a flow."""

    center: np.ndarray
    geodesic: PathsBetween
    flow: PathsBetween


def _linear(stops: np.ndarray, geometry: PathGeometry) -> Path:
    return lambda where: lerp(*_on_segment(stops, where))


def _spherical(stops: np.ndarray, geometry: PathGeometry) -> Path:
    center = geometry.center.astype(stops.dtype)
    return lambda where: slerp(*_on_segment(stops, where), center)


def _geodesic(stops: np.ndarray, geometry: PathGeometry) -> Path:
    return _walk(stops, geometry.geodesic)


def _flow(stops: np.ndarray, geometry: PathGeometry) -> Path:
    return _walk(stops, geometry.flow)


def _walk(stops: np.ndarray, paths: PathsBetween) -> Path:
    between = paths(stops[:-1], stops[1:])

    def walk(where: np.ndarray) -> np.ndarray:
        _, _, t = _on_segment(stops, where)
        return between(_segment(stops, where), t)

    return walk


def _segment(stops: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.minimum(np.floor(where), len(stops) - 2).astype(np.int64)


def _on_segment(stops: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each place's segment: its start (T, D), its end (T, D), and how far along it the place lies, (T,) in
    [0, 1]."""
    segment = _segment(stops, where)
    return stops[segment], stops[segment + 1], (where - segment).astype(stops.dtype)


def _smooth(t: np.ndarray) -> np.ndarray:
    return t * t * (3 - 2 * t)


def _hold(t: np.ndarray) -> np.ndarray:
    return _smooth(((t - 0.15) / 0.7).clip(0, 1))


PATHS: dict[str, Callable[[np.ndarray, PathGeometry], Path]] = {
    "linear": _linear,
    "spherical": _spherical,
    "geodesic": _geodesic,
    "flow": _flow,
}
PACES = {"even": True, "uniform": False}  # whether it depends on how much the face changes
# The share of a segment's time that has passed -> the share of its length.
EASINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda t: t,
    "smooth": _smooth,
    "hold": _hold,
}


@dataclass(frozen=True)
class PathSpec:
    """Path, pace and order of a morph. Raises UsageError for a name that does not exist."""

    path: str = "linear"  # which latents lie between: a row of PATHS
    pace: str = (
        "even"  # "even": each frame changes the face equally much; "uniform": equal steps along the path
    )
    easing: str = "linear"  # of each segment: "smooth" slows down at the keys, "hold" rests at them
    loop: bool = False  # returns to the first key at the end
    pingpong: bool = False  # returns through the same keys

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", current_argument("path", self.path))
        choose(PATHS, self.path, "path")
        choose(PACES, self.pace, "pace")
        choose(EASINGS, self.easing, "easing")
        if self.loop and self.pingpong:
            raise UsageError(
                "A morph returns to its first face directly (loop) or through its keys (pingpong), not both."
            )

    @classmethod
    def of(cls, **options: Any) -> "PathSpec":
        """A plan of these fields; UsageError for one that does not exist."""
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
        """The number of segments, from one key to the next, of a path through so many keys. Raises UsageError
        below 2 keys."""
        if keys < 2:
            raise UsageError(f"A morph goes through at least two faces; got {keys}.")
        if self.pingpong:
            return (keys - 1) * 2
        return keys if self.loop else keys - 1

    def path_function(
        self, keys: np.ndarray, geometry: PathGeometry, adjust: Projection | None = None
    ) -> Path:
        """The path through keys (K, D), and back where the plan says so; `adjust` changes every latent of
        it."""
        stops = np.concatenate([keys, keys[:1]]) if self.loop else keys
        last = len(stops) - 1
        forward = PATHS[self.path](stops, geometry)

        def walk(where: np.ndarray) -> np.ndarray:
            if self.pingpong:
                where = last - np.abs(last - where)
            z = forward(where)
            return adjust(z) if adjust else z

        return walk


def frame_positions(
    frames: int, segments: int, way: PathSpec, steps: StepLengths | None = None
) -> np.ndarray:
    """The place of each frame on a path of so many segments: (frames,) float64. Every key has a frame of its
    own, the first key the first frame, the last key the last frame unless the path is closed.

    An even pace divides the sum of `steps` over neighbouring frames equally. Raises UsageError for fewer
    frames than the path has keys."""
    needed = segments + (not way.closed)
    if frames < needed:
        raise UsageError(
            f"This morph has {needed} key frames and needs at least {needed} frames; got {frames}."
        )
    at = np.arange(SAMPLES + 1) / SAMPLES  # (M + 1,)
    distance = np.tile(at, (segments, 1))  # (S, M + 1) covered from the segment's start to each `at`
    if steps and PACES[way.pace]:
        there = segments // 2 if way.pingpong else segments
        for segment in range(there):
            distance[segment, 1:] = np.asarray(steps(segment + at), np.float64).cumsum()
        distance[:, 0] = 0
        if way.pingpong:  # the way back shows the same faces, at exactly the same distances
            back = distance[:there][::-1]
            distance[there:] = back[:, -1:] - back[:, ::-1]
    parts = []
    for segment, count in enumerate(_share(distance[:, -1].tolist(), frames - (not way.closed))):
        eased = EASINGS[way.easing](np.arange(count, dtype=np.float64) / count)
        parts.append(segment + _inverse(at, distance[segment], eased * distance[segment, -1]))
    if not way.closed:
        parts.append(np.array([float(segments)]))
    return np.concatenate(parts)


def _share(lengths: list[float], steps: int) -> list[int]:
    """How many of the steps each segment gets, at least one: each next step is added where steps are longest,
    which keeps the longest step as short as possible."""
    counts = np.ones(len(lengths), int)
    sizes = np.array(lengths if sum(lengths) > 0 else [1.0] * len(lengths))
    for _ in range(steps - len(lengths)):
        counts[np.argmax(sizes / counts)] += 1
    return counts.tolist()


def _inverse(x: np.ndarray, y: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Where the line through (x, y), both (M,) and ascending, reaches each of the heights (T,)."""
    if y[-1] <= 0:  # a face that does not change
        return np.arange(len(heights)) / len(heights)
    right = np.searchsorted(y, heights, side="right").clip(1, len(y) - 1)
    low, high = y[right - 1], y[right]
    share = ((heights - low) / np.maximum(high - low, 1e-300)).clip(0, 1)
    return x[right - 1] + share * (x[right] - x[right - 1])


def piecewise_linear(keys: Sequence[np.ndarray] | np.ndarray, frames: int, loop: bool = False) -> np.ndarray:
    """Latents on straight lines through 2 or more (D,) keys, in equal steps a segment: (frames, D).

    The first and last frame are the first and last key; a loop returns to the first key and leaves out the
    frame that would repeat it. Raises UsageError for too few keys or fewer frames than keys."""
    way = PathSpec(pace="uniform", loop=loop)
    at = frame_positions(frames, way.segments(len(keys)), way)
    stops = np.stack([*keys, keys[0]] if loop else list(keys))
    return lerp(*_on_segment(stops, at))
