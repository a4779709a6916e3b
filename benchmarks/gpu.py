"""Training on one device, all in one run: the five systems against the way in which they were published (a naive loop in fp32 with a
loader that decodes), facespace end to end, bf16 and torch.compile against fp32 and eager, the largest batch, the share of the device's
limit, the losses of 50 steps against those of the CPU, and two trainings at once on one device. Pictures are synthetic faces, so no data
set is needed. Each measurement is a process of its own; ways take turns, and medians are printed.

python benchmarks/gpu.py [--device cuda] [--recipes …] [--turns 3] [--seconds 10] [--to gpu.json]

On a CPU: --device cpu --seconds 1 --files 200 --largest 64. The share of the limit is the floating-point operations of the step (counted by
torch, forward and backward) at its speed, over those of a large matrix product in the same format on the same device."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

RECIPES = (
    "lfw-mlp",
    "celeba-gray-ae",
    "celeba-gray-vae",
    "celebamask-conv",
    "celeba-conv-128",
    "yearbook-ae",
)
# Way -> (train.precision, train.compile) of the step on tensors in memory.
STEPS = {
    "eager fp32": ("fp32", "off"),
    "eager bf16": ("bf16", "off"),
    "compiled fp32": ("fp32", "on"),
    "compiled bf16": ("bf16", "on"),
}
WARM_UP = 3  # steps that are not counted
STEPS_COMPARED, TOLERANCE = 50, 1e-3  # of the losses, relative
FILE = (218, 178)  # pixels of a picture file, as CelebA's
BEGIN = 8  # the smallest batch that is tried


class Step:
    """One training step of a recipe on a device, in a number format, compiled or not."""

    def __init__(self, given: argparse.Namespace, precision: str = "fp32", compiled: str = "off") -> None:
        import torch

        from facespace.models import build
        from facespace.recipes import recipe
        from facespace.training.runtime import Runtime

        plan = recipe(given.recipe)
        self.plan, train = plan, replace(plan.train, precision=precision, compile=compiled, batch=given.batch)
        self.runtime = Runtime(given.device, train)
        torch.manual_seed(0)
        self.model = self.runtime.to_device(build(plan.model)).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), plan.train.learning_rate, fused=True)
        self.network = self.runtime.prepare(self.model, self.optimizer)

    def images(self, batch: int) -> Any:
        """Images in memory on the device."""
        import torch

        generator = torch.Generator().manual_seed(1)
        x = torch.rand(batch, *self.plan.model.image, generator=generator).to(self.runtime.device)
        return x.to(memory_format=torch.channels_last) if x.shape[1] > 1 else x

    def __call__(self, x: Any) -> Any:
        from facespace.training.loss import total_loss

        with self.runtime.autocast():
            result = self.network(x)
        loss, _ = total_loss(result, self.plan.objective.weights)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def waiter(device: str) -> Callable[[], object]:
    """What waits until the device has done its work."""
    import torch

    return torch.cuda.synchronize if device == "cuda" else lambda: None


def rate(step: Callable[[Any], Any], batches: Iterator[Any], given: argparse.Namespace) -> float:
    """Images a second of a step over batches, once warm."""
    wait = waiter(given.device)
    for _ in range(WARM_UP):
        step(next(batches))
    wait()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < given.seconds:
        step(next(batches))
        done += given.batch
        if given.device != "cpu" and done % (16 * given.batch) == 0:
            wait()  # or the queue would hold more steps than the time
    wait()
    return done / (time.perf_counter() - start)


# --- the measurements, each in a process of its own


def plain(given: argparse.Namespace) -> dict[str, Any]:
    """The systems' own way: fp32, eager, a loader whose worker decodes and resizes, a loss that is read at each step."""
    import numpy as np
    import torch
    from PIL import Image

    from facespace.models import build
    from facespace.recipes import recipe
    from facespace.training.loss import total_loss

    plan = recipe(given.recipe)
    channels, height, width = plan.model.image
    files = sorted((given.folder / "files").glob("*.jpg"))

    class Files(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, index: int) -> torch.Tensor:
            with Image.open(files[index]) as image:
                face = image.convert("RGB" if channels == 3 else "L").resize((width, height))
            pixels = np.asarray(face).reshape(height, width, channels).transpose(2, 0, 1)
            return torch.from_numpy(pixels.copy()).float() / 255

    model = build(plan.model).to(given.device).train()
    optimizer = torch.optim.Adam(model.parameters(), plan.train.learning_rate)
    loader = torch.utils.data.DataLoader(Files(), given.batch, shuffle=True, num_workers=1, drop_last=True)

    def step(x: torch.Tensor) -> None:
        loss, _ = total_loss(model(x.to(given.device)), plan.objective.weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return {"rate": rate(step, (x for _ in repeat(None) for x in loader), given)}


def in_memory(given: argparse.Namespace) -> dict[str, Any]:
    """Our step without data or figures; its floating-point operations an image, and the memory that it took."""
    from torch.utils.flop_counter import FlopCounterMode

    precision, compiled = STEPS[given.step]
    step = Step(given, precision, compiled)
    x = step.images(given.batch)
    with FlopCounterMode(display=False) as counter:
        Step(given, precision)(x)
    found = rate(step, repeat(x), given)
    operations = counter.get_total_flops() / given.batch
    return {"rate": found, "operations": operations, "memory": step.runtime.peak_memory}


def limit(given: argparse.Namespace) -> dict[str, Any]:
    """Floating-point operations a second of a large matrix product, the most that the device reaches, by number format."""
    import torch

    found = {}
    wait = waiter(given.device)
    torch.set_float32_matmul_precision("highest")
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a = torch.ones(given.side, given.side, dtype=dtype, device=given.device)
        best = 0.0
        for _ in range(5):
            wait()
            start = time.perf_counter()
            _ = a @ a
            wait()
            best = max(best, 2 * given.side**3 / (time.perf_counter() - start))
        found[name] = best
    return found


def ours(given: argparse.Namespace) -> dict[str, Any]:
    """`facespace train` end to end: data, step, figures."""
    import facespace
    from facespace.core.console import quiet

    settings = [f"train.batch={given.batch}", f"train.steps={given.steps}"]
    name = f"run-{given.recipe}-{given.number}"
    with quiet():
        result = facespace.train(
            given.recipe,
            given.folder / given.recipe,
            given.folder / name,
            settings=settings,
            device=given.device,
            trackers=["none"],
            force=True,
        )
    return {"rate": result["images_per_second"], "start": result["seconds_to_first_step"]}


def largest(given: argparse.Namespace) -> dict[str, Any]:
    """The largest batch, a power of two, whose step fits the device's memory; `given.largest` at most."""
    import torch

    fits, batch, memory = 0, BEGIN, None
    while batch <= given.largest:
        try:
            step = Step(replace_batch(given, batch), "bf16" if given.device == "cuda" else "fp32")
            step(step.images(batch))
            waiter(given.device)()
        except torch.OutOfMemoryError:
            break
        fits, batch = batch, 2 * batch
        memory = step.runtime.peak_memory
        del step
        if given.device == "cuda":
            torch.cuda.empty_cache()
    return {"batch": fits, "bounded": fits * 2 > given.largest, "memory": memory}


def replace_batch(given: argparse.Namespace, batch: int) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(given), "batch": batch})


