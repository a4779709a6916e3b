"""A published site in a real browser: the faces are those of the server, no request leaves it, and it plays offline, below a
path, and as one file from a disk."""

import json
import re
import shutil

import numpy as np
import pytest
from explorer_browser import SEEN, WAIT, Tab, browser, expect, same, sync_api  # noqa: F401
from explorer_help import running, with_directions
from published import NAMES, PLACE, Shown, loaded, showing, site_address  # noqa: F401

from facespace.explorer.service import Spaces
from facespace.space.face_space import load

pytestmark = pytest.mark.slow
FACES = 32
LEVELS = 1.0  # of 255, the largest mean difference of faces
# Both engines of the page, called as its panels call them: pixels and latents as lists.
ASK = """async ([module, space, rows]) => {
  const { engine } = await import(new URL(module, document.baseURI));
  const facts = await engine.selectSpace(space);
  const latents = rows.map((row) => Float32Array.from(row));
  const decoded = [];
  for (const { pixels } of await engine.decode(latents)) decoded.push([...pixels]);
  const { width, height } = facts.input;
  const picture = new ImageData(width, height);
  for (let i = 0; i < picture.data.length; i++) picture.data[i] = i % 4 === 3 ? 255 : (i * 37 + (i >> 4)) % 256;
  const whole = await engine.encode(picture);
  const blended = await engine.encode(picture, 0.4);
  const mean = await engine.mean();
  const { directions } = await engine.directions(facts.latents);
  const { statistics } = await engine.statistics();
  const map = await engine.map('pca', facts.latents);
  return { decoded, whole: [...whole.z], blended: [...blended.z], encodedFace: [...whole.picture.pixels],
    mean: [...mean.z], directions: directions.map(({ name, row }) => [name, ...row]),
    statistics: [[...statistics.std], [...statistics.components], [...statistics.influence]],
    positions: map.positions.map((row) => [...row]), map: map.z.map((row) => [...row]),
    faces: map.faces.map(({ pixels }) => [...pixels]), priors: Object.keys(facts.priors) };
}"""

# Resolves when another version of the site waits until no tab shows this one.
UPDATED = """async () => {
  const found = await navigator.serviceWorker.getRegistration();
  await found.update();
  while (!found.waiting) await new Promise((resolve) => setTimeout(resolve, 50));
}"""


@pytest.fixture
def tab(browser, site_address):
    made = Tab(browser, site_address).ready()
    yield loaded(made)
    made.context.close()
    assert made.errors == []


@pytest.mark.parametrize("number", [0, 1])
def test_faces_latents_and_figures_are_those_of_the_server(
    browser, site_address, lively, told, few_samples, monkeypatch, number
):
    monkeypatch.setattr("facespace.explorer.statistics.MAPPED", (60, 60))
    monkeypatch.setattr("facespace.explorer.statistics.REENCODED", (300, 300))
    spaces = Spaces([with_directions(load(lively), NAMES), told])
    rows = np.random.default_rng(3).normal(0, 1.5, (FACES, spaces.open(number).space.latent_dim)).round(3)
    spaces.open(number).wait()
    site_tab = Tab(browser, site_address).ready()
    asked = [number, rows.tolist()]
    found = site_tab.page.evaluate(ASK, ["page/engine.js", *asked])
    site_tab.context.close()
    with running(spaces) as service:
        server_tab = Tab(browser, service.address).ready()
        expected = server_tab.page.evaluate(ASK, ["engine.js", *asked])
        server_tab.context.close()
    assert found["priors"] == expected["priors"]
    for name in ("decoded", "encodedFace"):
        difference = np.abs(np.array(found[name]) - np.array(expected[name]))
        assert difference.mean() <= LEVELS and difference.max() <= 8, name
    for name in ("whole", "blended", "mean", "map", "positions"):
        np.testing.assert_allclose(found[name], expected[name], atol=0.02)
    assert np.abs(np.array(found["faces"]) - np.array(expected["faces"])).mean() < 6  # a compressed sheet
    assert found["directions"] == expected["directions"]
    for part, other in zip(found["statistics"], expected["statistics"]):
        np.testing.assert_allclose(part, other, atol=1e-5)


