"""Arrays in, figures out: loss curves. Draws with matplotlib's object interface, so no window system and no global
state are touched. Knows nothing of models, sets or runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from facespace.files import write_beside

# Okabe and Ito's colours, told apart by readers with any colour vision; the dashes help in print.
INK = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("-", "--", "-.", ":")

Curve = tuple[Sequence[float], Sequence[float]]  # x, y


def curves(panels: Mapping[str, Mapping[str, Curve]], across: str, width: float = 4.2) -> Figure:
    """One panel a title, each with named (x, y) curves over a shared kind of x axis `across`."""
    figure = Figure(figsize=(width * len(panels), 3.2), layout="constrained")
    for place, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        for index, (name, (x, y)) in enumerate(lines.items()):
            mark = "o" if len(x) < 3 else None
            place.plot(x, y, DASHES[index % 4], color=INK[index % 6], label=name, linewidth=1.8, marker=mark)
        place.set(title=title, xlabel=across)
        place.grid(alpha=0.25)
        place.spines[["top", "right"]].set_visible(False)
        place.legend(frameon=False)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Saves a figure by the file's ending at 144 dots an inch."""
    with write_beside(path) as beside:
        figure.savefig(beside, dpi=144)
