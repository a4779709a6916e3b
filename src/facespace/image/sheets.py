"""Pictures of faces to look at: each face enlarged smoothly to about 256 px, with names beside, above and
below. Input is uint8 (N, H, W, C); grids.py has grids of raw pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facespace.core.errors import UsageError
from facespace.image.grids import BACKGROUND, STILLS, check_size, to_image
from facespace.image.text import fitted_lines, line_height, load_font, widest, write_lines

FACE = 256  # px of a face's shorter side, while the picture is not wider than WIDTH
WIDTH = 2_048
LEAST = 128  # px of a face in a wider picture
MOST_PIXELS = 80_000_000  # of a picture: viewers refuse larger ones, and faces get smaller instead
SCALE_LIMIT = 32
FEW = 6  # faces that each get a row of their own, with their name beside it
SMALL_TEXT, LARGE_TEXT = 11, 20  # px of a letter


@dataclass(frozen=True)
class Labels:
    """Names in a sheet: `rows` to the left of each row, `columns` above each column, `captions` below each
    face, each a text for every place or none at all; `title` above everything."""

    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    captions: Sequence[str] = ()
    title: str = ""


NO_LABELS = Labels()


def face_scale(height: int, width: int, columns: int, rows: int, scale: int | None = None) -> float:
    """How many times faces are enlarged in a picture of columns × rows: to 256 px while it is at most 2,048
    px wide, to less in a wider one, but to at least 128 px; never reduced. `scale` is used where it is given.
    Raises UsageError for one outside 1 to 32, and for a picture too large for its file formats."""
    if scale is None:
        side = min(FACE, max(LEAST, WIDTH // columns))
        side = min(side, math.isqrt(MOST_PIXELS // (columns * rows)))
        return max(1.0, side / min(height, width))
    check_scale(scale)
    if scale > 1 and columns * rows * height * width * scale**2 > MOST_PIXELS:
        raise UsageError(
            f"{columns} × {rows} faces of {width} × {height} px make more than {MOST_PIXELS // 10**6} "
            f"megapixels at --scale {scale}; choose a smaller one, or fewer faces."
        )
    return float(scale)


def check_scale(scale: int | None) -> None:
    """Raises UsageError for an enlargement outside 1 to 32."""
    if scale is not None and not 1 <= scale <= SCALE_LIMIT:
        raise UsageError(f"--scale enlarges each face by a whole number, 1 to {SCALE_LIMIT}; got {scale}.")


def check_fits(
    path: Path | None,
    shape: tuple[int, int, int],
    columns: int | None = None,
    *,
    scale: int | None = None,
    gap: int = 2,
) -> None:
    """Raises UsageError where a sheet of so many faces, `shape` (N, H, W), has more pixels than the format of
    the file; None and files of other kinds have no limit. Done before the work."""
    if path is None or path.suffix.lower() not in STILLS:
        return
    count, height, width = shape
    if count < 1:
        return
    check_size(path, *_layout(count, height, width, columns, NO_LABELS, scale, gap).size)


def sheet(
    faces: np.ndarray,
    columns: int | None = None,
    labels: Labels = NO_LABELS,
    *,
    scale: int | None = None,
    gap: int = 2,
    color: tuple[int, ...] | str = BACKGROUND,
) -> Image.Image:
    """(N, H, W, C) faces in rows, left to right, top to bottom, a square grid unless `columns` is given, with
    labels, and with `gap` pixels of a colour between and around them. `scale` as in `face_scale`."""
    count, height, width, _ = faces.shape
    page = _layout(count, height, width, columns, labels, scale, gap)
    image = Image.new("RGB", page.size, color)
    page.write(image)
    for index, face in enumerate(faces):
        image.paste(enlarged(face, page.face), page.corner(*divmod(index, page.columns)))
    return image


def enlarged(face: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A face uint8 (H, W, C) as a picture of `size` (height, width), by Lanczos resampling."""
    image, (height, width) = to_image(face), size
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _layout(
    count: int, height: int, width: int, columns: int | None, labels: Labels, scale: int | None, gap: int
) -> "_Layout":
    """The layout of so many faces of a size, a square grid unless `columns` is given."""
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    factor = face_scale(height, width, columns, rows, scale)
    return _Layout((round(height * factor), round(width * factor)), rows, columns, gap, labels)


