"""The training loop, in sight: batches, loss, step; at each epoch's end validation, sheets, bundles and a checkpoint.
The only file that imports accelerate. A step's randomness is a function of (seed, step) alone, so a resumed run is the
uninterrupted one."""

import json
import math
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import torch
from accelerate.state import AcceleratorState
from torch import Tensor

from facespace import bundle
from facespace.configs import override, to_dict
from facespace.console import note, progress
from facespace.data import augment
from facespace.data.faces import FaceSet
from facespace.data.loaders import Batch, Loader
from facespace.errors import TrainingError, UsageError
from facespace.image.pixels import to_uint8
from facespace.image.sheets import pairs
from facespace.models import build
from facespace.models.priors import FittedNormal
from facespace.objectives import total_loss
from facespace.recipe import Recipe
from facespace.recipes import recipe as named_recipe
from facespace.training import checkpoint
from facespace.training.checkpoint import Progress
from facespace.training.journal import RESULT, Journal
from facespace.training.measure import evaluate, per_dim
from facespace.training.schedule import learning_rate

CHECKPOINT_SECONDS = 120.0
VALIDATION_BATCH = 256
PRIOR_FACES = 5_000  # training faces whose latents an autoencoder's prior is fitted to
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def train(
    recipe: Recipe | str,
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    settings: tuple[str, ...] | list[str] = (),
    resume: bool = False,
    device: str = "auto",
    seed: int = 0,
    force: bool = False,
) -> dict[str, Any]:
    """Trains a recipe on a prepared set into the folder `to`, and returns the run's figures.

    `settings` are overrides such as "train.steps=500". `resume` goes on from the checkpoint in `to` with the same
    recipe, data and seed. On Ctrl-C the step is finished and a checkpoint written before KeyboardInterrupt is raised.

    Raises UsageError for impossible settings, TrainingError where training cannot start or the loss is not finite."""
    plan = override(named_recipe(recipe) if isinstance(recipe, str) else recipe, settings)
    faces = data if isinstance(data, FaceSet) else FaceSet(data)
    run = Path(to)
    _check(plan, faces, run, resume, force)
    # A caller's own random numbers stay as they were.
    with torch.random.fork_rng():
        return Training(plan, faces, run, device, seed).go(resume)


