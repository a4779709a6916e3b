"""The verb for paths between faces: morph. SPACE is a run's folder or a bundle's."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facespace.cli.app import Done, Facts, verb
from facespace.cli.morph_options import EVENLY, MorphPlan, Timing
from facespace.cli.options import ANY_FACES, FaceSource, parse_grid, words
from facespace.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from facespace.space.face_space import FaceSpace


@verb("facespace morph [SPACE] (A B [C ...] | --random N | --data SET | --grid ROWSxCOLUMNS) --to FILE")
def morph(
    *paths: Path,
    to: Path,
    timing: Timing = EVENLY,
    source: FaceSource = ANY_FACES,
    lock: str = "",
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
        An animation (.gif, .webp, .mp4), a still (.png, .jpg), or .npy for the frames as a uint8 array (N, H,
        W, C). An .mp4 needs ffmpeg; facespace doctor says how to install it.
    lock
        Attributes that keep the scores of the first face, with commas between, such as Smiling,Male; their
        directions come from facespace directions. Not with --grid.
    grid
        ROWSxCOLUMNS of an animation: that many morphs side by side, each between two faces of its own, new
        ones or those of --data. Of a still: a row for each pair and a column for each step; or with four
        faces named, their blends, one in each corner.
    padding
        Pixels between the cells of a grid.
    color
        Of the padding: a name such as black, or #rrggbb.
    """
    from facespace.cli.faces import key_latents, open_space

    output = _output(to, timing.rate(), padding, color)
    plan = timing.plan(output.still, source.prior)
    space, files = open_space(paths)
    locked = words(lock)
    if grid:
        if locked:
            raise UsageError("--lock applies to one morph; leave out --grid, or --lock.")
        cells = parse_grid(grid, None)
        if files or source.random is not None or source.count is not None:
            return _corners(space, key_latents(space, files, source), cells, plan.path, output)
        if output.still and timing.frames:
            raise UsageError(f"The columns of --grid {grid} are the steps of a still; leave out --frames.")
        return _grid(space, source, cells, plan, output)
    return _animation(space, key_latents(space, files, source), locked, plan, output)


@dataclass(frozen=True)
class Output:
    """The file of a morph, whether it is a still, its frames a second, and the space between the cells of a
    grid."""

    to: Path
    still: bool
    fps: float
    padding: int
    color: str

    def save(self, frames: "np.ndarray", columns: int) -> None:
        """Saves uint8 (N, H, W, C) frames as an array, an image grid or an animation, by the file's
        ending."""
        from facespace.cli.faces import is_array
        from facespace.image import animation, grids

        if is_array(self.to):
            grids.save_array(frames, self.to)
        elif self.still:
            grids.save_still(grids.grid(frames, columns, gap=self.padding, color=self.color), self.to)
        else:
            animation.save_animation(frames, self.to, fps=self.fps)


def _output(to: Path, fps: float, padding: int, color: str) -> Output:
    """Checks what can be checked before any work. Raises UsageError, and FacespaceError for an .mp4 without
    ffmpeg."""
    from facespace.cli.missing import ARRAY
    from facespace.image import animation, grids

    ending = to.suffix.lower()
    grids.check_ending(to, tuple(dict.fromkeys((*animation.ANIMATIONS, *grids.STILLS, ARRAY))))
    if ending == ".mp4":
        animation.find_ffmpeg()
    if padding < 0:
        raise UsageError(f"--padding is a number of pixels, 0 or more; got {padding}.")
    animation.parse_color(color)
    still = ending in grids.STILLS and ending not in animation.ANIMATIONS
    return Output(to, still, fps, padding, color)


def _animation(
    space: "FaceSpace", keys: "np.ndarray", locked: list[str], plan: MorphPlan, output: Output
) -> Done:
    """One morph through all the keys (N, D): an animation, or a row of its frames."""
    from facespace.space import morph_grids

    distance, measure = morph_grids.perceptual_distance(space)
    options = {"distance": distance, "adjust": space.locked_scores(locked, keys[0]) if locked else None}
    options |= plan._asdict()
    made = morph_grids.animate(space, keys, **options)
    facts: Facts = {"distance": measure, "keys": len(keys), "lock": locked}
    facts |= {"step_ratio": made.step_ratio, "step_ratios": made.step_ratios}
    text = f"through {len(keys)} faces in {output.to}"
    if options.pop("path") == "geodesic":
        nats = morph_grids.path_log_densities(space, keys, dense=made.latents, **options)
        facts["log_density"] = nats
        text += f"; mean log-density {nats['geodesic']:,.1f} nats, {nats['spherical']:,.1f} on circles, "
        text += f"{nats['linear']:,.1f} on lines"
    output.save(made.frames, len(made.frames))
    return _done(space, plan, facts, text, output)


def _grid(
    space: "FaceSpace", source: FaceSource, cells: tuple[int, int], plan: MorphPlan, output: Output
) -> Done:
    """Morphs between each two of the faces: a row of steps each in a still, or one animation of them all."""
    from facespace.cli.faces import some_latents
    from facespace.space import morph_grids

    rows, columns = cells
    distance, measure = morph_grids.perceptual_distance(space)
    pairs = rows if output.still else rows * columns
    keys = some_latents(space, source, 2 * pairs)
    if output.still:
        plan = plan._replace(frames=columns)
        made = morph_grids.morph_strips(space, keys, distance=distance, **plan._asdict())
    else:
        options = {"padding": output.padding, "color": output.color, "distance": distance, **plan._asdict()}
        made = morph_grids.animation_grid(space, keys, rows, columns, **options)
    output.save(made.frames, columns)
    facts = {"distance": measure, "grid": [rows, columns], "step_ratio": made.step_ratio}
    return _done(space, plan, facts, f"of each of {pairs} pairs in {output.to}", output)


def _corners(
    space: "FaceSpace", keys: "np.ndarray", cells: tuple[int, int], path: str, output: Output
) -> Done:
    """Blends of four faces as a still."""
    from facespace.space.face_space import space_facts
    from facespace.space.morph_grids import corner_blends

    rows, columns = cells
    if len(keys) != 4 or not output.still or path != "linear":
        raise UsageError(
            "With --grid, four faces named are blended on straight lines in a still (.png, .jpg); got "
            f"{len(keys)} for {output.to} and --path {path}. For a pair in each cell name no faces."
        )
    output.save(corner_blends(space, keys, rows, columns), columns)
    facts = {"to": str(output.to), "keys": 4, "grid": [rows, columns], **space_facts(space)}
    return Done(facts, f"{rows} × {columns} blends of four faces in {output.to}")


def _done(space: "FaceSpace", plan: MorphPlan, facts: Facts, text: str, output: Output) -> Done:
    from facespace.space.face_space import space_facts

    seconds = plan.frames / output.fps
    duration = "" if output.still else f", {seconds:.1f} s"
    evenness = f"largest step {facts['step_ratio']:.2f} × the mean ({facts['distance']})"
    made = {"to": str(output.to), **plan._asdict(), **facts, "fps": output.fps, "seconds": seconds}
    return Done({**made, **space_facts(space)}, f"{plan.frames} frames{duration}, {text}; {evenness}")
