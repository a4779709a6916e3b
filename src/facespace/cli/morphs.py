"""The verb for paths between faces: morph. SPACE is a run's folder or a bundle's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facespace.cli.app import Done, Facts, verb
from facespace.cli.morph_options import EVENLY, MorphPlan, Timing
from facespace.cli.options import ANY_FACES, ANY_WORKERS, FaceSource, WorkersOptions, parse_grid, words
from facespace.cli.outputs import Scale
from facespace.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from facespace.cli.keyframes import Keyframes
    from facespace.space.face_space import FaceSpace
    from facespace.space.film import Film

DEFAULT = "morph.gif"
LARGE = 20  # MB of a GIF from which on a note suggests another file


@verb(
    "facespace morph [SPACE] [A B ... | FOLDER | --random N | --data SET | --grid ROWSxCOLUMNS] [--to FILE]"
)
def morph(
    *paths: Path,
    to: Path | None = None,
    timing: Timing = EVENLY,
    source: FaceSource = ANY_FACES,
    lock: str = "",
    grid: str | None = None,
    padding: int = 2,
    color: str = "white",
    scale: Scale = None,
    workers: WorkersOptions = ANY_WORKERS,
) -> Done:
    """Blend faces into each other: an animation, a grid of animations, or a still.

    Example: facespace morph runs/celeba a.jpg b.jpg --to morph.gif --loop

    Parameters
    ----------
    paths
        The folder of a run or of one trained model (a bundle), then two or more key faces: photographs,
        folders of them, or .npy files of latents (N, D). Pictures without a face are left out. Without any,
        four random faces of --seed, drawn at temperature 0.7.
    to
        An animation (.gif, .webp, .mp4), a still (.png, .jpg), or .npy for the frames as a uint8 array (N, H,
        W, C). An .mp4 needs ffmpeg; facespace doctor says how to install it. [default: morph.gif in the
        current folder, or morph-2.gif … where that exists]
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
    scale
        Enlarge each frame by this whole number; 1 writes the pixels as the space decodes them. [default:
        frames of 256 px; faces of a still as those of sample]
    """
    from facespace.cli.keyframes import open_space_of_faces
    from facespace.space.shared_work import shared

    output = _output(to, timing.rate(), padding, color, scale)
    timing.plan(output.still, source.prior)
    space, files = open_space_of_faces(paths)
    with shared(space, workers.where) as many:
        return _morph(many, files, timing, source, words(lock), grid, output)


def _morph(
    space: "FaceSpace",
    files: Sequence[Path],
    timing: Timing,
    source: FaceSource,
    locked: list[str],
    grid: str | None,
    output: "Output",
) -> Done:
    from facespace.cli.faces import key_latents
    from facespace.cli.keyframes import find_keyframes

    if not grid:
        keys = find_keyframes(space, files, source)
        keys = keys.ordered(timing.order, source.seed, timing.loop)
        return _animation(space, keys, locked, timing, source, output)
    if locked:
        raise UsageError("--lock applies to one morph; leave out --grid, or --lock.")
    cells, plan = parse_grid(grid, None), timing.plan(output.still, source.prior)
    plan = plan.with_path_of(space)
    if files or source.random is not None or source.count is not None:
        return _corners(space, key_latents(space, files, source), cells, timing.path, output)
    if output.still and timing.frames:
        raise UsageError(f"The columns of --grid {grid} are the steps of a still; leave out --frames.")
    return _grid(space, source, cells, plan, output)


@dataclass(frozen=True)
class Output:
    """The file of a morph (None: a new one), whether it is a still, its frames a second, the space between
    the cells of a grid, and how many times faces are enlarged."""

    to: Path | None
    still: bool
    fps: float
    padding: int
    color: str
    scale: int | None

    def save(self, frames: "np.ndarray | Film", columns: int) -> Facts:
        """Saves uint8 (N, H, W, C) frames as an array, an image grid or an animation, by the file's ending;
        the file and its size as facts."""
        from facespace.cli.faces import is_array
        from facespace.cli.outputs import output_file
        from facespace.image import animation, grids, sheets

        timed = None
        with output_file(self.to, DEFAULT) as to:
            if is_array(to):
                grids.save_array(frames[:], to)
            elif self.still:
                sheet = sheets.sheet(frames[:], columns, gap=self.padding, color=self.color, scale=self.scale)
                grids.save_still(sheet, to)
            else:
                timed = animation.save_animation(frames, to, fps=self.fps, scale=self.scale)
        facts: Facts = {"to": str(to), "bytes": to.stat().st_size}
        if timed:
            facts |= {"seconds": round(timed.seconds, 3), "frames_shown": len(timed.shown)}
        return facts

    def check(self, shape: "tuple[int, ...]", columns: int) -> None:
        """Raises UsageError, before frames (N, H, W, C) are rendered, for more pixels than the format has."""
        from facespace.image import animation, sheets

        to = self.to or Path(DEFAULT)
        if self.still:
            count, height, width = shape[:3]
            sheets.check_fits(to, (count, height, width), columns, scale=self.scale, gap=self.padding)
        elif to.suffix.lower() in animation.ANIMATIONS:
            animation.check_animation(shape, to, self.scale)

    def warn(self, shape: "tuple[int, ...]") -> None:
        """A note before a GIF of frames (N, H, W, C) that will be large."""
        from facespace.core.console import note
        from facespace.image import animation

        if self.still or (self.to or Path(DEFAULT)).suffix.lower() != ".gif":
            return
        size = animation.gif_megabytes(shape[0], shape[1], shape[2], self.scale)
        if size > LARGE:
            note(
                f"{shape[0]:,} frames make a GIF of about {size:,.0f} MB; an MP4 is some twenty times "
                "smaller: --to morph.mp4"
            )


def _output(to: Path | None, fps: float, padding: int, color: str, scale: int | None) -> Output:
    """Checks what can be checked before any work. Raises UsageError, and FacespaceError for an .mp4 without
    ffmpeg."""
    from facespace.cli.missing import ARRAY
    from facespace.image import animation, grids, sheets

    ending = (to or Path(DEFAULT)).suffix.lower()
    if to:
        grids.check_ending(to, tuple(dict.fromkeys((*animation.ANIMATIONS, *grids.STILLS, ARRAY))))
    if ending == ".mp4":
        animation.find_ffmpeg()
    if padding < 0:
        raise UsageError(f"--padding is a number of pixels, 0 or more; got {padding}.")
    animation.parse_color(color)
    sheets.check_scale(scale)
    still = ending in grids.STILLS and ending not in animation.ANIMATIONS
    return Output(to, still, fps, padding, color, scale)


def _animation(
    space: "FaceSpace",
    keys: "Keyframes",
    locked: list[str],
    timing: Timing,
    source: FaceSource,
    output: Output,
) -> Done:
    """One morph through all the keys: an animation, or a row of its frames."""
    from facespace.space import morph_grids

    plan = timing.plan(output.still, source.prior, len(keys.latents))
    plan = plan.with_path_of(space)
    output.check((plan.frames, *space.image_shape[1:]), plan.frames)
    distance, measure = morph_grids.perceptual_distance(space)
    z = keys.latents
    options: dict[str, Any] = {"distance": distance, **plan._asdict()}
    options["adjust"] = space.locked_scores(locked, z[0]) if locked else None
    made = morph_grids.film(space, z, **options)
    output.warn(made.shape)
    facts: Facts = {**output.save(made, len(made.latents)), "distance": measure}
    facts |= {"keys": len(z), "lock": locked, "order": timing.order}
    facts |= {"faces": keys.names, "skipped": keys.skipped}
    facts |= {"step_ratio": made.step_ratio, "step_ratios": made.step_ratios(plan.pace)}
    text = f"through {keys.text}"
    options.pop("path")
    if timing.path == "geodesic":
        nats = morph_grids.path_log_densities(space, z, dense=made.latents, **options)
        facts["log_density"] = nats
        text += f"; mean log-density {nats['geodesic']:,.1f} nats, {nats['spherical']:,.1f} on circles, "
        text += f"{nats['linear']:,.1f} on lines"
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
    if output.still:
        output.check((rows * columns, *space.image_shape[1:]), columns)
    keys = some_latents(space, source, 2 * pairs)
    if output.still:
        plan = plan._replace(frames=columns)
        made = morph_grids.morph_strips(space, keys, distance=distance, **plan._asdict())
    else:
        options = {"padding": output.padding, "color": output.color, "distance": distance, **plan._asdict()}
        made = morph_grids.animation_grid(space, keys, rows, columns, **options)
        output.warn(made.frames.shape)
    facts = {**output.save(made.frames, columns), "distance": measure, "grid": [rows, columns]}
    facts["step_ratio"] = made.step_ratio
    return _done(space, plan, facts, f"of each of {pairs} pairs", output)


def _corners(
    space: "FaceSpace", keys: "np.ndarray", cells: tuple[int, int], path: str | None, output: Output
) -> Done:
    """Blends of four faces as a still."""
    from facespace.space.face_space import space_facts
    from facespace.space.morph_grids import corner_blends

    rows, columns = cells
    if len(keys) != 4 or not output.still or path not in (None, "linear"):
        raise UsageError(
            "With --grid, four faces named are blended on straight lines in a still (.png, .jpg); got "
            f"{len(keys)} for {output.to or DEFAULT} and --path {path or 'linear'}. For a pair in each cell "
            "name no faces."
        )
    output.check((rows * columns, *space.image_shape[1:]), columns)
    saved = output.save(corner_blends(space, keys, rows, columns), columns)
    facts = {**saved, "keys": 4, "grid": [rows, columns], **space_facts(space)}
    return Done(facts, f"{rows} × {columns} blends of four faces in {saved['to']}")


def _done(space: "FaceSpace", plan: MorphPlan, facts: Facts, text: str, output: Output) -> Done:
    from facespace.space.face_space import space_facts

    seconds = facts.get("seconds", plan.frames / output.fps)
    duration = "" if output.still else f", {seconds:.1f} s"
    shown = facts.get("frames_shown", plan.frames)
    if shown < plan.frames:
        duration += f" ({shown} of them shown: browsers play more than 50 a second slowly)"
    size = f"{facts['to']} ({facts['bytes'] / 1e6:.1f} MB)"
    said = [f"{plan.frames} frames{duration}, {text}, path {plan.path}, in {size}."]
    said.append(
        f"The largest change from one frame to the next is {facts['step_ratio']:.2f} times the mean change "
        f"(1 is perfectly even; {facts['distance']})."
    )
    made = {**plan._asdict(), "fps": output.fps, "seconds": seconds, **facts}
    return Done({**made, **space_facts(space)}, "\n".join(said))
