"""The explorer's page by keys alone: a held key is one step, and the focus stays where a person works."""

import pytest
from explorer_browser import address, browser, expect, tab  # noqa: F401

pytestmark = pytest.mark.slow
HELD = 8  # times that a held key comes
STEPS = "import('./state.js').then(({ state }) => state.history.length)"
SAVED = "import('./state.js').then(({ state }) => state.saved.length)"
KEYFRAMES = "import('./state.js').then(({ state }) => state.keyframes.length)"


def hold(tab, key: str):
    for _ in range(HELD):
        tab.page.keyboard.down(key)
    tab.page.keyboard.up(key)


def save_faces(tab, count: int):
    """So many saved faces, in sight."""
    tab.page.click("#tab-saved")
    for number in range(1, count + 1):
        tab.page.get_by_role("button", name="Save this face").click()
        expect(tab.at(".saved-face")).to_have_count(number)


def add_keyframes(tab, count: int):
    tab.page.click("#tab-morph")
    for number in range(1, count + 1):
        tab.page.click("#keyframe-add")
        expect(tab.at(".keyframe")).to_have_count(number)


@pytest.mark.parametrize(
    ("panel", "control", "key"),
    [("attributes", "#attributes input[data-row]", "ArrowRight"), ("raw", "#raw .cell", "ArrowUp")],
)
def test_a_key_that_is_held_on_a_slider_is_one_step(tab, panel, control, key):
    tab.page.click(f"#tab-{panel}")
    slider = tab.at(control).first
    slider.focus()
    before = slider.get_attribute("aria-valuetext")
    hold(tab, key)
    assert tab.page.evaluate(STEPS) == 3
    moved = slider.get_attribute("aria-valuetext")
    assert moved != before
    tab.page.keyboard.press("Control+z")
    expect(slider).to_have_attribute("aria-valuetext", before)
    tab.page.keyboard.press("Control+Shift+z")
    expect(slider).to_have_attribute("aria-valuetext", moved)


def test_a_slider_that_loses_the_focus_while_a_key_is_held_has_made_its_step(tab):
    tab.at("#attributes input[data-row]").first.focus()
    tab.page.keyboard.down("ArrowRight")
    assert tab.page.evaluate(STEPS) == 2
    tab.page.locator("#undo").focus()
    assert tab.page.evaluate(STEPS) == 3


def test_the_wall_goes_as_far_by_keys_as_typed_values_do(tab):
    tab.page.click("#tab-raw")
    cell = tab.at("#raw .cell").first
    cell.focus()
    for _ in range(50):
        tab.page.keyboard.down("PageUp")
    tab.page.keyboard.up("PageUp")
    expect(tab.at("#raw .detail .typed")).to_have_value("20.00")


def test_a_shortcut_that_is_held_acts_once(tab):
    hold(tab, "s")
    expect(tab.at(".toast")).to_contain_text("Saved")
    tab.page.wait_for_timeout(500)
    assert tab.page.evaluate(SAVED) == 1
    hold(tab, "r")
    expect(tab.at("#history .tile")).to_have_count(3)
    tab.page.wait_for_timeout(1000)
    assert tab.page.evaluate(STEPS) == 3


def test_a_face_that_is_in_the_morph_twice_is_removed_once(tab):
    save_faces(tab, 1)
    add = tab.page.get_by_role("button", name="Add Face 1 to the morph")
    for _ in range(3):
        add.click()
    tab.page.click("#tab-morph")
    expect(tab.at(".keyframe")).to_have_count(3)
    tab.page.get_by_role("button", name="Remove keyframe 2").click()
    expect(tab.at(".keyframe")).to_have_count(2)


def test_a_full_morph_says_that_it_takes_no_more(tab):
    save_faces(tab, 1)
    add = tab.page.get_by_role("button", name="Add Face 1 to the morph")
    for _ in range(13):
        add.click()
    expect(tab.at(".toast.error")).to_contain_text("A morph has at most 12 keyframes. Remove one first.")
    assert tab.page.evaluate(KEYFRAMES) == 12


def test_pasted_text_that_is_no_json_is_refused_in_a_sentence(tab):
    tab.page.evaluate(
        "() => { const clipboardData = new DataTransfer(); clipboardData.setData('text/plain', '{\"kind\": '); "
        "document.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true })); }"
    )
    expect(tab.at(".toast.error")).to_contain_text("The pasted text is not valid JSON.")
