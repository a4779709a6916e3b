"""What is done at once, twice or too late in the explorer's page: the later act counts, each act is one step, and what is
locked or off stays so."""

import re

import pytest
from explorer_browser import WAIT, Tab, address, browser, expect, same, slow, tab  # noqa: F401
from explorer_help import running
from processes import free_port

from facespace.explorer.service import Spaces

pytestmark = pytest.mark.slow

CAMERA = """
window.streams = [];
navigator.mediaDevices.getUserMedia = async () => {
  const canvas = document.createElement('canvas');
  canvas.getContext('2d').fillRect(0, 0, 64, 48);
  const stream = canvas.captureStream(5);
  await new Promise((resolve) => setTimeout(resolve, 300));
  window.streams.push(stream);
  return stream;
};
"""
LIVE = "window.streams.flatMap((s) => s.getTracks()).filter((t) => t.readyState === 'live').length"


def steps(tab, count):
    expect(tab.at("#history .tile")).to_have_count(count)


def labels(tab):
    return [
        re.sub(", step.*", "", tile.get_attribute("aria-label")) for tile in tab.at("#history .tile").all()
    ]


def row(tab, name):
    return tab.page.get_by_role("group", name=name, exact=True)


def type_into(field, text):
    field.fill(text)
    field.press("Enter")


# ---- Too late


def test_the_first_face_that_nobody_asked_for_does_not_replace_what_was_done_meanwhile(browser, address):
    made = Tab(browser, address, slow=("random",))
    try:
        steps(made, 1)
        made.page.click("#tab-components")
        type_into(made.at("#components .typed").first, "1.5")
        steps(made, 2)
        made.gate.open()
        expect(made.at("#random .tile")).to_have_count(9, timeout=WAIT)
        made.page.wait_for_timeout(500)
        assert labels(made) == ["Mean face", "Component 1"]
        assert made.errors == []
    finally:
        made.context.close()


def test_a_random_face_that_comes_after_another_change_is_not_shown_and_fast_presses_are_all(slow):
    slow.gate.close("random")
    slow.page.keyboard.press("r")
    slow.page.click("#tab-components")
    type_into(slow.at("#components .typed").first, "1.5")
    steps(slow, 3)
    slow.gate.open()
    expect(slow.at(".toast")).to_contain_text("changed meanwhile")
    assert labels(slow)[2:] == ["Component 1"]
    slow.at("#components .typed").first.blur()
    for _ in range(3):
        slow.page.keyboard.press("r")
    steps(slow, 6)
    assert labels(slow)[3:] == ["Random face"] * 3


def test_a_random_face_ends_an_animation(tab):
    tab.page.click("#tab-attributes")
    row(tab, "Smiling").get_by_role("button", name=re.compile("^Animate|^Play")).first.click()
    tab.page.wait_for_timeout(300)
    tab.page.keyboard.press("r")
    expect(tab.at("#history [aria-current]")).to_have_attribute("aria-label", re.compile("^Random face"))
    expect(tab.at(".toast")).to_have_count(0)


# ---- Twice


def test_a_camera_that_is_asked_for_twice_is_one_and_goes_off(browser, address):
    made = Tab(browser, address)
    try:
        made.ready()
        made.page.evaluate(CAMERA + "0")
        made.page.keyboard.press("p")
        made.page.get_by_role("button", name="Camera").dblclick()
        expect(made.page.get_by_role("button", name="Take the picture")).to_be_visible()
        made.page.wait_for_timeout(800)
        assert made.page.evaluate("window.streams.length") == 2 and made.page.evaluate(LIVE) == 1
        made.page.get_by_role("button", name="Cancel").click()
        assert made.page.evaluate(LIVE) == 0
        assert made.errors == []
    finally:
        made.context.close()


def test_zero_makes_no_second_step_where_nothing_changes(tab):
    tab.page.click("#tab-attributes")
    smiling = row(tab, "Smiling")
    type_into(smiling.locator(".typed"), "2.5")
    smiling.get_by_role("button", name=re.compile("^Lock")).click()
    type_into(row(tab, "Eyeglasses").locator(".typed"), "1")
    steps(tab, 4)
    smiling.locator("[data-row]").focus()
    for _ in range(3):
        tab.page.keyboard.press("0")
    tab.page.wait_for_timeout(400)
    assert tab.moments() == 5
    expect(smiling.locator(".typed")).to_have_value("2.50")


def test_a_double_click_on_the_wall_is_one_step(tab):
    tab.page.click("#tab-raw")
    cell = tab.at("#raw .cell").nth(2)
    before, face = tab.moments(), tab.picture()
    cell.dblclick(position={"x": 8, "y": 6})
    expect(cell).to_have_attribute("aria-valuenow", "0.00")
    steps(tab, before + 1)
    tab.page.keyboard.press("Control+z")
    assert same(tab.picture(), face)


