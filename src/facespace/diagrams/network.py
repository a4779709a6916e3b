"""A network as boxes: the encoder above, from left to right, and the decoder below, from right to left, so
that the two pictures stand over each other and the latent at the turn."""

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
    """A layer with all that is folded into it, described by its output."""

    name: str
    notes: tuple[str, ...]  # norms, activations and the like, in their order
    shape: tuple[int, ...]  # (C, H, W), (D,), or (n, D) for n vectors side by side
    parameters: int


class Row(NamedTuple):
    """One half of the network: its blocks with their centres and texts, and its place on the page, in
    pixels."""

    blocks: Sequence[Block]
    xs: Sequence[float]
    texts: Sequence[list[str]]
    top: float
    fill: str

    @property
    def forward(self) -> bool:
        """Whether the row runs from left to right."""
        return self.fill == ENCODER


def network(title: str, encoder: Sequence[Block], decoder: Sequence[Block], turn: str) -> Figure:
    """`encoder` begins with the picture and ends with the parameters of the posterior; `decoder` begins with
    the latent and ends with the picture; `turn` is the text between the two."""
    columns = max(len(encoder), len(decoder))
    place = min(WIDEST, (WIDTH - 2 * SIDE) / columns)
    tallest = _tallest([*encoder, *decoder])
    boxes = TALLEST * (1 + SLANT[1]) + 10
    encoder_texts = [_words(block, place) for block in encoder]
    decoder_texts = [_words(block, place) for block in decoder]
    upper_height, lower_height = (
        boxes + LINE * max(map(len, texts)) + 14 for texts in (encoder_texts, decoder_texts)
    )
    high, low = TOP, TOP + upper_height + 36
    sheet = page(low + lower_height + FOOT)
    write(sheet, SIDE, 12, title, size=9.5, ha="left", weight="bold")
    xs = [WIDTH - SIDE - place * (index + 0.5) for index in range(columns)]
    _draw_row(
        sheet, Row(encoder, xs[: len(encoder)][::-1], encoder_texts, high, ENCODER), boxes, place, tallest
    )
    _draw_row(sheet, Row(decoder, xs[: len(decoder)], decoder_texts, low, DECODER), boxes, place, tallest)
    write(sheet, SIDE, high - 18, "Encoder →", ha="left", weight="bold", color=PALE)
    write(sheet, SIDE, low - 22, "← Decoder", ha="left", weight="bold", color=PALE)
    arrow(sheet, (xs[0], low - 30), (xs[0], low))
    write(sheet, xs[0] - 10, low - 24, turn, ha="right")
    write(sheet, SIDE, low + lower_height + 8, KEY, ha="left", color=PALE)
    return sheet.figure  # type: ignore[return-value]


def _draw_row(sheet: Axes, row: Row, boxes: float, place: float, tallest: int) -> None:
    """Draws the blocks of a row, the texts below them and the arrows between them."""
    middle = row.top + boxes / 2
    spans: list[tuple[float, float]] = []
    for index, (x, block) in enumerate(zip(row.xs, row.blocks)):
        spans.append(_box(sheet, x, middle, block, tallest, _fill(row.blocks, index, row.fill)))
    for x, text in zip(row.xs, row.texts):
        write_lines(sheet, x, row.top + boxes + 4, text, min(TEXT, place / 16))
    for before, after in pairwise(spans):
        start, end = before[0] - 4, after[1] + 4
        if row.forward:
            start, end = before[1] + 4, after[0] - 4
        arrow(sheet, (start, middle), (end, middle))


def _tallest(blocks: Sequence[Block]) -> int:
    """The longest side of all pictures among the outputs."""
    sides: list[int] = []
    for block in blocks:
        if len(block.shape) == 3:
            sides += block.shape[1:]
    return max(sides)


def _fill(blocks: Sequence[Block], index: int, fill: str) -> str:
    """Pictures are white, the last block of the encoder and the first of the decoder have the latent's
    colour."""
    first, last = (PICTURE, LATENT) if fill == ENCODER else (LATENT, PICTURE)
    if index == 0:
        return first
    return last if index == len(blocks) - 1 else fill


def _words(block: Block, place: float) -> list[str]:
    """The text below a box, wrapped to its width: shape, layer, what is folded in, parameters."""
    separator = " × " if len(block.shape) == 2 else "×"
    lines = [separator.join(map(str, block.shape))]
    texts = [block.name, *block.notes]
    if block.parameters:
        texts.append(f"{block.parameters:,} parameters")
    for text in texts:
        lines += textwrap.wrap(text, max(8, int(place / LETTER)), break_long_words=False)
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
