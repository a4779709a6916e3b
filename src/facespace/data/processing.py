"""From a listed face to its final pixels: read or render, mask, align, crop. Runs in worker processes,
without torch and without an open set."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from facespace.core.errors import ImageError
from facespace.core.process_team import working_on
from facespace.core.worker_files import require, require_here, source
from facespace.data.copies import perceptual_hash
from facespace.data.faces import Face, StoredImage
from facespace.image import align, detectors
from facespace.image.photos import Template, read_photo, to_rgb

EDGE = 2.0  # pixels of a 512 px picture that a mask loses at its border, where the old background is visible


@dataclass(frozen=True)
class Alignment:
    """How faces are found and aligned to a template."""

    detector: str = "auto"
    weights: Path | None = None
    template: str = "celeba"
    all_faces: bool = False  # all faces of a photograph instead of the largest
    min_eye_distance: float = 20.0  # pixels between the eyes below which a face is left out


@dataclass(frozen=True)
class PrepareSpec:
    """All that determines a face's pixels."""

    template: Template
    background: str | tuple[int, int, int] = "keep"  # or "blur", or a colour
    alignment: Alignment | None = None
    cropped: bool = False  # the pictures already are the template's crop, at any size
    enlarge: bool = False  # accepts such pictures that are smaller than the prepared face
    # Whether near copies are looked for. Not in the repr, which identifies a job.
    hashed: bool = field(default=False, repr=False)


class PreparedFace(NamedTuple):
    """The facts of a finished face, or of one that failed. Plain values, which are cheap to send between
    processes and to write into a log."""

    id: str
    good: bool
    detail: str  # digest of the pixels, or the reason of the failure
    size: tuple[int, int] = (
        0,
        0,
    )  # height and width of the source picture; (0, 0) where it could not be read
    masked: float | None = None  # share of the source picture that a mask removed
    quality: dict[str, float] | None = None  # of an aligned face
    code: str | None = None  # its perceptual hash in hexadecimal, where near copies are looked for


def prepare_faces(spec: PrepareSpec, face: Face) -> list[tuple[PreparedFace, bytes]]:
    """The faces of one listed image with their pixels (uint8 (H, W, C)): one, or several where all faces of a
    photograph are aligned."""
    size = (0, 0)
    try:
        image, masked = _picture(spec, face)
        size = (image.height, image.width)
        if spec.alignment is None:
            return [_finish(spec, face.id, image, size, masked)]
        finished = []
        for number, (picture, quality) in enumerate(_aligned(spec.alignment, image, face.points), start=1):
            key = face.id if number == 1 else f"{face.id}#{number}"
            size_aligned = (picture.height, picture.width)
            finished.append(_finish(spec, key, picture, size_aligned, masked, quality))
        return finished
    except ImageError as error:
        return [(PreparedFace(face.id, False, str(error), size), b"")]


def prepare_chunk(spec: PrepareSpec, faces: Sequence[Face]) -> tuple[list[list[PreparedFace]], bytes]:
    """`prepare_faces` for each of some listed images: the results of each, and the pixels of all one after
    another."""
    results, pixels = [], []
    require(files_of(faces))
    if spec.alignment and spec.alignment.weights:
        require_here(spec.alignment.weights)
    for place, face in enumerate(faces):
        working_on(place)
        finished = prepare_faces(spec, face)
        results.append([item for item, _ in finished])
        pixels += [image for _, image in finished]
    return results, b"".join(pixels)


def files_of(faces: Sequence[Face]) -> list[Path]:
    """The files that some listed images are read from: photographs, and those of masks."""
    files = []
    for face in faces:
        if isinstance(face.image, Path):
            files.append(face.image)
        files += getattr(face.mask, "files", ())
    return files


def _picture(spec: PrepareSpec, face: Face) -> tuple[Image.Image, float | None]:
    if isinstance(face.image, Path):
        image = read_photo(source(face.image), own=False)
    elif isinstance(face.image, StoredImage):
        image = read_photo(face.image.read(), own=False)
    elif isinstance(face.image, np.ndarray):
        image = to_rgb(Image.fromarray(face.image))
    else:
        image = Image.fromarray(face.image.render(spec.template.height, spec.template.width))
    if spec.background == "keep":
        return image, None
    if face.mask is None:
        raise ImageError("no mask")
    return replace_background(image, face.mask.load(), spec.background)


