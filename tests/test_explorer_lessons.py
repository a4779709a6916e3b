"""The explorer's lessons: steps whose conditions the page checks, from the files of the page or of a teacher."""

import json
import re
from importlib import resources

import pytest
from explorer_browser import Tab, address, browser, expect, tab  # noqa: F401
from explorer_help import running, with_directions

from facespace.explorer.service import Spaces, media_type
from facespace.space.face_space import load

pytestmark = pytest.mark.slow
FOLDER = resources.files("facespace.explorer") / "web" / "lessons"
NAMES = ("ae-vs-vae", "blur", "directions", "latent")


def lesson(*steps, **others) -> dict:
    return {"kind": "facespace-lesson", "version": 1, "title": "Mine", "steps": list(steps), **others}


def open_file(tab, document):
    """Opens a lesson as a teacher's file; a text is written as it is."""
    text = document if isinstance(document, str) else json.dumps(document)
    tab.page.click("#lessons")
    tab.page.set_input_files(
        "#lesson-file", {"name": "mine.json", "mimeType": "application/json", "buffer": text.encode()}
    )
    return tab


def marks(tab) -> list[str]:
    """The states of the conditions: done, not yet, not here."""
    return tab.page.evaluate(
        "[...document.querySelectorAll('.lesson-checks .mark')].map(mark => mark.ariaLabel)"
    )


def expect_marks(tab, *states):
    for place, state in enumerate(states):
        expect(tab.at(".lesson-checks .mark").nth(place)).to_have_attribute("aria-label", state)


def set_value(tab, name: str, value: float):
    row = tab.page.get_by_role("group", name=name, exact=True)
    row.locator(".typed").fill(str(value))
    tab.page.keyboard.press("Enter")


def value(tab, name: str) -> float:
    return float(tab.page.get_by_role("group", name=name, exact=True).locator(".typed").input_value())


# ---- The lessons of the page


def test_the_lessons_of_the_page_are_served_valid_and_listed(tab):
    assert sorted(entry.name for entry in FOLDER.iterdir()) == [f"{name}.json" for name in NAMES]
    for name in NAMES:
        reply = tab.page.evaluate(
            "name => fetch(`lessons/${name}.json`).then(async reply => [reply.headers.get('content-type'), await reply.json()])",
            name,
        )
        assert reply[0].startswith(media_type("x.json")) and reply[1] == json.loads(
            (FOLDER / f"{name}.json").read_text("utf-8")
        )
    found = tab.page.evaluate(
        "Promise.all([import('./lesson_schema.js'), import('./lesson_list.js')]).then(([{ readLesson }, { LESSONS, "
        "fetchLesson }]) => Promise.all(LESSONS.map(async ([name, title]) => [name, title, (await fetchLesson(name)).title])))"
    )
    assert sorted(name for name, *_ in found) == list(NAMES)
    assert all(title == listed for _, listed, title in found)
    tab.page.click("#lessons")
    expect(tab.at(".lesson-item")).to_have_count(4)


def test_a_lesson_of_the_address_is_followed_step_by_step(browser, address):
    tab = Tab(browser, address, "?lesson=directions").ready()
    page = tab.page
    card = page.get_by_role("region", name="Lesson: Directions and bias")
    expect(card).to_contain_text("Step 1 of 6")
    expect_marks(tab, "done", "not yet")
    following = tab.at("#lesson-next")
    expect(following).to_have_text("Skip")
    set_value(tab, "Smiling", value(tab, "Smiling") + 0.5)
    expect(tab.at(".lesson-checks .amount")).to_have_text("+0.5")
    expect(following).to_have_text("Skip")
    set_value(tab, "Smiling", value(tab, "Smiling") + 0.6)
    expect_marks(tab, "done", "done")
    expect(following).to_have_text("Next")
    tab.at("#stage").focus()
    page.keyboard.press("Control+z")
    expect_marks(tab, "done", "done")  # what is done stays done
    expect(following).to_have_text("Next")
    following.click()
    expect(card).to_contain_text("Step 2 of 6")
    expect(card).to_contain_text("This space has no Young; go on without it")
    expect(following).to_have_text("Next")
    hint = card.get_by_role("button", name="Hint")
    expect(card).not_to_contain_text("R takes a new face.", use_inner_text=True)
    hint.click()
    expect(card).to_contain_text("R takes a new face.", use_inner_text=True)
    page.reload()
    tab.ready(4)
    expect(card).to_contain_text("Step 2 of 6")
    card.get_by_role("button", name="Back").click()
    expect(card).to_contain_text("Step 1 of 6")
    expect(following).to_have_text("Next")
    for _ in range(6):
        following.click()
    expect(card).to_contain_text("This lesson is finished.")
    assert "lesson=directions" in page.url
    page.click("#lesson-close")
    expect(card).to_be_hidden()
    assert "lesson" not in page.url and "#s=" in page.url
    page.reload()
    expect(tab.at("#history .tile").first).to_be_visible()
    expect(tab.at("#lesson")).to_be_hidden()
    assert tab.errors == []
    tab.context.close()


