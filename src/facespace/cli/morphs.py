"""Verbs that go between faces: morph, mix. SPACE is a run's folder or a bundle's."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, Flag, verb
from facespace.cli.faces import Keys, parse_term, read_latents
from facespace.cli.filming import Job, parse_way
from facespace.cli.spaces import Count, open_space, parse_grid
from facespace.core.errors import UsageError

Terms = Annotated[tuple[str, ...], Parameter(negative="")]


@verb("facespace morph [SPACE] (A B [C ...] | --random N | --data SET | --grid ROWSxCOLUMNS) --to FILE")
def morph(
    *paths: Path,
    to: Path,
    path: str | None = None,
    pace: str | None = None,
    easing: str | None = None,
    loop: Flag = False,
    pingpong: Flag = False,
    frames: int | None = None,
    seconds: float | None = None,
    fps: float | None = None,
    preset: str = "facespace",
    random: int | None = None,
    data: Path | None = None,
    split: str = "test",
    count: Count | None = None,
    seed: int = 0,
    prior: str | None = None,
    keep: str = "",
    align: Flag = False,
    grid: str | None = None,
    padding: int = 2,
    color: str = "white",
) -> Done:
    """Blend faces into each other: a film, a grid of films, or a still.

    Example: facespace morph runs/celeba a.jpg b.jpg --to morph.gif --loop

    Parameters
    ----------
    paths
        A run or a bundle, then two to twelve key faces: photographs, or .npy files of latents (N, D).
    to
        A film (.gif, .webp, .mp4), a still (.png, .jpg), or .npy for the frames as a uint8 array (N, H, W, C). An .mp4 needs
        pip install 'facespace[video]'.
    path
        linear: straight lines. spherical: great circles about the prior's mean, which keep a face's distance from it. dense:
        such circles bent towards where the prior is denser, to keep to faces as --prior knows them. [default: linear]
    pace
        even: every frame changes the face equally much, by LPIPS where FACESPACE_LPIPS names its weights and else by pixels.
        uniform: equal steps along the path. [default: even]
    easing
        From each key to the next: linear, smooth (slow at the keys), or hold (rests at them). [default: linear]
    loop
        Go back to the first face at the end.
    pingpong
        Go back the way it came.
    frames
        Frames of the whole morph, every key among them; of a still 10. [default: 60]
    seconds
        How long it takes, in place of --frames.
    fps
        Frames a second, 1 to 100. [default: 30]
    preset
        What is not said: facespace, or celebamask-conv for that system's film: 5 s at 30 frames a second, straight lines between
        posterior means, uniform pace.
    random
        Take that many new faces as keys, from --prior, by --seed.
    data
        Take faces of a prepared set as keys, evenly spread over --split; -n says how many.
    split
        Of that set: train, validation, test or all.
    count
        How many faces of that set. [default: 2]
    seed
        Of new faces.
    prior
        A prior that facespace fit-prior left in the bundle, such as flow, or own, the space's own; unset, the one that knows
        unseen faces best.
    keep
        Attributes that stay as they are in the first face, with commas between, such as Smiling,Male; their directions come from
        facespace directions. Not with --grid.
    align
        Find the face in each photograph first, and cut it out as CelebA does.
    grid
        ROWSxCOLUMNS of a film: so many morphs side by side, each between two faces of its own, new ones or those of --data. Of
        a still: a row for each pair and a column for each step; or with four faces named, their blends, one in each corner.
    padding
        Pixels between the cells of a grid.
    color
        Of the padding: a name such as black, or #rrggbb.
    """
    from facespace.cli.pictures import ARRAY
    from facespace.image import animation, grids

    ending = to.suffix.lower()
    grids.check_ending(to, tuple(dict.fromkeys((*animation.ANIMATIONS, *grids.STILLS, ARRAY))))
    if ending == ".mp4":
        animation.find_ffmpeg()
    if padding < 0:
        raise UsageError(f"--padding is a number of pixels, 0 or more; got {padding}.")
    animation.parse_color(color)
    still = ending in grids.STILLS and ending not in animation.ANIMATIONS
    way = parse_way(
        preset, still, path=path, pace=pace, easing=easing, frames=frames, seconds=seconds, fps=fps
    )
    way |= {"loop": loop, "pingpong": pingpong, "prior": prior}
    job = Job(to, way, way.pop("fps"), still, padding, color)
    space, files = open_space(paths)
    keys = Keys(files, align, random, seed, data, split, count)
    kept = [name.strip() for name in keep.split(",") if name.strip()]
    if kept and grid:
        raise UsageError("--keep holds attributes of one morph; leave out --grid, or --keep.")
    if not grid:
        z = keys.latents(space, prior)
        held = {"adjust": space.keeping(kept, z[0])} if kept else {}
        return replace(job, way={**way, **held}).film(space, z)
    rows, columns = parse_grid(grid, None)
    if keys.named:
        return job.corners(space, keys.latents(space, prior), rows, columns)
    if still and frames:
        raise UsageError(f"The columns of --grid {grid} are the steps of a still; leave out --frames.")
    pairs = rows if still else rows * columns
    faces = keys.many(space, prior, 2 * pairs)
    return job.grid(space, faces, rows, columns)


@verb("facespace mix [SPACE] (--plus FACES ... [--minus FACES ...] | --blend FACES ...) --to FILE")
def mix(
    space: Path | None = None,
    /,
    *,
    to: Path,
    plus: Terms = (),
    minus: Terms = (),
    blend: Terms = (),
    prior: str | None = None,
    align: Flag = False,
) -> Done:
    """Add, subtract and average faces.

    Example: facespace mix runs/celeba --plus smiling/ --minus serious/ --plus me.jpg --to smile.png

    FACES is a photograph, a .npy file of latents, a folder of photographs, or several of these with commas between; their mean
    counts as one face. =NUMBER behind it is its weight, 1 unless said: --plus me.jpg=0.5.

    Sums are counted from the prior's mean, the face without qualities: half of a face is less of it, and the difference of two
    groups added to a face is what tells them apart added to it.

    Parameters
    ----------
    space
        A run or a bundle.
    to
        A strip of the faces, as the space keeps them, and of their mix, the last (.png, .jpg, .webp); or .npy for the latent
        (1, D), which decode and morph take.
    plus
        Faces to add; may be repeated.
    minus
        Faces to subtract; may be repeated.
    blend
        Faces to average, in place of sums; weights are divided by their total: --blend a.jpg=0.7 --blend b.jpg=0.3.
    prior
        Whose mean sums are counted from: one that facespace fit-prior left in the bundle, or own; unset, the one that knows unseen faces best.
    align
        Find the face in each photograph first, and cut it out as CelebA does.
    """
    import numpy as np

    from facespace.cli.pictures import check_still, is_array
    from facespace.image import grids
    from facespace.space.face_space import describe

    check_still(to)
    terms = [parse_term(text) for text in (*plus, *minus, *blend)]
    weights = [
        -term.weight if len(plus) <= index < len(plus) + len(minus) else term.weight
        for index, term in enumerate(terms)
    ]
    if blend:
        if plus or minus or min(weights) < 0 or not sum(weights):
            raise UsageError(
                "--blend averages faces: no --plus or --minus beside it, and weights of 0 or more, not all 0."
            )
        weights = [weight / sum(weights) for weight in weights]
    opened, _ = open_space([space] if space else [])
    groups = [read_latents(opened, term.files, align) for term in terms]
    z = opened.mix(list(zip(groups, weights)), prior)[None]
    said = "  ".join(f"{weight:+.4g} × {term.name}" for term, weight in zip(terms, weights))
    if is_array(to):
        grids.save_array(z, to)
    else:
        faces = opened.decode(np.concatenate([*(group.mean(0, keepdims=True) for group in groups), z]))
        grids.save_still(grids.labelled(grids.grid(faces, len(faces)), [said]), to)
    parts = [dict(faces=len(group), weight=weight) for group, weight in zip(groups, weights)]
    return Done({"to": str(to), "terms": parts, **describe(opened)}, f"{said} in {to}")
