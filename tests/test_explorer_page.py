"""The explorer's page, in a real browser: every journey of a person, what it refuses, and that it is accessible. Faults
that people met are in test_explorer_journeys.py."""

import base64
import json
import re
import struct

import numpy as np
import pytest
from explorer_browser import LOOKS, SEEN, WAIT, Tab, address, browser, collect_examples, expect, same, tab  # noqa: F401
from explorer_help import serving
from PIL import Image, ImageDraw

pytestmark = pytest.mark.slow  # a minute and a half in all


def test_sliders_move_the_face_and_undo_brings_it_back(tab):
    before = tab.picture()
    tab.page.click("#tab-raw")
    slider = tab.at("#raw input[data-row]").first
    slider.focus()
    for _ in range(4):
        tab.page.keyboard.press("PageUp")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"Latent \d+ [+−]\d\.\d, \w+"))
    expect(tab.page.locator(":focus")).to_have_attribute("id", slider.get_attribute("id"))
    moved = tab.picture()
    assert np.abs(moved - before).mean() > 0.3
    tab.page.evaluate("document.activeElement.blur()")
    while (
        tab.at("#undo").is_enabled()
        and tab.at("#history .tile").nth(1).get_attribute("aria-current") != "step"
    ):
        tab.page.keyboard.press("Control+z")
    assert same(tab.picture(), before)
    tab.page.keyboard.press("Control+Shift+z")
    assert not np.array_equal(tab.picture(), before)


def test_undo_and_the_face_survive_a_reload(tab):
    tab.page.keyboard.press("r")
    expect(tab.at("#history .tile")).to_have_count(3)
    before = tab.picture()
    tab.page.reload()
    expect(tab.at("#history .tile")).to_have_count(3)
    assert same(tab.picture(), before)
    assert "token" not in tab.page.url


def test_undo_brings_the_original_back_too(tab):
    first = tab.picture()
    tab.page.keyboard.press("r")
    expect(tab.at("#history .tile")).to_have_count(3)
    assert not same(tab.picture(), first)
    tab.page.keyboard.press("Control+z")
    tab.page.get_by_role("button", name="Split").click()
    other = tab.at("canvas.original")
    expect(other).to_be_visible()
    tab.page.wait_for_timeout(300)
    assert same(tab.picture(), first) and same(tab.picture(".original"), first)


def test_dragging_a_slider_shows_each_step(tab):
    tab.page.click("#tab-components")
    slider = tab.at("#components input[data-row]").first
    box = slider.bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] / 2)
    low = tab.picture()
    tab.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2, steps=20)
    high = tab.picture()
    tab.page.mouse.up()
    assert np.abs(low - high).mean() > 1
    expect(tab.at("#history .tile")).to_have_count(3)  # one drag is one step of the history


def test_a_locked_attribute_stays_where_it_is(tab):
    tab.page.click("#tab-attributes")
    row = tab.page.get_by_role("group", name="Eyeglasses")
    typed = row.locator(".typed")
    before = typed.input_value()
    row.locator("input[data-row]").focus()
    tab.page.keyboard.press("l")
    tab.page.keyboard.press("PageUp")
    expect(typed).to_have_value(before)
    smiling = tab.page.get_by_role("group", name="Smiling")
    smiling.locator(".typed").fill("1.5")
    smiling.locator(".typed").press("Enter")
    expect(smiling.locator(".typed")).to_have_value(re.compile("1.50?"))
    expect(typed).to_have_value(before)
    expect(tab.at(".effects")).to_contain_text("Smiling")
    expect(smiling.locator(".gaps")).to_have_text("1.0 gap")  # the class means are at -0.5 and 1.5
    expect(smiling.locator("input[data-row]")).to_have_attribute(
        "aria-valuetext", re.compile(r"\+1\.5, .*, 1\.0 gap")
    )
    place = smiling.locator(".notch").evaluate(
        "mark => mark.getBoundingClientRect().x + mark.offsetWidth / 2"
    )
    box, reach = smiling.locator("input[data-row]").bounding_box(), 3  # the notch is where the thumb is
    assert place == pytest.approx(box["x"] + 9 + (1.5 + reach) / (2 * reach) * (box["width"] - 18), abs=1.5)
    assert row.locator(".gaps").count() == 0 == row.locator(".notch").count()
    assert (
        tab.page.get_by_role("group", name="Male").count() == 0
    )  # protected labels are shown when asked for
    tab.page.get_by_label("Show 1 subjective or protected labels").check()
    assert tab.page.get_by_role("group", name="Male").count() == 1


