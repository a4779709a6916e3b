"""How fast the explorer is, with the browser in the loop: a slider moved → the picture painted, and a stroke drawn → what
the model sees painted, in milliseconds, for each space. With --gradio, the same slider in the smallest Gradio page of the
space (gradio_app.py), whose moves wait for the picture before. Needs Playwright and Chromium (pip install 'facespace[dev]').

python benchmarks/explorer.py RUN [RUN ...] [--moves N] [--gradio FOLDER]   # pip install --target FOLDER gradio"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, FloatRect, Locator, Page, Playwright, sync_playwright

SETTLED = 600_000  # milliseconds that the figures of a space may take before the measurement starts


# From a slider's event to the frame after the next picture has loaded.
WATCH = """() => {
  globalThis.painted = [];
  let began = 0;
  document.addEventListener('input', () => { began = performance.now(); }, true);
  document.addEventListener('load', ({ target }) => {
    if (!began || !(target instanceof HTMLImageElement)) return;
    const since = began;
    began = 0;
    requestAnimationFrame(() => setTimeout(() => globalThis.painted.push(performance.now() - since)));
  }, true);
}"""


def start(*runs: str) -> tuple[subprocess.Popen, str, float]:
    """The server of some spaces, its address, and the seconds until it listened."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "facespace", "explore", *runs, "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr
    line = server.stderr.readline()
    found = re.search(r"http://\S+", line)
    if not found:
        raise SystemExit(line)
    return server, found[0], time.perf_counter() - began


def measured(page: Page, name: str) -> list[float]:
    """What the page itself measured under a name since the last call."""
    times = page.evaluate(f"performance.getEntriesByName('{name}').map(entry => entry.duration)")
    page.evaluate(f"performance.clearMeasures('{name}')")
    return times


def grip(page: Page, slider: Locator) -> tuple[FloatRect, float]:
    """Takes hold of a slider in its middle: where it lies, and at which height."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    return box, middle


def launch(playwright: Playwright) -> Browser:
    """The system's Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=chromium, args=root)


def slide(page: Page, panel: str, moves: int) -> tuple[int, list[float]]:
    """Drags a slider of a panel, all of its sliders on the page: how many, and the times from its event to the paint."""
    page.wait_for_selector(f"#{panel} input[data-row]", timeout=SETTLED)
    if page.locator(f"#{panel} > .link").is_visible():
        page.click(f"#{panel} > .link")
    box, middle = grip(page, page.locator(f"#{panel} input[data-row]").first)
    page.wait_for_timeout(300)
    measured(page, "facespace:painted")
    for move in range(moves):
        share = 0.5 + 0.45 * ((move % 40) / 20 - 1 if move % 80 < 40 else 1 - (move % 40) / 20)
        page.mouse.move(box["x"] + box["width"] * share, middle)
        page.wait_for_timeout(30)
    page.mouse.up()
    page.wait_for_timeout(300)
    return page.locator(f"#{panel} :is(.rows .row, .cell)").count(), measured(page, "facespace:painted")


def draw(page: Page, moves: int) -> list[float]:
    """Draws a long stroke: the times from a drawing that is sent to the picture painted."""
    page.click("#tab-draw")
    page.wait_for_timeout(1000)
    box = page.locator(".board").bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    measured(page, "facespace:drawn")
    for move in range(moves):
        x, y = (move * 7) % 100 / 100, (move * 3) % 100 / 100
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_timeout(40)
    page.mouse.up()
    page.wait_for_timeout(500)
    return measured(page, "facespace:drawn")


def slide_gradio(browser: Browser, run: str, packages: str, moves: int) -> list[float]:
    """Moves the slider of the Gradio page of a space: the times from its event to the paint."""
    app = Path(__file__).with_name("gradio_app.py")
    command = [sys.executable, str(app), run, "--packages", packages]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    address = server.stdout.readline().strip()
    if not address.startswith("http"):
        raise SystemExit("The Gradio page did not start.")
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    slider = page.locator("input[type=range]")
    slider.wait_for(timeout=SETTLED)
    page.wait_for_timeout(2000)
    page.evaluate(WATCH)
    box, middle = grip(page, slider)
    for move in range(moves):
        share = 0.5 + 0.45 * ((move % 40) / 20 - 1 if move % 80 < 40 else 1 - (move % 40) / 20)
        page.mouse.move(box["x"] + box["width"] * share, middle)
        deadline = time.monotonic() + 3
        while page.evaluate("painted.length") <= move and time.monotonic() < deadline:
            page.wait_for_timeout(5)
    page.mouse.up()
    times = page.evaluate("painted")
    page.close()
    server.terminate()
    server.wait(10)
    return times


def shown(times: list[float]) -> str:
    """Median and 95th percentile."""
    cuts = statistics.quantiles(times, n=100)
    return f"p50 {cuts[49]:5.1f}  p95 {cuts[94]:5.1f}  ({len(times)} pictures)"


def main() -> None:
    """Prints a row a space."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--gradio", metavar="FOLDER", help="where gradio is installed")
    asked = parser.parse_args()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for run in asked.runs:
            server, address, listening = start(run)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.add_init_script("localStorage.setItem('facespace:tour', 'seen')")
            began = time.perf_counter()
            page.goto(address)
            page.wait_for_selector("#history .tile", timeout=SETTLED)
            interactive = time.perf_counter() - began
            print(f"{page.title():<24} listening {listening:4.1f} s, first face {interactive:3.1f} s later")
            page.click("#tab-raw")
            page.wait_for_selector("#raw .strength", timeout=SETTLED)  # all is measured then
            for panel in ("raw", "components", "attributes"):
                page.click(f"#tab-{panel}")
                if page.locator(f"#{panel}").evaluate("panel => panel.matches('.empty')"):
                    continue  # a space without directions
                count, slid = slide(page, panel, asked.moves)
                print(f"  {panel:<10} → painted, {count:3} sliders: {shown(slid)} ms", flush=True)
            print(
                f"  drawing    → painted:              {shown(draw(page, asked.moves // 2))} ms", flush=True
            )
            page.close()
            server.terminate()
            server.wait(10)
            if asked.gradio:
                slid = slide_gradio(browser, run, asked.gradio, asked.moves // 2)
                print(f"  Gradio     → painted,   1 slider : {shown(slid)} ms", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