class Training:
    """One run: what it needs, and its loop."""

    def __init__(self, plan: Recipe, faces: FaceSet, run: Path, device: str, seed: int) -> None:
        self.plan, self.faces, self.run, self.seed = plan, faces, run, seed
        self.accelerator = _accelerator(device, plan.train.precision)
        torch.manual_seed(seed)
        self.model = build(plan.model)
        rate = {"lr": plan.train.learning_rate, "weight_decay": plan.train.weight_decay}
        optimizer = OPTIMIZERS[plan.train.optimizer](self.model.parameters(), **rate, fused=True)
        self.network, self.optimizer = self.accelerator.prepare(self.model, optimizer)
        self.device = self.accelerator.device
        self.training = Loader(faces, faces.rows("train"), plan.train.batch, self.device)
        self.epoch_steps = self.training.steps
        self.total = plan.train.steps or plan.train.epochs * self.epoch_steps
        self.journal = Journal(run)
        self.at = Progress()

    @property
    def identity(self) -> dict[str, Any]:
        """What a resumed run must have in common with the interrupted one. How long it lasts may change."""
        recipe = to_dict(replace(self.plan, train=replace(self.plan.train, epochs=1, steps=None)))
        return {"recipe": json.dumps(recipe, sort_keys=True), "data": self.faces.fingerprint, "seed": self.seed}

    def go(self, resume: bool) -> dict[str, Any]:
        """The whole run, and its figures."""
        if resume:
            self.at = checkpoint.load(self.run, self.model, self.optimizer, self.identity, self.device)
            self.journal.resume(self.at.step)
            note(f"Resumed at step {self.at.step:,} of {self.total:,}.")
        note(
            f"Training {self.plan.name} ({sum(p.numel() for p in self.model.parameters()):,} parameters) on "
            f"{len(self.training.rows):,} faces, {self.total:,} steps of {self.training.size}, on {self.device}."
        )
        images = self.training.size
        with _stop_gently() as stopping, progress(self.total * images, "Training", "images") as advance:
            advance(self.at.step * images)
            saved = time.monotonic()
            while self.at.step < self.total and not self.at.done:
                self.steps(advance, stopping, saved + CHECKPOINT_SECONDS)
                if self.at.step % self.epoch_steps == 0 or self.at.step == self.total:
                    self.end_epoch()
                checkpoint.save(self.run, self.at, self.model, self.optimizer, self.identity)
                saved = time.monotonic()
                if stopping():
                    note(f"Stopped at step {self.at.step:,}. The same command with --resume goes on from there.")
                    raise KeyboardInterrupt
        return self.close()

    def steps(self, advance: Callable[[int], None], stopping: Callable[[], bool], pause: float) -> None:
        """Steps to the end of the epoch or the run, to the next checkpoint's time, or until asked to stop."""
        epoch, first = divmod(self.at.step, self.epoch_steps)
        self.network.train()
        start, sums = time.monotonic(), {name: torch.tensor(value) for name, value in self.at.sums.items()}
        for batch in self.training.training(self.seed, epoch, first):
            terms = self.step(batch)
            sums = {name: sums.get(name, 0.0) + term for name, term in terms.items()}
            self.at.step += 1
            self.at.images += len(batch.image)
            advance(len(batch.image))
            if self.at.step == self.total or stopping() or time.monotonic() > pause:
                break
        self.at.training_seconds += time.monotonic() - start
        self.at.sums = {name: float(value) for name, value in sums.items()}
        if not math.isfinite(self.at.sums["loss"]):
            worst = [name for name, value in self.at.sums.items() if not math.isfinite(value)]
            raise TrainingError(
                f"The loss is no longer a finite number ({', '.join(worst)}) by step {self.at.step:,} at learning rate "
                f"{learning_rate(self.plan.train, self.at.step, self.total):g}. Try a lower one: "
                f"--set train.learning_rate={self.plan.train.learning_rate / 4:g}"
            )

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One optimiser step; the terms of its loss, nats per image."""
        torch.manual_seed(_step_seed(self.seed, self.at.step))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.plan.train, self.at.step, self.total)
        image, _ = self.vary(batch)
        loss, terms = total_loss(self.network(image), self.plan.objective.weights)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.optimizer.step()
        return {"loss": loss.detach()} | {name: term.detach() for name, term in terms.items()}

    def vary(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Images and attributes as the recipe's data section varies them."""
        data, (image, attributes, _) = self.plan.data, batch
        if data.flip:
            image, attributes = augment.mirror(image, attributes, self.faces.attribute_names)
        image = augment.shift(image, data.shift) if data.shift else image
        return augment.jitter(image, data.jitter) if data.jitter else image, attributes

    def end_epoch(self) -> None:
        """Validates, writes line, sheets and bundles, and decides whether to go on."""
        steps = self.at.step % self.epoch_steps or self.epoch_steps
        seen = evaluate(self.model, self.loader("validation"), self.plan.objective.weights)
        figures = per_dim({name: value / steps for name, value in self.at.sums.items()}, self.model.image_shape)
        watched = (seen or figures)["loss"]
        best = watched < self.at.best - self.plan.train.min_delta
        self.at.since_best = 0 if best else self.at.since_best + 1
        self.at.best = watched if best else self.at.best
        line = {
            "epoch": math.ceil(self.at.step / self.epoch_steps),
            "step": self.at.step,
            "train": figures,
            "validation": per_dim(seen, self.model.image_shape) if seen else None,
            "best": best,
            "images_per_second": self.at.images / self.at.training_seconds,
            "training_seconds": self.at.training_seconds,
        }
        self.journal.epoch(line)
        self.fit_prior()
        for name in (bundle.BEST, bundle.LAST) if best else (bundle.LAST,):
            facts = {"recipe": to_dict(self.plan), "data": self.faces.card, "step": self.at.step, "metrics": line}
            bundle.save(self.run / name, self.model, self.plan.model, self.faces.template, facts)
        self.draw_sheets()
        self.at.sums = {}
        self.at.done = self.plan.train.patience is not None and self.at.since_best >= self.plan.train.patience
        if self.at.done:
            note(f"Stopped early: no better validation loss for {self.at.since_best} epochs.")

    @torch.inference_mode()
    def fit_prior(self) -> None:
        """An autoencoder's stand-in for a prior; a VAE has its own."""
        if isinstance(self.model.prior, FittedNormal):
            self.model.eval()
            rows = self.training.rows[:: math.ceil(len(self.training.rows) / PRIOR_FACES)]
            loader = Loader(self.faces, rows, VALIDATION_BATCH, self.device)
            self.model.prior.fit(torch.cat([self.model.encode(batch.image).mean for batch in loader.in_order()]))

    @torch.inference_mode()
    def draw_sheets(self) -> None:
        """The same latents and the same faces each time, in eval mode, so that sheets can be compared."""
        self.model.eval()
        generator = torch.Generator().manual_seed(self.seed)
        self.journal.sheet("samples", self.at.step, to_uint8(self.model.sample(64, generator=generator)))
        rows = self.faces.rows("validation")
        rows = (rows if len(rows) else self.training.rows)[:16]
        image = self.training.batch(rows).image
        again = self.model.decode(self.model.encode(image).mean)
        self.journal.sheet(
            "reconstructions",
            self.at.step,
            pairs(to_uint8(self.model.target(image)), to_uint8(again)),
            min(8, len(rows)),
        )

    def loader(self, split: str) -> Loader:
        """A split's faces in order, for measuring."""
        return Loader(self.faces, self.faces.rows(split), VALIDATION_BATCH, self.device)

    def close(self) -> dict[str, Any]:
        """Measures both bundles on validation and test faces and writes the run's result."""
        result = {
            "run": str(self.run),
            "recipe": self.plan.name,
            "steps": self.at.step,
            "seconds": round(self.at.training_seconds, 2),
            "images_per_second": round(self.at.images / self.at.training_seconds, 1),
            "device": str(self.device),
            "parameters": sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            "faces": {split: len(self.faces.rows(split)) for split in ("train", "validation", "test")},
        }
        for name in (bundle.BEST, bundle.LAST):
            model = bundle.load(self.run / name, self.device).model
            measured = {s: evaluate(model, self.loader(s), self.plan.objective.weights) for s in ("validation", "test")}
            result[name] = {
                split: per_dim(figures, self.model.image_shape) for split, figures in measured.items() if figures
            }
        result["validation"] = result[bundle.BEST].get("validation")
        self.journal.close(result)
        return result


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0])


