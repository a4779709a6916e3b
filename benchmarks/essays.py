"""Computes the figures of the essays: a sheet of pictures in docs/images/essays, one tile for each position of the
sliders, and a JSON file with the sliders and a caption for each tile.

python benchmarks/essays.py [blur] [kl] [prior] [edits]     # all without a name; kl trains six small models"""

import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import facespace
from facespace import synthetic
from facespace.core.console import quiet
from facespace.image.text import load_font, write_lines
from facespace.perception.attributes import load_classifier

FOLDER = Path(__file__).parents[1] / "docs/images/essays"
SIDE = 64  # pixels of a face
GAP, LINE = 2, 16  # pixels between faces, and of a line of text


class Slider(NamedTuple):
    """A slider: its name, the texts of its positions, and the first position."""

    label: str
    values: Sequence[str]
    start: int


class Figure(NamedTuple):
    """A figure: sliders, and for each position a picture and a caption; the first slider moves fastest."""

    sliders: Sequence[Slider]
    tiles: Sequence[Image.Image]
    captions: Sequence[str]


def rows_of(named: Sequence[tuple[str, np.ndarray]], scale: int = 1) -> Image.Image:
    """Rows of faces (N, H, W, C), each under its name; a row without a name follows the one above."""
    width = max(len(faces) for _, faces in named) * (SIDE * scale + GAP) - GAP
    height = sum(SIDE * scale + GAP + (LINE if name else 0) for name, _ in named)
    page, top = Image.new("RGB", (width, height), (255, 255, 255)), 0
    for name, faces in named:
        if name:
            write_lines(page, [name], 11, 1, top)
            top += LINE
        for place, face in enumerate(faces):
            picture = Image.fromarray(np.squeeze(face)).convert("RGB")
            picture = picture.resize((SIDE * scale, SIDE * scale), Image.Resampling.BICUBIC)
            page.paste(picture, (place * (SIDE * scale + GAP), top))
        top += SIDE * scale + GAP
    return page


# ---- Why faces blur: the mean of all faces that agree in what is known

ORDER = (
    *("background_lightness", "background_hue", "skin_tone", "Bald", "hair_length", "hair_shade", "Hat"),
    *(
        "Sunglasses",
        "Bangs",
        "shirt_hue",
        "yaw",
        "roll",
        "beard",
        "hair_volume",
        "hair_warmth",
        "light_direction",
    ),
    *(
        "light_warmth",
        "face_width",
        "jaw",
        "curl",
        "parting",
        "Eyeglasses",
        "smile",
        "mouth_open",
        "eye_size",
    ),
    *(
        "eye_spacing",
        "brow_angle",
        "brow_thickness",
        "nose_size",
        "lip_fullness",
        "age_lines",
        "gaze",
        "eye_hue",
    ),
)
KNOWN, POSSIBLE, SUBJECTS = (0, 3, 6, 9, 12, 16, 20, 26, 33), 48, (4, 11, 23)


def blur() -> Figure:
    """Three faces; beside each, one that agrees with it in the first k factors, and the mean of many such."""
    tiles, captions = [], []
    for known in KNOWN:
        shown: list[list[np.ndarray]] = [[], [], []]
        errors = np.zeros(2)
        for subject in SUBJECTS:
            truth = synthetic.draw_factors(40, subject)
            given = {name: truth[name] for name in ORDER[:known]}
            face = synthetic.render(truth, SIDE, SIDE)
            possible = np.stack(
                [
                    synthetic.render({**synthetic.draw_factors(41, other), **given}, SIDE, SIDE)
                    for other in range(POSSIBLE)
                ]
            )
            mean = possible.mean(0).round().astype(np.uint8)
            for row, picture in zip(shown, (face, mean, possible[0])):
                row.append(picture)
            scaled = [x.astype(float) / 255 for x in (face, mean, possible)]
            errors += [((scaled[0] - scaled[1]) ** 2).mean(), ((scaled[0] - scaled[2]) ** 2).mean()]
        names = ("The face", f"Mean of {POSSIBLE} faces that fit", "One face that fits")
        tiles.append(rows_of([(name, np.stack(row)) for name, row in zip(names, shown)], 2))
        errors /= len(SUBJECTS)
        captions.append(
            f"{known} of {len(ORDER)} factors are known. Mean squared error of the mean {errors[0]:.4f}, of a single face that "
            f"fits {errors[1]:.4f}."
        )
    return Figure([Slider("Factors that are known", [str(known) for known in KNOWN], 4)], tiles, captions)


