"""What a killed run goes on from: weights, optimiser, position and records, in one file that is replaced whole. Nothing
random is stored, since every step's randomness is a function of seed and step."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from facespace.core.configs import from_dict, to_dict
from facespace.core.console import note
from facespace.core.errors import TrainingError, UsageError
from facespace.core.files import write_beside
from facespace.recipes.config import Recipe

CHECKPOINT, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    best: float = float("inf")  # validation loss of the best bundle, nats per image
    since_best: int = 0  # epochs
    training_seconds: float = 0.0
    images: int = 0
    sums: dict[str, float] = field(default_factory=dict)  # of the terms over the unfinished epoch's steps
    counts: dict[str, int] = field(default_factory=dict)  # how many steps those are, by term
    rate: float = 1.0  # what the learning rate is multiplied with; lowered after a loss that was not finite
    done: bool = False


def save(run: Path, progress: Progress, parts: Mapping[str, Any], identity: dict[str, Any]) -> None:
    """Writes the checkpoint, and keeps the one before; `parts` are all that has a state_dict, by name; `identity` says what
    the run is of (recipe, data, seed), to be held against a resume."""
    state = {"identity": identity, "progress": asdict(progress)} | {
        name: part.state_dict() for name, part in parts.items()
    }
    path = run / CHECKPOINT
    with write_beside(path) as beside:
        content = io.BytesIO()  # so that a full disk is the error of a plain write
        torch.save(state, content)
        beside.write_bytes(content.getbuffer())
        if path.exists():  # a link and a rename: at no moment is there no whole checkpoint
            spare = run / f".{PREVIOUS}"
            spare.unlink(missing_ok=True)
            spare.hardlink_to(path)
            spare.replace(run / PREVIOUS)


def load(
    run: Path, parts: Mapping[str, Any], identity: dict[str, Any], first: Callable[[Callable[[], Any]], Any]
) -> Progress:
    """Puts every part back and returns the position. A damaged checkpoint gives way to the one before it. `first` runs the
    reading in the leading process and hands its result to all.

    Raises TrainingError where there is nothing to resume, both are damaged, or the run was of something else."""
    state = first(lambda: _whole(run, identity))
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return Progress(**state["progress"])


def _whole(run: Path, identity: dict[str, Any]) -> dict[str, Any]:
    if not (run / CHECKPOINT).is_file() and not (run / PREVIOUS).is_file():
        raise TrainingError(
            f"{run} has no {CHECKPOINT} to resume from. Leave out --resume to start a new run."
        )
    try:
        state = _read(run / CHECKPOINT)
    except TrainingError as error:
        note(f"{error} The one before it is taken.")
        state = _read(run / PREVIOUS)
    for what, value in identity.items():
        if not _same(what, state["identity"].get(what), value):
            raise TrainingError(
                f"{run} was trained with another {what}. Resume with the same command as before, "
                f"or start a new run with another --to."
            )
    return state


def _same(what: str, old: Any, new: Any) -> bool:
    """Whether the interrupted run's fact is this one's. Fields that recipes did not have then count as what they are unset."""
    if what == "recipe" and isinstance(old, str) and old != new:
        try:
            return to_dict(from_dict(Recipe, json.loads(old))) == json.loads(new)
        except (ValueError, UsageError):
            return False
    return old == new


def _read(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive or pickle stream can raise almost anything
        raise TrainingError(
            f"{path} is damaged ({str(error).splitlines()[0]}). Start a new run with --force."
        ) from error
