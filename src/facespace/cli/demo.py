"""The main job, from nothing to one page: faces of the space that comes along; then draw, learn, sample, reconstruct and
morph with drawn faces. Uses the same verbs as everybody; holds only their order and the page's words."""

import html
import time
from pathlib import Path
from typing import Any

import numpy as np

from facespace.core.console import note
from facespace.core.files import write_beside
from facespace.data.faces import FaceSet
from facespace.data.prepare import prepare
from facespace.image import animation, grids
from facespace.models.bundle import coming_along
from facespace.report import charts
from facespace.space.face_space import FaceSpace, load
from facespace.training.loop import train
from facespace.training.run_log import loss_panels, read_records

FACES = 4_000
EDITED = (
    "Smiling",
    "Eyeglasses",
    "Male",
    "Young",
)  # attributes of the strips, where the space has directions for them
STRENGTHS = np.linspace(-3, 3, 7)
CALM = 0.7  # temperature of the faces that are edited and blended: nearer to the middle, fewer are deformed


def demo(to: Path, seed: int = 0) -> dict[str, Any]:
    """Makes the folder `to` with faces/, run/, pictures and index.html, and returns its facts; `text` says what to do
    next. An earlier demo there is replaced."""
    start = time.monotonic()
    note(f"1 of 3  Drawing {FACES:,} faces.")
    faces = prepare("procedural", to=to / "faces", limit=FACES, seed=seed, force=True)
    note("2 of 3  Learning a space of them (two to three minutes on two free cores).")
    result = train("demo", faces, to / "run", seed=seed, force=True, trackers=["none"])
    note("3 of 3  Making pictures.")
    shown = make_pictures(load(to / "run"), faces, to, seed)
    coming = show_shipped(load(), to, seed) if coming_along() else {}
    seconds = round(time.monotonic() - start, 1)
    page = to / "index.html"
    with write_beside(page) as beside:
        beside.write_text(page_html(coming, shown, result, seconds), encoding="utf-8")
    text = (
        f"Done in {seconds:,.0f} s. Open {page} in a browser.\n"
        "Now with photographs of your own:\n"
        "  facespace prepare folder MY-PHOTOS --to sets/mine --align\n"
        "  facespace train celebamask-conv --data sets/mine --to runs/mine\n"
        "  facespace sample runs/mine --to faces.png"
    )
    return {"to": str(to), "page": str(page), "seconds": seconds, "training": result, "text": text}


def show_shipped(space: FaceSpace, to: Path, seed: int) -> dict[str, str]:
    """Pictures of the space that comes along, all drawn by it, file name -> the sentence that goes with it."""
    grids.save_still(grids.grid(space.sample(48, seed), 12), to / "space-samples.png")
    z = space.sample_latents(5, seed, CALM)
    animation.save_animation(space.morph(z, frames=120, loop=True), to / "space-morph.gif")
    names = [name for name in EDITED if name in space.directions().names]
    strips = [
        space.decode(space.edit(face[None], {name: step}))
        for name, face in zip(names, z)
        for step in STRENGTHS
    ]
    grids.save_still(grids.grid(np.concatenate(strips), len(STRENGTHS)), to / "space-edits.png")
    return {
        "space-samples.png": f"Nobody's faces: new ones from {space.prior().origin}.",
        "space-edits.png": f"{', '.join(names)}: a row each, from −3 to +3 standard deviations; the face itself is in the middle.",
        "space-morph.gif": "Five of them blended into each other.",
    }


def make_pictures(space: FaceSpace, faces: FaceSet, to: Path, seed: int) -> dict[str, str]:
    """The pictures in `to`, file name -> the sentence that goes with it."""
    test = faces.rows("test")
    grids.save_still(grids.grid(faces.images[:32], 8), to / "faces.png")
    grids.save_still(grids.grid(space.sample(64, seed=seed)), to / "samples.png")
    held_out = faces.images[test[:16]]
    grids.save_still(
        grids.grid(grids.pairs(held_out, space.reconstruct(held_out)), 8), to / "reconstructions.png"
    )
    keys = held_out[np.linspace(0, len(held_out) - 1, 5).astype(int)]
    animation.save_animation(space.morph(keys, frames=120, loop=True), to / "morph.gif")
    charts.save(charts.curves(loss_panels(read_records(to / "run")), "step"), to / "curves.png")
    return {
        "faces.png": "What it learned from: 32 of the drawn faces, each from factors that are known exactly.",
        "samples.png": f"New faces that nobody drew, from {space.model.prior.origin}.",
        "reconstructions.png": f"Faces it never saw (rows 1 and 3), and below each what {space.latent_dim} numbers keep of it.",
        "morph.gif": "Five unseen faces blended into each other, on straight lines between their latents.",
        "curves.png": "The loss while it learned: lower is better, and validation beside training shows whether it overfits.",
    }


def page_html(coming: dict[str, str], shown: dict[str, str], result: dict[str, Any], seconds: float) -> str:
    """One page that shows the pictures, a sentence each: of the space that comes along, and of the one just learned."""
    seen = result["validation"]
    facts = (
        f"{result['faces']['train']:,} training faces, {result['parameters']:,} parameters, {result['steps']:,} steps, "
        f"{result['images_per_second']:,.0f} images a second on {result['device']}; {seen['loss']:,.0f} nats per image on unseen "
        f"faces, mean squared error {seen['mse']:.4f}; {seconds:,.0f} seconds in all."
    )
    first = f"<h1>The space that comes along</h1>\n{_figures(coming)}\n" if coming else ""
    return PAGE.format(first=first, figures=_figures(shown), facts=html.escape(facts))


def _figures(shown: dict[str, str]) -> str:
    return "\n".join(
        f'<figure><img src="{name}" alt="{html.escape(words)}"><figcaption>{html.escape(words)}</figcaption></figure>'
        for name, words in shown.items()
    )


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>facespace demo</title>
<style>
body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fafafa }}
h1 {{ font-size: 1.6rem; margin-bottom: .2rem }}
figure {{ margin: 2rem 0 }}
img {{ max-width: 100%; border-radius: 8px; box-shadow: 0 1px 6px #0003; background: #fff }}
figcaption {{ margin-top: .5rem }}
pre {{ background: #eee; padding: 1rem; border-radius: 8px; overflow-x: auto }}
</style>
{first}<h1>A space of drawn faces</h1>
<p>{facts}</p>
{figures}
<h2>Now with photographs of your own</h2>
<pre>facespace prepare folder MY-PHOTOS --to sets/mine --align
facespace train celebamask-conv --data sets/mine --to runs/mine
facespace sample runs/mine --to faces.png</pre>
</html>
"""
