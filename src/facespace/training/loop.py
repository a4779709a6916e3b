"""The training loop, in sight: batches, loss, step, and a look at each loss. What happens at an epoch's end is in
review.py, and where the step runs in machine.py. A step's randomness is a function of (seed, step) alone, so a resumed run
is the uninterrupted one."""

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from facespace.core.configs import from_dict, override, to_dict
from facespace.core.console import note, progress
from facespace.core.errors import TrainingError, UsageError, check_seed
from facespace.data.faces import FaceSet
from facespace.models import LatentModel, build, bundle
from facespace.recipes import recipe as named_recipe
from facespace.recipes.config import Recipe, TrainConfig
from facespace.training import augment, checkpoint
from facespace.training.auxiliary_losses import Teachers
from facespace.training.checkpoint import Progress
from facespace.training.checks import (
    NotFinite,
    check,
    decoder_alone,
    stop_gently,
    take_weights,
    warn_of_few_steps,
)
from facespace.training.loaders import Batch, Loader
from facespace.training.loss import total_loss
from facespace.training.pool import LatentPool
from facespace.training.runtime import Machine
from facespace.training.schedule import learning_rate, rise
from facespace.training.validation import Review

CHECKPOINT_SECONDS = 120.0
GRADIENT_EVERY = 8  # steps between two whole lengths of the gradient
PART = "gradient of the vectors"
LOWER = 0.25  # what the learning rate is multiplied with after a loss that was not finite
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def train(
    recipe: Recipe | str | None,
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    settings: tuple[str, ...] | list[str] = (),
    start: Path | str | None = None,
    resume: bool = False,
    device: str = "auto",
    seed: int = 0,
    force: bool = False,
    trackers: tuple[str, ...] | list[str] = (),
    minutes: float | None = None,
) -> dict[str, Any]:
    """Trains a recipe on a prepared set into the folder `to`, and returns the run's figures.

    `settings` are overrides such as "train.steps=500". `start` names a run or a bundle whose weights a new run begins
    with; its own recipe is taken where `recipe` is None. `resume` goes on from the checkpoint in `to` with the same
    recipe, data and seed. `trackers` are names of trackers.TRACKERS. On Ctrl-C the step is finished and a checkpoint
    written before KeyboardInterrupt is raised. After so many `minutes` the run pauses: checkpoint and last bundle are written, and
    the result says {"paused": True}. Under torchrun each process calls this.

    Raises UsageError for impossible settings, TrainingError where training cannot start or the loss is not finite."""
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--minutes must be above 0; got {minutes}.")
    until = math.inf if minutes is None else time.monotonic() + 60 * minutes
    origin = bundle.load(start) if start else None
    if recipe is None:
        if origin is None:
            raise UsageError("Name a recipe, or a space to start from. The recipes: facespace recipes")
        recipe = from_dict(Recipe, origin.card["recipe"])
    plan = override(named_recipe(recipe) if isinstance(recipe, str) else recipe, settings)
    faces, run = data if isinstance(data, FaceSet) else FaceSet(data), Path(to)
    machine = Machine(device, plan.train)
    machine.first(lambda: check(plan, faces, run, origin is not None, resume, force, trackers))
    # A caller's own random numbers stay as they were.
    with torch.random.fork_rng([machine.device] if machine.device.type == "cuda" else []):
        return Training(plan, faces, run, machine, seed, resume, origin, trackers).go(resume, until)