class _Layout:
    """Where the faces and the labels of a sheet lie, in pixels."""

    def __init__(self, face: tuple[int, int], rows: int, columns: int, gap: int, labels: Labels) -> None:
        self.face, self.columns, self.gap = face, columns, gap
        self.text = min(max(min(face) // 14, SMALL_TEXT), LARGE_TEXT)
        font = load_font(self.text) if _any_text(labels) else None
        words = " ".join(labels.columns).split()
        self.cell = max(face[1], math.ceil(widest(words, self.text)) if words else 0)  # width of a column
        self.row_names, self.heads, self.below, self.title = [], [], [], []
        self.left = 0
        if font:
            self.left = self._row_label_width(labels.rows)
            self.row_names = [fitted_lines(name, font, self.left - self.text) for name in labels.rows]
            self.heads = [fitted_lines(name, font, self.cell) for name in labels.columns]
            self.below = [fitted_lines(name, font, self.cell) for name in labels.captions]
            whole = self.left + columns * (self.cell + gap)
            self.title = fitted_lines(labels.title, font, max(whole - self.text, 12 * self.text))
        self.tops, bottom = self._row_tops(rows)
        width = self.left + columns * (self.cell + gap) + gap
        if self.title:
            width = max(width, math.ceil(widest(self.title, self.text)) + self.text)
        self.size = width, bottom

    def _row_label_width(self, names: Sequence[str]) -> int:
        """The column of row labels: as wide as the longest, but at most as wide as a face."""
        if not any(names):
            return 0
        longest = math.ceil(widest("\n".join(names).split("\n"), self.text)) + self.text
        return min(longest, max(self.face[1], 10 * self.text))

    def _lines(self, texts: Sequence[Sequence[str]]) -> int:
        """Pixels of the tallest of some texts."""
        most = max(map(len, texts), default=0)
        return line_height(self.text) * most + self.text // 2 * (most > 0)

    def _row_tops(self, rows: int) -> tuple[list[int], int]:
        """Where each row of faces begins, and where the picture ends."""
        top = self.gap + self._lines([self.title]) + self._lines(self.heads)
        tops = []
        for row in range(rows):
            tops.append(top)
            captions = self.below[row * self.columns : (row + 1) * self.columns]
            top += self.face[0] + self.gap + self._lines(captions)
        return tops, top

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """The left top corner of a face."""
        return self._column(column) + (self.cell - self.face[1]) // 2, self.tops[row]

    def _column(self, column: int) -> int:
        return self.left + self.gap + column * (self.cell + self.gap)

    def write(self, page: Image.Image) -> None:
        """Writes all labels."""
        size = self.text
        write_lines(page, self.title, size, self.gap + size // 4, size // 4)
        head = self.tops[0] - self._lines(self.heads)
        for column, lines in enumerate(self.heads):
            write_lines(page, lines, size, self._column(column), head, self.cell)
        for top, lines in zip(self.tops, self.row_names):
            middle = top + (self.face[0] - line_height(size) * len(lines)) // 2
            write_lines(page, lines, size, self.gap + size // 4, middle)
        for index, lines in enumerate(self.below):
            row, column = divmod(index, self.columns)
            below = self.tops[row] + self.face[0] + size // 4
            write_lines(page, lines, size, self._column(column), below, self.cell)


def _any_text(labels: Labels) -> bool:
    return bool(labels.title) or any(map(any, (labels.rows, labels.columns, labels.captions)))


def comparison(
    stacks: Sequence[tuple[str, np.ndarray]],
    names: Sequence[str] = (),
    columns: int | None = None,
    scale: int | None = None,
) -> Image.Image:
    """The same faces in several states, such as originals, reconstructions and edits: (name, uint8 (N, H, W,
    C)) each. Up to 6 faces have a row each, with their own name to the left and those of the states above.
    More faces, or those with `columns`, lie side by side, a row for each state, `columns` faces (8) wide."""
    faces = np.stack([stack for _, stack in stacks])  # (S, N, H, W, C)
    states = [name for name, _ in stacks]
    count = faces.shape[1]
    if columns is None and count <= FEW:
        table = faces.swapaxes(0, 1).reshape(-1, *faces.shape[2:])
        return sheet(table, len(states), Labels(rows=names, columns=states), scale=scale)
    across = min(columns or 8, count)
    spare = -count % across
    blank = np.full((len(states), spare, *faces.shape[2:]), 255, np.uint8)
    blocks = np.concatenate([faces, blank], 1).reshape(len(states), -1, across, *faces.shape[2:])
    table = blocks.swapaxes(0, 1).reshape(-1, *faces.shape[2:])
    captions = _block_captions([*names, *[""] * spare], len(states), across) if names else []
    labels = Labels(rows=states * blocks.shape[1], captions=captions)
    return sheet(table, across, labels, scale=scale)


def _block_captions(names: Sequence[str], states: int, across: int) -> list[str]:
    """A caption for each place of a comparison: the names below the last state of each block."""
    captions: list[str] = []
    for start in range(0, len(names), across):
        captions += [""] * (across * (states - 1))
        captions += names[start : start + across]
    return captions
