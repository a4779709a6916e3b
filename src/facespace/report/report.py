"""A finished report: its numbers as JSON, a page to read, pictures and tables in one folder, and a summary
for the terminal. Every command that measures something writes its results through this class; it measures
nothing itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from PIL import Image

from facespace.core import html
from facespace.core.cards import Card
from facespace.core.files import build_folder, check_target, holds_only, write_atomically, write_json
from facespace.core.locks import writing
from facespace.report import charts
from facespace.report.glossary import glossary
from facespace.report.page import REPORT, Section, protocol_rows, render_page

GOOD, POOR, NOTE = "good", "poor", "note"

Writer = Callable[[Path], object]  # writes a file at the path that it is called with
Content = bytes | str | Image.Image | Figure | Writer


class Finding(NamedTuple):
    """One conclusion from the numbers."""

    kind: str  # GOOD, POOR or NOTE
    text: str
    change: str = ""  # how to improve it


class Layout(NamedTuple):
    """The files of one kind of report. `kind` names it with its article, as in "an evaluation"; the numbers
    are in `name`.json, and `others` are the names that pictures and tables may have, `older` those that
    earlier versions wrote. Without `page` no page is written."""

    kind: str
    name: str
    page: str | None = "index.html"
    others: tuple[str, ...] = ()
    template: str = REPORT
    older: tuple[str, ...] = ()

    @property
    def json(self) -> str:
        """Name of the file with the numbers."""
        return f"{self.name}.json"

    def check(self, to: Path | str, force: bool = False) -> None:
        """Raises UsageError unless the folder `to` is new, empty, or, with `force`, holds an older report of
        this kind."""
        pages = [self.page] if self.page else []
        check_target(Path(to), self.kind, holds_only(self.json, *pages, *self.others, *self.older), force)


@dataclass(frozen=True)
class Report:
    """What is written of one measurement.

    `results` is the content of the JSON file beside `protocol` and `findings`; `figures` and `tables` map
    file names to their content: bytes, text, an image, a matplotlib figure, or a function that writes the
    file. `left_out` has a sentence for each quantity that could not be measured, and `headlines` are the
    lines of the terminal summary."""

    layout: Layout
    title: str
    protocol: Mapping[str, object]
    results: Mapping[str, object]
    findings: Sequence[Finding] = ()
    summary: str = ""  # text of the first section, beside the findings
    sections: Sequence[Section | None] = ()  # None is skipped
    figures: Mapping[str, Content] | None = None
    tables: Mapping[str, Content] | None = None
    headlines: Sequence[str] = ()
    left_out: Sequence[str] = ()
    protocol_text: str = ""  # beside the table of the protocol
    seconds: Mapping[str, float] | float | None = None  # duration, of each part or in all

    def write(self, to: Path | str, force: bool = False) -> Path:
        """Writes the folder `to`, whole or not at all, and returns the path of the page, or of the JSON file
        if there is no page. Raises UsageError if the folder may not be replaced (see `Layout.check`)."""
        to = Path(to)
        with writing(to):
            self.layout.check(to, force)
            with build_folder(to) as folder:
                self.write_files(folder)
        return to / (self.layout.page or self.layout.json)

    def write_files(self, folder: Path) -> None:
        """Writes the files into an existing folder, each whole or not at all, and leaves other files as they
        are."""
        write_json(folder / self.layout.json, self.document())
        for name, content in {**(self.figures or {}), **(self.tables or {})}.items():
            with write_atomically(folder / name) as path:
                _write(path, content)
        if self.layout.page:
            with write_atomically(folder / self.layout.page) as path:
                path.write_text(self.html(), encoding="utf-8")

    def document(self) -> Card:
        """The content of the JSON file."""
        document: Card = {"protocol": self.protocol, **self.results}
        if self.findings:
            document["findings"] = [finding._asdict() for finding in self.findings]
        return document

    def written(self, to: Path | str, force: bool = False) -> "Results":
        """Writes the folder, and returns the content of the JSON file with the keys `to`, `page` and
        `text`, the summary; it shows itself in notebooks."""
        page = self.write(to, force)
        results = Results({**self.document(), "to": str(to), "page": str(page), "text": self.brief()})
        results.title = self.title
        return results

    def _repr_html_(self) -> str:
        return brief_html(self.title, self.brief())

    def html(self) -> str:
        """The page: the findings first, then the sections, the protocol, and the terms that occur on it."""
        sections: list[Section | None] = []
        if self.findings or self.summary:
            sections.append(verdict(self.findings, self.summary))
        sections += self.sections
        sections.append(self._protocol_section())
        present = [section for section in sections if section]
        terms = glossary(present)
        if terms:
            present.append(terms)
        return render_page(self.title, present, self.layout.template)

    def brief(self) -> str:
        """The headlines, findings and omissions as text for the terminal."""
        return brief(self.headlines, self.findings, self.left_out)

    def _protocol_section(self) -> Section | None:
        if not self.protocol:
            return None
        text = " ".join(filter(None, [self.protocol_text, *self.left_out])) or "Nothing was left out."
        timed = {} if self.seconds is None else {"seconds": self.seconds}
        return Section("How this was measured", text, table=protocol_rows({**self.protocol, **timed}))


class Results(dict[str, Any]):
    """What a measurement returned: the content of its JSON file. A notebook shows its title and summary."""

    title = "Results"

    def _repr_html_(self) -> str:
        return brief_html(self.title, str(self.get("text", "")), str(self.get("page", "")))


def brief_html(title: str, text: str, page: str = "") -> str:
    """A title, and a summary line by line, with the path of the whole page below it."""
    head = html.facts(title, [("page", page)])
    return f"<div>{head}{html.lines(line for line in text.splitlines() if line)}</div>"


def verdict(findings: Sequence[Finding], text: str = "") -> Section:
    """The first section of a page: what is good, what is poor, and how to improve it; `text` alone without
    findings."""
    if not findings:
        return Section("In short", text)
    good, _ = _texts(findings, GOOD)
    poor, changes = _texts(findings, POOR)
    notes, _ = _texts(findings, NOTE)
    nothing = "These figures do not say what would help." if poor else "Nothing."
    rows = [
        ["", ""],
        ["What is good", good or "Nothing stands out."],
        ["What is poor", poor or "Nothing stands out."],
        ["What to change", changes or nothing],
    ]
    if notes:
        rows.append(["Worth knowing", notes])
    return Section("In short", text, table=rows)


def brief(headlines: Sequence[str], findings: Sequence[Finding] = (), left_out: Sequence[str] = ()) -> str:
    """Headlines, then a line per finding, then the sentences about what was left out."""
    lines = list(headlines)
    if findings:
        lines.append("")
    for finding in findings:
        lines.append(f"{finding.kind:<5} {finding.text} {finding.change}".rstrip())
    return "\n".join([*lines, *left_out])


def _texts(findings: Sequence[Finding], kind: str) -> tuple[str, str]:
    """The texts of the findings of one kind, and how to improve what they found."""
    texts, changes = [], []
    for finding in findings:
        if finding.kind == kind:
            texts.append(finding.text)
            changes.append(finding.change)
    return " ".join(texts), " ".join(filter(None, changes))


def _write(path: Path, content: Content) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8", errors="replace")
    elif isinstance(content, Image.Image):
        content.save(path)
    elif isinstance(content, Figure):
        charts.save(content, path)
    else:
        content(path)
