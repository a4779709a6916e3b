"""The explorer's panels one by one: what each shows while spaces, tabs and settings change around it."""

import base64
import io
import json

import numpy as np
import pytest
from explorer_browser import Tab, address, browser, expect, tab  # noqa: F401
from PIL import Image

pytestmark = pytest.mark.slow


def document(page) -> dict:
    """The document that the page's address holds."""
    text = page.url.split("#s=")[1].replace("-", "+").replace("_", "/")
    return json.loads(base64.b64decode(text + "=" * (-len(text) % 4)))


def collect_examples(tab):
    """Five positive and five negative examples, all of this face and the next."""
    tab.page.get_by_text("Create a direction").click()
    for side in (0, 1):
        for _ in range(5):
            tab.page.get_by_role("button", name="This face", exact=True).nth(side).click()
        tab.page.keyboard.press("r")
        expect(tab.at("#history .tile")).to_have_count(3 + side)


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
    expect(tab.at("#history .tile")).to_have_count(2)
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


# ---- Random


def test_a_seed_is_a_whole_number(tab):
    seed = tab.page.get_by_label("Seed")
    seed.fill("7.6")
    seed.press("Enter")
    expect(seed).to_have_value("8")
    expect(tab.at("#random .tile")).to_have_count(9)
    expect(tab.at(".toast.error")).to_have_count(0)
