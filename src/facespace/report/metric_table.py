"""Metrics of one or more spaces as one table for a paper: a row for each space and one for real faces, with
the protocol and footnotes about what makes rows unequal. Reads the results of evaluations; measures
nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from facespace.core.cards import Card
from facespace.report import table_formats
from facespace.report.metric_notes import Mark, footnotes, protocol_lines
from facespace.report.metrics import HIGHER, METRICS, with_network
from facespace.report.run_files import at, text_at

REAL = "real faces"  # the row of the real-vs-real reference


class Cell(NamedTuple):
    """A measured value and its uncertainty, each None where there is none."""

    value: float | None
    uncertainty: float | None = None


class Column(NamedTuple):
    """A metric of the table."""

    metric: str  # its name in METRICS
    label: str  # with the feature network
    better: str  # higher, lower, or empty where neither is
    form: str  # number format
    best: float | None  # the value to set in bold; None where values cannot be compared

    def text(self, cell: Cell) -> tuple[str, str]:
        """(value, uncertainty) as text, each empty where there is none."""
        return self._number(cell.value), self._number(cell.uncertainty)

    def is_best(self, cell: Cell) -> bool:
        """Whether a cell has the best value of the column, as printed."""
        if self.best is None or cell.value is None:
            return False
        return self._number(cell.value) == self._number(self.best)

    def _number(self, value: float | None) -> str:
        if value is None:
            return ""
        return format(value, self.form)


@dataclass(frozen=True)
class Row:
    """A space, or real faces: its name, its cells by metric, and the facts that compare.json has of it."""

    name: str
    cells: Mapping[str, Cell]
    facts: Card
    marks: tuple[str, ...] = ()  # of footnotes
    reference: bool = False


@dataclass(frozen=True, repr=False)
class MetricTable:
    """Metrics of spaces, with what a reader needs to judge them.

    `rows` has a row for each space and then those of real faces; `protocol` are the lines below the table;
    `footnotes` map a mark to its text. `document` is the content of the JSON file, whose keys can be read as
    table["runs"]."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    protocol: Sequence[str]
    footnotes: Mapping[str, str]
    document: Card

    def __getitem__(self, key: str) -> Any:
        return self.document[key]

    def to_markdown(self) -> str:
        """The table, its footnotes and its protocol as Markdown."""
        return table_formats.to_markdown(self)

    def to_latex(self) -> str:
        """The same as a LaTeX table; needs the package booktabs."""
        return table_formats.to_latex(self)

    def to_csv(self) -> str:
        """The table as CSV with unrounded values and the protocol in columns of its own."""
        return table_formats.to_csv(self)

    def __repr__(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        return table_formats.to_html(self)


def metric_table(
    runs: Sequence[Card], metrics: Sequence[str], protocol: Card, document: Card | None = None
) -> MetricTable:
    """The table of measured spaces. Each of `runs` has the keys of a space in compare.json (name, step,
    model, trained_on, …), of the parts of an evaluation, and `left_out`; `metrics` are names of METRICS.
    Without `document` it is made of these."""
    marks = footnotes(runs, metrics, protocol)
    columns = []
    for name in metrics:
        columns.append(_column(name, runs, protocol))
    rows = []
    for run in runs:
        rows.append(Row(run["name"], _cells(run, metrics), run, _marks_of(run["name"], marks)))
    rows += _references(runs, metrics)
    texts = dict(mark[:2] for mark in marks)
    if document is None:
        document = {"protocol": protocol, "metrics": _about(columns), "runs": list(runs), "footnotes": texts}
    return MetricTable(columns, rows, protocol_lines(runs, columns, protocol), texts, document)


def _column(name: str, runs: Sequence[Card], protocol: Card) -> Column:
    metric = METRICS[name]
    label = with_network(metric.label, text_at(protocol, "features"))
    values = []
    for run in runs:
        value = at(run, *metric.value)
        if value is not None:
            values.append(value)
    best = None
    if metric.better and len(values) > 1 and _comparable(name, runs):
        choose = max if metric.better == HIGHER else min
        best = choose(values)
    return Column(name, label, metric.better, metric.form, best)


def _comparable(name: str, runs: Sequence[Card]) -> bool:
    """Whether the values of a metric are of one quantity: images of one size, and for a likelihood of one
    kind too. C2ST does not look at images."""
    images = {at(run, "model", "image") for run in runs}
    kinds = {at(run, "model", "likelihood") for run in runs}
    if METRICS[name].of_likelihood:
        return len(images) == len(kinds) == 1
    return len(images) == 1 or METRICS[name].part == "latents"


def _cells(run: Card, metrics: Sequence[str]) -> dict[str, Cell]:
    cells = {}
    for name in metrics:
        metric = METRICS[name]
        cells[name] = Cell(at(run, *metric.value), _uncertainty(at(run, *metric.spread)))
    return cells


def _uncertainty(spread: Any) -> float | None:
    """A standard deviation as it is, half the width of an interval (low, high)."""
    if isinstance(spread, list | tuple):
        return (spread[1] - spread[0]) / 2
    if isinstance(spread, float):
        return spread
    return None


def _marks_of(name: str, marks: Sequence[Mark]) -> tuple[str, ...]:
    return tuple(mark.sign for mark in marks if name in mark.names)


def _references(runs: Sequence[Card], metrics: Sequence[str]) -> list[Row]:
    """The real-vs-real reference, once for each image size."""
    sizes = Counter(at(run, "model", "image") for run in runs)
    rows: dict[str, Row] = {}
    for run in runs:
        found, size = at(run, "generation", "real_reference"), at(run, "model", "image")
        if not found or size in rows:
            continue
        cells = {}
        for name in metrics:
            part, *rest = METRICS[name].value
            cells[name] = Cell(None)
            if part == "generation":
                cells[name] = Cell(at(found, *rest))
        title = REAL
        if len(sizes) > 1:
            title = f"{REAL}, {size}"
        rows[size] = Row(title, cells, dict(found), reference=True)
    return list(rows.values())


def _about(columns: Sequence[Column]) -> Card:
    """The metrics for the JSON file."""
    about = {}
    for column in columns:
        about[column.metric] = {
            "label": column.label,
            "better": column.better,
            "about": METRICS[column.metric].about,
        }
    return about