# ---- What KL does: the same VAE at several weights of the KL

WEIGHTS = (0.01, 0.1, 1, 8, 40, 200)


def kl() -> Figure:
    """A small VAE on synthetic faces, trained at each weight; reconstructions and samples of the prior."""
    tiles, captions = [], []
    with tempfile.TemporaryDirectory() as folder, quiet():
        faces = facespace.prepare("synthetic", to=Path(folder) / "set", size=32, limit=700, seed=5, workers=1)
        for weight in WEIGHTS:
            run = Path(folder) / f"run-{weight}"
            settings = [
                *("model.image=3,32,32", "model.widths=16,32,64", "model.latent_dim=32", "train.min_steps=0"),
                *("train.epochs=20", "train.learning_rate=0.002", "train.precision=fp32", "train.prior=none"),
                f"objective.weights.kl={weight}",
            ]
            facespace.train("celebamask-conv", faces, run, settings=settings, trackers=["none"])
            space = facespace.load(run)
            table = facespace.evaluate(space, faces, metrics=["mse", "kl"], features=None)
            cells = table.rows[0].cells
            active = table["runs"][0]["latents"]["active_units"]
            originals = faces.faces("test", 6)
            named = [
                ("Held-out faces", originals),
                ("Reconstructions", space.reconstruct(originals)),
                ("Samples of the prior", space.sample(6, seed=1, prior="model")),
                ("", space.sample(12, seed=1, prior="model")[6:]),
            ]
            tiles.append(rows_of(named))
            captions.append(
                f"β = {weight:g}: {active} of {space.latent_dim} latents are in use, a face takes {cells['kl'].value:.1f} nats, mean "
                f"squared error {cells['mse'].value:.4f}."
            )
    return Figure([Slider("Weight β of the KL", [f"{weight:g}" for weight in WEIGHTS], 2)], tiles, captions)


# ---- What a prior is for: samples of N(0, I) and of the fitted prior, by temperature

TEMPERATURES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
PRIORS = {"model": "N(0, I), the model's own", "flow": "the fitted flow"}
MEASURED = 64  # faces of a figure in a caption


def prior() -> Figure:
    """Ten samples of faces64 for each prior and temperature."""
    space = facespace.load("faces64")
    tiles, captions = [], []
    for kind, name in PRIORS.items():
        for temperature in TEMPERATURES:
            faces = space.sample(10, seed=3, temperature=temperature, prior=kind)
            tiles.append(rows_of([("", faces[:5]), ("", faces[5:])]))
            z = space.sample_latents(MEASURED, seed=3, temperature=temperature, prior=kind)
            again = space.encode(space.decode(z))
            apart = (
                np.linalg.norm(again - z, axis=1).mean()
                / np.linalg.norm(space.sample_latents(MEASURED), axis=1).mean()
            )
            captions.append(
                f"Samples of {name} at temperature {temperature:g}. Encoded again they come back to within {apart:.0%} of a usual "
                "latent's length."
            )
    sliders = [
        Slider("Temperature", [f"{temperature:g}" for temperature in TEMPERATURES], 4),
        Slider("Prior", [kind.replace("model", "N(0, I)") for kind in PRIORS], 0),
    ]
    return Figure(sliders, tiles, captions)


# ---- Why an edit changes more than was asked: one direction, three ways of making it

