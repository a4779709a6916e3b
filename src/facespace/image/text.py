"""Text in pictures: the font, lines broken between words, and names shortened to a width. Knows no faces."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

TEXT_COLOR = (40, 40, 46)
ELLIPSIS = "…"


def load_font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans of so many pixels."""
    # matplotlib includes it, with ×, … and most scripts; Pillow's own font has little beyond ASCII. Its
    # import takes longer than the drawing, so only its folder is looked up.
    spec = importlib.util.find_spec("matplotlib")
    assert spec and spec.origin
    return ImageFont.truetype(
        Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size
    )


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