def test_reset_returns_an_attribute_to_the_original_face(tab):
    tab.page.click("#tab-attributes")
    row = tab.page.get_by_role("group", name="Smiling")
    typed = row.locator(".typed")
    expect(typed).not_to_have_value("")
    before = typed.input_value()
    typed.fill(f"{float(before) + 1:.2f}")
    typed.press("Enter")
    expect(tab.at(".effects")).to_contain_text("Smiling")
    tab.page.evaluate("document.activeElement.blur()")
    row.get_by_role("button", name="Reset Smiling").click()
    expect(typed).to_have_value(before)
    expect(tab.at(".effects")).to_be_hidden()


def test_a_panel_that_was_hidden_shows_the_values_of_the_new_face(tab):
    first = tab.at("#raw .typed").first
    tab.page.click("#tab-raw")
    expect(first).not_to_have_value("")
    before = first.input_value()
    tab.page.click("#tab-attributes")
    tab.page.keyboard.press("r")
    expect(tab.at("#history .tile")).to_have_count(3)
    tab.page.click("#tab-raw")
    expect(first).not_to_have_value(before)


def photo(path, size=(300, 260), orientation=None):
    image = Image.new("RGB", size, (180, 170, 160))
    pen = ImageDraw.Draw(image)
    pen.ellipse((100, 60, 200, 200), fill=(230, 190, 160))
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(path, exif=exif)
    return path


def test_a_photo_without_a_detected_face_is_aligned_by_hand(tab, tmp_path):
    tab.page.keyboard.press("p")
    tab.page.set_input_files("#photo-file", photo(tmp_path / "photo.jpg"))
    use = tab.at("#photo-use")
    expect(use).to_be_enabled()
    expect(tab.at("#photo .landmark")).to_have_count(4)
    tab.at("#photo .landmark").first.focus()
    tab.page.keyboard.press("ArrowLeft")
    count = tab.moments()
    use.click()
    expect(tab.at("#history .tile")).to_have_count(count + 1)
    tab.page.get_by_role("button", name="Split").click()
    expect(tab.at(".divider")).to_be_visible()
    tab.page.click("#forget")
    expect(tab.at("#photo .drop")).to_be_visible()


def test_a_turned_photo_is_upright(tab, tmp_path):
    tab.page.keyboard.press("p")
    tab.page.set_input_files("#photo-file", photo(tmp_path / "turned.jpg", orientation=6))
    expect(tab.at("#photo canvas.photo")).to_have_attribute("width", "260")


def test_what_is_no_picture_is_told(tab, tmp_path):
    (tmp_path / "no.jpg").write_bytes(b"not a picture")
    tab.page.set_input_files("#photo-file", tmp_path / "no.jpg")
    expect(tab.at(".toast.error")).to_contain_text("not a picture")


def test_a_morph_is_played_reordered_and_saved(tab):
    tab.page.click("#tab-morph")
    tab.page.click("#keyframe-add")
    expect(tab.at(".keyframe")).to_have_count(1)
    tab.page.keyboard.press("r")
    tab.page.wait_for_timeout(400)
    tab.page.click("#keyframe-add")
    expect(tab.at(".keyframe")).to_have_count(2)
    expect(tab.at("#animation-save")).to_be_enabled()
    tab.page.get_by_role("button", name="Move keyframe 2 earlier").click()
    tab.page.evaluate("document.activeElement.blur()")
    tab.page.keyboard.press("Space")
    expect(tab.at(".frame .caption")).to_contain_text("Morph, frame")
    tab.page.keyboard.press("Space")
    tab.page.get_by_label("Seconds").fill("1")
    tab.page.get_by_label("Seconds").press("Enter")
    tab.page.click("#animation-save")
    with tab.page.expect_download() as got:
        tab.page.click("#morph-save")
    animation = Image.open(got.value.path())
    assert got.value.suggested_filename == "morph.gif" and animation.n_frames == 60  # and back


def test_a_link_restores_the_face_and_holds_no_token(browser, address, tab):
    before = tab.picture()
    link = tab.page.url
    assert "#s=" in link and "token" not in link
    other = Tab(browser, address, tour=False)
    try:
        other.ready()
        other.page.goto("about:blank")
        other.page.goto(link)  # the same tab still has the token
        expect(other.at("#history .tile")).to_have_count(3)
        assert same(other.picture(), before)
    finally:
        other.context.close()


