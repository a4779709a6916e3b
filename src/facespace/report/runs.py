"""The training runs below a folder and their key numbers: finished, stopped or damaged. Reads JSON alone, so
that a listing takes no longer than its files; loads no model."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from facespace.core.aliases import rename_nested
from facespace.core.cards import CARD, WEIGHTS, Card
from facespace.core.errors import FacespaceError
from facespace.core.left_behind import OWN
from facespace.report.run_files import (
    BUNDLES,
    METRICS,
    POSITION,
    RESULT,
    at,
    count_parameters,
    number,
    number_at,
    objective,
    read_epochs,
    read_object,
    shape,
    text_at,
)

# What must agree before two losses can be compared, and the field of LossContext that says so.
COMPARABLE = {
    "pixel likelihood": "likelihood",
    "image size": "image",
    "data": "set_fingerprint",
    "objective": "objective",
}


class LossContext(Protocol):
    """What the value of a loss depends on; None is unknown."""

    @property
    def likelihood(self) -> str | None:
        """The pixel likelihood."""

    @property
    def image(self) -> str | None:
        """The image size, such as `64×64 colour`."""

    @property
    def objective(self) -> str | None:
        """The training objective."""

    @property
    def set_fingerprint(self) -> str | None:
        """The fingerprint of the training set."""


@dataclass
class RunFacts:
    """The key numbers of a run. Losses are in nats per image, the MSE of pixel values in [0, 1]; None is
    unknown."""

    name: str
    recipe: str | None
    data: str | None  # source of the training set
    train_faces: int | None
    parameters: int | None
    steps: int | None
    best_loss: float | None  # of the validation split
    best_step: int | None
    mse: float | None  # of the validation split, at the best step
    last_loss: float | None
    seconds: float | None  # of training
    images_per_second: float | None
    state: str  # finished, stopped or damaged
    damage: str | None  # what cannot be read
    likelihood: str | None  # of pixel values
    image: str | None
    objective: str | None
    set_fingerprint: str | None  # of the training set


def find_runs(folder: Path | str) -> list[RunFacts]:
    """All runs below a folder (or the folder itself, if it is one), sorted by recipe and then by best loss.
    Raises FacespaceError if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        what = "does not exist"
        if folder.exists():
            what = "is a file"
        raise FacespaceError(
            f"{folder} {what}. Name a folder of runs: facespace train RECIPE --data SET --to RUN"
        )
    rows: list[RunFacts] = []
    for path in _folders(folder):
        # Before the first validation there are no metrics, but a checkpoint.
        if (path / METRICS).is_file() or (path / POSITION).is_file():
            name = path.relative_to(folder).as_posix()
            if path == folder:
                name = folder.resolve().name
            rows.append(read_run(path, name))
    return sorted(rows, key=_order)


def read_run(run: Path, name: str) -> RunFacts:
    """The key numbers of one run in any state."""
    damage: list[str] = []
    epochs = read_epochs(run, damage)
    result = rename_nested("run", read_object(run / RESULT, damage))
    bundle = _bundle(run)
    card: Card = {}
    if bundle:
        card = rename_nested("bundle", read_object(bundle / CARD, damage))
    last: Card = {}
    if epochs:
        last = epochs[-1]
    best = _best_epoch(epochs)
    finished = _is_finished(result, last)
    if finished and not epochs:
        damage.append(f"{METRICS} has no lines")
    return RunFacts(
        name=name,
        recipe=text_at(result, "recipe") or text_at(card, "recipe", "name"),
        data=text_at(card, "data", "source"),
        train_faces=number_at(card, "data", "splits", "train") or number_at(result, "faces", "train"),
        parameters=number_at(result, "parameters") or _parameters(bundle),
        steps=_last_step(run, last, damage),
        best_loss=number_at(best, "validation", "loss"),
        best_step=number_at(best, "step"),
        mse=number_at(best, "validation", "mse"),
        last_loss=number_at(last, "validation", "loss"),
        seconds=number_at(last, "training_seconds"),
        images_per_second=number_at(last, "images_per_second"),
        state=_state(damage, finished),
        damage="; ".join(damage) or None,
        likelihood=text_at(card, "model", "likelihood"),
        image=shape(at(card, "model", "image")),
        objective=objective(card) if card else None,
        set_fingerprint=text_at(card, "data", "fingerprint"),
    )


