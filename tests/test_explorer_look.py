"""Nothing on the explorer's page is cut off, hidden or out of sight, at four widths."""

import sys
from pathlib import Path

import pytest
from explorer_browser import Tab, address, browser, expect, tab  # noqa: F401

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from page_scenes import open_tab
from photo_scenes import camera, pick
from scenes import STATUS
from screens import FIND

pytestmark = pytest.mark.slow
HEIGHTS = {1440: 900, 1024: 768, 768: 1024, 390: 844}
PANELS = (
    *("random", "draw", "photo", "map", "mix", "saved"),
    *("attributes", "components", "raw", "pad", "history", "morph"),
)
# Longer than what the small space of the tests offers.
PRIORS = """() => {
  const select = document.getElementById('prior');
  for (const text of ['fitted prior: diffusion', 'model prior, fits less']) select.add(new Option(text));
}"""
FITS = """field => {
  const context = document.createElement('canvas').getContext('2d');
  const style = getComputedStyle(field);
  context.font = `${style.fontSize} ${style.fontFamily}`;
  const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  return context.measureText(field.placeholder).width <= room;
}"""
# What has the focus, where the stage lies over it; "stage" once the focus is there.
UNDER = """() => {
  const focused = document.activeElement;
  const stage = document.getElementById('stage');
  if (stage.contains(focused)) return 'stage';
  const top = focused.getBoundingClientRect().top;
  return top >= 0 && top < stage.getBoundingClientRect().bottom - 1 ? focused.outerHTML.slice(0, 80) : '';
}"""
# Names of sliders of which a part lies outside the label, or under the buttons beside it.
HIDDEN_NAMES = """() => [...document.querySelectorAll('#attributes .row')].filter((row) => {
  const name = document.createRange();
  name.selectNodeContents(row.querySelector('label'));
  const box = name.getBoundingClientRect();
  const extra = row.querySelector('.extra').getBoundingClientRect();
  const beside = extra.top < box.bottom && extra.bottom > box.top;
  return box.right > (beside ? extra.left : row.getBoundingClientRect().right);
}).map((row) => row.textContent)"""
CONTRAST = """element => {
  const luminance = (text) => {
    const parts = text.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const linear = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = getComputedStyle(element.closest('.side')).backgroundColor;
  const pair = [luminance(getComputedStyle(element).borderTopColor), luminance(ground)].sort((a, b) => b - a);
  return (pair[0] + 0.05) / (pair[1] + 0.05);
}"""


def resize(tab, width: int):
    tab.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
    tab.page.wait_for_timeout(200)


@pytest.mark.parametrize("width", HEIGHTS)
def test_no_panel_has_anything_cut_off(tab, width):
    resize(tab, width)
    tab.page.evaluate(PRIORS)
    found = {}
    for name in PANELS:
        open_tab(tab.page, name)
        tab.page.wait_for_timeout(300)
        found[name] = tab.page.evaluate(FIND)
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("width", HEIGHTS)
def test_the_field_for_the_token_shows_what_belongs_there(tab, width):
    resize(tab, width)
    tab.page.evaluate(STATUS % "refused")
    field = tab.at("#disconnected input")
    expect(field).to_be_visible()
    assert field.evaluate(FITS)
    tab.page.evaluate(STATUS % "ready")


@pytest.mark.parametrize("width", [768, 390])
def test_the_current_step_is_in_sight_when_the_timeline_is_opened(tab, width):
    resize(tab, width)
    for count in range(3, 14):
        tab.page.keyboard.press("r")
        expect(tab.at("#history .tile")).to_have_count(count)
    tab.page.click("[data-part=below]")
    current = tab.at("#history [aria-current]")
    expect(current).to_be_in_viewport(ratio=0.9)
    box = current.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= width + 1


def test_a_slider_s_name_is_in_sight_while_it_is_moved(tab):
    resize(tab, 1024)
    row = tab.at("#attributes .row").first
    row.locator("input[data-row]").focus()
    expect(row.locator(".extra")).to_have_css("opacity", "0")
    row.locator(".extra button").first.focus()
    expect(row.locator(".extra")).to_have_css("opacity", "1")
    tab.page.keyboard.press("Enter")  # which locks it
    tab.page.locator("#undo").focus()
    tab.page.mouse.move(500, 300)
    expect(row.locator(".extra")).to_have_css("opacity", "1")
    expect(row.locator(".extra button:visible")).to_have_count(1)
    slider = tab.at("#attributes .row").nth(1)
    box = slider.locator("input[data-row]").bounding_box()
    assert box
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(slider.locator(".extra")).to_have_css("opacity", "1")
    tab.page.mouse.down()
    expect(slider.locator(".extra")).to_have_css("opacity", "0")
    tab.page.mouse.up()


