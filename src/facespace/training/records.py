"""The figures of a run as typed records: a line of metrics.jsonl, and run.json. Converts to and from JSON;
measures nothing."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields

import msgspec

from facespace.core.aliases import rename_nested
from facespace.core.cards import Card

Figures = dict[str, float]  # term -> mean over faces, mostly nats per image


@dataclass(frozen=True)
class EpochRecord:
    """A line of metrics.jsonl: the state of a run at the end of an epoch."""

    epoch: int
    step: int
    train: Figures
    validation: Figures | None  # None without validation faces
    best: bool  # whether the best bundle is of this step
    images_per_second: float
    training_seconds: float
    # Which weights were validated and saved, "average" or "raw", and the validation loss of the others; None
    # in runs of older versions, and without an average.
    weights: str | None = None
    other_loss: float | None = None

    def to_line(self) -> str:
        """The record as one line of JSON, without the line feed."""
        return json.dumps(asdict(self))


def read_record(line: str) -> EpochRecord | None:
    """The record of a line of metrics.jsonl; None for a damaged one, such as the half line of a killed
    run."""
    try:
        values = json.loads(line)
        known = {}
        for field in fields(EpochRecord):
            if field.name in values or field.default is MISSING:
                known[field.name] = values[field.name]
        return msgspec.convert(rename_nested("epoch", known), EpochRecord)
    except (ValueError, RecursionError, KeyError, TypeError):  # a ValidationError is a ValueError
        return None


@dataclass(frozen=True)
class BundleState:
    """The `metrics` in the card of a bundle that is saved between two epochs, where nothing is validated."""

    step: int
    training_seconds: float
    weights: str | None = None  # "average" or "raw"
    validation: None = None


@dataclass(frozen=True)
class PriorReport:
    """What the fit of the final prior found, for run.json and the terminal. Log-densities are means over
    held-out faces, in nats per latent vector."""

    kind: str  # of the prior that `sample` uses; "model" is the model's own
    origin: str  # that prior in one sentence
    split: str  # of the held-out faces
    nats: Mapping[str, float]  # by kind, "model" included
    kl_to_standard_normal: float | None  # nats; None of a model whose prior is not N(0, I)
    seconds: float


@dataclass(frozen=True)
class RunResult:
    """run.json: the figures of a finished run."""

    run: str  # folder
    recipe: str
    steps: int
    seconds: float  # in training steps
    seconds_to_first_step: float  # since the process started
    images_per_second: float
    peak_memory_mb: int | None
    device: str
    processes: int
    precision: str
    parameters: int  # trainable
    faces: Mapping[str, int]  # split -> count
    best: Mapping[str, Figures]  # split -> figures of the best bundle
    last: Mapping[str, Figures]
    # Which weights each bundle holds, "average" or "raw", by its name.
    weights: Mapping[str, str]
    # Of the last weights themselves, and of their average; both None without an average.
    last_raw: Mapping[str, Figures] | None
    last_average: Mapping[str, Figures] | None
    prior: Mapping[str, PriorReport]  # fitted at the end, by the name of the bundle

    def to_json(self) -> Card:
        """As JSON: `validation` repeats the best bundle's figures; without an average `last_raw` and
        `last_average` are left out."""
        values = asdict(self)
        for name in ("last_raw", "last_average"):
            if values[name] is None:
                del values[name]
        return values | {"validation": self.best.get("validation")}


@dataclass(frozen=True)
class PausedRun:
    """The result of a run that stopped at its time limit."""

    run: str  # folder
    step: int  # steps so far
    steps: int  # of the whole run

    def to_json(self) -> Card:
        """As JSON, with `paused`."""
        return {"run": self.run, "paused": True, "step": self.step, "steps": self.steps}
