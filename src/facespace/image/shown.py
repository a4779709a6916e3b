"""Faces that show themselves in notebooks: an array with a picture of itself. Independent of models and
sets."""

import io
import math
from typing import Any

import numpy as np
from PIL import Image

from facespace.image import grids

SHOWN = 64  # faces of an array in its picture
WIDEST = 640  # px of a picture
LARGEST = 200_000  # bytes of a picture


class Faces(np.ndarray):
    """A uint8 array (N, H, W, C), or one face (H, W, C), that a notebook shows as a picture; in all else a
    NumPy array. Slices and rows of it show themselves too; what is calculated from it is a plain array.

    `Faces(array)` makes one of any such array, without a copy."""

    def __new__(cls, faces: np.ndarray) -> "Faces":
        """The array as one that shows itself."""
        return np.asarray(faces).view(cls)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """The result of a calculation as a plain array or number."""
        plain = np.asarray(array)
        return plain[()] if return_scalar or not plain.ndim else plain

    def _repr_png_(self) -> tuple[bytes, dict[str, str]] | None:
        """A PNG of at most SHOWN faces with its text alternative; None for what is not a picture."""
        stack = self[None] if self.ndim == 3 else self
        if not shows_faces(stack):
            return None
        drawn, alt = drawn_grid(stack)
        return png(drawn), {"alt": alt}


def shows_faces(array: np.ndarray) -> bool:
    """Whether an array has the form of faces: uint8 (N, H, W, C), gray or in colour."""
    return array.dtype == np.uint8 and array.ndim == 4 and array.shape[-1] in (1, 3) and array.size > 0


def drawn_grid(faces: np.ndarray, columns: int = 8) -> tuple[Image.Image, str]:
    """At most SHOWN faces (N, H, W, C) as a grid of `columns`, and a text that says what it shows."""
    count, height, width, _ = faces.shape
    shown = np.asarray(faces[:SHOWN])
    image = grids.grid(shown, min(columns, len(shown)), scale=max(1, math.ceil(64 / min(height, width))))
    alt = f"{count:,} face{'' if count == 1 else 's'} of {width}×{height} pixels"
    if count > SHOWN:
        alt += f", of which the first {SHOWN} are shown"
    return image, alt


def png(image: Image.Image) -> bytes:
    """A picture as PNG of at most WIDEST pixels and, by its colours and then its size, LARGEST bytes."""
    if max(image.size) > WIDEST:
        image = image.copy()
        image.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
    content = _packed(image)
    if len(content) > LARGEST:
        content = _packed(image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG))
    while len(content) > LARGEST and min(image.size) > 16:
        image = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)
        content = _packed(image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG))
    return content


def _packed(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
