"""A figure of faces and maps of their pixels: bands of images, below them maps on a common scale with a
colour bar each."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

# Inches: a face, the least width of the figure, its left margin, the title of a band, the captions, the gap
# after a row, a colour bar with its label.
FACE, LEAST, MARGIN, TITLE, CAPTION, ROW_GAP, SCALE = 1.0, 5.2, 0.35, 0.32, 0.42, 0.05, 0.62
FACE_GAP = 0.06  # between faces, as a share of their width


class Scale(NamedTuple):
    """The colours of one kind of map: from 0 to `top`."""

    label: str
    colours: str  # name of a colormap
    top: float


class Band(NamedTuple):
    """n faces of one size: rows of images uint8 (n, H, W, C) and of maps (n, H, W) by name, and a caption for
    each face."""

    title: str
    images: Mapping[str, np.ndarray]
    maps: Mapping[str, np.ndarray]
    captions: Sequence[str]


class _Sheet:
    """An empty figure for those bands, filled from the top down."""

    def __init__(self, bands: Sequence[Band], scales: int) -> None:
        self.step = _gapped(_size(bands[0])[1])  # pixels from face to face
        height, width = _size(bands[0])
        most = max(len(band.captions) for band in bands)
        rows = len(bands[0].images) + len(bands[0].maps)
        face = max(FACE, LEAST / most)  # a single face is larger, so that its captions fit
        self.wide = face * (most + (most - 1) * FACE_GAP)
        self.row = face * height / width
        self.width = MARGIN + self.wide + ROW_GAP
        self.height = len(bands) * (TITLE + rows * (self.row + ROW_GAP) + CAPTION) + scales * SCALE
        self.figure = Figure(figsize=(self.width, self.height))
        self.top = 0.0  # inches that are filled

    def title(self, text: str) -> None:
        self.top += TITLE
        at = MARGIN / self.width, 1 - (self.top - 0.09) / self.height
        self.figure.text(*at, text, fontsize=10, fontweight="bold")

    def axes(self, height: float, gap: float) -> Axes:
        """Axes of that height over the whole width, with a gap below."""
        bottom = 1 - (self.top + height) / self.height
        self.top += height + gap
        place = (MARGIN / self.width, bottom, self.wide / self.width, height / self.height)
        return self.figure.add_axes(place)

    def show(self, name: str, picture: np.ndarray, **options: Any) -> AxesImage:
        """A row of faces or maps."""
        axes = self.axes(self.row, ROW_GAP)
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(name, fontsize=9)
        axes.spines[:].set_visible(False)
        return axes.imshow(picture, interpolation="nearest", aspect="auto", **options)

    def captions(self, texts: Sequence[str], width: int) -> None:
        """A caption below each face of the last row."""
        centres = np.arange(len(texts)) * self.step + (width - 1) / 2
        axes = self.figure.axes[-1]
        axes.set_xticks(centres, texts, fontsize=8)
        axes.tick_params(length=0)
        self.top += CAPTION


def error_maps(bands: Sequence[Band], scales: Mapping[str, Scale]) -> Figure:
    """The bands below each other, then a colour bar for each kind of map."""
    sheet = _Sheet(bands, len(scales))
    _, width = _size(bands[0])
    shown: dict[str, AxesImage] = {}
    for band in bands:
        sheet.title(band.title)
        for name, faces in band.images.items():
            sheet.show(name, _on_white(faces))
        for name, maps in band.maps.items():
            colours = matplotlib.colormaps[scales[name].colours].with_extremes(bad="white")
            shown[name] = sheet.show(name, side_by_side(maps), cmap=colours, vmin=0, vmax=scales[name].top)
        sheet.captions(band.captions, width)
    for name, image in shown.items():
        place = sheet.axes(0.14, SCALE - 0.14)
        bar = sheet.figure.colorbar(image, cax=place, orientation="horizontal", extend="max")
        bar.set_label(scales[name].label, fontsize=9)
        bar.ax.tick_params(labelsize=8)
    return sheet.figure


def side_by_side(maps: np.ndarray) -> np.ndarray:
    """Maps (n, H, W) side by side with gaps of NaN: (H, n·W + gaps)."""
    _, height, width = maps.shape
    gap = np.full((height, _gapped(width) - width), np.nan, np.float32)
    parts = []
    for one in maps:
        parts += [one, gap]
    return np.concatenate(parts[:-1], axis=1)


def _on_white(faces: np.ndarray) -> np.ndarray:
    """Faces uint8 (n, H, W, C) side by side on white: (H, n·W + gaps, 3) in [0, 1]."""
    scaled = faces.astype(np.float32) / 255
    channels = [side_by_side(scaled[..., channel]) for channel in range(faces.shape[-1])]
    return np.nan_to_num(np.stack(channels * (3 // len(channels)), -1), nan=1.0)


def _size(band: Band) -> tuple[int, int]:
    """Height and width of its faces in pixels."""
    first = next(iter(band.images.values()))
    return first.shape[1], first.shape[2]


def _gapped(width: int) -> int:
    """The width of a face and the gap after it in pixels."""
    return width + max(1, round(FACE_GAP * width))
