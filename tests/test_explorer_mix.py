"""The explorer's Mix: parents, the point that weighs them, and children around it, by pointer and keys; undo, reload and
links restore all of it."""

import re

import numpy as np
import pytest
from explorer_browser import Tab, address, browser, expect, same, tab  # noqa: F401
from test_explorer_panels import document, pixels

pytestmark = pytest.mark.slow
FIGURE = "#mix-figure"


def z_of(tab) -> np.ndarray:
    return np.array(tab.page.evaluate("import('./state.js').then(({ state }) => [...state.z])"))


def mix_of(tab) -> dict:
    """The mix, with latents as lists."""
    return tab.page.evaluate(
        "import('./state.js').then(({ state: { mix } }) => ({...mix, parents: mix.parents.map(p => [...p.z])}))"
    )


def mixed(tab, parents: int):
    """The tab with so many random parents, their children painted."""
    tab.page.click("#tab-mix")
    for count in range(parents):
        tab.page.click("#mix-random")
        expect(tab.at(".mix-parent")).to_have_count(count + 1)
    tab.page.wait_for_timeout(300)
    return tab


def shares(tab) -> list[int]:
    return [int(text.split()[0]) for text in tab.at(".mix-parent .share").all_inner_texts()]


def place(tab, x: float, y: float) -> tuple[float, float]:
    """The window's coordinates of a place in the figure."""
    box = tab.at(".mix-plane").bounding_box()
    return box["x"] + box["width"] * x, box["y"] + box["height"] * y


def test_a_dragged_point_weighs_the_parents_live_and_is_one_step(tab):
    mixed(tab, 3)
    before = tab.picture()
    assert shares(tab) == [33, 33, 33]
    tab.page.mouse.move(*place(tab, 0.5, 0.5))
    tab.page.mouse.down()
    shown = []
    for at in ((0.5, 0.3), (0.6, 0.8), (0.9, 0.95)):
        tab.page.mouse.move(*place(tab, *at))
        shown.append(tab.picture())
    assert tab.moments() == 2
    tab.page.mouse.up()
    expect(tab.at("#history .tile")).to_have_count(3)
    assert not same(shown[0], shown[1]) and not same(shown[1], shown[2])
    mix = mix_of(tab)
    weights = np.array([0.05, 0.075, 0.875])  # barycentric at (0.9, 0.95)
    assert np.abs(z_of(tab) - weights @ np.array(mix["parents"])).max() < 0.05
    label = tab.at("#history .tile").last.get_attribute("aria-label")
    assert re.match(r"Mix: 5 % Random face, [78] % Random face 2, 8[78] % Random face 3, step 3 of 3", label)
    tab.page.keyboard.press("Control+z")
    assert same(tab.picture(), before)
    tab.page.keyboard.press("Control+Shift+z")
    assert np.allclose(z_of(tab), weights @ np.array(mix["parents"]), atol=0.05)


def test_undo_and_redo_take_the_point_along(tab):
    mixed(tab, 4)
    tab.page.mouse.click(*place(tab, 0.25, 0.5))
    expect(tab.at("#history .tile")).to_have_count(3)
    tab.page.mouse.click(*place(tab, 1, 1))
    expect(tab.at("#history .tile")).to_have_count(4)
    assert shares(tab) == [0, 0, 0, 100]
    tab.page.keyboard.press("Control+z")
    expect(tab.at(".mix-parent .share").first).to_have_text(re.compile("3[78] %"))
    assert shares(tab)[3] in (12, 13)
    tab.page.keyboard.press("Control+Shift+z")
    expect(tab.at(".mix-parent .share").last).to_have_text("100 %")


def test_keys_move_the_point_and_walk_through_the_children(tab):
    page = mixed(tab, 2).page
    figure = tab.at(FIGURE)
    expect(figure).to_have_role("slider")
    figure.focus()
    page.keyboard.press("ArrowRight")
    expect(figure).to_have_attribute("aria-valuetext", "45 % Random face, 55 % Random face 2")
    expect(tab.at("#history .tile")).to_have_count(3)
    page.keyboard.press("End")
    page.keyboard.press("Alt+ArrowRight")
    assert shares(tab) == [19, 81]
    for _ in range(3):
        page.keyboard.press("End")
    assert shares(tab) == [0, 100]
    mix = mix_of(tab)
    assert np.allclose(z_of(tab), mix["parents"][1], atol=1e-4)
    first = tab.at("#mix-children button").first
    first.focus()
    page.keyboard.press("ArrowRight")
    expect(tab.page.get_by_role("button", name="Child 2", exact=True)).to_be_focused()
    stops = tab.at("#mix-children button[tabindex='0']")
    assert stops.count() == 1
    page.keyboard.press("Enter")
    expect(tab.at("#history .tile").last).to_have_attribute(
        "aria-label", re.compile("Child: 100 % Random face 2, mut")
    )


