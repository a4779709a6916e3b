"""The training loop: batches, loss, step, checkpoints. The end of an epoch is in validation.py, the device
and the processes in runtime.py. The random numbers of a step are a function of (seed, step), so a resumed run
equals an uninterrupted one to the bit."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from facespace.core import interrupts
from facespace.core.cards import Card
from facespace.core.configs import to_dict
from facespace.core.console import Advance, note, progress
from facespace.core.errors import TrainingError, UsageError, check_seed
from facespace.core.files import clear_folder, clear_partials
from facespace.core.locks import writing
from facespace.data.faces import FaceSet
from facespace.models import LatentModel, build, bundle
from facespace.models.bundle_card import stages_of
from facespace.models.optimization import Stepper, learning_rate, linear_warmup, moving_average, seed_step
from facespace.recipes.config import Recipe, TrainConfig
from facespace.training import checkpoint
from facespace.training.augment import augment_batch
from facespace.training.auxiliary_losses import AuxiliaryLosses
from facespace.training.checkpoint import Identity, Parts, Progress
from facespace.training.checks import (
    NotFinite,
    check,
    fitted_of,
    freeze,
    graceful_shutdown,
    load_pretrained,
)
from facespace.training.length import MEASURED_STEPS, LengthNotes, Pace, run_length
from facespace.training.loaders import Batch, Loader
from facespace.training.loss import total_loss
from facespace.training.plan import plan_of
from facespace.training.pool import LatentPool
from facespace.training.records import PausedRun, RunResult
from facespace.training.runtime import Runtime
from facespace.training.terms import GRADIENT_EVERY, VECTOR_NORM, PendingTerms
from facespace.training.validation import AVERAGE, RAW, Validator

CHECKPOINT_SECONDS = 120.0
LOWER = 0.25  # factor of the learning rate after a loss that is not finite
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}

Stopping = Callable[[], BaseException | None]  # the exception to raise once the process is to stop


def train(
    recipe: Recipe | str | None,
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    settings: Sequence[str] = (),
    start: Path | str | None = None,
    resume: bool = False,
    device: str = "auto",
    seed: int = 0,
    force: bool = False,
    trackers: Sequence[str] = (),
    minutes: float | None = None,
) -> Card:
    """Trains a recipe on a prepared set into the folder `to`, and returns the figures of run.json.

    `settings` are overrides such as "train.steps=500". `start` is a run or a bundle whose weights a new run
    starts from; without a `recipe` its own is used. `resume` continues from the checkpoint in `to` with the
    same recipe, data and seed. `trackers` are names of trackers.TRACKERS. On Ctrl-C the step is finished and
    a checkpoint written before KeyboardInterrupt is raised. After `minutes` the run pauses: checkpoint and
    last bundle are written, and the result holds {"paused": True}. Under torchrun each process calls this.

    Raises UsageError for impossible settings, TrainingError where training cannot start or the loss is not
    finite."""
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--minutes must be above 0; got {minutes}.")
    until = math.inf if minutes is None else time.monotonic() + 60 * minutes
    origin = bundle.load(start) if start else None
    plan = plan_of(recipe, origin, settings)
    faces, run = data if isinstance(data, FaceSet) else FaceSet(data), Path(to)
    runtime = Runtime(device, plan.train)
    # The caller's random state is restored afterwards.
    random = torch.random.fork_rng([runtime.device] if runtime.device.type == "cuda" else [])
    with contextlib.ExitStack() as held, random:
        runtime.on_main_process(lambda: held.enter_context(writing(run)))
        runtime.on_main_process(lambda: check(plan, faces, run, origin is not None, resume, force, trackers))
        training = Training(plan, faces, run, runtime, seed, resume, origin, trackers)
        return training.fit(resume, until).to_json()


class Training:
    """One run: its parts and its loop."""

    def __init__(
        self,
        plan: Recipe,
        faces: FaceSet,
        run: Path,
        runtime: Runtime,
        seed: int,
        resume: bool,
        origin: bundle.Bundle | None,
        trackers: Sequence[str],
    ) -> None:
        self.plan, self.faces, self.run, self.runtime, self.seed = plan, faces, run, runtime, seed
        check_seed(seed)
        torch.manual_seed(seed)
        self.model = cast(LatentModel, runtime.to_device(build(plan.model)))
        self.origin = load_pretrained(self.model, origin) if origin else None
        self.dropped = fitted_of(origin, plan.train) if origin else ""
        self.stepper = self._stepper()
        self.loader = Loader(
            faces, faces.rows("train"), plan.train.batch, runtime.device, runtime.rank, runtime.world
        )
        self.balance_notes = self.loader.balance(plan.data.balance)  # phrases for a note
        self.condition_columns = self.loader.attribute_columns(plan.model.conditions)
        self.epoch_steps = self.loader.steps
        self.length = run_length(plan.train, self.epoch_steps)
        self.total = self.length.steps
        self.pace = Pace()
        self.notes = LengthNotes(plan, faces, self.length, self.loader.size, origin is not None)
        pool = self.pool(origin) if origin and plan.objective.scores_samples else None
        self.auxiliary = AuxiliaryLosses(
            plan, self.model.image_shape, faces.template, runtime, self.total, pool
        )
        self.at, self.pending = Progress(), PendingTerms()
        self.first, self.save_at = 0, math.inf  # the first step of this process; when to write a checkpoint
        self.check_forward()
        self.network = runtime.prepare(self.model, self.stepper.optimizer)
        self._check_processes()
        if runtime.is_main_process:
            self._clear(resume)
        self.review = self._validator(origin, trackers)

    def _clear(self, resume: bool) -> None:
        """Removes an older run, which `force` has allowed, and of one to resume what was half written."""
        if resume:
            clear_partials(self.run)
        else:
            clear_folder(self.run)

    def _validator(self, origin: bundle.Bundle | None, trackers: Sequence[str]) -> Validator:
        """The measuring of the model and the writing of the run's folder."""
        return Validator(
            self.plan,
            self.loader,
            self.run,
            self.runtime,
            self.conditions,
            self.auxiliary,
            self.origin,
            trackers,
            self.seed,
            stages_of(origin.card) if origin else (),
            origin if self.plan.train.freeze != "none" else None,  # latents stay, or what they decode to
            origin.card.get("origin") if origin else None,
        )

    def _stepper(self) -> Stepper:
        """The optimizer of the parameters that are trained, and the moving average where the recipe has
        one."""
        train = self.plan.train
        averaged = moving_average(self.model, train.decay) if train.decay else None
        freeze(self.model, train.freeze)
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        optimizer = OPTIMIZERS[train.optimizer](
            trained, lr=train.learning_rate, weight_decay=train.weight_decay, fused=True
        )
        return Stepper(self.model, optimizer, train.gradient_clip, averaged, self.runtime.scaler)

    def pool(self, origin: bundle.Bundle) -> LatentPool:
        """Latents of the origin's fitted prior, at most as many as the run can use."""
        most = self.total * self.loader.size
        return LatentPool(origin, self.plan.objective.prior, most, self.seed, self.runtime.device)

    @torch.inference_mode()
    def check_forward(self) -> None:
        """One forward pass of two faces, so that an impossible model or objective fails before anything is
        written."""
        norms = [
            part for part in self.model.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)
        ]
        single = self.loader.size // self.runtime.world < 2
        if single and norms and self.plan.model.backbone == "mlp":
            raise UsageError(
                "Batch norm over single faces is undefined: train.batch must be at least 2 for this model."
            )
        batch = self.loader.batch(self.loader.rows[:2])
        goal = self.plan.objective
        total_loss(
            self.model.eval()(batch.image, self.conditions(batch), iwae_samples=goal.iwae_samples),
            goal.weights,
        )

    def _check_processes(self) -> None:
        """Raises TrainingError where this process has another identity than the main one."""
        if self.identity != self.runtime.on_main_process(lambda: self.identity):
            raise TrainingError(
                f"Process {self.runtime.rank} was given another recipe, set, seed or start than the first "
                "one. Copy the same prepared set to every machine and start them all with the same command."
            )

    @property
    def candidates(self) -> dict[str, LatentModel]:
        """The models that are validated, of which the better one is saved: the moving average of the weights
        where there is one, and the weights themselves."""
        averaged = self.stepper.averaged
        if averaged is None:
            return {RAW: self.model}
        return {AVERAGE: cast(LatentModel, averaged.module), RAW: self.model}

    @property
    def parts(self) -> Parts:
        """All parts whose state is in a checkpoint."""
        parts: Parts = {"model": self.model, "optimizer": self.stepper.optimizer, **self.auxiliary.parts}
        if self.stepper.averaged is not None:
            parts["averaged"] = self.stepper.averaged
        if self.runtime.scaler.is_enabled():
            parts["scaler"] = self.runtime.scaler
        return parts

    @property
    def identity(self) -> Identity:
        """What a resumed run must have in common with the interrupted one.

        The length of the run, and settings that do not change its figures, may differ."""
        default = TrainConfig()
        free = {
            "epochs": 1,
            "steps": None,
            "min_steps": 0,
            "patience": None,
            "prior": default.prior,
        }
        train = replace(self.plan.train, on_nan=default.on_nan, compile=default.compile, **free)
        recipe = json.dumps(to_dict(replace(self.plan, train=train)), sort_keys=True)
        return {"recipe": recipe, "data": self.faces.fingerprint, "seed": self.seed, "start": self.origin}

    @property
    def unfinished(self) -> bool:
        """Whether steps remain."""
        return self.at.step < self.total and not self.at.done

    def fit(self, resume: bool, until: float = math.inf) -> RunResult | PausedRun:
        """Runs to the end, or to the time `until` of the monotonic clock."""
        if resume:
            self.restore()
            note(f"Resumed at step {self.at.step:,} of {self.total:,}.")
        self.first = self.at.step  # of this process
        self.save_at = time.monotonic() + CHECKPOINT_SECONDS
        self._announce()
        self.auxiliary.begin(self.loader, self.seed, resume)
        images = self.loader.size
        bar = progress(self.total * images, "Training", "images", self.at.step * images)
        with graceful_shutdown() as stopping, bar as advance:
            if not resume:
                self.save()  # so that there is always a finite state to return to
            while self.unfinished:
                try:
                    self.steps(advance, stopping, until)
                except NotFinite as error:
                    self.lower_rate(error)
                    continue
                self.notes.at_speed(self.pace, self.at.step)
                if self._ends_here(stopping, until):
                    pause = partial(self.review.pause, self.candidates, self.at, self.total)
                    return self.runtime.on_main_process(pause)
        close = partial(self.review.close, self.candidates, self.at)
        return self.runtime.on_main_process(close)

    def _ends_here(self, stopping: Stopping, until: float) -> bool:
        """Validates where it is time to, and writes the checkpoint after that, before an end, and where the
        last one is CHECKPOINT_SECONDS old. Returns whether the run pauses; raises what a signal in any
        process asks for, after a note."""
        validated = self.length.validates(self.at.step)
        if validated:
            self.review.epoch(self.candidates, self.at, math.ceil(self.at.step / self.epoch_steps))
        stopped = self.runtime.any_process(bool(stopping()), 0)
        paused = self.unfinished and self.runtime.any_process(time.monotonic() >= until, 0)
        if validated or stopped or paused or time.monotonic() >= self.save_at:
            self.save()
        if stopped:
            note(f"Stopped at step {self.at.step:,}. The same command with --resume continues from there.")
            reason = stopping() or KeyboardInterrupt()
            if isinstance(reason, KeyboardInterrupt):
                interrupts.leave_soon()
            raise reason
        return paused

    def _announce(self) -> None:
        """Prints the size and the place of the run."""
        shared = f" by {self.runtime.world} processes" if self.runtime.world > 1 else ""
        faces, parameters = len(self.loader.rows), sum(p.numel() for p in self.model.parameters())
        note(
            f"Training {self.plan.name} ({parameters:,} parameters) on {faces:,} faces, "
            f"{self.total:,} steps of {self.loader.size}{shared}, on {self.runtime.device.type} "
            f"in {self.runtime.precision}."
        )
        if self.balance_notes:
            note(f"Training batches hold {'; '.join(self.balance_notes)}.")
        self.notes.at_start()
        if self.dropped:
            note(self.dropped)

    def steps(self, advance: Advance, stopping: Stopping, until: float) -> None:
        """Steps to the end of the epoch or the run, to the time `until` or of the next checkpoint, to the
        step at which the speed is known, or until a signal."""
        pause = min(until, self.save_at)
        epoch, first = divmod(self.at.step, self.epoch_steps)
        self.network.train()
        freeze(self.model, self.plan.train.freeze)
        start, begin = time.monotonic(), self.at.step
        for batch in self.loader.shuffled(self.seed, epoch, first):
            self.pending.add(self.at.step, self.step(batch))
            self.at.step += 1
            self.at.images += self.loader.size
            advance(self.loader.size)
            if len(self.pending) >= self.runtime.read_every:
                self.pending.flush(self.at, self.rate)
            enough = stopping() is not None or time.monotonic() > pause
            if self.at.step in (self.total, self.first + 1, self.first + 1 + MEASURED_STEPS):
                break
            if self.runtime.any_process(enough, self.at.step):
                break
        self.pending.flush(self.at, self.rate)
        seconds = time.monotonic() - start
        self.at.training_seconds += seconds
        if begin > self.first:  # the first step, which compiles and fills caches, is a call of its own
            self.pace.add(self.at.step - begin, seconds)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One optimizer step. Returns the terms of its loss, in nats per image, and a norm of its
        gradient."""
        step, goal = self.at.step, self.plan.objective
        seed_step(self.seed, step)
        with self.runtime.sharded_randomness():
            image, attributes = augment_batch(batch, self.plan.data, self.faces.attribute_names)
            y = attributes[:, self.condition_columns] if self.condition_columns else None
            with self.runtime.autocast():
                generated = self.auxiliary.scored_images(step, len(image))
                output = self.network(image, y, iwae_samples=goal.iwae_samples, **generated)
        warmup = linear_warmup(step, goal.warmup)
        found = total_loss(output, goal.weights, warmup, goal.free_bits)
        target = self.model.target(image)
        loss, terms = self.auxiliary.add_to(found, output.image, target, step, output.generated)
        terms = {**terms, "mse": (output.image.detach() - target).square().mean()}
        norm = self._update(loss)
        more = self.auxiliary.train_discriminators(output.image, target, step, output.generated)
        terms = {**terms, **more, "loss": loss, **norm}
        return {name: term.detach() for name, term in terms.items()}

    def _update(self, loss: Tensor) -> dict[str, Tensor]:
        """Changes the weights; the norm of the gradient, by its name as a term."""
        self.stepper.backward(loss)
        # Reading every gradient of a large MLP takes a twelfth of its step. The gradient of a layer's bias
        # and that of its weights come from the same tensor, so the vectors alone show NaN and infinity.
        whole = bool(self.stepper.clip) or self.at.step % GRADIENT_EVERY == 0
        norm = self.stepper.gradient_norm(vectors_only=not whole)
        self.stepper.update(self.rate(self.at.step), norm)
        if (
            self.runtime.scaler.is_enabled()
        ):  # a step that overflows in fp16 is skipped, and the scale lowered
            norm = norm.nan_to_num(0, 0, 0)
        return {"gradient" if whole else VECTOR_NORM: norm}

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.at.rate * learning_rate(self.plan.train, step, self.total)

    def lower_rate(self, error: NotFinite) -> None:
        """Restores the last finite state and lowers the learning rate.

        Raises TrainingError where train.on_nan=stop, or where the rate was lowered before."""
        self.restore()
        lowered = self.at.rate < 1
        if self.plan.train.on_nan == "stop" or lowered:
            advice = "--resume --set train.on_nan=lower continues from there at a quarter of the rate"
            if lowered:
                advice = (
                    "The rate was lowered once already; start again with a lower train.learning_rate or "
                    "train.gradient_clip=1"
                )
            raise TrainingError(
                f"{error} The state of step {self.at.step:,}, the last good one, is kept. {advice}."
            )
        self.at.rate = LOWER
        self.save()
        note(f"{error} Going on from step {self.at.step:,} at {LOWER:g} of the rate.")

    def save(self) -> None:
        """Writes the checkpoint."""
        self.save_at = time.monotonic() + CHECKPOINT_SECONDS
        if self.runtime.is_main_process:
            checkpoint.save(self.run, self.at, self.parts, self.identity, self.total)

    def restore(self) -> None:
        """Reads the checkpoint."""
        self.at = checkpoint.load(self.run, self.parts, self.identity, self.runtime.on_main_process)
        self.pending.clear()
        self.review.resume(self.at.step)

    def conditions(self, batch: Batch) -> Tensor | None:
        """The attributes of a batch that a conditional model takes, (B, A); None without conditions."""
        return batch.attributes[:, self.condition_columns] if self.condition_columns else None