def test_nothing_is_asked_of_any_server_once_the_page_is_loaded(tab, site_address):
    expect(tab.at("body[data-offline=ready]")).to_have_count(1)
    host = site_address.split(PLACE)[0]
    assert all(url.startswith(f"{host}{PLACE}/") for url in tab.requests)
    before = len(tab.requests)
    for key in ("r", "d", "m", "a", "s"):
        tab.page.keyboard.press(key)
        tab.page.wait_for_timeout(300)
    tab.page.click("#tab-raw")
    tab.at("#raw input[data-row]").first.press("PageUp")
    tab.page.get_by_label("Kind of map").select_option("tsne")
    expect(tab.at("canvas.map")).to_be_visible()
    tab.picture()
    assert tab.requests[before:] == []


def test_a_seed_draws_the_same_faces_again(tab):
    def faces() -> list[str]:
        expect(tab.at("#random .image-grid canvas")).to_have_count(9)
        tab.page.wait_for_timeout(300)
        return tab.page.evaluate(
            "[...document.querySelectorAll('#random .image-grid canvas')].map(c => c.toDataURL())"
        )

    tab.page.fill("#seed", "11")
    tab.page.press("#seed", "Enter")
    first = faces()
    tab.page.fill("#seed", "12")
    tab.page.press("#seed", "Enter")
    expect(tab.at("#seed")).to_have_value("12")
    tab.page.wait_for_timeout(500)
    assert faces() != first and len(set(first)) == 9
    tab.page.reload()
    tab.ready()
    tab.page.fill("#seed", "11")
    tab.page.press("#seed", "Enter")
    tab.page.wait_for_timeout(500)
    assert faces() == first


def test_a_drawing_becomes_a_face(tab):
    tab.page.keyboard.press("d")
    board = tab.at("#drawing canvas.board").first
    expect(board).to_be_visible()
    before = tab.picture()
    box = board.bounding_box()
    tab.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=8)
    tab.page.mouse.up()
    tab.page.wait_for_timeout(500)
    assert not same(tab.picture(), before)


def test_what_the_page_cannot_do_is_not_offered_and_said(tab, tmp_path):
    tab.page.click("#tab-attributes")
    expect(tab.at("#attributes")).to_contain_text("Smiling")
    expect(tab.page.get_by_text("Keep the person")).to_be_hidden()
    tab.page.get_by_role("button", name="About this space").click()
    facts = tab.at("dialog dl")
    for words in ("Not on this page", "Keep the person", "Make it me"):
        expect(facts).to_contain_text(words)


def test_a_direction_of_one_s_own_is_fitted_in_the_browser(tab):
    tab.page.click("#tab-attributes")
    tab.page.get_by_text("Create a direction").click()
    for side in (0, 1):
        for _ in range(5):
            tab.page.get_by_role("button", name="This face", exact=True).nth(side).click()
            tab.page.keyboard.press("r")
            tab.page.wait_for_timeout(150)
    tab.page.get_by_label("Name of the direction").fill("Mine")
    tab.page.get_by_role("button", name="Create", exact=True).click()
    expect(tab.page.get_by_role("group", name="Mine")).to_be_visible()


def test_a_second_visit_needs_no_network(browser, site):
    shown = Shown(site.parents[2])
    tab = Tab(browser, f"{shown.address}{PLACE}/#").ready()
    try:
        loaded(tab)
        expect(tab.at("body[data-offline=ready]")).to_have_count(1)
        before = tab.picture()
        shown.stop()
        tab.page.reload()
        tab.ready()
        assert same(tab.picture(), before)
        tab.page.keyboard.press("r")
        expect(tab.at("#history .tile")).to_have_count(3)
        tab.page.click("#tab-map")
        expect(tab.at("canvas.map")).to_be_visible()
        tab.page.select_option("#space-select", "1")  # which was never opened
        expect(tab.at(".toast.error").last).to_contain_text("Is this device online?")
    finally:
        tab.context.close()


