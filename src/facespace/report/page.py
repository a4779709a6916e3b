"""One self-contained page of sections: headings, words, pictures and tables, which any browser shows without a network
and any printer prints. Knows nothing of what it tells."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from PIL import Image

from facespace.report import charts

PNG_UP_TO = 400_000  # bytes: larger sheets of faces travel as JPEG, a fifth of the size
DOTS = 96  # of CSS, an inch


class Picture(NamedTuple):
    """A picture under which its caption stands; `alt` says in words what it shows, for those who cannot see it."""

    caption: str
    image: bytes | Image.Image  # of a PNG, or a sheet of faces
    alt: str = ""


class Section(NamedTuple):
    """A part of a page. Paragraphs of `text` are parted by an empty line; the first row of a `table` is its head, which
    is left out where all its cells are empty."""

    heading: str
    text: str
    pictures: Sequence[Picture | tuple[str, bytes | Image.Image]] = ()
    table: Sequence[Sequence[str]] = ()


def page(title: str, sections: Sequence[Section]) -> str:
    """The page as HTML, pictures within; texts are escaped."""
    links = [
        f'<li><a href="#part-{place}">{html.escape(section.heading)}</a></li>'
        for place, section in enumerate(sections, start=1)
    ]
    contents = f"<nav aria-label='Contents'><ol>{''.join(links)}</ol></nav>" if len(links) > 2 else ""
    parts = [_section(place, section) for place, section in enumerate(sections, start=1)]
    body = "\n".join([f"<h1>{html.escape(title)}</h1>", contents, *parts])
    text = f"{HEAD.replace('TITLE', html.escape(title))}<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    return text.encode("utf-8", "replace").decode("utf-8")  # names of files may hold bytes that are no text


def words(value: Any, between: str = "×") -> str:
    """A fact of a protocol in words; `between` stands between the numbers of a list."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words(one, between)}" for name, one in value.items())
    return between.join(map(str, value)) if isinstance(value, list) else str(value)


def png(figure: Figure, colours: int | None = None) -> bytes:
    """A figure as a Picture takes it; with so many colours a third of the size, for maps, whose marks shine through each
    other."""
    file = io.BytesIO()
    figure.savefig(file, dpi=charts.DOTS, format="png")
    if not colours:
        return file.getvalue()
    few = Image.open(file).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    file = io.BytesIO()
    few.save(file, "PNG", optimize=True, dpi=(charts.DOTS, charts.DOTS))
    return file.getvalue()


def _section(place: int, section: Section) -> str:
    words = [f"<p>{html.escape(part)}</p>" for part in section.text.split("\n\n") if part.strip()]
    pictures = [
        _figure(picture if isinstance(picture, Picture) else Picture(picture[0], picture[1]))
        for picture in section.pictures
    ]
    heading = f'<h2 id="part-{place}">{html.escape(section.heading)}</h2>'
    return "\n".join(
        ["<section>", heading, *words, *pictures, _table(section.heading, section.table), "</section>"]
    )


def _figure(picture: Picture) -> str:
    kind, content, width, height = _encoded(picture.image)
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    alt, caption = html.escape(picture.alt or picture.caption), html.escape(picture.caption)
    image = f'<img src="{source}" alt="{alt}" width="{width}" height="{height}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _encoded(image: bytes | Image.Image) -> tuple[str, bytes, int, int]:
    """(format, bytes, width and height in CSS pixels)."""
    if isinstance(image, bytes):
        opened = Image.open(io.BytesIO(image))
        scale = DOTS / opened.info.get("dpi", (DOTS, DOTS))[0]
        return "png", image, round(opened.width * scale), round(opened.height * scale)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    if file.tell() <= PNG_UP_TO:
        return "png", file.getvalue(), image.width, image.height
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=92, subsampling=0)
    return "jpeg", file.getvalue(), image.width, image.height


def _table(name: str, rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head, *others = rows
    cells = "".join(f"<th scope='col'>{html.escape(cell)}</th>" for cell in head)
    above = f"<thead><tr>{cells}</tr></thead>" if any(head) else ""
    lines = []
    for first, *rest in others:
        kinds = [" class='number'" if _is_number(cell) else "" for cell in rest]
        cells = "".join(f"<td{kind}>{html.escape(cell)}</td>" for kind, cell in zip(kinds, rest))
        lines.append(f"<tr><th scope='row'>{html.escape(first)}</th>{cells}</tr>")
    label = html.escape(f"Table: {name}", quote=True)
    body = f"<table>{above}<tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="wide" role="region" aria-label="{label}" tabindex="0">{body}</div>'


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "").replace("−", "-").removesuffix("%").strip())
    except ValueError:
        return cell == "–"
    return True


HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
:root { color-scheme: light }
body { font: 17px/1.5 system-ui, sans-serif; margin: 0; color: #222; background: #fafafa }
main { max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .4rem }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; break-after: avoid }
p { max-width: 46rem; margin: .6rem 0; overflow-wrap: break-word }
nav ol { columns: 2; margin: 1rem 0; max-width: 46rem }
a { color: #00508c }
figure { margin: 1.2rem 0; break-inside: avoid }
img { max-width: 100%; height: auto; background: #fff; border: 1px solid #ddd }
figcaption { max-width: 46rem; margin-top: .3rem; font-size: .92rem; color: #444 }
.wide { overflow-x: auto; margin: 1.2rem 0 }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #ddd }
th[scope=row] { font-weight: normal }
td.number { text-align: right }
tr { break-inside: avoid }
@media (max-width: 40rem) { nav ol { columns: 1 } }
@media print {
  body { background: #fff; font-size: 10.5pt }
  main { max-width: none; margin: 0; padding: 0 }
  nav { display: none }
  .wide { overflow: visible }
  img { max-height: 22cm; width: auto }
}
</style>
</head>
"""
