"""Masks of faces in files, whatever their encoding: 0 and 1 or 0 and 255, labels in gray, in three channels,
by a palette or scaled. What is ambiguous is refused. Lists no files."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from facespace.core.errors import FaceSetError, ImageError
from facespace.core.worker_files import source
from facespace.image.decoding import decode

FORMATS = ("PNG", "BMP", "TIFF", "GIF", "WEBP", "JPEG")
ALL_OR_NOTHING = 0.999  # share of all pixels of a set above which its masks keep everything, or nothing
# Colours of CelebAMask-HQ's labels 0 to 18 in the authors' code (Lee et al., MaskGAN, CVPR 2020).
CELEBAMASK_COLOURS = (
    *((0, 0, 0), (204, 0, 0), (76, 153, 0), (204, 204, 0), (51, 51, 255), (204, 0, 204), (0, 255, 255)),
    *((255, 204, 204), (102, 51, 0), (255, 0, 0), (102, 204, 0), (255, 255, 0), (0, 0, 153), (0, 0, 204)),
    *((255, 51, 153), (0, 204, 204), (0, 51, 0), (255, 153, 51), (0, 204, 0)),
)
NO_LABELS = "mask of other labels than 0 to {}"


def read_binary(path: Path) -> np.ndarray:
    """A mask of one part, bool (H, W). White may be 1, 255 or 65,535, in gray, colour, a palette or the alpha
    channel. Raises ImageError where it cannot be read, and for more than two clearly different levels."""
    image = _open(path)
    if image.mode == "P":
        levels = np.asarray(image)
        shown = np.asarray(image.convert("L"))
        levels = shown if len(np.unique(shown)) > 1 else levels
    elif image.mode in ("LA", "RGBA", "PA"):
        gray, alpha = np.asarray(image.convert("LA").getchannel("L")), np.asarray(image.getchannel("A"))
        levels = alpha if len(np.unique(gray)) == 1 and len(np.unique(alpha)) > 1 else gray
    else:
        levels = np.asarray(image if image.mode.startswith(("I", "F", "L")) else image.convert("L"))
    top = float(levels.max(initial=0))
    if not np.isfinite(top) or levels.min(initial=0) < 0:
        raise ImageError("mask of levels that are no mask")
    if top <= 1:
        return levels > 0.5
    # Soft edges, and what JPEG leaves, lie between: a mask is mostly one of its two levels.
    white = 255.0 if top <= 255 else 65535.0
    sharp = (levels < 0.25 * top) | (levels > 0.75 * top)
    if top < 0.5 * white and len(np.unique(levels)) > 2:
        raise ImageError("mask of a part that holds labels")
    if sharp.mean() < 0.9:
        raise ImageError("mask of a part that is no mask of two levels")
    return levels > top / 2


def read_labels(path: Path, count: int, parts: bool = False) -> np.ndarray:
    """A label map, uint8 (H, W) of labels 0 to `count` − 1: by index in a palette, in gray, in three equal
    channels, in the colours of CelebAMask-HQ or Pascal VOC, scaled to 0 … 255 or multiplied by 255. Raises
    ImageError for anything else, and, where single `parts` are asked for, for black and white."""
    image = _open(path)
    if image.mode in ("RGBA", "RGB", "CMYK", "YCbCr"):
        return _from_colours(np.asarray(image.convert("RGB")), count, parts)
    if image.mode in ("LA", "PA"):
        image = image.getchannel(0)
    if image.mode == "1":
        image = image.convert("L")
    levels = np.asarray(image)
    if levels.ndim != 2 or (levels.dtype.kind == "f" and not np.array_equal(levels, np.round(levels))):
        raise ImageError(NO_LABELS.format(count - 1))
    return _from_levels(levels.astype(np.int64), count, parts)


def _from_levels(levels: np.ndarray, count: int, parts: bool) -> np.ndarray:
    """Gray levels as labels: themselves; one label 255, 257, 255 ÷ (count − 1) … apart; or 256 − label, which
    is 255 times a label in 8 bits."""
    found = np.unique(levels)
    if found[0] < 0 or found[-1] > 65535:
        raise ImageError(NO_LABELS.format(count - 1))
    if found[-1] < count:
        return levels.astype(np.uint8)
    if parts and set(found.tolist()) <= {0, 255, 65535}:
        raise ImageError("mask in black and white, in which parts are not told apart")
    if found[found > 0][0] > 256 - count and found[-1] <= 255:
        return np.where(levels > 0, 256 - levels, 0).astype(np.uint8)
    for step in (255, 257, 256, 65535, 65535 / (count - 1), 255 / (count - 1), 10):
        labels = np.round(found / step)
        if labels.max() < count and np.abs(found - labels * step).max() <= 1:
            return np.round(levels / step).astype(np.uint8)
    raise ImageError(NO_LABELS.format(count - 1))


def _from_colours(pixels: np.ndarray, count: int, parts: bool) -> np.ndarray:
    """Pixels (H, W, 3) as labels: three equal channels, or the colours of a palette."""
    if (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all():
        return _from_levels(pixels[..., 0].astype(np.int64), count, parts)
    codes = pixels.astype(np.int64) @ CODE
    found, places = np.unique(codes, return_inverse=True)
    for palette in _palettes(count):
        labels = [palette.get(code) for code in found.tolist()]
        if None not in labels:
            return np.array(labels, np.uint8)[places].reshape(codes.shape)
    raise ImageError("mask in colours that are not those of CelebAMask-HQ or Pascal VOC")


CODE = np.array((65536, 256, 1))  # of a colour as one number


@lru_cache(maxsize=2)
def _palettes(count: int) -> tuple[dict[int, int], ...]:
    """The labels of colours: CelebAMask-HQ's and Pascal VOC's palette, and both as OpenCV writes them, with
    red and blue exchanged."""
    voc = np.zeros((count, 3), np.int64)
    for label in range(count):
        for bit in range(3):  # Everingham et al., the Pascal VOC development kit: the bits of a label in turn
            for channel in range(3):
                voc[label, channel] |= (label >> (3 * bit + channel) & 1) << (7 - bit)
    found = []
    for order in (slice(None), slice(None, None, -1)):
        for colours in (np.array(CELEBAMASK_COLOURS)[:count], voc):
            codes = (colours[:, order] @ CODE).tolist()
            found.append(dict(zip(codes, range(count))))
    return tuple(found)


def _open(path: Path) -> Image.Image:
    try:
        found = source(path)
        image = decode(found if isinstance(found, bytes) else found.read_bytes())
    except (OSError, ImageError) as error:
        raise ImageError("mask cannot be read") from error
    if image.format not in (*FORMATS, None):
        raise ImageError("mask cannot be read")
    return image


def check_shares(shares: Sequence[float], kept: str) -> None:
    """Raises FaceSetError where the masks of a set, whose backgrounds have these shares of the pixels, keep
    everything or nothing."""
    mean = float(np.mean(shares)) if shares else 0.5
    if 1 - ALL_OR_NOTHING < mean < ALL_OR_NOTHING:
        return
    what = "nothing" if mean > 0.5 else "everything"
    raise FaceSetError(
        f"The masks keep {what}: the background is {mean:.1%} of all pixels. Check that the masks belong to "
        f"these pictures and have 0 for the background{kept}."
    )
