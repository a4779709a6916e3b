"""The explorer's panels one by one: what each shows while spaces, tabs and settings change around it."""

import base64
import io
import json
import re

import numpy as np
import pytest
from explorer_browser import WAIT, Tab, address, browser, collect_examples, expect, same, tab  # noqa: F401
from PIL import Image

pytestmark = pytest.mark.slow


def document(page) -> dict:
    """The document that the page's address holds."""
    text = page.url.split("#s=")[1].replace("-", "+").replace("_", "/")
    return json.loads(base64.b64decode(text + "=" * (-len(text) % 4)))


# ---- Attributes


def test_a_typed_name_stays_while_examples_and_settings_change(tab):
    tab.page.click("#tab-attributes")
    tab.page.get_by_text("Create a direction").click()
    name = tab.page.get_by_label("Name of the direction")
    name.fill("Mine")
    tab.page.get_by_role("button", name="This face", exact=True).first.click()
    expect(tab.at(".examples b").first).to_have_text("1 positive")
    expect(name).to_have_value("Mine")
    shown = tab.page.get_by_label("Show 1 subjective or protected labels")
    shown.focus()
    tab.page.keyboard.press("Space")
    expect(tab.page.get_by_role("group", name="Male")).to_be_visible()
    expect(shown).to_be_focused()
    expect(name).to_have_value("Mine")


def test_a_space_never_shows_the_attributes_of_the_one_before(tab):
    expect(tab.page.get_by_role("group", name="Smiling")).to_be_visible()
    tab.page.evaluate(
        "window.shown = []; new MutationObserver(() => window.shown.push(...[...document.querySelectorAll("
        "'#attributes .row')].map(row => row.ariaLabel))).observe(document.querySelector('#attributes'), "
        "{childList: true, subtree: true}); 0"
    )
    tab.page.select_option("#space-select", "1")
    expect(tab.at("#attributes")).to_contain_text("facespace directions")
    assert tab.page.evaluate("window.shown") == []


def test_an_own_direction_and_locks_are_in_the_address_at_once(tab):
    page = tab.page
    page.select_option("#space-select", "2")
    # The space has no directions, and opens Components once it is there.
    expect(tab.at("#tab-components")).to_have_attribute("aria-selected", "true")
    page.click("#tab-attributes")
    collect_examples(tab)
    page.get_by_label("Name of the direction").fill("Mine")
    page.get_by_role("button", name="Create", exact=True).click()
    row = page.get_by_role("group", name="Mine")
    expect(row).to_be_visible()
    assert [one["name"] for one in document(page)["own"]] == ["Mine"]
    row.hover()
    row.get_by_role("button", name="Lock Mine").click()
    assert document(page)["locks"]["attributes"] == ["Mine"]
    page.click("#tab-saved")
    assert document(page)["view"]["source"] == "saved"


def test_examples_that_are_all_one_face_make_no_direction(tab):
    page = tab.page
    page.get_by_text("Create a direction").click()
    for side in (0, 1):
        for _ in range(5):
            page.get_by_role("button", name="This face", exact=True).nth(side).click()
    page.get_by_label("Name of the direction").fill("Mine")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(tab.at(".toast.error")).to_contain_text("The faces with and without are the same on average.")
    expect(page.get_by_role("group", name="Mine")).to_have_count(0)
    expect(page.get_by_text("5 positive")).to_be_visible()


# ---- Components


def pixels(tab, selector) -> np.ndarray:
    """What is painted on the first canvas of a selector, RGBA."""
    url = tab.at(selector).first.evaluate("canvas => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA")).astype(int)


def test_a_component_shows_what_it_changes_and_its_pictures_set_the_slider(tab):
    tab.page.click("#tab-components")
    row = tab.page.get_by_role("group", name="Component 1", exact=True)
    expect(row.locator(".end canvas")).to_have_count(2)
    tab.page.wait_for_timeout(500)
    low, high = (
        pixels(tab, f"#components .row:first-child .end:{place} canvas")
        for place in ("first-child", "last-child")
    )
    assert low.shape[:2] == (16, 16) and (low[..., 3] == 255).all()
    assert np.abs(low - high)[..., :3].mean() > 2
    row.get_by_role("button", name="Component 1: −2.0 σ").click()
    expect(row.locator(".typed")).to_have_value("-2.00")
    expect(tab.at("#history .tile")).to_have_count(3)


