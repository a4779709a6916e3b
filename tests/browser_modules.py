"""The page's JavaScript modules in a real browser, for tests that run them and the Python of the same formula on the same
inputs. The page is blank; Chromium asks no server, since every file comes from here."""

import base64
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from explorer_browser import WAIT, browser

from facespace.explorer import service

WEB = Path(service.__file__).with_name("web")
HOST = "http://localhost"
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
# Arrays cross as {dtype, base64}: as JSON lists, the pixels of a photograph take seconds.
CROSSING = """
globalThis.kinds = { u1: Uint8Array, f4: Float32Array, f8: Float64Array };
globalThis.arrayOf = ({ kind, text }) => {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new kinds[kind](bytes.buffer);
};
globalThis.textOf = (array) => {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let characters = '';
  for (let at = 0; at < bytes.length; at += 8192) characters += String.fromCharCode(...bytes.subarray(at, at + 8192));
  const kind = Object.keys(kinds).find((name) => kinds[name].BYTES_PER_ELEMENT === array.BYTES_PER_ELEMENT);
  return { kind, text: btoa(characters) };
};
globalThis.rowsOf = (array, size) => {
  const rows = [];
  for (let at = 0; at < array.length; at += size) rows.push(array.slice(at, at + size));
  return rows;
};
globalThis.joined = (rows) => {
  const size = rows[0].length;
  const all = new rows[0].constructor(rows.length * size);
  rows.forEach((row, place) => all.set(row, place * size));
  return all;
};
"""


def sent(array: np.ndarray) -> dict[str, str]:
    """An array as JavaScript's `arrayOf` takes it, flat."""
    kind = {"uint8": "u1", "float32": "f4", "float64": "f8"}[str(array.dtype)]
    return {"kind": kind, "text": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()}


def received(value: dict[str, str]) -> np.ndarray:
    """An array that `textOf` made, flat."""
    return np.frombuffer(base64.b64decode(value["text"]), np.dtype(value["kind"])).copy()


class Modules:
    """A blank page that can import the modules of the explorer."""

    def __init__(self, browser: Any, folders: dict[str, Path] | None = None) -> None:
        self._folders = {"web": WEB, **(folders or {})}
        self.context = browser.new_context()
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.page.route("**/*", self._answer)
        self.page.goto(f"{HOST}/")
        self.page.evaluate(f"() => {{ {CROSSING} }}")

    def _answer(self, route: Any) -> None:
        path = urlsplit(route.request.url).path
        if path == "/":
            route.fulfill(body="<!doctype html><title>Modules</title>", content_type="text/html")
            return
        folder, name = path.lstrip("/").split("/", 1)
        file = self._folders[folder] / name
        route.fulfill(body=file.read_bytes(), content_type=TYPES.get(file.suffix, "application/octet-stream"))

    def run(self, module: str, body: str, argument: Any = None) -> Any:
        """The result of an async function body, in which `m` is the module web/local/MODULE and `a` the argument."""
        load = f"const m = await import('{HOST}/web/local/{module}');"
        return self.page.evaluate(f"async (a) => {{ {load} {body} }}", argument)

    def error(self, module: str, body: str, argument: Any = None) -> str:
        """The sentence of the Error that a function body throws."""
        caught = f"try {{ {body} }} catch (error) {{ return error.message; }} return '';"
        return self.run(module, caught, argument)


@pytest.fixture(scope="module")
def modules(browser):
    opened = Modules(browser)
    yield opened
    opened.context.close()


__all__ = ["HOST", "Modules", "browser", "modules", "received", "sent"]
