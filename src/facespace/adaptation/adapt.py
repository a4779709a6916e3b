"""Photographs to a space of their own: reads them, adapts a base, fits the prior, checks what was carried
over, and writes bundle and report. A killed process goes on with `resume`; an interrupted one keeps the best
so far."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facespace.adaptation.adapt_report import build_report
from facespace.adaptation.adapter import Adapter, check_base
from facespace.adaptation.carried_over import check_directions, prior_change
from facespace.adaptation.figures import AdaptFigures, Networks, Pictures, measure
from facespace.adaptation.folder import LAYOUT, Keeper, check_folder, clear
from facespace.adaptation.photos import Faces, Photos, attribute_notes, identity_notes, read_faces
from facespace.adaptation.plan import MINUTES, SET, plan_for
from facespace.adaptation.progress import INVERSION, TUNING, OnStep, Stop, ignore, never
from facespace.adaptation.saving import Outcome, save_adapted
from facespace.adaptation.set_prior import fit_set_priors
from facespace.core.console import note
from facespace.core.errors import TrainingError
from facespace.core.locks import writing
from facespace.models.locations import BEST, require_small_space
from facespace.report.report import Report
from facespace.space.face_space import FaceSpace, load

INVERSION_SHARE = 0.4  # of the minutes, at most
CHECKED = 8  # latents on which directions are compared
PRIOR_FACES = 32
COMPLETE, STOPPED, EARLY = "complete", "stopped", "held-out faces no longer improved"


@dataclass(frozen=True)
class AdaptSpec:
    """What is adapted to what, as the arguments of `adapt` say."""

    photos: Photos
    base: FaceSpace
    minutes: float = MINUTES
    seed: int = 0
    align: bool | str = "auto"
    resume: bool = False
    force: bool = False
    on_step: OnStep = ignore
    stop: Stop = never
    commands: Sequence[str] = ()  # shown at the end of the page

    def adapter(self, faces: Faces) -> Adapter:
        """The adaptation to the faces of the photographs."""
        return Adapter(self.base, faces.pixels, plan_for(len(faces), self.minutes), self.seed)


@dataclass(frozen=True)
class Adapted:
    """A saved space with its report, and how tuning ended: COMPLETE, EARLY, STOPPED by the caller, or after
    the minutes."""

    space: FaceSpace
    report: Report
    ending: str
    figures: AdaptFigures
    page: Path

    @property
    def finished(self) -> bool:
        """Whether there is nothing to resume."""
        return self.ending in (COMPLETE, EARLY)


def load_base(base: Path | str | None) -> FaceSpace:
    """The space to adapt, by default faces64. Raises what `load` does."""
    return load(require_small_space() if base is None else base)


def adapt(
    photos: Photos,
    to: Path | str | None = None,
    *,
    base: FaceSpace | Path | str | None = None,
    minutes: float = MINUTES,
    seed: int = 0,
    align: bool | str = "auto",
    resume: bool = False,
    force: bool = False,
    on_step: OnStep = ignore,
    stop: Stop = never,
) -> FaceSpace:
    """A space of a few photographs: the `base`, by default faces64, tuned until it shows them (pivotal
    tuning: Roich et al., 2021), while the faces of its prior stay as they are.

    `photos` is a folder, files, pictures, uint8 arrays or a prepared set, 1 to 5,000 faces; photographs are
    aligned as `align` says (see `read_photos`). With 20 and more faces a tenth is held out, the encoder
    learns along, and a prior of the set is fitted. The result is written into the folder `to` with a report,
    index.html; without `to` it is a space in memory. Steps depend on the number of faces and on `minutes`,
    which also are the limit: tuning that reaches it ends with the best so far. `resume` goes on where a
    killed or stopped adaptation with the same arguments was. The same seed gives the same space on the same
    processor.

    Raises UsageError and ImageError for photographs and bases that cannot be used, TrainingError where there
    is nothing to resume."""
    opened = base if isinstance(base, FaceSpace) else load_base(base)
    spec = AdaptSpec(photos, opened, minutes, seed, align, resume, force, on_step, stop)
    if to is not None:
        return adapt_to(Path(to), spec).space
    adapter = spec.adapter(read_faces(opened, photos, align))
    _run(adapter, spec, on_step, _nothing)
    return adapter.result().space


def adapt_to(to: Path, spec: AdaptSpec) -> Adapted:
    """What `adapt` writes into the folder `to`, with its report."""
    with writing(to):
        check_base(spec.base)
        plan_for(1, spec.minutes)
        check_folder(to, spec.resume, spec.force)
        networks = Networks(spec.base)
        faces = _with_notes(read_faces(spec.base, spec.photos, spec.align), networks)
        for text in faces.notes:
            note(text)
        adapter = spec.adapter(faces)
        keeper = Keeper(to, adapter)
        if spec.resume:
            keeper.restore()
        else:
            clear(to)
        keeper.begin()
        try:
            ending = _run(adapter, spec, keeper.around(spec.on_step), keeper.checkpoint)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
                raise
            raise TrainingError(
                f"There is too little memory for {len(faces):,} faces. Close other programs and go "
                "on with --resume, or name fewer photographs."
            ) from error
        adapted = _finish(to, adapter, faces, networks, ending, spec.commands)
        keeper.end(adapted.finished)
    return adapted


def _run(adapter: Adapter, spec: AdaptSpec, on_step: OnStep, between: Callable[[], object]) -> str:
    """Inversion and tuning within the minutes; how they ended. `between` is called once the latents are
    found."""
    began, seconds = time.monotonic(), 60 * spec.minutes
    limits = {INVERSION: INVERSION_SHARE * seconds, TUNING: seconds}
    out_of_time = False

    def stops(stage: str) -> Stop:
        def asked() -> bool:
            nonlocal out_of_time
            late = time.monotonic() - began > limits[stage]
            out_of_time = out_of_time or (late and stage == TUNING)
            return late or spec.stop()

        return asked

    adapter.invert(on_step, stops(INVERSION))
    if spec.stop():
        return STOPPED
    between()
    adapter.tune(on_step, stops(TUNING))
    if adapter.tuner.stopped_early:
        return EARLY
    if adapter.tuner.step >= adapter.plan.tuning_steps:
        return COMPLETE
    return f"{STOPPED} after {spec.minutes:g} minutes" if out_of_time else STOPPED


def _finish(
    to: Path, adapter: Adapter, faces: Faces, networks: Networks, ending: str, commands: Sequence[str]
) -> Adapted:
    """Prior, checks, bundle and report."""
    if adapter.pivots is None or not adapter.tuner.history:
        raise KeyboardInterrupt
    tuned = adapter.result()
    base = adapter.base
    z = base.sample_latents(CHECKED, adapter.seed)
    checks = check_directions(base, tuned.space, z, networks.classifier)
    change, prior_before, prior_after = prior_change(base, tuned.space, PRIOR_FACES, adapter.seed)
    pictures = Pictures(
        base.target(faces.pixels),
        base.reconstruct(faces.pixels),
        tuned.space.decode(tuned.latents),
        adapter.held_out,
        prior_before,
        prior_after,
    )
    figures = measure(pictures, networks, change, adapter.seconds)
    outcome = Outcome(adapter, tuned, faces, pictures, checks, figures)
    save_adapted(to / BEST, outcome, fit_set_priors(base, tuned.latents))
    saved = load(to)
    report = build_report(outcome, saved, ending, commands)
    report.write_files(to)
    return Adapted(saved, report, ending, figures, to / str(LAYOUT.page))


def _with_notes(faces: Faces, networks: Networks) -> Faces:
    """The faces with a sentence where a few look like several people, or a set has no variety."""
    notes = list(faces.notes)
    if networks.identity:
        notes += identity_notes(faces, networks.identity, SET)
    else:
        notes += attribute_notes(faces, networks.classifier, SET)
    if len(faces) >= SET:
        spread = float((faces.pixels.astype(np.float32) / 255).std(0).mean())
        if spread < 0.05:
            notes.append(
                f"The {len(faces)} faces are nearly alike (standard deviation of a pixel {spread:.3f}), so "
                "that the space learns little from each further one."
            )
    return replace(faces, notes=notes)


def _nothing() -> None:
    """Keeps nothing."""
