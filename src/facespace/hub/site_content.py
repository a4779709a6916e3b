"""What `push --site` sends: the files of a published static site, each of a kind that a web page has, with
the page that makes it a static Space of the hub. Reads names and sizes, and README.md; sends nothing."""

import re
from pathlib import Path

from facespace.core.cards import Card
from facespace.core.console import note
from facespace.core.errors import FacespaceError
from facespace.core.left_behind import is_left_behind
from facespace.core.reading import LARGEST_JSON, RefusedFile, read_bounded
from facespace.hub.bundle_content import README, Content
from facespace.hub.model_card import licence_name, terms_of

INDEX = "index.html"
MOST_BYTES, MOST_FILES = 1_000_000_000, 2_000  # of a site; the hub gives a static Space about so much
_ENDINGS = """.html .css .js .mjs .map .json .webmanifest .wasm .onnx .bin .safetensors .png .jpg .jpeg .webp
    .gif .svg .ico .avif .mp4 .webm .woff .woff2 .ttf .md .txt .xml .gz .br"""
ENDINGS = frozenset(_ENDINGS.split())
FRONT = re.compile(r"\A---\r?\n(?P<fields>.*?)^---\s*$", re.S | re.M)
OWN_TAG = re.compile(r"^tags:.*?\bfacespace\b", re.S | re.M)
STATIC = re.compile(r"^sdk:\s*['\"]?static\b", re.M)

HEADER = """---
title: {title}
emoji: 🙂
colorFrom: blue
colorTo: gray
sdk: static
app_file: index.html
pinned: false
license: {license}
tags:
- facespace
---

# {title}

A face space that plays in the browser, made with facespace.{terms}
"""


def of_site(folder: Path, card: Card, repository: str) -> Content:
    """The content of the site in a folder, for the Space USER/NAME; `card` is that of the space it shows.
    Raises FacespaceError for a folder without index.html, with files that no web page has, or too large."""
    if not (folder / INDEX).is_file():
        raise FacespaceError(f"--site {folder} holds no {INDEX}. Name the folder of a published site.")
    files, hidden = {}, set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        left_behind = [part for part in name.split("/") if is_left_behind(part)]
        if left_behind:
            hidden.add(left_behind[0])
        elif path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise FacespaceError(f"{path} is a link or no regular file, and is not sent. Remove it.")
        elif path.is_file():
            files[name] = _checked(path)
    hidden.discard(".nojekyll")  # for another host
    if hidden:
        note(f"Left out, since hidden files are not sent: {', '.join(sorted(hidden)[:5])}.")
    page = _readme(folder, card, repository).encode()
    content = Content(files, {README: page}, likeness="adapted" in card)
    files.pop(README, None)
    total = sum(content.sizes.values())
    if total > MOST_BYTES or len(files) > MOST_FILES:
        raise FacespaceError(
            f"--site {folder} has {len(files):,} files, {total / 1e6:,.0f} MB; a static Space takes at most "
            f"{MOST_FILES:,} and {MOST_BYTES // 10**6:,} MB."
        )
    return content


def _checked(path: Path) -> Path:
    if path.suffix.lower() not in ENDINGS:
        raise FacespaceError(
            f"{path} is no file of a web page, and a site is sent whole. Move it elsewhere, or name another "
            "folder for --site."
        )
    return path


def _readme(folder: Path, card: Card, repository: str) -> str:
    """The site's own README.md where it makes a static Space of it, else one of ours."""
    try:
        own = read_bounded(folder / README, LARGEST_JSON).decode()
    except FileNotFoundError:
        own = ""
    except (RefusedFile, UnicodeDecodeError) as error:
        raise FacespaceError(
            f"{folder / README} cannot be read ({error}). Remove it, or repair it."
        ) from error
    front = FRONT.match(own)
    if front is not None and STATIC.search(front["fields"]):
        return own if is_own(own) else _tagged(own, folder / README, card)
    terms = terms_of(card)
    named = f"\n\nTerms of use: {terms}." if terms else ""
    kind = f"other\nlicense_name: {licence_name(card)}" if terms else "unknown"
    return HEADER.format(title=repository.partition("/")[2], license=kind, terms=named)


def _tagged(readme: str, file: Path, card: Card) -> str:
    """The same page with the tag by which `push` knows its own Spaces, and the licence of the space where it
    names none."""
    from huggingface_hub import RepoCard

    try:
        page = RepoCard(readme)
        page.data["tags"] = [*(page.data.get("tags") or []), "facespace"]
        if terms_of(card) and not page.data.get("license"):
            page.data["license"], page.data["license_name"] = "other", licence_name(card)
    except (ValueError, TypeError) as error:
        raise FacespaceError(f"The metadata of {file} cannot be read ({error!s:.200}). Repair it.") from error
    return str(page)


def is_own(readme: str) -> bool:
    """Whether the metadata of a README.md says that facespace made what is in its repository."""
    front = FRONT.match(readme)
    return front is not None and OWN_TAG.search(front["fields"]) is not None
