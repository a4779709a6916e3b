"""The training loop, in sight: batches, loss, step; at each epoch's end validation, sheets, bundles and a checkpoint.
The only file that imports accelerate. A step's randomness is a function of (seed, step) alone, so a resumed run is the
uninterrupted one."""

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import accelerate
import numpy as np
import torch
from accelerate.state import AcceleratorState
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from facespace import bundle
from facespace.configs import override, to_dict
from facespace.console import note, progress
from facespace.data import augment
from facespace.data.faces import FaceSet
from facespace.data.loaders import Batch, Loader
from facespace.errors import TrainingError, UsageError, check_seed
from facespace.image.pixels import to_uint8
from facespace.image.sheets import pairs
from facespace.models import LatentModel, build
from facespace.models.priors import FittedNormal
from facespace.objectives import total_loss
from facespace.recipe import Recipe
from facespace.recipes import recipe as named_recipe
from facespace.training import checkpoint
from facespace.training.checkpoint import Progress
from facespace.training.guards import check, stop_gently, warn_of_few_steps
from facespace.training.journal import Journal
from facespace.training.measure import evaluate, per_dim
from facespace.training.schedule import learning_rate, rise

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
    check(plan, faces, run, resume, force)
    # A caller's own random numbers stay as they were.
    with torch.random.fork_rng():
        return Training(plan, faces, run, device, seed, resume).go(resume)


