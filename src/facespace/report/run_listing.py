"""The table of runs for the terminal. Measures nothing and imports neither torch nor numpy."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from facespace.core.console import duration
from facespace.report.runs import RunFacts, incomparable_losses
from facespace.report.tables import NONE, aligned, format_number, plain

UNITS = (
    "Losses are of validation faces, in nats per image (a unit of information; lower is better). MSE: "
    "mean squared "
    "error of\nreconstructions at the best loss, pixel values in [0, 1]. faces: training faces. steps: "
    "the last step "
    "of the log."
)


class Column(NamedTuple):
    """A column of the table: its heading, whether it is set flush right, and the cell of a run."""

    heading: str
    right: bool
    cell: Callable[[RunFacts], str]


def state(row: RunFacts) -> str:
    """`finished`, where the log stops, or what is damaged."""
    if row.state == "damaged":
        return f"damaged: {row.damage}"
    if row.state == "finished":
        return "finished"
    if row.steps:
        return f"stopped at step {row.steps:,}, the last that was logged"
    return "stopped before an epoch's end"


COLUMNS: Sequence[Column] = (
    Column("run", False, lambda row: plain(row.name)),
    Column("recipe", False, lambda row: row.recipe or NONE),
    Column("data", False, lambda row: row.data or NONE),
    Column("faces", True, lambda row: format_number(row.train_faces, ",")),
    Column("parameters", True, lambda row: format_number(row.parameters, ",")),
    Column("steps", True, lambda row: format_number(row.steps, ",")),
    Column("best loss", True, lambda row: format_number(row.best_loss, ",.1f")),
    Column("its MSE", True, lambda row: format_number(row.mse, ".5f")),
    Column("last loss", True, lambda row: format_number(row.last_loss, ",.1f")),
    Column("time", True, lambda row: NONE if row.seconds is None else duration(row.seconds)),
    Column("images/s", True, lambda row: format_number(row.images_per_second, ",.0f")),
    Column("state", False, state),
)


def listing(rows: Sequence[RunFacts]) -> str:
    """The runs as a table, with the units and a caution about losses that cannot be compared below it."""
    cells = [[column.heading for column in COLUMNS]]
    for row in rows:
        cells.append([column.cell(row) for column in COLUMNS])
    lines = aligned(cells, [column.right for column in COLUMNS])
    lines += ["", UNITS]
    caution = incomparable_losses(rows)
    if caution:
        lines.append(caution)
    return "\n".join(lines)
