"""Tables for the terminal, by rich: columns under each other at the width of their text, the same in a pipe
as on a screen."""

import io
from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: int = 0) -> str:
    """Rows of texts as lines, two spaces between the columns; the columns numbered in `right` are aligned to
    the right. Lines are never wrapped, since a script may read them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    for column in range(len(rows[0])):
        grid.add_column(justify="right" if column in right else "left", no_wrap=True)
    for row in rows:
        grid.add_row(*map(Text, row))
    text = io.StringIO()
    Console(file=text, width=10_000, color_system=None, legacy_windows=False).print(grid)
    lines = text.getvalue().splitlines()
    return "\n".join(" " * indent + line.rstrip() for line in lines)
