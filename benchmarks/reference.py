"""Whether a change of the code left every result as it was: weights, prepared sets, faces, figures, fits.

    python benchmarks/reference.py record FILE.json     in the tree before the change
    python benchmarks/reference.py compare FILE.json    in the tree after it; exit status 1 on a difference

Both make the same small things in a temporary folder, on the CPU in fp32, with one thread and fixed seeds.
Kept are the SHA-256 and the mean of each array, and the numbers of results, sorted, so that parameters, files
and keys may be renamed. Arrays must be the same to the last bit, numbers to 1e-6 of their size. Compare on
the same machine, with the same packages and environment. `--only PART,PART` makes some parts. Not looked at:
texts and pictures of reports, speed, GPUs, bf16, the command line, networks that are fetched."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import argparse
import contextlib
import hashlib
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file

import facespace
from facespace.recipes import RECIPES, recipe

TOLERANCE = 1e-6  # relative, of numbers
UNSTEADY = {"seconds", "time", "date", "bytes"}  # words in the keys of numbers that no two runs share
Entry = dict[str, list]  # "hashes" of arrays and "numbers", both sorted
STEPS = ("train.steps=20", "train.batch=8", "train.precision=fp32", "train.prior=none")
TINY = (*STEPS, "model.image=3,16,16", "model.latent_dim=5", "model.widths=8,12")
VARIANTS = {  # of the recipe demo: what no recipe sets
    "nothing more": "",
    "attributes": "model.conditions=Hat,smile data.balance.Hat=0.5 data.flip=true data.jitter=0.1",
    "schedules": "objective.warmup=9 objective.free_bits=0.1 train.warmup=3 train.gradient_clip=1 "
    "train.ema=0.9",
    "bound": "objective.iwae_samples=3 objective.weights.kl=1",
    "looks": "model.refinement_steps=2 model.latent_noise=0.1 model.dropout=0.1 data.affine=0.5",
}
BY_SAMPLES = ("objective.adversarial=0.1", "objective.adversarial_on=samples", "objective.prior=mixture")
# The drawn factors by the names of photographs' attributes, which the networks that come along know.
NAMED = {"smile": "Smiling", "Eyeglasses": "Eyeglasses", "Bangs": "Bangs", "Hat": "Wearing_Hat"}


def train(name: str, faces: facespace.FaceSet, settings: tuple[str, ...], to: Path, **how: Any) -> Path:
    facespace.train(name, faces, to, settings=settings, trackers=["none"], device="cpu", seed=1, **how)
    return to


@cache
def drawn(folder: Path, count: int, channels: int, height: int, width: int) -> facespace.FaceSet:
    to, gray = folder / f"drawn-{count}-{channels}-{height}-{width}", channels == 1
    return facespace.prepare("synthetic", to=to, size=(height, width), limit=count, gray=gray, workers=1)


@cache
def photo_set(folder: Path) -> facespace.FaceSet:
    """A prepared set that the default space takes, from PNG files of CelebA's size and a table."""
    faces, root = drawn(folder, 200, 3, 218, 178), folder / "photos"
    root.mkdir()
    columns = [faces.attribute_names.index(name) for name in NAMED]
    rows = ["file," + ",".join(NAMED.values())]
    for place, face in enumerate(faces.images):
        Image.fromarray(face).save(root / f"{place:03}.png")
        rows.append(",".join([f"{place:03}.png", *map(str, faces.attributes[place, columns])]))
    (root / "table.csv").write_text("\n".join(rows))
    how: dict[str, Any] = {"crop": "center-148", "table": root / "table.csv", "workers": 1}
    return facespace.prepare("folder", root, to=folder / "photo-set", size=64, **how)


def prepared_sets(folder: Path) -> Iterator[tuple[str, Entry]]:
    """Of drawn faces, and of files of several sizes and modes in two subfolders."""
    faces, root = drawn(folder, 24, 3, 96, 80), folder / "mixed"
    for place, face in enumerate(faces.images):
        picture = Image.fromarray(face).resize((60 + 3 * place, 70 + 2 * place))
        (root / "ab"[place % 2]).mkdir(parents=True, exist_ok=True)
        picture.convert(("RGB", "L", "P")[place % 3]).save(root / "ab"[place % 2] / f"{place}.png")
    colour = facespace.prepare("folder", root, to=folder / "colour", size=48, workers=1)
    gray = facespace.prepare("folder", root, to=folder / "gray", size=(40, 32), gray=True, workers=1)
    sets = {"drawn": faces, "colour": colour, "gray": gray, "with a table": photo_set(folder)}
    for name, one in sets.items():
        yield name, entry(one.images, one.attributes, one.splits == "train", one.splits == "test")


