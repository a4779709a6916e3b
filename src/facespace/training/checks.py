"""Checks before a run starts, the start from another bundle's weights, and a shutdown that loses nothing."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from facespace.core import interrupts
from facespace.core.console import note
from facespace.core.errors import TrainingError, UsageError
from facespace.core.files import is_own
from facespace.data.faces import FaceSet
from facespace.models import LatentModel
from facespace.models.bundle import Bundle
from facespace.models.locations import BEST, LAST
from facespace.recipes.config import Frozen, Recipe, TrainConfig
from facespace.recipes.model_config import HIERARCHICAL
from facespace.report.run_files import METRICS, POSITION, RESULT
from facespace.training.checkpoint import CHECKPOINT, PREVIOUS
from facespace.training.pool import check_samples
from facespace.training.run_log import CURVES, SHEETS
from facespace.training.trackers import TRACKERS, check_trackers

# All that a run's folder may hold; a folder with anything else in it is never replaced.
RUN_FILES = (METRICS, RESULT, CURVES, SHEETS, CHECKPOINT, PREVIOUS, POSITION, BEST, LAST, *TRACKERS)


def check(
    plan: Recipe, faces: FaceSet, run: Path, started: bool, resume: bool, force: bool, trackers: Sequence[str]
) -> None:
    """Raises UsageError or TrainingError for all that is known to be wrong before any work; changes
    nothing."""
    check_trackers(trackers)
    _check_freeze(plan, started)
    check_samples(plan)
    _check_faces(plan, faces)
    if not resume:
        _check_target(run, force)


def _check_freeze(plan: Recipe, started: bool) -> None:
    """That there is a part to keep, and that a loss remains for the other one."""
    part = plan.train.freeze
    if part == "none":
        return
    if not started:
        raise UsageError(
            f"train.freeze={part} needs a space whose {part} stays as it is: name it with --from."
        )
    if part == "decoder" and plan.model.kind in HIERARCHICAL:
        raise UsageError(
            "train.freeze=decoder trains the encoder alone, and the one of "
            f"model.kind={plan.model.kind} uses the decoder's features. Set train.freeze=none."
        )
    if part == "decoder" and plan.objective.adversarial > 0:
        raise UsageError(
            f"objective.adversarial={plan.objective.adversarial:g} trains a decoder, and "
            "train.freeze=decoder keeps it. Add --set objective.adversarial=0."
        )


def _check_faces(plan: Recipe, faces: FaceSet) -> None:
    """That the set has the recipe's image shape and enough faces."""
    if plan.model.image != faces.image_shape:
        expected = "×".join(map(str, plan.model.image))
        found = "×".join(map(str, faces.image_shape))
        raise UsageError(
            f"The recipe {plan.name} takes faces of {expected} and {faces.place} holds {found} "
            f"(channels × height × width). Run: {plan.data.prepare_line(plan.model.image)}, "
            f"or add --set model.image={found.replace('×', ',')}."
        )
    count = len(faces.rows("train"))
    if count < 2:
        raise TrainingError(f"{faces.place} has {count} training faces; at least 2 are needed.")
    if not len(faces.rows("validation")):
        note(f"{faces.place} has no validation faces, so the best model is chosen by the training loss.")


def _check_target(run: Path, force: bool) -> None:
    """That the folder of a new run does not exist, holds nothing that a run could go on from, or holds a run
    that `force` replaces."""
    if run.exists() and not run.is_dir():
        raise UsageError(f"--to {run} is a file; name a folder for the run.")
    if not run.is_dir():
        return
    names = {path.name for path in run.iterdir() if not is_own(path)}
    if not names <= set(RUN_FILES):
        raise UsageError(f"--to {run} holds other files; name a new folder for the run.")
    # A run that was killed before its first checkpoint has left nothing of worth.
    if not names <= {SHEETS, *TRACKERS} and not force:
        raise UsageError(
            f"--to {run} already holds a run. Add --resume to go on, --force to replace it, or name another."
        )


# Seconds within which further signals belong to the first: `timeout` sends one to the process and one to its
# group.
SAME_PRESS = 1.0


