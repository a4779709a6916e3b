"""Rendering with signed distance functions: shapes, a canvas, and a few ways to mix colours, in numpy alone.

A shape is a float32 map of distances to its outline, negative inside. `Canvas.paint` turns such a map into an
antialiased layer of colour. Coordinates are independent of pixels (the shorter side of the picture spans [-1,
1], y points down), so a picture is the same at every size. The shapes of faces are in data/synthetic/ and
overlays.py."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray
Colour = Array  # (3,) float32 in [0, 1], or (H, W, 3) where it changes over the picture
Point = tuple[float, float]


def _unmoved(x: float, y: float) -> Point:
    return x, y


@dataclass(frozen=True)
class Canvas:
    """A picture in one coordinate system. Views share their pixels: painting on one changes all."""

    pixels: Array  # (H, W, 3) float32 in [0, 1]
    x: Array  # (H, W) coordinates of each pixel's centre, in this view's system
    y: Array
    pixel: float  # width of one pixel, in page units
    to_page: Callable[[float, float], Point] = _unmoved  # from this view's system to the page's
    mask: Array | None = None  # (H, W) in [0, 1]; paint stays inside

    @classmethod
    def blank(cls, height: int, width: int) -> Canvas:
        """A black page whose shorter side spans [-1, 1]."""
        pixel = 2.0 / min(height, width)
        x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) * np.float32(pixel)
        y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) * np.float32(pixel)
        x, y = map(np.ascontiguousarray, np.broadcast_arrays(x[None, :], y[:, None]))
        return cls(np.zeros((height, width, 3), np.float32), x, y, pixel)

    def through(self, x: Array, y: Array, to_page: Callable[[float, float], Point]) -> Canvas:
        """The same pixels in other coordinates."""
        return replace(self, x=x, y=y, to_page=to_page)

    def within(self, mask: Array) -> Canvas:
        """The same pixels, painted only where `mask` is above zero."""
        return replace(self, mask=mask)

    def window(self, left: float, right: float, top: float, bottom: float) -> tuple[slice, slice]:
        """Rows and columns that contain a box of this view's coordinates. For whole pages, not for crops of
        them."""
        corners = [self.to_page(*corner) for corner in itertools.product((left, right), (top, bottom))]
        columns, rows = zip(*corners)
        height, width = self.pixels.shape[:2]
        return self._span(rows, height), self._span(columns, width)

    def _span(self, positions: Sequence[float], size: int) -> slice:
        """The pixels, of `size` along an axis, between the smallest and the largest of some positions on the
        page."""
        first = math.floor(min(positions) / self.pixel + size / 2) - 1
        last = math.ceil(max(positions) / self.pixel + size / 2) + 1
        return slice(min(max(first, 0), size), min(max(last, 0), size))

    def crop(self, left: float, right: float, top: float, bottom: float) -> Canvas:
        """The part of this view around a box: small features cost what they cover, not the whole page."""
        at = self.window(left, right, top, bottom)
        mask = None if self.mask is None else self.mask[at]
        return replace(self, pixels=self.pixels[at], x=self.x[at], y=self.y[at], mask=mask)

    def paint(
        self, distance: Array, colour: Colour, opacity: float | Array = 1.0, softness: float = 0.0
    ) -> None:
        """Lay `colour` over the inside of a shape; its edge is one pixel wide, or `softness` units wider."""
        self.blend(coverage(distance, self.pixel, softness) * opacity, colour)

    def blend(self, amount: Array, colour: Colour) -> None:
        """Move each pixel towards `colour` by `amount`, (H, W) in [0, 1]."""
        if self.mask is not None:
            amount = amount * self.mask
        step = colour - self.pixels
        step *= amount[..., None]
        np.add(self.pixels, step, out=self.pixels)

    def to_bytes(self) -> Array:
        """(H, W, 3) uint8."""
        return (np.clip(self.pixels, 0, 1) * 255 + 0.5).astype(np.uint8)


def coverage(distance: Array, pixel: float, softness: float = 0.0) -> Array:
    """How much of each pixel a shape covers, in [0, 1]."""
    t = distance * np.float32(-1 / (pixel + softness))
    t += np.float32(0.5)
    np.clip(t, 0, 1, out=t)
    return t * t * (3 - 2 * t) if softness else t


def ellipse(x: Array, y: Array, rx: float, ry: float) -> Array:
    """Distance to an ellipse around the origin; exact on its outline to first order."""
    xx, yy = x * x, y * y
    gauge = np.sqrt(xx * (1 / rx**2) + yy * (1 / ry**2))  # 1 on the outline
    slope = np.sqrt(xx * (1 / rx**4) + yy * (1 / ry**4))
    return gauge * (gauge - 1) / (slope + np.float32(1e-6))


def segment(x: Array, y: Array, start: Point, end: Point) -> Array:
    """Distance to a line segment, never negative; subtract a radius to get a capsule."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    t = np.clip((px * dx + py * dy) * (1 / (dx * dx + dy * dy)), 0, 1)
    px, py = px - t * dx, py - t * dy
    return np.sqrt(px * px + py * py)