STRENGTHS = (-3, -2, -1, 0, 1, 2, 3)
EDITED, WATCHED = "Eyeglasses", ("Male", "Young", "Smiling", "Gray_Hair")
WAYS = ("difference of means", "decorrelated direction", "decorrelated, all others locked")


def edits() -> Figure:
    """The same edit of ten faces of faces64 by three directions, and what a classifier that took no
    part in it sees change."""
    space = facespace.load("faces64")
    classifier = load_classifier("scorer")
    columns = [classifier.names.index(name) for name in (EDITED, *WATCHED)]
    z = space.sample_latents(MEASURED, seed=8, temperature=0.8)
    deviation = difference_of_means(space)
    tiles, captions = [], []
    before = probabilities(classifier, space.decode(z))[:, columns].mean(0)
    for way in WAYS:
        for strength in STRENGTHS:
            if way == WAYS[0]:
                moved = z + strength * deviation
            else:
                moved = space.edit(z, {EDITED: strength}, lock="all" if way == WAYS[2] else [])
            faces = space.decode(moved)
            tiles.append(rows_of([("", faces[:5]), ("", faces[5:10])]))
            change = 100 * (probabilities(classifier, faces)[:, columns].mean(0) - before)
            texts = [
                f"{name.replace('_', ' ')} {value:+.0f}" for name, value in zip((EDITED, *WATCHED), change)
            ]
            captions.append(
                f"Change of the classifier's mean probability, percentage points: {', '.join(texts)}."
            )
    sliders = [
        Slider("Strength, σ", [f"{strength:+d}" if strength else "0" for strength in STRENGTHS], 5),
        Slider("Direction", list(WAYS), 0),
    ]
    return Figure(sliders, tiles, captions)


def difference_of_means(space: facespace.FaceSpace) -> np.ndarray:
    """The difference of the means of faces with and without glasses, drawn from the prior, scaled to the step of one
    standard deviation along it: (D,)."""
    groups = [
        space.sample_latents(200, seed=9, conditions={EDITED: sign}, guidance=1.0) for sign in (1.0, -1.0)
    ]
    difference = groups[0].mean(0) - groups[1].mean(0)
    unit = difference / np.linalg.norm(difference)
    return unit * (space.sample_latents(500, seed=10) @ unit).std()


def probabilities(classifier, faces: np.ndarray) -> np.ndarray:
    """(N, A) in [0, 1]."""
    return 1 / (1 + np.exp(-classifier.logits(faces)))


FIGURES: dict[str, Callable[[], Figure]] = {"blur": blur, "kl": kl, "prior": prior, "edits": edits}


def sheet_of(figure: Figure) -> Image.Image:
    """The tiles as one picture: a column for each position of the first slider, a row for each of the second."""
    columns = len(figure.sliders[0].values)
    width, height = figure.tiles[0].size
    rows = len(figure.tiles) // columns
    sheet = Image.new("RGB", (columns * width, rows * height), (255, 255, 255))
    for place, tile in enumerate(figure.tiles):
        row, column = divmod(place, columns)
        sheet.paste(tile, (column * width, row * height))
    return sheet


def encoded(figure: Figure) -> bytes:
    """The sheet as a WebP file."""
    file = io.BytesIO()
    sheet_of(figure).save(file, "WEBP", quality=78, method=6)
    return file.getvalue()


def main() -> None:
    """Computes the figures that are named, or all."""
    FOLDER.mkdir(exist_ok=True)
    load_font(11)
    for name in sys.argv[1:] or FIGURES:
        start = time.perf_counter()
        figure = FIGURES[name]()
        path = FOLDER / f"{name}.webp"
        path.write_bytes(encoded(figure))
        about = {
            "tile": list(figure.tiles[0].size),
            "sliders": [slider._asdict() for slider in figure.sliders],
            "captions": list(figure.captions),
        }
        text = json.dumps(about, ensure_ascii=False, indent=1)
        (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
        print(
            f"{name}: {path.stat().st_size / 1000:,.0f} kB, {time.perf_counter() - start:.0f} s", flush=True
        )


if __name__ == "__main__":
    main()