class NotFinite(Exception):
    """A step whose loss or gradient is not a finite number."""

    def __init__(self, step: int, names: Sequence[str], rate: float) -> None:
        terms = []
        for name in names:
            terms.append("the gradient" if name.startswith("gradient") else name)
        super().__init__(
            f"No longer finite: {', '.join(terms)} at step {step + 1:,}, at learning rate {rate:g}."
        )


def load_pretrained(model: LatentModel, origin: Bundle) -> str:
    """Loads a bundle's weights into a new model, and returns the bundle's fingerprint.

    A model may have further weights, as a stage of progressive growing has: they keep their initial values,
    and a note is printed. Raises UsageError where a weight is missing from the model or has another shape."""
    own, loaded = model.state_dict(), origin.model.state_dict()
    name = _unfit(own, loaded)
    if name:
        size = str(list(own[name].shape)) if name in own else "none"
        raise UsageError(
            f"The weights of {origin.folder} do not fit this recipe's model: {name} is {size} and "
            f"{list(loaded[name].shape)}. "
            "Leave out the recipe to take that space's own, or undo the --set model.… that differs."
        )
    model.load_state_dict(loaded, strict=False)
    if new := sorted(set(own) - set(loaded)):
        count = 0
        for name in new:
            count += own[name].numel()
        note(
            f"{count:,} weights of the model are not in {origin.folder} and keep their initial values: "
            f"{new[0]} and {len(new) - 1} more."
        )
    return origin.card["fingerprint"]


def fitted_of(origin: Bundle, train: TrainConfig) -> str:
    """A sentence on what was fitted to the latents of the origin and does not fit an encoder that is trained
    further, and what comes in its place; empty where there is nothing, or the encoder stays as it is."""
    priors, directions = origin.card.get("priors") or {}, "directions" in origin.card
    if train.freeze != "none" or not (priors or directions):
        return ""
    found = [f"priors ({', '.join(priors)})"] if priors else []
    found += ["directions"] if directions else []
    text = f"The encoder is trained further, so the {' and '.join(found)} of {origin.folder} no longer fit. "
    new = (
        "A new prior is fitted at the end."
        if train.prior != "none"
        else ("Samples come from the model's own prior (train.prior=none).")
    )
    return text + new + " facespace directions RUN --data SET finds directions." * directions


def _unfit(own: Mapping[str, torch.Tensor], loaded: Mapping[str, torch.Tensor]) -> str | None:
    """The first loaded weight that the model does not have, or has in another shape; None if all fit."""
    missing = sorted(set(loaded) - set(own))
    if missing:
        return missing[0]
    for name, weight in loaded.items():
        if own[name].shape != weight.shape:
            return name
    return None


def freeze(model: LatentModel, part: Frozen) -> None:
    """Freezes a part of a model in eval mode, and all else but the other part. With the encoder latents stay,
    and what was fitted to them; with the decoder the faces that latents decode to."""
    if part == "none":
        return
    model.eval().requires_grad_(False)
    names = ("decoder",) if part == "encoder" else ("encoder", "heads")
    for name in names:
        model.get_submodule(name).train().requires_grad_(True)


@contextmanager
def graceful_shutdown() -> Iterator[Callable[[], BaseException | None]]:
    """Yields a function that returns the exception to raise once SIGINT or SIGTERM has arrived, and None
    before.

    So the step in progress is finished; a second signal, SAME_PRESS later, raises at once. Outside the main
    thread nothing changes."""
    pending: list[BaseException] = []
    process, first = os.getpid(), 0.0

    def handle(number: int, _frame: Any) -> None:
        nonlocal first
        if os.getpid() != process or interrupts.is_leaving():
            return
        if not pending:
            pending.append(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number))
            first = time.monotonic()
        elif time.monotonic() - first > SAME_PRESS:
            interrupts.leave_soon()
            raise pending[0]

    signals = (signal.SIGINT, signal.SIGTERM)
    previous = []
    try:
        for number in signals:
            previous.append(signal.signal(number, handle))
    except ValueError:  # not the main thread, which alone receives signals
        yield lambda: None
        return

    def arrived() -> BaseException | None:
        if pending:
            return pending[0]
        return None

    try:
        yield arrived
    finally:
        for number, handler in zip(signals, previous):
            signal.signal(number, handler)
