"""Whether the explorer stays as it was: a scripted user moves sliders, draws, takes new faces, undoes and exports morphs for
minutes, while the memory of server and page is read and the browser's console is listened to.

    python benchmarks/explorer_soak.py RUN [--minutes 30]

Prints a row a tenth of the time: slider moves so far, the server's resident memory, the page's JavaScript heap after a
collection, its DOM nodes; and at the end every error of the console. Needs Playwright and Chromium."""

import argparse
import random
import time
from pathlib import Path

from explorer import SETTLED, grip, launch, start
from playwright.sync_api import CDPSession, Page, sync_playwright


def resident(pid: int) -> float:
    """MB of memory that a process holds (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def heap(session: CDPSession) -> tuple[float, int]:
    """MB of the page's JavaScript heap after a collection, and its DOM nodes."""
    session.send("HeapProfiler.collectGarbage")
    found = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
    return found["JSHeapUsedSize"] / 1e6, int(found["Nodes"])


def slide(page: Page, panel: str, chance: random.Random) -> int:
    """Drags one slider of a panel to and fro; the number of moves."""
    page.click(f"#tab-{panel}")
    sliders = page.locator(f"#{panel} input[data-row]")
    page.wait_for_selector(f"#{panel} input[data-row]", timeout=SETTLED)
    box, middle = grip(page, sliders.nth(chance.randrange(min(12, sliders.count()))))
    for _ in range(25):
        page.mouse.move(box["x"] + box["width"] * chance.random(), middle)
        page.wait_for_timeout(20)
    page.mouse.up()
    return 25


def draw(page: Page, chance: random.Random) -> None:
    """Some strokes, one taken back, and all of it cleared."""
    page.click("#tab-draw")
    box = page.locator(".board").bounding_box()
    assert box
    for _ in range(3):
        page.mouse.move(box["x"] + chance.random() * box["width"], box["y"] + chance.random() * box["height"])
        page.mouse.down()
        for _ in range(10):
            page.mouse.move(
                box["x"] + chance.random() * box["width"], box["y"] + chance.random() * box["height"]
            )
            page.wait_for_timeout(20)
        page.mouse.up()
    page.get_by_role("button", name="Undo the last stroke").click()
    page.click("#draw-clear")


def animate(page: Page) -> None:
    """A morph through two faces, exported."""
    page.click("#tab-morph")
    for _ in range(2):
        page.click("#keyframe-add")
        page.keyboard.press("r")
        page.wait_for_timeout(300)
    page.click("#animation-save")
    with page.expect_download(timeout=SETTLED) as download:
        page.click("#morph-save")
    download.value.delete()
    while page.get_by_role("button", name="Remove keyframe 1", exact=True).count():
        page.get_by_role("button", name="Remove keyframe 1", exact=True).click()


def main() -> None:
    """Plays, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--minutes", type=float, default=30)
    asked = parser.parse_args()
    chance, errors, moves = random.Random(0), [], 0
    server, address, _ = start(asked.run)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.add_init_script("localStorage.setItem('facespace:tour', 'seen')")
        page.goto(address)
        page.wait_for_selector("#history .tile", timeout=SETTLED)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        began, rows = time.monotonic(), 0
        print(f"{'minute':>7}{'moves':>8}{'server MB':>11}{'heap MB':>9}{'nodes':>8}", flush=True)
        while (minutes := (time.monotonic() - began) / 60) < asked.minutes or rows < 11:
            if minutes >= rows * asked.minutes / 10:
                size, nodes = heap(session)
                print(
                    f"{minutes:>7.1f}{moves:>8}{resident(server.pid):>11.0f}{size:>9.1f}{nodes:>8}",
                    flush=True,
                )
                rows += 1
                animate(page)
            for panel in ("components", "raw"):
                moves += slide(page, panel, chance)
            draw(page, chance)
            page.keyboard.press("r")
            for _ in range(4):
                page.keyboard.press("Control+z")
        browser.close()
    server.terminate()
    server.wait(10)
    print(f"{len(errors)} errors in the console", *errors, sep="\n")


if __name__ == "__main__":
    main()