def _finish(
    spec: PrepareSpec,
    key: str,
    image: Image.Image,
    size: tuple[int, int],
    masked: float | None,
    quality: dict[str, float] | None = None,
) -> tuple[PreparedFace, bytes]:
    if spec.cropped:
        pixels = spec.template.resize(image, spec.enlarge)
    else:
        pixels = spec.template.prepare(image)
    code = perceptual_hash(pixels).hex() if spec.hashed else None
    content = pixels.tobytes()
    return PreparedFace(key, True, hashlib.sha256(content).hexdigest(), size, masked, quality, code), content


def replace_background(
    image: Image.Image, person: np.ndarray, background: str | tuple[int, int, int]
) -> tuple[Image.Image, float]:
    """The picture with all outside `person` (bool (H, W)) as one colour, or blurred; and the share that was
    replaced.

    Done at the larger of both sizes, before any downsampling. The mask loses its outermost pixels and gets a
    soft edge, so that no seam of the old background remains; a blurred background is blurred from background
    pixels alone, so that the person's colours do not bleed into it."""
    size = (max(image.width, person.shape[1]), max(image.height, person.shape[0]))
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    edge = EDGE * max(size) / 512
    mask = Image.fromarray(person.astype(np.uint8) * 255)
    if mask.size != size:
        mask = mask.resize(size, Image.Resampling.BILINEAR)
    inner = mask.filter(ImageFilter.GaussianBlur(edge)).point(INWARDS)
    if background == "blur":
        behind = _blurred_behind(image, mask, 0.05 * max(size))
    else:
        behind = Image.new("RGB", size, background)
    return Image.composite(image, behind, inner), float(1 - person.mean())


# From a blurred mask's levels to opacity: all of the soft edge lies inside the mask.
INWARDS = [max(0, min(255, round((level - 140) * 255 / 90))) for level in range(256)]


def _blurred_behind(image: Image.Image, mask: Image.Image, radius: float) -> Image.Image:
    """The background alone, blurred: a weighted blur in which the person has no weight."""
    outside = mask.point(lambda v: 255 if v == 0 else 0)
    shown = Image.composite(image, Image.new("RGB", image.size), outside)
    colour = np.asarray(shown.filter(ImageFilter.GaussianBlur(radius)), np.float32)
    weight = np.asarray(outside.filter(ImageFilter.GaussianBlur(radius)), np.float32)[..., None] / 255
    mean = colour.sum((0, 1)) / max(float(weight.sum()), 1.0)
    blurred = np.where(weight > 0.02, colour / np.maximum(weight, 0.02), mean)
    return Image.fromarray(blurred.clip(0, 255).astype(np.uint8))


def _aligned(
    alignment: Alignment, image: Image.Image, points: np.ndarray | None
) -> list[tuple[Image.Image, dict[str, float]]]:
    """The aligned faces of a picture with their quality: the one with the given points, else those that the
    detector finds."""
    if points is None:
        found = detector(alignment.detector, alignment.weights)(image)
    else:
        found = [align.given_face(points, image)]
    if not found:
        raise ImageError("no face found")
    template = align.TEMPLATES[alignment.template]
    if alignment.all_faces:
        measured = [(face, align.quality(face, image)) for face in found]
    else:
        measured = [align.main_face(found, image)]
    aligned = []
    for face, quality in measured:
        if quality["eye_distance"] >= alignment.min_eye_distance:
            aligned.append((align.align(image, face, template), quality))
    if not aligned:
        raise ImageError(f"face smaller than {alignment.min_eye_distance:g} px between the eyes")
    return aligned


@cache
def detector(name: str, weights: Path | None) -> detectors.Detector:
    """The detector, opened once in each process."""
    return detectors.open_detector(name, weights)
