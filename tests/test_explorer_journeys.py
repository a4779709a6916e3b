"""Journeys through the explorer's page on which people met faults: what is shown is what is, one undo for what is seen,
and what is kept or forgotten."""

import re

import numpy as np
import pytest
from explorer_browser import WAIT, Tab, address, browser, expect, same, tab, touch  # noqa: F401
from explorer_help import running
from PIL import Image
from processes import free_port

from facespace.explorer.service import Spaces

pytestmark = pytest.mark.slow


def value(field) -> float:
    """The number that a field shows, once it shows one."""
    expect(field).to_have_value(re.compile(r"-?\d"))
    return float(field.input_value())


def type_into(field, text):
    field.fill(text)
    field.press("Enter")
    field.blur()


def drag(tab, box, start, end, release=True):
    """From one place to another, as shares of a box."""
    mouse = tab.page.mouse
    mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
    mouse.down()
    mouse.move(box["x"] + end[0] * box["width"], box["y"] + end[1] * box["height"], steps=6)
    if release:
        mouse.up()


def draw_line(tab, height=0.3):
    drag(tab, tab.at(".board").bounding_box(), (0.1, height), (0.9, height))


def steps(tab, count):
    expect(tab.at("#history .tile")).to_have_count(count)


# ---- What is shown is what is


def test_a_panel_that_another_one_opens_shows_the_face_of_now_and_a_step_starts_from_it(tab):
    tab.page.click("#tab-raw")
    field = tab.at("#raw .detail .typed")
    type_into(field, "-0.61")
    tab.page.click("#tab-components")
    component = tab.at("#components .typed").first
    type_into(component, "1.2")
    tab.page.keyboard.press("a")
    tab.page.keyboard.press("r")
    steps(tab, 5)
    for panel in ("components", "raw"):
        tab.page.click(f"#tab-{panel}")
        shown = tab.at(f"#{panel} .typed").first
        before = value(shown)
        tab.at(f"#{panel}").get_by_role("button", name=re.compile(": more$")).first.click()
        assert value(shown) == pytest.approx(before + 0.1, abs=0.011)


def test_reset_of_a_row_of_a_panel_with_a_lock_and_the_key_0_each_bring_the_original_back(tab):
    before = tab.picture()
    smiling, glasses = (tab.page.get_by_role("group", name=name) for name in ("Smiling", "Eyeglasses"))
    first = value(smiling.locator(".typed"))
    start = value(glasses.locator(".typed"))
    for count, reset in enumerate(("row", "locked", "0")):
        type_into(smiling.locator(".typed"), "2.5")
        expect(smiling.locator(".typed")).to_have_value("2.50")
        if reset == "row":
            smiling.get_by_role("button", name="Reset Smiling").click()
        elif reset == "locked":
            type_into(glasses.locator(".typed"), f"{start + 1:.2f}")
            glasses.get_by_role("button", name="Lock Eyeglasses").click()
            tab.page.get_by_role("button", name="Reset to the original face").locator("visible=true").click()
            assert value(glasses.locator(".typed")) == pytest.approx(start + 1, abs=0.011)
            glasses.get_by_role("button", name="Lock Eyeglasses").click()
        else:
            tab.page.evaluate("document.activeElement.blur()")
            tab.page.keyboard.press("0")
        expect(smiling.locator(".typed")).to_have_value(f"{first:.2f}")
        assert count == 1 or same(tab.picture(), before)


def test_a_typed_value_is_reached_and_what_a_field_shows_is_what_was_taken(tab):
    for panel in ("attributes", "components", "raw"):
        tab.page.click(f"#tab-{panel}")
        field = tab.at(f"#{panel} .typed").first
        for text, shown in (("2", "2.00"), ("7", "7.00"), ("99", "20.00")):
            type_into(field, text)
            expect(field).to_have_value(shown)
        tab.page.click("#tab-attributes" if panel == "raw" else "#tab-raw")
        tab.page.click(f"#tab-{panel}")
        expect(field).to_have_value("20.00")
        tab.page.keyboard.press("r")
        tab.page.evaluate("document.activeElement.blur()")


