"""The verb for paths between faces: morph. SPACE is a run's folder or a bundle's."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import ANY_FACES, FaceSource, Flag, parse_grid, words
from facespace.core.errors import UsageError, choose

if TYPE_CHECKING:
    import numpy as np

    from facespace.image.animation import Distance
    from facespace.space.face_space import FaceSpace

STRIP = 10  # frames of a still, by default


@dataclass(frozen=True)
class Preset:
    """Defaults of a morph: its path, pace and easing, the number of frames and the frames a second."""

    path: str
    pace: str
    easing: str
    frames: int
    fps: float


PRESETS = {
    "facespace": Preset("linear", "even", "linear", 60, 30.0),
    "celebamask-conv": Preset("linear", "uniform", "linear", 150, 30.0),  # as its authors do it
}


@Parameter(name="*")
@dataclass(frozen=True)
class Timing:
    """Which latents a morph visits, and when.

    Parameters
    ----------
    path
        linear: straight lines. spherical: great circles about the prior's mean, which keep the distance from it. dense: such
        circles bent towards higher density of --prior. [default: linear]
    pace
        even: equal perceived change from frame to frame, by LPIPS where FACESPACE_LPIPS names its weights and else by blurred pixels.
        uniform: equal steps along the path. [default: even]
    easing
        From each key face to the next: linear, smooth (slower near the keys), or hold (pauses at them). [default: linear]
    loop
        Return to the first face at the end.
    pingpong
        Return the same way.
    frames
        Frames of the whole morph, every key face among them; 10 for a still. [default: 60]
    seconds
        Duration, in place of --frames.
    fps
        Frames a second, 1 to 100. [default: 30]
    preset
        Defaults of the other options: facespace, or celebamask-conv for that system's animation: 5 s at 30 frames a second,
        straight lines between posterior means, uniform pace.
    """

    path: str | None = None
    pace: str | None = None
    easing: str | None = None
    loop: Flag = False
    pingpong: Flag = False
    frames: int | None = None
    seconds: float | None = None
    fps: float | None = None
    preset: str = "facespace"

    def way(self, still: bool) -> dict[str, Any]:
        """The options of `animate`, and fps: the preset where an option is not given. Raises UsageError for unknown names
        and impossible times."""
        from facespace.space.morph import Way

        preset = choose(PRESETS, self.preset, "preset")
        chosen: dict[str, Any] = {}
        for name in ("path", "pace", "easing", "frames", "fps"):
            given = getattr(self, name)
            chosen[name] = getattr(preset, name) if given is None else given
        if self.frames is None:
            chosen["frames"] = self._frames(preset, still, chosen["fps"])
        elif self.seconds is not None:
            raise UsageError(f"--seconds {self.seconds:g} replaces --frames; name one of the two.")
        if not 1 <= chosen["fps"] <= 100:
            raise UsageError(f"--fps must lie between 1 and 100; got {chosen['fps']:g}.")
        Way(chosen["path"], chosen["pace"], chosen["easing"], self.loop, self.pingpong)
        return chosen | {"loop": self.loop, "pingpong": self.pingpong}

    def _frames(self, preset: Preset, still: bool, fps: float) -> int:
        if self.seconds is None:
            return STRIP if still and self.preset == "facespace" else preset.frames
        if not 0 < self.seconds <= 3600:
            raise UsageError(f"--seconds must lie between 0 and 3600; got {self.seconds:g}.")
        return round(self.seconds * fps)


EVENLY = Timing()


@verb("facespace morph [SPACE] (A B [C ...] | --random N | --data SET | --grid ROWSxCOLUMNS) --to FILE")
def morph(
    *paths: Path,
    to: Path,
    timing: Timing = EVENLY,
    source: FaceSource = ANY_FACES,
    lock: Annotated[str, Parameter(name=("--keep",))] = "",
    grid: str | None = None,
    padding: int = 2,
    color: str = "white",
) -> Done:
    """Blend faces into each other: an animation, a grid of animations, or a still.

    Example: facespace morph runs/celeba a.jpg b.jpg --to morph.gif --loop

    Parameters
    ----------
    paths
        A run or a bundle, then two to twelve key faces: photographs, or .npy files of latents (N, D).
    to
        An animation (.gif, .webp, .mp4), a still (.png, .jpg), or .npy for the frames as a uint8 array (N, H, W, C). An .mp4
        needs pip install 'facespace[video]'.
    lock
        Attributes that keep the scores of the first face, with commas between, such as Smiling,Male; their directions come from
        facespace directions. Not with --grid.
    grid
        ROWSxCOLUMNS of an animation: that many morphs side by side, each between two faces of its own, new ones or those of
        --data. Of a still: a row for each pair and a column for each step; or with four faces named, their blends, one in each
        corner.
    padding
        Pixels between the cells of a grid.
    color
        Of the padding: a name such as black, or #rrggbb.
    """
    from facespace.cli.faces import key_latents, open_space

    output = _output(to, padding, color)
    way = timing.way(output.still)
    fps = way.pop("fps")
    space, files = open_space(paths)
    locked = words(lock)
    if grid:
        if locked:
            raise UsageError("--keep applies to one morph; leave out --grid, or --keep.")
        cells = parse_grid(grid, None)
        if files or source.random is not None or source.count is not None:
            return _corners(space, key_latents(space, files, source), cells, way["path"], output)
        if output.still and timing.frames:
            raise UsageError(f"The columns of --grid {grid} are the steps of a still; leave out --frames.")
        return _grid(space, source, cells, way, fps, output)
    return _animation(space, key_latents(space, files, source), source.prior, locked, way, fps, output)


@dataclass(frozen=True)
class Output:
    """The file of a morph, whether it is a still, and the space between the cells of a grid."""

    to: Path
    still: bool
    padding: int
    color: str

    def save(self, frames: "np.ndarray", columns: int, fps: float) -> None:
        """Saves uint8 (N, H, W, C) frames as an array, an image grid or an animation, by the file's ending."""
        from facespace.cli.faces import is_array
        from facespace.image import animation, grids

        if is_array(self.to):
            grids.save_array(frames, self.to)
        elif self.still:
            grids.save_still(grids.grid(frames, columns, gap=self.padding, color=self.color), self.to)
        else:
            animation.save_animation(frames, self.to, fps=fps)


