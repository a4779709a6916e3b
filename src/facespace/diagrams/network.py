"""A network as boxes: the encoder above, from left to right, and the decoder below, from right to left, so that the two
pictures stand over each other and the latent at the turn."""

import math
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from facespace.diagrams.page import (
    DECODER,
    ENCODER,
    INK,
    LATENT,
    LINE,
    PALE,
    PICTURE,
    TEXT,
    WIDTH,
    arrow,
    page,
    write,
    write_lines,
)

SIDE, TOP, FOOT = 20, 64, 36  # margins of the page, pixels
TALLEST = 96.0  # pixels of the largest picture's side
SLANT = (0.30, 0.20)  # how a box's depth goes to the right and up, as shares of its length
WIDEST = 300.0  # pixels of a block's place, however few there are
LETTER = 8.1  # pixels of a letter, on the average
KEY = (
    "Boxes: height and depth show the output's height and width, thickness its channels (log scale). "
    "Bars: vectors, length on a log scale."
)


class Block(NamedTuple):
    """A layer with all that is folded into it, by what it puts out."""

    name: str
    notes: tuple[str, ...]  # norms, activations and the like, in their order
    shape: tuple[int, ...]  # (C, H, W), (D,), or (n, D) for n vectors side by side
    parameters: int


def network(title: str, encoder: Sequence[Block], decoder: Sequence[Block], turn: str) -> Figure:
    """`encoder` begins with the picture and ends with what the latent is made of; `decoder` begins with the latent and
    ends with the picture; `turn` says how the one becomes the other."""
    place = min(WIDEST, (WIDTH - 2 * SIDE) / max(len(encoder), len(decoder)))
    tallest = max(side for block in (*encoder, *decoder) for side in block.shape[1:] if len(block.shape) == 3)
    boxes = TALLEST * (1 + SLANT[1]) + 10
    texts = [[_words(block, place) for block in row] for row in (encoder, decoder)]
    heights = [boxes + LINE * max(map(len, row)) + 14 for row in texts]
    sheet = page(TOP + heights[0] + 36 + heights[1] + FOOT)
    write(sheet, SIDE, 12, title, size=9.5, ha="left", weight="bold")
    high, low = TOP, TOP + heights[0] + 36
    right = [WIDTH - SIDE - place * (index + 0.5) for index in range(max(len(encoder), len(decoder)))]
    rows = (
        (high, encoder, right[: len(encoder)][::-1], ENCODER),
        (low, decoder, right[: len(decoder)], DECODER),
    )
    for (top, blocks, xs, fill), words in zip(rows, texts):
        middle = top + boxes / 2
        spans = [
            _box(sheet, x, middle, block, tallest, _fill(blocks, index, fill))
            for index, (x, block) in enumerate(zip(xs, blocks))
        ]
        for x, text in zip(xs, words):
            write_lines(sheet, x, top + boxes + 4, text, min(TEXT, place / 16))
        forward = fill == ENCODER
        for before, after in pairwise(spans):
            ends = (before[1] + 4, after[0] - 4) if forward else (before[0] - 4, after[1] + 4)
            arrow(sheet, (ends[0], middle), (ends[1], middle))
    write(sheet, SIDE, high - 18, "Encoder →", ha="left", weight="bold", color=PALE)
    write(sheet, SIDE, low - 22, "← Decoder", ha="left", weight="bold", color=PALE)
    arrow(sheet, (right[0], low - 30), (right[0], low))
    write(sheet, right[0] - 10, low - 24, turn, ha="right")
    write(sheet, SIDE, low + heights[1] + 8, KEY, ha="left", color=PALE)
    return sheet.figure  # type: ignore[return-value]


def _fill(blocks: Sequence[Block], index: int, fill: str) -> str:
    """Pictures are white and what stands at the turn has the latent's colour."""
    ends = (PICTURE, LATENT) if fill == ENCODER else (LATENT, PICTURE)
    return ends[0] if index == 0 else ends[1] if index == len(blocks) - 1 else fill


def _words(block: Block, place: float) -> list[str]:
    """What stands under a box, broken to its place: shape, layer, what is folded in, parameters."""
    counted = f"{block.parameters:,} parameters" if block.parameters else ""
    lines = [" × ".join(map(str, block.shape)) if len(block.shape) == 2 else "×".join(map(str, block.shape))]
    for line in (block.name, *block.notes, counted):
        lines += textwrap.wrap(line, max(8, int(place / LETTER)), break_long_words=False)
    return lines


def _box(sheet: Axes, x: float, middle: float, block: Block, tallest: int, fill: str) -> tuple[float, float]:
    """Draws a block around x; returns its left and right end in pixels."""
    if len(block.shape) == 3:
        channels, height, width = block.shape
        thick, tall, deep = 4 + 4 * math.log2(channels), TALLEST * height / tallest, TALLEST * width / tallest
        over, up = deep * SLANT[0], deep * SLANT[1]
        left, top = x - (thick + over) / 2, middle - (tall - up) / 2
        corners = [(left, top), (left + thick, top), (left + thick, top + tall), (left, top + tall)]
        lid = [(left, top), (left + over, top - up), (left + over + thick, top - up), (left + thick, top)]
        side = [
            (left + thick, top),
            (left + thick + over, top - up),
            (left + thick + over, top - up + tall),
            (left + thick, top + tall),
        ]
        for shape, shade in ((lid, 0.75), (side, 0.9), (corners, 1.0)):
            _polygon(sheet, shape, fill, shade)
        return left, left + thick + over
    count, length = block.shape if len(block.shape) == 2 else (1, block.shape[0])
    tall, thick, gap = 8 * math.log2(length + 1), 11, 8
    left = x - (count * (thick + gap) - gap) / 2
    for index in range(count):
        start = left + index * (thick + gap)
        top, bottom = middle - tall / 2, middle + tall / 2
        _polygon(
            sheet, [(start, top), (start + thick, top), (start + thick, bottom), (start, bottom)], fill, 1.0
        )
    return left, left + count * (thick + gap) - gap


def _polygon(sheet: Axes, corners: list[tuple[float, float]], fill: str, opaque: float) -> None:
    sheet.add_patch(Polygon(corners, facecolor="white", edgecolor="none"))
    sheet.add_patch(
        Polygon(corners, facecolor=(fill, opaque), edgecolor=INK, linewidth=0.7, joinstyle="round")
    )
