"""Facts of runs as text: a listing for the terminal, Markdown for a file. Measures nothing and needs no torch."""

from collections.abc import Callable, Sequence

from facespace.training.runs import Facts, unlike

NONE = "–"


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Lines with the cells of each column under each other, flush right where `right` says so."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) if flush else cell.ljust(width) for cell, width, flush in zip(row, widths, right)]
        lines.append("  ".join(cells).rstrip())
    return lines


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, its first row the head, which can be read as plain text too: first column left, others right."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    right = [False, *(True for _ in rows[0][1:])]
    widths = [max(3, *map(len, column)) for column in zip(*rows)]
    rule = [":" + "-" * (width - 1) if not flush else "-" * (width - 1) + ":" for width, flush in zip(widths, right)]
    lines = []
    for row in (rows[0], rule, *rows[1:]):
        cells = [cell.rjust(width) if flush else cell.ljust(width) for cell, width, flush in zip(row, widths, right)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def plain(name: str) -> str:
    """A file's name as text that any table and picture can show."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def cell(value: float | None, form: str) -> str:
    """A number in the given format, or a dash."""
    return NONE if value is None else format(value, form)


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return NONE
    return (
        f"{seconds:.0f} s"
        if seconds < 600
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def state(row: Facts) -> str:
    """`finished`, `stopped at step N`, or what is damaged."""
    if row["state"] == "damaged":
        return f"damaged: {row['damage']}"
    if row["state"] == "finished":
        return "finished"
    return f"stopped at step {row['steps']:,}" if row["steps"] else "stopped before an epoch's end"


# Heading, whether flush right, and what stands in the column.
LISTING: tuple[tuple[str, bool, Callable[[Facts], str]], ...] = (
    ("run", False, lambda row: plain(row["name"])),
    ("recipe", False, lambda row: row["recipe"] or NONE),
    ("data", False, lambda row: row["data"] or NONE),
    ("faces", True, lambda row: cell(row["train_faces"], ",")),
    ("parameters", True, lambda row: cell(row["parameters"], ",")),
    ("steps", True, lambda row: cell(row["steps"], ",")),
    ("best loss", True, lambda row: cell(row["best_loss"], ",.1f")),
    ("its MSE", True, lambda row: cell(row["mse"], ".5f")),
    ("last loss", True, lambda row: cell(row["last_loss"], ",.1f")),
    ("time", True, lambda row: duration(row["seconds"])),
    ("images/s", True, lambda row: cell(row["images_per_second"], ",.0f")),
    ("state", False, state),
)


def listing(rows: Sequence[Facts]) -> str:
    """The runs as a table for the terminal, with what must be known to read it below."""
    cells = [[heading for heading, _, _ in LISTING], *([show(row) for _, _, show in LISTING] for row in rows)]
    lines = aligned(cells, [right for _, right, _ in LISTING])
    lines += ["", "Losses are of validation faces, in nats per image; MSE in [0, 1]; faces are training faces."]
    return "\n".join([*lines, *filter(None, [unlike(rows)])])
