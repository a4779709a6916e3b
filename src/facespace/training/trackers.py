"""Experiment trackers that show a run while it trains, by the tracker classes of accelerate. Each gets
figures and images, W&B the best bundle too; none is needed, and none changes a run."""

import importlib.util
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facespace.core.configs import flat, to_dict
from facespace.core.console import note
from facespace.core.errors import UsageError, choose, describe_os_error
from facespace.core.extras import EXTRAS, install_command
from facespace.models.locations import BEST
from facespace.recipes.config import Recipe
from facespace.training.records import EpochRecord, RunResult

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PROJECT = "facespace"  # the name under which a tracker lists runs
Options = Mapping[str, object]  # arguments by name


class Tracker:
    """One run in one tracker of accelerate; what accelerate lacks for a tracker is added in a subclass."""

    def __init__(self, name: str, run: Path, plan: Recipe) -> None:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        self.backend: GeneralTracker = LOGGER_TYPE_TO_CLASS[name](**self.options(run, plan))
        if hasattr(self.backend, "start"):  # before that method existed, the constructor started the tracker
            self.backend.start()
        self.log_recipe(plan)

    def options(self, run: Path, plan: Recipe) -> Options:
        """Arguments of accelerate's class."""
        return {"run_name": PROJECT}

    def log_recipe(self, plan: Recipe) -> None:
        """Logs the recipe's fields, such as `train.batch`, as the run's parameters."""
        self.backend.store_init_configuration(_scalars(to_dict(plan)))

    def log(self, record: EpochRecord) -> None:
        """Logs the figures of an epoch as scalars by step, such as `loss/validation`."""
        values = {}
        for split, figures in (("train", record.train), ("validation", record.validation or {})):
            for name, value in figures.items():
                values[f"{name}/{split}"] = value
        values["images_per_second"] = record.images_per_second
        self.backend.log(values, step=record.step)

    def images(self, name: str, step: int, sheet: np.ndarray) -> None:
        """Logs an image, uint8 (H, W, C), by step, where accelerate's class takes images."""
        log_images = getattr(self.backend, "log_images", None)
        if log_images is not None:
            log_images({name: sheet[None]}, step=step, **self.image_options())

    def image_options(self) -> Options:
        """Further arguments of the class's `log_images`."""
        return {}

    def close(self, result: RunResult, run: Path) -> None:
        """Ends the tracker's run."""
        self.backend.finish()


class TensorBoard(Tracker):
    """Event files in the run's folder: tensorboard --logdir RUN. The recipe is logged as text."""

    def options(self, run: Path, plan: Recipe) -> Options:
        """As TensorBoardTracker takes them: it writes into logging_dir/run_name."""
        return {"run_name": "tensorboard", "logging_dir": run}

    def log_recipe(self, plan: Recipe) -> None:
        """As one text; accelerate's hyperparameters would be a second run in TensorBoard's list."""
        self.backend.log({"recipe": f"```\n{to_dict(plan)}\n```"}, step=0)

    def image_options(self) -> Options:
        """The layout of the images."""
        return {"dataformats": "NHWC"}


class WeightsAndBiases(Tracker):
    """A W&B run with the best bundle as an artifact.

    Offline without an account (`wandb sync` uploads it later), unless WANDB_MODE is set."""

    def options(self, run: Path, plan: Recipe) -> Options:
        """As wandb.init takes them."""
        import wandb  # type: ignore[import-not-found]

        run.mkdir(parents=True, exist_ok=True)
        mode = "online" if wandb.api.api_key else "offline"
        return {
            "run_name": PROJECT,
            "name": run.name,
            "dir": str(run),
            "config": {"recipe": to_dict(plan)},
            "mode": os.environ.get("WANDB_MODE") or mode,
        }

    def log_recipe(self, plan: Recipe) -> None:
        """Nothing: it is in the configuration."""

    def close(self, result: RunResult, run: Path) -> None:
        """Adds the best bundle and ends the run."""
        import wandb  # type: ignore[import-not-found]

        artifact = wandb.Artifact(run.resolve().name, type="model", metadata=result.to_json())
        artifact.add_dir(str(run / BEST))
        self.backend.tracker.log_artifact(artifact)  # type: ignore[attr-defined]
        super().close(result, run)


class MLflow(Tracker):
    """An MLflow run of the experiment `facespace`, at MLFLOW_TRACKING_URI or in MLflow's own default
    place."""

    def options(self, run: Path, plan: Recipe) -> Options:
        """As MLflowTracker takes them."""
        return {"experiment_name": PROJECT, "run_name": run.resolve().name}


def _scalars(values: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    """A nested table as one of dotted names; lists and None become text."""
    scalars: dict[str, str | int | float | bool] = {}
    for name, value in flat(values).items():
        scalars[name] = value if isinstance(value, str | int | float) else str(value)
    return scalars


# accelerate's name of the tracker, which is also that of its module and of the folder that it keeps in a run.
TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
    "comet_ml": Tracker,
}


def open_trackers(names: Sequence[str], run: Path, plan: Recipe) -> list[Tracker]:
    """The trackers of those names; without any, TensorBoard where it is installed. `none` opens none."""
    if not names and importlib.util.find_spec("tensorboard"):
        names = ["tensorboard"]
    _quiet_threads()
    return [TRACKERS[name](name, run, plan) for name in names if name != "none"]


def _quiet_threads() -> None:
    """A tracker that writes in a thread of its own, as TensorBoard's does, says in one sentence that it
    cannot go on, such as on a full disk, in place of a traceback."""
    before = threading.excepthook
    if getattr(before, "of_trackers", False):
        return

    def hook(arguments: threading.ExceptHookArgs) -> None:
        module = type(arguments.thread).__module__.partition(".")[0]
        if module not in TRACKERS or not isinstance(arguments.exc_value, OSError):
            before(arguments)
            return
        note(f"{module} has stopped: {describe_os_error(arguments.exc_value)}")

    hook.of_trackers = True  # type: ignore[attr-defined]
    threading.excepthook = hook


def check_trackers(names: Sequence[str]) -> None:
    """Raises UsageError for a tracker that does not exist or is not installed."""
    for name in names:
        choose({**TRACKERS, "none": None}, name, "tracker")
        if name != "none" and not importlib.util.find_spec(name):
            install = install_command(name) if name in EXTRAS else f"pip install {name}"
            raise UsageError(f"--tracker {name} needs a package that is not installed: {install}")