def test_the_dice_draw_values_that_faces_have_together(tab):
    tab.page.click("#tab-attributes")
    tab.page.get_by_label("Show 1 subjective or protected labels").check()
    for name in ("Smiling", "Eyeglasses", "Male"):
        expect(tab.page.get_by_role("group", name=name).locator(".typed")).to_have_value(re.compile(r"\d"))
    worst = 0.0
    for _ in range(6):
        tab.page.get_by_role("button", name="Randomise all attributes that are not locked").click()
        for name in ("Smiling", "Eyeglasses", "Male"):
            worst = max(worst, abs(value(tab.page.get_by_role("group", name=name).locator(".typed"))))
    assert 0 < worst < 8


# ---- A reload finds everything


def test_every_panel_is_the_same_after_a_reload(tab):
    page = tab.page
    page.click("#tab-morph")
    page.click("#keyframe-add")
    expect(tab.at(".keyframe")).to_have_count(1)
    page.keyboard.press("r")
    page.click("#tab-history")
    steps(tab, 3)
    page.click("#tab-morph")
    page.click("#keyframe-add")
    expect(tab.at(".keyframe")).to_have_count(2)
    seconds = page.get_by_label("Seconds")
    type_into(seconds, "60")
    expect(seconds).to_have_value("10")
    type_into(seconds, "2.5")
    page.get_by_label("Interpolation").select_option("spherical")
    page.click("#tab-raw")
    page.get_by_label("Settings of Raw dimensions").click()
    page.get_by_label("Range of the sliders").locator("visible=true").select_option("4")
    page.click("#tab-map")
    expect(tab.at("canvas.map")).to_be_visible()
    wide = tab.at(".left").bounding_box()["width"]
    page.get_by_label("Click action").select_option("positive")
    page.reload()
    expect(tab.at("canvas.map")).to_be_visible()
    assert tab.at(".left").bounding_box()["width"] == wide > 400
    expect(page.get_by_label("Click action")).to_have_value("positive")
    expect(tab.at(".keyframe")).to_have_count(2)
    expect(seconds).to_have_value("2.5")
    expect(page.get_by_label("Interpolation")).to_have_value("spherical")
    expect(tab.at("#raw .cell").first).to_have_attribute("aria-valuemax", "4")
    expect(tab.at("#animation-save")).to_be_enabled()


# ---- Draw


def test_a_stroke_becomes_the_face_that_sliders_undo_and_a_reload_act_on(tab):
    tab.page.keyboard.press("d")
    expect(tab.at("#drawing")).to_be_visible()
    before = tab.picture()
    draw_line(tab)
    steps(tab, 3)
    drawn, board = tab.picture(), tab.picture(".board")
    assert np.abs(drawn - before).mean() > 0.3
    tab.page.click("#tab-raw")
    type_into(tab.at("#raw .detail .typed"), "3")
    steps(tab, 4)
    edited = tab.picture()
    assert not same(edited, drawn)
    draw_line(tab, 0.6)
    steps(tab, 5)
    assert value(tab.at("#raw .detail .typed")) != 3  # the stroke changed it, on top of the edit
    tab.page.reload()
    tab.ready(5)
    expect(tab.at("#drawing")).to_be_visible()
    for expected, strokes in ((edited, board), (drawn, board)):
        tab.page.keyboard.press("Control+z")
        assert same(tab.picture(), expected) and same(tab.picture(".board"), strokes)
    tab.page.get_by_role("button", name="Undo the last stroke").click()
    assert same(tab.picture(), before) and not same(tab.picture(".board"), board)
    tab.page.keyboard.press("Control+Shift+z")
    assert same(tab.picture(), drawn) and same(tab.picture(".board"), board)


def test_a_random_face_in_draw_is_seen_and_a_fill_and_clear_are_steps_too(tab):
    tab.page.keyboard.press("d")
    draw_line(tab)
    steps(tab, 3)
    drawn = tab.picture()
    tab.page.keyboard.press("r")
    steps(tab, 4)
    assert not same(tab.picture(), drawn)
    tab.page.keyboard.press("Control+z")
    assert same(tab.picture(), drawn)
    tab.page.locator("[data-tool=fill]").click()
    box = tab.at(".board").bounding_box()
    tab.page.mouse.click(box["x"] + 5, box["y"] + 5)
    steps(tab, 4)
    assert not same(tab.picture(), drawn)
    tab.page.click("#draw-clear")
    steps(tab, 5)
    tab.page.keyboard.press("Control+z")
    tab.page.keyboard.press("Control+z")
    assert same(tab.picture(), drawn)


# ---- Directions of one's own