def bow(x: Array, y: Array, half: float, sag: float) -> Array:
    """Distance to the arc y = sag (1 - (x / half)^2) between -half and half; subtract a radius to get a
    stroke."""
    t = np.clip(x * (1 / half), -1, 1)
    over = np.abs(x) - half
    np.maximum(over, 0, out=over)
    slope = t * (2 * sag / half)
    rise = (y - sag * (1 - t * t)) / np.sqrt(1 + slope * slope)
    return np.sqrt(over * over + rise * rise)


def almond(x: Array, y: Array, half: float, top: float | Array, bottom: float | Array) -> Array:
    """Distance to the shape between two arcs that meet at (-half, 0) and (half, 0), `top` above, `bottom`
    below."""
    t = x * (1 / half)
    bend = 1 - t * t
    slope = t * ((top + bottom) / half)
    return np.maximum(-y - top * bend, y - bottom * bend) / np.sqrt(1 + slope * slope)


def rounded_box(x: Array, y: Array, half_width: float, half_height: float, radius: float) -> Array:
    """Distance to a box around the origin whose corners are quarter circles."""
    dx, dy = np.abs(x) - (half_width - radius), np.abs(y) - (half_height - radius)
    inside = np.minimum(np.maximum(dx, dy), 0)
    np.maximum(dx, 0, out=dx)
    np.maximum(dy, 0, out=dy)
    return np.sqrt(dx * dx + dy * dy) + inside - radius


def soft_union(first: Array, second: Array, width: float) -> Array:
    """Both shapes, melted together where their outlines are within `width` of each other."""
    h = np.maximum(width - np.abs(first - second), 0)
    return np.minimum(first, second) - h * h * (0.25 / width)


def soft_overlap(first: Array, second: Array, width: float) -> Array:
    """What two shapes share, its corners rounded over `width`."""
    h = np.maximum(width - np.abs(first - second), 0)
    return np.maximum(first, second) + h * h * (0.25 / width)


def smooth(value: Array, low: float, high: float) -> Array:
    """0 below `low`, 1 above `high`, an S-curve between."""
    t = np.clip((value - low) * (1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def from_hex(*codes: str) -> Array:
    """Colours from codes such as "f2c9ac": (N, 3)."""
    levels = [list(bytes.fromhex(code)) for code in codes]
    return (np.array(levels) / 255).astype(np.float32)


def ramp(colours: Array, t: float) -> Colour:
    """The colour at t in [-1, 1] along a table of evenly spaced ones, (N, 3)."""
    place = (min(max(t, -1.0), 1.0) + 1) / 2 * (len(colours) - 1)
    first = min(int(place), len(colours) - 2)
    return mix(colours[first], colours[first + 1], place - first)


def mix(start: Colour, end: Colour, t: float | Array) -> Colour:
    """From `start` to `end`; a map t (H, W) of colours gives (H, W, 3)."""
    return start + (end - start) * (t[..., None] if isinstance(t, np.ndarray) else t)


def tint(colour: Colour, by: Sequence[float]) -> Colour:
    """Multiply each channel: how shadows keep their warmth."""
    return colour * np.array(by, np.float32)
