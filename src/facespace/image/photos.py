"""From any image file to upright RGB, and from a picture to a face crop of a fixed size. Needs Pillow and
numpy only, so that worker processes start fast. Faces are found in detectors.py."""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facespace.core.errors import ImageError, UsageError, suggest
from facespace.core.reading import MEGABYTE, RefusedFile, read_bounded
from facespace.image.align import TEMPLATES
from facespace.image.colours import REDUCED, to_rgb
from facespace.image.decoding import MAX_PIXELS, decode, has_image_ending
from facespace.image.provenance import OWN, is_own

LARGEST_FILE = 512 * MEGABYTE  # a file of more is not read; 100 million pixels of 8 bits have 286
SMALLEST, LARGEST = 8, 1024  # pixels a side of a prepared face

TOO_SMALL = "smaller than the crop {}"

Box = tuple[float, float, float, float]  # left, top, right, bottom in source pixels


def read_photo(source: Path | bytes, own: bool = True) -> Image.Image:
    """The first frame of an image file as upright 8-bit RGB in sRGB; transparency is laid on white.

    Reads gray, palette, CMYK, 16-bit and EXIF-rotated files, with colours by their profile, and files that
    break a rule of their format but have all pixels; with `own` False no picture that facespace made. Raises
    ImageError with a short countable reason."""
    try:
        if isinstance(source, Path) and not source.is_file():
            raise ImageError("not a regular file" if source.exists() else "no such file")
        data = read_bounded(source, LARGEST_FILE) if isinstance(source, Path) else source
    except RefusedFile as error:
        raise ImageError(f"larger than {LARGEST_FILE // MEGABYTE} MB") from error
    except ValueError as error:  # a NUL, which no path has
        raise ImageError("no such file") from error
    except OSError as error:
        raise ImageError(f"unreadable: {(error.strerror or 'input error').lower()}") from error
    if not data:
        raise ImageError("empty file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata; what cannot be read raises
        image = decode(data)
        if not own and is_own(image):
            raise ImageError(OWN)
        photo = to_rgb(image)
    photo.info[REDUCED] = image.info.get(REDUCED, 1.0)
    return photo


def centered(side: int) -> Callable[[int, int], Box]:
    """The central square of `side` source pixels."""
    return lambda width, height: around(width / 2, height / 2, side)


def around(x: float, y: float, side: int) -> Box:
    """The square of `side` source pixels with its centre at (x, y)."""
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


# The crops in use in the field; figures of one are not comparable with another's. `fit` takes the largest
# centred part.
CROPS: dict[str, Callable[[int, int], Box]] = {
    "fit": lambda width, height: (0, 0, width, height),
    "center-148": centered(148),  # most VAE repositories on CelebA
    "center-140": centered(140),
    "center-128": centered(128),
    "center-108": centered(108),  # early GANs
    "box-148": lambda width, height: (15, 40, 163, 188),  # NVAE, and both gray CelebA systems
    "around-128": lambda width, height: around(89, 121, 128),
}


def crop_named(name: str) -> Callable[[int, int], Box]:
    """The crop of that name, or `center-N` for any N; UsageError for another."""
    if match := re.fullmatch(r"center-([1-9]\d{0,3})", name):
        return centered(int(match[1]))
    if name not in CROPS:
        raise UsageError(
            f"Unknown crop {name!r}. {suggest(name, CROPS)} center-N takes the central N×N pixels."
        )
    return CROPS[name]


@dataclass(frozen=True)
class Template:
    """The size and crop of prepared faces: part of every prepared set's card and of every space's."""

    height: int = 64
    width: int = 64
    channels: int = 3  # 3 colour, 1 gray
    crop: str = "fit"
    source: tuple[int, int] | None = None  # height, width of the pictures that a fixed crop was made for

    def __post_init__(self) -> None:
        crop_named(self.crop)
        if not (SMALLEST <= self.height <= LARGEST and SMALLEST <= self.width <= LARGEST):
            raise UsageError(
                f"A face of {self.height}×{self.width} pixels cannot be prepared: "
                f"each side must be {SMALLEST} to {LARGEST}, for example --size 64 or --size 171x186."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.channels, self.height, self.width

    @property
    def points(self) -> np.ndarray:
        """The positions of eyes, nose and corners of the mouth in a prepared face, (5, 2) pixels from its top
        left corner: CelebA's for a set that was cropped from CelebA's pictures, for others those of the crop
        center-148."""
        celeba = TEMPLATES["celeba"]
        height, width = self.source or (celeba.height, celeba.width)
        crop = self.crop if (height, width) == (celeba.height, celeba.width) else "center-148"
        return self._scaled(celeba.points, crop_named(crop)(celeba.width, celeba.height))

    @property
    def has_celeba_layout(self) -> bool:
        """Whether the faces were cropped from pictures with CelebA's layout: CelebA's own, or photographs
        that were aligned to it. Only then `points` are where the faces of the set have them."""
        celeba = TEMPLATES["celeba"]
        return self.source == (celeba.height, celeba.width)

    def place(self, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Points (N, 2) of a picture of that size (width, height), in pixels of the face that `fit` makes of
        it."""
        return self._scaled(points, self._region(*size)[0])

    def _scaled(self, points: np.ndarray, box: Box) -> np.ndarray:
        left, top, right, _ = _trim(box, self.width / self.height)
        return (points - (left, top)) * (self.width / (right - left))

    def box(self, width: int, height: int) -> Box:
        """The part of a picture of that size that `prepare` takes: the crop, cut to the face's
        proportions."""
        return _trim(crop_named(self.crop)(width, height), self.width / self.height)

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Crop and antialiased (Lanczos) resize of an RGB picture to uint8 (H, W, C), never distorted.

        Raises ImageError where a fixed crop does not lie inside the picture."""
        return self._cut(image, crop_named(self.crop)(*image.size))

    def resize(self, image: Image.Image, enlarge: bool = False) -> np.ndarray:
        """An RGB picture that already is this crop, at any size, as uint8 (H, W, C): the whole of it, resized
        as `prepare` does.

        Raises ImageError for a picture whose proportions are not the crop's, by more than a pixel, and for
        one smaller than the face wanted unless `enlarge`."""
        left, top, right, bottom = crop_named(self.crop)(*image.size)
        if abs(image.width - image.height * (right - left) / (bottom - top)) > 1:
            raise ImageError(f"not square, as {self.crop} is")  # every crop of a fixed size is
        whole = (0.0, 0.0, float(image.width), float(image.height))
        left, top, right, bottom = _trim(whole, self.width / self.height)
        if not enlarge and (right - left < self.width or bottom - top < self.height):
            raise ImageError(f"smaller than {self.height}×{self.width}; --enlarge takes it")
        return self._cut(image, whole)

    def fit(self, image: Image.Image) -> np.ndarray:
        """A picture of any size as this template's face, uint8 (H, W, C): one that is already a prepared face
        stays whole, one with the source's proportions gets the source's crop to scale, another its largest
        centred part."""
        return self._cut(image, *self._region(*image.size))

    def fit_box(self, width: int, height: int) -> Box:
        """The part of a picture of that size which `fit` resizes to the face."""
        return _inside(_trim(self._region(width, height)[0], self.width / self.height), width, height)

    def _region(self, width: int, height: int) -> tuple[Box, float]:
        """The part of a picture of that size that `fit` takes, before it is trimmed to the face's
        proportions; and the pixels by which it may exceed the picture."""
        whole: Box = (0.0, 0.0, float(width), float(height))
        if (height, width) == (self.height, self.width) or self.source is None:
            return whole, 0.0
        scale = width / self.source[1]
        if abs(height / scale / self.source[0] - 1) > 0.02:
            return whole, 0.0
        left, top, right, bottom = crop_named(self.crop)(self.source[1], self.source[0])
        return (left * scale, top * scale, right * scale, bottom * scale), scale

    def _cut(self, image: Image.Image, box: Box, tolerance: float = 0.0) -> np.ndarray:
        left, top, right, bottom = _trim(box, self.width / self.height)
        if (
            min(left, top) < -tolerance
            or right > image.width + tolerance
            or bottom > image.height + tolerance
        ):
            raise ImageError(TOO_SMALL.format(self.crop))
        inside = _inside((left, top, right, bottom), *image.size)
        small = image.resize((self.width, self.height), Image.Resampling.LANCZOS, box=inside)
        if self.channels == 1:
            small = small.convert("L")
        pixels = np.asarray(small)
        return pixels.reshape(self.height, self.width, self.channels)


def _inside(box: Box, width: int, height: int) -> Box:
    """The part of a box that lies in a picture of that size."""
    left, top, right, bottom = box
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)


def _trim(box: Box, aspect: float) -> Box:
    """The largest part of a box, centred in it, with the aspect width ÷ height."""
    left, top, right, bottom = box
    width, height = min(right - left, (bottom - top) * aspect), min(bottom - top, (right - left) / aspect)
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


__all__ = [
    "CROPS",
    "LARGEST",
    "MAX_PIXELS",
    "SMALLEST",
    "TOO_SMALL",
    "Box",
    "Template",
    "around",
    "centered",
    "crop_named",
    "has_image_ending",
    "read_photo",
    "to_rgb",
]
