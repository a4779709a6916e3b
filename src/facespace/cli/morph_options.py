"""The options of a morph: path, pace, easing and duration, with presets. Computes no latents."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cyclopts import Parameter

from facespace.cli.options import Flag
from facespace.core.errors import UsageError, choose

if TYPE_CHECKING:
    from facespace.space.face_space import FaceSpace

STRIP = 10  # frames of a still, by default
# Seconds from one face to the next, by default: fewer where the whole would be longer than LONGEST.
SECONDS, FEWEST_SECONDS = 1.5, 0.5
SHORTEST, LONGEST = 2.0, 60.0  # seconds of the whole


@dataclass(frozen=True)
class Preset:
    """Defaults of a morph: its path (None: by the space), pace and easing, the number of frames (None: by the
    number of faces) and the frames a second."""

    path: str | None
    pace: str
    easing: str
    frames: int | None
    fps: float


PRESETS = {
    "facespace": Preset(None, "even", "linear", None, 30.0),
    "celebamask-conv": Preset("linear", "uniform", "linear", 150, 30.0),  # as its authors do it
}


@Parameter(name="*")
@dataclass(frozen=True)
class Timing:
    """Which latents a morph visits, and when.

    Parameters
    ----------
    path
        linear: straight lines. spherical: great circles about the prior's mean, which keep the distance
        from it. geodesic: such circles bent towards higher density of --prior. flow: lines in the noise of
        a fitted flow, whose faces are the most typical ones. [default: flow where the space has one, else
        linear]
    pace
        even: equal perceived change from frame to frame, by LPIPS where FACESPACE_LPIPS names its weights and
        else by blurred pixels. uniform: equal steps along the path. [default: even]
    easing
        From each key face to the next: linear, smooth (slower near the keys), or hold (pauses at them).
        [default: linear]
    loop
        Return to the first face at the end.
    pingpong
        Return the same way.
    frames
        Frames of the whole morph, every key face among them; 10 for a still. [default: as many as --seconds]
    seconds
        Duration, in place of --frames. [default: 1.5 from face to face, 2 or more in all; from 40 faces on
        60 in all, but at least 0.5 from face to face]
    fps
        Frames a second, 1 to 100. [default: 30]
    order
        Of the key faces: given, path (along a short path through latent space, so that neighbours are
        similar), or random (by --seed).
    preset
        Defaults of the other options: facespace, or celebamask-conv for that system's animation: 5 s at 30
        frames a second, straight lines between posterior means, uniform pace.
    """

    path: str | None = None
    pace: str | None = None
    easing: str | None = None
    loop: Flag = False
    pingpong: Flag = False
    frames: int | None = None
    seconds: float | None = None
    fps: float | None = None
    order: str = "given"
    preset: str = "facespace"

    def plan(self, still: bool, prior: str | None, keys: int = 2) -> "MorphPlan":
        """The options of a morph through so many faces: the preset where an option is not given. Raises
        UsageError for unknown names and impossible times."""
        from facespace.latent.morph import PathSpec
        from facespace.latent.ordering import ORDERS

        choose(ORDERS, self.order, "order")
        preset = choose(PRESETS, self.preset, "preset")
        path, pace = self.path or preset.path, self.pace or preset.pace
        easing = self.easing or preset.easing
        spec = PathSpec(path or "linear", pace, easing, self.loop, self.pingpong)
        frames = self._frames(preset, still, spec.segments(keys))
        return MorphPlan(path, pace, easing, frames, self.loop, self.pingpong, prior)

    def rate(self) -> float:
        """Frames a second."""
        preset = choose(PRESETS, self.preset, "preset")
        rate = preset.fps if self.fps is None else self.fps
        if not 1 <= rate <= 100:
            raise UsageError(f"--fps must lie between 1 and 100; got {rate:g}.")
        return rate

    def _frames(self, preset: Preset, still: bool, segments: int) -> int:
        if self.frames is not None and self.seconds is not None:
            raise UsageError(f"--seconds {self.seconds:g} replaces --frames; name one of the two.")
        if self.frames is not None:
            return self.frames
        if self.seconds is None:
            if preset.frames is not None:
                return preset.frames
            return max(STRIP, segments + 1) if still else round(default_seconds(segments) * self.rate())
        if not 0 < self.seconds <= 3600:
            raise UsageError(f"--seconds must lie between 0 and 3600; got {self.seconds:g}.")
        return round(self.seconds * self.rate())


def default_seconds(segments: int) -> float:
    """The duration of a morph with so many ways from face to face."""
    return max(SHORTEST, min(SECONDS * segments, max(LONGEST, FEWEST_SECONDS * segments)))


class MorphPlan(NamedTuple):
    """Options of FaceSpace.morph; without a path, that of the space is used."""

    path: str | None
    pace: str
    easing: str
    frames: int
    loop: bool
    pingpong: bool
    prior: str | None

    def with_path_of(self, space: "FaceSpace") -> "MorphPlan":
        """The same with the path that is the default of a space, where none was named."""
        if self.path:
            return self
        return self._replace(path=space.default_path(self.prior))


EVENLY = Timing()
