"""What a killed run goes on from: weights, optimiser, position and records, in one file that is replaced whole. Nothing
random is stored, since every step's randomness is a function of seed and step."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facespace.errors import TrainingError
from facespace.files import write_beside

CHECKPOINT = "checkpoint.pt"


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    best: float = float("inf")  # validation loss of the best bundle, nats per image
    since_best: int = 0  # epochs
    training_seconds: float = 0.0
    images: int = 0
    sums: dict[str, float] = field(default_factory=dict)  # of the terms over the unfinished epoch's steps
    done: bool = False


def save(run: Path, progress: Progress, model: nn.Module, optimizer: Any, identity: dict[str, Any]) -> None:
    """Writes the checkpoint; `identity` says what the run is of (recipe, data, seed), to be held against a resume."""
    state = {
        "identity": identity,
        "progress": asdict(progress),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    with write_beside(run / CHECKPOINT) as beside:
        torch.save(state, beside)


def load(run: Path, model: nn.Module, optimizer: Any, identity: dict[str, Any], device: torch.device) -> Progress:
    """Puts weights and optimiser back and returns the position. Raises TrainingError where there is nothing to resume,
    the file is damaged, or the run was of something else."""
    path = run / CHECKPOINT
    if not path.is_file():
        raise TrainingError(f"{run} has no {CHECKPOINT} to resume from. Leave out --resume to start a new run.")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # a damaged archive or pickle stream can raise almost anything
        raise TrainingError(f"{path} is damaged ({error}). Start a new run with --force.") from error
    for what, value in identity.items():
        if state["identity"].get(what) != value:
            raise TrainingError(
                f"{run} was trained with another {what}. Resume with the same command as before, "
                f"or start a new run with another --to."
            )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])