def wait_until_painted(tab, selector) -> None:
    for _ in range(WAIT // 100):
        if pixels(tab, selector).any():
            return
        tab.page.wait_for_timeout(100)
    raise AssertionError(f"{selector} is empty.")


def test_pictures_of_components_are_decoded_where_they_are_in_sight(browser, address):
    tab = Tab(browser, address, viewport={"width": 1440, "height": 240}).ready()
    tab.page.click("#tab-components")
    rows = tab.at("#components .row")
    expect(rows).to_have_count(5)
    first, last = (f"#components .row:{place}-child .end canvas" for place in ("first", "last"))
    rows.first.scroll_into_view_if_needed()
    wait_until_painted(tab, first)
    tab.page.wait_for_timeout(500)
    assert not pixels(tab, last).any()
    rows.last.scroll_into_view_if_needed()
    wait_until_painted(tab, last)
    tab.context.close()


# ---- Map


def test_the_map_is_asked_for_once_however_often_the_page_changes_meanwhile(tab):
    sent = []
    tab.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(bytes(frame))))
    tab.page.reload()
    tab.ready()
    tab.page.evaluate(
        "document.getElementById('tab-map').click(); for (let i = 0; i < 6; i++) "
        "[...document.querySelectorAll('.tools button')].at(-1).click()"
    )
    expect(tab.at("canvas.map")).to_be_visible()
    expect(tab.at("#map .hint")).to_contain_text("decoded by the model")
    assert sum(b'"request":"map"' in frame for frame in sent) == 1


LAID_OUT = """async () => {
  const { layOut } = await import('./map_layout.js');
  const positions = [];
  for (let i = 0; i < 600; i++) positions.push([(i * 0.618034) % 1, ((i * i) % 601) / 601]);
  const map = { count: 600, width: 16, height: 20, positions };
  const found = [];
  for (const scale of [1, 1.9, 2, 16]) {
    const { columns, rows, centres, shown } = layOut(map, scale);
    const off = shown.map((face) => Math.max(
      Math.abs(positions[face][0] - centres[face][0]) * columns, Math.abs(1 - positions[face][1] - centres[face][1]) * rows));
    found.push([columns, rows, shown.filter((face) => face !== undefined).length, Math.max(...off.filter(Number.isFinite))]);
  }
  return found;
}"""


def test_faces_of_the_map_lie_in_cells_which_are_smaller_the_closer_the_view(tab):
    whole, between, twice, closest = tab.page.evaluate(LAID_OUT)
    assert whole[:2] == between[:2] == [15, 12] and twice[:2] == [30, 24]  # pixels of a face are 16 × 20
    assert 120 < whole[2] < twice[2] < closest[2] and closest[2] > 590
    assert max(found[3] for found in (whole, twice, closest)) <= 0.501  # each in the cell that it belongs to


def open_map(tab):
    tab.page.click("#tab-map")
    expect(tab.at("#map .hint")).to_contain_text("decoded by the model")
    return tab.at("canvas.map"), tab.at("#map .zoom")


def test_the_map_is_zoomed_and_moved_by_the_wheel_a_drag_buttons_and_keys(tab):
    board, zoom = open_map(tab)
    whole, count = pixels(tab, "canvas.map"), tab.moments()
    box = board.bounding_box()
    centre = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.page.mouse.move(*centre)
    tab.page.mouse.wheel(0, -600)
    expect(zoom).to_have_text("2.6×")
    near = pixels(tab, "canvas.map")
    assert not np.array_equal(near, whole)
    tab.page.mouse.down()
    tab.page.mouse.move(centre[0] + 80, centre[1] + 40, steps=4)
    tab.page.mouse.up()
    assert (
        not np.array_equal(pixels(tab, "canvas.map"), near) and tab.moments() == count
    )  # a drag loads no face
    tab.page.get_by_role("button", name="Zoom out").click()
    expect(zoom).to_have_text("1.7×")
    tab.page.get_by_role("button", name="Zoom in").click()
    expect(zoom).to_have_text("2.6×")
    zoom.click()
    expect(zoom).to_have_text("1.0×")
    board.focus()
    for key, shown in (("+", "1.5×"), ("+", "2.3×"), ("-", "1.5×"), ("0", "1.0×")):
        tab.page.keyboard.press(key)
        expect(zoom).to_have_text(shown)
    tab.page.keyboard.press("+")
    tab.page.keyboard.press("ArrowRight")
    for _ in range(30):
        tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("Enter")
    expect(tab.at("#history .tile")).to_have_count(count + 1)
    expect(zoom).to_have_text("1.5×")


