"""Text in pictures: the font, lines broken between words, and names shortened to a width. Knows no faces."""

import contextlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from facespace.core.errors import FacespaceError

TEXT_COLOR = (40, 40, 46)
ELLIPSIS = "…"
FONT = "DejaVuSans.ttf"


def load_font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans of so many pixels; where neither matplotlib nor the system has it, another font of the
    system, or Pillow's own."""
    for place in _font_files():
        with contextlib.suppress(OSError):
            return ImageFont.truetype(place, size)
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise FacespaceError(
            "This Pillow draws no text (it has no FreeType). Install it again: pip install Pillow"
        )
    return found


def _font_files() -> list[str]:
    """Files of fonts, the best one first. Those without a folder are looked for in the system's."""
    places = [FONT, "Arial.ttf", "Helvetica.ttc"]
    # matplotlib includes it, with ×, … and most scripts; Pillow's own font has little beyond ASCII. Its
    # import takes longer than the drawing, so only its folder is looked up.
    with contextlib.suppress(ValueError):  # of a package that was made impossible to import
        spec = importlib.util.find_spec("matplotlib")
        if spec and spec.origin:
            places.insert(0, str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / FONT))
    return places


def line_height(size: int) -> int:
    """Pixels from one line to the next."""
    return round(size * 1.45)


def wrap(line: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """A line broken between words, so that each part has at most `width` pixels unless it is one word."""
    lines = [""]
    for word in line.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def shorten(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """A text of at most `width` pixels: without letters of its middle, if it is longer, since the ends of
    file names differ."""
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shorter = text[: (kept + 1) // 2] + ELLIPSIS + text[len(text) - kept // 2 :]
        if font.getlength(shorter) <= width:
            return shorter
    return ELLIPSIS


def fitted_lines(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines of at most `width` pixels: broken between words, and longer words shortened. Line breaks in the
    text stay; none for an empty text."""
    lines: list[str] = []
    for line in filter(str.strip, text.split("\n")):
        for part in wrap(line, font, width):
            lines.append(shorten(part, font, width))
    return lines


def widest(texts: Sequence[str], size: int) -> float:
    """Pixels of the longest of some texts."""
    font = load_font(size)
    return max(map(font.getlength, texts), default=0.0)


def write_lines(
    page: Image.Image, lines: Sequence[str], size: int, left: int, top: int, width: int | None = None
) -> None:
    """Writes lines below each other from a corner; with a `width`, each is centred in it."""
    if not lines:
        return
    pen, font, step = ImageDraw.Draw(page), load_font(size), line_height(size)
    for index, line in enumerate(lines):
        indent = 0.0 if width is None else (width - font.getlength(line)) / 2
        pen.text((left + indent, top + index * step), line, font=font, fill=TEXT_COLOR)