def exported(tab, tmp_path):
    tab.page.click("#export")
    with tab.page.expect_download() as got:
        tab.page.click("#export-png")
    got.value.save_as(tmp_path / "face.png")
    return tmp_path / "face.png"


def test_a_picture_carries_its_state_and_provenance_and_restores_it(tab, tmp_path):
    before = tab.picture()
    file = exported(tab, tmp_path)
    image = Image.open(file)
    image.load()
    assert "trainedAlgorithmicMedia" in image.text["XML:com.adobe.xmp"]
    document = json.loads(image.text["facespace"])
    assert document["version"] == 1 and "token" not in json.dumps(document)
    assert min(image.size) >= 480
    tab.page.keyboard.press("r")
    expect(tab.at("#history .tile")).to_have_count(3)
    assert not np.array_equal(tab.picture(), before)
    tab.page.set_input_files("#import-file", file)
    expect(tab.at("#history .tile")).to_have_count(4)
    assert same(tab.picture(), before)


def lying_png(path, text: bytes, length: int | None = None):
    body = b"iTXt" + text
    chunk = struct.pack(">I", len(text) if length is None else length) + body + b"\0\0\0\0"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + bytes(17) + chunk)
    return path


LIES = [
    ({"fingerprint": "0" * 16}, "another model"),
    ({"version": 99}, "has format version 99"),
    ({"kind": "x"}, "not a face of the explorer"),
    ({"z": "AAAA"}, "of this space has 5 dimensions"),
    ({"z": base64.b64encode(struct.pack("<5f", *[float("nan")] * 5)).decode()}, "not finite or too large"),
    ({"z": "A" * 50_000}, "no latent of this space"),
    ({"z": "A" * 100_000}, "too large"),
]


def test_lying_files_are_refused_and_the_face_stays(tab, tmp_path):
    document = json.loads(Image.open(exported(tab, tmp_path)).text["facespace"])
    before = tab.picture()
    for change, words in LIES:
        (tmp_path / "lie.json").write_text(json.dumps({**document, **change}))
        tab.page.set_input_files("#import-file", tmp_path / "lie.json")
        expect(tab.at(".toast.error").last).to_contain_text(words)
    assert same(tab.picture(), before)


LYING = [
    (b"facespace\0\1\0\0\0compressed", None, "compressed or too large"),
    (b"facespace\0\0\0\0\0{", None, "damaged"),
    (b"facespace\0\0\0\0\0{}", 2**31, "incomplete or damaged"),
    (b"facespace\0\0\0\0\0" + b"[" * 70_000, None, "too large"),
]


def test_a_lying_picture_is_refused(tab, tmp_path):
    for number, (text, length, words) in enumerate(LYING, 1):
        tab.page.set_input_files("#import-file", lying_png(tmp_path / f"lie{number}.png", text, length))
        expect(tab.at(".toast.error").last).to_contain_text(words)
        tab.page.evaluate("document.querySelectorAll('.toast').forEach(toast => toast.remove())")


def test_the_map_loads_faces_and_the_lasso_gathers_them(tab):
    tab.page.click("#tab-map")
    board = tab.at("canvas.map")
    expect(board).to_be_visible()
    expect(tab.at("#map .hint")).to_contain_text("decoded by the model")
    count = tab.moments()
    board.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        tab.page.keyboard.press(key)
    expect(tab.at("#history .tile")).to_have_count(count + 1)
    tab.page.get_by_label("Click action").select_option("positive")
    box = board.bounding_box()
    tab.page.mouse.move(box["x"] + 5, box["y"] + 5)
    tab.page.mouse.down()
    for x, y in ((0.98, 0.02), (0.98, 0.98), (0.02, 0.98)):
        tab.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
    tab.page.mouse.up()
    expect(tab.at(".toast").last).to_contain_text("positive examples added")


def test_saved_faces_stay_in_this_browser(tab):
    tab.page.keyboard.press("s")
    tab.page.click("#tab-saved")
    expect(tab.at(".saved-face")).to_have_count(1)
    tab.page.reload()
    tab.page.click("#tab-saved")
    expect(tab.at(".saved-face")).to_have_count(1)
    tab.page.get_by_role("button", name="Remove Face 1").click()
    expect(tab.at(".saved-face")).to_have_count(0)


def test_another_space_can_be_opened(tab):
    tab.page.select_option("#space-select", "1")
    expect(tab.at("#history .tile")).to_have_count(2)
    expect(tab.at("#attributes")).to_contain_text("facespace directions")
    tab.page.reload()
    expect(tab.at("#space-select")).to_have_value("1")