def test_a_click_on_a_zoomed_map_loads_the_face_under_it(tab):
    board, zoom = open_map(tab)
    board.focus()
    tab.page.keyboard.press("ArrowRight")
    for _ in range(4):
        tab.page.keyboard.press("+")
    expect(zoom).to_have_text("5.1×")
    expect(tab.at(".frame .caption")).to_have_text("On the map")
    shown, box = tab.picture(), board.bounding_box()
    canvas = pixels(tab, "canvas.map")[..., :3]
    accent = np.abs(canvas - (85, 70, 214)).max(2) < 3  # the outline of the face that is pointed at
    y, x = (np.flatnonzero(accent.any(axis)).mean() / 640 for axis in (1, 0))
    tab.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    expect(tab.at("#history .tile")).to_have_count(3)
    assert same(tab.picture(), shown)


def test_two_fingers_zoom_the_map(browser, address):
    tab = Tab(browser, address, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        tab.ready()
        tab.page.click("[data-part=source]")
        board, zoom = open_map(tab)
        tab.page.get_by_label("Click action").select_option("positive")
        board.scroll_into_view_if_needed()
        box = board.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + 40
        session = tab.context.new_cdp_session(tab.page)
        for kind, apart in (("touchStart", 20), ("touchMove", 30), ("touchMove", 40), ("touchEnd", None)):
            points = (
                []
                if apart is None
                else [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
            )
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        expect(zoom).to_have_text("2.0×")
        expect(tab.at(".toast")).to_have_count(0)  # no lasso was drawn meanwhile
    finally:
        tab.context.close()


# ---- Photo


def test_a_magnifier_shows_the_place_of_the_point_that_is_dragged(tab, tmp_path):
    photo = Image.new("RGB", (300, 300), (40, 90, 160))
    photo.paste((220, 30, 30), (0, 0, 150, 300))
    photo.save(tmp_path / "halves.png")
    tab.page.keyboard.press("p")
    tab.page.set_input_files("#photo-file", tmp_path / "halves.png")
    expect(tab.at("#photo-use")).to_be_enabled()
    magnifier, handle = tab.at("#photo .magnifier"), tab.at("#photo .landmark").first
    expect(magnifier).to_be_hidden()
    box, area = handle.bounding_box(), tab.at("#photo .pick").bounding_box()
    tab.page.mouse.move(box["x"] + 12, box["y"] + 12)
    tab.page.mouse.down()
    shares = []
    for share in (0.2, 0.5, 0.8):
        tab.page.mouse.move(area["x"] + share * area["width"], area["y"] + 0.8 * area["height"], steps=3)
        expect(magnifier).to_be_visible()
        shown = pixels(tab, "#photo .magnifier")
        shares.append((shown[..., 0] > shown[..., 2]).mean())  # how much of it is the photo's red half
        inside = magnifier.bounding_box()
        middle = inside["x"] + inside["width"] / 2
        assert (middle < area["x"] + area["width"] / 2) == (share > 0.4)  # never over the point
    assert shares[0] > 0.9 and shares[1] == pytest.approx(0.5, abs=0.1) and shares[2] < 0.1
    tab.page.mouse.up()
    expect(magnifier).to_be_hidden()
    tab.page.keyboard.press("ArrowLeft")
    expect(magnifier).to_be_visible()


# ---- Stage


def test_the_meter_speaks_of_the_distance_alone_and_says_of_a_drawing_that_it_is_one(tab):
    meter = tab.at(".meter")
    expect(meter.locator("b")).to_have_text(
        re.compile("Near average|Usual distance|Far out|Beyond the model")
    )
    expect(meter).not_to_contain_text("drawing")
    tab.page.keyboard.press("d")
    box = tab.at(".board").bounding_box()
    tab.page.mouse.move(box["x"] + 20, box["y"] + 40)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 160, box["y"] + 90, steps=4)
    tab.page.mouse.up()
    expect(tab.at("#history .tile")).to_have_count(3)
    expect(meter).to_contain_text("from a drawing")
    expect(meter).to_have_attribute("data-tip", re.compile("look like no face: judge it by eye"))
    tab.page.keyboard.press("r")
    expect(meter).not_to_contain_text("drawing")


# ---- Random


def test_a_seed_is_a_whole_number(tab):
    seed = tab.page.get_by_label("Seed")
    seed.fill("7.6")
    seed.press("Enter")
    expect(seed).to_have_value("8")
    expect(tab.at("#random .tile")).to_have_count(9)
    expect(tab.at(".toast.error")).to_have_count(0)
