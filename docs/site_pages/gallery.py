"""The gallery: each picture of the documentation once, with its caption and the page that explains it."""

import re
from dataclasses import dataclass

from site_pages.repository import ROOT, site_links

PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Picture:
    """A picture of a page."""

    file: str  # path on the site
    caption: str
    page: str  # path on the site
    title: str  # of that page


def pictures() -> list[Picture]:
    """The pictures of the README and the pages of docs/, each at its first place."""
    found: dict[str, Picture] = {}
    sources = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for source in sources:
        name = source.relative_to(ROOT).as_posix()
        page = "index.md" if name == "README.md" else name.removeprefix("docs/")
        text = site_links(source.read_text(encoding="utf-8"), name, page)
        title = text.partition("\n")[0].removeprefix("# ")
        for caption, file in PICTURE.findall(text):
            if ":" not in file:
                found.setdefault(file, Picture(file, caption, page, title))
    return list(found.values())


def page() -> str:
    """The page, by the pages that the pictures are from."""
    lines = [
        "# Gallery\n",
        "Pictures that the program made. The title over each group leads to the page that explains them.",
    ]
    title = ""
    for picture in pictures():
        if picture.title != title:
            title = picture.title
            lines.append(f"\n## [{title}]({picture.page})\n")
        lines.append(f"![{picture.caption}]({picture.file}){{ loading=lazy }}\n\n*{picture.caption}*\n")
    return "\n".join(lines)