def test_an_unknown_lesson_is_a_sentence(browser, address):
    tab = Tab(browser, address, "?lesson=smiles").ready()
    expect(tab.at(".toast.error")).to_contain_text(
        "There is no lesson smiles. Known: latent, ae-vs-vae, directions, blur."
    )
    expect(tab.at("#lesson")).to_be_hidden()
    tab.context.close()


def test_a_step_for_two_spaces_says_how_to_load_another(browser, lively, few_samples):
    with running(Spaces([with_directions(load(lively))])) as service:
        tab = Tab(browser, service.address, "?lesson=ae-vs-vae").ready()
        for _ in range(3):
            tab.page.click("#lesson-next")
        expect(tab.at("#lesson")).to_contain_text("facespace explore faces-gray faces-gray-vae")
        expect_marks(tab, "not here")
        expect(tab.at("#lesson-next")).to_have_text("Next")
        assert tab.errors == []
        tab.context.close()


# ---- Conditions


def test_an_edit_with_a_side_condition_is_measured_from_the_face_before(tab):
    conditions = [{"moved": "Smiling", "by": 1.5}, {"kept": "eyeglasses", "within": 0.2}]
    open_file(tab, lesson({"text": "Smile.", "done": conditions}))
    expect_marks(tab, "not yet", "done")
    set_value(tab, "Eyeglasses", value(tab, "Eyeglasses") + 1)
    set_value(tab, "Smiling", value(tab, "Smiling") + 2)
    expect_marks(tab, "done", "not yet")
    expect(tab.at("#lesson-next")).to_have_text("Skip")
    expect(tab.at(".lesson-checks .amount")).to_have_text(["+2.0", "+1.0"])
    tab.at("#stage").focus()
    tab.page.keyboard.press("r")  # another face is another start
    expect(tab.at(".lesson-checks .amount")).to_have_text(["+0.0", "+0.0"])
    set_value(tab, "Smiling", value(tab, "Smiling") + 2)
    expect_marks(tab, "done", "done")
    expect(tab.at("#lesson-next")).to_have_text("Finish")


def draw_strokes(tab):
    tab.page.click("#tab-draw")
    box = tab.at(".board").bounding_box()
    tab.page.mouse.move(box["x"] + 30, box["y"] + 30)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 90, box["y"] + 60, steps=3)
    tab.page.mouse.up()


def lock(tab):
    row = tab.page.get_by_role("group", name="Eyeglasses", exact=True)
    row.hover()
    row.get_by_role("button", name="Lock Eyeglasses").click()


def add_keyframes(tab):
    tab.page.click("#tab-morph")
    for count in (1, 2):
        tab.page.click("#keyframe-add")
        expect(tab.at(".keyframe")).to_have_count(count)


def add_parents(tab):
    tab.page.click("#tab-mix")
    for count in (1, 2):
        tab.page.click("#mix-random")
        expect(tab.at(".mix-parent")).to_have_count(count)


def far_out(tab):
    tab.page.click("#tab-components")
    set_value(tab, "Component 1", 9)


def compare(tab):
    tab.page.keyboard.down("x")
    tab.page.keyboard.up("x")


def move_latent(tab):
    tab.page.evaluate(
        "import('./state.js').then(({ state, commit }) => { const z = state.z.slice(); "
        "z[3] -= 2 * state.statistics.std[3]; commit('Latent 3', z); })"
    )


ACTS = {
    "open": ({"open": "map"}, "Open Map", lambda tab: tab.page.click("#tab-map")),
    "drawn": ({"drawn": "any"}, "Take a random face", lambda tab: tab.page.keyboard.press("r")),
    "prior": ({"drawn": "model"}, "of the prior model", lambda tab: tab.page.click("#random .tile >> nth=3")),
    "compared": ({"compared": "any"}, "hold X, or Split", compare),
    "split": ({"compared": "any"}, "hold X, or Split", lambda tab: tab.page.click(".tools >> text=Split")),
    "typicality": ({"typicality": "above", "ratio": 1.6}, "above 1.6 ×", far_out),
    "mean": (
        {"typicality": "below", "ratio": 0.1},
        "below 0.1 ×",
        lambda tab: tab.page.click("#random >> text=Mean face"),
    ),
    "keyframes": ({"keyframes": 2}, "Add 2 keyframes", add_keyframes),
    "parents": ({"parents": 2}, "Add 2 parents", add_parents),
    "saved": ({"saved": 1}, "Save a face", lambda tab: tab.page.keyboard.press("s")),
    "strokes": ({"strokes": 1}, "Draw 1 strokes", draw_strokes),
    "locked": ({"locked": "Eyeglasses"}, "Lock Eyeglasses", lock),
    "space": ({"space": "other"}, "Select another", lambda tab: tab.page.select_option("#space-select", "1")),
    "latent": ({"moved": "latent 3", "by": -1.5}, "Lower latent 3 by 1.5", move_latent),
    "any": ({"moved": "any latent", "by": 1.5}, "Move any latent by 1.5", move_latent),
    "component": ({"moved": "component 1", "by": 1}, "Raise component 1 by 1", far_out),
}


