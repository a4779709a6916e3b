"""Small pieces of HTML with which objects show themselves in notebooks: a title, a table of facts, an
embedded picture. Every text is escaped, so that a name from a card or a folder cannot become markup."""

import base64
import html
from collections.abc import Iterable, Sequence

LEFT = 'style="text-align:left"'
LONGEST = 300  # characters of a text; the rest is left out


def text(value: object) -> str:
    """A value as escaped text of at most LONGEST characters."""
    whole = (
        str(value).encode("utf-8", "replace").decode("utf-8")
    )  # a file name may hold bytes that are no text
    return html.escape(whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 1]}…")


def facts(title: str, rows: Iterable[tuple[str, object]], *parts: str) -> str:
    """A title, a table with a name and a value a row, then `parts`, which are HTML already. Rows whose value
    is empty are left out."""
    cells = []
    for name, value in rows:
        if value not in (None, "", ()):
            cells.append(f"<tr>{_head(name)}<td {LEFT}>{text(value)}</td></tr>")
    return f"<div><strong>{text(title)}</strong><table>{''.join(cells)}</table>{''.join(parts)}</div>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a head; the first cell of a row names it."""
    titles = [f'<th scope="col">{text(cell)}</th>' for cell in head]
    made = [f"<tr>{''.join(titles)}</tr>"]
    for name, *cells in rows:
        values = [f"<td>{text(cell)}</td>" for cell in cells]
        made.append(f"<tr>{_head(name)}{''.join(values)}</tr>")
    return f"<table>{''.join(made)}</table>"


def _head(name: str) -> str:
    return f'<th scope="row" {LEFT}>{text(name)}</th>'


def lines(texts: Iterable[str]) -> str:
    """Each text as a line of its own."""
    return "".join(f"<div>{text(one)}</div>" for one in texts)


def picture(content: bytes, kind: str, alt: str) -> str:
    """An embedded picture: `content` is a file of that `kind` ("png" …), `alt` says what it shows."""
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return f'<img src="{source}" alt="{text(alt)}" style="max-width:100%">'