def trained_weights(folder: Path) -> Iterator[tuple[str, Entry]]:
    """Both bundles of a run of each recipe, at a quarter of its widths, and of variants of one."""
    runs, faces = {}, drawn(folder, 200, 3, 16, 16)
    for name in RECIPES:
        plan = recipe(name)
        widths = ",".join(str(max(4, width // 4)) for width in plan.model.widths)
        average = ("train.ema_half_life=40",) if plan.train.ema_half_life else ()  # else it hardly moves
        settings = (*STEPS, f"model.widths={widths}", *average)
        runs[name] = train(name, drawn(folder, 100, *plan.model.image), settings, folder / name)
    for name, changed in VARIANTS.items():
        runs[name] = train("demo", faces, (*TINY, *changed.split()), folder / f"demo, {name}")
    start = runs["nothing more"]
    facespace.load(start).fit_prior(faces, "mixture", components=2)
    alone = (*TINY, *BY_SAMPLES, "train.freeze=encoder")
    runs["decoder alone"] = train("demo", faces, alone, folder / "decoder", start=start)
    for name, run in runs.items():
        yield f"{name}, best", entry(tensors(run / "best"))
        yield f"{name}, last", entry(tensors(run / "last"))


def default_space(folder: Path) -> Iterator[tuple[str, Entry]]:
    """What the space that comes along makes."""
    from facespace.perception.attributes import load_classifier

    space, faces = facespace.load(), photo_set(folder).images[:5]
    z, wanted = space.encode(faces), {"Smiling": 1, "Male": -1}
    edited = space.edit(z, {"Smiling": 2.0, "Eyeglasses": "1g"}, lock=["Young"])
    paths = ("linear", "spherical", "geodesic")
    yield "sample", entry(space.sample(5, seed=1), space.sample(5, prior="model", temperature=0.7))
    yield "sample, guided", entry(space.sample(5, seed=1, conditions=wanted, guidance=2.0))
    yield "latents", entry(z, space.sample_latents(5, seed=1), space.sample_latents_batched(5, seed=1))
    yield "reconstruct", entry(space.reconstruct(faces))
    yield "edit", entry(edited, space.decode(edited), space.edit(z, {"Male": "on"}))
    yield "edit with a judge", entry(space.edit(z[:2], {"Smiling": "on"}, ["Male"], load_classifier()))
    yield "morph", entry([space.morph(*z[:2], frames=5, path=path) for path in paths])
    yield "morph there and back", entry(space.morph(*z[:3], frames=8, pingpong=True))
    yield "pull", entry(space.truncate(z, 0.4), space.truncate(z, 0.4, prior="model"))
    yield "mix", entry(space.mix([(z[:2], 1.0), (z[2:], -0.5)]))
    yield "refine", entry(space.optimize(faces[:2], z[:2], steps=3))


def figures(folder: Path) -> Iterator[tuple[str, Entry]]:
    """Numbers that evaluate, analyze and benchmark-edits write, of the default space and of a small one."""
    from facespace.evaluation.analyze import analyze
    from facespace.evaluation.edit_benchmark import benchmark_edits
    from facespace.evaluation.evaluate import evaluate

    faces, tiny = photo_set(folder), drawn(folder, 200, 3, 16, 16)
    run = train("demo", tiny, TINY, folder / "measured")
    subjects = {"default space": (None, faces, "test"), "small space": (run, tiny, "all")}
    for name, (space, data, split) in subjects.items():
        measured, inside = folder / f"evaluate {name}", folder / f"analyze {name}"
        evaluate(space, data, measured, split=split, features="attributes", iwae_samples=3, seed=1)
        yield f"evaluate, {name}", entry(results(measured))
        analyze(space, data, inside, split="all", count=100, seed=1)
        yield f"analyze, {name}", entry(results(inside))
    chosen = dict(attributes=("Smiling", "Bangs"), count=5, strengths=(1, 3), seed=1)
    benchmark_edits(None, faces, folder / "s", **chosen)
    yield "scorecard", entry(results(folder / "s"))


def fitted(folder: Path) -> Iterator[tuple[str, Entry]]:
    """Priors and directions fitted to the latents of a small space."""
    faces = drawn(folder, 200, 3, 16, 16)
    space = facespace.load(train("demo", faces, TINY, folder / "fitted"))
    short = {"steps": 30, "width": 16, "blocks": 1}
    kinds = {"normal": {}, "mixture": {"components": 3}, "flow": short, "diffusion": short}
    for kind, options in kinds.items():
        told = space.fit_prior(faces, kind, "all", seed=1, mirror=kind == "flow", **options)
        yield f"prior, {kind}", entry(told, space.sample_latents(5, prior=kind), tensors(space.folder))
    found = {way: space.fit_directions(faces, method=way) for way in ("mean", "probe", "decorrelated")}
    found["pairs"] = space.fit_directions(faces, ["smile"], "mean", shots=10, seed=1)
    found["kinds"] = space.fit_kinds(faces, "Eyeglasses", split="all", seed=1)
    for name, one in found.items():
        yield f"directions, {name}", entry(list(one.facts.values()), one.units, one.probes, one.steps)


PARTS = {f.__name__: f for f in (prepared_sets, trained_weights, default_space, figures, fitted)}


def tensors(folder: Path) -> list[np.ndarray]:
    return [tensor for file in folder.glob("*.safetensors") for tensor in load_file(file).values()]


def results(folder: Path) -> list[Any]:
    return [json.loads(file.read_text()) for file in folder.rglob("*.json")]


def entry(*things: Any) -> Entry:
    """What is kept of arrays, and of numbers in nested results."""
    hashes, numbers = [], []
    for leaf in leaves(things):
        if isinstance(leaf, np.ndarray):
            head = f"{leaf.dtype} {leaf.shape}".encode()
            hashes.append(hashlib.sha256(head + leaf.tobytes()).hexdigest())
            leaf = np.nan_to_num(leaf.astype(np.float64)).mean()
        numbers.append(float(leaf))
    return {"hashes": sorted(hashes), "numbers": sorted(numbers)}


def leaves(thing: Any) -> Iterator[Any]:
    """Arrays and numbers, but for times and sizes of files."""
    if isinstance(thing, Mapping):
        thing = [value for key, value in thing.items() if not UNSTEADY & set(key.split("_"))]
    if isinstance(thing, list | tuple):
        for inner in thing:
            yield from leaves(inner)
    elif isinstance(thing, int | float | np.ndarray) and not isinstance(thing, bool):
        yield thing


def difference(before: Entry, after: Entry) -> str:
    """What differs between two entries, in words; nothing where they are the same."""
    told, (old, new) = [], (np.array(one["numbers"]) for one in (before, after))
    if before["hashes"] != after["hashes"]:
        kept = len(set(before["hashes"]) & set(after["hashes"]))
        told.append(f"{len(before['hashes'])} arrays, now {len(after['hashes'])}, {kept} the same")
    if len(old) != len(new):
        return "; ".join([*told, f"{len(old)} numbers, now {len(new)}"])
    largest = np.max(np.abs(old - new) / np.maximum(np.abs(old), 1e-12), initial=0.0)
    if told or not largest <= TOLERANCE:
        told.append(f"largest relative difference of numbers {largest:.2g}")
    return "; ".join(told)


def compare(part: str, before: dict[str, Entry], after: dict[str, Entry]) -> int:
    """Prints a line for each entry, and returns how many differ."""
    wrong = 0
    for name in before | after:
        both = name in before and name in after
        told = difference(before[name], after[name]) if both else "only in one of the two"
        print(f"{'differs' if told else 'same':<8} {part}: {name}  {told}".rstrip(), flush=True)
        wrong += bool(told)
    return wrong


def main() -> int:
    """Records or compares; returns the exit status."""
    parser = argparse.ArgumentParser(description="Whether a change of the code left every result as it was.")
    parser.add_argument("verb", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", default=",".join(PARTS))
    asked = parser.parse_args()
    print(f"{Path(facespace.__file__).parent}, torch {torch.__version__}, numpy {np.__version__}", flush=True)
    torch.autocast = lambda *_, **__: contextlib.nullcontext()  # whether bf16 pays is timed, and may change
    before = json.loads(asked.file.read_text()) if asked.verb == "compare" else {}
    after, wrong = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        for part in asked.only.split(","):
            with contextlib.redirect_stderr(io.StringIO()):  # notes and progress
                after[part] = dict(PARTS[part](Path(folder)))
            wrong += compare(part, before[part], after[part]) if before else 0
    if asked.verb == "record":
        asked.file.write_text(json.dumps(after, indent=1))
    print(f"{sum(map(len, after.values()))} entries, {wrong} differ")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