def test_a_new_version_replaces_its_own_cache_and_no_other(browser, site, tmp_path):
    copy = shutil.copytree(site, tmp_path / "copy")
    with showing(tmp_path) as shown:
        tab = Tab(browser, f"{shown.address}copy/#").ready()
        loaded(tab)
        expect(tab.at("body[data-offline=ready]")).to_have_count(1)
        old = json.loads((copy / "site.json").read_text())["version"]
        other = f"facespace {shown.address}elsewhere/ {old}"
        tab.page.evaluate(f"Promise.all(['mine', '{other}'].map(name => caches.open(name)))")
        for name in ("site.json", "index.html", "sw.js"):
            text = (copy / name).read_text()
            (copy / name).write_text(text.replace(old, "f" * 16))
        tab.page.reload()  # plays the version that it has, and learns of the other one
        tab.ready()
        assert tab.at("body").get_attribute("data-version") == old
        tab.page.evaluate(UPDATED)
        tab.page.close()  # no tab shows the old one
        tab.page = tab.context.new_page()
        for _ in range(
            40
        ):  # the browser takes the new one a moment after the last tab of the old one is gone
            tab.page.goto(f"{shown.address}copy/")
            if tab.at("body").get_attribute("data-version") == "f" * 16:
                break
            tab.page.goto("about:blank")
            tab.page.wait_for_timeout(250)
        expect(tab.at("body[data-version=ffffffffffffffff]")).to_have_count(1)
        loaded(tab)
        names = tab.page.evaluate("caches.keys()")
        assert sorted(names) == sorted(["mine", other, f"facespace {shown.address}copy/ {'f' * 16}"])
        tab.context.close()


def test_one_file_plays_from_a_disk_without_a_network(browser, site, tmp_path):
    page = tmp_path / "faces of a disk.html"
    shutil.copy(site.parents[2] / "single.html", page)
    tab = Tab(browser, f"{page.as_uri()}#", offline=True)
    try:
        loaded(tab.ready())
        before = tab.picture()
        tab.page.keyboard.press("r")
        expect(tab.at("#history .tile")).to_have_count(3)
        assert not same(tab.picture(), before)
        link = tab.page.url
        after = tab.picture()
        assert "#s=" in link
        requests, tab.page = tab.requests, tab.context.new_page()
        tab.page.goto(link)
        expect(tab.at("#history .tile").first).to_be_visible()
        assert same(tab.picture(), after)
        assert {url.split(":")[0] for url in requests} <= {"file", "blob", "data", "about"}
        assert tab.errors == []
    finally:
        tab.context.close()


def test_a_browser_that_cannot_play_shows_the_face_and_a_sentence(browser, site_address):
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(f"{SEEN}; delete globalThis.WebAssembly")
    page.goto(site_address)
    expect(page.locator(".banner")).to_contain_text("WebAssembly with SIMD", timeout=WAIT)
    expect(page.locator("#face")).to_be_visible()  # the mean face, which was published
    context.close()
    without = browser.new_context(java_script_enabled=False)
    page = without.new_page()
    page.goto(site_address)
    picture = page.locator("#stage .first")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 0
    expect(page.locator(".noscript")).to_contain_text("needs JavaScript")
    without.close()


def test_how_much_is_loaded_is_shown_in_bytes(browser, site_address):
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(SEEN)
    held = []
    page.route(re.compile(r".*decoder\.onnx\.gz"), lambda route: held.append(route))
    page.goto(site_address)
    expect(page.locator(".engine")).to_have_text(re.compile(r"loading \d+\.\d of \d+\.\d MB"), timeout=WAIT)
    expect(page.locator("progress.loading")).to_be_visible()
    expect(page.locator("#face")).to_be_visible()
    held[0].continue_()
    expect(page.locator("progress.loading")).to_be_hidden()
    context.close()
