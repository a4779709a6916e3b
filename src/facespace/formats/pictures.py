"""How a file reads photographs: the crop and size of a template, as variables of pictures.jinja. Imports no
torch."""

from typing import NotRequired, TypedDict

from facespace.formats.docstrings import plain_text
from facespace.image.photos import Template
from facespace.recipes.config import Recipe

# Height and width of the pictures of sources that a fixed crop was made for.
SOURCE_SIZES = {"celeba": (218, 178), "lfw": (250, 250)}


def template_of(plan: Recipe) -> Template:
    """The template of a set that is prepared as the recipe says."""
    channels, height, width = plan.model.image
    source = SOURCE_SIZES.get(plan.data.source)
    return Template(height, width, channels, plan.data.crop, None if plan.data.crop == "fit" else source)


class PictureFields(TypedDict):
    """The variables of pictures.jinja; the last two only where the size of whole pictures is known."""

    height: int
    width: int
    channels: int
    gray: bool
    pixels: str  # (H, W, C) as text
    pixels_plain: str
    pixels_plain_tuple: tuple[int, int, int]
    resized: tuple[int, int]
    source_size: tuple[int, int] | None  # width, height
    source_note: NotRequired[str]
    box: NotRequired[tuple[float, float, float, float]]


def picture_fields(template: Template, source: str) -> PictureFields:
    """The variables of pictures.jinja."""
    shape = (template.height, template.width, template.channels)
    fields: PictureFields = {
        "height": template.height,
        "width": template.width,
        "channels": template.channels,
        "gray": template.channels == 1,
        "pixels": f"({', '.join(map(str, shape))})",
        "pixels_plain": ", ".join(map(str, shape)),
        "pixels_plain_tuple": shape,
        "resized": (template.width, template.height),
        "source_size": None,
    }
    if template.source:
        height, width = template.source
        fields["source_size"] = (width, height)
        fields["source_note"] = f"a whole picture of {plain_text(source)}: its crop {template.crop}"
        fields["box"] = template.box(width, height)
    return fields
