"""What stands around the loop: what can be known to be wrong before any work is done, and Ctrl-C that loses nothing."""

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facespace.bundle import BEST, LAST
from facespace.console import note
from facespace.data.faces import FaceSet
from facespace.errors import TrainingError, UsageError
from facespace.recipe import Recipe
from facespace.training.checkpoint import CHECKPOINT, PREVIOUS
from facespace.training.journal import CURVES, METRICS, RESULT, SHEETS

# All that a run's folder may hold; a folder with anything else in it is never replaced.
OURS = (METRICS, RESULT, CURVES, SHEETS, CHECKPOINT, PREVIOUS, BEST, LAST)


def check(plan: Recipe, faces: FaceSet, run: Path, resume: bool, force: bool) -> None:
    """All that can be known to be wrong before any work is done; changes nothing."""
    if plan.model.image != faces.image_shape:
        wanted, found = ("×".join(map(str, shape)) for shape in (plan.model.image, faces.image_shape))
        raise UsageError(
            f"The recipe {plan.name} takes faces of {wanted} and {faces.root} holds {found} (channels × height × width). "
            f"Run: {plan.data.prepare_line(plan.model.image)}, or add --set model.image={found.replace('×', ',')}."
        )
    if len(faces.rows("train")) < 2:
        raise TrainingError(f"{faces.root} has {len(faces.rows('train'))} training faces; at least 2 are needed.")
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


@contextmanager
def stop_gently() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C was pressed; a second press stops at once."""
    pressed = False

    def press(_signal: int, _frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    try:
        before = signal.signal(signal.SIGINT, press)
    except ValueError:  # not the main thread: Ctrl-C is somebody else's
        yield lambda: False
        return
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
