"""GIF files that are written frame by frame, so that memory does not grow with their length, in one palette
and with an ordered dither, which does not flicker and compresses well."""

from collections.abc import Iterable, Sequence
from typing import BinaryIO

import numpy as np
from PIL import GifImagePlugin, Image

COLORS = 255  # of the palette; one more entry is transparent: a pixel that stays as it was
TRANSPARENT = 255
STRENGTH = 6.0  # levels of 255 that the dither spans: at 10 its pattern shows, at 0 skin has bands
# Bayer (1973): the thresholds of an 8 × 8 ordered dither, in [−½, ½).
_QUARTER = np.array([[0, 2], [3, 1]])
_SIXTEENTH = np.block([[4 * _QUARTER, 4 * _QUARTER + 2], [4 * _QUARTER + 3, 4 * _QUARTER + 1]])
BAYER = np.block([[4 * _SIXTEENTH, 4 * _SIXTEENTH + 2], [4 * _SIXTEENTH + 3, 4 * _SIXTEENTH + 1]]) / 64 - 0.5


def palette_of(pictures: Sequence[Image.Image]) -> Image.Image:
    """A picture with the palette that all frames use: 255 colours of pictures over the whole animation."""
    column = Image.new("RGB", (pictures[0].width, pictures[0].height * len(pictures)))
    for index, picture in enumerate(pictures):
        column.paste(picture, (0, index * picture.height))
    palette = column.quantize(COLORS, method=Image.Quantize.MEDIANCUT)
    colors = (palette.getpalette() or [])[: 3 * COLORS]
    # The transparent entry repeats a colour, so that it can be replaced where quantisation selects it.
    palette.putpalette(colors + colors[:3] * (256 - len(colors) // 3))
    return palette


def write_gif(
    file: BinaryIO,
    pictures: Iterable[Image.Image],
    palette: Image.Image,
    delays: Sequence[int],
    comment: str,
) -> None:
    """Writes RGB pictures of one size as a looping GIF; `delays` are milliseconds, multiples of 10. Of each
    frame after the first only the pixels that changed are stored."""
    colors = bytes(palette.getpalette() or b"")
    before: np.ndarray | None = None
    for picture, delay in zip(pictures, delays, strict=True):
        after = np.array(_dithered(picture).quantize(palette=palette, dither=Image.Dither.NONE))
        after[after == TRANSPARENT] = 0  # the same colour
        if before is None:
            file.write(_header(picture.size, colors, comment))
        frame = after if before is None else np.where(after == before, TRANSPARENT, after).astype(np.uint8)
        for block in GifImagePlugin.getdata(
            Image.fromarray(frame, "P"), duration=delay, disposal=1, transparency=TRANSPARENT
        ):
            file.write(block)
        before = after
    file.write(b";")


def _dithered(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    tiles = -(-pixels.shape[0] // 8), -(-pixels.shape[1] // 8)
    pattern = np.tile(BAYER, tiles)[: pixels.shape[0], : pixels.shape[1], None] * np.float32(STRENGTH)
    return Image.fromarray((pixels + pattern).round().clip(0, 255).astype(np.uint8))


def _header(size: tuple[int, int], colors: bytes, comment: str) -> bytes:
    """The start of a GIF89a file: size, palette of 256 colours, endless loop and comment."""
    screen = b"".join(side.to_bytes(2, "little") for side in size) + bytes([0xF7, 0, 0])
    loop = b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    text = comment.encode("ascii", "replace")
    blocks = [text[start : start + 255] for start in range(0, len(text), 255)]
    said = b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    return b"GIF89a" + screen + colors + loop + said
