"""What is done at an epoch's end and a run's: the model is measured on unseen faces, drawn, and saved where it is the best
so far. Never changes a weight."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facespace.core.configs import to_dict
from facespace.core.console import note, since_start
from facespace.image.grids import pairs
from facespace.image.pixels import to_uint8
from facespace.models import LatentModel, bundle
from facespace.models.priors import FittedNormal
from facespace.recipes.config import Recipe
from facespace.training.auxiliary_losses import Teachers
from facespace.training.checkpoint import Progress
from facespace.training.discriminators import save_discriminator
from facespace.training.loaders import Batch, Loader
from facespace.training.measure import evaluate, per_dim
from facespace.training.run_log import Journal
from facespace.training.runtime import Machine
from facespace.training.trackers import open_trackers

VALIDATION_BATCH = 256
PRIOR_FACES = 5_000  # training faces whose latents an autoencoder's prior is fitted to
SHOWN = 64  # samples on a sheet


class Review:
    """The reviewer of one run; in all processes but the leading one it only helps to measure."""

    def __init__(
        self,
        plan: Recipe,
        loader: Loader,
        run: Path,
        machine: Machine,
        tell: Callable[[Batch], Tensor | None],
        teachers: Teachers,
        origin: str | None,
        trackers: tuple[str, ...] | list[str],
    ) -> None:
        self.plan, self.loader, self.run, self.machine, self.tell = plan, loader, run, machine, tell
        self.teachers = teachers
        self.faces, self.origin, self.started = loader.faces, origin, since_start()
        self.journal = Journal(run, open_trackers(trackers, run, plan)) if machine.leads else None

    def resume(self, step: int) -> None:
        """Takes up the journal of an interrupted run."""
        if self.journal:
            self.journal.resume(step)

    def epoch(self, model: LatentModel, at: Progress, number: int) -> None:
        """Validates, writes line, sheets and bundles, and decides whether to go on."""
        shape = model.image_shape
        seen = self.measure(model, "validation")
        sums, counts = self.machine.add_up(at.sums), self.machine.add_up(at.counts)
        means = per_dim({name: value / counts[name] for name, value in sums.items()}, shape)
        watched = (seen or means)["loss"]
        # The adversary trades nats for what they do not measure: while it teaches, the latest counts as the best.
        best = watched < at.best - self.plan.train.min_delta or self.teachers.awake(at.step)
        at.since_best = 0 if best else at.since_best + 1
        at.best = watched if best else at.best
        line = {
            "epoch": number,
            "step": at.step,
            "train": means,
            "validation": seen,
            "best": best,
            "images_per_second": at.images / at.training_seconds,
            "training_seconds": at.training_seconds,
        }
        at.sums, at.counts = {}, {}
        at.done = self.plan.train.patience is not None and at.since_best >= self.plan.train.patience
        if self.journal:
            self.journal.epoch(line)
            self.fit_prior(model)
            for name in (bundle.BEST, bundle.LAST) if best else (bundle.LAST,):
                self.save(name, model, line)
            self.draw_sheets(model, self.journal)
        if at.done:
            note(f"Stopped early: no better validation loss for {at.since_best} epochs.")

    def pause(
        self, model: LatentModel, at: Progress, total: int, carried: bundle.Bundle | None = None
    ) -> dict[str, Any]:
        """Writes the last bundle of a run that goes on later, not validated, with what was fitted to the latents of the bundle
        `carried`; says how far it is. For the leading process."""
        line = {"step": at.step, "training_seconds": at.training_seconds, "validation": None}
        self.fit_prior(model)
        self.save(bundle.LAST, model, line)
        if carried is not None:
            bundle.carry_over(carried, self.run / bundle.LAST)
        note(f"Paused at step {at.step:,} of {total:,}. The same command with --resume goes on from there.")
        return {"run": str(self.run), "paused": True, "step": at.step, "steps": total}

    def save(self, name: str, model: LatentModel, line: dict[str, Any]) -> None:
        """Writes a bundle with its card."""
        facts = {"recipe": to_dict(self.plan), "data": self.faces.card, "step": line["step"], "metrics": line}
        facts |= {"started_from": self.origin} if self.origin else {}
        bundle.save(self.run / name, model, self.plan.model, self.faces.template, facts)

    @torch.inference_mode()
    def fit_prior(self, model: LatentModel) -> None:
        """An autoencoder's stand-in for a prior; a VAE has its own."""
        if isinstance(model.prior, FittedNormal):
            rows = self.loader.rows[:: math.ceil(len(self.loader.rows) / PRIOR_FACES)]
            loader = self.loader.over(rows, VALIDATION_BATCH, alone=True)
            latents = [model.eval().encode(batch.image, self.tell(batch)).mean for batch in loader.in_order()]
            model.prior.fit(torch.cat(latents))

    @torch.inference_mode()
    def draw_sheets(self, model: LatentModel, journal: Journal) -> None:
        """The same latents and the same faces each time, in eval mode, so that sheets can be compared. A model that is
        told attributes is told those of training faces."""
        model.eval()
        # Where the decoder learns from samples of a fitted prior, those of N(0, I) would say nothing of it.
        prior = self.teachers.pool.prior if self.teachers.pool else model.prior
        z = prior.sample(SHOWN, generator=torch.Generator().manual_seed(0)).to(self.machine.device)
        z = z.reshape(-1, *model.latent_shape)
        at, rows = journal.step, self.loader.rows
        others = self.loader.batch(rows[[index * len(rows) // SHOWN for index in range(SHOWN)]])
        journal.sheet("samples", at, to_uint8(model.decode(z, self.tell(others))))
        unseen = self.faces.rows("validation")
        batch = self.loader.batch((unseen if len(unseen) else rows)[:16])
        again = model.decode(model.encode(batch.image, self.tell(batch)).mean, self.tell(batch))
        journal.sheet(
            "reconstructions",
            at,
            pairs(to_uint8(model.target(batch.image)), to_uint8(again)),
            min(8, len(again)),
        )

    def measure(self, model: LatentModel, split: str, alone: bool = False) -> dict[str, float] | None:
        """The figures of a model on a split, None where that has no faces; `alone` without the other processes' help."""
        loader = self.loader.over(self.faces.rows(split), VALIDATION_BATCH, alone)
        add_up = dict if alone else self.machine.add_up
        seen = evaluate(model, loader, self.plan.objective, self.tell, add_up, self.teachers.judge)
        return per_dim(seen, model.image_shape) if seen else None

    def close(
        self, raw: LatentModel, averaged: bool, at: Progress, carried: bundle.Bundle | None = None
    ) -> dict[str, Any]:
        """Measures both bundles, and the weights that were not averaged, on validation and test faces; writes the result. What
        was fitted to the latents of the bundle `carried` goes into both. For the leading process."""
        assert self.journal
        result = {
            "run": str(self.run),
            "recipe": self.plan.name,
            "steps": at.step,
            "seconds": round(at.training_seconds, 2),
            "seconds_to_first_step": round(self.started, 2),
            "images_per_second": round(at.images / at.training_seconds, 1),
            "peak_memory_mb": self.machine.peak_memory and round(self.machine.peak_memory),
            "device": self.machine.device.type,
            "processes": self.machine.world,
            "precision": self.machine.precision,
            "parameters": sum(p.numel() for p in raw.parameters() if p.requires_grad),
            "faces": {split: len(self.faces.rows(split)) for split in ("train", "validation", "test")},
        }
        loaded = {
            name: bundle.load(self.run / name, self.machine.device) for name in (bundle.BEST, bundle.LAST)
        }
        for each in loaded.values():
            if carried is not None:
                bundle.carry_over(carried, each.folder)
            save_discriminator(each, self.plan.objective, self.teachers.projected)
        models = {name: each.model for name, each in loaded.items()}
        for name, model in {**models, **({"last_raw": raw} if averaged else {})}.items():
            seen = {split: self.measure(model, split, alone=True) for split in ("validation", "test")}
            result[name] = {split: figures for split, figures in seen.items() if figures}
        result["validation"] = result[bundle.BEST].get("validation")
        self.journal.close(result)
        return result