class Training:
    """One run: what it needs, and its loop."""

    def __init__(
        self,
        plan: Recipe,
        faces: FaceSet,
        run: Path,
        machine: Machine,
        seed: int,
        resume: bool,
        origin: bundle.Bundle | None,
        trackers: tuple[str, ...] | list[str],
    ) -> None:
        self.plan, self.faces, self.run, self.machine, self.seed = plan, faces, run, machine, seed
        check_seed(seed)
        torch.manual_seed(seed)
        self.model = cast(LatentModel, machine.place(build(plan.model)))
        self.origin = take_weights(self.model, origin) if origin else None
        self.carried = (
            origin if plan.train.only == "decoder" else None
        )  # its latents stay, and what was fitted to them
        decay = plan.train.decay
        self.averaged = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None
        rate = {"lr": plan.train.learning_rate, "weight_decay": plan.train.weight_decay}
        if plan.train.only == "decoder":
            decoder_alone(self.model)
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = OPTIMIZERS[plan.train.optimizer](learned, **rate, fused=True)
        self.loader = Loader(
            faces, faces.rows("train"), plan.train.batch, machine.device, machine.rank, machine.world
        )
        self.shares = self.loader.balance(plan.data.balance)  # in words
        self.told = self.loader.columns(
            plan.model.conditions
        )  # attributes that the model is told, as columns
        self.epoch_steps = self.loader.steps
        self.total = plan.train.steps or plan.train.epochs * self.epoch_steps
        pool = self.pool(origin) if origin and plan.objective.draws_samples else None
        self.teachers = Teachers(plan, self.model.image_shape, faces.template, machine, self.total, pool)
        self.at = Progress()
        self.recent: list[tuple[int, dict[str, Tensor]]] = []  # (step, terms) that nobody has looked at yet
        self.try_out()
        self.network = machine.prepare(self.model, self.optimizer)
        if self.identity != machine.first(lambda: self.identity):
            raise TrainingError(
                f"Process {machine.rank} was given another recipe, set, seed or start than the first one. Copy the same "
                "prepared set to every machine and start them all with the same command."
            )
        if (
            machine.leads and run.is_dir() and not resume
        ):  # allowed by `force`, and all else has been found in order
            shutil.rmtree(run)
        self.review = Review(plan, self.loader, run, machine, self.tell, self.teachers, self.origin, trackers)

    def pool(self, origin: bundle.Bundle) -> LatentPool:
        """Latents of the origin's fitted prior, no more than the run has use for."""
        wanted = self.total * self.loader.size
        return LatentPool(origin, self.plan.objective.prior, wanted, self.seed, self.machine.device)

    @torch.inference_mode()
    def try_out(self) -> None:
        """One pass of two faces, so that what the model or the objective refuses is known before anything is written."""
        norms = any(isinstance(part, torch.nn.modules.batchnorm._BatchNorm) for part in self.model.modules())
        if self.loader.size // self.machine.world < 2 and norms and self.plan.model.body == "mlp":
            raise UsageError(
                "Batch norm over single faces is undefined: train.batch must be at least 2 for this model."
            )
        batch = self.loader.batch(self.loader.rows[:2])
        goal = self.plan.objective
        total_loss(self.model.eval()(batch.image, self.tell(batch), samples=goal.samples), goal.weights)

    @property
    def judged(self) -> LatentModel:
        """The model that validates, draws and is saved: the average of the weights where there is one."""
        return self.model if self.averaged is None else cast(LatentModel, self.averaged.module)

    @property
    def parts(self) -> dict[str, Any]:
        """All that a checkpoint holds the state of."""
        parts: dict[str, Any] = {"model": self.model, "optimizer": self.optimizer, **self.teachers.parts}
        parts |= {} if self.averaged is None else {"averaged": self.averaged}
        return parts | ({"scaler": self.machine.scaler} if self.machine.scaler.is_enabled() else {})

    @property
    def identity(self) -> dict[str, Any]:
        """What a resumed run must have in common with the interrupted one. How long it lasts, and what does not change
        the figures, may differ."""
        free = TrainConfig()
        train = replace(
            self.plan.train, epochs=1, steps=None, patience=None, on_nan=free.on_nan, compile=free.compile
        )
        recipe = json.dumps(to_dict(replace(self.plan, train=train)), sort_keys=True)
        return {"recipe": recipe, "data": self.faces.fingerprint, "seed": self.seed, "start": self.origin}

    def go(self, resume: bool, until: float = math.inf) -> dict[str, Any]:
        """The whole run, and its figures; or the part of it up to a time of the monotonic clock."""
        if resume:
            self.restore()
            note(f"Resumed at step {self.at.step:,} of {self.total:,}.")
        shared = f" by {self.machine.world} processes" if self.machine.world > 1 else ""
        note(
            f"Training {self.plan.name} ({sum(p.numel() for p in self.model.parameters()):,} parameters) on "
            f"{len(self.loader.rows):,} faces, {self.total:,} steps of {self.loader.size}{shared}, on "
            f"{self.machine.device.type} in {self.machine.precision}."
        )
        if self.shares:
            note(f"Training batches hold {'; '.join(self.shares)}.")
        warn_of_few_steps(self.plan, len(self.loader.rows), self.total)
        self.teachers.begin(self.loader, self.seed, resume)
        images = self.loader.size
        with stop_gently() as stopping, progress(self.total * images, "Training", "images") as advance:
            advance(self.at.step * images)
            if not resume:
                self.save()  # so that there is always a good state to go back to
            while self.at.step < self.total and not self.at.done:
                try:
                    self.steps(advance, stopping, min(until, time.monotonic() + CHECKPOINT_SECONDS))
                except NotFinite as error:
                    self.lower_rate(error)
                    continue
                if self.at.step % self.epoch_steps == 0 or self.at.step == self.total:
                    self.review.epoch(self.judged, self.at, math.ceil(self.at.step / self.epoch_steps))
                self.save()
                if self.machine.any(bool(stopping()), 0):
                    note(
                        f"Stopped at step {self.at.step:,}. The same command with --resume goes on from there."
                    )
                    raise stopping() or KeyboardInterrupt
                left = self.at.step < self.total and not self.at.done
                if left and self.machine.any(time.monotonic() >= until, 0):
                    pause = partial(self.review.pause, self.judged, self.at, self.total, self.carried)
                    return self.machine.first(pause)
        averaged = self.averaged is not None
        return self.machine.first(lambda: self.review.close(self.model, averaged, self.at, self.carried))

    def steps(self, advance: Callable[[int], None], stopping: Callable[[], Any], pause: float) -> None:
        """Steps to the end of the epoch or the run, to the next checkpoint's time, or until asked to stop."""
        epoch, first = divmod(self.at.step, self.epoch_steps)
        self.network.train()
        if self.plan.train.only == "decoder":
            decoder_alone(self.model)
        start = time.monotonic()
        for batch in self.loader.training(self.seed, epoch, first):
            self.recent.append((self.at.step, self.step(batch)))
            self.at.step += 1
            self.at.images += self.loader.size
            advance(self.loader.size)
            if len(self.recent) >= self.machine.look_every:
                self.look()
            enough = stopping() is not None or time.monotonic() > pause
            if self.at.step == self.total or self.machine.any(enough, self.at.step):
                break
        self.look()
        self.at.training_seconds += time.monotonic() - start

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One optimiser step; the terms of its loss, nats per image, and the length of its gradient where it is measured,
        else that of a part which shows whether it is finite."""
        plan, scaler = self.plan.train, self.machine.scaler
        torch.manual_seed(_step_seed(self.seed, self.at.step))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(self.at.step)
        with self.machine.randomness():
            image, attributes = self.vary(batch)
            goal, y = self.plan.objective, attributes[:, self.told] if self.told else None
            with self.machine.autocast():
                drawn = self.teachers.drawn(self.at.step, len(image))
                result = self.network(image, y, samples=goal.samples, **drawn)
        loss, terms = total_loss(result, goal.weights, rise(self.at.step, goal.warmup), goal.free_bits)
        seen = self.model.target(image)
        loss, terms = self.teachers.judge((loss, terms), result.image, seen, self.at.step, result.drawn)
        self.optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(self.optimizer)
        # To read every gradient takes a large MLP a twelfth of its step. What reaches a layer's biases is what its weights
        # are reached by, so the vectors alone tell of NaN and infinity.
        whole = bool(plan.clip) or self.at.step % GRADIENT_EVERY == 0
        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        length = torch.nn.utils.get_total_norm(grads if whole else [grad for grad in grads if grad.dim() < 2])
        if plan.clip:
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), plan.clip, length)
        scaler.step(self.optimizer)
        scaler.update()
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        terms |= self.teachers.learn(result.image, seen, self.at.step, result.drawn)
        if scaler.is_enabled():  # a step that overflows in fp16 is left out, by design, and the scale lowered
            length = length.nan_to_num(0, 0, 0)
        terms = {**terms, "loss": loss, "gradient" if whole else PART: length}
        return {name: term.detach() for name, term in terms.items()}

    def look(self) -> None:
        """Adds the recent steps' terms to the epoch's sums. Raises NotFinite for the first step with one that is not a
        number."""
        told = [(step, name, term) for step, terms in self.recent for name, term in terms.items()]
        values = torch.stack([term for _, _, term in told]).cpu().double().tolist() if told else []
        self.recent = []
        wrong = [(step, name) for (step, name, _), value in zip(told, values) if not math.isfinite(value)]
        if wrong:
            step = wrong[0][0]
            raise NotFinite(step, [name for at, name in wrong if at == step], self.rate(step))
        for (_, name, _), value in zip(told, values):
            if name != PART:
                self.at.sums[name] = self.at.sums.get(name, 0.0) + value
                self.at.counts[name] = self.at.counts.get(name, 0) + 1

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.at.rate * learning_rate(self.plan.train, step, self.total)

    def lower_rate(self, error: NotFinite) -> None:
        """Goes back to the last good state and on from there at a lower rate; TrainingError where that is not asked for
        or was done before."""
        self.restore()
        if self.plan.train.on_nan == "stop" or self.at.rate < 1:
            advice = "--resume --set train.on_nan=lower goes on from there at a quarter of the rate"
            if self.at.rate < 1:
                advice = "The rate was lowered once already; start again with a lower train.learning_rate or train.clip=1"
            raise TrainingError(
                f"{error} The state of step {self.at.step:,}, the last good one, is kept. {advice}."
            )
        self.at.rate = LOWER
        self.save()
        note(f"{error} Going on from step {self.at.step:,} at {LOWER:g} of the rate.")

    def save(self) -> None:
        """Writes the checkpoint."""
        if self.machine.leads:
            checkpoint.save(self.run, self.at, self.parts, self.identity)

    def restore(self) -> None:
        """Takes up the checkpoint."""
        self.at = checkpoint.load(self.run, self.parts, self.identity, self.machine.first)
        self.recent = []
        self.review.resume(self.at.step)

    def vary(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Images and attributes as the recipe's data section varies them."""
        data, (image, attributes, _) = self.plan.data, batch
        if data.flip:
            image, attributes = augment.mirror(image, attributes, self.faces.attribute_names)
        image = augment.shift(image, data.shift) if data.shift else image
        return augment.jitter(image, data.jitter) if data.jitter else image, attributes

    def tell(self, batch: Batch) -> Tensor | None:
        """The attributes that the model is told of a batch, (B, A); None where it is told nothing."""
        return batch.attributes[:, self.told] if self.told else None


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0])
