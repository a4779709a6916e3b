"""Photographs to a space of their own: reads them, adapts a base, fits the prior, checks what was carried
over, and writes bundle and report. A killed process goes on with `resume`; an interrupted one keeps the best
so far."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facespace.adaptation.adapt_report import BEST, CHECKPOINT, LAYOUT, PICTURE, Pictures, build_report
from facespace.adaptation.adapter import Adapter, check_base
from facespace.adaptation.carried_over import check_directions, prior_change
from facespace.adaptation.photos import Faces, Photos, attribute_notes, identity_notes, read_faces
from facespace.adaptation.plan import MINUTES, SET, plan_for
from facespace.adaptation.progress import AdaptProgress, OnStep, Stop, ignore, never
from facespace.adaptation.saving import save_adapted
from facespace.adaptation.set_prior import fit_set_prior
from facespace.core.cards import CARD
from facespace.core.console import note
from facespace.core.errors import TrainingError, UsageError
from facespace.core.files import write_atomically, write_json
from facespace.core.locks import writing
from facespace.image.pixels import squared_error
from facespace.image.sheets import comparison
from facespace.perception.arcface import open_arcface
from facespace.perception.attributes import load_classifier
from facespace.perception.lpips import is_available, open_lpips
from facespace.report.report import Report
from facespace.space.face_space import FaceSpace, load

EVERY = 30.0  # seconds between two pictures and checkpoints
INVERSION_SHARE = 0.4  # of the minutes, at most
CHECKED = 8  # latents on which directions are compared
PRIOR_FACES = 32
COMPLETE, STOPPED, EARLY = "complete", "stopped", "held-out faces no longer improved"


@dataclass(frozen=True)
class Adapted:
    """A saved space with its report, and how tuning ended: COMPLETE, EARLY, STOPPED by the caller, or after
    the minutes."""

    space: FaceSpace
    report: Report
    ending: str
    figures: Mapping[str, Any]
    page: Path


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
    """A space of a few photographs: the `base`, by default the default space, tuned until it shows them
    (pivotal tuning: Roich et al., 2021), while the faces of its prior stay as they are.

    `photos` is a folder, files, pictures, uint8 arrays or a prepared set, 1 to 5,000 faces; photographs are
    aligned as `align` says (see `read_photos`). With 20 and more faces a tenth is held out, the encoder
    learns along, and a prior of the set is fitted. The result is written into the folder `to` with a report,
    index.html; without `to` it is a space in memory. Steps depend on the number of faces and on `minutes`,
    which also are the limit: tuning that reaches it ends with the best so far. `resume` goes on where a
    killed or stopped adaptation with the same arguments was. The same seed gives the same space on the same
    processor.

    Raises UsageError and ImageError for photographs and bases that cannot be used, TrainingError where there
    is nothing to resume."""
    opened = base if isinstance(base, FaceSpace) else load(base)
    if to is not None:
        return adapt_to(photos, Path(to), opened, minutes, seed, align, resume, force, on_step, stop).space
    faces = read_faces(opened, photos, align)
    adapter = Adapter(opened, faces.pixels, plan_for(len(faces), minutes), seed)
    _run(adapter, minutes, on_step, stop, _nothing)
    return adapter.result().space


def adapt_to(
    photos: Photos,
    to: Path,
    base: FaceSpace,
    minutes: float = MINUTES,
    seed: int = 0,
    align: bool | str = "auto",
    resume: bool = False,
    force: bool = False,
    on_step: OnStep = ignore,
    stop: Stop = never,
    commands: Sequence[str] = (),
) -> Adapted:
    """What `adapt` writes, with its report. `commands` are shown at the end of the page."""
    with writing(to):
        check_base(base)
        plan_for(1, minutes)
        _check_folder(to, resume, force)
        return _adapt_to(photos, to, base, minutes, seed, align, resume, on_step, stop, commands)


def _adapt_to(
    photos: Photos,
    to: Path,
    base: FaceSpace,
    minutes: float,
    seed: int,
    align: bool | str,
    resume: bool,
    on_step: OnStep,
    stop: Stop,
    commands: Sequence[str],
) -> Adapted:
    faces = _with_notes(read_faces(base, photos, align), base)
    for text in faces.notes:
        note(text)
    adapter = Adapter(base, faces.pixels, plan_for(len(faces), minutes), seed)
    identity = _identity(adapter)
    if resume:
        adapter.restore(_read_checkpoint(to, identity))
    else:
        _clear(to)
    keep = _Keeper(to, adapter, identity)
    try:
        ending = _run(adapter, minutes, keep.around(on_step), stop, keep.checkpoint)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        raise TrainingError(
            f"There is too little memory for {len(faces):,} faces. Close other programs and go "
            "on with --resume, or name fewer photographs."
        ) from error
    adapted = _finish(to, adapter, faces, ending, commands)
    (to / PICTURE).unlink(missing_ok=True)
    if ending in (COMPLETE, EARLY):
        (to / CHECKPOINT).unlink(missing_ok=True)
    return adapted


def _run(adapter: Adapter, minutes: float, on_step: OnStep, stop: Stop, between: Callable[[], object]) -> str:
    """Inversion and tuning within the minutes; how they ended. `between` is called once the latents are
    found."""
    began, seconds = time.monotonic(), 60 * minutes
    limits = {"inversion": INVERSION_SHARE * seconds, "tuning": seconds}
    out_of_time = [False]

    def stops(stage: str) -> Stop:
        def asked() -> bool:
            late = time.monotonic() - began > limits[stage]
            out_of_time[0] = out_of_time[0] or (late and stage == "tuning")
            return late or stop()

        return asked

    adapter.invert(on_step, stops("inversion"))
    if stop():
        return STOPPED
    between()
    adapter.tune(on_step, stops("tuning"))
    if adapter.tuner.stopped_early:
        return EARLY
    if adapter.tuner.step >= adapter.plan.tuning_steps:
        return COMPLETE
    return f"{STOPPED} after {minutes:g} minutes" if out_of_time[0] else STOPPED


class _Keeper:
    """Keeps what a later process needs, and a picture of the progress, every half minute."""

    def __init__(self, to: Path, adapter: Adapter, identity: Mapping[str, Any]) -> None:
        self.to, self.adapter, self.identity = to, adapter, identity
        self.last = time.monotonic()
        to.mkdir(parents=True, exist_ok=True)
        write_json(to / LAYOUT.json, {"state": "unfinished", "resume": "the same command with --resume"})

    def around(self, on_step: OnStep) -> OnStep:
        """The caller's function, and every half minute a checkpoint and a picture."""

        def step(at: AdaptProgress) -> None:
            on_step(at)
            if time.monotonic() - self.last >= EVERY:
                self.picture(at)
                if at.stage == "tuning":
                    self.checkpoint()
                self.last = time.monotonic()

        return step

    def picture(self, at: AdaptProgress) -> None:
        """Photographs over the faces that the space shows now."""
        now = at.faces()
        kept = self.adapter.faces if at.stage == "inversion" else self.adapter.faces[~self.adapter.held_out]
        originals = self.adapter.base.target(kept[: len(now)])
        with write_atomically(self.to / PICTURE) as path:
            comparison([("original", originals), (f"{at.stage}, step {at.step}", now)], scale=2).save(path)

    def checkpoint(self) -> None:
        """The state of the adapter."""
        state = {"identity": dict(self.identity), "adapter": self.adapter.state()}
        with write_atomically(self.to / CHECKPOINT) as path:
            torch.save(state, path)


