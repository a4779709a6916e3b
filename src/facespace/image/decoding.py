"""From the bytes of an image file to a decoded Pillow image: the formats that are read, the limits of size,
and files that browsers show although they break a rule of their format. Knows no colours."""

import contextlib
import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from facespace.core.errors import ImageError
from facespace.core.extras import install_command
from facespace.image.colours import EXIF, REDUCED, WHITE, white_of
from facespace.image.repair import (
    APP_KEPT,
    JPEG,
    JPEG_2000,
    MAX_TEXT,
    PADDING,
    PNG,
    ends_early,
    is_webp,
    significant_bits,
    with_cut_metadata,
    with_end,
    without_damaged_chunks,
    without_metadata,
)

MAX_PIXELS = 100_000_000  # a picture of more is taken as a decompression bomb
MAX_JPEG_PIXELS = (
    256_000_000  # JPEG's decoder makes a half of that in each direction: phones have 200 million
)
# Formats that Pillow decodes by itself; PostScript and others would start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "TGA", "ICO")
HEIF_ENDINGS = (".heic", ".heif", ".hif")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
CUT, BROKEN, HEADER, UNKNOWN = (
    "cut short",
    "broken image data",
    "broken image header",
    "not an image that can be read",
)


def decode(data: bytes) -> Image.Image:
    """The first frame of an image file, loaded, as it is stored; JPEGs of more than 100 million pixels at
    half the size. What is damaged beside the pixels, and an end that lacks its mark, are mended where every
    pixel is there. Raises ImageError with a short reason that can be counted."""
    try:
        return _decode(data)
    except ImageError as error:
        mended = _mended(data, str(error))
        if mended:
            return mended
        if is_webp(data) and ends_early(data):
            raise ImageError(CUT) from error
        raise


def _decode(data: bytes) -> Image.Image:
    image = _open(data)
    _check_size(image)
    raw_mode = _raw_mode(data, image)
    try:
        image.load()
    except Exception as error:  # OSError, SyntaxError, struct.error, EOFError … by format
        cut = "truncat" in str(error) or isinstance(error, EOFError)
        raise ImageError(CUT if cut else BROKEN) from error
    if data.startswith(PNG) and (image.mode.startswith("I") or raw_mode in LOW_BYTES):
        bits = significant_bits(data)
        if bits:
            image.info[WHITE] = 2**bits - 1
    return _with_low_bytes(data, image, raw_mode)


def _with_low_bytes(data: bytes, image: Image.Image, raw_mode: str) -> Image.Image:
    """A picture of 16 bits a colour, of which Pillow keeps the high bytes, with levels up to its own white:
    10, 12 or 14 bits in 16 are nearly black otherwise. Other pictures as they are."""
    swapped = LOW_BYTES.get(raw_mode)
    if swapped is None:
        return image
    high = np.asarray(image, np.float64)
    colours = slice(3) if high.ndim == 3 and high.shape[-1] >= 3 else slice(1)
    if high[..., colours].max(initial=0) >= 64:
        return image
    low = _open(data)
    tiles = []
    for tile in low.tile:  # type: ignore[attr-defined]
        tiles.append(tile._replace(args=_swapped(tile.args, swapped)))
    low.tile = tiles  # type: ignore[attr-defined]
    low.load()
    levels = 256 * high + np.asarray(low, np.float64)
    white = white_of(image, float(levels[..., colours].max()))
    shown = high
    shown[..., colours] = (levels[..., colours] / white * 255).clip(0, 255).round()
    deep = Image.fromarray(shown.astype(np.uint8), image.mode)
    deep.info.update(image.info)
    return deep


# Pillow's modes of raw 16-bit samples, and those that take the other byte of each for the high one.
LOW_BYTES = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGBA;16B": "RGBA;16L", "RGBA;16L": "RGBA;16B"}


def _raw_mode(data: bytes, image: Image.Image) -> str:
    """How the pixels of an image that is not loaded yet lie in the file, in Pillow's words; empty for all but
    colour PNG and TIFF."""
    if image.mode not in ("RGB", "RGBA") or not data.startswith((PNG, b"II*", b"MM*")):
        return ""
    tiles = getattr(image, "tile", None)
    args = tiles[0].args if tiles else ""
    return str(args[0] if isinstance(args, tuple) else args)


