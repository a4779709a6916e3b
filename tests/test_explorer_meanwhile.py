"""What is done on the explorer's page while something else goes on: before the server has answered, while a pointer is down,
while another picture is shown, or while another space is opened."""

import re

import pytest
from explorer_browser import WAIT, Tab, address, browser, expect, same, slow, tab, touch  # noqa: F401
from PIL import Image

pytestmark = pytest.mark.slow


def press(tab, box, start, end):
    """Presses at one place, as shares of a box, and moves to another; the button stays down."""
    mouse = tab.page.mouse
    mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
    mouse.down()
    mouse.move(box["x"] + end[0] * box["width"], box["y"] + end[1] * box["height"], steps=4)


def draw_line(tab, height, release=True):
    press(tab, tab.at(".board").bounding_box(), (0.1, height), (0.9, height))
    if release:
        tab.page.mouse.up()


def open_board(tab):
    tab.page.keyboard.press("d")
    expect(tab.at("#drawing")).to_be_visible()
    board = tab.picture(".board")
    assert board.std() > 1  # the mean face is under it
    return board


def steps(tab, count):
    expect(tab.at("#history .tile")).to_have_count(count, timeout=WAIT)


def current(tab, number):
    expect(tab.at("#history [aria-current]")).to_have_attribute("aria-label", re.compile(f"step {number} of"))


def test_each_stroke_is_a_step_at_once_and_its_face_comes_when_the_server_has_read_it(slow):
    empty, before = open_board(slow), slow.picture()
    slow.gate.close("encode")
    draw_line(slow, 0.3)
    one = slow.picture(".board")
    draw_line(slow, 0.6)
    two = slow.picture(".board")
    steps(slow, 4)
    slow.page.keyboard.press("Control+z")
    current(slow, 3)
    assert same(slow.picture(".board"), one) and same(slow.picture(), before)  # not read yet
    slow.page.keyboard.press("Control+z")
    current(slow, 2)
    assert same(slow.picture(".board"), empty)
    slow.gate.open()
    for _ in range(2):
        slow.page.keyboard.press("Control+Shift+z")
    current(slow, 4)
    assert same(slow.picture(".board"), two)
    slow.page.wait_for_timeout(1000)
    last = slow.picture()
    slow.page.keyboard.press("Control+z")
    first = slow.picture()
    assert not same(first, before) and not same(last, first)


def test_a_stroke_outlives_a_reload_before_the_answer_and_is_read_then(slow):
    open_board(slow)
    before = slow.picture()
    slow.gate.close("encode")
    draw_line(slow, 0.3)
    steps(slow, 3)
    strokes = slow.picture(".board")
    slow.gate.names, slow.gate.held = (), []  # the old page's requests are lost
    slow.page.reload()
    slow.ready(3)
    assert same(slow.picture(".board"), strokes)
    expect(slow.at(".meter")).to_contain_text("from a drawing")
    slow.page.wait_for_timeout(1000)
    assert not same(slow.picture(), before)
    steps(slow, 3)


def test_an_answer_that_comes_while_the_page_is_loaded_anew_adds_no_step(slow):
    """The browser has the address by then, with the face before the answer; the history has the one after it."""
    open_board(slow)
    before = slow.picture()
    slow.gate.close("encode")
    draw_line(slow, 0.3)
    steps(slow, 3)
    address = slow.page.url
    slow.gate.open()
    slow.page.wait_for_url(lambda url: url != address)
    slow.page.evaluate("address => history.replaceState(null, '', address)", address)
    slow.page.reload()
    slow.ready(3)
    assert not same(slow.picture(), before)
    steps(slow, 3)
    current(slow, 3)


def test_a_link_to_an_earlier_face_of_this_tab_is_followed(slow):
    """It is an address that the tab itself wrote, but not what it was loaded again with."""
    slow.ready(2)
    first, link = slow.picture(), slow.page.url
    slow.page.keyboard.press("r")
    steps(slow, 3)
    slow.page.goto(slow.page.url.split("#")[0] + "mark.svg")
    slow.page.goto(link)
    slow.ready(4)
    assert same(slow.picture(), first)


def test_undo_while_a_pointer_is_down_takes_back_what_it_does_and_nothing_more(tab):
    empty, before = open_board(tab), tab.picture()
    draw_line(tab, 0.3, release=False)
    tab.page.keyboard.press("Control+z")
    tab.page.mouse.move(10, 10)
    tab.page.mouse.up()
    assert same(tab.picture(".board"), empty) and same(tab.picture(), before)
    steps(tab, 2)
    current(tab, 2)
    tab.page.click("#tab-components")
    slider = tab.at("#components input[data-row]").first
    shown = slider.input_value()
    press(tab, slider.bounding_box(), (0.5, 0.5), (0.95, 0.5))
    assert slider.input_value() != shown
    tab.page.keyboard.press("Control+z")
    tab.page.mouse.up()
    expect(slider).to_have_value(shown)
    assert same(tab.picture(), before)
    current(tab, 2)


