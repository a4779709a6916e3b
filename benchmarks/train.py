"""Images a second of training, three ways, on the same CelebA files: as the published systems do it (fp32, eager, a
DataLoader whose one worker decodes, crops and resizes each JPEG with Pillow), by facespace end to end (data, step, figures),
and at the limit (facespace's step on tensors already in memory). Each turn is a process of its own and the ways take turns;
medians. With it: the limit's arithmetic as a share of what a product of two 2,048×2,048 matrices reaches, seconds from the
command to the first step, and memory over the epochs.

python benchmarks/train.py CELEBA [--recipes …] [--batches …] [--turns 3] [--seconds 12] [--device cpu] [--compile]

CELEBA holds img_align_celeba and its tables. A batch of 0 is the recipe's own."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CROPS = {"lfw-mlp": 148, "celebamask-conv": 148, "celeba-conv-128": 128}  # centred squares of a CelebA file
FILES = 6_000
WARM_UP = 3  # steps that are not counted


def rate(step: Callable[[Any], Any], batches: Iterator[Any], given: argparse.Namespace) -> float:
    """Images a second of a step over batches, once warm."""
    import torch

    wait = torch.cuda.synchronize if given.device == "cuda" else lambda: None
    for _ in range(WARM_UP):
        step(next(batches))
    wait()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < given.seconds:
        step(next(batches))
        done += given.batch
    wait()
    return done / (time.perf_counter() - start)


def plain(given: argparse.Namespace) -> dict[str, Any]:
    """The systems' own way."""
    import numpy as np
    import torch
    from PIL import Image

    from facespace.models import build
    from facespace.recipes import recipe
    from facespace.training.loss import total_loss

    plan, crop = recipe(given.recipe), CROPS[given.recipe]
    files = sorted((given.celeba / "img_align_celeba").glob("*.jpg"))[:FILES]

    class Files(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, index: int) -> torch.Tensor:
            with Image.open(files[index]) as image:
                rgb = image.convert("RGB")
            left, top = (rgb.width - crop) // 2, (rgb.height - crop) // 2
            face = rgb.crop((left, top, left + crop, top + crop)).resize(plan.model.image[:0:-1])
            return torch.from_numpy(np.asarray(face).transpose(2, 0, 1).copy()).float() / 255

    model = build(plan.model).to(given.device).train()
    for layer in model.modules():  # facespace's own transposed convolutions are faster ones
        if isinstance(layer, torch.nn.ConvTranspose2d):
            layer.__class__ = torch.nn.ConvTranspose2d
    optimizer = torch.optim.Adam(model.parameters(), plan.train.learning_rate)
    loader = torch.utils.data.DataLoader(Files(), given.batch, shuffle=True, num_workers=1, drop_last=True)

    def step(x: torch.Tensor) -> None:
        loss, _ = total_loss(model(x.to(given.device)), plan.objective.weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # they print it

    return {"rate": rate(step, (x for _ in range(1_000) for x in loader), given)}


def limit(given: argparse.Namespace) -> dict[str, Any]:
    """Our step without data or figures."""
    from dataclasses import replace

    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from facespace.models import build
    from facespace.recipes import recipe
    from facespace.training.loss import total_loss
    from facespace.training.runtime import Runtime

    plan = recipe(given.recipe)
    machine = Runtime(given.device, replace(plan.train, compile=given.compile))
    model = machine.to_device(build(plan.model)).train()
    optimizer = torch.optim.Adam(model.parameters(), plan.train.learning_rate, fused=True)
    network = machine.prepare(model, optimizer)
    x = torch.rand(given.batch, *plan.model.image, device=machine.device)
    if x.shape[1] > 1:
        x = x.to(memory_format=torch.channels_last)

    def step(x: torch.Tensor, network: torch.nn.Module = network) -> None:
        with machine.autocast():
            result = network(x)
        loss, _ = total_loss(result, plan.objective.weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    batches = (x for _ in iter(int, 1))
    with FlopCounterMode(display=False) as counter:
        step(x, model)
    found = rate(step, batches, given)
    a = torch.rand(2_048, 2_048, device=machine.device)
    with machine.autocast():
        product = rate(lambda x: a @ a, batches, given) / given.batch * 2 * len(a) ** 3
    share = found / given.batch * counter.get_total_flops() / product
    return {"rate": found, "precision": machine.precision, "share": share}


def ours(given: argparse.Namespace) -> dict[str, Any]:
    """`facespace train`, with the memory after each epoch."""
    import facespace
    from facespace.core.console import quiet
    from facespace.training.records import EpochRecord
    from facespace.training.run_log import RunLogger

    memory: list[float] = []
    epoch = RunLogger.log_epoch

    def remember(self: RunLogger, record: EpochRecord) -> None:
        epoch(self, record)
        memory.append(int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * 4096 / 2**20)

    RunLogger.log_epoch = remember  # type: ignore[method-assign]
    settings = [
        f"train.batch={given.batch}",
        f"train.steps={given.steps}",
        f"train.compile={given.compile}",
    ]
    with quiet():
        options = dict(settings=settings, device=given.device, trackers=["none"], force=True)
        result = facespace.train(given.recipe, given.set, given.set.parent / f"run-{given.recipe}", **options)
    return {"rate": result["images_per_second"], "start": result["seconds_to_first_step"], "memory": memory}


WAYS = {"plain": plain, "limit": limit, "ours": ours}


def turn(way: str, given: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """One way in a process of its own."""
    facts = {**vars(given), **more, "way": way}
    call = [sys.executable, __file__, "--turn", json.dumps(facts, default=str)]
    return json.loads(
        subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1]
    )


def case(name: str, batch: int, folder: Path, given: argparse.Namespace) -> str:
    """A row of the table."""
    from facespace.recipes import recipe

    size = batch or recipe(name).train.batch
    options: dict[str, Any] = dict(recipe=name, batch=size, set=folder / name)
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(given.turns):
        for way in WAYS:
            steps = int(found["limit"][-1]["rate"] * given.seconds / size) + 1 if way == "ours" else 0
            found[way].append(turn(way, given, steps=steps, **options))
    rates = {way: statistics.median(one["rate"] for one in rows) for way, rows in found.items()}
    share = statistics.median(one["share"] for one in found["limit"])
    start = statistics.median(one["start"] for one in found["ours"])
    memory = max((one["memory"] for one in found["ours"]), key=len)
    early = memory[min(2, len(memory) - 1)]
    return (
        f"{name:<16} {size:>5} {rates['plain']:>8,.0f} {rates['ours']:>8,.0f} {rates['limit']:>8,.0f} "
        f"{rates['ours'] / rates['plain']:>7.2f}× {rates['ours'] / rates['limit']:>6.2f} {share:>8.2f} "
        f"{found['limit'][0]['precision']:>6} {start:>7.1f} s   {early:,.0f} → {memory[-1]:,.0f} MiB in {len(memory)} epochs"
    )


def main() -> None:
    """Prints a row for each recipe and batch size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("celeba", type=Path)
    parser.add_argument("--recipes", nargs="+", choices=CROPS, default=list(CROPS))
    parser.add_argument("--batches", nargs="+", type=int, default=[128, 0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument(
        "--compile",
        action="store_const",
        const="on",
        default="auto",
        help="ours and the limit with torch.compile",
    )
    given = parser.parse_args()

    import torch

    import facespace
    from facespace.core.console import quiet
    from facespace.models.precision import has_bf16
    from facespace.recipes import recipe

    cores = len(os.sched_getaffinity(0))
    native = "has" if has_bf16(torch.device(given.device)) else "has no"
    print(f"{given.device} with {cores} cores, torch {torch.__version__}; it {native} bf16 instructions")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.recipes:
            began, size = time.perf_counter(), recipe(name).model.image[-1]
            options = dict(size=size, crop=f"center-{CROPS[name]}", limit=FILES)
            with quiet():
                facespace.prepare("celeba", given.celeba, to=Path(folder) / name, **options)
            print(
                f"prepared once for {name}: {FILES:,} files in {time.perf_counter() - began:.0f} s",
                flush=True,
            )
        print(
            f"{'recipe':<16} {'batch':>5} {'plain':>8} {'ours':>8} {'limit':>8} {'ours/plain':>8} {'/limit':>6} {'/product':>8} "
            f"{'in':>6} {'1st step':>9}   memory"
        )
        for name in given.recipes:
            for batch in given.batches:
                print(case(name, batch, Path(folder), given), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        told = json.loads(sys.argv[2])
        told["celeba"], told["set"] = Path(told["celeba"]), Path(told["set"])
        print(json.dumps(WAYS[told["way"]](argparse.Namespace(**told))))
    else:
        main()
