"""What stands around the loop: what can be known to be wrong before any work is done, and Ctrl-C that loses nothing."""

import math
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facespace.core.console import note
from facespace.core.errors import TrainingError, UsageError
from facespace.data.faces import FaceSet
from facespace.models import LatentModel
from facespace.models.bundle import BEST, LAST, Bundle
from facespace.recipes.config import Recipe
from facespace.training.checkpoint import CHECKPOINT, PREVIOUS
from facespace.training.pool import check_samples
from facespace.training.run_log import CURVES, METRICS, RESULT, SHEETS
from facespace.training.trackers import TRACKERS, check_trackers

# All that a run's folder may hold; a folder with anything else in it is never replaced.
OURS = (METRICS, RESULT, CURVES, SHEETS, CHECKPOINT, PREVIOUS, BEST, LAST, *TRACKERS)


def check(
    plan: Recipe, faces: FaceSet, run: Path, started: bool, resume: bool, force: bool, trackers: Sequence[str]
) -> None:
    """All that can be known to be wrong before any work is done; changes nothing."""
    check_trackers(trackers)
    if plan.train.only == "decoder" and not started:
        raise UsageError(
            "train.only=decoder needs a space whose encoder stays as it is: name it with --from."
        )
    check_samples(plan)
    if plan.model.image != faces.image_shape:
        wanted, found = ("×".join(map(str, shape)) for shape in (plan.model.image, faces.image_shape))
        raise UsageError(
            f"The recipe {plan.name} takes faces of {wanted} and {faces.root} holds {found} (channels × height × width). "
            f"Run: {plan.data.prepare_line(plan.model.image)}, or add --set model.image={found.replace('×', ',')}."
        )
    if len(faces.rows("train")) < 2:
        raise TrainingError(
            f"{faces.root} has {len(faces.rows('train'))} training faces; at least 2 are needed."
        )
    if not len(faces.rows("validation")):
        note(f"{faces.root} has no validation faces, so the best bundle is chosen by the training loss.")
    if resume:
        return
    if run.exists() and not run.is_dir():
        raise UsageError(f"--to {run} is a file; name a folder for the run.")
    if run.is_dir() and any(run.iterdir()):
        if any(path.name not in OURS and ".facespace-" not in path.name for path in run.iterdir()):
            raise UsageError(f"--to {run} holds other files; name a new folder for the run.")
        if not force:
            raise UsageError(
                f"--to {run} already holds a run. Add --resume to go on, --force to replace it, or name another."
            )


FEW_STEPS = 1_500  # fewer have not been enough for faces in any recipe here


def warn_of_few_steps(plan: Recipe, faces: int, steps: int) -> None:
    """A note where a run is too short to show faces, and what to do."""
    if steps < FEW_STEPS and plan.train.steps is None:
        epochs = math.ceil(plan.train.epochs * FEW_STEPS / steps)
        note(
            f"{steps:,} steps are few: {faces:,} faces in {plan.train.epochs} epochs. Expect blurs, or add "
            f"--set train.epochs={epochs}{'' if plan.data.flip else ' --set data.flip=true'}. More photographs help most."
        )


class NotFinite(Exception):
    """A step whose loss or gradient is not a finite number."""

    def __init__(self, step: int, names: list[str], rate: float) -> None:
        what = ", ".join("the gradient" if name.startswith("gradient") else name for name in names)
        super().__init__(f"No longer finite: {what} at step {step + 1:,}, at learning rate {rate:g}.")


def take_weights(model: LatentModel, origin: Bundle) -> str:
    """Puts a bundle's weights into a new model, and returns its fingerprint. A model that has all of them and more, as a stage
    of progressive growing has, begins with the rest as without them, which a note tells. UsageError where they do not fit."""
    ours, theirs = model.state_dict(), origin.model.state_dict()
    wrong = sorted(set(theirs) - set(ours)) or [
        name for name in theirs if ours[name].shape != theirs[name].shape
    ]
    if wrong:
        sizes = " and ".join(
            str(list(state[wrong[0]].shape)) if wrong[0] in state else "none" for state in (ours, theirs)
        )
        raise UsageError(
            f"The weights of {origin.folder} do not fit this recipe's model: {wrong[0]} is {sizes}. "
            "Leave out the recipe to take that space's own, or undo the --set model.… that differs."
        )
    model.load_state_dict(theirs, strict=False)
    if new := sorted(set(ours) - set(theirs)):
        count = sum(ours[name].numel() for name in new)
        note(
            f"{count:,} numbers of the model are not in {origin.folder} and begin as without it: {new[0]} and {len(new) - 1} more."
        )
    return origin.card["fingerprint"]


def decoder_alone(model: LatentModel) -> None:
    """Keeps all but the decoder from learning, in eval mode, so that latents, and what was fitted to them, stay valid."""
    model.eval().requires_grad_(False)
    model.decoder.train().requires_grad_(True)


@contextmanager
def stop_gently() -> Iterator[Callable[[], BaseException | None]]:
    """Yields a function that gives what to raise once Ctrl-C was pressed or the system asked to end (SIGTERM, as a
    cluster does before it takes a machine back); a second press stops at once."""
    pressed: list[BaseException] = []

    def press(number: int, _frame: Any) -> None:
        if pressed:
            raise pressed[0]
        pressed.append(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number))

    asks = (signal.SIGINT, signal.SIGTERM)
    try:
        before = [signal.signal(number, press) for number in asks]
    except ValueError:  # not the main thread: Ctrl-C is somebody else's
        yield lambda: None
        return
    try:
        yield lambda: pressed[0] if pressed else None
    finally:
        for number, handler in zip(asks, before):
            signal.signal(number, handler)
