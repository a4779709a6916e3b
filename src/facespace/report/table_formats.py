"""A table of metrics as Markdown, LaTeX (booktabs) and CSV. Formats text; knows nothing of files."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from facespace.core import html
from facespace.core.cells import as_text
from facespace.report.metrics import HIGHER, LOWER
from facespace.report.run_files import at
from facespace.report.tables import NONE, markdown, plain

if TYPE_CHECKING:
    from facespace.report.metric_table import Column, MetricTable, Row

ARROWS = {HIGHER: "↑", LOWER: "↓"}
SUPERSCRIPTS = dict(zip("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"))
# Characters with a meaning in LaTeX, and those that its fonts lack in text mode.
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # behind the end of a line it would be its argument
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": r"$-$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "÷": r"$\div$",
    "β": r"$\beta$",
    "σ": r"$\sigma$",
    "³": r"\textsuperscript{3}",
    "²": r"\textsuperscript{2}",
    "–": "--",
    "’": "'",
}
# Columns of the CSV about a space: the head, and the keys of its value in compare.json.
FACTS = {
    "recipe": ("recipe",),
    "image": ("model", "image"),
    "parameters": ("model", "parameters"),
    "latents": ("model", "latents"),
    "likelihood": ("model", "likelihood"),
    "step": ("step",),
    "weights": ("weights",),
    "samples_from": ("samples_from",),
    "training_set": ("trained_on", "source"),
    "training_faces": ("trained_on", "faces"),
    "training_crop": ("trained_on", "crop"),
    "training_set_fingerprint": ("trained_on", "fingerprint"),
}
PROTOCOL = (
    "set",
    "set_fingerprint",
    "split",
    "count",
    "samples",
    "crop",
    "size",
    "seed",
    "temperature",
    "features",
    "facespace",
)


def to_markdown(table: "MetricTable") -> str:
    """The table as Markdown, footnotes and protocol below it. Signs of footnotes are raised letters."""
    rows = [["", *map(_heading, table.columns)]]
    for row in table.rows:
        cells = [plain(row.name) + " ".join(map(_sign, row.marks))]
        for column in table.columns:
            cells.append(_markdown_cell(column, row))
        rows.append(cells)
    lines = markdown(rows)
    for mark, text in table.footnotes.items():
        lines += ["", f"{_sign(mark)} {text}"]
    lines.append("")
    for text in table.protocol:
        lines.append(f"* {text}")
    return "\n".join(lines)


def to_html(table: "MetricTable") -> str:
    """The same as HTML for a notebook; the best values are marked by a star."""
    rows = []
    for row in table.rows:
        cells = [plain(row.name) + " ".join(map(_sign, row.marks))]
        for column in table.columns:
            cells.append(_markdown_cell(column, row).replace("**", ""))
            if not row.reference and column.is_best(row.cells[column.metric]):
                cells[-1] += " ★"
        rows.append(cells)
    notes = [f"{_sign(mark)} {text}" for mark, text in table.footnotes.items()]
    shown = html.table(["", *map(_heading, table.columns)], rows)
    return f"<div>{shown}{html.lines([*notes, *table.protocol])}</div>"


def _sign(mark: str) -> str:
    return SUPERSCRIPTS.get(mark, f"({mark})")


def _heading(column: "Column") -> str:
    return f"{column.label} {ARROWS.get(column.better, '')}".rstrip()


def _markdown_cell(column: "Column", row: "Row") -> str:
    cell = row.cells[column.metric]
    value, spread = column.text(cell)
    if not value:
        return NONE
    if not row.reference and column.is_best(cell):
        value = f"**{value}**"
    if spread:
        return f"{value} ± {spread}"
    return value


def to_latex(table: "MetricTable") -> str:
    """The table as a LaTeX float for `\\usepackage{booktabs}`: a head of two lines (metric, feature network
    or unit), a rule above the reference, then footnotes and protocol in small type."""
    columns = table.columns
    first, second = zip(*map(_split_heading, columns))
    body: list[str] = []
    references = False
    for row in table.rows:
        if row.reference and not references:
            body.append(r"    \midrule")
        references = row.reference
        cells = [_latex_name(row)]
        for column in columns:
            cells.append(_latex_cell(column, row))
        body.append(_latex_line(cells))
    lines = [
        r"% \usepackage{booktabs} in the preamble; pdfLaTeX, XeLaTeX or LuaLaTeX",
        r"\begin{table}",
        r"  \centering",
        r"  \small",
        r"  \setlength{\tabcolsep}{4pt}",
        r"  \caption{Metrics of face latent spaces.}",
        r"  \label{tab:facespace}",
        rf"  \begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"    \toprule",
        _latex_line(["", *first]),
        _latex_line(["", *second]),
        r"    \midrule",
        *body,
        r"    \bottomrule",
        r"  \end{tabular}",
        r"  \par\medskip",
        r"  \begin{minipage}{\linewidth}\footnotesize\raggedright",
        *_latex_notes(table),
        r"  \end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_notes(table: "MetricTable") -> Iterator[str]:
    """Footnotes and protocol, a paragraph each."""
    for mark, text in table.footnotes.items():
        yield rf"  \textsuperscript{{{mark}}} {escape(text)}\par"
    for text in table.protocol:
        yield rf"  {escape(text)}\par"


def escape(text: str) -> str:
    """A text for LaTeX: characters with a meaning there are set as themselves, control characters as
    question marks."""
    return "".join(LATEX.get(letter, letter) for letter in plain(text))


def _split_heading(column: "Column") -> tuple[str, str]:
    """(label with its arrow, what stands in brackets or behind a comma), for the two lines of the head."""
    arrow = escape(ARROWS.get(column.better, ""))
    first, bracket, rest = column.label.partition(" (")
    if not bracket:
        first, bracket, rest = column.label.partition(", ")
        rest = f"{rest})"
    second = f"({rest}" if bracket else ""
    return f"{escape(first)} {arrow}".rstrip(), escape(second)


def _latex_name(row: "Row") -> str:
    if not row.marks:
        return escape(row.name)
    return rf"{escape(row.name)}\textsuperscript{{{','.join(row.marks)}}}"


def _latex_cell(column: "Column", row: "Row") -> str:
    cell = row.cells[column.metric]
    value, spread = column.text(cell)
    if not value:
        return "--"
    text = escape(_minus(value))
    if not row.reference and column.is_best(cell):
        text = rf"\textbf{{{text}}}"
    if spread:
        return rf"{text} $\pm$ {escape(spread)}"
    return text


def _minus(number: str) -> str:
    return number.replace("-", "−")


def _latex_line(cells: Sequence[str]) -> str:
    return rf"    {' & '.join(cells)} \\"


def to_csv(table: "MetricTable") -> str:
    """The table as CSV: a line for each row with its facts, each metric unrounded with its uncertainty beside
    it, the footnotes and the protocol. Empty cells are unknown or were not measured."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    measured = []
    for column in table.columns:
        measured += [column.metric, f"{column.metric}_uncertainty"]
    lines.writerow(["run", *FACTS, *measured, "notes", *map("protocol_{}".format, PROTOCOL)])
    protocol = table.document.get("protocol", {})
    for row in table.rows:
        values: list[object] = [row.name]
        for keys in FACTS.values():
            values.append(at(row.facts, *keys))
        for column in table.columns:
            values += row.cells[column.metric]
        values.append(" ".join(map(table.footnotes.__getitem__, row.marks)))
        lines.writerow(map(_csv_cell, [*values, *map(protocol.get, PROTOCOL)]))
    return text.getvalue()


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)  # the shortest text that reads back as the same number
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return as_text(plain(str(value)))
