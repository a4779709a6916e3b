"""The parts of the demo, each a function that makes pictures by the library calls of the verbs. Their order
is that of the tables at the end; demo.py runs them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facespace.cli.app import Facts
from facespace.cli.demo_page import FACES_SET, RUN
from facespace.core.console import progress_alone
from facespace.core.reading import read_json
from facespace.data.faces import FaceSet
from facespace.data.prepare import prepare
from facespace.image import animation, grids
from facespace.image.sheets import NO_LABELS, Labels, sheet
from facespace.report import charts
from facespace.report.run_files import RESULT
from facespace.space.edit_grids import Editor, edit_input, reconstruct_rows
from facespace.space.face_space import FaceSpace, load
from facespace.training.checkpoint import CHECKPOINT
from facespace.training.loop import train
from facespace.training.run_log import loss_panels, read_records

EDITED = ("Smiling", "Eyeglasses", "Male", "Young")  # rows of the default space's edits
EDITED_SYNTHETIC = ("skin_tone", "hair_length", "Sunglasses", "beard")  # and of the trained one's
STRENGTHS = (-3, -2, -1, 0, 1, 2, 3)  # standard deviations
TEMPERATURE = 0.7  # of the faces that are edited and blended: nearer to the mean, fewer have artefacts
FRAMES = 120  # of a morph

CURVES = ("loss, nats per image", "mse")  # that the page shows

Made = tuple[dict[str, str], str]  # captions by file, and figures as text


@dataclass
class DemoFolder:
    """The folder of a demo, its seed, the number of synthetic faces and of training steps, and what its parts
    share."""

    to: Path
    seed: int
    count: int
    steps: int

    @cached_property
    def space(self) -> FaceSpace:
        """The default space."""
        return load()

    @cached_property
    def trained(self) -> FaceSpace:
        """The space of the synthetic faces."""
        return load(self.to / RUN)

    @cached_property
    def faces(self) -> FaceSet:
        """The synthetic faces."""
        return FaceSet(self.to / FACES_SET)


class Part(NamedTuple):
    """A part of the demo: its usual time in seconds on two idle cores, and the function that makes it."""

    name: str
    title: str
    seconds: float
    make: Callable[[DemoFolder], Made]


def _default_samples(demo: DemoFolder) -> Made:
    space = demo.space
    temperature = space.sampling_settings()["temperature"]
    faces = space.sample(24, demo.seed, temperature)
    _save(faces, 8, demo.to / "space-samples.png")
    caption = (
        f"Samples from {space.prior().origin}, at temperature {temperature:g}: these people do not exist."
    )
    return {"space-samples.png": caption}, ""


def _default_edits(demo: DemoFolder) -> Made:
    space = demo.space
    z = space.sample_latents(5, demo.seed, TEMPERATURE)
    return {"space-edits.png": _edit_rows(space, z, EDITED, demo.to / "space-edits.png")}, ""


def _default_morph(demo: DemoFolder) -> Made:
    z = demo.space.sample_latents(5, demo.seed, TEMPERATURE)
    animation.save_animation(demo.space.morph(z, frames=FRAMES, loop=True), demo.to / "space-morph.gif")
    return {"space-morph.gif": "A morph through five samples."}, ""


def _synthetic_faces(demo: DemoFolder) -> Made:
    faces = prepare("synthetic", to=demo.to / FACES_SET, limit=demo.count, seed=demo.seed, force=True)
    _save(faces.images[:24], 8, demo.to / "faces.png")
    caption = "Training data: 24 of the synthetic faces, each rendered from known factors."
    return {"faces.png": caption}, ""


def _training(demo: DemoFolder) -> Made:
    run = demo.to / RUN
    if (run / RESULT).is_file():  # stopped between the end of the training and the next page
        result = read_json(run / RESULT)
    else:
        started = (run / CHECKPOINT).is_file()
        # The one prior whose fit takes a second.
        settings = [f"train.steps={demo.steps}", "train.prior=mixture"]
        with progress_alone():  # the page has the curves; the table of losses would bury its address
            result = train(
                "demo",
                demo.faces,
                run,
                settings=settings,
                seed=demo.seed,
                resume=started,
                force=not started,
                trackers=["none"],
            )
    panels = loss_panels(read_records(run))
    shown = {title: panels[title] for title in CURVES}
    charts.save(charts.curves(shown, "step"), demo.to / "curves.png")
    caption = (
        "The loss in nats and the mean squared error of pixels during training: lower is better; validation "
        "curves that rise show overfitting."
    )
    return {"curves.png": caption}, _training_figures(result)


def _training_figures(result: Facts) -> str:
    losses = result["validation"]
    speed = f"{result['images_per_second']:,.0f} images a second on {result['device']}"
    return (
        f"{result['faces']['train']:,} training faces, {result['parameters']:,} parameters, "
        f"{result['steps']:,} steps, {speed}; {losses['loss']:,.0f} nats per image on validation faces, "
        f"mean squared error {losses['mse']:.4f}."
    )


def _trained_pictures(demo: DemoFolder) -> Made:
    space, to = demo.trained, demo.to
    _save(space.sample(24, seed=demo.seed), 8, to / "samples.png")
    held_out = _held_out(demo)
    rows = reconstruct_rows(space, held_out)
    _save(grids.pairs(rows.originals, rows.reconstructions), 8, to / "reconstructions.png")
    kept = f"their reconstructions from {space.latent_dim} numbers each"
    return {
        "samples.png": f"Samples from {space.prior().origin}.",
        "reconstructions.png": f"Held-out faces (rows 1 and 3), and below them {kept}.",
    }, ""


def _trained_edits(demo: DemoFolder) -> Made:
    space = demo.trained
    space.fit_directions(demo.faces, seed=demo.seed)
    z = space.encode(_held_out(demo))
    file = "edits.png"
    return {file: _edit_rows(space, z[:5], EDITED_SYNTHETIC, demo.to / file)}, ""


def _trained_morph(demo: DemoFolder) -> Made:
    held_out = _held_out(demo)
    keys = held_out[np.linspace(0, len(held_out) - 1, 5).astype(int)]
    animation.save_animation(demo.trained.morph(keys, frames=FRAMES, loop=True), demo.to / "morph.gif")
    return {"morph.gif": "A morph through five held-out faces, on straight lines between their latents."}, ""


def _held_out(demo: DemoFolder) -> np.ndarray:
    return demo.faces.images[demo.faces.rows("test")[:16]]


def _save(faces: np.ndarray, columns: int, file: Path, labels: Labels = NO_LABELS) -> None:
    """Saves (N, H, W, C) faces in rows, enlarged smoothly, with names."""
    grids.save_still(sheet(faces, columns, labels), file)


def _edit_rows(space: FaceSpace, z: np.ndarray, attributes: tuple[str, ...], file: Path) -> str:
    """Saves a row of edits for each attribute that has a direction, each of another face, and returns the
    caption."""
    known = space.directions().names
    names = [name for name in attributes if name in known]
    editor, strips = Editor(space), []
    for name, face in zip(names, z):
        strips.append(editor.strip(edit_input(space, face), name, STRENGTHS).faces[0])
    rows = [name.replace("_", " ") for name in names]
    heads = [f"{strength:+d} sd".replace("-", "−") for strength in STRENGTHS]
    heads[STRENGTHS.index(0)] = "unedited"
    _save(np.concatenate(strips), len(STRENGTHS), file, Labels(rows=rows, columns=heads))
    return f"{', '.join(rows)}: a row each, from −3 to +3 standard deviations (sd)."


DEFAULT_PARTS = (
    Part("samples", "samples of the default space", 5, _default_samples),
    Part("edits", "edits in it", 5, _default_edits),
    Part("morph", "a morph in it", 8, _default_morph),
)
SYNTHETIC_PARTS = (
    Part("synthetic faces", "synthetic faces", 20, _synthetic_faces),
    Part("training", "a space trained on them", 110, _training),
    Part("its samples", "its samples and reconstructions", 2, _trained_pictures),
    Part("its edits", "its edits", 5, _trained_edits),
    Part("its morph", "its morph", 4, _trained_morph),
)
