"""A static site as one HTML file, which opens from a disk: the page's modules, the runtime and the files of
its spaces are texts of the page, and its policy allows the hashes of those that run."""

import base64
import hashlib
from collections.abc import Mapping

from facespace.explorer.publishing.bundling import bundle, library
from facespace.explorer.publishing.page import About, Policy, index
from facespace.explorer.publishing.runtime import Runtime

WORKER, PAGE, START = "local/worker.js", "main.js", "local/single_file.js"
RUNTIME = "facespaceRuntime"  # the global name of the runtime in the worker
CARRIED_WORKER = "worker.js"


def single_file(web: dict[str, bytes], about: About, runtime: Runtime, files: Mapping[str, bytes]) -> str:
    """The page with all files in it; `files` are those that the worker reads, by path."""
    script = f"{web[START].decode()}\n{bundle(web, PAGE)}"
    assert "</script" not in script and "<!--" not in script, "a text would end its element"
    style = web["style.css"].decode()
    policy = Policy(scripts=[_checksum(script)], styles=[_checksum(style)], blob=True)
    text = index(web, about, policy, folder="")
    text = text.replace('<link rel="stylesheet" href="style.css">', f"<style>{style}</style>")
    text = text.replace('<script type="module" src="main.js"></script>\n', "")
    worker = f"{library(runtime.module.decode(), RUNTIME)}\n{bundle(web, WORKER)}"
    parts: list[str] = []
    for path, content in {CARRIED_WORKER: worker.encode(), **files}.items():
        parts.append(f'<script type="text/plain" data-file="{path}">{_base64(content)}</script>')
    parts.append(f'<script type="module">{script}</script>')
    return text.replace("</body>", "\n".join((*parts, "</body>")))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _checksum(text: str) -> str:
    return _base64(hashlib.sha256(text.encode()).digest())
