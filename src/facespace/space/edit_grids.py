"""Pictures of reconstructions and edits as arrays: rows of originals over reconstructions and edits, strips
over the strength of one attribute, squares over two. How an edit changes a latent is FaceSpace.edit; nothing
here writes files."""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from facespace.core.errors import UsageError
from facespace.image.pixels import squared_error
from facespace.image.sheets import Labels, comparison, sheet
from facespace.latent import strengths
from facespace.latent.strengths import Strength
from facespace.space.inputs import is_latents

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from facespace.perception.attributes import AttributeClassifier
    from facespace.space.face_space import FaceSpace
    from facespace.space.inputs import Given, Images

WITHOUT_ORIGINALS = (
    "Detail transfer and optimised latents need photographs (--keep-detail, --optimize-steps); latents and "
    "new faces have no original."
)
Edits = Mapping[
    str, float | str
]  # by attribute: a strength in standard deviations, "1g", "0.5d", "on" or "off"
UNITS = {
    strengths.SD: "standard deviations",
    strengths.GAP: "class gaps",
    strengths.DIFFERENCE: "differences of class means",
}


class Reconstructions(NamedTuple):
    """Originals and reconstructions, uint8 (N, H, W, C), and the mean squared error of pixels in [0, 1]."""

    originals: np.ndarray
    reconstructions: np.ndarray
    mse: float

    def sheet(
        self, columns: int | None = None, names: Sequence[str] = (), scale: int | None = None
    ) -> Image.Image:
        """Originals beside or over their reconstructions, as `image.sheets.comparison` places them, with the
        faces' names."""
        states = [("original", self.originals), ("reconstruction", self.reconstructions)]
        return comparison(states, names, columns, scale)


def reconstruct_rows(space: "FaceSpace", images: "Images", given: "Given" = None) -> Reconstructions:
    """Pictures and their reconstructions. `given` attributes condition the decoder of a space that was
    trained with conditions."""
    fitted = space.fit(images)
    decoded, originals = space.reconstruct(fitted, given), space.target(fitted)
    return Reconstructions(originals, decoded, float(squared_error(originals, decoded).mean()))


class Optimization(NamedTuple):
    """An optimisation of latents, and the mean squared errors of pixels in [0, 1], which may rise where the
    features come nearer."""

    steps: int
    seconds: float
    mse_before: float
    mse_after: float


@dataclass(frozen=True)
class EditInput:
    """Faces to edit: latents float32 (N, D), and of pictures the area that the space decodes, uint8 (N, H, W,
    C)."""

    latents: np.ndarray
    originals: np.ndarray | None = None
    optimization: Optimization | None = None


def edit_input(space: "FaceSpace", faces: "Images", optimize_steps: int = 0) -> EditInput:
    """Pictures, or latents float (N, D), as faces to edit. The latents of pictures are improved by
    `optimize_steps` of FaceSpace.optimize. Raises UsageError for steps where there are no pictures."""
    if is_latents(faces):
        if optimize_steps:
            raise UsageError(WITHOUT_ORIGINALS)
        return EditInput(space.latents(faces))
    fitted = space.fit(faces)
    z, originals = space.encode(fitted), space.target(fitted)
    if not optimize_steps:
        return EditInput(z, originals)
    start = time.perf_counter()
    better = space.optimize(fitted, z, optimize_steps)
    seconds = round(time.perf_counter() - start, 2)
    errors = [float(squared_error(space.decode(latents), originals).mean()) for latents in (z, better)]
    return EditInput(better, originals, Optimization(optimize_steps, seconds, *errors))


@dataclass(frozen=True)
class EditRows:
    """Edited faces (N, H, W, C) beside their originals, where there are any, and their reconstructions, all
    uint8; the edited latents float32 (N, D); the name of the edit; and by attribute that was set on or off
    how many of the faces needed no edit for it, and in how many the classifier does not find it after the
    edit."""

    edited: np.ndarray
    latents: np.ndarray
    reconstructions: np.ndarray
    originals: np.ndarray | None
    name: str = "edited"
    unchanged: Mapping[str, int] = field(default_factory=dict)
    missed: Mapping[str, int] = field(default_factory=dict)

    def sheet(
        self, columns: int | None = None, names: Sequence[str] = (), scale: int | None = None
    ) -> Image.Image:
        """Originals, reconstructions and edits beside or over each other, as `image.sheets.comparison` places
        them, with the faces' names."""
        before = "unedited" if self.originals is None else "reconstruction"
        states = [(before, self.reconstructions), (self.name, self.edited)]
        if self.originals is not None:
            states.insert(0, ("original", self.originals))
        return comparison(states, names, columns, scale)


@dataclass(frozen=True)
class EditGrid:
    """Edited faces uint8 (R, K, H, W, C) and their latents float32 (R, K, D), with the labels of rows and
    columns."""

    faces: np.ndarray
    latents: np.ndarray
    rows: list[str]
    columns: list[str]
    title: str

    def sheet(self, names: Sequence[str] = (), scale: int | None = None) -> Image.Image:
        """The labelled grid as a picture; `names` of the faces label the rows that have no label."""
        rows = list(self.rows) if any(self.rows) else list(names)
        labels = Labels(rows=rows, columns=self.columns, title=self.title)
        faces = self.faces.reshape(-1, *self.faces.shape[2:])
        return sheet(faces, self.faces.shape[1], labels, scale=scale)

    def figure(self) -> "Figure":
        """The labelled grid as a matplotlib figure."""
        from facespace.report import charts

        return charts.labelled_grid(self.faces, self.rows, self.columns, self.title)


