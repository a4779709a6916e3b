"""Facts of runs as text: a listing for the terminal, Markdown for a file. Measures nothing and needs no torch."""

from collections.abc import Sequence

NONE = "–"


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Lines with the cells of each column under each other, flush right where `right` says so."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, its first row the head, which can be read as plain text too: first column left, others right."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    right = [False, *(True for _ in rows[0][1:])]
    widths = [max(3, *map(len, column)) for column in zip(*rows)]
    rule = [
        ":" + "-" * (width - 1) if not flush else "-" * (width - 1) + ":"
        for width, flush in zip(widths, right)
    ]
    lines = []
    for row in (rows[0], rule, *rows[1:]):
        cells = [
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right)
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def plain(name: str) -> str:
    """A file's name as text that any table and picture can show."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def cell(value: float | None, form: str) -> str:
    """A number in the given format, or a dash."""
    return NONE if value is None else format(value, form)
