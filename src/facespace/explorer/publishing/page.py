"""The page of a static site: index.html of the explorer with a policy, a card for links and its first
picture, the service worker, and README.md. Texts from texts; writes nothing."""

import base64
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from facespace.core.version import __version__

SITE, CARD, WORKER, README = "site.json", "card.jpg", "sw.js", "README.md"
LESSONS = "lessons/"  # folder of the page
GENERATOR = f"facespace {__version__}"
MARK = '<meta name="generator" content="facespace '  # what every page of a site has
DESCRIPTION = (
    "A trained space of faces that plays in this browser: sliders, drawings, a map and morphs. The faces do "
    "not exist, and nothing leaves this device."
)


@dataclass(frozen=True)
class About:
    """What a page says of its site."""

    names: Sequence[str]  # of the spaces
    terms: Sequence[str]  # of each space's data; empty where it states none
    version: str  # of the content
    mean: str  # address of the mean face
    address: str = ""  # of the site, where it is known

    @property
    def title(self) -> str:
        """The names of the spaces."""
        return f"{', '.join(self.names)} · facespace"


@dataclass(frozen=True)
class Policy:
    """What the page's Content-Security-Policy allows beside the site's own files: hashes of its inline texts,
    and `blob` addresses of modules in memory."""

    scripts: Sequence[str] = ()
    styles: Sequence[str] = ()
    blob: bool = False

    def text(self) -> str:
        """The policy."""
        own = "blob:" if self.blob else "'self'"
        scripts = " ".join((*map(_quoted, self.scripts), own, "'wasm-unsafe-eval'"))
        styles = " ".join(map(_quoted, self.styles)) if self.styles else "'self'"
        connect = "blob: data:" if self.blob else "'self'"
        return (
            f"default-src 'none'; script-src {scripts}; worker-src {own}; style-src {styles}; "
            f"img-src 'self' blob: data:; media-src blob:; connect-src {connect}; "
            "base-uri 'none'; form-action 'none'"
        )


def _quoted(checksum: str) -> str:
    return f"'sha256-{checksum}'"


def index(web: dict[str, bytes], about: About, policy: Policy, folder: str = "page/") -> str:
    """The page, whose own files lie in `folder`. `web` are the files of the explorer."""
    text = web["index.html"].decode()
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy.text())}">\n'
        f'<meta name="generator" content="{GENERATOR}">\n'
        f"{_card(about)}"
    )
    icons = web["icons.svg"].decode().replace("<svg ", '<svg class="visually-hidden" aria-hidden="true" ', 1)
    first = f'<img class="first" src="{about.mean}" alt="The mean face of this space">'
    text = _replaced(text, '<meta charset="utf-8">\n', f'<meta charset="utf-8">\n{head}')
    text = _replaced(text, "<title>facespace explorer</title>", f"<title>{html.escape(about.title)}</title>")
    text = _replaced(text, "<body ", f'<body data-site="{SITE}" data-version="{about.version}" ')
    text = _replaced(text, 'tabindex="-1"></section>', f'tabindex="-1">{first}</section>')
    text = _replaced(
        text, "It is loaded from this computer only.", "The picture is the mean face of its space."
    )
    text = _replaced(text, "</body>", f"{icons}\n{_lessons(web)}</body>")
    # A browser asks for the icon at each change of the address, which is no request where the page holds it.
    text = text.replace('"mark.svg"', f'"{data_address(web["mark.svg"], "image/svg+xml")}"')
    return re.sub(r'(href|src)="(style\.css|main\.js)"', rf'\1="{folder}\2"', text)


def _lessons(web: dict[str, bytes]) -> str:
    """The lessons as blocks of data, which the page reads without a request."""
    blocks: list[str] = []
    for name, content in sorted(web.items()):
        if name.startswith(LESSONS):
            lesson = name.removeprefix(LESSONS).removesuffix(".json")
            # "</" would end the element; in JSON "<\\/" is the same text.
            text = json.dumps(json.loads(content), ensure_ascii=False).replace("</", "<\\/")
            blocks.append(f'<script type="application/json" data-lesson="{lesson}">{text}</script>\n')
    return "".join(blocks)


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"index.html has changed: {old!r}"
    return text.replace(old, new)


def _card(about: About) -> str:
    """What a link to the site shows elsewhere (the Open Graph protocol)."""
    facts = {
        "og:type": "website",
        "og:title": about.title,
        "og:description": DESCRIPTION,
        "og:image": f"{about.address}{CARD}",
        "og:image:alt": "Faces that the model has decoded",
    }
    if about.address:
        facts["og:url"] = about.address
    lines = [f'<meta name="description" content="{html.escape(DESCRIPTION)}">']
    lines += [f'<meta property="{name}" content="{html.escape(text)}">' for name, text in facts.items()]
    lines.append('<meta name="twitter:card" content="summary_large_image">')
    return "\n".join(lines) + "\n"


def data_address(picture: bytes, kind: str = "image/png") -> str:
    """An address that holds the picture itself."""
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"


def service_worker(web: dict[str, bytes], version: str, shell: Sequence[str]) -> str:
    """The service worker of one version of a site; `shell` are the paths of its page."""
    site = json.dumps({"version": version, "shell": list(shell)}, indent=1)
    return f"self.facespaceSite = {site};\n{web['local/service_worker.js'].decode()}"


def readme(about: About, sizes: str) -> str:
    """What the site is, with the header that a static Space of Hugging Face reads."""
    lines = []
    for name, terms in zip(about.names, about.terms):
        lines.append(f"* **{name}**: {terms or 'its data card states no terms of use'}")
    title = ", ".join(about.names)
    return (
        f"---\ntitle: {json.dumps(title)}\nemoji: 🙂\ncolorFrom: gray\ncolorTo: green\n"
        f"sdk: static\npinned: false\ntags:\n- facespace\n---\n\n# {title}\n\n{DESCRIPTION}\n\n"
        "Any web server can show this folder: GitHub Pages, a static Space of Hugging Face, or "
        "`python -m http.server`. It works below any path.\n\n"
        "## Terms of use of the training data\n\n" + "\n".join(lines) + "\n\n"
        f"## What is in it\n\n{sizes}\n\nMade by facespace {__version__}. The folder `runtime` holds "
        "onnxruntime-web (MIT License, © Microsoft Corporation), `detector` YuNet (MIT License).\n"
    )
