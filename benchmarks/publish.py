"""How fast a published site is in the browser, beside the explorer's server: a slider moved → the picture painted, a stroke
drawn → what the model sees painted (milliseconds); and from a cold and a warm cache, over a line of 20 Mbit/s, the seconds to
the first picture and to the first face that the page itself decodes, with the bytes that were sent. Needs Playwright, Chromium
and onnxruntime-web (npm install onnxruntime-web@1.30.0).

python benchmarks/publish.py [RUN ...] [--runtime node_modules/onnxruntime-web] [--moves N]"""

import argparse
import functools
import http.server
import tempfile
import threading
import time
from pathlib import Path
from typing import ClassVar

from explorer import SETTLED, draw, launch, measured, shown, slide, start
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from facespace.explorer.publishing.publish import publish
from facespace.models.locations import require_small_space

BYTES_PER_SECOND = 20e6 / 8
LATENCY = 0.02  # seconds before a response begins
BLOCK = 1 << 14
STEP = 0.02  # seconds between two looks at the page
SEEN = "localStorage.setItem('facespace:tour', 'seen')"


class Line:
    """A line that all responses share."""

    def __init__(self) -> None:
        self.limited, self.sent, self._free, self._lock = True, 0, 0.0, threading.Lock()

    def send(self, block: bytes) -> None:
        """Waits until the line has carried a block."""
        with self._lock:
            self.sent += len(block)
            self._free = max(self._free, time.monotonic()) + len(block) / BYTES_PER_SECOND
            end = self._free
        if self.limited:
            time.sleep(max(0.0, end - time.monotonic()))


class Handler(http.server.SimpleHTTPRequestHandler):
    """Sends files over the line, uncompressed but for what is compressed on the disk."""

    protocol_version = "HTTP/1.1"
    extensions_map: ClassVar = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
    }

    def __init__(self, line: Line, *arguments: object, **options: object) -> None:
        self.line = line
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def copyfile(self, source, outputfile) -> None:  # type: ignore[no-untyped-def]
        """Sends a file block by block."""
        if self.line.limited:
            time.sleep(LATENCY)
        while block := source.read(BLOCK):
            self.line.send(block)
            outputfile.write(block)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


def serve(site: Path, line: Line) -> tuple[http.server.ThreadingHTTPServer, str]:
    """A server of the folder, and its address."""
    handler = functools.partial(Handler, line, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/"


def load(context: BrowserContext, address: str, line: Line) -> tuple[Page, str]:
    """Opens the site: the page once all is loaded, and a text of what it took."""
    page = context.new_page()
    page.add_init_script(SEEN)
    line.sent, began = 0, time.perf_counter()
    page.goto(address, wait_until="commit")
    first = wait(
        page, "document.querySelector('#stage img')?.complete || document.querySelector('.tile')", began
    )
    own = wait(page, "document.querySelectorAll('#history .tile').length > 1", began)
    sent_first = line.sent
    whole = wait(page, "document.body.dataset.offline === 'ready'", began)
    text = f"first picture {first:4.2f} s, first own face {own:4.2f} s ({sent_first / 1e6:.1f} MB), "
    return page, f"{text}all {whole:4.2f} s ({line.sent / 1e6:.1f} MB)"


def wait(page: Page, condition: str, began: float) -> float:
    """Seconds since `began` until a condition holds in the page."""
    while not page.evaluate(f"Boolean({condition})"):
        if time.perf_counter() - began > SETTLED / 1000:
            raise SystemExit(f"The page did not come so far: {condition}")
        time.sleep(STEP)
    return time.perf_counter() - began


def measure(page: Page, moves: int, title: str) -> None:
    """Prints the times of a page that plays."""
    for panel in ("raw", "attributes"):
        page.click(f"#tab-{panel}")
        if page.locator(f"#{panel}").evaluate("panel => panel.matches('.empty')"):
            continue  # a space without directions
        page.wait_for_selector(f"#{panel} input[data-row]", timeout=SETTLED)
        slide(page, panel, 20)  # the browser has compiled what it runs
        measured(page, "facespace:painted")
        count, slid = slide(page, panel, moves)
        print(f"  {title:<7} {panel:<10} → painted, {count:3} sliders: {shown(slid)} ms", flush=True)
    print(f"  {title:<7} drawing    → painted:              {shown(draw(page, moves // 2))} ms", flush=True)


def measure_site(browser: Browser, site: Path, moves: int) -> None:
    """Prints the figures of a site."""
    line = Line()
    server, address = serve(site, line)
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page, text = load(context, address, line)
    print(f"  cold    {text}", flush=True)
    page.close()
    page, text = load(context, address, line)
    print(f"  warm    {text}", flush=True)
    measure(page, moves, "site")
    context.close()
    server.shutdown()


def measure_server(browser: Browser, run: str, moves: int) -> None:
    """Prints the figures of the explorer's server."""
    process, address, _ = start(run)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(SEEN)
    page.goto(address)
    page.click("#tab-raw", timeout=SETTLED)
    page.wait_for_selector("#raw .strength", timeout=SETTLED)  # all is measured then
    measure(page, moves, "server")
    page.close()
    process.terminate()
    process.wait(10)


def main() -> None:
    """Prints rows for each space."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--runtime", type=Path)
    parser.add_argument("--site", type=Path, help="a site of the one RUN that is there already")
    parser.add_argument("--moves", type=int, default=200)
    asked = parser.parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = launch(playwright)
        for number, run in enumerate(asked.runs or [require_small_space()]):
            site = asked.site or Path(folder, str(number))
            if not asked.site:
                publish([run], site, asked.runtime)
            print(run.name, flush=True)
            measure_site(browser, site, asked.moves)
            measure_server(browser, str(run), asked.moves)
        browser.close()


if __name__ == "__main__":
    main()
