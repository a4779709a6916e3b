"""A published site in a real browser, for the tests of its page: two small spaces, shown below a path by a server that knows
nothing of facespace. Skipped where onnxruntime-web is not at hand: FACESPACE_ORT_WEB names the folder of its npm package."""

import functools
import http.server
import mimetypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from explorer_browser import Tab, expect
from explorer_help import with_directions

from facespace.core.cache import cache_folder
from facespace.core.console import quiet
from facespace.core.errors import FacespaceError
from facespace.explorer import statistics
from facespace.explorer.publishing import runtime as runtimes
from facespace.explorer.publishing.publish import publish
from facespace.space.face_space import load

NAMES = ("Smiling", "Eyeglasses", "Male")  # made-up directions, as in the tests of the server's page
PLACE = "deep/er/site"  # below the root of the server
VARIABLE = "FACESPACE_ORT_WEB"


def runtime_folder() -> Path:
    """The folder of onnxruntime-web: the named one, or the user's cache. Skips the test where there is none; CI must have
    one."""
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else cache_folder() / f"onnxruntime-web-{runtimes.VERSION}"
    try:
        runtimes.read_runtime(folder)
    except FacespaceError as error:
        if os.environ.get("CI") and named:
            pytest.fail(str(error))
        pytest.skip(f"{VARIABLE} names no folder with onnxruntime-web ({runtimes.INSTALL}): {error}")
    return folder


def publish_site(lively: Path, told: Path, root: Path) -> Path:
    """The folder of a site with two spaces: the first with made-up directions, the second told two attributes. Its map has
    few faces. Beside it lies the same as one file."""
    folder = runtime_folder()
    with pytest.MonkeyPatch.context() as patch, quiet():
        patch.setattr(statistics, "MAPPED", (60, 60))
        patch.setattr(statistics, "REENCODED", (300, 300))
        patch.setattr(statistics, "DRAWS", 600)
        spaces = [with_directions(load(lively), NAMES), told]
        publish(spaces, root / PLACE, runtime=folder)
        publish(spaces[:1], root / "single.html", runtime=folder, single=True)
    return root / PLACE


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map: ClassVar = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
    }

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


class Shown:
    """A folder that an ordinary web server shows, until it is stopped."""

    def __init__(self, root: Path) -> None:
        handler = functools.partial(_Quiet, directory=str(root))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """No request is answered any more."""
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def showing(root: Path) -> Iterator[Shown]:
    """Shows a folder in the block."""
    mimetypes.add_type("text/javascript", ".js")
    shown = Shown(root)
    try:
        yield shown
    finally:
        shown.stop()


@pytest.fixture(scope="module")
def site_address(site) -> Iterator[str]:
    """The address of the site below its path, in the form of the server's addresses, which have a fragment."""
    with showing(site.parents[2]) as shown:
        yield f"{shown.address}{PLACE}/#"


def loaded(tab: Tab) -> Tab:
    """The page plays, and nothing is left to load."""
    expect(tab.at("body[data-loaded]")).to_have_count(1)
    return tab
