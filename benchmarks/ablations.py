"""What each part of faces64 is worth: the recipe as its weights were first trained, and again with one thing changed, all with the
same seed and the same steps; other kinds of model and smaller sets beside it.

    FACESPACE_VGG16=… FACESPACE_LPIPS=… python benchmarks/ablations.py SET RUNS [--only ROW,ROW] [--steps 400] [--count 600]

Each row is trained into a folder of its name below RUNS (a row that is there is read, one that was cut off goes on) and measured
on test faces: FID and KID of as many samples and of reconstructions, in the Inception's features, LPIPS and PSNR of
reconstructions. Samples come from a flow fitted to the latents of the row's own training faces, but where the row says otherwise.
The weights are those of the last step, since the recipe's average of the weights looks back over half of so short a run; one row
has the average. Prints the table."""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import facespace
from facespace.core.console import note
from facespace.data.derive import subsample
from facespace.data.faces import FaceSet
from facespace.evaluation.generation import measure_generation
from facespace.evaluation.session import EvaluationSession
from facespace.models.priors import fitted_prior
from facespace.perception.inception import open_features
from facespace.perception.lpips import open_lpips
from facespace.perception.similarity import per_face
from facespace.report.results import as_document
from facespace.space.face_space import FaceSpace
from facespace.training.checkpoint import CHECKPOINT

# As before the middle of the face counted more and drawn faces were judged, but for the critic, which sees more now.
BEFORE = (
    "objective.center_weight=0",
    "objective.adversarial=0.005",
    "objective.adversarial_generated=0",
    "objective.feature_matching=1",
)
VGG = ("objective.features=vgg16", "objective.perceptual_share=0.25")
KL = "objective.weights.kl=0.1"
BASE = (*BEFORE, *VGG, KL)
# A learned deviation near .06 makes pixels weigh some ten times what absolute error does: the teachers weigh ten times more too.
SIGMA = ("model.likelihood=normal_shared", "objective.weights.kl=1", "objective.perceptual=2.5")
SIGMA += ("objective.adversarial=0.05", "objective.feature_matching=10")


class Row(NamedTuple):
    """What a row trains."""

    recipe: str = "faces64"
    changed: tuple[str, ...] = BASE
    most: int | None = None  # training faces
    start: str | None = None  # the row whose weights it begins with


TRAINED = {
    "faces64": Row(),
    "body-conv": Row(changed=(*BASE, "model.backbone=conv", "model.widths=32,64,128,256")),
    "learned-sigma": Row(changed=(*BASE, *SIGMA)),
    "no-perceptual": Row(changed=(*BEFORE, KL, "objective.perceptual=0")),
    "taught-by-attributes": Row(changed=(*BEFORE, KL)),
    "no-adversary": Row(changed=(*BASE, "objective.adversarial=0", "objective.feature_matching=0")),
    "faces-1000": Row(most=1000),
    "faces-2000": Row(most=2000),
    "faces-5000": Row(most=5000),
    "style": Row("faces64-style"),
    "vq": Row("vq", (*BEFORE, *VGG)),
    "vq2": Row("vq2", (*BEFORE, *VGG)),
    "hierarchical": Row("hierarchical"),
    "hierarchical-large": Row("hierarchical-large"),
    "grow64": Row("grow64"),
    "grown": Row("grow64", start="grow32"),
}
# At half the size, where a step costs a quarter: not measured, only begun with.
SMALL = Row("grow32", (*BEFORE, *VGG, "objective.weights.kl=0.025"))
# Rows that measure the run of another row, which is not trained again, and the prior of their samples.
AFTERWARDS = {
    "averaged": ("faces64", "flow"),
    "prior-model": ("faces64", "model"),
    "prior-mixture": ("faces64", "mixture"),
    "vq-autoregressive": ("vq", "autoregressive"),
    "vq2-autoregressive": ("vq2", "autoregressive"),
}
FLOW_STEPS = 2000