def test_in_a_space_that_takes_no_directions_they_live_in_the_browser_and_travel(browser, address, tab):
    page = tab.page
    page.select_option("#space-select", "2")
    # The space has no directions, and opens Components once it is there.
    expect(tab.at("#tab-components")).to_have_attribute("aria-selected", "true")
    page.click("#tab-attributes")
    page.get_by_text("Create a direction").click()
    expect(tab.at(".new-direction")).to_contain_text("This space is not changed")
    for side in (0, 1):
        for _ in range(5):
            page.keyboard.press("r")
            page.get_by_role("button", name="This face", exact=True).nth(side).click()
    page.reload()
    expect(tab.at(".meter b")).to_be_visible(timeout=WAIT)
    page.get_by_text("Create a direction").click()
    expect(tab.at(".examples b").first).to_have_text("5 positive")
    page.get_by_label("Name of the direction").fill("Mine")
    page.get_by_role("button", name="Create", exact=True).click()
    row = page.get_by_role("group", name="Mine")
    type_into(row.locator(".typed"), "2")
    expect(row.locator(".typed")).to_have_value("2.00")
    moved = tab.picture()
    page.reload()
    expect(row.locator(".typed")).to_have_value("2.00")
    other = Tab(browser, address)
    try:
        other.ready()
        other.page.evaluate(
            f"location.hash = {page.url.split('#')[1]!r}"
        )  # the link is pasted into an open tab
        expect(other.page.get_by_role("group", name="Mine").locator(".typed")).to_have_value("2.00")
        assert same(other.picture(), moved)
    finally:
        other.context.close()


# ---- The server and its key


def test_a_page_finds_its_server_again_after_a_restart_and_takes_an_address_that_is_pasted_into_it(
    browser, trained, tmp_path, monkeypatch
):
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    port = free_port()
    with running(Spaces([trained]), port=port) as service:
        address = service.address
        tab = Tab(browser, address).ready()
    try:
        expect(tab.at("#disconnected")).to_be_visible(timeout=WAIT)
        with running(Spaces([trained]), port=port) as again:
            assert again.address == address
            (kept,) = tmp_path.rglob("*.token")
            assert kept.stat().st_mode & 0o777 == 0o600
            expect(tab.at("#disconnected")).to_have_count(0, timeout=WAIT)
        with running(Spaces([trained]), port=port, new_token=True) as other:
            assert other.address != address
            tab.page.evaluate(f"location.hash = {other.address.split('#')[1]!r}")
            expect(tab.at("#disconnected")).to_have_count(0, timeout=WAIT)
            tab.page.keyboard.press("r")
            steps(tab, 3)
            assert "token" not in tab.page.url
            tab.page.evaluate(f"location.hash = {address.split('#')[1]!r}")  # of the earlier server
            expect(tab.at(".toast")).to_contain_text("does not take the access token")
            expect(tab.at("#disconnected")).to_have_count(0)
            assert "token" not in tab.page.url
            tab.page.reload()
            tab.ready(3)  # with the token that works
    finally:
        tab.context.close()


def test_what_is_changed_while_the_server_is_gone_is_shown_when_it_is_back(
    browser, lively, tmp_path, monkeypatch
):
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    port = free_port()
    with running(Spaces([lively]), port=port) as service:
        tab = Tab(browser, service.address).ready()
        tab.page.click("#tab-components")
        slider = tab.at("#components input[data-row]").first
        typed = tab.at("#components input.typed").first
        typed.fill("-1.5")  # of a random face it may be 20, beyond which no key moves it
        typed.press("Enter")
        steps(tab, 3)
        slider.focus()
        before = tab.picture()
    try:
        expect(tab.at("#disconnected")).to_be_visible(timeout=WAIT)
        expect(tab.at(".engine")).to_have_text("disconnected")
        for _ in range(6):
            slider.press("PageUp")
            tab.page.wait_for_timeout(200)  # a step takes a frame, and presses within one are one step
        tab.page.keyboard.press("s")
        with running(Spaces([lively]), port=port):
            expect(tab.at("#disconnected")).to_have_count(0, timeout=WAIT)
            expect(tab.at(".engine")).to_contain_text("local")
            expect(tab.at(".engine.disconnected")).to_have_count(0)
            expect(tab.at("#history .tile")).to_have_count(9)
            moved = tab.picture()
            assert not same(moved, before)
            tab.page.keyboard.press("Control+z")
            tab.page.keyboard.press("Control+Shift+z")
            assert same(tab.picture(), moved)
            tab.page.click("#tab-saved")
            expect(tab.at(".saved-face canvas")).to_have_count(1)
    finally:
        tab.context.close()


