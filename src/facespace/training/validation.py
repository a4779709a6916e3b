"""The end of an epoch and of a run: the model is validated, its samples are drawn, and its bundles are saved.
Never changes a weight."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facespace.core.configs import to_dict
from facespace.core.console import note, since_start
from facespace.data.faces import evenly_spaced
from facespace.image.grids import pairs
from facespace.image.pixels import to_uint8
from facespace.models import LatentModel, bundle, carrying, locations
from facespace.models.bundle_card import Stage
from facespace.models.priors import FittedNormal
from facespace.recipes.config import Frozen, Recipe
from facespace.training import final_prior
from facespace.training.auxiliary_losses import AuxiliaryLosses
from facespace.training.checkpoint import Progress
from facespace.training.collapse import CollapseWatch
from facespace.training.discriminators import save_discriminator
from facespace.training.loaders import Batch, Loader
from facespace.training.measure import derived, evaluate
from facespace.training.records import BundleState, EpochRecord, Figures, PausedRun, PriorReport, RunResult
from facespace.training.run_log import RunLogger
from facespace.training.runtime import Runtime
from facespace.training.trackers import open_trackers

PRIOR_FACES = 5_000  # training faces whose latents an autoencoder's prior is fitted to
COMPARED = 1_000  # training faces on which average and weights are compared without validation faces
SHOWN = 64  # samples on a sheet
RECONSTRUCTED = 16  # faces on a sheet of reconstructions
# What a stage trained, by the part that it kept.
TRAINED: dict[Frozen, str] = {"none": "all", "encoder": "decoder", "decoder": "encoder"}
AVERAGE, RAW = "average", "raw"  # names of the candidates: the moving average of the weights, and these


def lower_loss(figures: Mapping[str, Figures]) -> str:
    """The candidate with the lowest loss, the first one of several; one that is not a number loses."""
    losses = {name: found["loss"] for name, found in figures.items()}
    return min(losses, key=lambda name: losses[name] if math.isfinite(losses[name]) else math.inf)


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
        seed: int = 0,
        stages: Sequence[Stage] = (),
        carried: bundle.Bundle | None = None,
        address: str | None = None,
    ) -> None:
        """`origin` is the fingerprint of the bundle that training started from, `address` its place on the
        hub, and `stages` its trainings. What was fitted to the latents of the bundle `carried` is copied into
        every bundle of the run."""
        self.seed, self.stages, self.carried, self.address = seed, stages, carried, address
        self.plan, self.loader, self.run, self.runtime, self.conditions_of = plan, loader, run, runtime, tell
        self.auxiliary = auxiliary
        self.faces, self.origin, self.started = loader.faces, origin, since_start()
        self.collapse = CollapseWatch(plan)
        self.logger: RunLogger | None = None
        if runtime.is_main_process:
            self.logger = RunLogger(run, open_trackers(trackers, run, plan))

    def resume(self, step: int) -> None:
        """Reads the records of an interrupted run up to a step."""
        if self.logger:
            self.logger.resume(step)

    def epoch(self, candidates: Mapping[str, LatentModel], at: Progress, number: int) -> None:
        """Validates, writes record, sheets and bundles, and decides whether the run is done.

        `candidates` are the moving average of the weights and the weights themselves, by their name; the one
        with the lower loss is recorded and saved."""
        figures = {name: self._compared(model) for name, model in candidates.items()}
        name = lower_loss(figures)
        model, validation = candidates[name], figures[name]
        others = [found["loss"] for key, found in figures.items() if key != name]
        train = self._epoch_means(model, at)
        if not len(self.faces.rows("validation")):
            validation = None
        monitored = (validation or train)["loss"]
        # An adversarial loss raises the others, which do not measure what it gains: once it is on, the latest
        # is the best.
        best = at.record(monitored, self.plan.train.min_delta, self.auxiliary.adversarial_on(at.step))
        speed = at.images / at.training_seconds
        record = EpochRecord(
            number,
            at.step,
            train,
            validation,
            best,
            speed,
            at.training_seconds,
            name,
            others[0] if others else None,
        )
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

    def _compared(self, model: LatentModel) -> Figures:
        """The figures on the validation faces, or, where there are none, on some training faces in eval
        mode."""
        figures = self.measure(model, "validation")
        if figures is None:
            figures = self.measure_rows(model, evenly_spaced(self.loader.rows, COMPARED))
        assert figures
        return figures

    def _epoch_means(self, model: LatentModel, at: Progress) -> Figures:
        """The mean training terms over the steps of the epoch, over all processes."""
        sums, counts = self.runtime.all_reduce_sum(at.sums), self.runtime.all_reduce_sum(at.counts)
        means = {name: total / counts[name] for name, total in sums.items()}
        return derived(means, model.image_shape)

    def pause(self, candidates: Mapping[str, LatentModel], at: Progress, total: int) -> PausedRun:
        """Writes the last bundle of a run that continues later, without validation. For the main process.

        Of the `candidates` it holds the one that was better at the last validation."""
        assert self.logger
        name = next(iter(candidates))
        for record in self.logger.records[-1:]:
            if record.weights is not None and record.weights in candidates:
                name = record.weights
        self.fit_prior(candidates[name])
        self.save(locations.LAST, candidates[name], BundleState(at.step, at.training_seconds, name))
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
        facts["stages"] = [*self.stages, self._stage(metrics)]
        if self.origin:
            facts["started_from"] = self.origin
        if self.address:
            facts["origin"] = self.address
        part = self.plan.train.freeze
        carrying.save_over(
            self.run / name, model, self.plan.model, self.faces.template, facts, part != "none"
        )
        if self.carried is not None:
            carrying.carry_over(self.carried, self.run / name, part)

    def _fit_priors(self, bundles: Sequence[bundle.Bundle]) -> dict[str, PriorReport]:
        """Fits the final prior in each bundle; one with the weights of an earlier one gets a copy of its."""
        setting, reports, kept = self.plan.train.prior, {}, self.plan.train.freeze
        earlier: dict[str, bundle.Bundle] = {}
        for opened in bundles if setting != final_prior.NONE else ():
            same = earlier.setdefault(opened.card["fingerprint"], opened)
            if same is opened:
                mirror = self.plan.data.flip
                found = final_prior.fit(opened, setting, self.loader, mirror, self.seed, kept)
            else:
                carrying.carry_over(same, opened.folder)
                found = reports.get(same.folder.name)
            if found is not None:
                reports[opened.folder.name] = found
        return reports

    @torch.inference_mode()
    def fit_prior(self, model: LatentModel) -> None:
        """Fits the Gaussian prior of an autoencoder to training latents; a VAE has its own prior."""
        if not isinstance(model.prior, FittedNormal):
            return
        model.eval()
        rows = self.loader.rows[:: math.ceil(len(self.loader.rows) / PRIOR_FACES)]
        latents = []
        for batch in self.loader.with_rows(rows, all_rows=True).in_order():
            latents.append(model.encode(batch.image, self.conditions_of(batch)).mean)
        model.prior.fit(torch.cat(latents))

    def _stage(self, metrics: EpochRecord | BundleState) -> Stage:
        """This run's entry of the card's stages."""
        return {
            "recipe": self.plan.name,
            "steps": metrics.step,
            "images": metrics.step * self.loader.size,
            "seconds": metrics.training_seconds,
            "faces": len(self.loader.rows),
            "trained": TRAINED[self.plan.train.freeze],
        }

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
        originals = model.target(batch.image)
        self.collapse.look(decoded, originals, logger.step)
        faces = pairs(to_uint8(originals), to_uint8(decoded))
        logger.images("reconstructions", logger.step, faces, min(8, len(decoded)))

    def measure(self, model: LatentModel, split: str, alone: bool = False) -> Figures | None:
        """The figures of a model on a split, None where it has no faces; `alone` without the other
        processes."""
        return self.measure_rows(model, self.faces.rows(split), alone)

    def measure_rows(self, model: LatentModel, rows: np.ndarray, alone: bool = False) -> Figures | None:
        """The same on the given rows of the set."""
        loader = self.loader.with_rows(rows, all_rows=alone)
        add_up = dict if alone else self.runtime.all_reduce_sum
        figures = evaluate(
            model, loader, self.plan.objective, self.conditions_of, add_up, self.auxiliary.add_to
        )
        return derived(figures, model.image_shape) if figures else None

    def _measure_splits(self, model: LatentModel) -> dict[str, Figures]:
        """The figures on the validation and the test faces, by split, in this process alone."""
        found = {}
        for split in ("validation", "test"):
            figures = self.measure(model, split, alone=True)
            if figures:
                found[split] = figures
        return found

    def _final_bundles(self) -> dict[str, bundle.Bundle]:
        """Both bundles by name, with the discriminator."""
        bundles = {}
        for name in (locations.BEST, locations.LAST):
            opened = bundle.load(self.run / name, self.runtime.device)
            save_discriminator(opened, self.plan.objective, self.auxiliary.projected)
            bundles[name] = opened
        return bundles

    def _figures_of_all(self, bundles: Mapping[str, bundle.Bundle]) -> dict[str, dict[str, Figures]]:
        """The figures of bundles by name and split, measured once where two have the same weights."""
        known: dict[str, dict[str, Figures]] = {}
        for opened in bundles.values():
            weights = opened.card["fingerprint"]
            if weights not in known:  # the last bundle is often the best one too
                known[weights] = self._figures_of(opened)
        return {name: known[opened.card["fingerprint"]] for name, opened in bundles.items()}

    def _figures_of(self, opened: bundle.Bundle) -> dict[str, Figures]:
        """The figures of a bundle by split: on the training faces those of its epoch, means in train mode."""
        of_epoch = opened.card["metrics"].get("train")
        measured = self._measure_splits(opened.model)
        return {"train": of_epoch, **measured} if of_epoch else measured

    def _figures_of_last(
        self, candidates: Mapping[str, LatentModel], kept: str, figures: Mapping[str, Figures]
    ) -> dict[str, dict[str, Figures]]:
        """The validation and test figures of the last average and of the last weights, by their name; those
        of the `kept` ones are known."""
        found = {}
        for name, model in candidates.items():
            if name == kept:
                found[name] = {split: terms for split, terms in figures.items() if split != "train"}
            else:
                found[name] = self._measure_splits(model)
        return found

    def close(self, candidates: Mapping[str, LatentModel], at: Progress) -> RunResult:
        """Measures both bundles, and of the `candidates` the one that is not in the last one; writes the
        result. For the main process."""
        assert self.logger
        bundles = self._final_bundles()
        priors = self._fit_priors(list(bundles.values()))
        figures = self._figures_of_all(bundles)
        kept: dict[str, str] = {}
        for name, opened in bundles.items():
            kept[name] = str(opened.card["metrics"].get("weights") or "unknown")
        of_last = {}
        if AVERAGE in candidates:
            of_last = self._figures_of_last(candidates, kept[locations.LAST], figures[locations.LAST])
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
            parameters=sum(p.numel() for p in candidates[RAW].parameters() if p.requires_grad),
            faces={split: len(self.faces.rows(split)) for split in splits},
            best=figures[locations.BEST],
            last=figures[locations.LAST],
            weights=kept,
            last_raw=of_last.get(RAW),
            last_average=of_last.get(AVERAGE),
            prior=priors,
        )
        self.logger.close(result)
        self.collapse.end(at.step)
        return result
