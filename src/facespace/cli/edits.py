"""Verbs that change attributes of faces: directions, edit, scorecard. SPACE is a run's folder or a bundle's."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, Flag, verb
from facespace.cli.faces import Keys, read_latents
from facespace.cli.spaces import Count, open_space
from facespace.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from facespace.latent.directions import Directions

Edits = Annotated[tuple[str, ...], Parameter(name="--set", negative="")]
Folder = Annotated[Path | None, Parameter(negative="")]


@verb("facespace directions [SPACE] (--data SET | --with DIR --without DIR --name NAME)")
def directions(
    space: Path | None = None,
    /,
    *,
    data: Path | None = None,
    attributes: str = "",
    method: str = "decorrelated",
    pairs: int | None = None,
    components: int = 0,
    kinds: str = "",
    paired: str = "",
    split: str = "train",
    seed: int = 0,
    having: Annotated[Path | None, Parameter(name="--with")] = None,
    lacking: Annotated[Path | None, Parameter(name="--without")] = None,
    name: str = "",
    align: Flag = False,
) -> Done:
    """Find the directions along which attributes change, and keep them in the bundle.

    Example: facespace directions runs/celeba --data sets/celeba

    Parameters
    ----------
    space
        A run or a bundle. With nothing else said, its directions are listed.
    data
        A prepared set with attributes; facespace label gives attributes to a set that has none.
    attributes
        Names with commas between. [default: all that enough faces have and lack]
    method
        decorrelated: what each adds where all the others stay. mean: difference of class means, which drags along what goes with
        it. probe: logistic regression. ridge: the same in less time.
    pairs
        Use so many random faces that have an attribute and so many that lack it, such as 10, in place of all.
    components
        Keep so many principal components too, as PC1, PC2 …
    kinds
        ATTRIBUTE=COUNT: cluster the faces with it into so many kinds and find a direction for each, in place of those of attributes.
        Eyeglasses=2 gives Eyeglasses-clear and Eyeglasses-dark.
    paired
        Find directions from faces without an attribute and the same faces with it drawn on: Eyeglasses, Eyeglasses-clear,
        Eyeglasses-dark, with commas between.
    split
        Of that set: train, validation, test or all.
    seed
        Of the random faces, the clusters and what is drawn.
    having
        Of a direction of your own: a folder of at least 5 faces that have something.
    lacking
        A folder of at least 5 faces that lack it.
    name
        What it is called, such as squint.
    align
        Find the face in each of those photographs first, and cut it out as CelebA does.
    """
    opened, _ = open_space([space] if space else [])
    own = (having, lacking, name)
    if any(own):
        if having is None or lacking is None or not name or data:
            raise UsageError(
                "A direction of your own takes --with DIR, --without DIR and --name NAME, and no --data."
            )
        groups = [_folder(opened, folder, align) for folder in (having, lacking)]
        found, new = opened.add_direction(name, *groups), [name]
    elif data:
        from facespace.data.faces import FaceSet

        faces = FaceSet(data)
        if (kinds or paired) and (attributes or pairs):
            raise UsageError(
                "--kinds and --paired find directions of their own; leave out --attributes and --pairs."
            )
        asked = [part.strip() for part in attributes.split(",") if part.strip()]
        drawn = [part.strip() for part in paired.split(",") if part.strip()]
        new, found = [], None
        if kinds:
            name, count = _kinds(kinds)
            found = opened.fit_kinds(faces, name, count, method, split, seed)
            new += list(found.names[:count])  # the newest come first
        for one in drawn:
            found = opened.fit_paired(faces, one, split, seed)
            new.append(one)
        if found is None:
            found = opened.fit_directions(faces, asked, method, pairs, split, seed)
            known = [one for one in found.names if found.facts[one].get("data") == faces.fingerprint]
            new = asked or known
        new = list(dict.fromkeys(new))
        if components:
            found = opened.fit_components(faces, components, split)
            new += [f"PC{place}" for place in range(1, components + 1)]
    elif kinds or paired:
        raise UsageError("--kinds and --paired take the faces of a prepared set: --data SET.")
    else:
        found = opened.directions()
        new = list(found.names)
    facts = {one: dict(found.facts[one]) for one in new}
    places = [found.place(one) for one in new]
    result = {
        "space": str(opened.folder),
        "directions": facts,
        "correlation": found.correlation[places][:, places].tolist(),
    }
    return Done(result, _table(found, new))


def _kinds(text: str) -> tuple[str, int]:
    """'Eyeglasses=2' as a name and a count."""
    name, _, count = text.rpartition("=")
    if not name or not count.isdecimal():
        raise UsageError(f"--kinds takes ATTRIBUTE=COUNT, such as Eyeglasses=2; got {text!r}.")
    return name, int(count)


def _folder(space, folder: Path, align: bool) -> "np.ndarray":
    from facespace.cli.faces import files_in

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder of photographs. Put at least 5 faces into one, and name it.")
    return read_latents(space, files_in(folder), align)


def _table(found: "Directions", names: Sequence[str]) -> str:
    """A row for each direction: how it was found, from how many faces, how well it tells, and what it goes with most."""
    from facespace.latent.strengths import gap_or_none

    correlation, lines = (
        found.correlation,
        [f"{'direction':<22}{'method':<14}{'yes':>7}{'no':>7}{'AUC':>7}{'gap':>6}  goes with"],
    )
    for name in names:
        facts, place = found.facts[name], found.place(name)
        near = [other for other in names if other != name]
        most = max(near, key=lambda other: abs(correlation[place, found.place(other)]), default=None)
        with_it = f"{most} {correlation[place, found.place(most)]:+.2f}" if most else ""
        auc, gap = facts.get("auc"), gap_or_none(found, name)
        lines.append(
            f"{name:<22}{facts['method']:<14}{facts.get('yes', ''):>7}{facts.get('no', ''):>7}"
            f"{_number(auc, 3):>7}{_number(gap, 2):>6}  {with_it}"
        )
    lines += [
        "",
        "AUC: on faces that the directions were not found in; 1 tells always, 0.5 never.",
        "gap: standard deviations from the mean of the faces without it to the mean of those with it; --set NAME=1g moves by it.",
    ]
    return "\n".join(lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


@verb(
    "facespace edit [SPACE] (PHOTO ... | LATENTS.npy | --random N | --data SET) --set NAME=STRENGTH --to FILE"
)
def edit(
    *paths: Path,
    to: Path,
    edits: Edits = (),
    lock: str = "",
    strip: str = "",
    grid: str = "",
    keep_detail: Flag = False,
    refine: int = 0,
    judge: Path | None = None,
    align: Flag = False,
    random: int | None = None,
    data: Path | None = None,
    split: str = "test",
    count: Count | None = None,
    seed: int = 0,
    prior: str | None = None,
) -> Done:
    """Change attributes of faces, and hold others still.

    Example: facespace edit runs/celeba me.jpg --align --set Smiling=on --set Eyeglasses=-1 --lock Male,Young --to out.png

    Parameters
    ----------
    paths
        A run or a bundle, then photographs or .npy files of latents.
    to
        The picture: originals, what the space keeps of them, and the edits (.png, .jpg, .webp); or .npy for the edited latents
        (N, D), which decode and morph take.
    edits
        NAME=STRENGTH in standard deviations, such as Smiling=2 or Eyeglasses=-1; may be repeated. NAME=1g: in class gaps, the way
        from the mean of the faces without it to the mean of those with it. NAME=0.5d: that share of the difference of class means. NAME=on or off: as far as each face needs, until an attribute network sees it.
    lock
        What stays as it is: names with commas between, or all for every other attribute. Strengths are held by least squares, on
        and off by what the network sees.
    strip
        FROM:TO:STEPS of the first attribute, such as -3:3:7, or 0g:1.5g:7 in class gaps: a row for each face.
    grid
        Two attributes, such as Smiling,Eyeglasses: a square of one face over both, from -3 to 3 or as --strip says.
    keep_detail
        Add what the space loses of each photograph to its edit: sharper, with ghosts where the edit is strong.
    refine
        Improve latents of photographs by so many steps of optimisation, such as 50; the gain is printed.
    judge
        The attribute network that says when an attribute is on: a folder of train-attributes. [default: the one that comes along]
    align
        Find the face in each photograph first, and cut it out as CelebA does.
    random
        Take that many new faces, from --prior, by --seed.
    data
        Take faces of a prepared set, evenly spread over --split; -n says how many.
    split
        Of that set: train, validation, test or all.
    count
        How many faces of that set. [default: 8]
    seed
        Of new faces.
    prior
        A prior that facespace fit-prior left in the bundle, such as mixture.
    """
    from facespace.cli.editing import Job
    from facespace.cli.pictures import check_still

    check_still(to)
    if not edits and not strip and not grid:
        raise UsageError(
            "Say what to change: --set Smiling=2, --set Smiling=on, --strip -3:3:7 or --grid Smiling,Eyeglasses."
        )
    space, files = open_space(paths)
    keys = Keys(files, align, random, seed, data, split, 8 if data and count is None else count)
    job = Job(space, keys, to, lock, judge, keep_detail, refine, prior)
    if grid:
        return job.square(edits, grid, strip or "-3:3:5")
    return job.strips(edits, strip) if strip else job.edits(edits)


@verb("facespace scorecard [SPACE] --data SET --to DIR")
def scorecard(
    space: Path | None = None,
    /,
    *,
    data: Path,
    to: Path,
    split: str = "test",
    attributes: str = "",
    count: int = 40,
    scorer: Path | None = None,
    identity: Path | None = None,
    lpips: Path | None = None,
    seed: int = 0,
    strengths: str = "",
    force: Flag = False,
) -> Done:
    """Say how well attributes can be edited in a space, and what else that changes: all methods side by side.

    Example: facespace scorecard runs/celeba --data sets/celeba --to scorecard

    Parameters
    ----------
    space
        A run or a bundle.
    data
        A prepared set with attributes, cut like the faces that the space learned; directions are found in its training faces.
    to
        The folder to make: scorecard.json, report.html, table.md.
    split
        The faces that are edited: train, validation, test or all.
    attributes
        Names with commas between. [default: twelve of CelebA's, as far as the set and the scorer know them]
    count
        At most this many faces an attribute.
    scorer
        The attribute network that judges: a folder of train-attributes. [default: a second one that comes along]
    identity
        An ArcFace network in ONNX format (needs onnxruntime), else what FACESPACE_IDENTITY names.
    lpips
        LPIPS weights, else what FACESPACE_LPIPS names.
    seed
        Of random choices.
    strengths
        Of edits along directions, rising, with commas between: in standard deviations, or in class gaps such as 0.5g,1g,1.5g,2g.
        [default: 0.5,1,1.5,2,3,4,6]
    force
        Replace an older edit benchmark.
    """
    from facespace.evaluation.edit_benchmark import benchmark_edits

    facts = benchmark_edits(
        space,
        data,
        to,
        split=split,
        attributes=[name.strip() for name in attributes.split(",") if name.strip()],
        count=count,
        scorer=scorer,
        identity=identity,
        lpips=lpips,
        seed=seed,
        strengths=[part.strip() for part in strengths.split(",") if part.strip()],
        force=force,
    )
    text = facts.pop("text")
    return Done(facts, f"{text}\n\nThe page to read is {facts['page']}.")