@dataclass(frozen=True)
class Editor:
    """Edits of one space with the same locks: the names to keep, or "all"; an attribute classifier, which
    edits to "on" and "off" optimise; and whether the detail that reconstruction loses is added to the edited
    faces."""

    space: "FaceSpace"
    lock: Sequence[str] | str = ()
    classifier: "AttributeClassifier | None" = None
    keep_detail: bool = False

    def rows(self, faces: EditInput, edits: Edits) -> EditRows:
        """All faces with the same edits."""
        z = self._edit(faces.latents, edits)
        reconstructions = self.space.decode(faces.latents)
        edited = self._decode(z, self._lost(faces, reconstructions))
        name = ", ".join(f"{attribute} {amount_text(value)}" for attribute, value in edits.items())
        unchanged, reached = self._met(faces.latents, edits), self._met(z, edits)
        missed = {goal: len(z) - met for goal, met in reached.items()}
        return EditRows(edited, z, reconstructions, faces.originals, name, unchanged, missed)

    def _met(self, z: np.ndarray, edits: Edits) -> dict[str, int]:
        """How many of the latents (N, D) the classifier finds at each goal of on or off."""
        goals = {name: value == "on" for name, value in edits.items() if value in ("on", "off")}
        if self.classifier is None or not goals:
            return {}
        from facespace.space.closed_loop import goals_reached

        known = self.space.latent_classifier(self.classifier)
        return {name: int(met.sum()) for name, met in goals_reached(z, known, goals).items()}

    def strip(
        self, faces: EditInput, name: str, steps: Sequence[float | str | Strength], edits: Edits | None = None
    ) -> EditGrid:
        """A row for each face, a column for each strength of one attribute; `edits` of other attributes hold
        everywhere."""
        amounts = [_strength(step) for step in steps]
        lost = self._lost(faces)
        latents, decoded = [], []
        for amount in amounts:
            z = self._edit(faces.latents, {**(edits or {}), name: deviations(self.space, name, amount)})
            latents.append(z)
            decoded.append(self._decode(z, lost))
        return EditGrid(
            np.stack(decoded, 1),
            np.stack(latents, 1),
            [""] * len(faces.latents),
            [_signed(amount.value) for amount in amounts],
            f"{name}, {UNITS[amounts[0].unit]}",
        )

    def square(
        self,
        face: EditInput,
        names: tuple[str, str],
        steps: Sequence[float | str | Strength],
        edits: Edits | None = None,
    ) -> EditGrid:
        """One face over two attributes, the first downwards, the second across. Raises UsageError for another
        number of faces."""
        if len(face.latents) != 1:
            raise UsageError(f"--grid shows one face over two attributes; got {len(face.latents)} faces.")
        amounts, (down, across) = [_strength(step) for step in steps], names
        latents = []
        for one, other in itertools.product(amounts, amounts):
            moves = {down: deviations(self.space, down, one), across: deviations(self.space, across, other)}
            latents.append(self._edit(face.latents, {**(edits or {}), **moves})[0])
        z, count = np.array(latents), len(amounts)  # (K · K, D)
        faces = self._decode(z, self._lost(face))
        return EditGrid(
            faces.reshape(count, count, *faces.shape[1:]),
            z.reshape(count, count, -1),
            [f"{down}\n{_signed(amount.value)}" for amount in amounts],
            [_signed(amount.value) for amount in amounts],
            f"{across}, {UNITS[amounts[0].unit]}",
        )

    def _edit(self, z: np.ndarray, edits: Edits) -> np.ndarray:
        return self.space.edit(z, edits, self.lock, self.classifier)

    def _decode(self, z: np.ndarray, lost: np.ndarray | None) -> np.ndarray:
        decoded = self.space.decode(z)
        return decoded if lost is None else (decoded + lost).clip(0, 255).astype(np.uint8)

    def _lost(self, faces: EditInput, reconstructions: np.ndarray | None = None) -> np.ndarray | None:
        """The detail that reconstruction loses, int16 (N, H, W, C); None where it is not added."""
        if not self.keep_detail:
            return None
        if faces.originals is None:
            raise UsageError(WITHOUT_ORIGINALS)
        if reconstructions is None:
            reconstructions = self.space.decode(faces.latents)
        return lost_detail(faces.originals, reconstructions)


def lost_detail(originals: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """What reconstruction loses of uint8 faces (N, H, W, C): int16 differences in [-255, 255]. Added to an
    edited face and clipped to [0, 255], it transfers the detail of the photograph."""
    return originals.astype(np.int16) - reconstructions


def deviations(space: "FaceSpace", name: str, strength: Strength) -> float:
    """A strength in standard deviations along the direction of an attribute; directions are read only for
    other units."""
    if strength.unit == strengths.SD:
        return strength.value
    return strength.deviations(space.directions(), name)


def amount_text(value: float | str) -> str:
    """A strength of an edit as people read it: "+2 sd", "on"."""
    if isinstance(value, str):
        return value
    form = "+.2g" if abs(value) < 100 else "+.0f"
    return f"{value:{form}} sd"


def _strength(value: float | str | Strength) -> Strength:
    strength = value if isinstance(value, Strength) else strengths.parse(value)
    if strength is None:
        raise UsageError(f"A strength is a number or a text such as 1g or 0.5d; got {value!r}.")
    return strength


def _signed(step: float) -> str:
    return f"{step:+g}".replace("-", "−") if step else "0"
