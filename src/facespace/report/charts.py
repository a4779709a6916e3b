"""Figures from arrays: curves, labelled image grids and tables of numbers. They use matplotlib's object
interface, which needs no window system and changes no global state."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facespace.core.files import write_atomically

# The colours of Okabe and Ito, distinct for readers with any colour vision; the dashes help in print.
INK = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("-", "--", "-.", ":")
DPI = 144  # dots per inch of a saved figure

STRONG = 0.3  # absolute correlation from which on a table shows the number
CELL, LETTER = 0.26, 0.085  # inches: a cell of a table, and the width of a letter of its names
STRIP_SIDE, STRIP_GAP = 80, 4  # pixels: the least size of a face in a labelled grid, and the gap after it

Curve = tuple[Sequence[float], Sequence[float]]  # x, y


MOST_PANELS = 3  # beside each other: more could not be read on a page


def curves(panels: Mapping[str, Mapping[str, Curve]], across: str, width: float = 4.2) -> Figure:
    """One panel for each title, with named (x, y) curves, at most MOST_PANELS beside each other; `across`
    labels the x axes."""
    columns = min(len(panels), MOST_PANELS)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(width * columns, 3.2 * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in places[len(panels) :]:
        unused.remove()
    for place, (title, lines) in zip(places, panels.items()):
        for index, (name, (x, y)) in enumerate(lines.items()):
            mark = "o" if len(x) < 3 else None
            place.plot(x, y, DASHES[index % 4], color=INK[index % 6], label=name, linewidth=1.8, marker=mark)
        place.set(title=title, xlabel=across)
        place.grid(alpha=0.25)
        hide_spines(place, "top", "right")
        place.legend(frameon=False)
    return figure


def labelled_grid(faces: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str) -> Figure:
    """Faces uint8 (R, K, H, W, C) as R labelled rows of K labelled columns; pixels are enlarged by a whole
    number."""
    count, across, height, width, channels = faces.shape
    scale = max(1, math.ceil(STRIP_SIDE / min(height, width)))
    high, wide = height * scale, width * scale
    sheet = _sheet(faces, scale)
    lines = "\n".join(rows).split("\n")
    left, above, margin = 0.09 * max(map(len, lines)), 0.75, 0.1  # inches
    inner = sheet.shape[1] / DPI, sheet.shape[0] / DPI
    figure = Figure(figsize=(left + inner[0] + margin, above + inner[1] + margin))
    size = figure.get_size_inches()
    panel = figure.add_axes((left / size[0], margin / size[1], inner[0] / size[0], inner[1] / size[1]))
    picture = sheet[..., 0] if channels == 1 else sheet
    panel.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    panel.xaxis.tick_top()
    panel.set_xticks((wide - 1) / 2 + np.arange(across) * (wide + STRIP_GAP), columns, size=9)
    at = (high - 1) / 2 + np.arange(count) * (high + STRIP_GAP)
    panel.set_yticks(at, rows, size=9, parse_math=False)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    head = "\n".join(textwrap.wrap(title, round(11 * size[0])))
    figure.text(margin / size[0], 1 - margin / size[1], head, va="top", size=10, parse_math=False)
    return figure


def _sheet(faces: np.ndarray, scale: int) -> np.ndarray:
    """Faces (R, K, H, W, C), enlarged, on white with a gap after each: (R · (H · scale + gap), K · (W · scale
    + gap), C)."""
    count, across, height, width, channels = faces.shape
    high, wide = height * scale, width * scale
    shape = (count * (high + STRIP_GAP), across * (wide + STRIP_GAP), channels)
    sheet = np.full(shape, 255, np.uint8)
    for row, column in np.ndindex(count, across):
        top, left = row * (high + STRIP_GAP), column * (wide + STRIP_GAP)
        sheet[top : top + high, left : left + wide] = faces[row, column].repeat(scale, 0).repeat(scale, 1)
    return sheet


def tables(
    panels: Sequence[tuple[str, np.ndarray, Sequence[str]]],
    columns: Sequence[str],
    what: str = "correlation",
    strong: float = STRONG,
) -> Figure:
    """Numbers in [−1, 1] as colours, tables above each other over the same Q `columns`: (title, (P, Q), P row
    names) each. Blue is negative, red positive, gray NaN; cells from ±`strong` on show their number, for
    readers without the colours."""
    heights = [table.shape[0] for _, table, _ in panels]
    names = list(columns)
    for _, _, rows in panels:
        names += rows
    longest = LETTER * max(map(len, names))
    width = max(4.5, CELL * len(columns)) + longest + 1.4
    height = CELL * sum(heights) + longest + 0.7 * len(panels)
    figure = Figure(figsize=(width, height), layout="constrained")
    places = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    shades = matplotlib.colormaps["RdBu_r"].with_extremes(bad="#dddddd")
    for panel, (title, table, rows) in zip(places, panels):
        panel.imshow(table, cmap=shades, vmin=-1, vmax=1, aspect="auto")
        panel.set_yticks(range(len(rows)), rows, size=8, parse_math=False)
        panel.set_xticks(range(len(columns)), [""] * len(columns))
        panel.set_title("\n".join(textwrap.wrap(title, 14 + 8 * int(width))), size=10, parse_math=False)
        _write_numbers(panel, table, strong)
    places[-1].set_xticks(range(len(columns)), columns, rotation=90, size=8, parse_math=False)
    bar = figure.colorbar(places[0].images[0], ax=list(places), shrink=0.5, aspect=30)
    bar.set_label(f"{what}; in the cells in hundredths, from ±{strong:g}")
    return figure


def _write_numbers(panel: Axes, table: np.ndarray, strong: float) -> None:
    for row, column in np.argwhere(np.abs(np.nan_to_num(table)) >= strong):
        value = table[row, column]
        ink = "white" if abs(value) > 0.6 else "black"
        text = f"{100 * value:.0f}".replace("-", "−")
        panel.text(column, row, text, size=6.5, ha="center", va="center", color=ink)


def hide_spines(panel: Axes, *sides: str) -> None:
    """Removes those sides of a panel's frame."""
    panel.spines[list(sides)].set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Saves a figure by the file's ending at 144 dots per inch."""
    with write_atomically(path) as beside:
        figure.savefig(beside, dpi=DPI)