def losses(given: argparse.Namespace) -> dict[str, Any]:
    """The losses of some steps in fp32, with noise that is drawn on the CPU, so that devices can be compared."""
    import torch

    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    step, draw = Step(given), torch.randn

    def drawn_on_the_cpu(*size: Any, device: Any = None, generator: Any = None, **options: Any) -> Any:
        return draw(*size, generator=generator, **options).to(device or "cpu")

    torch.manual_seed(2)
    x = step.images(given.batch)
    torch.randn = drawn_on_the_cpu  # type: ignore[assignment]
    try:
        return {"losses": [step(x).item() for _ in range(STEPS_COMPARED)]}
    finally:
        torch.randn = draw


MEASUREMENTS = {
    "plain": plain,
    "in_memory": in_memory,
    "limit": limit,
    "ours": ours,
    "largest": largest,
    "losses": losses,
}


# --- one run


def start(name: str, given: argparse.Namespace, **more: Any) -> subprocess.Popen[str]:
    facts = {**vars(given), "number": 0, **more, "measurement": name}
    call = [sys.executable, __file__, "--turn", json.dumps(facts, default=str)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"A measurement failed with exit code {process.returncode}.")
    return json.loads(said.splitlines()[-1])


def measured(name: str, given: argparse.Namespace, **more: Any) -> dict[str, Any]:
    return result(start(name, given, **more))


def compared(given: argparse.Namespace) -> dict[str, Any]:
    """The largest relative difference of a loss between the device and the CPU."""
    there = measured("losses", given)["losses"]
    here = measured("losses", given, device="cpu")["losses"]
    worst = max(abs(a - b) / max(abs(b), 1e-12) for a, b in zip(there, here))
    return {"worst": worst, "agree": worst <= TOLERANCE, "first": here[0], "last": here[-1]}