# ---- Locked


def test_a_locked_slider_stays_whatever_its_row_is_asked(tab):
    tab.page.click("#tab-attributes")
    smiling = row(tab, "Smiling")
    type_into(smiling.locator(".typed"), "2.5")
    steps(tab, 3)
    smiling.get_by_role("button", name=re.compile("^Lock")).click()
    for name in ("Randomise Smiling", "Reset Smiling"):
        tab.page.evaluate("document.querySelector('#announcer').textContent = ''; 0")
        smiling.get_by_role("button", name=name).click()
        expect(tab.page.locator("[aria-live]").filter(has_text="Smiling is locked.")).not_to_have_count(0)
        expect(smiling.locator(".typed")).to_have_value("2.50")
    steps(tab, 3)


# ---- Undo where the hands are


def test_a_typed_value_is_undone_where_it_was_typed(tab):
    tab.page.click("#tab-attributes")
    field = row(tab, "Smiling").locator(".typed")
    before, face = field.input_value(), tab.picture()
    type_into(field, "2.5")
    steps(tab, 3)
    field.press("Control+z")
    expect(field).to_have_value(before)
    assert same(tab.picture(), face)
    field.press("Control+Shift+z")
    expect(field).to_have_value("2.50")
    field.fill("1.")  # a text that is not taken yet has an undo of its own
    field.press("Control+z")
    assert tab.at("#history [aria-current]").get_attribute("aria-label").startswith("Smiling, step 3")


def test_parents_that_were_removed_come_back(tab):
    tab.page.click("#tab-mix")
    for count in (1, 2):
        tab.page.click("#mix-random")
        expect(tab.at(".mix-parents > *")).to_have_count(count)
    face, before = tab.picture(), tab.moments()
    tab.at(".mix-parents button[aria-label^=Remove]").first.click()
    expect(tab.at(".mix-parents > *")).to_have_count(1)
    tab.page.click("#mix-clear")
    expect(tab.at(".mix-parents > *")).to_have_count(0)
    for count in (1, 2):
        tab.page.keyboard.press("Control+z")
        expect(tab.at(".mix-parents > *")).to_have_count(count)
    assert same(tab.picture(), face) and tab.moments() == before
    tab.page.keyboard.press("r")
    steps(tab, before + 1)
    tab.page.click("#mix-clear")
    tab.page.keyboard.press("r")
    steps(tab, before + 2)
    tab.page.keyboard.press("Control+z")  # of the face, which came later
    expect(tab.at("#history [aria-current]")).to_have_attribute(
        "aria-label", re.compile(f"step {before + 1} of")
    )


def test_what_is_out_of_range_says_so_and_no_zero_has_a_sign(tab):
    tab.page.click("#tab-attributes")
    field = row(tab, "Smiling").locator(".typed")
    for _ in range(2):
        type_into(field, "25")
        expect(field).to_have_value("20.00")
    expect(tab.at(".toast").filter(has_text="from −20 to 20")).to_have_count(1)
    type_into(field, "-0.001")
    expect(field).to_have_value("0.00")
    type_into(field, "")
    expect(field).to_have_value("0.00")


# ---- Another token


def test_a_server_with_another_token_is_told_from_one_that_is_gone(browser, trained, tmp_path, monkeypatch):
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    port = free_port()
    with running(Spaces([trained]), port=port) as service:
        made, outdated = Tab(browser, service.address).ready(), service.address
    try:
        expect(made.at("#disconnected")).to_contain_text("does not answer", timeout=WAIT)
        with running(Spaces([trained]), port=port, new_token=True) as other:
            expect(made.at("#disconnected")).to_contain_text("needs the access token", timeout=WAIT)
            field = made.at("#disconnected input")
            type_into(field, outdated)
            expect(made.at(".toast")).to_contain_text("does not take the access token")
            with made.page.expect_navigation():  # the server may have other spaces
                type_into(field, other.address)
            made.ready()
            expect(made.at("#disconnected")).to_have_count(0)
            made.page.keyboard.press("r")
            steps(made, 3)
    finally:
        made.context.close()


def test_a_server_that_comes_back_with_another_space_is_asked_for_that_one(
    browser, trained, told, tmp_path, monkeypatch
):
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    port = free_port()
    with running(Spaces([trained]), port=port) as service:
        made = Tab(browser, service.address).ready()
    try:
        expect(made.at("#disconnected")).to_be_visible(timeout=WAIT)
        with running(Spaces([told]), port=port):
            expect(made.page).to_have_title(re.compile("told"), timeout=WAIT)
            made.ready()
    finally:
        made.context.close()