def _output(to: Path, padding: int, color: str) -> Output:
    """Checks what can be checked before any work. Raises UsageError, and FacespaceError for an .mp4 without ffmpeg."""
    from facespace.cli.faces import ARRAY
    from facespace.image import animation, grids

    ending = to.suffix.lower()
    grids.check_ending(to, tuple(dict.fromkeys((*animation.ANIMATIONS, *grids.STILLS, ARRAY))))
    if ending == ".mp4":
        animation.find_ffmpeg()
    if padding < 0:
        raise UsageError(f"--padding is a number of pixels, 0 or more; got {padding}.")
    animation.parse_color(color)
    return Output(to, ending in grids.STILLS and ending not in animation.ANIMATIONS, padding, color)


def _animation(
    space: "FaceSpace",
    keys: "np.ndarray",
    prior: str | None,
    locked: list[str],
    way: dict[str, Any],
    fps: float,
    output: Output,
) -> Done:
    """One morph through all the keys (N, D): an animation, or a row of its frames."""
    from facespace.space import morph_grids

    distance, measure = perceptual(space)
    adjust = space.keeping(locked, keys[0]) if locked else None
    options = {**way, "prior": prior, "distance": distance, "adjust": adjust}
    made = morph_grids.animate(space, keys, **options)
    facts: dict[str, Any] = {"distance": measure, "keys": len(keys), "lock": locked}
    facts |= {"step_ratio": made.step_ratio, "step_ratios": made.step_ratios}
    text = f"through {len(keys)} faces in {output.to}"
    if options.pop("path") == "dense":
        nats = morph_grids.path_log_densities(space, keys, dense=made.latents, **options)
        facts["log_density"] = nats
        text += f"; mean log-density {nats['dense']:,.1f} nats, {nats['spherical']:,.1f} on circles, "
        text += f"{nats['linear']:,.1f} on lines"
    output.save(made.frames, len(made.frames), fps)
    return _done(space, {**way, "prior": prior}, facts, text, fps, output)