def _swapped(args: object, raw_mode: str) -> object:
    return (raw_mode, *args[1:]) if isinstance(args, tuple) else raw_mode


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=_formats())
    except Image.DecompressionBombError as error:
        raise ImageError(_too_many(MAX_PIXELS)) from error
    except UnidentifiedImageError as error:
        if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS and "HEIF" not in _formats():
            raise ImageError(f"HEIC, which needs: {install_command('heic')}") from error
        raise ImageError(UNKNOWN) from error
    except Exception as error:  # a hostile header can raise almost anything
        raise ImageError(HEADER) from error


def _check_size(image: Image.Image) -> None:
    """Raises ImageError for a decompression bomb, and asks for half the size of a very large JPEG."""
    pixels = image.width * image.height
    if pixels <= MAX_PIXELS:
        return
    if image.format not in ("JPEG", "MPO"):
        raise ImageError(_too_many(MAX_PIXELS))
    if pixels > MAX_JPEG_PIXELS:
        raise ImageError(_too_many(MAX_JPEG_PIXELS))
    width = image.width
    image.draft(None, (image.width // 2, image.height // 2))
    image.info[REDUCED] = width / image.width
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(_too_many(MAX_PIXELS))


def _too_many(limit: int) -> str:
    return f"more than {limit // 1_000_000} million pixels"


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    known = tuple(filter(Image.OPEN.__contains__, FORMATS))  # older Pillows lack AVIF
    try:
        import pillow_heif  # type: ignore[import-not-found]  # the extra `heic`
    except ImportError:
        return known
    pillow_heif.register_heif_opener()
    return (*known, "HEIF")


def has_image_ending(path: Path) -> bool:
    """Whether a file's name ends as those of the image formats do that are read, HEIC among them whether it
    can be read here or not."""
    Image.init()
    ending = path.suffix.lower()
    return ending in HEIF_ENDINGS or Image.EXTENSION.get(ending) in FORMATS


def _mended(data: bytes, reason: str) -> Image.Image | None:
    """The picture of a file that could not be decoded for that reason, where all its pixels are there."""
    if data.startswith(PNG):
        return _mend_png(data)
    if data.startswith(JPEG):
        return _mend_jpeg(data, reason == CUT)
    if data.startswith(JPEG_2000):
        return _first_decoded([with_end(data)])
    if is_webp(data):
        return _first_decoded(filter(None, [with_cut_metadata(data)]))
    return None


def _first_decoded(versions: Iterable[bytes]) -> Image.Image | None:
    for version in versions:
        with contextlib.suppress(ImageError):
            return _decode(version)
    return None


def _mend_png(data: bytes) -> Image.Image | None:
    """A PNG without what is damaged beside its pixels, and with its profile however long that is."""
    mended, profile = without_damaged_chunks(data)
    if len(mended) == len(data):
        return None
    image = _first_decoded([mended])
    if image and len(profile) >= MAX_TEXT:
        image.info["icc_profile"] = profile
    return image


def _mend_jpeg(data: bytes, cut: bool) -> Image.Image | None:
    """A JPEG whose end mark or metadata are damaged; None where pixels are missing."""
    if cut:
        return _with_end(data)
    for app in (dict(APP_KEPT), {key: name for key, name in APP_KEPT.items() if key != 0xE1}):
        shorter, exif = without_metadata(data, app)
        image = _first_decoded([shorter])
        if image:
            if exif:
                image.info.setdefault(EXIF, exif)
            return image
    return None


def _with_end(data: bytes) -> Image.Image | None:
    """The JPEG with an end mark, where the pixels do not depend on what stands before that."""
    seen = [_first_decoded([with_end(data, padding)]) for padding in PADDING]
    first = seen[0]
    if first is None:
        return None
    return (
        first
        if all(other and np.array_equal(np.asarray(first), np.asarray(other)) for other in seen)
        else None
    )


# Files that end early must be an error, whatever another library has set.
ImageFile.LOAD_TRUNCATED_IMAGES = False
Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS // 2  # Pillow refuses twice that; _check_size has the limit of each
