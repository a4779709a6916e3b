"""What is asked of `prepare`, checked before anything is read: the decisions about pixels, the options of a source, the
split."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from PIL import ImageColor

from facespace.core.errors import UsageError, check_seed, choose, suggest
from facespace.data.faces import SPLITS
from facespace.data.processing import Alignment, Making
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
    align: bool | Alignment,
    cropped: str | None,
    enlarge: bool,
) -> Making:
    """The decisions about pixels; UsageError for those that do not go together."""
    alignment = _alignment(align)
    _check_cropped(cropped, enlarge, crop, alignment)
    if (crop or cropped or alignment) and not chosen.needs_root:
        option = "crop" if crop else "cropped" if cropped else "align"
        raise UsageError(f"The source {source} is drawn at its final size; leave out --{option}.")
    height, width = (size, size) if isinstance(size, int) else size or chosen.size
    channels = 1 if (chosen.gray if gray is None else gray) else 3
    named = cropped or crop or ("center-148" if alignment else chosen.crop)
    template = Template(height, width, channels, named)
    return Making(template, _colour(background), alignment, cropped is not None, enlarge)


def _alignment(align: bool | Alignment) -> Alignment | None:
    if not align:
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
            "--cropped fit says nothing: fit takes whole pictures as they are. Leave --cropped out and give --crop fit, "
            "or name the crop that the pictures are, such as center-148."
        )
    if crop not in (None, cropped):
        raise UsageError(
            f"--cropped {cropped} says that the pictures already are cropped; leave out --crop {crop}."
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
    """UsageError for a split that is none."""
    if split is not None and split not in SPLITS:
        raise UsageError(f"--split takes {', '.join(SPLITS[:-1])} or {SPLITS[-1]}; got {split!r}.")


def check_options(chosen: Source, source: str, options: dict[str, Any]) -> SourceOptions:
    """The options of a source; UsageError for unknown ones, those of other sources and impossible values."""
    known = [field.name for field in fields(SourceOptions)]
    for name, value in options.items():
        if name not in known:
            raise UsageError(f"Unknown option {name!r}. {suggest(name, known)}")
        if name not in ("limit", "seed", *chosen.takes) and value != getattr(SourceOptions(), name):
            takers = ", ".join(key for key, row in SOURCES.items() if name in row.takes)
            raise UsageError(f"--{name} is not for the source {source}, but for: {takers}.")
    asked = SourceOptions(**options)
    check_seed(asked.seed)
    if asked.limit is not None and asked.limit < 1:
        raise UsageError(f"--limit must be at least 1; got {asked.limit}.")
    return replace(asked, table=Path(asked.table) if asked.table else None)
