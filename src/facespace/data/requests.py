"""The arguments of `prepare`, checked before anything is read: the decisions about pixels, the options of a
source, the split."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import ImageColor

from facespace.core.errors import UsageError, check_seed, choose, suggest
from facespace.data.faces import SPLITS
from facespace.data.processing import Alignment, PrepareSpec
from facespace.data.sources import SOURCES, Source, SourceOptions
from facespace.image import detectors
from facespace.image.align import TEMPLATES
from facespace.image.photos import Template


def check_pixels(
    chosen: Source,
    source: str,
    size: int | tuple[int, int] | None,
    crop: str | None,
    gray: bool | None,
    background: str,
    align: bool | str | Alignment,
    cropped: str | None,
    enlarge: bool,
) -> PrepareSpec:
    """The decisions about pixels. Raises UsageError for contradictory ones."""
    if background != "keep" and not chosen.has_masks:
        raise UsageError(f"The source {source} has no masks, so --background cannot be replaced.")
    alignment = _alignment(align)
    _check_cropped(cropped, enlarge, crop, alignment)
    if not chosen.needs_root:
        _check_rendered(source, {"crop": crop, "cropped": cropped, "align": alignment})
    height, width = (size, size) if isinstance(size, int) else size or chosen.size
    if gray is None:
        gray = chosen.gray
    template = Template(height, width, 1 if gray else 3, cropped or crop or _usual_crop(chosen, alignment))
    return PrepareSpec(template, _colour(background), alignment, cropped is not None, enlarge)


def _check_rendered(source: str, options: Mapping[str, object]) -> None:
    for name, value in options.items():
        if value:
            raise UsageError(f"The source {source} is drawn at its final size; leave out --{name}.")


def _usual_crop(chosen: Source, alignment: Alignment | None) -> str:
    return "center-148" if alignment else chosen.crop


def _alignment(align: bool | str | Alignment) -> Alignment | None:
    if not align or align == "no":
        return None
    alignment = align if isinstance(align, Alignment) else Alignment()
    choose(TEMPLATES, alignment.template, "template")
    name, weights = detectors.resolve(alignment.detector, alignment.weights)
    return replace(alignment, detector=name, weights=weights)


def _check_cropped(cropped: str | None, enlarge: bool, crop: str | None, alignment: Alignment | None) -> None:
    if cropped is None:
        if enlarge:
            raise UsageError(
                "--enlarge is for pictures that were cropped elsewhere; name their crop with --cropped."
            )
        return
    if cropped == "fit":
        raise UsageError(
            "--cropped fit has no meaning: fit takes whole pictures. "
            "Leave --cropped out and give --crop fit, "
            "or name the crop that the pictures already are, such as center-148."
        )
    if crop not in (None, cropped):
        raise UsageError(
            f"--cropped {cropped} means that the pictures already are cropped; leave out --crop {crop}."
        )
    if alignment:
        raise UsageError(
            f"--cropped {cropped} takes each picture as it is, so faces cannot be aligned; leave out --align."
        )


def _colour(background: str) -> str | tuple[int, int, int]:
    if background in ("keep", "blur"):
        return background
    try:
        return ImageColor.getcolor(background, "RGB")[:3]  # type: ignore[index, return-value]
    except ValueError as error:
        raise UsageError(
            f"--background takes keep, blur or a colour such as black or #8899aa; got {background!r}."
        ) from error


def check_split(split: str | None) -> None:
    """Raises UsageError for a split that does not exist."""
    if split is not None and split not in SPLITS:
        raise UsageError(f"--split takes {', '.join(SPLITS[:-1])} or {SPLITS[-1]}; got {split!r}.")


def check_options(chosen: Source, source: str, options: dict[str, Any]) -> SourceOptions:
    """The options of a source. Raises UsageError for unknown ones, those of other sources and invalid
    values."""
    defaults = vars(SourceOptions())
    for name, value in options.items():
        if name not in defaults:
            raise UsageError(f"Unknown option {name!r}. {suggest(name, defaults)}")
        if name not in ("limit", "seed", *chosen.takes) and value != defaults[name]:
            takers = ", ".join(key for key, row in SOURCES.items() if name in row.takes)
            raise UsageError(f"--{name} is not for the source {source}, but for: {takers}.")
    checked = SourceOptions(**options)
    check_seed(checked.seed)
    if checked.limit is not None and checked.limit < 1:
        raise UsageError(f"--limit must be at least 1; got {checked.limit}.")
    if not checked.table:
        return replace(checked, table=None)
    return replace(checked, table=Path(checked.table))
