"""Reports: what is written, what is replaced, and that no name becomes markup."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from facespace.core.errors import UsageError
from facespace.report.page import Picture, Section, render_page
from facespace.report.report import GOOD, NOTE, POOR, Finding, Layout, Report, verdict

HOSTILE = """</title></style><script>alert("1")</script><img src=x onerror='alert(2)'>&amp;{{ 7 * 7 }}"""
LAYOUT = Layout("a test report", "numbers", others=("faces.png", "curve.png", "raw.png", "table.md", "z.csv"))


def report(**changes):
    fields = dict(
        layout=LAYOUT,
        title="Title",
        protocol={"set": {"folder": "sets/a", "size": [64, 48]}, "rates": [0.5, 1.0]},
        results={"mse": 0.25},
        findings=[Finding(GOOD, "Sharp."), Finding(POOR, "Few faces.", "Add faces."), Finding(NOTE, "Slow.")],
        summary="Ten faces.",
        sections=[Section("First", "One.\n\nTwo."), None],
        headlines=["PSNR 21 dB"],
        left_out=["LPIPS is left out."],
    )
    return Report(**{**fields, **changes})


class Elements(HTMLParser):
    """Collects the elements, attributes and visible text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def test_a_report_is_one_folder_of_numbers_page_pictures_and_tables(tmp_path):
    gray = Image.fromarray(np.zeros((4, 4), np.uint8))
    figures = {"faces.png": gray, "curve.png": Figure((1, 1)), "raw.png": b"png"}
    tables = {"table.md": "| a |\n", "z.csv": lambda path: path.write_text("1\n")}
    made = report(figures=figures, tables=tables)
    assert made.write(tmp_path / "r") == tmp_path / "r/index.html"
    files = sorted(path.name for path in (tmp_path / "r").iterdir())
    assert files == sorted(["numbers.json", "index.html", *LAYOUT.others])
    assert json.loads((tmp_path / "r/numbers.json").read_text()) == {
        "protocol": made.protocol,
        "mse": 0.25,
        "findings": [finding._asdict() for finding in made.findings],
    }
    assert (tmp_path / "r/raw.png").read_bytes() == b"png" and (tmp_path / "r/z.csv").read_text() == "1\n"
    with Image.open(tmp_path / "r/faces.png") as image:
        assert image.size == (4, 4)


def test_an_older_report_is_replaced_with_force_only(tmp_path):
    report().write(tmp_path / "r")
    with pytest.raises(UsageError, match=r"already holds a test report\. Add --force"):
        report().write(tmp_path / "r")
    report(results={"mse": 0.5}).write(tmp_path / "r", force=True)
    assert json.loads((tmp_path / "r/numbers.json").read_text())["mse"] == 0.5
    (tmp_path / "r/thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        report().write(tmp_path / "r", force=True)


def test_the_page_opens_with_the_findings_and_ends_with_the_protocol():
    seen = Elements(report().html())
    positions = [seen.text.index(words) for words in ("In short", "Sharp.", "Add faces.", "Slow.", "Two.")]
    assert positions == sorted(positions)
    assert seen.text.rindex("How this was measured") > positions[-1]
    assert "folder sets/a, size 64×48" in seen.text and "0.5, 1.0" in seen.text
    assert "LPIPS is left out." in seen.text


def test_the_terminal_gets_headlines_findings_and_what_was_left_out():
    assert report().brief().split("\n") == [
        "PSNR 21 dB",
        "",
        "good  Sharp.",
        "poor  Few faces. Add faces.",
        "note  Slow.",
        "LPIPS is left out.",
    ]


@pytest.mark.parametrize("template", ["report.html", "demo.html"])
def test_a_page_has_a_main_landmark(template):
    page = render_page("a", [Section("b", "c")], template)
    assert page.count("<main>") == page.count("</main>") == 1
    assert page.index("<main>") < page.index("c</p>") < page.index("</main>")


def test_nothing_to_change_is_not_said_of_what_is_poor():
    def change(*findings) -> str:
        return dict(row for row in verdict(findings).table[1:])["What to change"]

    assert change(Finding(GOOD, "a")) == "Nothing."
    assert change(Finding(POOR, "a")) != "Nothing."
    assert change(Finding(POOR, "a", "Train longer.")) == "Train longer."


@pytest.mark.parametrize("template", ["report.html", "demo.html"])
def test_a_name_never_becomes_markup(template):
    gray = Image.fromarray(np.zeros((4, 4), np.uint8))
    pictures = [Picture(HOSTILE, gray, HOSTILE), (HOSTILE, HOSTILE)]
    table = [[HOSTILE, "b"], [HOSTILE, HOSTILE]]
    hostile = [Section(HOSTILE, HOSTILE, pictures, table, HOSTILE)]
    harmless = [Section("a", "b", [("c", gray), ("c", "c.png")], [["a", "b"], ["c", "d"]], "e")]
    seen, plain = (
        Elements(render_page(HOSTILE, hostile, template)),
        Elements(render_page("a", harmless, template)),
    )
    assert seen.tags == plain.tags and [name for name, _ in seen.attributes] == [
        name for name, _ in plain.attributes
    ]
    assert seen.text.count(HOSTILE) >= 6 and "49" not in seen.text


def test_a_hostile_protocol_or_finding_never_becomes_markup():
    made = report(
        title=HOSTILE,
        protocol={HOSTILE: {HOSTILE: [HOSTILE]}},
        findings=[Finding(kind, HOSTILE, HOSTILE) for kind in (GOOD, POOR, NOTE)],
        left_out=[HOSTILE],
    )
    # Without a term of the field, so that neither page has a section of terms.
    findings = [Finding(kind, "a", "b") for kind in (GOOD, POOR, NOTE)]
    harmless = report(protocol={"a": {"b": ["c"]}}, findings=findings, left_out=["d"])
    assert Elements(made.html()).tags == Elements(harmless.html()).tags


def test_a_folder_name_of_invalid_bytes_is_shown_with_a_question_mark():
    assert "a?b" in render_page("a\udcffb", [])
