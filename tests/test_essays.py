"""The figures of the essays: a tile and a caption for each position of the sliders, a page that shows them, and sliders that
work in a browser by keyboard."""

import importlib
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from site_pages import figures

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {"blur": "blur.md", "kl": "kl.md", "prior": "prior.md", "edits": "edits-change-more.md"}
WAIT = 20_000  # milliseconds


@pytest.fixture(scope="module")
def tool():
    """benchmarks/essays.py."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return importlib.import_module("essays")
    finally:
        sys.path.pop(0)


def sheet(name: str) -> dict:
    return json.loads((DOCS / f"images/essays/{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PAGES)
def test_every_position_has_a_tile_and_a_caption(name, tool):
    about = sheet(name)
    counts = [len(slider["values"]) for slider in about["sliders"]]
    assert len(about["captions"]) == np.prod(counts)
    columns, rows = [*counts, 1][:2]
    with Image.open(DOCS / f"images/essays/{name}.webp") as picture:
        assert picture.size == (columns * about["tile"][0], rows * about["tile"][1])
    assert all(0 <= slider["start"] < len(slider["values"]) for slider in about["sliders"])
    assert set(tool.FIGURES) == set(PAGES)


@pytest.mark.parametrize(("name", "page"), PAGES.items())
def test_a_page_shows_its_figure_and_names_its_command(name, page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert f"python benchmarks/essays.py {name}`" in text
    shown = figures.with_figures(text)
    assert "<!-- pull" not in shown
    (data,) = re.findall(
        r'<figure class="pull"><img [^>]+><script type="application/json">(.*?)</script>', shown
    )
    assert json.loads(data)["captions"] == sheet(name)["captions"]
    assert json.loads(data)["image"] == f"images/essays/{name}.webp"


def test_sheets_are_small():
    assert sum(path.stat().st_size for path in figures.FOLDER.iterdir()) < 1_500_000


def test_the_mean_of_possible_faces_is_nearer_than_any_of_them(tool):
    """What the figure of blur says, from its captions: at every number of known factors but all."""
    for caption in sheet("blur")["captions"][:-1]:
        mean, single = map(float, re.findall(r"0\.\d+", caption))
        assert mean < single
    assert sorted(tool.ORDER) == sorted(tool.synthetic.FACTORS)


def test_figures_are_computed_again(tool):
    """Tiles of blur and prior as the page's files have them; the others are trained or take long."""
    for name in ("blur", "prior"):
        figure = tool.FIGURES[name]()
        made = np.asarray(Image.open(io.BytesIO(tool.encoded(figure))).convert("RGB"), float)
        stored = np.asarray(Image.open(DOCS / f"images/essays/{name}.webp").convert("RGB"), float)
        assert made.shape == stored.shape and np.abs(made - stored).mean() < 2
        assert len(figure.captions) == len(sheet(name)["captions"])


def test_sliders_change_the_picture_and_say_so(tmp_path):
    """In Chromium, from the disk, as the site's page is."""
    from explorer_browser import CHROMIUM, expect, sync_api

    text = figures.with_figures((DOCS / "prior.md").read_text(encoding="utf-8"))
    figure = re.search(r"<figure.*?</figure>", text, re.S)[0].replace(
        "images/", f"{(DOCS / 'images').as_uri()}/"
    )
    style, script = (
        (DOCS / "site_pages" / name).read_text(encoding="utf-8") for name in ("site.css", "pull.js")
    )
    page_file = tmp_path / "page.html"
    page_file.write_text(
        f'<!doctype html><meta charset="utf-8"><style>{style}</style><div class="md-typeset">{figure}</div>'
        f"<script type=module>{script}</script>",
        encoding="utf-8",
    )
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.goto(page_file.as_uri())
        captions = sheet("prior")["captions"]
        first, second = (page.get_by_role("slider", name=name) for name in ("Temperature", "Prior"))
        expect(page.locator(".pull-caption")).to_have_text(captions[4], timeout=WAIT)
        first.press("Home")
        second.press("End")
        expect(page.locator(".pull-caption")).to_have_text(captions[7])
        assert first.get_attribute("aria-valuetext") == "0"
        place = page.locator(".pull-picture").evaluate("e => getComputedStyle(e).backgroundPosition")
        assert place == "0% 100%"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        browser.close()