def _finish(to: Path, adapter: Adapter, faces: Faces, ending: str, commands: Sequence[str]) -> Adapted:
    """Prior, checks, bundle and report."""
    if adapter.pivots is None or not adapter.tuner.history:
        raise KeyboardInterrupt
    tuned = adapter.result()
    base, kept = adapter.base, ~adapter.held_out
    prior = fit_set_prior(base, tuned.latents if len(faces) >= SET else tuned.latents[kept])
    z = base.sample_latents(CHECKED, adapter.seed)
    checks = check_directions(base, tuned.space, z, load_classifier(device=base.device))
    change, prior_before, prior_after = prior_change(base, tuned.space, PRIOR_FACES, adapter.seed)
    originals = base.target(faces.pixels)
    pictures = Pictures(
        originals,
        base.reconstruct(faces.pixels),
        tuned.space.decode(tuned.latents),
        adapter.held_out,
        prior_before,
        prior_after,
    )
    figures = _figures(base, pictures)
    figures |= {"prior_change": change, "seconds": dict(adapter.seconds)}
    save_adapted(to / BEST, adapter, tuned, faces, prior, checks, figures)
    saved = load(to)
    report = build_report(adapter, tuned, saved, faces, pictures, checks, figures, ending, commands)
    report.write_files(to)
    return Adapted(saved, report, ending, figures, to / str(LAYOUT.page))


