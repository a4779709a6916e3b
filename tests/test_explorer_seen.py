"""What is exported, kept and changed on the explorer's page is what is seen there, on a slow server too; a banner hides
nothing."""

import io

import numpy as np
import pytest
from explorer_browser import Tab, address, browser, expect, same, slow, tab  # noqa: F401
from PIL import Image
from test_explorer_mix import z_of

pytestmark = pytest.mark.slow
LOST = "import('./engine.js').then(({ engine }) => engine.connection.onstatus('disconnected'))"
FOUND = "import('./engine.js').then(({ engine }) => engine.connection.onstatus('ready'))"


def exported(tab, button: str, meanwhile=lambda: None):
    """The picture that a button of the export dialog saves, as an array."""
    tab.page.keyboard.press("e")
    with tab.page.expect_download() as saved:
        tab.page.click(button)
        meanwhile()
    file = io.BytesIO(saved.value.path().read_bytes())
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


def moved(tab):
    """A slider goes up a standard deviation."""
    slider = tab.at("#attributes input[type=range]").first
    slider.focus()
    for _ in range(4):
        tab.page.keyboard.press("PageUp")


@pytest.mark.parametrize("button", ["#export-png", "#export-pair"])
def test_a_picture_that_is_exported_at_once_is_that_of_its_latent(slow, button):
    moved(slow)
    slow.picture()
    before = exported(slow, button)
    slow.gate.close("decode")
    moved(slow)

    def answer():
        slow.page.wait_for_timeout(500)
        slow.gate.open()

    at_once = exported(slow, button, answer)
    slow.picture()
    assert same(at_once, exported(slow, button))
    assert not same(at_once, before)


def test_a_face_is_saved_once_its_drawing_is_read(slow):
    page = slow.page
    page.keyboard.press("d")
    expect(slow.at("#drawing")).to_be_visible()
    slow.gate.close("encode")
    box = slow.at(".board").bounding_box()
    for x in (0.3, 0.7):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + 0.4 * box["height"])
        page.mouse.down()
    page.mouse.up()
    page.keyboard.press("s")
    page.wait_for_timeout(300)
    assert slow.at(".toast").count() == 0
    slow.gate.open()
    expect(slow.at(".toast")).to_contain_text("Saved")
    kept = page.evaluate("import('./state.js').then(({ state }) => [...state.saved[0].z])")
    np.testing.assert_array_equal(kept, z_of(slow))


def has_steps(tab, count: int):
    """So many steps are in the history, whose panel is not in sight."""
    script = "import('./state.js').then(({ state }) => state.history.length)"
    for _ in range(60):
        if tab.page.evaluate(script) == count:
            return
        tab.page.wait_for_timeout(500)
    raise AssertionError(f"{tab.page.evaluate(script)} steps instead of {count}")


def test_a_random_face_ends_the_morph_that_hides_it(tab):
    page = tab.page
    page.click("#tab-morph")
    for count in (1, 2):
        page.click("#keyframe-add")
        expect(tab.at(".keyframe")).to_have_count(count)
        page.keyboard.press("r")
        has_steps(tab, 2 + count)
    page.wait_for_timeout(800)
    page.click("#play")
    expect(tab.at("#faces.previewed")).to_have_count(1)
    page.keyboard.press("r")
    has_steps(tab, 5)
    expect(tab.at("#play")).to_have_attribute("aria-pressed", "false")
    expect(tab.at("#faces.previewed")).to_have_count(0)
    page.wait_for_timeout(500)
    expect(tab.at("#faces.previewed")).to_have_count(0)
    new = tab.picture()
    page.keyboard.press("Control+z")
    assert not same(tab.picture(), new)
    page.keyboard.press("Control+Shift+z")
    assert same(tab.picture(), new)


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_the_banner_of_a_lost_server_hides_nothing(tab, width, height):
    page = tab.page
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(LOST)
    banner = tab.at("#disconnected")
    expect(banner).to_be_visible()
    page.wait_for_timeout(300)
    box = banner.bounding_box()
    low, high = box["y"], box["y"] + box["height"]
    for selector in (".bar", "#source-tabs", "#edit-tabs", "#faces", "#switch", ".stage-footer"):
        other = tab.at(selector).bounding_box()
        if other and other["height"]:
            assert other["y"] >= high - 1 or other["y"] + other["height"] <= low + 1, selector
    page.evaluate("scrollTo(0, 400)")
    page.wait_for_timeout(200)
    face, shown = tab.at("#faces").bounding_box(), banner.bounding_box()
    assert face["y"] >= shown["y"] + shown["height"] - 1
    page.evaluate(FOUND)
    expect(banner).to_have_count(0)


def test_long_names_in_the_pad_are_whole(tab):
    page = tab.page
    page.set_viewport_size({"width": 1024, "height": 768})
    page.click("#tab-pad")
    for edge in ("across", "up"):
        element = tab.at(f".pad .edge.{edge}")
        expect(element).to_be_visible()
        script = (
            "e => { e.textContent = '↑ Mouth Slightly Open'; const b = e.getBoundingClientRect(), "
            "p = e.closest('.pad').getBoundingClientRect(); return [e.scrollWidth - e.clientWidth, e.scrollHeight - "
            "e.clientHeight, p.left - b.left, b.right - p.right, b.bottom - p.bottom]; }"
        )
        assert max(element.evaluate(script)) <= 1
