"""What the explorer shows of a slider before it is moved: where it changes the face, and a contact sheet of its values."""

import re

import numpy as np
import pytest
from explorer_browser import Tab, address, browser, expect, same, tab  # noqa: F401
from PIL import Image
from test_explorer_panels import pixels

pytestmark = pytest.mark.slow
ON_NAME = {"x": 20, "y": 14}  # beside the buttons, which lie over the rest of a label


def row_of(tab, name="Smiling"):
    return tab.page.get_by_role("group", name=name, exact=True)


def decoded(tab, latents) -> np.ndarray:
    """Faces as the page's engine decodes them, (N, H * W, 3)."""
    script = (
        "rows => import('./engine.js').then(({ engine }) => engine.decode(rows.map(row => new Float32Array(row))))"
        ".then(pictures => pictures.map(({ pixels }) => [...pixels]))"
    )
    pictures = tab.page.evaluate(script, latents)
    return np.array(pictures, float).reshape(len(latents), -1, 4)[..., :3]


# ---- Heat map


def test_the_heat_map_comes_after_a_rest_of_the_pointer_and_goes_with_it(tab):
    heat = tab.at("#heat")
    expect(heat).to_be_hidden()
    row_of(tab).locator("label").hover(position=ON_NAME)
    expect(heat).to_be_visible()
    expect(tab.at("#heat-legend")).to_have_text(re.compile(r"^Smiling±2 σ: up to \d+(\.\d)? %$"))
    assert tab.moments() == 2
    tab.at("#face").hover()
    expect(heat).to_be_hidden()
    box = row_of(tab).locator("input[type=range]").bounding_box()
    share = (float(row_of(tab).locator(".typed").input_value()) + 3) / 6
    tab.page.mouse.move(box["x"] + 9 + share * (box["width"] - 18), box["y"] + box["height"] / 2)
    expect(heat).to_be_visible()  # on the handle
    tab.page.mouse.down()
    expect(heat).to_be_hidden()  # the face is seen while it moves
    tab.page.mouse.up()


def test_the_heat_map_is_hot_where_the_faces_differ_most(tab):
    row_of(tab).locator("input[type=range]").focus()
    tab.page.keyboard.down("h")
    expect(tab.at("#heat")).to_be_visible()
    heat = pixels(tab, "#heat")[..., 3].ravel()
    latents = tab.page.evaluate(
        "Promise.all([import('./state.js'), import('./attribute_axes.js')]).then(([{ state }, { moveAttributes, "
        "readAttributes }]) => [0, -2, 2].map(by => [...moveAttributes(state.z, new Map([['Smiling', "
        "readAttributes(state.z).get('Smiling') + by]]))]))"
    )
    face, low, high = decoded(tab, latents)
    change = (np.abs(low - face) + np.abs(high - face)).mean(1) / 2
    assert np.corrcoef(heat, change)[0, 1] > 0.95
    assert heat[change.argmax()] == heat.max() > 2 * heat[change.argmin()]
    tab.page.keyboard.up("h")
    expect(tab.at("#heat")).to_be_hidden()


def test_the_heat_map_can_be_switched_off_for_good(tab):
    tab.at("#attributes summary[aria-label^=Settings]").click()
    tab.page.get_by_label("Heat map").first.uncheck()
    tab.page.reload()
    tab.ready()
    row_of(tab).locator("label").hover(position=ON_NAME)
    tab.page.wait_for_timeout(1200)
    expect(tab.at("#heat")).to_be_hidden()


def test_a_held_label_shows_the_heat_map_on_a_phone(browser, address):
    tab = Tab(browser, address, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab.page.get_by_role("button", name="Edit", exact=True).click()
    label = row_of(tab).locator("label")
    expect(label).to_be_visible()
    touch = {"pointerType": "touch", "bubbles": True}
    label.dispatch_event("pointerdown", touch)
    expect(tab.at("#heat")).to_be_visible()
    label.dispatch_event("pointerup", touch)
    expect(tab.at("#heat")).to_be_hidden()
    assert tab.errors == []
    tab.context.close()


# ---- Contact sheet


def opened_sheet(tab, name="Smiling"):
    row_of(tab, name).hover()
    row_of(tab, name).get_by_role("button", name=f"Contact sheet of {name}").click()
    expect(tab.at(".sheet-faces .tile")).to_have_count(9)


def test_a_contact_sheet_shows_nine_values_and_a_click_takes_one(tab):
    opened_sheet(tab)
    values = tab.at(".sheet-faces figcaption").all_inner_texts()
    assert values == ["−3.00", "−2.25", "−1.50", "−0.75", "0", "+0.75", "+1.50", "+2.25", "+3.00"]
    expect(tab.page.get_by_role("dialog", name="Smiling, −3 to +3 σ")).to_be_visible()
    tab.page.get_by_role("button", name="Smiling +2.25 σ: use this face").click()
    expect(tab.at("dialog")).to_have_count(0)
    expect(row_of(tab).locator(".typed")).to_have_value("2.25")
    expect(tab.at("#history .tile")).to_have_count(3)


def test_a_contact_sheet_of_a_locked_slider_moves_nothing(tab):
    row_of(tab).hover()
    row_of(tab).get_by_role("button", name="Lock Smiling").click()
    before = tab.picture()
    opened_sheet(tab)
    tab.page.get_by_role("button", name="Smiling +3.00 σ: use this face").click()
    assert same(tab.picture(), before) and tab.moments() == 2


def test_a_saved_contact_sheet_has_values_and_says_that_a_model_made_it(tab, tmp_path):
    tab.page.click("#tab-components")
    opened_sheet(tab, "Component 1")
    with tab.page.expect_download() as download:
        tab.page.click("#sheet-png")
    file = tmp_path / "sheet.png"
    download.value.save_as(file)
    assert b"trainedAlgorithmicMedia" in file.read_bytes()
    image = Image.open(file)
    assert "z" in image.text["facespace"] and image.width > 8 * image.height / 2
    picture = np.asarray(image.convert("L")).astype(int)
    ink = (picture[-50:] < 100).any(0)  # the values, under nine faces
    width = (image.width - 40) // 9
    assert all(ink[20 + i * width : 20 + (i + 1) * width].any() for i in range(9))
    middle = picture[picture.shape[0] // 2]
    assert np.abs(middle[20 : 20 + width] - middle[-20 - width : -20]).mean() > 2
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("r")
    expect(tab.at("#history .tile")).to_have_count(3)
    tab.page.set_input_files("#import-file", file)
    expect(tab.at("#history .tile")).to_have_count(4)