@pytest.mark.parametrize("name", ACTS)
def test_a_condition_is_met_by_the_act_and_not_before(tab, name):
    condition, text, act = ACTS[name]
    open_file(tab, lesson({"text": "Do it.", "done": condition}))
    expect(tab.at(".lesson-checks")).to_contain_text(text)
    tab.page.wait_for_timeout(200)
    assert marks(tab) == ["not yet"]
    act(tab)
    expect_marks(tab, "done")
    expect(tab.at("#lesson-next")).to_have_text("Finish")


def test_a_photo_is_compared_with_its_reconstruction_not_another_face(tab):
    open_file(tab, lesson({"text": "Compare.", "done": {"compared": "photo"}}))
    compare(tab)
    tab.page.wait_for_timeout(200)
    assert marks(tab) == ["not yet"]
    tab.page.evaluate(
        "import('./state.js').then(({ state, setFace }) => setFace(state.z.slice(), 'Photo', "
        "{ pixels: new Uint8ClampedArray(4 * 256), width: 16, height: 16 }))"
    )
    compare(tab)
    expect_marks(tab, "done")


# ---- Files of teachers


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{not json", "mine.json is not valid JSON"),
        ({"kind": "something"}, "mine.json is no lesson"),
        (lesson({"text": "x"}, version=2), 'The lesson: "version" is the number 1; found 2.'),
        (lesson({"text": "x"}, titel="x"), 'The lesson has no "titel"; it may have kind, version, title'),
        (lesson(), 'The lesson: "steps" is a list of 1 to 40 steps; found [].'),
        (lesson({"hint": "x"}), 'Step 1: "text" is a text of 1 to 1200 characters; found nothing.'),
        (lesson({"text": "x"}, {"text": 3}), 'Step 2: "text" is a text of 1 to 1200 characters; found 3.'),
        (
            lesson({"text": "x", "done": {"smile": 1}}),
            "Step 1, condition 1 is an object with one of open, moved",
        ),
        (
            lesson({"text": "x", "done": [{"open": "map"}, {"moved": "Smiling", "by": "a lot"}]}),
            'Step 1, condition 2: "by" is a number other than 0; found "a lot".',
        ),
        (lesson({"text": "x", "done": {"open": "maps"}}), '"open" is one of random, draw, photo'),
        (lesson({"text": "x", "done": {"keyframes": 1.5}}), '"keyframes" is a whole number from 2 to 12'),
        (lesson({"text": "x", "done": {"open": "map", "by": 1}}), 'has no "by"; it may have open.'),
        (lesson({"text": "x", "spaces": 2}), 'Step 1: "otherwise" is a text for a page with fewer spaces'),
    ],
)
def test_a_mistake_in_a_file_is_a_sentence_that_says_where(tab, document, sentence):
    open_file(tab, document)
    expect(tab.at(".toast.error")).to_contain_text(sentence)
    expect(tab.at("#lesson")).to_be_hidden()


def test_a_lesson_of_a_file_shows_text_only_and_is_kept_for_the_tab(tab):
    text = "<img src=x onerror=alert(1)> `facespace card`\n\nTwo."
    steps = [
        {"title": "<b>One</b>", "text": text},
        {"text": "Three.", "done": {"kept": "Smiling", "within": 1}},
    ]
    open_file(tab, lesson(*steps, summary="x"))
    expect(tab.at("#lesson p").first).to_have_text("<img src=x onerror=alert(1)> facespace card")
    expect(tab.at("#lesson code")).to_have_text("facespace card")
    assert tab.at("#lesson img, #lesson b").count() == 0 and tab.at("#lesson p").count() == 3
    tab.page.click("#lesson-next")
    tab.page.reload()
    tab.ready()
    expect(tab.at("#lesson")).to_contain_text("Step 2 of 2")
    expect(tab.at("#lesson")).to_contain_text("Keep Smiling within ±1 σ")


def test_a_dropped_file_opens_its_lesson(tab):
    document = json.dumps(lesson({"text": "Dropped."}))
    tab.page.set_input_files(
        "#import-file", {"name": "x.json", "mimeType": "application/json", "buffer": document.encode()}
    )
    expect(tab.at("#lesson")).to_contain_text("Dropped.")
    expect(tab.at("#lesson h2")).to_have_text(re.compile("^Mine$"))
