"""The long training of the next default space, in slices: started, continued and packed by the same command.

    FACESPACE_VGG16=… FACESPACE_RECOGNITION=… FACESPACE_EFFICIENTNET=… \
        python benchmarks/long_run.py RUNS --sets 32=SET32 64=SET64 [128=SET128] [--minutes 9] [--device cuda] [--set FIELD=VALUE]

RUNS holds a run for each stage. Stages, one after another: `32`, `64` and, where its set is named, `128` grow the whole network
(each from the one before); `prior` fits the flow to the latents of the faces and of their mirror images; `decoder` trains the decoder
alone against the projected discriminator on faces drawn from that flow. After a slice of so many minutes (within a stage) there is a
checkpoint, and RUNS/packed, an 8-bit bundle of the model as it is. The same command goes on from there, on this machine or, RUNS
copied, on another. On CUDA the faces lie on the device, the pass runs in bf16 and the network is compiled: the defaults of
`facespace train`. docs/long-run.md has the plan and its figures."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import facespace
from facespace.core.console import note
from facespace.data.faces import FaceSet
from facespace.models import bundle, locations
from facespace.models.export import pack
from facespace.space.face_space import FaceSpace

WHOLE = (  # of the growing stages
    "objective.features=vgg16",
    "objective.perceptual_share=0.25",
    "objective.identity=0.1",
    "objective.center_weight=10",
    "objective.adversarial=0",
    "objective.feature_matching=0",
    "objective.adversarial_generated=0",
    "data.balance.Eyeglasses=0.2",
    "model.decoder_blocks=4",
    "model.latent_noise=0.1",
)
ALONE = (  # of the decoder's stage
    "train.freeze=encoder",
    "train.steps=4000",
    "train.batch=32",
    "train.learning_rate=5e-4",
    "train.warmup=50",
    "objective.discriminator=projected",
    "objective.discriminator_features=efficientnet,recognition",
    "objective.adversarial=0.1",
    "objective.adversarial_on=samples",
    "objective.adversarial_generated=1",
    "objective.adversarial_start=0",
)
EPOCHS = {32: 30, 64: 60, 128: 20}
FLOW = {"steps": 20_000, "width": 768, "blocks": 6}
LOG = "slices.jsonl"  # a line a slice


def main() -> None:
    """Does the next slice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--flow", default=json.dumps(FLOW), help="options of the flow, JSON")
    asked = parser.parse_args()
    sets = {int(size): Path(path) for size, path in (text.split("=", 1) for text in asked.sets)}
    asked.runs.mkdir(parents=True, exist_ok=True)
    done = next_slice(asked.runs, sets, asked.minutes, asked.device, asked.set, json.loads(asked.flow))
    with (asked.runs / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(done) + "\n")
    print(json.dumps(done))


def next_slice(
    runs: Path, sets: dict[int, Path], minutes: float, device: str, settings: list[str], flow: dict[str, Any]
) -> dict[str, Any]:
    """Trains the first stage that is not finished, for so many minutes, and packs what there is."""
    began, sizes = time.monotonic(), sorted(sets)
    for before, size in zip([None, *sizes], sizes):
        run = runs / f"grow{size}"
        if finished(run):
            continue
        chosen = [*WHOLE, f"train.epochs={EPOCHS[size]}", "train.prior=none", *settings]
        start = runs / f"grow{before}" if before else None
        result = facespace.train(
            f"grow{size}", sets[size], run, settings=chosen, **common(run, start, minutes, device)
        )
        return closing(runs, run, f"grow{size}", result, began)
    grown = runs / f"grow{sizes[-1]}"
    if "flow" not in bundle.load(grown).card.get("priors", {}):
        note("Fitting the flow; this stage is done in one piece.")
        entry = facespace.load(grown, device="cpu").fit_prior(
            FaceSet(sets[sizes[-1]]), "flow", mirror=True, **flow
        )
        return closing(runs, grown, "prior", {"nats": entry["nats"], "nearest": entry["nearest"]}, began)
    run = runs / "decoder"
    if finished(run):
        return {"stage": "finished", "packed": str(runs / "packed")}
    chosen = [*ALONE, "train.prior=none", *settings]
    result = facespace.train(
        None, sets[sizes[-1]], run, settings=chosen, **common(run, grown, minutes, device)
    )
    return closing(runs, run, "decoder", result, began)


def finished(run: Path) -> bool:
    """Whether a stage has come to its end."""
    return (run / "run.json").is_file()


def common(run: Path, start: Path | None, minutes: float, device: str) -> dict[str, Any]:
    """What every stage's training is called with."""
    resume = (run / "checkpoint.pt").is_file()
    return {"start": start, "resume": resume, "minutes": minutes, "device": device, "trackers": ["none"]}


def closing(runs: Path, run: Path, stage: str, result: dict[str, Any], began: float) -> dict[str, Any]:
    """Packs the model as it is and says what was done."""
    folder = run / (locations.LAST if result.get("paused") else locations.BEST)
    space = FaceSpace(bundle.load(folder))
    size = pack(bundle.load(folder), runs / "packed", bits=8)
    kept = {
        key: result[key]
        for key in ("paused", "step", "steps", "images_per_second", "peak_memory_mb", "nats", "nearest")
        if key in result
    }
    return {
        "stage": stage,
        **kept,
        "seconds": round(time.monotonic() - began),
        "parameters": sum(weight.numel() for weight in space.model.parameters()),
        "packed": str(runs / "packed"),
        "bytes": size,
    }


if __name__ == "__main__":
    main()
