"""One HTML page of sections: headings, paragraphs, pictures and tables. The page is self-contained, needs no
network and can be printed. The templates escape every text, so that no name can become markup."""

import base64
import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jinja2
from matplotlib.figure import Figure
from PIL import Image

from facespace.report import charts
from facespace.report.tables import NONE, plain

TEMPLATES = Path(__file__).parent / "templates"
REPORT = "report.html"  # the template of a report
PNG_LIMIT = 400_000  # bytes; a larger image grid is embedded as JPEG, which takes a fifth of the size
CSS_DPI = 96  # CSS pixels per inch


class Picture(NamedTuple):
    """An image with the caption below it; `alt` describes the image for readers who cannot see it."""

    caption: str
    image: (
        bytes | Image.Image | str
    )  # the bytes of a PNG, an image grid, or the name of a file beside the page
    alt: str = ""


class Section(NamedTuple):
    """A part of a page. Empty lines separate the paragraphs of `text`. The first row of a `table` is its
    head, which is omitted if all its cells are empty. `code` is shown in a fixed-width font."""

    heading: str
    text: str
    pictures: Sequence[Picture | tuple[str, bytes | Image.Image | str]] = ()
    table: Sequence[Sequence[str]] = ()
    code: str = ""


class _EmbeddedImage(NamedTuple):
    """The attributes of an <img> element; width and height in CSS pixels, 0 for an image in a file of its
    own."""

    source: str
    alt: str
    caption: str
    width: int
    height: int


def render_page(title: str, sections: Sequence[Section], template: str = REPORT, **values: str | int) -> str:
    """The page as HTML with embedded images. `values` are what a template needs beside title and sections."""
    text = _environment().get_template(template).render(title=title, sections=sections, **values)
    return text.encode("utf-8", "replace").decode(
        "utf-8"
    )  # a file name may hold bytes that are not valid text


def as_text(value: object) -> str:
    """A value of a protocol as text: sizes as 64×64, other lists with commas, mappings as names and
    values."""
    if isinstance(value, Mapping):
        pairs = [f"{_readable(name)} {as_text(one)}" for name, one in value.items()]
        return ", ".join(pairs)
    if isinstance(value, list):
        is_size = all(isinstance(one, int) for one in value)
        separator = "×" if is_size else ", "
        return separator.join(map(str, value))
    return plain(str(value))


def protocol_rows(protocol: Mapping[str, object]) -> list[list[str]]:
    """The table of a protocol: one row (name, value) per entry, below an empty head."""
    rows = [["", ""]]
    for name, value in protocol.items():
        rows.append([_readable(name), as_text(value)])
    return rows


def png(figure: Figure, colours: int | None = None) -> bytes:
    """A figure as PNG. A palette of `colours` takes a third of the size; it suits maps, whose marks are
    transparent."""
    file = io.BytesIO()
    figure.savefig(file, dpi=charts.DPI, format="png")
    if not colours:
        return file.getvalue()
    paletted = Image.open(file).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    file = io.BytesIO()
    paletted.save(file, "PNG", optimize=True, dpi=(charts.DPI, charts.DPI))
    return file.getvalue()


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["image"] = _embed
    environment.tests["number"] = _is_number
    return environment


def _readable(name: str) -> str:
    return plain(name.replace("_", " "))


def _embed(picture: Picture | tuple[str, bytes | Image.Image | str]) -> _EmbeddedImage:
    complete = picture if isinstance(picture, Picture) else Picture(*picture)
    caption, image, alt = complete.caption, complete.image, complete.alt or complete.caption
    if isinstance(image, str):
        return _EmbeddedImage(image, alt, caption, 0, 0)
    kind, content, width, height = _encoded(image)
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return _EmbeddedImage(source, alt, caption, width, height)


def _encoded(image: bytes | Image.Image) -> tuple[str, bytes, int, int]:
    """(format, bytes, width and height in CSS pixels)."""
    if isinstance(image, bytes):
        opened = Image.open(io.BytesIO(image))
        scale = CSS_DPI / opened.info.get("dpi", (CSS_DPI, CSS_DPI))[0]
        return "png", image, round(opened.width * scale), round(opened.height * scale)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    if file.tell() <= PNG_LIMIT:
        return "png", file.getvalue(), image.width, image.height
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=92, subsampling=0)
    return "jpeg", file.getvalue(), image.width, image.height


def _is_number(cell: str) -> bool:
    """Whether a table cell is set flush right: a number, a percentage or a dash for a missing one."""
    try:
        float(cell.replace(",", "").replace("−", "-").removesuffix("%").strip())
    except ValueError:
        return cell == NONE
    return True
