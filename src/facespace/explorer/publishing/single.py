"""A static site as one HTML file, which opens from a disk: the page's modules, the runtime and the files of its
spaces are texts of the page, and its policy allows their hashes."""

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Mapping

from facespace.explorer.publishing.page import About, Policy, index
from facespace.explorer.publishing.runtime import Runtime

IMPORT = re.compile(r"^((?:import|export)\b[^;']*?from )'(\.[^']+)'", re.MULTILINE)
WORKER, PAGE, RUNTIME = "local/worker.js", "main.js", "runtime"
LEFT_OUT = ("local/service_worker.js", "local/single_file.js")


def single_file(web: dict[str, bytes], about: About, runtime: Runtime, files: Mapping[str, bytes]) -> str:
    """The page with all files in it; `files` are those that the worker reads, by path."""
    boot = web["local/single_file.js"].decode().strip()
    style = web["style.css"].decode()
    policy = Policy(scripts=[_checksum(boot)], styles=[_checksum(style)], blob=True)
    text = index(web, about, policy, folder="")
    mark = "data:image/svg+xml;base64," + base64.b64encode(web["mark.svg"]).decode()
    text = text.replace('"mark.svg"', f'"{mark}"')
    text = text.replace('<link rel="stylesheet" href="style.css">', f"<style>{style}</style>")
    text = text.replace('<script type="module" src="main.js"></script>\n', "")
    modules = _in_json([*ordered_modules(web), [RUNTIME, runtime.module.decode()]])
    parts = [f'<script type="application/json" id="facespace-modules">{modules}</script>']
    for path, content in files.items():
        encoded = base64.b64encode(content).decode()
        parts.append(f'<script type="application/octet-stream" data-file="{path}">{encoded}</script>')
    parts.append(f"<script>{boot}</script>")
    carried = "\n".join(parts)
    return text.replace("</body>", f"{carried}\n</body>")


def ordered_modules(web: Mapping[str, bytes]) -> list[list[str]]:
    """Modules as [name, text], each after those that it imports, with the names of these in its imports as
    'facespace:NAME'."""
    ordered: dict[str, str] = {}

    def add(name: str) -> None:
        if name in ordered:
            return
        source = web[name].decode()
        folder = posixpath.dirname(name)

        def named(found: re.Match[str]) -> str:
            other = posixpath.normpath(posixpath.join(folder, found[2]))
            add(other)
            return f"{found[1]}'facespace:{other}'"

        ordered[name] = IMPORT.sub(named, source)

    for first in (WORKER, PAGE):
        add(first)
    return [[name, text] for name, text in ordered.items()]


def _in_json(value: object) -> str:
    """JSON for the inside of a script element, which no text in it can end."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\u0021--")


def _checksum(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
