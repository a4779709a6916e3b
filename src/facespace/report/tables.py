"""Tables as text: aligned columns for the terminal, Markdown for a file."""

from collections.abc import Sequence

NONE = "–"


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Lines with aligned columns, flush right for each True in `right`."""
    widths = _widths(rows)
    lines = []
    for row in rows:
        lines.append("  ".join(_padded(row, widths, right)).rstrip())
    return lines


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, aligned as plain text too. The first row is the head; the first column is flush left,
    the others are flush right."""
    escaped = list(map(_escaped, rows))
    right = [False] + [True] * (len(escaped[0]) - 1)
    widths = _widths(escaped, least=3)
    rule = list(map(_rule, widths, right))
    lines = []
    for row in (escaped[0], rule, *escaped[1:]):
        lines.append(f"| {' | '.join(_padded(row, widths, right))} |")
    return lines


def plain(name: str) -> str:
    """A file name as printable text; other characters become question marks."""
    text = ""
    for letter in name:
        text += letter if letter.isprintable() else "?"
    return text


def plain_name(attribute: str) -> str:
    """An attribute's name without underscores."""
    return attribute.replace("_", " ")


def signed(text: str) -> str:
    """Text whose hyphens are minus signs."""
    return text.replace("-", "−")


def format_number(value: float | None, form: str) -> str:
    """A number in the given format, or a dash."""
    if value is None:
        return NONE
    return format(value, form)


def _widths(rows: Sequence[Sequence[str]], least: int = 0) -> list[int]:
    """The width of each column in characters."""
    widths = []
    for column in zip(*rows):
        widths.append(max(least, *map(len, column)))
    return widths


def _padded(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    return list(map(_pad, row, widths, right))


def _pad(text: str, width: int, flush_right: bool) -> str:
    if flush_right:
        return text.rjust(width)
    return text.ljust(width)


def _escaped(row: Sequence[str]) -> list[str]:
    cells = []
    for text in row:
        cells.append(text.replace("|", "\\|"))
    return cells


def _rule(width: int, flush_right: bool) -> str:
    """The line below the head, with the colon on the side that a column is flush with."""
    dashes = "-" * (width - 1)
    if flush_right:
        return f"{dashes}:"
    return f":{dashes}"
