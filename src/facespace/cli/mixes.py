"""The verb for sums and means of faces: mix. SPACE is a run's folder or a bundle's."""

from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import Align, Prior
from facespace.cli.outputs import Scale, output_file
from facespace.core.errors import UsageError

Terms = Annotated[tuple[str, ...], Parameter(negative="")]


@verb("facespace mix [SPACE] (--plus FACES ... [--minus FACES ...] | --blend FACES ...) [--to FILE]")
def mix(
    space: Path | None = None,
    /,
    *,
    to: Path | None = None,
    plus: Terms = (),
    minus: Terms = (),
    blend: Terms = (),
    prior: Prior = None,
    align: Align = "auto",
    scale: Scale = None,
) -> Done:
    """Add, subtract and average faces.

    Example: facespace mix runs/celeba --plus smiling/ --minus serious/ --plus me.jpg --to smile.png

    FACES is a photograph, a .npy file of latents, a folder of photographs, or several of these with commas
    between; their mean counts as one face. =NUMBER behind it is its weight, 1 by default: --plus me.jpg=0.5.

    Latents are differences from the prior's mean: half of a face is nearer to the mean face, and a face plus
    the difference of two groups has what distinguishes the groups.

    Parameters
    ----------
    space
        The folder of a run or of one trained model (a bundle).
    to
        A strip of the terms' faces, as the space reconstructs them, and of their mix, the last (.png, .jpg,
        .webp); or .npy for the latent (1, D), which decode and morph take. [default: mixed.png in the current
        folder, or mixed-2.png … where that exists]
    plus
        Faces to add; may be repeated.
    minus
        Faces to subtract; may be repeated.
    blend
        Faces to average, in place of sums; weights are divided by their total: --blend a.jpg=0.7 --blend
        b.jpg=0.3.
    """
    from facespace.cli.faces import check_still, is_array, open_one, read_latents
    from facespace.image import grids, sheets
    from facespace.space.face_space import space_facts
    from facespace.space.morph_grids import mix_strip

    check_still(to)
    sheets.check_scale(scale)
    terms = _weighted(plus, minus, blend)
    opened = open_one(space)
    groups = [(read_latents(opened, term.files, align, term.folder), term.weight) for term in terms]
    mixed = mix_strip(opened, groups, prior)
    captions = [f"{term.weight:+.4g} × {term.name}" for term in terms]
    with output_file(to, "mixed.png") as file:
        if is_array(file):
            grids.save_array(mixed.latent, file)
        else:
            labels = sheets.Labels(captions=[*captions, "mix"])
            grids.save_still(sheets.sheet(mixed.faces, len(mixed.faces), labels, scale=scale), file)
    parts = []
    for group, weight in groups:
        parts.append({"faces": len(group), "weight": weight})
    text = f"{'  '.join(captions)} in {file}"
    return Done({"to": str(file), "terms": parts, **space_facts(opened)}, text)


class Term(NamedTuple):
    """Files of faces whose mean counts as one face, and its weight."""

    name: str
    files: list[Path]
    weight: float
    folder: bool = False  # photographs of a folder, of which those without a face are left out


def _weighted(plus: Terms, minus: Terms, blend: Terms) -> list[Term]:
    """The terms of a mix: --minus with negative weights, --blend with weights that add up to 1."""
    if blend and (plus or minus):
        raise UsageError(BLEND)
    if blend:
        return _normalized(list(map(parse_term, blend)))
    terms = list(map(parse_term, plus))
    for term in map(parse_term, minus):
        terms.append(term._replace(weight=-term.weight))
    return terms


def _normalized(terms: list[Term]) -> list[Term]:
    weights = [term.weight for term in terms]
    total = sum(weights)
    if min(weights) < 0 or not total:
        raise UsageError(BLEND)
    return [term._replace(weight=term.weight / total) for term in terms]


BLEND = "--blend averages faces: no --plus or --minus beside it, and weights of 0 or more, not all 0."


def parse_term(text: str) -> Term:
    """'a.jpg', 'a.jpg,b.jpg=0.5' or 'folder=2' as a term; an existing file or folder of that whole name has
    priority."""
    from facespace.cli.faces import files_in

    name, weight = _name_and_weight(text)
    parts = [name] if Path(name).exists() else [part for part in name.split(",") if part]
    files = []
    for part in parts:
        files += files_in(Path(part))
    folder = any(Path(part).is_dir() for part in parts)
    return Term(", ".join(Path(part).name for part in parts), files, weight, folder)


def _name_and_weight(text: str) -> tuple[str, float]:
    name, _, number = text.rpartition("=")
    if not name or Path(text).exists():
        return text, 1.0
    try:
        return name, float(number)
    except ValueError:
        return text, 1.0