def main() -> None:
    """Trains and measures the rows asked for, and prints all that are there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--small", type=Path, help="the same faces prepared at 32 px, for the row that grows")
    parser.add_argument("--only", default=",".join([*TRAINED, *AFTERWARDS]))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--count", type=int, default=600)
    asked = parser.parse_args()
    asked.runs = (
        asked.runs / f"{asked.steps}-steps-{asked.count}-faces"
    )  # figures of other budgets are not comparable
    asked.runs.mkdir(parents=True, exist_ok=True)
    for row in filter(None, asked.only.split(",")):
        kept = asked.runs / f"{row}.json"
        if not kept.is_file():
            kept.write_text(json.dumps({"row": row, **figures(row, asked)}))
    print(
        f"{'row':<21} parameters  seconds  FID    KID             of reconstructions: FID  KID     LPIPS  PSNR"
        "   (FID and KID: Inception)"
    )
    rows = list(read(asked.runs))
    for found in rows:
        print(
            f"{found['row']:<21} {found['parameters']:>10,} {found['seconds']:>8.0f}  {found['fid']:5.1f}  {found['kid']:.4f} ± "
            f"{found['kid_sd']:.4f} {found['again_fid']:>23.1f}  {found['again_kid']:.4f}  {found['lpips']:.3f}  {found['psnr']:.2f}"
        )
    if rows:
        floor = rows[0]["real_reference"]
        print(f"{'real faces':<21} {'':>20} {floor['fid']:5.1f}  {floor['kid']:.4f} ({floor['compared']})")


def read(runs: Path) -> Iterator[dict[str, Any]]:
    """The rows that are there, in the table's order."""
    for row in (*TRAINED, *AFTERWARDS):
        if (runs / f"{row}.json").is_file():
            yield json.loads((runs / f"{row}.json").read_text())


def figures(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Of one row."""
    trained, kind = AFTERWARDS.get(name, (name, "flow"))
    row, began, run = TRAINED[trained], time.time(), asked.runs / trained
    data = thinned(asked.data, asked, row.most)
    small = learn_small(asked) if row.start else None
    facts = learn(row, run, data, asked.steps, small)
    seconds = facts["seconds"] + (json.loads((small / "run.json").read_text())["seconds"] if small else 0)
    space = facespace.load(run / "last")
    if name != "averaged":
        weights = torch.load(run / CHECKPOINT, map_location="cpu", weights_only=True)["model"]
        space.model.load_state_dict(weights)
    found = measure(space, FaceSet(data), asked.count, kind)
    note(f"{name}: {time.time() - began:.0f} s")
    return {"parameters": facts["parameters"], "seconds": seconds, "settings": row.changed, **found}


def thinned(data: Path, asked: argparse.Namespace, most: int | None) -> Path:
    """The set with no more validation and test faces than are measured, since training ends with a look at all of them."""
    to = asked.runs / f"set-{data.name}-{most or 'all'}"
    if not to.is_dir():
        subsample(
            data, {"validation": asked.count, "test": asked.count, **({"train": most} if most else {})}, to
        )
    return to


def learn_small(asked: argparse.Namespace) -> Path:
    """The run at half the size, trained if it is not there."""
    if not asked.small:
        raise SystemExit(
            "The row that grows needs --small: facespace prepare celeba ROOT --to SMALL --size 32 --crop center-148"
        )
    run = asked.runs / SMALL.recipe
    learn(SMALL, run, thinned(asked.small, asked, None), asked.steps, None)
    return run


def learn(row: Row, run: Path, data: Path, steps: int, start: Path | None) -> dict[str, Any]:
    """A row's run, trained unless it is there, and what it says of itself."""
    if not (run / "run.json").is_file():
        settings, resume = (
            [*row.changed, f"train.steps={steps}", "train.prior=none"],
            (run / CHECKPOINT).is_file(),
        )
        facespace.train(
            row.recipe, data, run, settings=settings, start=start, trackers=["none"], resume=resume
        )
    return json.loads((run / "run.json").read_text())


def measure(space: FaceSpace, faces: FaceSet, count: int, kind: str) -> dict[str, Any]:
    """A space's figures, with samples from a prior of this kind."""
    test, others = (EvaluationSession(space, faces, split, count) for split in ("test", "validation"))
    if kind == "model":
        samples = space.sample(count, prior=kind)
    else:
        options = {"steps": FLOW_STEPS} if kind in ("flow", "autoregressive") else {}
        prior = fitted_prior(kind, space.latent_dim, options, space.model.code_grids)
        prior.fit(torch.from_numpy(space.posterior_means(faces, "train")))
        samples = space.decode(prior.sample(count, generator=torch.Generator().manual_seed(0)))
    features = open_features()
    drawn = measure_generation(samples, test.originals, others.originals, features)
    again = measure_generation(test.reconstructions, test.originals, None, features)
    close = per_face(test.originals, test.reconstructions, open_lpips())
    document = as_document(drawn)
    found = {key: document[key] for key in ("fid", "kid", "kid_sd", "precision", "recall", "real_reference")}
    found |= {"again_fid": again.fid, "again_kid": again.kid}
    return found | {key: float(np.mean(close[key])) for key in ("lpips", "psnr", "ssim")}


if __name__ == "__main__":
    main()