def incomparable_losses(rows: Sequence[LossContext]) -> str | None:
    """A sentence if the losses of some runs cannot be compared: they differ in likelihood, size, data or
    objective."""
    differing: list[str] = []
    for what, field in COMPARABLE.items():
        found = {getattr(row, field) for row in rows}
        values = sorted(found - {None})
        if len(values) > 1 and field == "set_fingerprint":
            differing.append(what)
        elif len(values) > 1:
            differing.append(f"{what} ({', '.join(values)})")
    if not differing:
        return None
    *first, together = differing
    if first:
        together = f"{', '.join(first)} and {together}"
    return f"Not all of these losses can be compared with each other: the runs differ in {together}."


def _bundle(run: Path) -> Path | None:
    for name in BUNDLES:
        if (run / name / CARD).is_file():
            return run / name
    return None


def _last_step(run: Path, last: Card, damage: list[str]) -> int | None:
    """The step of the last checkpoint, which `train` names where it stops, or of the last epoch where that is
    later; None before either."""
    steps = [number_at(last, "step"), number_at(read_object(run / POSITION, damage), "step")]
    return max((step for step in steps if step), default=None)


def _parameters(bundle: Path | None) -> int | None:
    if bundle is None:
        return None
    return count_parameters(bundle / WEIGHTS)


def _best_epoch(epochs: Sequence[Card]) -> Card:
    """The epoch with the lowest validation loss, {} if none was validated."""
    best: Card = {}
    best_loss = math.inf
    for epoch in epochs:
        loss = number_at(epoch, "validation", "loss")
        if loss is not None and (not best or loss < best_loss):
            best, best_loss = epoch, loss
    return best


def _is_finished(result: Card, last: Card) -> bool:
    """Whether the result is of the last epoch: a resumed run keeps the result of its first part."""
    steps = number(last.get("step")) or 0
    return bool(result) and steps <= (number(result.get("steps")) or 0)


def _state(damage: Sequence[str], finished: bool) -> str:
    if damage:
        return "damaged"
    if finished:
        return "finished"
    return "stopped"


def _order(row: RunFacts) -> tuple[str, float, str]:
    loss = row.best_loss
    if loss is None:
        loss = math.inf
    return row.recipe or "\uffff", loss, row.name


def _folders(folder: Path) -> Iterator[Path]:
    """A folder and all below it, each once. Symbolic links come after real folders, so that a run has its own
    name, and a link to a folder that contains this one is skipped, so that no cycle is followed."""
    top, visited = folder.resolve(), set[Path]()
    waiting, links = [folder], list[Path]()
    while waiting or links:
        here = waiting.pop() if waiting else links.pop(0)
        real = here.resolve()
        contains_top = real != top and real in top.parents
        if real in visited or contains_top:
            continue
        visited.add(real)
        yield here
        below, linked = _subfolders(here)
        links += linked
        waiting += reversed(below)


def _subfolders(folder: Path) -> tuple[list[Path], list[Path]]:
    """The real and the linked folders in a folder by name, without bundles that are being written; none if it
    cannot be read."""
    try:
        with os.scandir(folder) as entries:
            inside = sorted(filter(_is_folder, entries), key=_name)
    except OSError:  # no permission, or deleted in the meantime
        return [], []
    real: list[Path] = []
    linked: list[Path] = []
    for entry in inside:
        if OWN in entry.name:
            continue
        (linked if entry.is_symlink() else real).append(folder / entry.name)
    return real, linked


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir()


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
