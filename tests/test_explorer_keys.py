"""The explorer's page by keys alone: a held key is one step, and the focus stays where a person works."""

import sys
from pathlib import Path

import pytest
from explorer_browser import address, browser, expect, tab  # noqa: F401

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from photo_scenes import pick

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


def focused(tab, label: str):
    """The focus lies on the control with this name."""
    expect(tab.page.locator(":focus")).to_have_accessible_name(label)


def use(tab, label: str, first: bool = False):
    """Presses a button by its name, without a pointer."""
    button = tab.page.get_by_role("button", name=label, exact=True)
    (button.first if first else button).focus()
    tab.page.keyboard.press("Enter")


def test_the_focus_stays_among_saved_faces(tab):
    save_faces(tab, 3)
    use(tab, "Remove Face 2")
    expect(tab.at(".saved-face")).to_have_count(2)
    focused(tab, "Remove Face 1")
    use(tab, "Remove Face 1")
    expect(tab.at(".saved-face")).to_have_count(1)
    focused(tab, "Remove Face 3")
    name = tab.at(".saved-face input")
    name.focus()
    name.fill("Anna")
    tab.page.keyboard.press("Tab")
    focused(tab, "Add Anna to the morph")


def test_the_focus_follows_a_keyframe_that_is_moved(tab):
    add_keyframes(tab, 3)
    use(tab, "Add this face")
    expect(tab.at(".keyframe")).to_have_count(4)
    focused(tab, "Add this face")
    use(tab, "Move keyframe 1 later")
    focused(tab, "Move keyframe 2 later")
    tab.page.keyboard.press("Enter")
    focused(tab, "Move keyframe 3 later")
    use(tab, "Remove keyframe 2")
    expect(tab.at(".keyframe")).to_have_count(3)
    focused(tab, "Remove keyframe 2")


def test_the_focus_stays_in_the_mix(tab):
    tab.page.click("#tab-mix")
    for count in (1, 2, 3):
        tab.page.click("#mix-random")
        expect(tab.at(".mix-parent")).to_have_count(count)
    tab.page.locator(".mix-parent .button").nth(1).focus()
    tab.page.keyboard.press("Enter")
    expect(tab.at(".mix-parent")).to_have_count(2)
    expect(tab.page.locator(".mix-parent .button:focus")).to_have_count(1)
    use(tab, "Remove all parents")
    focused(tab, "+ This face")


def test_the_focus_stays_in_the_history_and_on_undo(tab):
    tab.at("#history .tile").first.focus()
    tab.page.keyboard.press("Enter")
    expect(tab.at("#history .tile").first).to_have_attribute("aria-current", "step")
    expect(tab.at("#history .tile").first).to_be_focused()
    tab.page.keyboard.press("Control+Shift+z")
    undo = tab.at("#undo")
    undo.focus()
    tab.page.keyboard.press("Enter")
    expect(undo).to_have_attribute("aria-disabled", "true")
    expect(undo).to_be_focused()


def test_a_face_that_is_picked_by_keys_has_its_points_in_the_focus_without_a_magnifier_for_a_mouse(tab):
    pick(tab.page)
    tab.at(".face-box").first.click()
    expect(tab.at(".landmark").first).to_be_focused()
    expect(tab.at(".magnifier")).to_be_hidden()
    pick(tab.page)
    tab.at(".face-box").first.focus()
    tab.page.keyboard.press("Enter")
    expect(tab.at(".landmark").first).to_be_focused()
    expect(tab.at(".magnifier")).to_be_visible()


def test_the_focus_stays_in_a_lesson_and_leaves_it_for_the_lessons(tab):
    tab.page.click("#lessons")
    tab.page.locator(".lesson-item").nth(2).click()
    tab.at("#lesson-next").focus()
    tab.page.keyboard.press("Enter")
    expect(tab.at("#lesson")).to_contain_text("Step 2 of")
    expect(tab.at("#lesson-next")).to_be_focused()
    tab.at("#lesson-close").focus()
    tab.page.keyboard.press("Enter")
    expect(tab.at("#lessons")).to_be_focused()


def test_the_focus_stays_among_the_examples_of_a_direction(tab):
    tab.page.get_by_text("Create a direction").click()
    use(tab, "This face", first=True)
    expect(tab.page.get_by_text("1 positive")).to_be_visible()
    focused(tab, "This face")
    use(tab, "Remove all positive examples")
    expect(tab.page.get_by_text("0 positive")).to_be_visible()
    focused(tab, "This face")


def test_a_name_that_is_typed_stays_while_another_tab_saves_a_face(tab):
    save_faces(tab, 2)
    other = tab.context.new_page()
    other.goto(tab.page.url.split("#")[0])
    expect(other.locator("#history .tile")).to_have_count(2)
    name = tab.at(".saved-face input").first
    name.focus()
    tab.page.keyboard.press("Control+a")
    tab.page.keyboard.type("An")
    other.keyboard.press("s")
    expect(other.locator(".toast")).to_contain_text("Saved")
    tab.page.wait_for_timeout(500)
    tab.page.keyboard.type("na")
    expect(name).to_have_value("Anna")
    tab.page.keyboard.press("Tab")
    expect(tab.at(".saved-face")).to_have_count(3)
    focused(tab, "Add Anna to the morph")