@pytest.mark.parametrize("width", [768, 390])
@pytest.mark.parametrize("panel", ["random", "attributes"])
def test_no_control_that_gets_the_focus_lies_under_the_face(tab, width, panel):
    resize(tab, width)
    open_tab(tab.page, panel)
    tab.page.evaluate("document.activeElement.blur()")
    tab.page.keyboard.press("Shift+Tab")  # to the last control of the page
    for _ in range(40):
        tab.page.keyboard.press("Shift+Tab")
        under = tab.page.evaluate(UNDER)
        assert under in ("", "stage"), under
        if under == "stage":
            return
    raise AssertionError("The focus did not come as far as the face.")


def test_a_phone_that_shows_the_sliders_shows_the_face_alone(tab):
    resize(tab, 390)
    open_tab(tab.page, "draw")
    expect(tab.at("#drawing")).to_be_visible()
    expect(tab.at(".tools")).to_be_hidden()
    small = tab.at("#faces").bounding_box()
    tab.page.click("[data-part=edit]")
    expect(tab.at("#drawing")).to_be_hidden()
    expect(tab.at(".tools")).to_be_visible()
    large = tab.at("#faces").bounding_box()
    assert small and large and large["width"] > 1.5 * small["width"]
    tab.page.click("[data-part=source]")
    expect(tab.at("#drawing")).to_be_visible()
    tab.page.get_by_role("button", name="On the face").click()
    expect(tab.at("#paint-layer")).to_be_visible()
    tab.page.click("[data-part=edit]")
    expect(tab.at("#paint-layer")).to_be_hidden()
    resize(tab, 1440)
    expect(tab.at("#paint-layer")).to_be_visible()


def test_what_moved_stands_above_the_sliders(tab):
    slider = tab.at("#attributes input[data-row]").first
    slider.focus()
    for _ in range(4):
        slider.press("PageUp")
    moved, row = (
        tab.at("#attributes .effects").bounding_box(),
        tab.at("#attributes .row").first.bounding_box(),
    )
    assert moved and row and moved["y"] + moved["height"] <= row["y"]


def test_on_a_tablet_a_photo_is_no_larger_than_it_need_be(tab):
    resize(tab, 768)
    pick(tab.page)
    box = tab.at("#photo .pick").bounding_box()
    assert box and box["width"] <= 440
    camera(tab.page)
    box = tab.at("#photo video").bounding_box()
    assert box and box["width"] <= 440


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_stands_out_from_the_panel(browser, address, scheme):
    tab = Tab(browser, address, color_scheme=scheme)
    try:
        tab.ready()
        tab.page.keyboard.press("d")
        for swatch in tab.at(".swatch").all():
            assert swatch.evaluate(CONTRAST) >= 3  # WCAG 1.4.11
    finally:
        tab.context.close()


def test_a_notice_is_as_wide_as_its_sentence(tab):
    tab.page.evaluate(
        "import('./dom.js').then(({ toast }) => { toast('A long sentence, '.repeat(9)); toast('Saved.'); })"
    )
    expect(tab.at(".toast")).to_have_count(2)
    wide, narrow = (tab.at(".toast").nth(index).bounding_box() for index in (0, 1))
    assert wide and narrow and narrow["width"] < wide["width"] / 2
    for index in (0, 1):
        box, close = (
            tab.at(".toast").nth(index).bounding_box(),
            tab.at(".toast button").nth(index).bounding_box(),
        )
        assert box and close and box["x"] + box["width"] - close["x"] - close["width"] < 16


@pytest.mark.parametrize(("width", "shown"), [(768, True), (390, False)])
def test_the_meter_states_its_figure_where_there_is_room(tab, width, shown):
    resize(tab, width)
    expect(tab.at(".meter .gauge + span")).to_be_visible(visible=shown)


@pytest.mark.parametrize("width", [1366, 360])
def test_names_of_sliders_are_whole_beside_buttons_that_are_always_there(browser, address, width):
    tab = Tab(browser, address, viewport={"width": width, "height": 768}, has_touch=True, is_mobile=True)
    tab.ready()
    open_tab(tab.page, "attributes")
    expect(tab.at("#attributes .row").first).to_be_visible()
    assert tab.page.evaluate(HIDDEN_NAMES) == []
    tab.context.close()