def test_a_link_to_a_face_of_another_loaded_space_opens_that_space(tab):
    first = tab.picture()
    link = tab.page.url
    tab.page.select_option("#space-select", "1")
    expect(tab.page).to_have_title(re.compile("told"))
    steps(tab, 2)
    tab.page.evaluate(f"location.hash = {link.split('#')[1]!r}")
    expect(tab.at("#space-select")).to_have_value("0")
    assert same(tab.picture(), first)


# ---- What is forgotten and what is kept


def test_a_photo_that_is_forgotten_is_gone_everywhere(tab, tmp_path):
    Image.new("RGB", (120, 120), (250, 0, 0)).save(tmp_path / "red.png")
    tab.page.keyboard.press("p")
    tab.page.set_input_files("#photo-file", tmp_path / "red.png")
    expect(tab.at("#photo-use")).to_be_enabled()
    tab.page.click("#photo-use")
    steps(tab, 3)
    tab.page.get_by_role("button", name="Split").click()
    expect(tab.at("canvas.original")).to_be_visible()
    photo = tab.picture(".original")
    assert photo[..., 0].mean() > 200
    tab.page.click("#forget")
    assert not same(tab.picture(".original"), photo)
    tab.page.keyboard.press("r")
    tab.page.keyboard.press("Control+z")
    assert not same(tab.picture(".original"), photo)


def test_the_camera_is_off_as_soon_as_its_picture_is_out_of_sight(browser, address):
    tab = Tab(browser, address, permissions=["camera"])
    live = "window.tracks.filter(track => track.readyState === 'live').length"
    tab.page.evaluate(
        "window.tracks = []; navigator.mediaDevices.getUserMedia = async () => {"
        "const stream = document.createElement('canvas').captureStream();"
        "window.tracks.push(...stream.getTracks()); return stream; }; 0"
    )
    try:
        tab.ready()
        for leave in ("#tab-map", "#tab-random"):
            tab.page.click("#tab-photo")
            tab.page.get_by_role("button", name="Camera").click()
            expect(tab.at("#photo video")).to_be_visible()
            assert tab.page.evaluate(live) == 1
            tab.page.click(leave)
            expect(tab.at("#photo video")).to_have_count(0)
            assert tab.page.evaluate(live) == 0
    finally:
        tab.context.close()


def test_two_tabs_keep_each_other_s_saved_faces_and_a_full_list_says_so(tab, address):
    other = tab.context.new_page()
    other.goto(address)
    expect(other.locator("#history .tile")).to_have_count(2, timeout=WAIT)
    other.keyboard.press("s")
    # A browser tells its other tabs of a change in its own time.
    tab.page.wait_for_function("Object.keys(localStorage).some((key) => key.endsWith(':saved'))")
    tab.page.keyboard.press("s")
    for page in (tab.page, other):
        page.click("#tab-saved")
        expect(page.locator(".saved-face")).to_have_count(2)
    tab.page.evaluate(
        "for (const key of Object.keys(localStorage).filter(key => key.endsWith(':saved'))) {"
        "const [one] = JSON.parse(localStorage[key]);"
        "localStorage[key] = JSON.stringify(Array(100).fill(one).map((face, i) => ({...face, id: String(i)}))) }"
    )
    kept = "JSON.parse(localStorage[Object.keys(localStorage).find(k => k.endsWith(':saved'))]).length"
    other.wait_for_function(f"{kept} === 100")
    other.keyboard.press("s")
    expect(other.locator(".toast.error")).to_contain_text("keeps 100 faces of a space")
    assert other.evaluate(kept) == 100


# ---- Hands


@pytest.mark.parametrize("panel", ["components", "raw", "random"])
def test_a_swipe_that_starts_on_a_slider_scrolls_and_moves_no_slider(browser, address, panel):
    tab = Tab(browser, address, viewport={"width": 390, "height": 640}, has_touch=True, is_mobile=True)
    try:
        tab.ready()
        tab.page.click(f"[data-part={'source' if panel == 'random' else 'edit'}]")
        tab.page.click(f"#tab-{panel}")
        slider = {"raw": "#raw .cell >> nth=3", "random": "#variety"}.get(
            panel, "#components input[data-row] >> nth=0"
        )
        slider = tab.at(slider)
        if panel == "components":  # whose rows are made again when their impact is measured
            expect(tab.at("#components .strength").first).to_be_visible(timeout=WAIT)
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        before, name = tab.picture(), "aria-valuetext"
        shown = slider.get_attribute(name)
        x, y = box["x"] + 0.85 * box["width"], box["y"] + box["height"] * 0.2
        touch(tab, (x, y), (x, y - 120))
        expect(slider).to_have_attribute(name, shown)
        assert same(tab.picture(), before)
        assert tab.page.evaluate("scrollY") > 5 and tab.moments() == 2
    finally:
        tab.context.close()