def test_everything_works_by_keyboard_alone(tab):
    page = tab.page
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "tab-random":
            break
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-map"
    page.keyboard.press("]")
    before = page.evaluate("document.activeElement.id")
    page.keyboard.press("]")
    assert before.startswith("attributes-") and page.evaluate("document.activeElement.id") != before
    page.keyboard.press("[")
    page.keyboard.press("ArrowRight")
    expect(tab.at("#history .tile")).to_have_count(3)
    page.keyboard.press("Alt+ArrowRight")
    page.keyboard.press("?")
    expect(tab.at("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(tab.at("dialog")).to_have_count(0)
    page.keyboard.press("0")
    page.keyboard.down("x")
    expect(page.get_by_role("button", name="Compare")).to_have_attribute("aria-pressed", "true")
    page.keyboard.up("x")


def test_no_wording_of_the_meter_changes_how_large_the_face_is(tab):
    for width in (1440, 1280, 1024, 800, 360):
        tab.page.set_viewport_size({"width": width, "height": 900})
        heights, overflows = [], []
        for words in ("Rare", "Beyond the model"):
            tab.page.evaluate(f"document.querySelector('.meter b').textContent = '{words}'")
            heights.append(tab.at(".frame").bounding_box()["height"])
            overflows.append(
                tab.page.evaluate("(m => m.scrollWidth - m.clientWidth)(document.querySelector('.meter'))")
            )
        assert heights[0] == heights[1] and overflows == [0, 0], width


def test_every_button_and_number_explains_itself(tab):
    unnamed = tab.page.evaluate(
        "[...document.querySelectorAll('button')].filter(b => !b.textContent.trim() && !b.ariaLabel).length"
    )
    assert unnamed == 0
    tab.at(".engine").hover()
    expect(tab.at("#tip")).to_contain_text("runs on this computer")
    tab.at(".meter").focus()
    silent = tab.page.evaluate(
        "[...document.querySelectorAll('input[type=number]')].filter(i => !i.dataset.tip).length"
    )
    assert silent == 0


def test_the_card_says_what_the_space_is(tab):
    tab.page.get_by_role("button", name="About this space").click()
    facts = tab.at("dialog dl")
    expect(facts).to_contain_text("Terms of use")
    expect(facts).to_contain_text("a Gaussian fitted to the latents")
    assert "object" not in facts.inner_text()


def test_the_tour_can_be_skipped_and_does_not_come_back(browser, address):
    tab = Tab(browser, address, tour=True)
    try:
        tab.ready()
        expect(tab.at(".tour")).to_have_count(
            0
        )  # nothing lies over the first face until somebody touches the page
        tab.page.mouse.click(700, 860)
        expect(tab.at(".tour")).to_be_visible()
        tab.page.click("#tour-skip")
        expect(tab.at(".tour")).to_have_count(0)
        tab.page.reload()
        tab.ready()
        expect(tab.at(".tour")).to_have_count(0)
    finally:
        tab.context.close()


def test_a_lesson_s_link_hides_what_it_does_not_need(browser, address):
    tab = Tab(browser, address, "?hide=photo,map,morph,attributes,tour", tour=True)
    try:
        tab.ready()
        assert tab.at("#tab-photo").count() == 0 and tab.at("#tab-attributes").count() == 0
        expect(tab.at("#components")).to_be_visible()
        expect(tab.at(".tour")).to_have_count(0)
        assert tab.errors == []
    finally:
        tab.context.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing(browser, address, width, scheme):
    axe_core = pytest.importorskip("axe_core_python.sync_playwright")
    tab = Tab(
        browser, address, viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True
    )
    try:
        tab.ready()
        for source, edit, part in (
            ("random", "attributes", "source"),
            ("draw", "raw", "edit"),
            ("map", "components", "source"),
            ("photo", "raw", "below"),
            ("saved", "pad", "edit"),
            ("mix", "pad", "source"),
        ):
            for name in (source, edit):
                tab.page.evaluate(f"document.getElementById('tab-{name}').click()")
            tab.page.evaluate(f"document.querySelector('[data-part={part}]').click()")
            if source == "mix":
                for _ in range(3):
                    tab.page.click("#mix-random")
                tab.page.click("#lessons")
                tab.page.click(".lesson-item >> nth=2")
                expect(tab.at("#lesson")).to_be_visible()
            tab.page.wait_for_timeout(400)
            found = axe_core.Axe().run(tab.page)["violations"]
            assert [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found] == []
    finally:
        tab.context.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing_in_dialogs(browser, address, width, scheme):
    axe_core = pytest.importorskip("axe_core_python.sync_playwright")
    tab = Tab(
        browser, address, viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True
    )
    page = tab.page

    def morph():
        page.evaluate("document.getElementById('tab-morph').click()")
        if width < 1024:
            page.click("[data-part=below]")
        for count in (1, 2):
            page.click("#keyframe-add")
            expect(tab.at(".keyframe")).to_have_count(count)
        page.click("#animation-save")

    def parents():
        page.evaluate("document.getElementById('tab-mix').click()")
        if width < 1024:
            page.click("[data-part=source]")
        page.click("#mix-choose")

    try:
        tab.ready()
        for act in (
            morph,
            parents,
            lambda: page.click("#export"),
            lambda: page.click("#lessons"),
            lambda: page.keyboard.press("?"),
        ):
            act()
            expect(tab.at("dialog[open]")).to_be_visible()
            page.wait_for_timeout(300)
            found = axe_core.Axe().run(page)["violations"]
            assert [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found] == []
            page.keyboard.press("Escape")
            expect(tab.at("dialog[open]")).to_have_count(0)
    finally:
        tab.context.close()


def test_a_page_of_320_pixels_needs_no_sideways_scrolling(browser, address):
    tab = Tab(browser, address, viewport={"width": 320, "height": 640})
    try:
        tab.ready()
        for part in ("source", "edit", "below"):
            tab.page.click(f"[data-part={part}]")
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= 320
            small = tab.page.evaluate(
                "[...document.querySelectorAll('button, input, select, summary')].filter(e => e.offsetParent && "
                "!e.classList.contains('visually-hidden')).map(e => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()])"
                ".filter(([_, r]) => r.width && (r.width < 24 || r.height < 24)).map(([h]) => h)"
            )
            assert [one for one in small if "checkbox" not in one] == []  # a checkbox's label is its target
    finally:
        tab.context.close()


def test_nothing_is_asked_of_another_origin(tab, address):
    origin = address.split("/#")[0]
    tab.page.click("#tab-map")
    expect(tab.at("canvas.map")).to_be_visible()
    tab.page.keyboard.press("r")
    foreign = [
        url
        for url in tab.requests
        if not url.startswith((origin, origin.replace("http", "ws"), "blob:", "data:"))
    ]
    assert foreign == [] and len(tab.requests) > 10


def test_the_face_stays_when_the_server_goes(browser, trained):
    with serving(trained) as (process, address):
        tab = Tab(browser, address)
        try:
            tab.ready()
            before = tab.picture()
            process.kill()
            expect(tab.at("#disconnected")).to_contain_text(
                "The explorer server does not answer; the face is kept"
            )
            tab.page.keyboard.press("r")
            expect(tab.at(".toast.error")).to_contain_text("facespace explore")
            # The banner takes some of the stage's height, and the face may be painted smaller.
            shrunk = [
                Image.fromarray(each.astype(np.uint8)).resize((96, 96)) for each in (tab.picture(), before)
            ]
            assert np.abs(np.subtract(*(np.asarray(each, int) for each in shrunk))).mean() < 2
            assert [error for error in tab.errors if "ERR_CONNECTION_REFUSED" not in error] == []
        finally:
            tab.context.close()


def test_without_the_token_the_page_asks_for_it(browser, address):
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(address.split("#")[0])
        expect(page.locator("#disconnected")).to_contain_text("paste the address")
        page.add_init_script(SEEN)
        page.get_by_label("Address with the access token").fill(address)
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#history .tile")).to_have_count(2, timeout=WAIT)
    finally:
        context.close()


def test_a_second_tab_gets_the_token_from_the_first(tab, address):
    other = tab.context.new_page()
    other.goto(address.split("#")[0])
    expect(other.locator("#history .tile").first).to_be_visible(timeout=WAIT)


def test_a_button_is_busy_while_it_works_so_that_a_double_click_creates_one_direction(tab):
    sent = []
    tab.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    tab.page.reload()
    tab.ready()
    tab.page.click("#tab-attributes")
    collect_examples(tab)
    tab.page.get_by_label("Name of the direction").fill("Twice")
    tab.page.get_by_role("button", name="Create", exact=True).dblclick()
    expect(tab.at("#toasts")).to_contain_text("is now one of the attributes")
    assert sum(b"add_direction" in bytes(frame) for frame in sent if not isinstance(frame, str)) == 1
    create = tab.page.get_by_role("button", name="Create", exact=True)
    expect(create).not_to_have_attribute("aria-busy", "true")
