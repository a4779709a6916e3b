"""Scenes of the explorer's panels, dialogs and notices (see scenes.py). What takes long to export is stood in for."""

from collections.abc import Callable

from playwright.sync_api import Page

# Loads a module of the page, which lies beside main.js.
MODULE = "((name) => import(new URL(name, document.querySelector('script[src$=\"main.js\"]').src)))"
Scene = Callable[[Page], None]

TOASTS = (
    MODULE
    + """('dom.js').then(({ toast }) => {
  toast('Saved in this browser.');
  toast('This file is not a picture that the browser can read. Try a JPEG, PNG or WebP.', 'error');
})"""
)
EXPORTING = (
    MODULE
    + """('engine.js').then(({ engine }) => {
  engine.exportAnimation = () => new Promise(() => {});
  engine.exportProgress = async () => 0.4;
})"""
)


def tab(name: str) -> Scene:
    """A scene that only opens a tab."""
    return lambda page: open_tab(page, name)


def open_tab(page: Page, name: str) -> None:
    """Opens a tab, which brings its part of a narrow page to the front."""
    page.evaluate(f"document.getElementById('tab-{name}').click()")
    part = page.locator(f"#{name}").evaluate(
        "panel => ({left: 'source', right: 'edit', bottom: 'below'})[panel.closest('section').classList[1] ?? 'bottom']"
    )
    if page.locator(f"[data-part={part}]").is_visible():
        page.click(f"[data-part={part}]")


def press(page: Page, selector: str) -> None:
    """Clicks the first such element, also one that is shown while the pointer is near alone."""
    page.locator(selector).first.evaluate("element => element.click()")


def on_the_face(page: Page) -> None:
    """Draw, before a stroke on the face."""
    open_tab(page, "draw")
    page.get_by_role("button", name="On the face").click()


def paint(page: Page) -> None:
    """A stroke on the face that has not ended yet."""
    on_the_face(page)
    page.click("#draw [data-colour='#b4473f']")
    page.evaluate("scrollTo(0, 0)")
    box = page.locator("#faces").bounding_box()
    assert box
    for share in (0.4, 0.6):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.78 * box["height"])
        page.mouse.down()


def mix(page: Page) -> None:
    """Three parents and their children."""
    open_tab(page, "mix")
    if page.locator("#mix-clear").is_visible():
        page.click("#mix-clear")
    for count in range(3):
        page.click("#mix-random")
        page.locator(".mix-parent").nth(count).wait_for()


def choose(page: Page) -> None:
    """The dialog with faces that can be parents."""
    open_tab(page, "mix")
    page.click("#mix-choose")


def morph(page: Page) -> None:
    """A morph of three keyframes."""
    open_tab(page, "morph")
    for count in range(page.locator(".keyframe").count(), 3):
        page.keyboard.press("r")
        page.wait_for_timeout(300)
        page.click("#keyframe-add")
        page.locator(".keyframe").nth(count).wait_for()


def save_morph(page: Page) -> None:
    """The dialog that saves a morph."""
    morph(page)
    page.click("#animation-save")


def saving(page: Page) -> None:
    """The same while the file is made."""
    page.evaluate(EXPORTING)
    save_morph(page)
    page.click("#morph-save")


def saved(page: Page) -> None:
    """Two saved faces."""
    open_tab(page, "saved")
    for _ in range(2):
        page.keyboard.press("r")
        page.wait_for_timeout(300)
        page.keyboard.press("s")
    page.wait_for_timeout(300)
    page.evaluate("document.querySelectorAll('.toast').forEach(toast => toast.remove())")


def edited(page: Page) -> None:
    """A face with an edit, and what else it moved."""
    open_tab(page, "attributes")
    slider = page.locator("#attributes input[data-row]").first
    slider.focus()
    for _ in range(4):
        slider.press("PageUp")


def split(page: Page) -> None:
    """The original beside the edited face."""
    edited(page)
    page.get_by_role("button", name="Split", exact=True).click()


def heat(page: Page) -> None:
    """Where a slider changes the face."""
    edited(page)
    page.keyboard.down("h")


def menu(page: Page) -> None:
    """The settings of a slider panel."""
    open_tab(page, "components")
    page.locator("#components .menu summary").click()


def sheet(page: Page) -> None:
    """The contact sheet of a slider."""
    open_tab(page, "attributes")
    press(page, "#attributes .row .extra button:last-child")


def direction(page: Page) -> None:
    """The part of Attributes that makes a direction of one's own."""
    open_tab(page, "attributes")
    summary = page.get_by_text("Create a direction")
    if page.locator(".new-direction[open]").count() == 0:
        summary.click()
    page.get_by_role("button", name="This face", exact=True).first.click()
    page.locator(".new-direction").evaluate("element => element.scrollIntoView({ block: 'end' })")


def rows(page: Page) -> None:
    """Raw dimensions as rows instead of the wall."""
    open_tab(page, "raw")
    page.locator("#raw .panel-head button").first.click()


def tour(page: Page) -> None:
    """The second step of the tour."""
    page.keyboard.press("?")
    page.get_by_role("button", name="Take the tour").click()
    page.get_by_role("button", name="Next", exact=True).click()


def facts(page: Page) -> None:
    """What is known of the space."""
    page.get_by_role("button", name="About this space").click()


def toasts(page: Page) -> None:
    """A note and an error."""
    page.evaluate(TOASTS)


def export(page: Page) -> None:
    """The export dialog."""
    page.keyboard.press("e")


def lesson(page: Page) -> None:
    """The second step of a lesson."""
    page.click("#lessons")
    page.get_by_role("button", name="Directions and bias").click()
    page.locator("#lesson-next").click()
