"""What callers hand to a space, checked: pictures, latents, attributes and numbers. Arrays out; no model."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facespace.core.errors import ImageError, UsageError, choose, suggest
from facespace.image.photos import read_photo
from facespace.models.prior_facts import GUIDANCE_LIMIT

LARGEST = float(np.finfo(np.float32).max)

Picture = Image.Image | np.ndarray | str | Path
Images = Picture | Sequence[Image.Image] | Sequence[np.ndarray] | Sequence[str] | Sequence[Path]
Given = Mapping[str, float] | None  # attributes by name: > 0 yes, < 0 no; others are unknown


def pictures(images: Images) -> list[Image.Image]:
    """Pillow images of a picture, an array uint8 (H, W, C) or (N, H, W, C), the path of a file (str or Path),
    or an iterable of these. Files and Pillow images are turned as their EXIF orientation says, arrays are
    taken as they are. Raises UsageError for anything else, ImageError for a file that cannot be read."""
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, np.ndarray):
        return _pictures_of_array(images)
    if isinstance(images, str | Path):
        return [_read(Path(images))]
    if not isinstance(images, list | tuple | Iterator):
        raise UsageError(
            "Faces are Pillow images, uint8 arrays (N, H, W, C), paths of photographs, or lists of these; "
            f"got {type(images).__name__}."
        )
    found: list[Image.Image] = []
    for image in images:
        found += pictures(image)
    return found


def _read(path: Path) -> Image.Image:
    try:
        return read_photo(path)
    except ImageError as error:
        raise ImageError(f"{path} cannot be used: {error}. Name a photograph.") from error


def _pictures_of_array(images: np.ndarray) -> list[Image.Image]:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[-1] not in (1, 3):
        raise UsageError(
            f"Faces are uint8 arrays (N, H, W, C) with C 1 or 3; got {images.dtype} {images.shape}."
        )
    stack = images[None] if images.ndim == 3 else images
    if stack.shape[-1] == 1:
        stack = stack[..., 0]
    return [Image.fromarray(face) for face in stack]


def is_latents(key: Images) -> bool:
    """Whether an array holds latents (N, D) or (D,) rather than pictures."""
    return isinstance(key, np.ndarray) and key.ndim < 3 and key.dtype.kind == "f"


def check_latents(z: Any, dim: int) -> np.ndarray:
    """Latents (N, D), or one (D,), as float32 (N, D). Raises UsageError for another shape, NaN and
    infinities."""
    latents = np.asarray(z, dtype=np.float32)
    if latents.ndim == 1:
        latents = latents[None]
    if latents.ndim != 2 or latents.shape[1] != dim:
        raise UsageError(
            f"These latents are {tuple(np.shape(z))}; this space takes (N, {dim}). "
            "Were they encoded by another space?"
        )
    if not np.isfinite(latents).all():
        raise UsageError("These latents hold numbers that are not finite, which no face has.")
    return latents


def attribute_values(given: Given, conditions: Sequence[str]) -> np.ndarray:
    """Attributes float32 (A,) in the order of the conditions, NaN for those not given. Raises UsageError for
    other names, and for a space without conditions."""
    if given and not conditions:
        raise UsageError(
            "This space was trained without attributes, so none can be given. Train one with conditions: "
            f"facespace train RECIPE --data SET --to RUN --set model.conditions={','.join(given)}"
        )
    values = np.full(len(conditions), np.nan, np.float32)
    for name, value in (given or {}).items():
        if name not in conditions:
            raise UsageError(f"This space has no condition {name!r}. {suggest(name, conditions)}")
        values[list(conditions).index(name)] = number(name, value)
    return values


def condition_values(origin: str, known: Sequence[str], given: Mapping[str, float]) -> np.ndarray:
    """Attributes float32 (A,) in the order of the conditions of a prior of that `origin`: 1 yes, −1 no, NaN
    for those not given. Raises UsageError for other names, and for a prior without conditions."""
    if not known:
        raise UsageError(
            f"New latents come from {origin}, which has no conditions. Fit a prior with conditions to "
            "a set with attributes: facespace fit-prior SPACE --data SET --kind flow"
        )
    columns = {name: column for column, name in enumerate(known)}
    y = np.full(len(known), np.nan, np.float32)
    for name, value in given.items():
        y[choose(columns, name, "condition")] = math.copysign(1, number(name, value))
    return y


def number(name: str, value: Any) -> float:
    """A given value as a float that fits 32 bits; True is 1 and False −1, as signs are."""
    if isinstance(value, bool):
        value = 1 if value else -1
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) < LARGEST:
        raise UsageError(
            f"{name} is given as a finite number, such as 1 for yes and -1 for no; got {value!r}."
        )
    return found


def check_guidance(guidance: float) -> float:
    """Raises UsageError for a strength of guidance outside [0, GUIDANCE_LIMIT]."""
    if not 0 <= guidance <= GUIDANCE_LIMIT:
        raise UsageError(
            f"The guidance must lie in [0, {GUIDANCE_LIMIT}] (1 is the condition alone); got {guidance}."
        )
    return guidance