def test_children_vary_as_faces_do_by_the_strength(tab):
    page = mixed(tab, 2).page
    mix = mix_of(tab)
    middle = np.mean(mix["parents"], 0)
    found = page.evaluate(
        "Promise.all([import('./state.js'), import('./mix.js'), import('./maths.js')]).then(([{ state }, m, { "
        "coordinates }]) => { const all = []; for (let seed = 0; seed < 400; seed++) { const rows = m.childrenOf("
        "{ ...state.mix, strength: 0.5, seed }, state.statistics); const at = coordinates(state.statistics, rows[4]);"
        "rows.forEach((z, i) => i !== 4 && all.push([...coordinates(state.statistics, z)].map((v, k) => v - at[k]))); }"
        "return { all, middle: [...m.childrenOf(state.mix, state.statistics)[4]] }; })"
    )
    assert np.allclose(found["middle"], middle, atol=1e-5)
    draws = np.array(found["all"])
    assert np.abs(draws.mean(0)).max() < 0.05
    assert np.allclose(draws.std(0), 0.5, atol=0.03)
    assert np.abs(np.corrcoef(draws.T) - np.eye(draws.shape[1])).max() < 0.1
    canvas = "#mix-children button:first-child canvas"
    some = pixels(tab, canvas)
    page.locator("#mutation").fill("1.5")
    page.wait_for_timeout(400)
    assert not same(pixels(tab, canvas), some)
    page.locator("#mutation").fill("0")
    page.wait_for_timeout(400)
    assert same(pixels(tab, canvas), pixels(tab, "#mix-children .centre canvas"))


def test_a_child_becomes_a_parent_and_a_fifth_one_is_refused(tab):
    page = mixed(tab, 3).page
    page.select_option("#mix select", "parent")
    page.get_by_role("button", name="Child 8", exact=True).click()
    expect(tab.at(".mix-parent")).to_have_count(4)
    assert tab.moments() == 2  # the face stays
    page.get_by_role("button", name="Child 1", exact=True).click()
    expect(tab.at(".toast.error")).to_contain_text("at most 4 parents")
    page.get_by_role("button", name="Remove parent A, Random face").click()
    expect(tab.at(".mix-parent")).to_have_count(3)
    page.get_by_role("button", name="Load parent C, Child").click()
    expect(tab.at("#history .tile")).to_have_count(3)
    assert np.allclose(z_of(tab), mix_of(tab)["parents"][2])


def test_parents_come_from_the_page_the_history_and_saved_faces(tab):
    page = tab.page
    page.keyboard.press("s")
    page.click("#tab-mix")
    expect(tab.at("#mix-below, .mix-below")).to_be_hidden()
    page.click("#mix-add")
    page.click("#mix-choose")
    box = page.get_by_role("dialog", name="Choose a parent")
    expect(box.get_by_role("group", name="Saved").locator("button")).to_have_count(1)
    expect(box.get_by_role("group", name="History").locator("button")).to_have_count(2)
    box.get_by_role("button", name="Use Mean face").click()
    expect(tab.at(".mix-parent")).to_have_count(2)
    expect(tab.at(FIGURE)).to_have_attribute("aria-valuetext", "50 % Random face, 50 % Mean face")
    page.click("#mix-choose")
    box.get_by_role("button", name="Use Face 1").click()
    expect(tab.at(".mix-parent")).to_have_count(3)


def test_reload_and_links_restore_parents_point_and_children(tab, browser, address):
    mixed(tab, 3)
    tab.page.mouse.click(*place(tab, 0.4, 0.6))
    tab.page.locator("#mutation").fill("0.7")
    tab.page.click("#mix-new")
    tab.page.wait_for_timeout(400)
    mix, child = mix_of(tab), pixels(tab, "#mix-children button:first-child canvas")
    assert document(tab.page)["mix"]["parents"][0]["name"] == "Random face"
    tab.page.reload()
    tab.ready(3)
    tab.page.wait_for_timeout(500)
    assert mix_of(tab) == mix
    assert same(pixels(tab, "#mix-children button:first-child canvas"), child)
    link = tab.page.url.split("#")[1]
    other = Tab(browser, address).ready()
    other.page.evaluate(f"location.hash = '{link}'; 0")
    expect(other.at(".mix-parent")).to_have_count(3)
    assert other.at("#tab-mix").get_attribute("aria-selected") == "true"
    found = mix_of(other)
    assert found["parents"] == mix["parents"] and found["seed"] == mix["seed"]
    assert [found[key] for key in ("x", "y", "strength")] == [mix[key] for key in ("x", "y", "strength")]
    other.context.close()
    assert other.errors == []


@pytest.mark.parametrize(
    ("mix", "parents"),
    [
        ("{parents: [{name: 'a', z: 'AAAA'}]}", None),
        ("{parents: 'all', x: 1}", 0),
        ("{parents: Array(9).fill(P), x: 'left', strength: 1e9, seed: 0.5}", 4),
        ("{parents: [P, P], x: Infinity, y: 7, strength: -1}", 2),
        ("[]", 0),
    ],
)
def test_a_mix_of_a_document_is_checked(tab, mix, parents):
    found = tab.page.evaluate(
        "Promise.all([import('./state.js'), import('./mix.js'), import('./maths.js')]).then(([{ state }, m, "
        "{ latentToText }]) => { const P = { name: 'a', z: latentToText(state.z) }; try { return m.mixFromText("
        + mix
        + ", state.z.length); } catch (error) { return error.message; } })"
    )
    if parents is None:
        assert "dimensions" in found
        return
    assert len(found["parents"]) == parents and 0 <= found["strength"] <= 1.5
    assert 0 <= found["x"] <= 1 and 0 <= found["y"] <= 1 and isinstance(found["seed"], int)


def test_a_finger_moves_the_point(browser, address):
    tab = Tab(
        browser, address, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    ).ready()
    tab.page.get_by_role("button", name="Faces", exact=True).click()
    mixed(tab, 4)
    tab.at(FIGURE).scroll_into_view_if_needed()
    tab.page.touchscreen.tap(*place(tab, 0.5, 0))
    expect(tab.at("#history .tile")).to_have_count(3)
    assert shares(tab) == [50, 50, 0, 0]
    assert tab.errors == []
    tab.context.close()