def case(recipe: str, peak: dict[str, float], given: argparse.Namespace) -> dict[str, Any]:
    """All figures of one recipe."""
    from facespace.recipes import recipe as recipe_named

    own = given.batch or recipe_named(recipe).train.batch
    given = argparse.Namespace(**{**vars(given), "recipe": recipe, "batch": own})
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in ("plain", "ours", *STEPS)}
    steps = WARM_UP
    for _ in range(given.turns):
        turns["plain"].append(measured("plain", given))
        for name in STEPS:
            turns[name].append(measured("in_memory", given, step=name))
        speed = turns["compiled bf16" if given.device == "cuda" else "eager fp32"][-1]["rate"]
        steps = max(WARM_UP, int(speed * given.seconds / own))
        turns["ours"].append(measured("ours", given, steps=steps))
    rates = {name: statistics.median(row["rate"] for row in rows) for name, rows in turns.items()}
    shares = {}
    for name, (precision, _) in STEPS.items():
        shares[name] = rates[name] * turns[name][0]["operations"] / peak[precision]
    both = [start("ours", given, steps=steps, number=number) for number in (1, 2)]
    together = sum(result(process)["rate"] for process in both)
    return {
        "recipe": recipe,
        "batch": own,
        "rates": rates,
        "share_of_limit": shares,
        "memory": {name: turns[name][0]["memory"] for name in STEPS},
        "two_processes": together / rates["ours"],
        "largest": measured("largest", given),
        "losses": compared(given),
    }


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The figures of a recipe as text."""
    rates, base = found["rates"], found["rates"]["plain"]
    yield f"{found['recipe']}, batch {found['batch']}"
    for name, speed in rates.items():
        share = found["share_of_limit"].get(name)
        of_limit = f", {share:.1%} of the limit" if share is not None else ""
        yield f"  {name:<14} {speed:>10,.0f} images/s, {speed / base:6.2f} × plain{of_limit}"
    for a, b in (("eager bf16", "eager fp32"), ("compiled bf16", "eager bf16"), ("ours", "compiled bf16")):
        yield f"  {a} over {b}: {rates[a] / rates[b]:.2f}"
    most, parity = found["largest"], found["losses"]
    bound = " (the largest that was tried)" if most["bounded"] else ""
    yield f"  largest batch {most['batch']:,}{bound}; two trainings at once: {found['two_processes']:.2f} × one"
    verdict = "agree" if parity["agree"] else "DIFFER"
    yield (
        f"  losses of {STEPS_COMPARED} steps in fp32 {verdict} with the CPU's: at most {parity['worst']:.1e} apart "
        f"({parity['first']:,.2f} to {parity['last']:,.2f})"
    )


def make_data(given: argparse.Namespace) -> None:
    """Synthetic faces as JPEG files, for the loader, and as prepared sets."""
    from PIL import Image

    import facespace
    from facespace.core.console import quiet
    from facespace.recipes import recipe

    (given.folder / "files").mkdir()
    for number in range(given.files):
        pixels = facespace.synthetic.render(facespace.synthetic.draw_factors(0, number), *FILE)
        Image.fromarray(pixels).save(given.folder / "files" / f"{number:06}.jpg", quality=92)
    for name in given.recipes:
        channels, height, width = recipe(name).model.image
        size = {"size": (height, width), "gray": channels == 1}
        with quiet():
            facespace.prepare("synthetic", to=given.folder / name, limit=given.files, **size)


def main() -> None:
    """Prints all figures, and writes them to --to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--files", type=int, default=4_000, help="pictures of the loader and of the sets")
    parser.add_argument("--batch", type=int, default=0, help="0: the recipe's own")
    parser.add_argument("--largest", type=int, default=65_536, help="the largest batch that is tried")
    parser.add_argument("--side", type=int, default=8_192, help="of the matrices of the device's limit")
    parser.add_argument("--to", type=Path, help="a .json file for all figures")
    given = parser.parse_args()

    import torch

    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "There is no CUDA here. For a look at the figures: --device cpu --seconds 1 --files 200"
        )
    name = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        given.folder = Path(folder)
        make_data(given)
        peak = measured("limit", given, recipe="", batch=0)
        print(", ".join(f"{what} {most / 1e12:.2f} TFLOP/s" for what, most in peak.items()), flush=True)
        found = []
        for recipe in given.recipes:
            found.append(case(recipe, peak, given))
            print("\n".join(lines(found[-1])), flush=True)
    if given.to:
        report = {"device": name, "torch": torch.__version__, "peak": peak, "recipes": found}
        given.to.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        told = json.loads(sys.argv[2])
        told["folder"] = Path(told["folder"])
        print(json.dumps(MEASUREMENTS[told["measurement"]](argparse.Namespace(**told))))
    else:
        main()
