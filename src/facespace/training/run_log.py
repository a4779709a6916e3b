"""The run's folder as a person reads it: metrics.jsonl with a line an epoch, sheets of samples and reconstructions,
curves.png and run.json. Writes what it is given; measures and decides nothing."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facespace.core.console import note
from facespace.core.files import write_beside, write_json
from facespace.image import grids
from facespace.report import charts
from facespace.training.trackers import Tracker

UNITS = dict.fromkeys(
    ("perceptual", "identity", "adversarial", "matching", "critic"), ""
)  # terms that are no nats
METRICS, RESULT, CURVES, SHEETS = "metrics.jsonl", "run.json", "curves.png", "sheets"


class Journal:
    """Writes one run's folder."""

    def __init__(self, run: Path, trackers: Sequence[Tracker] = ()) -> None:
        self.run, self.trackers = run, trackers
        self.lines: list[dict[str, Any]] = []
        run.mkdir(parents=True, exist_ok=True)

    @property
    def step(self) -> int:
        """Of the last line."""
        return self.lines[-1]["step"]

    def resume(self, step: int) -> None:
        """Takes up the lines up to `step`; later ones were written after the checkpoint and come again."""
        path = self.run / METRICS
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        self.lines = [line for line in map(_line, text.splitlines()) if line and line["step"] <= step]
        with write_beside(path) as beside:
            beside.write_text("".join(json.dumps(line) + "\n" for line in self.lines), encoding="utf-8")

    def epoch(self, line: dict[str, Any]) -> None:
        """Adds a line to metrics.jsonl and shows it as a row of the table."""
        self.lines.append(line)
        with (self.run / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for tracker in self.trackers:
            tracker.figures(line)
        if len(self.lines) == 1:
            note(
                f"{'epoch':>6} {'step':>8} {'train':>10} {'validation':>11} {'recon.':>10} {'KL':>7} {'MSE':>8} {'images/s':>9}"
            )
        train, seen = line["train"], line["validation"] or {}
        cells = [f"{line['epoch']:>6}", f"{line['step']:>8,}", f"{train['loss']:>10,.1f}"]
        cells += [_cell(seen, "loss", ">11,.1f"), _cell(seen, "reconstruction", ">10,.1f")]
        cells += [
            _cell(seen, "kl", ">7.1f"),
            _cell(seen, "mse", ">8.5f"),
            f"{line['images_per_second']:>9,.0f}",
        ]
        note(" ".join(cells) + (" *" if line["best"] else ""))

    def sheet(self, name: str, step: int, faces: np.ndarray, columns: int | None = None) -> None:
        """Saves uint8 (N, H, W, C) faces as sheets/NAME-STEP.png."""
        sheet = grids.grid(faces, columns)
        grids.save_still(sheet, self.run / SHEETS / f"{name}-{step:07d}.png")
        for tracker in self.trackers:
            tracker.picture(name, step, np.asarray(sheet))

    def close(self, result: dict[str, Any]) -> None:
        """The finished run: its curves and its figures."""
        charts.save(charts.curves(loss_panels(self.lines), "step"), self.run / CURVES)
        write_json(self.run / RESULT, result)
        for tracker in self.trackers:
            tracker.close(result, self.run)


def loss_panels(lines: list[dict[str, Any]]) -> dict[str, dict[str, charts.Curve]]:
    """Training and validation curves of each term, ready for charts.curves."""
    panels: dict[str, dict[str, charts.Curve]] = {}
    for term in dict.fromkeys(key for line in lines for key in line["train"] if key != "loss_per_dim"):
        title = (
            "length of the gradient" if term == "gradient" else f"{term}{UNITS.get(term, ', nats per image')}"
        )
        panels[title] = {}
        for split, label in (("train", "training"), ("validation", "validation")):
            told = [(line["step"], line[split][term]) for line in lines if term in (line[split] or {})]
            if told:
                panels[title][label] = ([step for step, _ in told], [value for _, value in told])
    return panels


def _line(text: str) -> dict[str, Any] | None:
    try:
        return json.loads(text)
    except json.JSONDecodeError:  # a kill in the middle of a write leaves half a line
        return None


def _cell(figures: dict[str, float], name: str, form: str) -> str:
    return (
        format(figures[name], form) if name in figures else format("–", form.split(".")[0].replace(",", ""))
    )
