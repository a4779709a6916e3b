"""The demo: pictures of the default space, then a space trained on synthetic faces, on one page. Makes the
same library calls as the verbs; holds their order and the page's text."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facespace.cli.app import Facts
from facespace.core.console import note
from facespace.core.files import write_atomically
from facespace.data.faces import FaceSet
from facespace.data.prepare import prepare
from facespace.image import animation, grids
from facespace.models.locations import default_space
from facespace.report import charts
from facespace.report.page import Picture, Section, render_page
from facespace.space.edit_grids import Editor, edit_input, reconstruct_rows
from facespace.space.face_space import FaceSpace, load
from facespace.training.loop import train
from facespace.training.run_log import loss_panels, read_records

FACES = 4_000
EDITED = ("Smiling", "Eyeglasses", "Male", "Young")  # of the strips, where the space has directions for them
STRENGTHS = (-3, -2, -1, 0, 1, 2, 3)  # standard deviations
TEMPERATURE = 0.7  # of the faces that are edited and blended: nearer to the mean, fewer have artefacts
TEMPLATE = "demo.html"
COMMANDS = """facespace prepare folder MY-PHOTOS --to sets/mine --align
facespace train celebamask-conv --data sets/mine --to runs/mine
facespace sample runs/mine --to faces.png"""


def demo(to: Path, seed: int = 0) -> Facts:
    """Makes the folder `to` with faces/, run/, pictures and index.html, in place of an earlier demo, and
    returns its facts; `text` names the next step."""
    start = time.monotonic()
    note(f"1 of 3  Rendering {FACES:,} faces.")
    faces = prepare("synthetic", to=to / "faces", limit=FACES, seed=seed, force=True)
    note("2 of 3  Training a space on them (two to three minutes on two free cores).")
    result = train("demo", faces, to / "run", seed=seed, force=True, trackers=["none"])
    note("3 of 3  Making pictures.")
    trained = trained_pictures(load(to / "run"), faces, to, seed)
    bundled = default_pictures(load(), to, seed) if default_space() else []
    seconds = round(time.monotonic() - start, 1)
    file = to / "index.html"
    with write_atomically(file) as beside:
        beside.write_text(page_html(bundled, trained, result, seconds), encoding="utf-8")
    following = "\n".join(f"  {line}" for line in COMMANDS.splitlines())
    text = (
        f"Done in {seconds:,.0f} s. Open {file} in a browser.\nNow with photographs of your own:\n{following}"
    )
    return {"to": str(to), "page": str(file), "seconds": seconds, "training": result, "text": text}


def default_pictures(space: FaceSpace, to: Path, seed: int) -> list[Picture]:
    """Saves samples, edits and a morph of the default space in `to`."""
    grids.save_still(grids.grid(space.sample(48, seed), 12), to / "space-samples.png")
    z = space.sample_latents(5, seed, TEMPERATURE)
    animation.save_animation(space.morph(z, frames=120, loop=True), to / "space-morph.gif")
    known = space.directions().names
    names = [name for name in EDITED if name in known]
    editor, strips = Editor(space), []
    for name, face in zip(names, z):
        strips.append(editor.strip(edit_input(space, face), name, STRENGTHS).faces[0])
    grids.save_still(grids.grid(np.concatenate(strips), len(STRENGTHS)), to / "space-edits.png")
    return [
        _picture("space-samples.png", f"Samples from {space.prior().origin}: these people do not exist."),
        _picture(
            "space-edits.png",
            f"{', '.join(names)}: a row each, from −3 to +3 standard deviations; the middle is unedited.",
        ),
        _picture("space-morph.gif", "A morph through five samples."),
    ]


def trained_pictures(space: FaceSpace, faces: FaceSet, to: Path, seed: int) -> list[Picture]:
    """Saves training faces, samples, reconstructions, a morph and loss curves of the trained space in
    `to`."""
    grids.save_still(grids.grid(faces.images[:32], 8), to / "faces.png")
    grids.save_still(grids.grid(space.sample(64, seed=seed)), to / "samples.png")
    held_out = faces.images[faces.rows("test")[:16]]
    grids.save_still(reconstruct_rows(space, held_out).sheet(8), to / "reconstructions.png")
    keys = held_out[np.linspace(0, len(held_out) - 1, 5).astype(int)]
    animation.save_animation(space.morph(keys, frames=120, loop=True), to / "morph.gif")
    charts.save(charts.curves(loss_panels(read_records(to / "run")), "step"), to / "curves.png")
    kept = f"their reconstructions from {space.latent_dim} numbers each"
    return [
        _picture("faces.png", "Training data: 32 of the synthetic faces, each rendered from known factors."),
        _picture("samples.png", f"Samples from {space.model.prior.origin}."),
        _picture("reconstructions.png", f"Held-out faces (rows 1 and 3), and below them {kept}."),
        _picture(
            "morph.gif", "A morph through five held-out faces, on straight lines between their latents."
        ),
        _picture("curves.png", "The loss during training: a validation loss that rises shows overfitting."),
    ]


def page_html(bundled: Sequence[Picture], trained: Sequence[Picture], result: Facts, seconds: float) -> str:
    """The page: the default space where there is one, the trained space with its figures, the next
    commands."""
    losses = result["validation"]
    speed = f"{result['images_per_second']:,.0f} images a second on {result['device']}"
    facts = (
        f"{result['faces']['train']:,} training faces, {result['parameters']:,} parameters, "
        f"{result['steps']:,} steps, {speed}; {losses['loss']:,.0f} nats per image on validation faces, "
        f"mean squared error {losses['mse']:.4f}; {seconds:,.0f} seconds in all."
    )
    sections = [
        Section("A space of synthetic faces", facts, trained),
        Section("Now with photographs of your own", "", code=COMMANDS),
    ]
    if bundled:
        sections.insert(0, Section("The default space", "", bundled))
    return render_page("facespace demo", sections, TEMPLATE)


def _picture(file: str, caption: str) -> Picture:
    return Picture(caption, file, caption)
