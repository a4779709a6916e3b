"""Paint on the face: a stroke changes the latent, by pointer and by keys; undo, reload and what else changes the face find
what is seen. In the explorer and on a published page."""

import numpy as np
import pytest
from explorer_browser import Tab, address, browser, expect, same, slow, tab  # noqa: F401
from published import loaded, site_address  # noqa: F401
from test_explorer_mix import z_of

pytestmark = pytest.mark.slow
LAYER = "#paint-layer"
DARK = np.array([29, 21, 18])  # of the palette
DARK_BUTTON = "#draw [data-colour='#1d1512']"


def painting(tab):
    """The tab, ready to paint on the face in a dark colour."""
    tab.page.click("#tab-draw")
    tab.page.get_by_role("button", name="On the face").click()
    expect(tab.at(LAYER)).to_be_visible()
    expect(tab.at("#drawing")).to_be_hidden()
    tab.page.click(DARK_BUTTON)
    tab.page.locator("#draw-size").fill("60")
    return tab


def stroke(tab, *points):
    """A stroke through points, as shares of the face's sides."""
    box = tab.at("#faces").bounding_box()
    for number, (x, y) in enumerate(points):
        tab.page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        if number == 0:
            tab.page.mouse.down()
    tab.page.mouse.up()


def distance(picture: np.ndarray) -> float:
    """Of the painted middle from dark, in levels."""
    height, width, _ = picture.shape
    middle = picture[int(0.46 * height) : int(0.54 * height), int(0.35 * width) : int(0.65 * width)]
    return float(np.sqrt(np.square(middle - DARK).mean()))


def across(tab):
    stroke(tab, (0.3, 0.5), (0.5, 0.5), (0.7, 0.5))


def steps(tab, count: int):
    expect(tab.at("#history .tile")).to_have_count(count)
    expect(tab.at(f"{LAYER}[aria-busy=true]")).to_have_count(0)


def is_empty(tab) -> bool:
    """Whether no stroke is seen over the face."""
    script = f"(() => {{ const c = document.querySelector('{LAYER}'); return c.getContext('2d')"
    return not tab.page.evaluate(f"{script}.getImageData(0, 0, c.width, c.height).data.some(Boolean); }})()")


def test_a_stroke_changes_the_latent_and_undo_takes_it_back(tab):
    painting(tab)
    before, z = tab.picture(), z_of(tab)
    across(tab)
    steps(tab, 3)
    painted = tab.picture()
    assert distance(painted) < 0.9 * distance(before)
    assert not np.allclose(z_of(tab), z)
    assert is_empty(tab)
    expect(tab.at("#history .tile").last).to_have_attribute("aria-label", "Paint, step 3 of 3")
    stroke(tab, (0.2, 0.9), (0.8, 0.9))
    steps(tab, 4)
    tab.page.keyboard.press("Control+z")
    assert same(tab.picture(), painted)
    tab.page.keyboard.press("Control+z")
    assert same(tab.picture(), before)
    tab.page.keyboard.press("Control+Shift+z")
    assert same(tab.picture(), painted)
    tab.page.get_by_role("button", name="On a board").click()
    expect(tab.at("#drawing")).to_be_visible()
    expect(tab.at(LAYER)).to_be_hidden()


def test_keys_paint_a_stroke(tab):
    page = painting(tab).page
    before = tab.picture()
    tab.at(LAYER).focus()
    for key in ("Space", "ArrowLeft", "ArrowLeft", "Escape"):
        page.keyboard.press(key)
    assert is_empty(tab) and tab.moments() == 2
    for key in ("Space", *["ArrowLeft"] * 8, *["ArrowRight"] * 16):
        page.keyboard.press(key)
    assert not is_empty(tab)
    page.keyboard.press("Enter")
    steps(tab, 3)
    assert distance(tab.picture()) < 0.9 * distance(before)


def test_undo_takes_back_a_stroke_that_still_waits(slow):
    tab = painting(slow)
    before = tab.picture()
    tab.gate.close("paint")
    across(tab)
    expect(tab.at(f"{LAYER}[aria-busy=true]")).to_have_count(1)
    assert not is_empty(tab) and tab.moments() == 2
    tab.page.keyboard.press("Control+z")
    assert is_empty(tab)
    tab.gate.open()
    tab.page.wait_for_timeout(800)
    assert tab.moments() == 2
    assert same(tab.picture(), before)


def test_strokes_of_a_slow_server_are_steps_of_their_own_and_another_face_drops_them(slow):
    tab = painting(slow)
    tab.gate.close("paint")
    across(tab)
    stroke(tab, (0.2, 0.9), (0.8, 0.9))
    tab.gate.open()
    steps(tab, 4)
    tab.gate.close("paint")
    across(tab)
    tab.page.keyboard.press("r")
    expect(tab.at("#history .tile")).to_have_count(5)
    assert is_empty(tab)
    face = tab.picture()
    tab.gate.open()
    tab.page.wait_for_timeout(800)
    assert tab.moments() == 5 and same(tab.picture(), face)


def test_a_reload_goes_on_with_a_stroke_that_waits(slow):
    tab = painting(slow)
    before = tab.picture()
    tab.gate.close("paint")
    across(tab)
    tab.gate.held = []  # lost with the connection
    tab.page.reload()
    expect(tab.at(f"{LAYER}[aria-busy=true]")).to_have_count(1)
    tab.gate.open()
    steps(tab, 3)
    assert distance(tab.picture()) < 0.9 * distance(before)
    expect(tab.page.get_by_role("button", name="On the face")).to_have_attribute("aria-pressed", "true")


def test_a_fill_paints_an_area_and_the_split_view_is_no_place_to_paint(tab):
    page = painting(tab).page
    page.click("#draw [data-tool=fill]")
    expect(tab.at("#draw [data-tool=eraser]")).to_be_hidden()
    stroke(tab, (0.5, 0.5))
    steps(tab, 3)
    page.get_by_role("button", name="Split").click()
    expect(tab.at(LAYER)).to_be_hidden()
    expect(tab.at("#paint-split")).to_be_visible()


def test_a_published_page_paints_without_gradients(browser, site_address):
    tab = loaded(painting(Tab(browser, site_address).ready()))
    before = tab.picture()
    across(tab)
    steps(tab, 3)
    assert distance(tab.picture()) < 0.9 * distance(before)
    tab.page.keyboard.press("Control+z")
    assert same(tab.picture(), before)
    tab.context.close()
    assert tab.errors == []
