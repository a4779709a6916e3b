"""Programs that show a run while it goes on, beside the journal's own files: TensorBoard and Weights & Biases. Each gets
figures, pictures and the finished bundle; none is needed, and none decides anything."""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from facespace.core.configs import to_dict
from facespace.core.errors import UsageError, choose
from facespace.recipes.config import Recipe


class Tracker(Protocol):
    """What the journal passes on."""

    def figures(self, line: dict[str, Any]) -> None:
        """A line of metrics.jsonl."""
        ...

    def picture(self, name: str, step: int, sheet: np.ndarray) -> None:
        """A sheet, uint8 (H, W, C)."""
        ...

    def close(self, result: dict[str, Any], run: Path) -> None:
        """The finished run: its figures, and its folder with the bundles."""
        ...


class TensorBoard:
    """Event files in the run's own folder: tensorboard --logdir RUN."""

    def __init__(self, run: Path, plan: Recipe) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(run / "tensorboard"))
        self.writer.add_text("recipe", f"```\n{to_dict(plan)}\n```")

    def figures(self, line: dict[str, Any]) -> None:
        """As scalars by step."""
        for name, value in _flat(line):
            self.writer.add_scalar(name, value, line["step"])
        self.writer.flush()

    def picture(self, name: str, step: int, sheet: np.ndarray) -> None:
        """As an image by step."""
        self.writer.add_image(name, sheet, step, dataformats="HWC")

    def close(self, result: dict[str, Any], run: Path) -> None:
        """Ends the event file."""
        self.writer.close()


class WeightsAndBiases:
    """A W&B run. Offline without an account (`wandb sync` sends it later); WANDB_MODE decides where it is set."""

    def __init__(self, run: Path, plan: Recipe) -> None:
        import wandb  # type: ignore[import-not-found]

        run.mkdir(parents=True, exist_ok=True)
        mode = os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")
        self.wandb = wandb
        config = {"recipe": to_dict(plan)}
        self.run = wandb.init(project="facespace", name=run.name, dir=str(run), config=config, mode=mode)  # type: ignore[arg-type]

    def figures(self, line: dict[str, Any]) -> None:
        """As scalars by step."""
        self.run.log(dict(_flat(line)), step=line["step"])

    def picture(self, name: str, step: int, sheet: np.ndarray) -> None:
        """As an image by step."""
        self.run.log({name: self.wandb.Image(sheet.squeeze())}, step=step)

    def close(self, result: dict[str, Any], run: Path) -> None:
        """Adds the best bundle as an artefact."""
        model = self.wandb.Artifact(run.resolve().name, type="model", metadata=result)
        model.add_dir(str(run / "best"))
        self.run.log_artifact(model)
        self.run.finish()


def _flat(line: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for split in ("train", "validation"):
        for name, value in (line[split] or {}).items():
            yield f"{name}/{split}", value
    yield "images_per_second", line["images_per_second"]


# Name, which is also that of the folder it keeps in a run -> class. The package to install has the same name.
TRACKERS = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}


def open_trackers(names: Sequence[str], run: Path, plan: Recipe) -> list[Tracker]:
    """The trackers of those names; without any, TensorBoard where it is installed. `none` is for none at all."""
    if not names and importlib.util.find_spec("tensorboard"):
        names = ["tensorboard"]
    return [TRACKERS[name](run, plan) for name in names if name != "none"]


def check_trackers(names: Sequence[str]) -> None:
    """Raises UsageError for a tracker that does not exist or is not installed."""
    for name in names:
        choose({**TRACKERS, "none": None}, name, "tracker")
        if name != "none" and not importlib.util.find_spec(name):
            raise UsageError(
                f"--tracker {name} needs a package that is not installed: pip install 'facespace[{name}]'"
            )