# ---- The wall


def test_the_wall_has_a_slider_for_every_latent_and_a_drag_goes_across_them(tab):
    tab.page.click("#tab-raw")
    cells = tab.at("#raw .cell")
    expect(cells).to_have_count(5)
    start = tab.picture()
    box = tab.at("#raw .wall").bounding_box()
    row = cells.first.bounding_box()
    drag(tab, {**row, "width": box["width"]}, (0.02, 0.1), (0.95, 0.1))
    steps(tab, 3)  # one drag is one step
    for cell in cells.all():
        assert float(cell.get_attribute("aria-valuenow")) > 1.5
    assert not same(tab.picture(), start)
    cells.nth(1).dblclick()
    expect(cells.nth(1)).to_have_attribute("aria-valuenow", "0.00")
    tab.page.keyboard.press("ArrowRight")
    expect(tab.page.locator(":focus")).to_have_attribute(
        "aria-label", cells.nth(2).get_attribute("aria-label")
    )
    tab.page.keyboard.press("ArrowDown")
    expect(tab.at("#raw .detail .row")).to_have_attribute(
        "aria-label", cells.nth(2).get_attribute("aria-label")
    )
    reachable = tab.page.evaluate("document.querySelectorAll('#raw .cell[tabindex=\"0\"]').length")
    assert reachable == 1


# ---- The first second, and narrow pages


def test_nothing_on_the_page_jumps_while_it_opens(browser, address):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.add_init_script(
            "window.shift = 0; new PerformanceObserver(list => { for (const entry of list.getEntries()) "
            "window.shift += entry.value }).observe({type: 'layout-shift', buffered: true})"
        )
        page.goto(address)
        expect(page.locator("#history .tile")).to_have_count(2, timeout=WAIT)
        expect(page.locator(".meter b")).to_be_visible(timeout=WAIT)
        expect(page.locator("#attributes .row").first).to_be_visible()
        assert page.evaluate("window.shift") < 0.1
    finally:
        context.close()


# The chip of a space for research only, which the spaces of the tests are not.
CHIP = "document.querySelector('.bar .space').insertAdjacentHTML('beforeend', '<span class=\"chip warn\">research use only</span>')"


@pytest.mark.parametrize("width", (641, 700, 768, 828, 880, 960, 1024))
def test_nothing_in_the_bar_overlaps(tab, width):
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.page.evaluate(CHIP)
    overlaps = tab.page.evaluate(
        "(() => { const boxes = [...document.querySelectorAll('.bar .brand, .bar .space > *, .bar .actions > *')]"
        ".filter(e => e.offsetParent && !e.classList.contains('visually-hidden')).map(e => e.getBoundingClientRect());"
        "return boxes.some((a, i) => boxes.some((b, j) => i < j && a.left < b.right - 1 && b.left < a.right - 1 && "
        "a.top < b.bottom - 1 && b.top < a.bottom - 1)) || boxes.some(a => a.right > innerWidth) })()"
    )
    assert not overlaps


def test_the_keyboard_needs_few_stops_and_the_board_of_a_phone_is_large(browser, address):
    tab = Tab(browser, address, viewport={"width": 390, "height": 844})
    stops = (
        "[...document.querySelectorAll('button, input, select, summary, [tabindex]')]"
        ".filter(e => e.tabIndex >= 0 && !e.disabled && e.checkVisibility()).length"
    )
    try:
        tab.ready()
        tab.page.set_viewport_size({"width": 1440, "height": 900})
        tab.page.click("#tab-components")
        assert tab.page.evaluate(stops) < 60
        tab.page.set_viewport_size({"width": 390, "height": 844})
        tab.page.evaluate("document.getElementById('tab-draw').click()")
        assert tab.at(".board").bounding_box()["width"] > 220
        assert tab.at("#stage").bounding_box()["height"] < 0.45 * 844
    finally:
        tab.context.close()
