"""The explorer's page in a real browser, for the tests of its journeys. Skipped where there is no Chromium, unless CI asks
for it. The page's policy forbids evaluated text, so tests wait by locators."""

import base64
import io
import os
import shutil

import numpy as np
import pytest
from explorer_help import running, with_directions
from PIL import Image

from facespace.explorer.service import Spaces
from facespace.space.face_space import load

# The first that is here; without a window of its own a page costs a quarter less.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in BROWSERS if (path := shutil.which(name))), None)
if not CHROMIUM and not os.environ.get("CI"):
    pytest.skip("no Chromium here", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
WAIT = 30_000  # milliseconds, which a busy machine may take
expect.set_options(timeout=WAIT)
# Widths and schemes at which axe looks: two of them in each run of the tests, the others in `make soak`.
LOOKS = [
    pytest.param(
        width, scheme, marks=[] if (width, scheme) in ((1440, "light"), (390, "dark")) else [pytest.mark.soak]
    )
    for width in (1440, 1024, 768, 390)
    for scheme in ("light", "dark")
]
SEEN = "localStorage.setItem('facespace:tour', 'seen')"


@pytest.fixture(scope="module")
def browser():
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*arguments, "--use-fake-ui-for-media-stream=deny"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(lively, told, trained, few_samples) -> str:
    """A server with three spaces: the first with made-up directions, the last as if it could not be written."""
    names = ("Smiling", "Eyeglasses", "Male")
    spaces = Spaces([with_directions(load(lively), names), told, trained])
    spaces.open(2)._writable = lambda: False
    with running(spaces) as service:
        yield service.address


class Gate:
    """Holds requests of a page with chosen names until they are let through: a server that is slow just then."""

    def __init__(self, page) -> None:
        self.names, self.held = (), []
        page.route_web_socket("**/ws", self._connect)

    def _connect(self, socket) -> None:
        server = socket.connect_to_server()

        def pass_on(message) -> None:
            if any(f'"request":"{name}"'.encode() in message for name in self.names):
                self.held.append((server, message))
            else:
                server.send(message)

        socket.on_message(pass_on)

    def close(self, *names) -> None:
        self.names = names

    def open(self) -> None:
        self.names = ()
        for server, message in self.held:
            server.send(message)
        self.held = []


class Tab:
    """A page of the explorer with what it did wrong."""

    def __init__(self, browser, address, path="", tour=False, slow=False, **options) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.errors, self.requests = [], []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        if not tour:
            self.page.add_init_script(SEEN)
        self.gate = Gate(self.page) if slow else None
        if isinstance(slow, tuple):  # names of requests that are held from the start
            self.gate.close(*slow)
        host, key = address.split("#")
        self.page.goto(f"{host}{path}#{key}")

    def at(self, selector):
        return self.page.locator(selector)

    def ready(self, steps=2):
        """So many faces are in the history, and the statistics are there."""
        expect(self.at("#history .tile")).to_have_count(steps, timeout=WAIT)
        expect(self.at(".meter b")).to_be_visible(timeout=WAIT)
        return self

    def picture(self, selector="#face") -> np.ndarray:
        """The face as it is painted."""
        self.page.wait_for_timeout(250)
        expect(self.at("#faces")).to_have_attribute("aria-busy", "false", timeout=WAIT)
        url = self.page.evaluate(f"document.querySelector('{selector}').toDataURL()")
        file = base64.b64decode(url.split(",")[1])
        return np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)

    def moments(self) -> int:
        return self.at("#history .tile").count()


def same(picture: np.ndarray, other: np.ndarray) -> bool:
    """Equal to a level of gray, to which two canvases may round a smooth enlargement differently."""
    return np.abs(picture - other).max() <= 1


def touch(tab, start, end):
    """A finger that swipes, as the browser gets it."""
    session = tab.context.new_cdp_session(tab.page)
    session.send(
        "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": start[0], "y": start[1]}]}
    )
    for part in range(1, 9):
        x, y = (start[axis] + (end[axis] - start[axis]) * part / 8 for axis in (0, 1))
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.fixture
def tab(browser, address):
    made = Tab(browser, address).ready()
    yield made
    made.context.close()
    assert made.errors == []


def collect_examples(tab):
    """Five positive and five negative examples, all of this face and the next."""
    tab.page.get_by_text("Create a direction").click()
    for side in (0, 1):
        for _ in range(5):
            tab.page.get_by_role("button", name="This face", exact=True).nth(side).click()
        tab.page.keyboard.press("r")
        expect(tab.at("#history .tile")).to_have_count(3 + side)


@pytest.fixture
def slow(browser, address):
    """A page whose requests a test can hold."""
    made = Tab(browser, address, slow=True).ready()
    yield made
    made.context.close()
    assert made.errors == []