def _accelerator(device: str, precision: str) -> accelerate.Accelerator:
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device != "auto" and not here.get(device):
        known = ", ".join(["auto", *(name for name, there in here.items() if there)])
        raise UsageError(f"--device {device} cannot be used here. Usable: {known}.")
    # Accelerate keeps one state a process; a second run in it may want another device or precision.
    AcceleratorState._reset_state(reset_partial_state=True)
    return accelerate.Accelerator(cpu=device == "cpu", mixed_precision="bf16" if precision == "bf16" else "no")


def _check(plan: Recipe, faces: FaceSet, run: Path, resume: bool, force: bool) -> None:
    """All that can be known to be wrong before any work is done."""
    if plan.model.image != faces.image_shape:
        wanted, found = ("×".join(map(str, shape)) for shape in (plan.model.image, faces.image_shape))
        raise UsageError(
            f"The recipe {plan.name} takes faces of {wanted} and {faces.root} holds {found} (channels × height × width). "
            f"Run: {plan.data.prepare_line(plan.model.image)}, or add --set model.image={found.replace('×', ',')}."
        )
    if len(faces.rows("train")) < 2:
        raise TrainingError(f"{faces.root} has {len(faces.rows('train'))} training faces; at least 2 are needed.")
    if not len(faces.rows("validation")):
        note(f"{faces.root} has no validation faces, so the best bundle is chosen by the training loss.")
    if resume:
        return
    if run.exists() and not run.is_dir():
        raise UsageError(f"--to {run} is a file; name a folder for the run.")
    if run.is_dir() and any(run.iterdir()):
        if not ((run / RESULT).exists() or (run / checkpoint.CHECKPOINT).exists() or (run / "metrics.jsonl").exists()):
            raise UsageError(f"--to {run} holds other files; name a new folder for the run.")
        if not force:
            raise UsageError(
                f"--to {run} already holds a run. Add --resume to go on, --force to replace it, or name another."
            )
        shutil.rmtree(run)


@contextmanager
def _stop_gently() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C was pressed; a second press stops at once."""
    pressed = False

    def press(_signal: int, _frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    try:
        before = signal.signal(signal.SIGINT, press)
    except ValueError:  # not the main thread: Ctrl-C is somebody else's
        yield lambda: False
        return
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
