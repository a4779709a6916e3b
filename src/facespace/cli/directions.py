"""The verb that fits attribute directions: directions. SPACE is a run's folder or a bundle's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import Align, AlignMode, Split, words
from facespace.cli.terminal import table
from facespace.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from facespace.data.faces import FaceSet
    from facespace.latent.directions import Directions
    from facespace.space.face_space import FaceSpace


@Parameter(name="*")
@dataclass(frozen=True)
class OwnDirection:
    """A direction from two folders of faces.

    Parameters
    ----------
    having
        For a direction of your own: a folder of at least 5 faces with a property.
    lacking
        A folder of at least 5 faces without it.
    name
        The name of the direction, such as squint.
    """

    having: Annotated[Path | None, Parameter(name="--positive")] = None
    lacking: Annotated[Path | None, Parameter(name="--negative")] = None
    name: str = ""

    @property
    def named(self) -> bool:
        """Whether one of the options is given."""
        return any((self.having, self.lacking, self.name))


@Parameter(name="*")
@dataclass(frozen=True)
class Fit:
    """Which directions are fitted to the faces of a set, and how.

    Parameters
    ----------
    attributes
        Names with commas between. [default: all with enough faces with and without]
    method
        decorrelated: the effect of each attribute with all others constant. mean: difference of class means,
        which includes correlated attributes. probe: logistic regression. ridge: a faster linear probe.
    pairs
        Use this many random faces with an attribute and as many without it, such as 10, in place of all.
    components
        Keep this many principal components too, as PC1, PC2 …
    kinds
        ATTRIBUTE=COUNT: cluster the faces with it into that many kinds and fit a direction for each, in place
        of those of attributes. Eyeglasses=2 gives Eyeglasses-clear and Sunglasses.
    paired
        Fit directions to faces without an attribute and the same faces with it drawn on: Eyeglasses,
        Eyeglasses-clear, Eyeglasses-dark, with commas between.
    seed
        Random seed of the faces chosen, the clusters and what is drawn on.
    """

    attributes: str = ""
    method: str = "decorrelated"
    pairs: Annotated[int | None, Parameter(name="--shots")] = None
    components: int = 0
    kinds: str = ""
    paired: str = ""
    seed: int = 0


BY_ATTRIBUTES, FROM_SET = Fit(), OwnDirection()


@verb("facespace directions [SPACE] (--data SET | --positive DIR --negative DIR --name NAME)")
def directions(
    space: Path | None = None,
    /,
    *,
    data: Path | None = None,
    split: Split = "train",
    fit: Fit = BY_ATTRIBUTES,
    own: OwnDirection = FROM_SET,
    align: Align = "auto",
) -> Done:
    """Find the directions along which attributes change, and store them with the space.

    Example: facespace directions runs/celeba --data sets/celeba

    Parameters
    ----------
    space
        The folder of a run or of one trained model (a bundle). Without other options its directions are
        listed.
    data
        A prepared set with attributes; facespace label gives attributes to a set that has none.
    """
    from facespace.cli.faces import open_one

    opened = open_one(space)
    if own.named:
        found, names = _fit_own(opened, own, data, align)
    elif data:
        found, names = _fit_set(opened, data, split, fit)
    elif fit.kinds or fit.paired:
        raise UsageError("--kinds and --paired take the faces of a prepared set: --data SET.")
    else:
        found = opened.directions()
        names = list(found.names)
    places = [found.index(name) for name in names]
    facts = {
        "space": str(opened.folder),
        "directions": {name: dict(found.facts[name]) for name in names},
        "correlation": found.correlation[places][:, places].tolist(),
    }
    return Done(facts, _listing(found, names))


Fitted = tuple["Directions", list[str]]  # all directions of the bundle, and the names of the new ones


def _fit_own(space: "FaceSpace", own: OwnDirection, data: Path | None, align: AlignMode) -> Fitted:
    if own.having is None or own.lacking is None or not own.name or data:
        raise UsageError(
            "A direction of your own takes --positive DIR, --negative DIR and --name NAME, and no --data."
        )
    having, lacking = (_latents_in(space, folder, align) for folder in (own.having, own.lacking))
    return space.add_direction(own.name, having, lacking), [own.name]


def _latents_in(space: "FaceSpace", folder: Path, align: AlignMode) -> "np.ndarray":
    from facespace.cli.faces import files_in, read_latents

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder of photographs. Put at least 5 faces into one, and name it.")
    return read_latents(space, files_in(folder), align, skip_faceless=True)


def _fit_set(space: "FaceSpace", data: Path, split: str, fit: Fit) -> Fitted:
    """Directions of attributes, or of kinds and drawn pairs; then principal components."""
    from facespace.data.faces import FaceSet

    faces = FaceSet(data)
    if fit.kinds or fit.paired:
        found, names = _fit_kinds_and_pairs(space, faces, split, fit)
    else:
        found, names = _fit_attributes(space, faces, split, fit)
    if fit.components:
        found = space.fit_components(faces, fit.components, split)
        names += [f"PC{place}" for place in range(1, fit.components + 1)]
    return found, list(dict.fromkeys(names))


def _fit_attributes(space: "FaceSpace", faces: "FaceSet", split: str, fit: Fit) -> Fitted:
    chosen = words(fit.attributes)
    found = space.fit_directions(faces, chosen, fit.method, fit.pairs, split, fit.seed)
    if chosen:
        return found, chosen
    return found, [name for name in found.names if found.facts[name].get("data") == faces.fingerprint]


def _fit_kinds_and_pairs(space: "FaceSpace", faces: "FaceSet", split: str, fit: Fit) -> Fitted:
    if fit.attributes or fit.pairs:
        raise UsageError("--kinds and --paired fit other directions; leave out --attributes and --shots.")
    found, names = None, []
    if fit.kinds:
        attribute, count = _parse_kinds(fit.kinds)
        found = space.fit_kinds(faces, attribute, count, fit.method, split, fit.seed)
        names += found.names[:count]  # the newest come first
    for attribute in words(fit.paired):
        found = space.fit_paired(faces, attribute, split, fit.seed)
        names.append(attribute)
    if found is None:
        raise UsageError(f"--paired takes names of attributes with commas between; got {fit.paired!r}.")
    return found, names


def _parse_kinds(text: str) -> tuple[str, int]:
    """'Eyeglasses=2' as a name and a count."""
    name, _, count = text.rpartition("=")
    if not name or not count.isdecimal():
        raise UsageError(f"--kinds takes ATTRIBUTE=COUNT, such as Eyeglasses=2; got {text!r}.")
    return name, int(count)


def _listing(found: "Directions", names: Sequence[str]) -> str:
    """A row for each direction: method, numbers of faces, AUC, class gap, and the most correlated other
    direction."""
    rows = [["direction", "method", "yes", "no", "AUC", "gap", "correlates with"]]
    rows += [_row(found, name, names) for name in names]
    notes = (
        "AUC: area under the ROC curve on faces that the directions were not fitted to; 1 separates all, "
        "0.5 is chance.",
        "gap: standard deviations from the mean of the faces without it to the mean of those with it; "
        "--set NAME=1g moves by it.",
        "correlates with: the direction with the highest absolute correlation to this one.",
    )
    return "\n".join([table(rows, right=(2, 3, 4, 5)), "", *notes])


def _row(found: "Directions", name: str, names: Sequence[str]) -> list[str]:
    from facespace.latent.strengths import gap_or_none

    facts = found.facts[name]
    auc, gap = _number(facts.get("auc"), 3), _number(gap_or_none(found, name), 2)
    counts = [str(facts.get("yes", "")), str(facts.get("no", ""))]
    return [name, str(facts.get("method", "")), *counts, auc, gap, _most_correlated(found, name, names)]


def _most_correlated(found: "Directions", name: str, names: Sequence[str]) -> str:
    place, strongest, text = found.index(name), -1.0, ""
    for other in names:
        value = found.correlation[place, found.index(other)]
        if other != name and abs(value) > strongest:
            strongest, text = abs(value), f"{other} {value:+.2f}"
    return text


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
