"""The end of an epoch and of a run: the model is validated, its samples are drawn, and its bundles are saved.
Never changes a weight."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from facespace.core.configs import to_dict
from facespace.core.console import note, since_start
from facespace.image.grids import pairs
from facespace.image.pixels import to_uint8
from facespace.models import LatentModel, bundle, fitted, locations
from facespace.models.priors import FittedNormal
from facespace.recipes.config import Recipe
from facespace.training.auxiliary_losses import AuxiliaryLosses
from facespace.training.checkpoint import Progress
from facespace.training.discriminators import save_discriminator
from facespace.training.loaders import Batch, Loader
from facespace.training.measure import evaluate, per_dim
from facespace.training.records import BundleState, EpochRecord, Figures, PausedRun, RunResult
from facespace.training.run_log import RunLogger
from facespace.training.runtime import Runtime
from facespace.training.trackers import open_trackers

VALIDATION_BATCH = 256
PRIOR_FACES = 5_000  # training faces whose latents an autoencoder's prior is fitted to
SHOWN = 64  # samples on a sheet
RECONSTRUCTED = 16  # faces on a sheet of reconstructions


class Validator:
    """The validator of one run; in all processes but the main one it only helps to measure."""

    def __init__(
        self,
        plan: Recipe,
        loader: Loader,
        run: Path,
        runtime: Runtime,
        tell: Callable[[Batch], Tensor | None],
        auxiliary: AuxiliaryLosses,
        origin: str | None,
        trackers: Sequence[str],
    ) -> None:
        self.plan, self.loader, self.run, self.runtime, self.conditions_of = plan, loader, run, runtime, tell
        self.auxiliary = auxiliary
        self.faces, self.origin, self.started = loader.faces, origin, since_start()
        self.logger: RunLogger | None = None
        if runtime.is_main_process:
            self.logger = RunLogger(run, open_trackers(trackers, run, plan))

    def resume(self, step: int) -> None:
        """Reads the records of an interrupted run up to a step."""
        if self.logger:
            self.logger.resume(step)

    def epoch(self, model: LatentModel, at: Progress, number: int) -> None:
        """Validates, writes record, sheets and bundles, and decides whether the run is done."""
        validation = self.measure(model, "validation")
        train = self._epoch_means(model, at)
        monitored = (validation or train)["loss"]
        # An adversarial loss raises the others, which do not measure what it gains: once it is on, the latest
        # is the best.
        best = at.record(monitored, self.plan.train.min_delta, self.auxiliary.adversarial_on(at.step))
        speed = at.images / at.training_seconds
        record = EpochRecord(number, at.step, train, validation, best, speed, at.training_seconds)
        at.sums, at.counts = {}, {}
        at.done = at.exhausted(self.plan.train.patience)
        if self.logger:
            self.logger.log_epoch(record)
            self.fit_prior(model)
            if best:
                self.save(locations.BEST, model, record)
            self.save(locations.LAST, model, record)
            self.log_images(model, self.logger)
        if at.done:
            note(f"Stopped early: no better validation loss for {at.since_best} epochs.")

    def _epoch_means(self, model: LatentModel, at: Progress) -> Figures:
        """The mean training terms over the steps of the epoch, over all processes."""
        sums, counts = self.runtime.all_reduce_sum(at.sums), self.runtime.all_reduce_sum(at.counts)
        means = {name: total / counts[name] for name, total in sums.items()}
        return per_dim(means, model.image_shape)

    def pause(
        self, model: LatentModel, at: Progress, total: int, carried: bundle.Bundle | None = None
    ) -> PausedRun:
        """Writes the last bundle of a run that continues later, without validation. For the main process.

        What was fitted to the latents of the bundle `carried` is copied into it."""
        self.fit_prior(model)
        self.save(locations.LAST, model, BundleState(at.step, at.training_seconds))
        if carried is not None:
            fitted.carry_over(carried, self.run / locations.LAST)
        note(f"Paused at step {at.step:,} of {total:,}. The same command with --resume continues from there.")
        return PausedRun(str(self.run), at.step, total)

    def save(self, name: str, model: LatentModel, metrics: EpochRecord | BundleState) -> None:
        """Writes a bundle with its card."""
        facts = {
            "recipe": to_dict(self.plan),
            "data": self.faces.card,
            "step": metrics.step,
            "metrics": asdict(metrics),
        }
        if self.origin:
            facts["started_from"] = self.origin
        bundle.save(self.run / name, model, self.plan.model, self.faces.template, facts)

    @torch.inference_mode()
    def fit_prior(self, model: LatentModel) -> None:
        """Fits the Gaussian prior of an autoencoder to training latents; a VAE has its own prior."""
        if not isinstance(model.prior, FittedNormal):
            return
        model.eval()
        rows = self.loader.rows[:: math.ceil(len(self.loader.rows) / PRIOR_FACES)]
        latents = []
        for batch in self.loader.with_rows(rows, VALIDATION_BATCH, all_rows=True).in_order():
            latents.append(model.encode(batch.image, self.conditions_of(batch)).mean)
        model.prior.fit(torch.cat(latents))

    @torch.inference_mode()
    def log_images(self, model: LatentModel, logger: RunLogger) -> None:
        """Sheets of the same latents and faces at every epoch, in eval mode, so that they can be compared."""
        model.eval()
        self._draw_samples(model, logger)
        self._draw_reconstructions(model, logger)

    def _draw_samples(self, model: LatentModel, logger: RunLogger) -> None:
        """Samples of the prior; those of a conditional model have the attributes of training faces."""
        # Where the decoder is trained on samples of a fitted prior, samples of N(0, I) are not what it is
        # trained for.
        prior = self.auxiliary.pool.prior if self.auxiliary.pool else model.prior
        z = prior.sample(SHOWN, generator=torch.Generator().manual_seed(0)).to(self.runtime.device)
        rows = self.loader.rows
        spread = [index * len(rows) // SHOWN for index in range(SHOWN)]
        conditions = self.conditions_of(self.loader.batch(rows[spread]))
        samples = model.decode(z.reshape(-1, *model.latent_shape), conditions)
        logger.images("samples", logger.step, to_uint8(samples))

    def _draw_reconstructions(self, model: LatentModel, logger: RunLogger) -> None:
        """Validation faces, or training faces where there are none, each above its reconstruction."""

        validation = self.faces.rows("validation")
        rows = validation if len(validation) else self.loader.rows
        batch = self.loader.batch(rows[:RECONSTRUCTED])
        conditions = self.conditions_of(batch)
        decoded = model.decode(model.encode(batch.image, conditions).mean, conditions)
        faces = pairs(to_uint8(model.target(batch.image)), to_uint8(decoded))
        logger.images("reconstructions", logger.step, faces, min(8, len(decoded)))

    def measure(self, model: LatentModel, split: str, alone: bool = False) -> Figures | None:
        """The figures of a model on a split, None where it has no faces; `alone` without the other
        processes."""
        loader = self.loader.with_rows(self.faces.rows(split), VALIDATION_BATCH, alone)
        add_up = dict if alone else self.runtime.all_reduce_sum
        figures = evaluate(
            model, loader, self.plan.objective, self.conditions_of, add_up, self.auxiliary.add_to
        )
        return per_dim(figures, model.image_shape) if figures else None

    def _measure_splits(self, model: LatentModel) -> dict[str, Figures]:
        """The figures on the validation and the test faces, by split, in this process alone."""
        found = {}
        for split in ("validation", "test"):
            figures = self.measure(model, split, alone=True)
            if figures:
                found[split] = figures
        return found

    def close(
        self, raw: LatentModel, averaged: bool, at: Progress, carried: bundle.Bundle | None = None
    ) -> RunResult:
        """Measures both bundles, and the weights without average; writes the result. For the main process.

        What was fitted to the latents of the bundle `carried` is copied into both."""
        assert self.logger
        figures = {}
        bundles = [
            bundle.load(self.run / name, self.runtime.device) for name in (locations.BEST, locations.LAST)
        ]
        for opened in bundles:
            if carried is not None:
                fitted.carry_over(carried, opened.folder)
            save_discriminator(opened, self.plan.objective, self.auxiliary.projected)
        for name, opened in zip((locations.BEST, locations.LAST), bundles):
            figures[name] = self._measure_splits(opened.model)
        last_raw = self._measure_splits(raw) if averaged else None
        memory = self.runtime.peak_memory
        splits = ("train", "validation", "test")
        result = RunResult(
            run=str(self.run),
            recipe=self.plan.name,
            steps=at.step,
            seconds=round(at.training_seconds, 2),
            seconds_to_first_step=round(self.started, 2),
            images_per_second=round(at.images / at.training_seconds, 1),
            peak_memory_mb=round(memory) if memory else None,
            device=self.runtime.device.type,
            processes=self.runtime.world,
            precision=self.runtime.precision,
            parameters=sum(p.numel() for p in raw.parameters() if p.requires_grad),
            faces={split: len(self.faces.rows(split)) for split in splits},
            best=figures[locations.BEST],
            last=figures[locations.LAST],
            last_raw=last_raw,
        )
        self.logger.close(result)
        return result