def test_a_drawing_is_one_after_a_reload_too_and_edits_stay_on_top_of_it(tab):
    open_board(tab)
    draw_line(tab, 0.3)
    steps(tab, 3)
    tab.page.wait_for_timeout(1000)
    tab.page.click("#tab-raw")
    field = tab.at("#raw .detail .typed")
    drawn = float(field.input_value())
    field.fill(f"{drawn + 5:.2f}")
    field.press("Enter")
    steps(tab, 4)
    tab.page.reload()
    tab.ready(4)
    expect(tab.at(".meter")).to_contain_text("from a drawing")
    draw_line(tab, 0.31)  # nearly the same drawing
    steps(tab, 5)
    tab.page.wait_for_timeout(1000)
    assert float(field.input_value()) == pytest.approx(drawn + 5, abs=2.5)


def test_a_new_face_is_seen_also_while_one_of_the_map_is_pointed_at(tab):
    tab.page.keyboard.press("m")
    expect(tab.at("#map .hint")).to_contain_text("faces decoded", timeout=WAIT)
    tab.at("canvas.map").focus()
    tab.page.keyboard.press("ArrowRight")
    caption = tab.at(".frame .caption")
    expect(caption).to_have_text("On the map")
    pointed = tab.picture()
    tab.page.keyboard.press("r")
    steps(tab, 3)
    expect(caption).to_be_hidden()
    assert not same(tab.picture(), pointed)


def test_the_camera_is_off_when_a_narrow_page_shows_another_part(browser, address):
    tab = Tab(browser, address, permissions=["camera"], viewport={"width": 390, "height": 844})
    live = "window.tracks.filter(track => track.readyState === 'live').length"
    tab.page.evaluate(
        "window.tracks = []; navigator.mediaDevices.getUserMedia = async () => {"
        "const stream = document.createElement('canvas').captureStream();"
        "window.tracks.push(...stream.getTracks()); return stream; }; 0"
    )
    try:
        tab.page.click("#tab-photo")
        tab.page.get_by_role("button", name="Camera").click()
        expect(tab.at("#photo video")).to_be_visible()
        assert tab.page.evaluate(live) == 1
        tab.page.click("[data-part=edit]")
        expect(tab.at("#photo video")).to_have_count(0)
        assert tab.page.evaluate(live) == 0
    finally:
        tab.context.close()


def test_the_space_that_was_chosen_last_is_open_whatever_answers_first(slow):
    slow.gate.close("facts")
    for index in ("2", "1"):
        slow.at("#space-select").select_option(index)
    slow.page.wait_for_timeout(300)
    (server, first), (_, last) = slow.gate.held
    slow.gate.held = []
    slow.gate.close()
    server.send(last)
    expect(slow.page).to_have_title(re.compile("told"))
    server.send(first)
    slow.page.wait_for_timeout(1500)
    expect(slow.page).to_have_title(re.compile("told"))
    expect(slow.at("#space-select")).to_have_value("1")
    expect(slow.at(".toast")).to_have_count(0)


def test_faces_of_the_space_before_are_not_shown_in_another_one(slow):
    slow.gate.close("random")
    slow.page.get_by_role("button", name="New faces").click()
    slow.page.keyboard.press("r")
    slow.page.wait_for_timeout(300)
    late, slow.gate.held = slow.gate.held, []
    slow.page.select_option("#space-select", "1")
    expect(slow.page).to_have_title(re.compile("told"))
    expect(slow.at("#random .tile")).to_have_count(0)  # none of the other space's can be clicked
    slow.gate.open()
    steps(slow, 2)
    expect(slow.at("#random .tile")).to_have_count(9)
    grid = slow.picture("#random .tile:first-child canvas")
    for server, message in late:
        server.send(message)
    slow.page.wait_for_timeout(1000)
    assert same(slow.picture("#random .tile:first-child canvas"), grid)
    steps(slow, 2)
    expect(slow.at(".toast")).to_have_count(0)