def _figures(base: FaceSpace, pictures: Pictures) -> dict[str, Any]:
    """Errors before and after, of the tuned and of the held-out photographs; LPIPS and identity by networks
    that the user names, if there are any. Nothing learns from these."""
    distance = open_lpips(device=base.device) if is_available() else None
    identity = open_arcface(base.template)
    figures: dict[str, Any] = {}
    for prefix, rows in (("", ~pictures.held_out), ("held_out_", pictures.held_out)):
        originals = pictures.originals[rows]
        if not len(originals):
            continue
        for state, faces in (("before", pictures.before[rows]), ("after", pictures.after[rows])):
            found = {"mse": float(squared_error(originals, faces).mean())}
            if distance and min(originals.shape[1:3]) >= 31:
                found["lpips"] = float(distance(originals, faces).mean())
            if identity:
                found["identity"] = float((identity(originals) * identity(faces)).sum(1).mean())
            figures[f"{prefix}{state}"] = found
    return figures


def _with_notes(faces: Faces, base: FaceSpace) -> Faces:
    """The faces with a sentence where a few look like several people, or a set has no variety."""
    notes = list(faces.notes)
    identity = open_arcface(base.template)
    if identity:
        notes += identity_notes(faces, identity, SET)
    else:
        notes += attribute_notes(faces, load_classifier(device=base.device), SET)
    if len(faces) >= SET:
        spread = float((faces.pixels.astype(np.float32) / 255).std(0).mean())
        if spread < 0.05:
            notes.append(
                f"The {len(faces)} faces are nearly alike (standard deviation of a pixel {spread:.3f}), so "
                "that the space learns little from each further one."
            )
    return replace(faces, notes=notes)


def _identity(adapter: Adapter) -> dict[str, Any]:
    """What must be equal for a checkpoint to be resumed, as plain text."""
    return {
        "photographs": hashlib.sha256(adapter.faces.tobytes()).hexdigest(),
        "base": adapter.base.card["fingerprint"],
        "seed": str(adapter.seed),
        "plan": json.dumps(asdict(adapter.plan), sort_keys=True),
    }


def _check_folder(to: Path, resume: bool, force: bool) -> None:
    """Raises UsageError unless the folder is new or empty, is to be replaced, or can be resumed."""
    unfinished = (to / CHECKPOINT).is_file()
    if resume and not unfinished:
        what = "is finished" if (to / BEST / CARD).is_file() else "has no adaptation to resume"
        raise TrainingError(f"{to} {what}. Leave out --resume, and name a new folder or add --force.")
    try:
        LAYOUT.check(to, force or resume)
    except UsageError as error:
        hint = " It is unfinished: --resume goes on." if unfinished and not force else ""
        raise UsageError(f"{error}{hint}") from None


def _clear(to: Path) -> None:
    """Removes an older adaptation."""
    for name in (LAYOUT.json, LAYOUT.page, PICTURE, CHECKPOINT):
        (to / str(name)).unlink(missing_ok=True)
    shutil.rmtree(to / BEST, ignore_errors=True)


def _read_checkpoint(to: Path, identity: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        state = torch.load(to / CHECKPOINT, map_location="cpu", weights_only=True)
        found, adapter = state["identity"], state["adapter"]
    except Exception as error:  # a damaged archive can raise almost anything
        raise TrainingError(f"{to / CHECKPOINT} is damaged. Start again with --force.") from error
    for name, value in identity.items():
        if found.get(name) != value:
            raise TrainingError(
                f"{to} was started with another {name}. Resume with the same command as before, or start "
                "again with --force."
            )
    return adapter


def _nothing() -> None:
    """Keeps nothing."""
