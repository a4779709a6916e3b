"""Pictures of every panel of the explorer, at four widths, light and dark, to look at: what is clipped, overlaps or cannot
be read. With `--check`, what a program can find as well: content that is wider than the page, and targets below 24 px.
Needs Playwright and Chromium (pip install 'facespace[dev]').

python benchmarks/screens.py [SPACE] --to screens [--only mix,pad] [--widths 1440,390] [--schemes light] [--check]"""

import argparse
from collections.abc import Callable
from pathlib import Path

from explorer import SETTLED, launch, start
from playwright.sync_api import Browser, Page, sync_playwright

HEIGHTS = {1440: 900, 1024: 768, 768: 1024, 390: 844}  # of the window by its width, in CSS pixels
SCHEMES = ("light", "dark")
SEEN = "localStorage.setItem('facespace:tour', 'seen')"
SETTLE_MS = 700  # after the last action of a scene

# Elements that reach beyond the window, and targets smaller than WCAG 2.2 asks for.
FIND = """() => {
  const found = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push('the page scrolls sideways');
  for (const e of document.querySelectorAll('button, input, select, summary')) {
    if (!e.checkVisibility({checkOpacity: true}) || e.matches('.visually-hidden, [type=checkbox]')) continue;
    const r = e.getBoundingClientRect();
    if (r.width && (r.width < 24 || r.height < 24)) {
      found.push(`small: ${e.outerHTML.slice(0, 90)} (${Math.round(r.width)}×${Math.round(r.height)})`);
    }
  }
  for (const e of document.querySelectorAll('.panel:not([hidden]) *')) {
    if (!e.checkVisibility() || e.closest('svg, .strip, .animation, .tabs')) continue;
    const r = e.getBoundingClientRect();
    if (r.width > 1 && r.right > width + 1) found.push(`beyond the page: ${e.outerHTML.slice(0, 90)}`);
    if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'hidden') {
      found.push(`clipped: ${e.outerHTML.slice(0, 90)}`);
    }
  }
  return found;
}"""


def tab(name: str) -> Callable[[Page], None]:
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


def paint(page: Page) -> None:
    """A stroke on the face that has not ended yet."""
    open_tab(page, "draw")
    page.get_by_role("button", name="On the face").click()
    page.click("#draw [data-colour='#b4473f']")
    box = page.locator("#faces").bounding_box()
    assert box
    for share in (0.4, 0.6):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.78 * box["height"])
        page.mouse.down()


def end_paint(page: Page) -> None:
    """Takes the stroke back, and goes back to the board."""
    page.mouse.up()
    page.keyboard.press("Control+z")
    page.get_by_role("button", name="On a board").click()


def lost(page: Page) -> None:
    """The banner of a server that does not answer."""
    page.evaluate("import('./engine.js').then(({ engine }) => engine.connection.onstatus('disconnected'))")


def mix(page: Page) -> None:
    """Three parents and their children."""
    open_tab(page, "mix")
    if page.locator("#mix-clear").is_visible():
        page.click("#mix-clear")
    for count in range(3):
        page.click("#mix-random")
        page.locator(".mix-parent").nth(count).wait_for()


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


def saved(page: Page) -> None:
    """Two saved faces."""
    open_tab(page, "saved")
    for _ in range(2):
        page.keyboard.press("r")
        page.wait_for_timeout(300)
        page.keyboard.press("s")
    page.wait_for_timeout(300)
    page.evaluate("document.querySelectorAll('.toast').forEach(toast => toast.remove())")


def export(page: Page) -> None:
    """The export dialog."""
    page.keyboard.press("e")


def lesson(page: Page) -> None:
    """The second step of a lesson."""
    page.click("#lessons")
    page.get_by_role("button", name="Directions and bias").click()
    page.locator("#lesson-next").click()


SCENES: dict[str, Callable[[Page], None]] = {
    "random": tab("random"),
    "draw": tab("draw"),
    "paint": paint,
    "photo": tab("photo"),
    "map": tab("map"),
    "mix": mix,
    "saved": saved,
    "attributes": tab("attributes"),
    "components": tab("components"),
    "raw": tab("raw"),
    "pad": tab("pad"),
    "history": tab("history"),
    "morph": morph,
    "save-morph": save_morph,
    "lesson": lesson,
    "lessons": lambda page: page.click("#lessons"),
    "help": lambda page: page.keyboard.press("?"),
    "export": export,
    "lost": lost,
}


def leave(page: Page) -> None:
    """Closes dialogs and the lesson, so that the next scene has a page without them."""
    page.keyboard.press("Escape")
    if page.locator("#paint-layer").is_visible():
        end_paint(page)
    if page.locator("#lesson-close").is_visible():
        page.click("#lesson-close")
    page.evaluate("document.querySelectorAll('.toast').forEach(toast => toast.remove())")


def shoot(browser: Browser, address: str, names: list[str], width: int, scheme: str, options) -> None:
    """A picture of each scene on one page, and what FIND finds in it."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHTS.get(width, 900)},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.add_init_script(SEEN)
    page.goto(address)
    page.locator(".meter b").wait_for(timeout=SETTLED)
    for name in names:
        SCENES[name](page)
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=options.to / f"{name}-{width}-{scheme}.png")
        for line in page.evaluate(FIND) if options.check else ():
            print(f"{name} {width} {scheme}: {line}")
        leave(page)
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("space", nargs="?", default="faces64")
    parser.add_argument("--to", type=Path, default=Path("screens"))
    parser.add_argument("--only", default=",".join(SCENES), help="names of scenes, separated by commas")
    parser.add_argument("--widths", default=",".join(map(str, HEIGHTS)))
    parser.add_argument("--schemes", default=",".join(SCHEMES))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    server, address, _ = start(options.space)
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            for width in map(int, options.widths.split(",")):
                for scheme in options.schemes.split(","):
                    shoot(browser, address, options.only.split(","), width, scheme, options)
            browser.close()
    finally:
        server.kill()


if __name__ == "__main__":
    main()