def test_a_photo_is_aligned_again_for_another_space(tab, tmp_path):
    Image.new("RGB", (120, 120), (250, 0, 0)).save(tmp_path / "red.png")
    tab.page.keyboard.press("p")
    tab.page.set_input_files("#photo-file", tmp_path / "red.png")
    expect(tab.at("#photo-use")).to_be_enabled()
    before = tab.picture("#photo figure:last-child canvas")
    tab.page.select_option("#space-select", "1")
    steps(tab, 2)
    tab.page.wait_for_timeout(500)
    expect(tab.at("#photo-use")).to_be_enabled()
    assert not same(tab.picture("#photo figure:last-child canvas"), before)
    encoded = tab.picture("#photo figure:last-child canvas")
    tab.page.click("#photo-use")
    steps(tab, 3)
    shown = tab.picture()
    assert abs(shown.mean() - encoded.mean()) < 2


def test_the_key_l_locks_the_slider_of_the_wall_that_has_the_focus(tab):
    tab.page.click("#tab-raw")
    cell = tab.at("#raw .cell").nth(2)
    cell.click()
    for locked in ("true", "false"):
        tab.page.keyboard.press("l")
        expect(cell).to_have_attribute("aria-disabled", locked)


def test_an_emptied_field_shows_two_decimals_again_and_saved_faces_have_names_of_their_own(tab):
    tab.page.click("#tab-components")
    field = tab.at("#components .typed").first
    field.fill("1.87")
    field.press("Enter")
    field.fill("")
    field.press("Enter")
    expect(field).to_have_value("1.87")
    field.blur()
    for _ in range(2):
        tab.page.keyboard.press("s")
    tab.page.click("#tab-saved")
    expect(tab.at(".saved-face")).to_have_count(2)
    tab.page.get_by_role("button", name="Remove Face 1").click()
    expect(tab.at(".saved-face")).to_have_count(1)
    tab.page.get_by_role("button", name="Save this face").click()
    names = tab.at(".saved-face")
    expect(names).to_have_count(2)
    assert sorted(name.get_attribute("aria-label") for name in names.all()) == ["Face 2", "Face 3"]


def test_swipes_on_the_blend_of_a_drawing_and_on_the_whole_map_scroll_and_change_nothing(browser, address):
    tab = Tab(
        browser, address, viewport={"width": 390, "height": 640}, has_touch=True, is_mobile=True
    ).ready()
    try:
        tab.page.click("#tab-draw")
        box = tab.at(".board").bounding_box()
        touch(tab, (box["x"] + 20, box["y"] + 60), (box["x"] + 120, box["y"] + 70))
        expect(tab.at("#draw-blend")).to_have_value("0.5")
        for panel, place in (("draw", "#draw-blend"), ("map", "canvas.map")):
            tab.page.click(f"#tab-{panel}")
            if panel == "map":
                expect(tab.at("#map .hint")).to_contain_text("faces decoded", timeout=WAIT)
            tab.page.wait_for_timeout(1000)
            face = tab.picture()
            tab.page.evaluate(f"document.querySelector('{place}').scrollIntoView({{block: 'end'}})")
            box, before = tab.at(place).bounding_box(), tab.page.evaluate("scrollY")
            x, y = box["x"] + 0.85 * box["width"], box["y"] + 0.9 * box["height"]
            touch(tab, (x, y), (x, y - 100))
            tab.page.wait_for_timeout(500)
            assert tab.page.evaluate("scrollY") > before + 5, panel
            assert tab.moments() == 3 and same(tab.picture(), face)
            tab.page.evaluate("scrollTo(0, 0)")
    finally:
        tab.context.close()


def test_the_tour_of_a_phone_shows_each_part_that_it_speaks_of(browser, address):
    tab = Tab(browser, address, tour=True, viewport={"width": 390, "height": 844}).ready()
    try:
        tab.at(".brand").click()
        for number in range(1, 6):
            expect(tab.at(".tour")).to_contain_text(f"{number} of 5")
            expect(tab.at(".highlighted")).to_be_visible()
            tab.at(".tour .primary").click()
        expect(tab.at(".tour")).to_have_count(0)
        expect(tab.at("#source-tabs")).to_be_visible()
    finally:
        tab.context.close()


def test_everything_that_takes_the_focus_is_24_pixels_high_on_a_phone(browser, address):
    tab = Tab(browser, address, viewport={"width": 390, "height": 844}).ready()
    low = (
        "[...document.querySelectorAll('button, a[href], select, summary, [role=slider], [role=note][tabindex]')]"
        ".filter(e => e.checkVisibility() && e.getBoundingClientRect().width > 1"
        " && e.getBoundingClientRect().height < 24).map(e => e.outerHTML.slice(0, 80))"
    )
    try:
        for part, tabs in (("source", ("random", "draw", "map", "saved")), ("edit", ("attributes", "raw"))):
            tab.page.click(f"[data-part={part}]")
            for name in tabs:
                tab.page.click(f"#tab-{name}")
                tab.page.wait_for_timeout(300)
                assert tab.page.evaluate(low) == []
    finally:
        tab.context.close()
