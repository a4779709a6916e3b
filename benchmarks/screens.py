"""Pictures of every panel of the explorer, at four widths, light and dark, to look at: what is clipped, overlaps or cannot
be read. With `--check`, what a program can find as well: content that is wider than the page, selects that cut their text,
and targets below 24 px. The scenes are those of scenes.py.
Needs Playwright and Chromium (pip install 'facespace[dev]').

python benchmarks/screens.py [SPACE] --to screens [--only mix,pad] [--widths 1440,390] [--schemes light] [--check]"""

import argparse
from pathlib import Path

from explorer import SETTLED, launch, start
from playwright.sync_api import Browser, Page, sync_playwright
from scenes import SCENES, leave

HEIGHTS = {1440: 900, 1024: 768, 768: 1024, 390: 844}  # of the window by its width, in CSS pixels
SCHEMES = ("light", "dark")
SEEN = "localStorage.setItem('facespace:tour', 'seen')"
SETTLE_MS = 700  # after the last action of a scene
BUSY = (
    ".side:not([hidden]) .waiting, [aria-busy=true]:not(dialog *, .paint-layer)"  # what a picture waits for
)
BUSY_MS = 60_000  # at most
ARROW = 20  # pixels of a select that its arrow takes

# Elements that reach beyond the window, selects whose text is cut, and targets smaller than WCAG 2.2 asks for.
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
  const context = document.createElement('canvas').getContext('2d');
  for (const e of document.querySelectorAll('select')) {
    if (!e.checkVisibility({visibilityProperty: true})) continue;
    const style = getComputedStyle(e);
    context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const room = e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - ARROW;
    for (const { text } of e.options) {
      const lacks = Math.round(context.measureText(text).width - room);
      if (lacks > 0) found.push(`cut by ${lacks} pixels: ${e.ariaLabel ?? e.id}, ${text}`);
    }
  }
  return found;
}""".replace("ARROW", str(ARROW))


# What a scene needs, of which a published site has nothing.
NEED = {"tuning": "#tune"}


def settle(page: Page, name: str) -> None:
    """Waits for what the page computes; the pointer shows no tip then."""
    if name != "paint":
        page.mouse.move(1, 1)
    for _ in range(BUSY_MS // SETTLE_MS):
        page.wait_for_timeout(SETTLE_MS)
        if not any(element.is_visible() for element in page.locator(BUSY).all()):
            break


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
        if name in NEED and not page.locator(NEED[name]).count():
            print(f"{name}: a published site does not have it")
            continue
        SCENES[name](page)
        settle(page, name)
        page.screenshot(path=options.to / f"{name}-{width}-{scheme}.png")
        for line in page.evaluate(FIND) if options.check else ():
            print(f"{name} {width} {scheme}: {line}")
        leave(page)
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "space", nargs="?", default="faces128", help="or the address of a page, also of a site"
    )
    parser.add_argument("--to", type=Path, default=Path("screens"))
    parser.add_argument("--only", default=",".join(SCENES), help="names of scenes, separated by commas")
    parser.add_argument("--widths", default=",".join(map(str, HEIGHTS)))
    parser.add_argument("--schemes", default=",".join(SCHEMES))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    server = None
    address = options.space
    if not address.startswith("http"):
        server, address, _ = start(options.space)
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            for width in map(int, options.widths.split(",")):
                for scheme in options.schemes.split(","):
                    shoot(browser, address, options.only.split(","), width, scheme, options)
            browser.close()
    finally:
        if server:
            server.kill()


if __name__ == "__main__":
    main()
