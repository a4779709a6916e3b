"""Options that several verbs share, each with its help written once, and the parsers of their texts. Opens no
file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from facespace.core.errors import UsageError
from facespace.workers.where import Workers

Flag = Annotated[bool, Parameter(negative="")]  # on or absent; there is no --no-…
Force = Annotated[bool, Parameter(negative="", help="Replace an older result in that folder.")]
ForceSet = Annotated[
    bool, Parameter(negative="", help="Replace a prepared set that is already in that folder.")
]
AlignMode = Literal["auto", "yes", "no"]
ALIGN_HELP = (
    "Photographs whose largest face is moved to its place in CelebA's template: auto, those whose face does "
    "not lie in the crop of the space already; yes, all (--align alone means yes); no, none."
)
Align = Annotated[AlignMode, Parameter(help=ALIGN_HELP)]
# What --align takes, and its current name. A word that follows --align and is none of these is an argument of
# its own, so that `--align me.jpg` and `--align --set …` mean --align=yes.
ALIGN_WORDS = {"auto": "auto", "yes": "yes", "no": "no", "true": "yes", "false": "no"}
Split = Annotated[str, Parameter(help="Of that set: train, validation, test or all.")]
Prior = Annotated[
    str | None,
    Parameter(
        help="A fitted prior of the space (flow, mixture or normal; see facespace fit-prior), or model: "
        "the model's own. [default: the fitted prior with the highest held-out likelihood]"
    ),
]
Settings = Annotated[tuple[str, ...], Parameter(name="--set", negative="")]
Conditions = Annotated[tuple[str, ...], Parameter(name="--condition", negative="")]


@Parameter(name="*")
@dataclass(frozen=True)
class SetFaces:
    """The faces of a prepared set that a verb measures.

    Parameters
    ----------
    data
        A folder that facespace prepare made, or the address of one such as s3://BUCKET/SET, with the crop
        that the space was trained on.
    split
        Of that set: train, validation, test or all.
    count
        At most this many faces, evenly spaced. [default: all for evaluate, 1000 for compare, 2000 for
        analyze, 40 an attribute for benchmark-edits]
    """

    data: Path
    split: str = "test"
    count: int | None = None

    def limit(self, default: int) -> int:
        """The number of faces, or the default of the verb."""
        return default if self.count is None else self.count


@Parameter(name="*")
@dataclass(frozen=True)
class Photos:
    """Photographs, or the faces of a prepared set in their place.

    Parameters
    ----------
    align
        Photographs whose largest face is moved to its place in CelebA's template: auto, those whose face does
        not lie in the crop of the space already; yes, all (--align alone means yes); no, none.
    data
        Use faces of a prepared set, evenly spaced over --split, in place of files.
    split
        Of that set: train, validation, test or all.
    count
        Number of faces of that set. [default: 2 for morph, 8 for edit, 32 for reconstruct]
    """

    align: AlignMode = "auto"
    data: Path | None = None
    split: str = "test"
    count: Annotated[int | None, Parameter(alias=("-n", "--number"))] = None


@Parameter(name="*")
@dataclass(frozen=True)
class FaceSource(Photos):
    """Photographs and latents, faces of a prepared set, or new faces.

    Parameters
    ----------
    random
        Use this many new faces, drawn from --prior with --seed, in place of files.
    seed
        Random seed of new faces.
    prior
        A fitted prior of the space (flow, mixture or normal; see facespace fit-prior), or model: the
        model's own. [default: the fitted prior with the highest held-out likelihood]
    """

    random: int | None = None
    seed: int = 0
    prior: str | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class WorkersOptions:
    """Where the work runs.

    Parameters
    ----------
    workers
        Processes of this machine that share the work. [default: one for each core for prepare, else this
        process alone]
    cluster
        A Dask cluster in place of --workers: local or local:N, started for this command, or the address of
        a running scheduler such as tcp://HOST:8786; needs the extra cluster.
    """

    workers: int | None = None
    cluster: str | None = None

    @property
    def where(self) -> Workers:
        """The same, checked. Raises UsageError."""
        return Workers(self.workers, self.cluster)


ANY_WORKERS = WorkersOptions()
ANY_FACES = FaceSource()
ANY_PHOTOS = Photos()


def complete_align(tokens: Sequence[str]) -> list[str]:
    """The words of a command line with a value in every --align: a bare one means yes, whatever follows."""
    completed: list[str] = []
    bare = False  # whether the word before is an --align without a value
    for place, word in enumerate(tokens):
        if bare:
            mode = ALIGN_WORDS.get(word)
            completed.append(f"--align={mode or 'yes'}")
            bare = False
            if mode:
                continue
        if word == "--":
            return [*completed, *tokens[place:]]
        name, equals, value = word.partition("=")
        if name == "--align" and equals:
            completed.append(f"--align={ALIGN_WORDS.get(value, value)}")
        elif name == "--align":
            bare = True
        else:
            completed.append(word)
    return [*completed, "--align=yes"] if bare else completed


def words(text: str) -> list[str]:
    """'a, b' as ['a', 'b']; an empty text as []."""
    return [word.strip() for word in text.split(",") if word.strip()]


def optional_words(text: str | None) -> list[str] | None:
    """The same; None stays None."""
    return None if text is None else words(text)


def parse_grid(grid: str, count: int | None) -> tuple[int, int]:
    """'16x8' as (rows, columns). Raises UsageError for another text, and where `count` is given too."""
    rows, _, columns = grid.lower().replace("×", "x").partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise UsageError(f"--grid takes ROWSxCOLUMNS, for example 16x16; got {grid!r}.")
    if count is not None:
        raise UsageError(f"--grid {grid} sets the number of faces; leave out --count (-n).")
    return int(rows), int(columns)


def parse_size(text: str) -> tuple[int, int]:
    """'64' or 'HEIGHTxWIDTH' as (height, width)."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise UsageError(
            f"--size takes a side or HEIGHTxWIDTH in pixels, for example 64 or 171x186; got {text!r}."
        )
    return int(parts[0]), int(parts[-1])


def parse_conditions(texts: Sequence[str]) -> dict[str, float]:
    """'Smiling=1' and 'Male=no' as {"Smiling": 1.0, "Male": -1.0}. FaceSpace checks names and ranges."""
    values = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        number = _yes_no_or_number(value)
        if not name or number is None:
            raise UsageError(
                f"--condition takes ATTRIBUTE=NUMBER, yes or no, for example Smiling=1; got {text!r}."
            )
        values[name] = number
    return values


def _yes_no_or_number(text: str) -> float | None:
    if text.lower() in YES_NO:
        return YES_NO[text.lower()]
    try:
        return float(text)
    except ValueError:
        return None


YES_NO = {"yes": 1.0, "no": -1.0}


def check_trust(features: str, trust: bool) -> None:
    """Raises UsageError for a network that is a program, unless the user says that it may run."""
    if not trust and Path(features).is_file():
        raise UsageError(
            f"--features {features} is a TorchScript file: a program, which can do all that you can. If you "
            "trust whoever made it, add --trust."
        )
