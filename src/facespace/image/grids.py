"""Pictures of many faces: grids with labels, and saving by file ending. Input and output are uint8 arrays (N,
H, W, C); independent of models and sets."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facespace.core.console import quoted
from facespace.core.errors import UsageError
from facespace.core.files import write_atomically
from facespace.image import provenance
from facespace.image.text import line_height, load_font, widest, wrap, write_lines

BACKGROUND = (255, 255, 255)
MIN_WIDTH = 240  # px of a picture with text
STILLS = (".png", ".jpg", ".jpeg", ".webp")


def grid(
    faces: np.ndarray,
    columns: int | None = None,
    *,
    scale: int | None = None,
    gap: int = 2,
    color: tuple[int, ...] | str = BACKGROUND,
) -> Image.Image:
    """(N, H, W, C) faces in rows, left to right, top to bottom; a square grid unless `columns` is given.
    Between them and around them are `gap` pixels of a colour.

    `scale` is an integer upscaling of each face; by default smaller faces are enlarged to at least 64 px."""
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


def labelled(image: Image.Image, lines: Sequence[str], size: int = 13) -> Image.Image:
    """A picture with lines of text below it; a line wider than the picture is broken between words."""
    font, width = load_font(size), max(image.width, MIN_WIDTH)
    wrapped: list[str] = []
    for line in lines:
        wrapped += wrap(line, font, width - 2 * size)
    step = line_height(size)
    page = Image.new("RGB", (width, image.height + step * len(wrapped) + size), BACKGROUND)
    page.paste(image, (0, 0))
    write_lines(page, wrapped, size, size, image.height + size // 2)
    return page


def labelled_rows(
    named: Sequence[tuple[str, np.ndarray]], columns: int, gap: int = 2, size: int = 15
) -> Image.Image:
    """Faces (N, H, W, C) of several origins below each other, each block under its name. Faces of any size
    and colour are resized, smoothly and undistorted, to one cell: the largest of them, doubled until it has
    at least 96 px."""
    height = max(faces.shape[1] for _, faces in named)
    width = max(faces.shape[2] for _, faces in named)
    scale = 2 ** max(0, math.ceil(math.log2(96 / min(height, width))))
    cell = (width * scale, height * scale)
    columns = min(columns, max(len(faces) for _, faces in named))
    words = " ".join(name for name, _ in named).split()
    total = max(columns * (cell[0] + gap) + gap, math.ceil(widest(words, size)) + 2 * size, 480)
    parts = [_block(name, faces, columns, cell, total, gap, size) for name, faces in named]
    page = Image.new("RGB", (total, sum(part.height for part in parts)), BACKGROUND)
    top = 0
    for part in parts:
        page.paste(part, (0, top))
        top += part.height
    return page


def _block(
    name: str, faces: np.ndarray, columns: int, cell: tuple[int, int], width: int, gap: int, size: int
) -> Image.Image:
    """A name, and faces (N, H, W, C) in cells of (width, height) below it."""
    lines = wrap(name, load_font(size), width - 2 * size)
    head, rows = line_height(size) * len(lines) + size, math.ceil(len(faces) / columns)
    block = Image.new("RGB", (width, head + rows * (cell[1] + gap)), BACKGROUND)
    write_lines(block, lines, size, gap, size // 2)
    for index, face in enumerate(faces):
        row, column = divmod(index, columns)
        image = ImageOps.pad(to_image(face), cell, Image.Resampling.BICUBIC, color=BACKGROUND)
        block.paste(image, (gap + column * (cell[0] + gap), head + row * (cell[1] + gap)))
    return block


def pairs(originals: np.ndarray, others: np.ndarray, columns: int = 8) -> np.ndarray:
    """Two (N, H, W, C) stacks in alternating rows of `columns`: a row of originals over the row of their
    partners. A short last row is filled up with white."""
    spare = -len(originals) % columns if len(originals) > columns else 0
    fill = np.full((spare, *originals.shape[1:]), 255, np.uint8)
    columns = min(columns, len(originals))
    rows = []
    for stack in (originals, others):
        rows.append(np.concatenate([stack, fill]).reshape(-1, columns, *originals.shape[1:]))
    return np.stack(rows, axis=1).reshape(-1, *originals.shape[1:])


def to_image(face: np.ndarray, scale: int = 1, smooth: bool = False) -> Image.Image:
    """One uint8 (H, W, C) face as a Pillow picture, enlarged by an integer: as blocks, or smoothly for
    viewing."""
    if face.shape[-1] == 1:
        face = face[..., 0]
    image = Image.fromarray(face).convert("RGB")
    if scale == 1:
        return image
    filter_ = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return image.resize((image.width * scale, image.height * scale), filter_)


def resized(faces: np.ndarray, width: int, height: int) -> np.ndarray:
    """Faces uint8 (N, H, W, C) resized with Lanczos to that size; those of this size pass unchanged."""
    if faces.shape[1:3] == (height, width):
        return faces
    small: list[np.ndarray] = []
    for face in faces:
        small.append(np.asarray(to_image(face).resize((width, height), Image.Resampling.LANCZOS)))
    return np.stack(small).reshape(len(faces), height, width, -1)


def small_pixels(faces: np.ndarray, side: int = 16) -> np.ndarray:
    """Faces uint8 (N, H, W, C) averaged to side × side and normalised to mean 0 and deviation 1 each: float32
    (N, side · side · 3). Without it all dark samples would lie near the few dark training faces."""
    shrunk = []
    for face in faces:
        image = to_image(face).resize((side, side), Image.Resampling.BOX)
        shrunk.append(np.asarray(image, np.float32).ravel())
    table = np.stack(shrunk)
    return (table - table.mean(1, keepdims=True)) / (table.std(1, keepdims=True) + 1e-6)


def letterbox(image: Image.Image, side: int) -> np.ndarray:
    """A picture of any proportions inside a paper-white square: uint8 (side, side, 3)."""
    return np.asarray(ImageOps.pad(image, (side, side), Image.Resampling.LANCZOS, color=BACKGROUND))


def check_ending(path: Path, endings: Sequence[str]) -> None:
    """Raises UsageError unless the file's ending is one that can be written, and where it is a folder; done
    before the work, not after it."""
    if path.suffix.lower() not in endings:
        raise UsageError(f"--to {path} cannot be written: its name must end in {', '.join(endings)}.")
    if path.is_dir():
        example = quoted(path / f"samples{path.suffix}")
        raise UsageError(f"--to {quoted(path)} is a folder. Name a file, such as {example}.")


LIMITS = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500, ".gif": 65_535, ".mp4": 16_384}  # px a side
LARGEST = 2**31  # bytes of a picture in memory


def check_size(path: Path, width: int, height: int) -> None:
    """Raises UsageError for a picture or an animation of more pixels than its format has; done before the
    work."""
    limit = LIMITS.get(path.suffix.lower())
    if limit and max(width, height) > limit:
        raise UsageError(
            f"{path} would be {width:,} × {height:,} px, and a {path.suffix.lower()} has at most {limit:,} a "
            "side. Write a .png, choose fewer faces or a smaller --scale."
        )
    if 3 * width * height > LARGEST:
        raise UsageError(
            f"{path} would be {width:,} × {height:,} px, more than 2 GiB. Choose fewer faces or a smaller "
            "--scale, or write an .npy."
        )


def save_still(
    image: Image.Image, path: Path, text: str = provenance.PROVENANCE_TAG, sheet: bool = True
) -> None:
    """Saves a picture by its ending, with a provenance tag of that text; JPEG at quality 95 without chroma
    subsampling. A `sheet` is one of several faces. Raises UsageError for more pixels than the format has."""
    check_ending(path, STILLS)
    check_size(path, *image.size)
    options: dict = {"exif": provenance.exif(text, sheet)}
    if path.suffix.lower() in (".jpg", ".jpeg"):
        options |= {"quality": 95, "subsampling": 0}
    if path.suffix.lower() == ".png":
        options["compress_level"] = 3  # a third of the time of Pillow's 6, for a twelfth more bytes
    with write_atomically(path) as beside:
        image.save(beside, **options)


def save_array(faces: np.ndarray, path: Path) -> None:
    """Saves an array as .npy, without pickle."""
    with write_atomically(path) as beside, beside.open("wb") as file:
        np.save(file, faces, allow_pickle=False)