class Training:
    """One run: what it needs, and its loop."""

    def __init__(self, plan: Recipe, faces: FaceSet, run: Path, device: str, seed: int, resume: bool) -> None:
        self.plan, self.faces, self.run, self.seed = plan, faces, run, seed
        self.accelerator = _accelerator(device, plan.train.precision)
        torch.manual_seed(seed)
        self.model = build(plan.model)
        rate = {"lr": plan.train.learning_rate, "weight_decay": plan.train.weight_decay}
        optimizer = OPTIMIZERS[plan.train.optimizer](self.model.parameters(), **rate, fused=True)
        self.network, self.optimizer = self.accelerator.prepare(self.model, optimizer)
        decay = plan.train.decay
        self.averaged = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None
        self.device = self.accelerator.device
        self.training = Loader(faces, faces.rows("train"), plan.train.batch, self.device)
        self.told = self.training.columns(plan.model.conditions)  # attributes that the model is told, as columns
        self.epoch_steps = self.training.steps
        self.total = plan.train.steps or plan.train.epochs * self.epoch_steps
        self.at = Progress()
        self.try_out()
        if run.is_dir() and not resume:  # allowed by `force`, and everything else has been found in order
            shutil.rmtree(run)
        self.journal = Journal(run)

    @torch.inference_mode()
    def try_out(self) -> None:
        """One pass of two faces, so that what the model or the objective refuses is known before anything is written."""
        check_seed(self.seed)
        if self.training.size < 2 and any(isinstance(part, torch.nn.BatchNorm1d) for part in self.model.modules()):
            raise UsageError(
                "Batch norm over single faces is undefined: train.batch must be at least 2 for this model."
            )
        batch = self.training.batch(self.training.rows[:2])
        total_loss(self.model.eval()(batch.image, self.tell(batch)), self.plan.objective.weights)

    @property
    def judged(self) -> LatentModel:
        """The model that validates, draws and is saved: the average of the weights where there is one."""
        return self.model if self.averaged is None else cast(LatentModel, self.averaged.module)

    @property
    def parts(self) -> dict[str, Any]:
        """All that a checkpoint holds the state of."""
        parts = {"model": self.model, "optimizer": self.optimizer}
        return parts if self.averaged is None else parts | {"averaged": self.averaged}

    @property
    def identity(self) -> dict[str, Any]:
        """What a resumed run must have in common with the interrupted one. How long it lasts may change."""
        recipe = to_dict(replace(self.plan, train=replace(self.plan.train, epochs=1, steps=None)))
        return {"recipe": json.dumps(recipe, sort_keys=True), "data": self.faces.fingerprint, "seed": self.seed}

    def go(self, resume: bool) -> dict[str, Any]:
        """The whole run, and its figures."""
        if resume:
            self.at = checkpoint.load(self.run, self.parts, self.identity, self.device)
            self.journal.resume(self.at.step)
            note(f"Resumed at step {self.at.step:,} of {self.total:,}.")
        note(
            f"Training {self.plan.name} ({sum(p.numel() for p in self.model.parameters()):,} parameters) on "
            f"{len(self.training.rows):,} faces, {self.total:,} steps of {self.training.size}, on {self.device}."
        )
        warn_of_few_steps(self.plan, len(self.training.rows), self.total)
        images = self.training.size
        with stop_gently() as stopping, progress(self.total * images, "Training", "images") as advance:
            advance(self.at.step * images)
            saved = time.monotonic()
            while self.at.step < self.total and not self.at.done:
                self.steps(advance, stopping, saved + CHECKPOINT_SECONDS)
                if self.at.step % self.epoch_steps == 0 or self.at.step == self.total:
                    self.end_epoch()
                checkpoint.save(self.run, self.at, self.parts, self.identity)
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
            self.at.summed += 1
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
        image, attributes = self.vary(batch)
        goal = self.plan.objective
        y = attributes[:, self.told] if self.told else None
        result = self.network(image, y, samples=goal.samples)
        loss, terms = total_loss(result, goal.weights, rise(self.at.step, goal.warmup), goal.free_bits)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        if self.plan.train.clip:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.plan.train.clip)
        self.optimizer.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
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
        seen = self.measure(self.judged, "validation")
        means = {name: value / max(self.at.summed, 1) for name, value in self.at.sums.items()}
        figures = per_dim(means, self.model.image_shape)
        watched = (seen or figures)["loss"]
        best = watched < self.at.best - self.plan.train.min_delta
        self.at.since_best = 0 if best else self.at.since_best + 1
        self.at.best = watched if best else self.at.best
        line = {
            "epoch": math.ceil(self.at.step / self.epoch_steps),
            "step": self.at.step,
            "train": figures,
            "validation": seen,
            "best": best,
            "images_per_second": self.at.images / self.at.training_seconds,
            "training_seconds": self.at.training_seconds,
        }
        self.journal.epoch(line)
        self.fit_prior()
        for name in (bundle.BEST, bundle.LAST) if best else (bundle.LAST,):
            facts = {"recipe": to_dict(self.plan), "data": self.faces.card, "step": self.at.step, "metrics": line}
            bundle.save(self.run / name, self.judged, self.plan.model, self.faces.template, facts)
        self.draw_sheets()
        self.at.sums, self.at.summed = {}, 0
        self.at.done = self.plan.train.patience is not None and self.at.since_best >= self.plan.train.patience
        if self.at.done:
            note(f"Stopped early: no better validation loss for {self.at.since_best} epochs.")

    @torch.inference_mode()
    def fit_prior(self) -> None:
        """An autoencoder's stand-in for a prior; a VAE has its own."""
        model = self.judged.eval()
        if isinstance(model.prior, FittedNormal):
            rows = self.training.rows[:: math.ceil(len(self.training.rows) / PRIOR_FACES)]
            loader = Loader(self.faces, rows, VALIDATION_BATCH, self.device)
            latents = [model.encode(batch.image, self.tell(batch)).mean for batch in loader.in_order()]
            model.prior.fit(torch.cat(latents))

    @torch.inference_mode()
    def draw_sheets(self) -> None:
        """The same latents and the same faces each time, in eval mode, so that sheets can be compared. A model that is
        told attributes is told those of training faces."""
        model = self.judged.eval()
        z = model.prior.sample(64, generator=torch.Generator().manual_seed(self.seed))
        rows = self.training.rows
        others = self.training.batch(rows[[index * len(rows) // 64 for index in range(64)]])
        self.journal.sheet("samples", self.at.step, to_uint8(model.decode(z, self.tell(others))))
        unseen = self.faces.rows("validation")
        batch = self.training.batch((unseen if len(unseen) else rows)[:16])
        again = model.decode(model.encode(batch.image, self.tell(batch)).mean, self.tell(batch))
        both = pairs(to_uint8(model.target(batch.image)), to_uint8(again))
        self.journal.sheet("reconstructions", self.at.step, both, min(8, len(again)))

    def tell(self, batch: Batch) -> Tensor | None:
        """The attributes that the model is told of a batch, (B, A); None where it is told nothing."""
        return batch.attributes[:, self.told] if self.told else None

    def measure(self, model: LatentModel, split: str) -> dict[str, float] | None:
        """The figures of a model on a split, None where that has no faces."""
        loader = Loader(self.faces, self.faces.rows(split), VALIDATION_BATCH, self.device)
        seen = evaluate(model, loader, self.plan.objective, self.tell)
        return per_dim(seen, model.image_shape) if seen else None

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
            result[name] = {split: seen for split in ("validation", "test") if (seen := self.measure(model, split))}
        if self.averaged is not None:
            result["last_raw"] = {s: seen for s in ("validation", "test") if (seen := self.measure(self.model, s))}
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
