"""The verb that changes attributes of faces: edit. SPACE is a run's folder or a bundle's."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from facespace.cli.app import Done, Facts, verb
from facespace.cli.options import ANY_FACES, FaceSource, Flag, Settings, words
from facespace.cli.outputs import Scale, faces_text
from facespace.cli.strength_text import parse_edits, parse_strip, unusual_edits
from facespace.core.console import note
from facespace.core.errors import BundleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from PIL import Image

    from facespace.perception.attributes import AttributeClassifier
    from facespace.space.edit_grids import EditGrid, EditInput
    from facespace.space.face_space import FaceSpace

DEFAULT = "edited.png"
MOST_TUNED = 20  # photographs: as many are a set, which takes minutes
SQUARE = "-3:3:5"  # strengths of --grid by default


@verb(
    "facespace edit [SPACE] (PHOTO ... | LATENTS.npy | --random N | --data SET) --set NAME=STRENGTH "
    "[--to FILE]"
)
def edit(
    *paths: Path,
    to: Path | None = None,
    edits: Settings = (),
    lock: str = "",
    strip: str = "",
    grid: str = "",
    keep_detail: Flag = False,
    refine: Annotated[int, Parameter(name="--optimize-steps")] = 0,
    tune: Flag = False,
    classifier: Annotated[Path | None, Parameter(name="--classifier")] = None,
    scale: Scale = None,
    source: FaceSource = ANY_FACES,
) -> Done:
    """Change attributes of faces, and hold others still.

    Example: facespace edit runs/celeba me.jpg --align --set Smiling=on --set Eyeglasses=-1 --lock Male,Young
    --to out.png

    Parameters
    ----------
    paths
        The folder of a run or of one trained model (a bundle), then photographs, folders of them, or .npy
        files of latents.
    to
        The picture: originals, reconstructions and edits (.png, .jpg, .webp); or .npy for the edited latents
        (N, D), which decode and morph take. [default: edited.png in the current folder, or edited-2.png …
        where that exists]
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
        Optimise the latents of photographs in this many steps, such as 30, the decoder as it is: a face
        closer to the photograph, in about a tenth of a second a step.
    tune
        Tune the decoder to the photographs first, in up to a minute, so that the edited face stays the
        person. Nothing of it is kept; facespace adapt PHOTO --to DIR keeps it.
    classifier
        The attribute classifier of edits to on and off: a folder of train-attributes. [default: the bundled
        one]
    """
    from facespace.cli.faces import check_still
    from facespace.cli.keyframes import open_space_of_faces
    from facespace.image.sheets import check_scale
    from facespace.space.edit_grids import Editor, edit_input

    check_still(to)
    check_scale(scale)
    if not edits and not strip and not grid:
        raise UsageError(
            "Say what to change: --set Smiling=2, --set Smiling=on, --strip -3:3:7 or "
            "--grid Smiling,Eyeglasses."
        )
    space, files = open_space_of_faces(paths)
    amounts = parse_edits(space, edits)
    asked = _faces(space, files, source)
    if tune:
        space, faces = _tuned(space, asked, refine)
    else:
        faces = edit_input(space, asked, refine)
    locked = lock if lock == "all" else words(lock)
    editor = Editor(space, locked, _classifier(space, classifier, amounts), keep_detail)
    names = [] if faces.originals is None else [file.name for file in files]
    request = Request(editor, faces, amounts, to, names, scale)
    if grid:
        return request.square(grid, strip or SQUARE)
    return request.strip(strip) if strip else request.rows()


def _tuned(space: "FaceSpace", photos: Any, refine: int) -> tuple["FaceSpace", "EditInput"]:
    """A copy of the space that is tuned to photographs, and these as faces to edit; a note says what the
    tuning has done. Raises UsageError for faces that are no photographs."""
    from facespace.adaptation.adapter import personalize
    from facespace.cli.adapt import stage_bars
    from facespace.space.edit_grids import EditInput
    from facespace.space.inputs import is_latents

    if refine:
        raise UsageError("--tune optimises the latents too; leave out --optimize-steps.")
    if is_latents(photos):
        raise UsageError("--tune needs photographs; latents and new faces have none that could be learned.")
    if len(photos) >= MOST_TUNED:
        raise UsageError(
            f"--tune takes up to {MOST_TUNED - 1} photographs; these are {len(photos):,}. Make a space of "
            "them: facespace adapt PHOTOS --to DIR"
        )
    from facespace.image.pixels import squared_error

    start = time.perf_counter()
    with stage_bars() as on_step:
        tuned = personalize(space, photos, on_step=on_step)
    seconds = time.perf_counter() - start
    originals = space.target(space.fit(photos))
    before = float(squared_error(originals, space.reconstruct(photos)).mean())
    after = float(squared_error(originals, tuned.space.decode(tuned.latents)).mean())
    note(
        f"Tuned in {seconds:.0f} s: mean squared error {before:.4f} -> {after:.4f}. It is gone after this "
        "command. To keep it: facespace adapt PHOTO --to DIR"
    )
    return tuned.space, EditInput(tuned.latents, originals)


def _faces(space: "FaceSpace", files: Sequence[Path], source: FaceSource) -> Any:
    """Photographs, faces of a set, or latents float32 (N, D), as `edit_input` takes them."""
    from facespace.cli.faces import check_one_source, exactly, is_array, key_latents
    from facespace.data.aligned_photos import read_photos

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
    goals = [name for name, value in edits.items() if isinstance(value, str)]
    if not goals:
        return None
    from facespace.perception.attributes import load_classifier

    classifier = load_classifier(folder, space.device)
    for name in goals:
        if name not in classifier.names and name in _directed(space):
            raise UsageError(
                f"--set {name}={edits[name]} needs an attribute classifier that knows {name}, and this one "
                f"does not. Give a strength: --set {name}=1g"
            )
    return classifier


def _directed(space: "FaceSpace") -> tuple[str, ...]:
    """The attributes that have a direction; none where the space has no directions, which `on` can do
    without."""
    try:
        return tuple(space.directions().names)
    except BundleError:
        return ()


@dataclass(frozen=True)
class Request:
    """Edits of some faces, the file they are drawn in (None: a new one), the names of photographs, and how
    many times faces are enlarged."""

    editor: "Any"
    faces: "EditInput"
    edits: dict[str, float | str]
    to: Path | None
    names: list[str]
    scale: int | None

    def rows(self) -> Done:
        """Originals, reconstructions and edits below each other."""
        from facespace.space.edit_grids import amount_text

        start = time.perf_counter()
        made = self.editor.rows(self.faces, self.edits)
        seconds = time.perf_counter() - start
        to = self._save(made.latents, made.sheet)
        count = len(made.edited)
        amounts = ", ".join(f"{name} {amount_text(value)}" for name, value in self.edits.items())
        text = f"{faces_text(count)} with {amounts}"
        done = self._done(text, list(self.edits), to, seconds, made.unchanged)
        said = [done.text]
        for name, met in made.unchanged.items():
            if met:
                said.append(_already(name, str(self.edits[name]), met, count))
        for name, missed in made.missed.items():
            if missed:
                said.append(_missed(name, str(self.edits[name]), missed, count))
        said += unusual_edits(self.editor.space, self.edits)
        return Done({**done.facts, "missed": dict(made.missed)}, "\n".join(said))

    def strip(self, strip: str) -> Done:
        """A row for each face over the strength of the first attribute."""
        steps = parse_strip(strip)
        first = next(iter(self.edits), None)
        if first is None or isinstance(self.edits[first], str):
            raise UsageError(
                "--strip runs over the first attribute of --set, by strength: --set Smiling=0 --strip -3:3:7."
            )
        self._check_fits(len(self.faces.latents) * len(steps), len(steps))
        others = {name: value for name, value in self.edits.items() if name != first}
        made = self.editor.strip(self.faces, first, steps, others)
        to = self._save_grid(made)
        text = f"{first} from {steps[0].value:+g} to {steps[-1]}, {faces_text(len(self.faces.latents))}"
        return self._done(text, list(self.edits), to)

    def square(self, grid: str, strip: str) -> Done:
        """One face over two attributes."""
        steps = parse_strip(strip)
        names = words(grid)
        if len(names) != 2 or names[0] == names[1] or set(names) & set(self.edits):
            raise UsageError(
                f"--grid takes two attributes that --set does not, such as Smiling,Eyeglasses; got {grid!r}."
            )
        self._check_fits(len(steps) ** 2, len(steps))
        to = self._save_grid(self.editor.square(self.faces, (names[0], names[1]), steps, self.edits))
        text = f"{names[0]} by {names[1]}, {len(steps)} × {len(steps)} faces"
        return self._done(text, [*self.edits, *names], to)

    def _check_fits(self, count: int, columns: int) -> None:
        """Raises UsageError, before the work, for a sheet of more pixels than its format has."""
        from facespace.image.sheets import check_fits

        check_fits(self.to, (count, *self.editor.space.image_shape[1:]), columns, scale=self.scale)

    def _save_grid(self, made: "EditGrid") -> Path:
        return self._save(made.faces.reshape(-1, *made.faces.shape[2:]), made.sheet)

    def _save(self, array: "np.ndarray", sheet: "Callable[..., Image.Image]") -> Path:
        """Saves the array or the sheet by the file's ending; the file."""
        from facespace.cli.faces import is_array
        from facespace.cli.outputs import output_file
        from facespace.image import grids

        with output_file(self.to, DEFAULT) as to:
            if is_array(to):
                grids.save_array(array, to)
            else:
                grids.save_still(sheet(names=self.names, scale=self.scale), to)
        return to

    def _done(
        self,
        text: str,
        edited: list[str],
        to: Path,
        seconds: float | None = None,
        unchanged: "Mapping[str, int] | None" = None,
    ) -> Done:
        from facespace.space.face_space import space_facts

        space = self.editor.space
        locks = space.locked_names(self.editor.lock, edited)
        facts: Facts = {"to": str(to), "edits": self.edits, "lock": locks}
        facts |= {"keep_detail": self.editor.keep_detail, "optimization": None, "seconds": seconds}
        facts["unchanged"] = dict(unchanged or {})
        if locks:
            text += f", {', '.join(locks) if len(locks) < 9 else f'{len(locks)} attributes'} locked"
        if self.editor.keep_detail:
            text += " with the photographs' own detail added"
        text += f" in {to}"
        gain = self.faces.optimization
        if gain:
            facts["optimization"] = gain._asdict()
            text += f"\nLatents optimised in {gain.steps} steps, {gain.seconds:.1f} s; mean squared error of "
            text += f"the reconstructions {gain.mse_before:.5f} -> {gain.mse_after:.5f}."
        return Done({**facts, "count": len(self.faces.latents), **space_facts(space)}, text)


def _missed(name: str, goal: str, missed: int, count: int) -> str:
    """What is said of faces in which the classifier does not find what an edit to on or off was to reach."""
    which = "the face" if count == 1 else f"{missed} of {count} faces"
    return (
        f"{name}={goal}: not reached in {which} by the attribute classifier. Lock fewer attributes, or give "
        f"a strength: {_strength(name, goal)}"
    )


def _strength(name: str, goal: str) -> str:
    """The option that moves every face, whatever the classifier finds."""
    return f"--set {name}={'1g' if goal == 'on' else '-1g'}"


def _already(name: str, goal: str, met: int, count: int) -> str:
    """What is said of faces that an edit to on or off left as they were."""
    further = f" For more, give a strength: {_strength(name, goal)}"
    if count == 1:
        found = "has" if goal == "on" else "lacks"
        return f"{name}={goal}: by the attribute classifier the face {found} it already; unchanged.{further}"
    which, verb_ = "all" if met == count else f"{met} of", "have" if goal == "on" else "lack"
    faces = f"{which} {count} faces"
    return f"{name}={goal}: by the attribute classifier {faces} {verb_} it already; unchanged.{further}"