def _grid(
    space: "FaceSpace",
    source: FaceSource,
    cells: tuple[int, int],
    way: dict[str, Any],
    fps: float,
    output: Output,
) -> Done:
    """Morphs between each two of the faces: a row of steps each in a still, or one animation of them all."""
    from facespace.cli.faces import some_latents
    from facespace.space import morph_grids

    rows, columns = cells
    way = {**way, "prior": source.prior}
    distance, measure = perceptual(space)
    pairs = rows if output.still else rows * columns
    keys = some_latents(space, source, 2 * pairs)
    if output.still:
        way["frames"] = columns
        steps = {name: value for name, value in way.items() if name != "frames"}
        made = morph_grids.morph_strips(space, keys, columns, distance=distance, **steps)
    else:
        colors = {"padding": output.padding, "color": output.color}
        made = morph_grids.animation_grid(space, keys, rows, columns, distance=distance, **colors, **way)
    output.save(made.frames, columns, fps)
    facts = {"distance": measure, "grid": [rows, columns], "step_ratio": made.step_ratio}
    return _done(space, way, facts, f"of each of {pairs} pairs in {output.to}", fps, output)


def _corners(space: "FaceSpace", keys: "np.ndarray", cells: tuple[int, int], path: str, output: Output) -> Done:
    """Blends of four faces as a still."""
    from facespace.space.face_space import describe
    from facespace.space.morph_grids import corner_blends

    rows, columns = cells
    if len(keys) != 4 or not output.still or path != "linear":
        raise UsageError(
            f"With --grid, four faces named are blended on straight lines in a still (.png, .jpg); got {len(keys)} for "
            f"{output.to} and --path {path}. For a pair in each cell name no faces."
        )
    output.save(corner_blends(space, keys, rows, columns), columns, 0)
    facts = {"to": str(output.to), "keys": 4, "grid": [rows, columns], **describe(space)}
    return Done(facts, f"{rows} × {columns} blends of four faces in {output.to}")


def _done(
    space: "FaceSpace", way: dict[str, Any], facts: dict[str, Any], text: str, fps: float, output: Output
) -> Done:
    from facespace.space.face_space import describe

    seconds = way["frames"] / fps
    duration = "" if output.still else f", {seconds:.1f} s"
    evenness = f"largest step {facts['step_ratio']:.2f} × the mean ({facts['distance']})"
    told = {"to": str(output.to), **way, **facts, "fps": fps, "seconds": seconds, **describe(space)}
    return Done(told, f"{way['frames']} frames{duration}, {text}; {evenness}")


def perceptual(space: "FaceSpace") -> tuple["Distance", str]:
    """A perceptual distance of faces (N, H, W, C) that adds up along a path, and its name: the root of LPIPS where its weights are
    at hand and it takes faces of this size, else the difference of blurred pixels."""
    import numpy as np

    from facespace.evaluation.reconstruction import usable
    from facespace.image.animation import blurred_distance
    from facespace.perception import lpips

    network = None
    if lpips.at_hand():
        network, _ = usable(lpips.open_lpips(), space.decode(np.zeros(space.latent_dim)))
    if network is None:
        return blurred_distance, "difference of blurred pixels"
    # LPIPS sums squared differences, so its root is the length.
    return lambda a, b: np.sqrt(np.maximum(network(a, b), 0)), "root of LPIPS"
