"""From any Pillow image to upright 8-bit RGB in sRGB: orientation, bit depth, colour profile, transparency.
Reads no files."""

import io
import struct
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

ORIENTATION = 0x0112  # the EXIF tag
# Keys of an image's info; the second has the level of white that a file states, the third the pixels of the
# file for each one that was decoded, where these are fewer.
EXIF, WHITE, REDUCED = "exif", "facespace_white", "facespace_reduced"
BITS_PER_SAMPLE, MAX_SAMPLE, MAX_TYPED_SAMPLE = 258, 281, 341  # TIFF tags
# Of 16-bit files that state no depth: cameras, scanners and sensors store 10, 12 or 14 bits.
DEPTHS = (10, 12, 14)
ROWS = 64  # of a deep picture that are converted at a time
SCALED = ("PPM", "JPEG2000")  # formats that state a depth, by which Pillow scales levels to 16 bits
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
METADATA = (EXIF, "xmp", "XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type APP1")


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image as upright 8-bit RGB in sRGB: turned as its EXIF orientation says, colours of every
    mode by the image's profile, transparency on white. Of 16-bit and floating gray, white is what `white_of`
    says."""
    image = upright(image)
    if image.mode.startswith(("I", "F")):
        image = _deep_gray(image)
    alpha = None
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
    colours = _from_profile(_opaque(image), image.info.get("icc_profile"))
    if alpha is None:
        return colours
    paper = Image.new("RGB", image.size, "white")
    paper.paste(colours, mask=alpha)
    return paper


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF or XMP orientation says, without the metadata that say so; unchanged where
    there is nothing to turn. Malformed metadata beside the orientation do not matter."""
    method = TURNS.get(_orientation(image))
    if method is None:
        return image
    turned = image.transpose(method)
    for key in METADATA:
        turned.info.pop(key, None)
    return turned


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1 where nothing is stated."""
    try:
        found = image.getexif().get(ORIENTATION)
    except Exception:  # of malformed metadata almost anything
        found = None
    if not isinstance(found, int):  # Pillow stops reading at a malformed tag
        found = _stated(image.info.get(EXIF, b""))
    return found if 1 <= found <= 8 else 1


def _stated(exif: bytes) -> int:
    """The orientation in raw EXIF, whatever its other tags hold; 1 without one."""
    exif = exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) else b""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", exif, at)
            if tag == ORIENTATION and kind in (3, 4):
                return struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", exif, at + 8)[0]
    except struct.error:
        pass
    return 1


def _opaque(image: Image.Image) -> Image.Image:
    """The colours of an image without its transparency: L, RGB, CMYK or LAB."""
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    if image.mode in ("1", "LA", "La"):
        return image.convert("LA").convert("L") if image.mode == "La" else image.convert("L")
    if image.mode in ("RGBa", "PA") or (image.mode == "P" and image.has_transparency_data):
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _from_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours in L, RGB, CMYK or LAB as RGB in sRGB, by a profile where it can be used for them."""
    if image.mode == "LAB":
        profile = _lab_profile()
    if not profile:
        return image.convert("RGB")
    space = _space_of(profile)
    if image.mode == "L" and space == "RGB":
        image = image.convert("RGB")
    transform = _to_srgb(profile, image.mode) if SPACES.get(image.mode) == space else None
    if transform is None:
        return image.convert("RGB")
    return transform.apply(image) or image.convert("RGB")


SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}  # of profiles, by the mode they describe
FAULTS = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


@lru_cache(maxsize=8)
def _space_of(profile: bytes) -> str:
    """The colour space that a profile describes; empty where it is damaged."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
        return str(getattr(opened, "xcolor_space", "")).strip()
    except FAULTS:
        return ""


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile to sRGB. None where the profile is damaged, and where the colours are
    those of sRGB to within a level, by its content rather than by its name."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        if mode not in ("RGB", "L"):
            return transform
        levels = np.linspace(0, 255, 9).round().astype(np.uint8)
        cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
        probe = (
            Image.fromarray(cube) if mode == "RGB" else Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        )
        shown = np.asarray(transform.apply(probe), int)
    except FAULTS:
        return None
    same = np.abs(shown - np.asarray(probe.convert("RGB"), int)).max() <= 1
    return None if same else transform


@lru_cache(maxsize=1)
def _lab_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def _deep_gray(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating gray as L, or LA where a level is transparent, with the profile."""
    values = np.asarray(image)
    top = max((float(part.max(initial=0.0)) for part in _in_parts(values)), default=0.0)
    white, levels = white_of(image, top), np.empty(values.shape, np.uint8)
    for first, part in zip(range(0, len(values), ROWS), _in_parts(values)):
        levels[first : first + ROWS] = (part / white * 255).clip(0, 255).round()
    gray = Image.fromarray(levels)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        gray.putalpha(Image.fromarray((values != clear).view(np.uint8) * np.uint8(255)))
    if "icc_profile" in image.info:
        gray.info["icc_profile"] = image.info["icc_profile"]
    return gray


def _in_parts(values: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of levels as finite float64, some at a time: the whole would take many times the memory."""
    for first in range(0, len(values), ROWS):
        yield np.nan_to_num(values[first : first + ROWS].astype(np.float64), posinf=0.0, neginf=0.0)


def white_of(image: Image.Image, top: float) -> float:
    """The level of white of a gray image of more than 8 bits whose highest level is `top`: what the file
    states (TIFF's bits per sample and maximum, PNG's significant bits) where no level exceeds it. Else of
    floats 1, 255 or 65,535, of 32 bits 255, 65,535, 2^31 − 1 or 2^32 − 1, whichever holds all levels; of 16
    bits that of 10, 12 or 14 bits where the highest level needs as many, since a photograph reaches a quarter
    of white; and 65,535 for all others: a picture that needs 8 bits at most is a dark one."""
    stated = _stated_white(image)
    if stated and top <= stated:
        return float(stated)
    if image.format in SCALED:
        return 65535.0
    if image.mode == "F":
        return next((white for white in (1.0, 255.0, 65535.0) if top <= white), max(top, 1.0))
    if image.mode == "I" and image.format != "PNG":  # a PNG has 16 bits at most
        return next((white for white in (255.0, 65535.0, 2.0**31 - 1) if top <= white), 2.0**32 - 1)
    if stated or top <= 255:
        return 65535.0
    return next((2.0**bits - 1 for bits in DEPTHS if top < 2**bits), 65535.0)


def _stated_white(image: Image.Image) -> int:
    """The level of white that a file states; 0 where it states none, or its container's alone."""
    tags = getattr(image, "tag_v2", None) or {}
    for tag in (MAX_SAMPLE, MAX_TYPED_SAMPLE):
        value = _number(tags.get(tag))
        if value:
            return value
    bits = _number(tags.get(BITS_PER_SAMPLE))
    if 8 < bits < 16:
        return 2**bits - 1
    return int(image.info.get(WHITE, 0))


def _number(value: object) -> int:
    """The first whole number of a tag; 0 for anything else."""
    first = value[0] if isinstance(value, tuple) and value else value
    return int(first) if isinstance(first, int | float) and first > 0 else 0
