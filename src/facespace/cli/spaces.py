"""Verbs for a trained space: sample, encode, decode. SPACE is a run's folder or a bundle's."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from facespace.cli import sampling
from facespace.cli.app import Done, Facts, verb
from facespace.cli.options import (
    ANY_WORKERS,
    Align,
    Conditions,
    Flag,
    Prior,
    Split,
    WorkersOptions,
    parse_conditions,
    parse_grid,
)
from facespace.cli.outputs import Scale, faces_text, output_file, resumable
from facespace.core.addresses import shown
from facespace.core.console import quoted
from facespace.core.errors import FacespaceError, UsageError

if TYPE_CHECKING:
    from facespace.space.face_space import FaceSpace

Count = Annotated[int | None, Parameter(alias=("-n", "--number"))]


@verb("facespace sample [SPACE] [-n COUNT] [--to FILE]")
def sample(
    space: Path | None = None,
    /,
    *,
    to: Path | None = None,
    count: Count = None,
    grid: str | None = None,
    seed: int = 0,
    temperature: float | None = None,
    prior: Prior = None,
    given: Conditions = (),
    guidance: float | None = None,
    keep: float | None = None,
    plain: Flag = False,
    scale: Scale = None,
    workers: WorkersOptions = ANY_WORKERS,
) -> Done:
    """Generate new faces.

    Example: facespace sample runs/celeba --grid 16x16 --to faces.png

    Parameters
    ----------
    space
        The folder of a run or of one trained model (a bundle).
    to
        The picture (.png, .jpg, .webp), or .npy for a uint8 array (N, H, W, C). [default: samples.png in the
        current folder, or samples-2.png … where that exists]
    count
        How many faces, in a square image grid. [default: 64]
    grid
        ROWSxCOLUMNS of the image grid, in place of a number of faces: 16x16.
    seed
        Random seed. The first faces of many are those of a few.
    temperature
        Scale of the prior's noise: below 1 more typical and less diverse, above 1 less typical. [default: as
        the card of the space says, else 1]
    given
        Condition on an attribute: ATTRIBUTE=yes or no, for a prior that was fitted with attributes (facespace
        fit-prior) or a space that was trained with model.conditions; may be repeated. The others are unknown.
    guidance
        Strength of classifier-free guidance towards --condition: 1 is the conditional prior, 2 to 4 show the
        attribute more clearly, with less diversity. [default: as the card of the space says, else 1]
    keep
        Rejection sampling: draw more faces, and keep this share, those with the highest scores of the
        discriminator that trained the space's decoder. Only for a space that was trained with
        objective.discriminator=projected. [default: 1, all]
    plain
        Draw from the prior as it is: temperature 1, guidance 1, no rejection.
    """
    from facespace.cli.faces import check_still, open_one, save_faces
    from facespace.image.sheets import check_fits, check_scale
    from facespace.space.face_space import space_facts
    from facespace.space.rejection import check_keep
    from facespace.space.shared_work import shared

    check_still(to)
    check_scale(scale)
    conditions = parse_conditions(given)
    asked = sampling.Asked(temperature, guidance, keep, plain)
    asked.check(conditions)
    kept = 1.0 if keep is None else keep
    check_keep(kept)
    cells = parse_grid(grid, count) if grid else None
    columns = cells[1] if cells else None
    total = _total(cells, count)
    opened = open_one(space)
    check_fits(to, (total, *opened.image_shape[1:]), columns, scale=scale)
    score = _discriminator_score(opened) if kept != 1 else None
    draw = asked.settings(opened, prior, conditions)
    with shared(opened, workers.where) as many:
        faces = many.sample(total, seed, draw.temperature, prior, conditions, draw.guidance, kept, score)
    with output_file(to, "samples.png") as file:
        save_faces(faces, file, columns=columns, scale=scale)
    origin = opened.prior_origin(prior)
    facts: Facts = {"to": str(file), "count": total, "grid": cells and list(cells), "seed": seed}
    facts |= {"temperature": draw.temperature, "prior": origin, "conditions": conditions}
    facts |= {"guidance": draw.guidance, "keep": kept, **space_facts(opened)}
    details = _kept_text(kept) + draw.text
    end = "," if details else ""
    text = f"{faces_text(total)} from {origin}{details}{end} in {file}{_prior_text(opened, origin)}"
    return Done(facts, text)


def _kept_text(keep: float) -> str:
    return f", the best {keep:.0%} by the discriminator" if keep != 1 else ""


def _prior_text(space: "FaceSpace", origin: str) -> str:
    """A line that explains the prior, where it needs one, and says how to get a better one."""
    from facespace.report.terms import prior_gloss

    gloss = prior_gloss(origin)
    if not gloss:
        return ""
    if space.card.get("priors"):
        return f"\nThe prior: {gloss}. Others: --prior NAME (facespace card lists them)."
    compared = space.card.get("aggregate_posterior", {}).get("nats", {})
    if len(compared) > 1:
        kinds = ", ".join(compared)
        return f"\nThe prior: {gloss}. Of the priors {kinds} it fits the latents of held-out faces best."
    return (
        f"\nThe prior: {gloss}. No prior is fitted to the encoded faces of this space; one that is gives "
        f"better samples: facespace fit-prior {quoted(space.folder)} --data SET"
    )


def _total(cells: tuple[int, int] | None, count: int | None) -> int:
    if cells:
        return cells[0] * cells[1]
    return 64 if count is None else count


def _discriminator_score(space: "FaceSpace") -> Any:
    from facespace.training.discriminators import load_discriminator

    return load_discriminator(space.folder).score


@verb("facespace encode [SPACE] [IMAGE ... | --data SET] [--to FILE.npy]")
def encode(
    *paths: Path,
    to: Path | None = None,
    align: Align = "auto",
    data: Path | None = None,
    split: Split = "all",
    count: Count = None,
    workers: WorkersOptions = ANY_WORKERS,
) -> Done:
    """Turn photographs, or the faces of a prepared set, into latents: float32 (N, D), posterior means.

    Example: facespace encode runs/celeba me.jpg --to z.npy

    Parameters
    ----------
    paths
        The folder of a run or of one trained model (a bundle), then photographs, or folders of them.
    to
        The .npy file. [default: latents.npy in the current folder, or latents-2.npy … where that exists]
    data
        Encode the faces of a prepared set in place of photographs, in its order. Latents are written as they
        come; the same command continues after an interruption.
    count
        At most this many faces of that set, evenly spaced. [default: all]
    """
    if data is not None:
        return _encode_set(paths, to, data, split, count, workers)
    if workers.where.named or count is not None:
        raise UsageError(
            "--workers, --cluster and --count belong to the faces of a set: name it with --data SET."
        )
    from facespace.cli.keyframes import open_space_of_faces
    from facespace.cli.missing import ARRAY
    from facespace.data.aligned_photos import read_photos
    from facespace.image import grids
    from facespace.space.face_space import space_facts

    if to is not None:
        grids.check_ending(to, (ARRAY,))
    space, photos = open_space_of_faces(paths)
    if not photos:
        raise UsageError("Name at least one photograph to encode.")
    z = space.encode(read_photos(photos, align, space.template))
    with output_file(to, "latents.npy") as file:
        grids.save_array(z, file)
    facts = {"to": str(file), "count": len(z), **space_facts(space)}
    return Done(facts, f"{len(z)} × {z.shape[1]} numbers in {file}")


def _encode_set(
    paths: Sequence[Path],
    to: Path | None,
    data: Path,
    split: str,
    count: int | None,
    workers: WorkersOptions,
) -> Done:
    from facespace.cli.faces import open_one
    from facespace.space.face_space import space_facts
    from facespace.space.set_latents import encode_set

    if len(paths) > 1:
        raise UsageError("Faces come from files or from --data; name one of the two.")
    if to is None:
        raise UsageError("Name the file for the latents of the set: --to latents.npy")
    where = workers.where
    space = open_one(paths[0] if paths else None)
    with resumable(to):
        encoded = encode_set(space, data, to, split=split, count=count, workers=where)
    facts = {"to": str(to), "count": encoded, "set": shown(data), "split": split, **space_facts(space)}
    return Done(facts, f"{encoded:,} × {space.latent_dim} numbers in {to}, in the order of {shown(data)}")


@verb("facespace decode [SPACE] LATENTS.npy [--to FILE]")
def decode(*paths: Path, to: Path | None = None, given: Conditions = (), scale: Scale = None) -> Done:
    """Turn latents into faces.

    Example: facespace decode runs/celeba z.npy --to faces.png

    Parameters
    ----------
    paths
        The folder of a run or of one trained model (a bundle), then a .npy file of latents (N, D).
    to
        The picture (.png, .jpg, .webp), or .npy for a uint8 array (N, H, W, C). [default: decoded.png in the
        current folder, or decoded-2.png … where that exists]
    given
        Of a space with conditions: ATTRIBUTE=1 or yes, ATTRIBUTE=-1 or no; may be repeated. The others are
        unknown.
    """
    from facespace.cli.faces import check_still, open_space, read_array, save_faces
    from facespace.image.sheets import check_fits, check_scale
    from facespace.space.face_space import space_facts

    check_still(to)
    check_scale(scale)
    conditions = parse_conditions(given)
    space, files = open_space(paths)
    if len(files) != 1:
        raise UsageError(f"Name one .npy file of latents to decode; got {len(files)}.")
    latents = read_array(files[0])
    if not len(latents):
        raise FacespaceError(f"{files[0]} holds no latents to decode.")
    check_fits(to, (len(latents), *space.image_shape[1:]), scale=scale)
    faces = space.decode(latents, conditions)
    with output_file(to, "decoded.png") as file:
        save_faces(faces, file, scale=scale)
    facts = {"to": str(file), "count": len(faces), "conditions": conditions, **space_facts(space)}
    return Done(facts, f"{len(faces)} faces in {file}")
