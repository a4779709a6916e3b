"""Pages of the repository that lie outside docs/ (README, changelog …) as pages of the site, and links between
files of the repository as links between pages of the site."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

# File of the repository -> page of the site.
MOVED = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSE": "licence.md",
    "notebooks": "tutorials/index.md",
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\]\([^)]*\))*)\]\(([^()\s]+)\)")
FENCE = re.compile(r"(^```.*?^```[^\n]*$)", re.M | re.S)


def moved_pages(repository: str = "") -> dict[str, str]:
    """The pages made of the files of MOVED: path on the site -> Markdown, with links of the site (site_links)."""
    pages = {}
    for source, page in MOVED.items():
        if source.endswith(".md"):
            text = (ROOT / source).read_text(encoding="utf-8")
            pages[page] = site_links(text, source, page, repository)
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    pages["licence.md"] = f"# Licence\n\n```text\n{licence}```\n"
    return pages


def site_path(path: str) -> str | None:
    """The path on the site of a file or folder of the repository; None where the site does not hold it."""
    if path in MOVED:
        return MOVED[path]
    if path.startswith("notebooks/") and path.endswith(".ipynb"):
        return f"tutorials/{posixpath.basename(path)[: -len('.ipynb')]}.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return None


def site_links(text: str, source: str, page: str, repository: str = "") -> str:
    """Markdown of the repository's file `source` with its relative links as those of the site's page `page`. A
    link to a file that the site does not hold leads to the address `repository`, or becomes its text without one.
    A link to nothing stays, for the strict build to find."""

    def rewrite(match: re.Match) -> str:
        picture, label, address = match.groups()
        target, sign, anchor = address.partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        on_site = site_path(path)
        if on_site is not None:
            start = posixpath.dirname(page) or "."
            return f"{picture}[{label}]({posixpath.relpath(on_site, start)}{sign}{anchor})"
        if not (ROOT / path).exists():
            return match[0]
        if repository:
            return f"{picture}[{label}]({repository.rstrip('/')}/blob/HEAD/{path}{sign}{anchor})"
        return label

    parts = FENCE.split(text)
    for place, part in enumerate(parts):
        if not part.startswith("```"):
            parts[place] = LINK.sub(rewrite, part)
    return "".join(parts)
