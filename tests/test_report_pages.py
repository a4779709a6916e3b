"""The pages of reports in a real browser: readable on a phone, in the dark and on paper."""

import pytest
from explorer_browser import browser  # noqa: F401

from facespace.report.page import Section, protocol_rows, render_page

PROTOCOL = {
    "space": {
        "folder": "/home/somebody/runs/celeba/best",
        "fingerprint": "339579b04962c6e570b37ec5817ee37f" * 2,
    },
    "prior": "a flow fitted to the latents of 37,540 faces",
}
WIDE = [["figure", *(f"a long column {i}" for i in range(9))], ["PSNR, dB", *["24.27"] * 9]]
pytestmark = pytest.mark.slow
REPORT = pytest.mark.parametrize("page", ["report.html"], indirect=True)
COLOURS = "body => [getComputedStyle(body).backgroundColor, getComputedStyle(body).color]"


@pytest.fixture
def page(request, browser, tmp_path):  # noqa: F811
    sections = [Section("Code", "Text.", code="facespace explore")]
    if request.param == "report.html":  # the page of the demo has no tables
        sections.append(Section("Figures", "Text.", table=WIDE))
        sections.append(Section("How this was measured", "Text.", table=protocol_rows(PROTOCOL)))
    values = {"refresh": 0, "state": "", "progress": ""} if request.param == "demo.html" else {}
    file = tmp_path / "page.html"
    file.write_text(render_page("Title", sections, request.param, **values))
    context = browser.new_context(viewport={"width": 390, "height": 844})
    opened = context.new_page()
    opened.goto(file.as_uri())
    yield opened
    context.close()


@REPORT
def test_a_phone_shows_whole_tables(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    ends = page.locator(".pairs td").evaluate_all(
        "cells => cells.map(cell => cell.scrollWidth - cell.clientWidth)"
    )
    assert ends == [0, 0]
    box = page.locator(".pairs").bounding_box()
    assert box["x"] + box["width"] <= 390
    for cell in page.locator(".pairs td").all():
        assert cell.bounding_box()["width"] > 250  # below its name, not squeezed beside it


@REPORT
def test_a_table_that_is_too_wide_scrolls_in_its_own_box(page):
    how = "box => [box.scrollWidth > box.clientWidth, getComputedStyle(box).overflowX]"
    assert page.locator(".wide").evaluate(how) == [True, "auto"]


def light(colour: str) -> float:
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")[:3]) / (3 * 255)


@pytest.mark.parametrize("page", ["report.html", "demo.html"], indirect=True)
def test_a_page_is_dark_where_the_system_is_and_light_on_paper(page):
    body = page.locator("body")
    paper, ink = map(light, body.evaluate(COLOURS))
    assert paper > 0.9 and ink < 0.2
    page.emulate_media(color_scheme="dark")
    paper, ink = map(light, body.evaluate(COLOURS))
    assert paper < 0.15 and ink > 0.8
    page.emulate_media(color_scheme="dark", media="print")
    paper, ink = map(light, body.evaluate(COLOURS))
    assert paper > 0.9 and ink < 0.2
