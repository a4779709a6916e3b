"""Tables for the terminal, by rich: columns under each other at the width of their text, the same in a pipe
as on a screen; and the name of this program at the prompt."""

import io
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from facespace.core.console import quoted


def program() -> str:
    """The command that starts this program from the current folder: `facespace` where the shell finds it,
    else the path of the script that runs, such as .venv/bin/facespace."""
    script = Path(sys.argv[0])
    if script.name == "__main__.py" and not shutil.which("facespace"):
        return "python -m facespace"
    if not script.stem.startswith("facespace") or not script.is_file():
        return "facespace"
    found = shutil.which("facespace")
    if found and script.samefile(found):
        return "facespace"
    if script.is_relative_to(Path.cwd()):
        script = script.relative_to(Path.cwd())
    return quoted(script)


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
