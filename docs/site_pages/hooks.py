"""What mkdocs calls while it builds the site: generated pages join the files and the navigation."""

import os
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import Abort
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[1]))

from pymdownx.slugs import slugify

from site_pages import commands, gallery, library, notebooks, play, recipes, repository
from site_pages.figures import with_figures
from site_pages.formulas import with_mathml

# Code in a sentence that fits into a line of a phone, as --keep-detail does.
SHORT_CODE = re.compile(r"<code>([^<\n]{1,34})</code>")
GENERATED: dict[str, str] = {}  # path on the site -> Markdown


def on_config(config: Any) -> Any:
    """Makes the generated pages and puts them into the navigation."""
    missing = library.undocumented()
    if missing:
        raise Abort(f"Public names without a docstring: {', '.join(missing)}.")
    config.site_url = os.environ.get("SITE_URL", "")
    config.repo_url = os.environ.get("REPO_URL", "")
    # Anchors as the code host makes them, so that links with # work in both places.
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    docs = Path(config.docs_dir)
    guides = {page.name: page.read_text(encoding="utf-8") for page in sorted(docs.glob("*.md"))}
    GENERATED.clear()
    GENERATED.update(repository.moved_pages(config.repo_url))
    GENERATED.update(notebooks.pages())
    GENERATED.update(commands.pages(guides))
    GENERATED.update(library.pages())
    GENERATED["recipes.md"] = recipes.page()
    GENERATED["gallery.md"] = gallery.page()
    config.extra["play"] = play.ready()
    if config.extra["play"]:
        GENERATED["index.md"] = play.front_page(GENERATED["index.md"])
    for section in config.nav:
        for title, entries in section.items():
            section[title] = _filled(entries)
    return config


def _filled(entries: list) -> list:
    """Entries of a section with FOLDER/* replaced by the generated pages of that folder."""
    filled = []
    for entry in entries:
        if entry == "commands/*":
            filled += _command_sections()
        elif isinstance(entry, str) and entry.endswith("/*"):
            folder = entry.removesuffix("*")
            for path in GENERATED:
                if path.startswith(folder) and not path.endswith("/index.md"):
                    filled.append({_nav_title(path): path})
        else:
            filled.append(entry)
    return filled


def _command_sections() -> list[dict[str, list[dict[str, str]]]]:
    """The pages of the verbs under the headings of `facespace --help`."""
    sections: dict[str, list[dict[str, str]]] = {}
    for command in commands.commands():
        page = {command.name: f"commands/{command.name}.md"}
        sections.setdefault(command.heading, []).append(page)
    return [{heading: pages} for heading, pages in sections.items()]


def _nav_title(path: str) -> str:
    return GENERATED[path].partition("\n")[0].removeprefix("# ")


def on_files(files: Files, config: Any) -> Files:
    """Adds the generated pages, and the notebooks to download."""
    for path, text in GENERATED.items():
        files.append(File.generated(config, path, content=text))
    for notebook in sorted(notebooks.FOLDER.glob("*.ipynb")):
        files.append(File.generated(config, f"tutorials/{notebook.name}", abs_src_path=str(notebook)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links of a page in docs/ to other files of the repository, as links of the site."""
    path = page.file.src_uri
    if path in GENERATED:
        return markdown
    return with_figures(repository.site_links(markdown, f"docs/{path}", path, config.repo_url or ""))


def on_page_content(html: str, **_: Any) -> str:
    """Formulas as MathML; short code of sentences named, so that site.css keeps it whole."""
    return with_mathml(SHORT_CODE.sub(r'<code class="short">\1</code>', html))


def on_post_build(config: Any) -> None:
    """Puts the spaces of the package beside the pages, where their runtime is at hand."""
    if config.extra["play"]:
        play.write(Path(config.site_dir))
