"""Pictures of many faces: grids with labels, and saving by file ending. Takes and gives uint8 arrays
(N, H, W, C); knows nothing of models or sets."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from facespace.core.errors import UsageError
from facespace.core.files import write_beside

PAPER, INK = (255, 255, 255), (40, 40, 46)
STILLS = (".png", ".jpg", ".jpeg", ".webp")


def grid(
    faces: np.ndarray,
    columns: int | None = None,
    *,
    scale: int | None = None,
    gap: int = 2,
    color: tuple[int, ...] | str = PAPER,
) -> Image.Image:
    """(N, H, W, C) faces in rows, left to right, top to bottom; a square sheet unless `columns` is given. Between them and
    around lie `gap` pixels of a colour.

    `scale` is a whole enlargement of each face; unset, faces under 64 px are doubled until they can be seen."""
    count, height, width, _ = faces.shape
    scale = scale or max(1, math.ceil(64 / min(height, width)))
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    cell_w, cell_h = width * scale + gap, height * scale + gap
    sheet = Image.new("RGB", (columns * cell_w + gap, rows * cell_h + gap), color)
    for index, face in enumerate(faces):
        row, column = divmod(index, columns)
        sheet.paste(to_image(face, scale), (gap + column * cell_w, gap + row * cell_h))
    return sheet


def labelled(sheet: Image.Image, lines: Sequence[str], size: int = 13) -> Image.Image:
    """A sheet with lines of text below it; a line wider than the sheet is broken between words."""
    font = _font(size)
    wrapped = [part for line in lines for part in _wrap(line, font, max(sheet.width, 240) - 2 * size)]
    step = round(size * 1.45)
    page = Image.new("RGB", (max(sheet.width, 240), sheet.height + step * len(wrapped) + size), PAPER)
    page.paste(sheet, (0, 0))
    pen = ImageDraw.Draw(page)
    for index, line in enumerate(wrapped):
        pen.text((size, sheet.height + size // 2 + index * step), line, font=font, fill=INK)
    return page


def blocks(
    named: Sequence[tuple[str, np.ndarray]], columns: int, gap: int = 2, size: int = 15
) -> Image.Image:
    """Faces (N, H, W, C) of several origins below each other, each block under its name. Faces of any size and colour
    are scaled, smoothly and undistorted, to one cell: the largest of them, doubled until it can be seen."""
    height, width = (max(faces.shape[axis] for _, faces in named) for axis in (1, 2))
    scale = 2 ** max(0, math.ceil(math.log2(96 / min(height, width))))
    height, width, columns = (
        height * scale,
        width * scale,
        min(columns, max(len(faces) for _, faces in named)),
    )
    font, step = _font(size), round(size * 1.45)
    widest = max(font.getlength(word) for name, _ in named for word in name.split() or [""])
    across = max(columns * (width + gap) + gap, math.ceil(widest) + 2 * size, 480)
    parts = []
    for name, faces in named:
        lines, rows = _wrap(name, font, across - 2 * size), math.ceil(len(faces) / columns)
        head = step * len(lines) + size
        part = Image.new("RGB", (across, head + rows * (height + gap)), PAPER)
        pen = ImageDraw.Draw(part)
        for index, line in enumerate(lines):
            pen.text((gap, size // 2 + index * step), line, font=font, fill=INK)
        for index, face in enumerate(faces):
            row, column = divmod(index, columns)
            cell = ImageOps.pad(to_image(face), (width, height), Image.Resampling.BICUBIC, color=PAPER)
            part.paste(cell, (gap + column * (width + gap), head + row * (height + gap)))
        parts.append(part)
    page = Image.new("RGB", (across, sum(part.height for part in parts)), PAPER)
    for index, part in enumerate(parts):
        page.paste(part, (0, sum(earlier.height for earlier in parts[:index])))
    return page


def _font(size: int) -> ImageFont.FreeTypeFont:
    # matplotlib ships DejaVu Sans, which has ×, … and names in most scripts; Pillow's own font has little beyond ASCII.
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def _wrap(line: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in line.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def pairs(originals: np.ndarray, others: np.ndarray, columns: int = 8) -> np.ndarray:
    """Two (N, H, W, C) stacks in alternating rows of `columns`: a row of originals over the row of their partners.
    A short last row is filled up with white."""
    spare = -len(originals) % columns if len(originals) > columns else 0
    fill = np.full((spare, *originals.shape[1:]), 255, np.uint8)
    columns = min(columns, len(originals))
    stacks = [np.concatenate([stack, fill]) for stack in (originals, others)]
    rows = [stack.reshape(-1, columns, *stack.shape[1:]) for stack in stacks]
    return np.stack(rows, axis=1).reshape(-1, *originals.shape[1:])


def to_image(face: np.ndarray, scale: int = 1, smooth: bool = False) -> Image.Image:
    """One uint8 (H, W, C) face as a Pillow picture, enlarged in whole steps: as blocks, or smoothly for viewing."""
    image = Image.fromarray(face[..., 0] if face.shape[-1] == 1 else face).convert("RGB")
    way = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return image if scale == 1 else image.resize((image.width * scale, image.height * scale), way)


def tile(image: Image.Image, side: int) -> np.ndarray:
    """A picture of any proportions inside a paper-white square: uint8 (side, side, 3)."""
    return np.asarray(ImageOps.pad(image, (side, side), Image.Resampling.LANCZOS, color=PAPER))


def check_ending(path: Path, endings: Sequence[str]) -> None:
    """Raises UsageError unless the file's ending is one that can be written; done before the work, not after it."""
    if path.suffix.lower() not in endings:
        raise UsageError(f"--to {path} cannot be written: its name must end in {', '.join(endings)}.")


def save_still(image: Image.Image, path: Path) -> None:
    """Saves a picture by its ending; JPEG at quality 95 without chroma subsampling."""
    check_ending(path, STILLS)
    options: dict = {"quality": 95, "subsampling": 0} if path.suffix.lower() in (".jpg", ".jpeg") else {}
    with write_beside(path) as beside:
        image.save(beside, **options)


def save_array(faces: np.ndarray, path: Path) -> None:
    """Saves an array as .npy, without pickle."""
    with write_beside(path) as beside, beside.open("wb") as file:
        np.save(file, faces, allow_pickle=False)
