"""The explorer's pad: a square that two directions span, moved by pointer, keys and typed values."""

import re

import numpy as np
import pytest
from explorer_browser import Tab, address, browser, expect, same, tab  # noqa: F401
from test_explorer_panels import pixels

pytestmark = pytest.mark.slow
SQUARE = "#pad-square"


def opened(tab):
    """The tab with the pad in sight, its faces painted."""
    tab.page.click("#tab-pad")
    expect(tab.at(f"{SQUARE} .sheet.filled")).to_be_visible()
    return tab


def values(tab) -> list[float]:
    """What the square says of its point."""
    text = tab.at(SQUARE).get_attribute("aria-valuetext").replace("−", "-")
    return [float(number) for number in re.findall(r"[+-]\d+\.\d", text)]


def place(tab, across: float, up: float) -> tuple[float, float]:
    """The window's coordinates of a point, as shares from −1 to 1."""
    box = tab.at(SQUARE).bounding_box()
    return box["x"] + box["width"] * (1 + across) / 2, box["y"] + box["height"] * (1 - up) / 2


def test_a_drag_shows_each_face_and_is_one_step(tab):
    opened(tab)
    before = tab.picture()
    expect(tab.at(SQUARE)).to_have_role("slider")
    expect(tab.at(SQUARE)).to_have_accessible_name("Smiling and Eyeglasses")
    tab.page.mouse.move(*place(tab, 0, 0))
    tab.page.mouse.down()
    shown = []
    for share in (0.3, 0.6, 0.8):
        tab.page.mouse.move(*place(tab, share, -share))
        shown.append(tab.picture())
    assert tab.moments() == 2
    tab.page.mouse.up()
    expect(tab.at("#history .tile")).to_have_count(3)
    assert not same(shown[0], shown[1]) and not same(shown[1], shown[2])
    assert values(tab) == pytest.approx([2.4, -2.4], abs=0.06)
    tab.page.keyboard.press("Control+z")
    assert same(tab.picture(), before)


def test_keys_and_typed_values_move_the_point(tab):
    page = opened(tab).page
    typed = tab.at("#pad").get_by_label("Smiling, typed")
    typed.fill("1.5")
    page.keyboard.press("Tab")
    assert values(tab)[0] == 1.5
    other = values(tab)[1]
    tab.at(SQUARE).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("PageUp")
    assert values(tab) == pytest.approx([1.6, other + 0.5], abs=0.051)
    expect(tab.at("#history .tile")).to_have_count(5)
    page.keyboard.down("ArrowLeft")
    page.keyboard.down("ArrowLeft")
    page.keyboard.up("ArrowLeft")
    expect(tab.at("#history .tile")).to_have_count(6)
    assert values(tab)[0] == pytest.approx(1.4)
    page.keyboard.press("Alt+ArrowRight")
    expect(typed).to_have_value("1.41")
    typed.fill("7")
    page.keyboard.press("Enter")
    assert values(tab)[0] == 7
    expect(tab.at(f"{SQUARE} .point.beyond")).to_be_visible()


def test_locked_attributes_stay_also_one_of_the_pad(tab):
    page = tab.page
    page.click("#tab-attributes")
    row = page.get_by_role("group", name="Eyeglasses")
    row.hover()
    row.get_by_role("button", name="Lock Eyeglasses").click()
    locked = row.locator(".typed").input_value()
    opened(tab)
    page.select_option("#pad select >> nth=1", "components:0")
    component = values(tab)[1]
    page.mouse.click(*place(tab, 0.5, -0.5))
    assert values(tab)[0] == pytest.approx(1.5, abs=0.06) and abs(values(tab)[1] - component) > 0.3
    page.click("#tab-attributes")
    assert float(row.locator(".typed").input_value()) == pytest.approx(float(locked), abs=0.011)
    opened(tab)
    page.select_option("#pad select >> nth=1", "attributes:Eyeglasses")
    expect(page.locator("#pad").get_by_role("img", name="locked")).to_be_visible()
    page.mouse.click(*place(tab, -0.5, 0.9))
    assert values(tab) == pytest.approx([-1.5, float(locked)], abs=0.06)


def test_the_faces_behind_come_in_one_request_and_again_only_for_another_plane(tab):
    sent = []
    tab.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(bytes(frame))))
    tab.page.reload()
    opened(tab.ready())
    tab.page.wait_for_timeout(300)
    latents = tab.page.evaluate("import('./state.js').then(({ state }) => state.z.length)")

    def sheets(faces) -> int:
        """Requests for the faces of a sheet."""
        length = 4 * latents * faces  # bytes
        decoded = [frame for frame in sent if b'"request":"decode"' in frame]
        return sum(len(frame) - 4 - int.from_bytes(frame[:4], "little") == length for frame in decoded)

    first = pixels(tab, f"{SQUARE} .sheet")
    tab.page.mouse.click(*place(tab, 0.4, 0.4))
    tab.picture()
    assert same(pixels(tab, f"{SQUARE} .sheet"), first)
    assert sheets(25) == 1
    tab.page.select_option("#pad select >> nth=2", "7")
    tab.page.wait_for_timeout(500)
    assert sheets(49) == 1 and not same(pixels(tab, f"{SQUARE} .sheet"), first)
    tab.page.select_option("#pad select >> nth=2", "0")
    expect(tab.at(f"{SQUARE} .sheet.filled")).to_have_count(0)


def test_the_directions_are_kept_and_change_places(tab):
    page = opened(tab).page
    selects = [page.locator("#pad select").nth(i) for i in (0, 1)]
    selects[0].select_option("components:1")
    expect(selects[1]).to_have_value("attributes:Eyeglasses")
    selects[1].select_option("components:1")
    expect(selects[0]).to_have_value("attributes:Eyeglasses")
    page.reload()
    opened(tab)
    expect(selects[0]).to_have_value("attributes:Eyeglasses")
    expect(selects[1]).to_have_value("components:1")
    page.select_option("#space-select", "1")  # which has no attributes
    expect(selects[0]).to_have_value("components:0")


def test_the_faces_of_the_sheet_are_those_that_a_click_shows(tab):
    opened(tab)
    tab.page.mouse.click(*place(tab, 0.8, 0.8))  # the centre of the last cell of the first row
    face = tab.picture()
    cell = pixels(tab, f"{SQUARE} .sheet")[8:136, 584:712, :3]
    middle = face[:: face.shape[0] // 16, :: face.shape[1] // 16].mean()
    assert abs(cell.mean() - middle) < 6
    assert np.abs(cell.mean((0, 1)) - face.mean((0, 1))).max() < 8


def test_a_finger_moves_the_point(browser, address):
    tab = Tab(browser, address, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab.page.get_by_role("button", name="Edit", exact=True).click()
    opened(tab)
    tab.at(SQUARE).scroll_into_view_if_needed()
    tab.page.touchscreen.tap(*place(tab, 0.5, -0.2))
    expect(tab.at("#history .tile")).to_have_count(3)
    assert values(tab) == pytest.approx([1.5, -0.6], abs=0.06)
    assert tab.errors == []
    tab.context.close()
