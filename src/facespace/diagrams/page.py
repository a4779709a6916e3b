"""The sheet that every diagram is drawn on, measured in pixels of a page 1,200 wide: text, arrows, saving."""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from facespace.core.files import write_atomically

WIDTH, DOTS = 1200, 144  # pixels across, and pixels an inch
TEXT, LINE = 7.0, 17.0  # points of ordinary text, pixels from line to line
COLOURS = 96  # of a saved .png
INK, PALE = "#222222", "#666666"
# Fills whose lightness differs, so that gray print keeps them apart; each part also says what it is in words.
ENCODER, LATENT, DECODER, PICTURE = "#bcd7ee", "#f0a860", "#d8efdc", "#ffffff"
ENDINGS = (".svg", ".png")


def page(height: float) -> Axes:
    """An empty sheet WIDTH × `height` pixels, whose y axis points down."""
    figure = Figure(figsize=(WIDTH / DOTS, height / DOTS))
    sheet = figure.add_axes((0, 0, 1, 1))
    sheet.set(xlim=(0, WIDTH), ylim=(height, 0))
    sheet.set_axis_off()
    return sheet


def write(sheet: Axes, x: float, y: float, text: str, **style) -> None:
    """Text with its middle at x and its top at y, both in pixels."""
    given = {
        "size": TEXT,
        "ha": "center",
        "va": "top",
        "color": INK,
        "linespacing": 1.15,
        "parse_math": False,
    }
    sheet.text(x, y, text, **{**given, **style})


def arrow(sheet: Axes, start: tuple[float, float], end: tuple[float, float], **style) -> None:
    """A thin arrow between two places in pixels."""
    given = {
        "arrowstyle": "-|>",
        "color": PALE,
        "linewidth": 0.9,
        "shrinkA": 0,
        "shrinkB": 0,
        "mutation_scale": 8,
    }
    sheet.annotate("", end, start, arrowprops={**given, **style})


def write_lines(sheet: Axes, x: float, y: float, lines: Sequence[str], size: float) -> None:
    """Lines of text below each other, the first in bold and `size` points."""
    for index, line in enumerate(lines):
        head = {"weight": "bold", "size": size} if index == 0 else {}
        write(sheet, x, y + index * LINE, line, **head)


def save(figure: Figure, path: Path) -> None:
    """Saves a diagram by the file's ending, .svg or .png; the same diagram is the same bytes."""
    # The same bytes each time, and the same letters everywhere.
    steady = matplotlib.rc_context({"svg.hashsalt": "facespace", "svg.fonttype": "path"})
    with write_atomically(path) as beside, steady:
        if path.suffix.lower() == ".svg":
            figure.savefig(beside, metadata={"Date": None})
            return
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=DOTS)
        # A palette, since a diagram has few colours: a third of the bytes.
        Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
            beside, optimize=True
        )
