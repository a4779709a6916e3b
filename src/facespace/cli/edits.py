"""The verb that changes attributes of faces: edit. SPACE is a run's folder or a bundle's."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from facespace.cli.app import Done, Facts, verb
from facespace.cli.options import ANY_FACES, FaceSource, Flag, Settings, words
from facespace.core.errors import UsageError

if TYPE_CHECKING:
    from facespace.latent.strengths import Strength
    from facespace.perception.attributes import AttributeClassifier
    from facespace.space.edit_grids import EditGrid, EditInput
    from facespace.space.face_space import FaceSpace

MOST = 25  # steps of a strip
SQUARE = "-3:3:5"  # strengths of --grid by default


@verb(
    "facespace edit [SPACE] (PHOTO ... | LATENTS.npy | --random N | --data SET) --set NAME=STRENGTH --to FILE"
)
def edit(
    *paths: Path,
    to: Path,
    edits: Settings = (),
    lock: str = "",
    strip: str = "",
    grid: str = "",
    keep_detail: Flag = False,
    refine: Annotated[int, Parameter(name="--optimize-steps")] = 0,
    classifier: Annotated[Path | None, Parameter(name="--classifier")] = None,
    source: FaceSource = ANY_FACES,
) -> Done:
    """Change attributes of faces, and hold others still.

    Example: facespace edit runs/celeba me.jpg --align --set Smiling=on --set Eyeglasses=-1 --lock Male,Young
    --to out.png

    Parameters
    ----------
    paths
        The folder of a run or of one trained model (a bundle), then photographs or .npy files of latents.
    to
        The picture: originals, reconstructions and edits (.png, .jpg, .webp); or .npy for the edited latents
        (N, D), which decode and morph take.
    edits
        NAME=STRENGTH in standard deviations, such as Smiling=2 or Eyeglasses=-1; may be repeated. NAME=1g: in
        class gaps, the distance from the mean of the faces without it to the mean of those with it.
        NAME=0.5d: that share of the difference of class means. NAME=on or off: as far as each face needs, by
        an attribute classifier.
    lock
        Attributes that must not change: names with commas between, or all for every other attribute. Edits by
        strength hold their scores by least squares, edits to on and off the logits of the classifier.
    strip
        FROM:TO:STEPS of the first attribute, such as -3:3:7, or 0g:1.5g:7 in class gaps: a row for each face.
    grid
        Two attributes, such as Smiling,Eyeglasses: a square of one face over both, from -3 to 3 or as --strip
        gives.
    keep_detail
        Add the detail that reconstruction loses of each photograph to its edit: sharper, with ghosts where
        the edit is strong.
    refine
        Improve the latents of photographs by this many steps of optimisation, such as 50; the gain is
        printed.
    classifier
        The attribute classifier of edits to on and off: a folder of train-attributes. [default: the bundled
        one]
    """
    from facespace.cli.faces import check_still, open_space
    from facespace.space.edit_grids import Editor, edit_input

    check_still(to)
    if not edits and not strip and not grid:
        raise UsageError(
            "Say what to change: --set Smiling=2, --set Smiling=on, --strip -3:3:7 or "
            "--grid Smiling,Eyeglasses."
        )
    space, files = open_space(paths)
    amounts = parse_edits(space, edits)
    faces = edit_input(space, _faces(space, files, source), refine)
    editor = Editor(
        space, lock if lock == "all" else words(lock), _classifier(space, classifier, amounts), keep_detail
    )
    request = Request(editor, faces, amounts, to)
    if grid:
        return request.square(grid, strip or SQUARE)
    return request.strip(strip) if strip else request.rows()


def _faces(space: "FaceSpace", files: Sequence[Path], source: FaceSource) -> Any:
    """Photographs, faces of a set, or latents float32 (N, D), as `edit_input` takes them."""
    from facespace.cli.faces import check_one_source, exactly, is_array, key_latents
    from facespace.image.aligned_photos import read_photos

    check_one_source(files, source)
    if source.data:
        return exactly(space, source, 8 if source.count is None else source.count)
    photos = [file for file in files if not is_array(file)]
    if not photos:
        return key_latents(space, files, source)
    if len(photos) < len(files):
        raise UsageError("Name photographs or .npy files of latents, not both at once.")
    return read_photos(photos, source.align, space.template)


def _classifier(
    space: "FaceSpace", folder: Path | None, edits: dict[str, float | str]
) -> "AttributeClassifier | None":
    """The attribute classifier where an edit to on or off needs one."""
    from facespace.perception.attributes import load_classifier

    if not any(isinstance(value, str) for value in edits.values()):
        return None
    return load_classifier(folder, space.device)


@dataclass(frozen=True)
class Request:
    """Edits of some faces and the file they are drawn in."""

    editor: "Any"
    faces: "EditInput"
    edits: dict[str, float | str]
    to: Path

    def rows(self) -> Done:
        """Originals, reconstructions and edits below each other."""
        from facespace.cli.faces import is_array
        from facespace.image import grids

        start = time.perf_counter()
        made = self.editor.rows(self.faces, self.edits)
        seconds = time.perf_counter() - start
        if is_array(self.to):
            grids.save_array(made.latents, self.to)
        else:
            grids.save_still(made.sheet(), self.to)
        count = len(made.edited)
        amounts = ", ".join(f"{name} {_amount(value)}" for name, value in self.edits.items())
        return self._done(f"{count} face{'s' * (count > 1)} with {amounts}", list(self.edits), seconds)

    def strip(self, strip: str) -> Done:
        """A row for each face over the strength of the first attribute."""
        steps = parse_strip(strip)
        first = next(iter(self.edits), None)
        if first is None or isinstance(self.edits[first], str):
            raise UsageError(
                "--strip runs over the first attribute of --set, by strength: --set Smiling=0 --strip -3:3:7."
            )
        others = {name: value for name, value in self.edits.items() if name != first}
        self._save(self.editor.strip(self.faces, first, steps, others))
        text = f"{first} from {steps[0].value:+g} to {steps[-1]}, {len(self.faces.latents)} faces"
        return self._done(text, list(self.edits))

    def square(self, grid: str, strip: str) -> Done:
        """One face over two attributes."""
        steps = parse_strip(strip)
        names = words(grid)
        if len(names) != 2 or names[0] == names[1] or set(names) & set(self.edits):
            raise UsageError(
                f"--grid takes two attributes that --set does not, such as Smiling,Eyeglasses; got {grid!r}."
            )
        self._save(self.editor.square(self.faces, (names[0], names[1]), steps, self.edits))
        text = f"{names[0]} by {names[1]}, {len(steps)} × {len(steps)} faces"
        return self._done(text, [*self.edits, *names])

    def _save(self, made: "EditGrid") -> None:
        from facespace.cli.faces import is_array
        from facespace.image import grids
        from facespace.report import charts

        if is_array(self.to):
            grids.save_array(made.faces.reshape(-1, *made.faces.shape[2:]), self.to)
        else:
            charts.save(made.figure(), self.to)

    def _done(self, text: str, edited: list[str], seconds: float | None = None) -> Done:
        from facespace.space.edit_grids import locked_names
        from facespace.space.face_space import space_facts

        space = self.editor.space
        locks = locked_names(space, self.editor.lock, edited)
        facts: Facts = {"to": str(self.to), "edits": self.edits, "lock": locks}
        facts |= {"keep_detail": self.editor.keep_detail, "optimization": None, "seconds": seconds}
        if locks:
            text += f", {', '.join(locks) if len(locks) < 9 else f'{len(locks)} attributes'} locked"
        if self.editor.keep_detail:
            text += " with the photographs' own detail added"
        text += f" in {self.to}"
        gain = self.faces.optimization
        if gain:
            facts["optimization"] = gain._asdict()
            less = 1 - gain.mse_after / gain.mse_before
            text += f"\nRefined in {gain.steps} steps, {gain.seconds:.1f} s: mean squared error "
            text += f"{gain.mse_before:.5f} -> {gain.mse_after:.5f} ({less:.0%} less)."
        return Done({**facts, "count": len(self.faces.latents), **space_facts(space)}, text)


def _amount(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:+.2g} sd"


def parse_edits(space: "FaceSpace", texts: Sequence[str]) -> dict[str, float | str]:
    """'Smiling=2', 'Smiling=1g', 'Smiling=0.5d' and 'Smiling=on' as an edit: standard deviations, on or
    off."""
    from facespace.latent import strengths
    from facespace.space.edit_grids import deviations

    edits: dict[str, float | str] = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        strength = strengths.parse(value)
        if not name or (strength is None and value not in ("on", "off")):
            raise UsageError(f"--set takes {strengths.FORM}; got {text!r}.")
        edits[name] = value if strength is None else deviations(space, name, strength)
    return edits


def parse_strip(text: str) -> list["Strength"]:
    """'-3:3:7' as seven strengths from −3 to 3 standard deviations, '0g:1.5g:7' from 0 to 1.5 class gaps."""
    import numpy as np

    from facespace.latent.strengths import NONE, Strength

    ends, count = _ends(text)
    units = {end.unit for end in ends if end != NONE}  # 0:1.5g:4 starts at 0 gaps
    values = [end.value for end in ends]
    distinct = len(set(values)) == 2 and len(units) == 1
    if not distinct or max(map(abs, values)) > 100 or not 2 <= count <= MOST:
        raise UsageError(
            f"--strip takes FROM:TO:STEPS with 2 to {MOST} steps, such as -3:3:7 or, in class gaps, "
            f"0g:1.5g:7; got {text!r}."
        )
    steps = np.linspace(values[0], values[1], count).round(6)
    return [Strength(float(step), *units) for step in steps]


def _ends(text: str) -> tuple[list["Strength"], int]:
    """'-3:3:7' as its two strengths and 7; fewer strengths, or 0, where a part is no number."""
    from facespace.latent import strengths

    start, _, rest = text.partition(":")
    stop, _, count = rest.partition(":")
    ends = filter(None, map(strengths.parse, (start, stop)))
    return list(ends), int(count) if count.isdecimal() else 0
