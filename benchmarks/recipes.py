"""Every recipe at its defaults on 4,000 and on 11,000 faces: trained as `facespace train RECIPE` trains it, sampled as `facespace sample`
samples it, measured, and drawn.

    FACESPACE_INCEPTION=… python benchmarks/recipes.py CELEBA WORK [--only RECIPE,RECIPE] [--faces 4000,11000] [--minutes 60]
        [--steps 2000]

CELEBA is the official folder. Sets are prepared below WORK in the size and crop of each recipe (LFW, yearbook and synthetic faces are
replaced by CelebA, so that the rows can be compared); a stage of progressive growing starts from the stage before. A run that is there is
read, one that was cut off continues. With --steps the recipes that take days have a shorter training, which the table's column says.
WORK/pictures has for each row a sheet with originals, which are photographs and stay there, and WORK/docs one of decoder outputs alone: two
rows of reconstructions, two of samples. Prints the table."""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import facespace
from facespace.core.errors import FacespaceError
from facespace.evaluation.generation import measure_generation
from facespace.evaluation.session import EvaluationSession
from facespace.image.sheets import sheet
from facespace.perception.inception import Features, open_features
from facespace.recipes import RECIPES, recipe

ALL = 13_700  # faces of the CelebA folder that the figures in the docs are of: 11,000 for training
STAGES = {"grow64": "grow32", "grow128": "grow64"}
SHOWN = 8  # faces in a row
TABLE = "| recipe | faces | steps | time | weights | MSE, training | MSE, validation | KL | prior | FID | FID of reconstructions |"


class Row(NamedTuple):
    """A recipe, its number of training faces, and its steps where they are not the recipe's own."""

    name: str
    faces: int
    steps: int | None = None

    @property
    def key(self) -> str:
        shorter = "" if self.steps is None else f"-{self.steps}-steps"
        return f"{self.name}-{self.faces}{shorter}"


def prepared(row: Row, celeba: Path, work: Path) -> facespace.FaceSet:
    """The set of a row: the size and colours of its model, and its recipe's crop."""
    plan = recipe(row.name)
    channels, height, width = plan.model.image
    crop = plan.data.crop if plan.data.source == "celeba" else "center-148"
    crop = "fit" if height != width else crop
    to = work / "sets" / f"{row.faces}-{channels}x{height}x{width}-{crop}"
    if not to.exists():
        limit = None if row.faces >= 11_000 else round(row.faces * ALL / 11_000)
        size = (height, width)
        facespace.prepare("celeba", celeba, to=to, size=size, crop=crop, gray=channels == 1, limit=limit)
    return facespace.FaceSet(to)


def trained(row: Row, faces: facespace.FaceSet, work: Path, minutes: float | None) -> dict[str, Any] | None:
    """The content of the run's run.json; None where its time was over before its end."""
    run = work / "runs" / row.key
    if not (run / "run.json").is_file():
        earlier = STAGES.get(row.name)
        start = work / "runs" / row._replace(name=earlier).key if earlier else None
        resume = (run / "checkpoint.pt").is_file()
        facespace.train(
            row.name,
            faces,
            run,
            start=start,
            resume=resume,
            minutes=minutes,
            settings=[] if row.steps is None else [f"train.steps={row.steps}"],
            trackers=["none"],
            force=not resume,
        )
    return json.loads((run / "run.json").read_text()) if (run / "run.json").is_file() else None


def draw(row: Row, space: facespace.FaceSpace, faces: facespace.FaceSet, work: Path) -> None:
    """The two sheets of a row."""
    known = space.faces_of(faces, "test", 2 * SHOWN).pixels
    shown, new = space.reconstruct(known), space.sample(2 * SHOWN, seed=0)
    known = space.target(known)  # of the size that the decoder draws
    for folder in ("pictures", "docs"):
        (work / folder).mkdir(exist_ok=True)
    pairs = np.concatenate([known[:SHOWN], shown[:SHOWN], known[SHOWN:], shown[SHOWN:], new])
    sheet(pairs, SHOWN).save(work / "pictures" / f"{row.key}.png")
    picture = sheet(np.concatenate([shown, new]), SHOWN)
    narrow = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
    narrow.save(work / "docs" / f"{row.key}.webp", quality=80)


class Distances(NamedTuple):
    """FID of samples and of reconstructions."""

    samples: float
    reconstructions: float


def measure(
    space: facespace.FaceSpace, faces: facespace.FaceSet, count: int, features: Features
) -> Distances:
    """The distances from as many real test faces, at most `count`."""
    test = EvaluationSession(space, faces, "test", count)
    new = space.sample(len(test.originals), seed=0)
    found = (measure_generation(part, test.originals, None, features) for part in (new, test.reconstructions))
    return Distances(*(part.fid for part in found))


def line(row: Row, run: dict[str, Any], space: facespace.FaceSpace, fid: Distances) -> str:
    """The row of the table."""
    best = run["best"]
    kl = best["validation"].get("kl")
    return (
        f"| `{row.name}` | {row.faces:,} | {run['steps']:,} | {run['seconds'] / 60:.0f} min | {run['weights']['best']} "
        f"| {best['train'].get('mse', float('nan')):.5f} | {best['validation']['mse']:.5f} | {'–' if kl is None else f'{kl:.0f}'} "
        f"| {space.prior().origin} | {fid.samples:.1f} | {fid.reconstructions:.1f} |"
    )


def main() -> None:
    """Trains, draws, measures and prints the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("celeba", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", default="", help="recipes, with commas between; all without it")
    parser.add_argument("--faces", default="4000,11000")
    parser.add_argument("--count", type=int, default=600, help="test faces, and samples, of FID")
    parser.add_argument("--features", default="inception")
    parser.add_argument("--minutes", type=float, help="of each training; the next call continues it")
    parser.add_argument("--steps", type=int, help="of each training; the recipe's own without it")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    names = options.only.split(",") if options.only else [name for name in RECIPES if name != "demo"]
    lines, features = [], open_features(options.features)
    for name in names:
        for count in map(int, options.faces.split(",")):
            row = Row(name, count, options.steps)
            try:
                faces = prepared(row, options.celeba, options.work)
                run = trained(row, faces, options.work, options.minutes)
            except FacespaceError as error:
                print(f"{row.key}: {error}", flush=True)
                continue
            if run is None:
                print(f"{row.key}: not finished yet", flush=True)
                continue
            space = facespace.load(options.work / "runs" / row.key)
            draw(row, space, faces, options.work)
            lines.append(line(row, run, space, measure(space, faces, options.count, features)))
            print(lines[-1], flush=True)
    print("\n".join(["", TABLE, "|---" * TABLE.count(" | ") + "|---|", *lines]))


if __name__ == "__main__":
    main()
