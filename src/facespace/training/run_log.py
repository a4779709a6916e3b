"""The readable files of a run's folder: metrics.jsonl with a line an epoch, sheets of samples and
reconstructions, curves.png and run.json. Writes records; measures nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facespace.core.console import note
from facespace.core.files import write_atomically, write_json
from facespace.core.reading import LARGEST_LOG, read_bounded
from facespace.report.run_files import METRICS, RESULT
from facespace.training.records import EpochRecord, Figures, RunResult, read_record
from facespace.training.trackers import Tracker

if TYPE_CHECKING:
    from facespace.report.charts import Curve

NOT_IN_NATS = {"mse", "perceptual", "identity", "adversarial", "feature_matching", "discriminator"}
CURVES, SHEETS = "curves.png", "sheets"
# Columns of the table on the terminal, each for training and validation: title, figure, width, and format.
COLUMNS = (
    ("loss", "loss", 9, ",.1f"),
    ("reconstr.", "reconstruction", 9, ",.1f"),
    ("KL", "kl", 7, ",.1f"),
    ("ELBO", "elbo", 9, ",.1f"),
    ("MSE", "mse", 7, ".5f"),
)


# What the columns are, by figure, above the table.
LEGEND = {
    "loss": "loss: what is minimised, in nats per image (a unit of information; lower is better, values "
    "below 0 are normal)",
    "reconstruction": "reconstr., KL: the two terms of the loss; KL is the information in a latent",
    "elbo": "ELBO: minus their sum, whatever their weights in the loss; higher is better",
    "mse": "MSE: mean squared error of reconstructions, pixel values in [0, 1]",
}
SPLITS = (
    "train: means over the epoch in train mode   val: validation faces   *: lowest validation loss so far"
)


class RunLogger:
    """Writes one run's folder."""

    def __init__(self, run: Path, trackers: Sequence[Tracker] = ()) -> None:
        self.run, self.trackers = run, trackers
        self.records: list[EpochRecord] = []
        run.mkdir(parents=True, exist_ok=True)

    @property
    def step(self) -> int:
        """The step of the last record."""
        return self.records[-1].step

    def resume(self, step: int) -> None:
        """Reads the lines up to `step`; later ones were written after the checkpoint, and are removed."""
        path = self.run / METRICS
        lines = ""
        for line in read_lines(path):
            record = read_record(line)
            if record is not None and record.step <= step:
                self.records.append(record)
                lines += f"{line}\n"
        with write_atomically(path) as beside:
            beside.write_text(lines, encoding="utf-8")

    def log_epoch(self, record: EpochRecord) -> None:
        """Adds a line to metrics.jsonl and a row to the table on the terminal."""
        self.records.append(record)
        with (self.run / METRICS).open("a", encoding="utf-8") as file:
            file.write(record.to_line() + "\n")
        for tracker in self.trackers:
            tracker.log(record)
        if len(self.records) == 1:
            note(_legend(record))
            note(_head(record))
        note(_row(record, self.records[0]))

    def images(self, name: str, step: int, faces: np.ndarray, columns: int | None = None) -> None:
        """Saves a grid of uint8 (N, H, W, C) faces as sheets/NAME-STEP.png."""
        from facespace.image import grids

        sheet = grids.grid(faces, columns)
        grids.save_still(sheet, self.run / SHEETS / f"{name}-{step:07d}.png")
        for tracker in self.trackers:
            tracker.images(name, step, np.asarray(sheet))

    def close(self, result: RunResult) -> None:
        """Writes the curves and the figures of a finished run, and ends the trackers."""
        self.draw_curves()
        write_json(self.run / RESULT, result.to_json())
        for tracker in self.trackers:
            tracker.close(result, self.run)

    def draw_curves(self) -> None:
        """Writes curves.png, a panel for each term of the loss."""
        from facespace.report import charts

        charts.save(charts.curves(loss_panels(self.records), "step"), self.run / CURVES)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file; none where it does not exist."""
    if not path.is_file():
        return []
    return read_bounded(path, LARGEST_LOG).decode("utf-8", "replace").splitlines()


def read_records(run: Path) -> list[EpochRecord]:
    """The records of a run's metrics.jsonl, without damaged lines."""
    records = [read_record(line) for line in read_lines(run / METRICS)]
    return [record for record in records if record is not None]


def loss_panels(records: Sequence[EpochRecord]) -> "dict[str, dict[str, Curve]]":
    """Training and validation curves of each term by title, as charts.curves takes them."""
    terms: dict[str, None] = {}  # in order of appearance
    for record in records:
        terms |= dict.fromkeys(record.train)
    terms.pop("loss_per_dim", None)
    panels: dict[str, dict[str, Curve]] = {}
    for term in terms:
        curves: dict[str, Curve] = {}
        _add_curve(curves, "training", [(record.step, record.train.get(term)) for record in records])
        _add_curve(
            curves, "validation", [(record.step, (record.validation or {}).get(term)) for record in records]
        )
        panels[_title(term)] = curves
    return panels


def _add_curve(curves: "dict[str, Curve]", label: str, points: Sequence[tuple[int, float | None]]) -> None:
    """Adds the curve of the points whose value is known, if there are any."""
    steps, values = [], []
    for step, value in points:
        if value is not None:
            steps.append(step)
            values.append(value)
    if steps:
        curves[label] = (steps, values)


def _title(term: str) -> str:
    if term == "gradient":
        return "norm of the gradient"
    return term if term in NOT_IN_NATS else f"{term}, nats per image"


def _columns(first: EpochRecord) -> list[tuple[str, str, int, str]]:
    """The columns whose figures the run's first record has; the reconstruction only beside other terms."""
    figures = {**(first.validation or {}), **first.train}
    shown = []
    for column in COLUMNS:
        alone = column[1] == "reconstruction" and figures.get("loss") == figures.get("reconstruction")
        if column[1] in figures and not alone:
            shown.append(column)
    return shown


def _legend(first: EpochRecord) -> str:
    """What the columns of the table are."""
    lines = [LEGEND[name] for _, name, _, _ in _columns(first) if name in LEGEND]
    return "\n".join([*lines, SPLITS])


def _head(first: EpochRecord) -> str:
    """Two lines: the figures, and below each training (train) and validation (val)."""
    above, below = " " * 14, f"{'epoch':>5} {'step':>8}"
    for title, _, width, _ in _columns(first):
        above += f" {title:>{2 * width + 1}}"
        below += f" {'train':>{width}} {'val':>{width}}"
    return f"{above}\n{below} {'images/s':>8}"


def _row(record: EpochRecord, first: EpochRecord) -> str:
    cells = [f"{record.epoch:>5} {record.step:>8,}"]
    for _, name, width, form in _columns(first):
        for figures in (record.train, record.validation or {}):
            cells.append(f"{_cell(figures, name, form):>{width}}")
    cells.append(f"{record.images_per_second:>8,.0f}")
    cells.append("*" if record.best else " ")
    if record.other_loss is not None:
        cells.append(record.weights or "")
    return " ".join(cells).rstrip()


def _cell(figures: Figures, name: str, form: str) -> str:
    return format(figures[name], form) if name in figures else "–"
