"""The gallery: pictures and films with the commands that made them, then each picture of the other pages once, with
its caption and the page that explains it."""

import re
from dataclasses import dataclass

from site_pages.gallery_rows import rows
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
    """The page: the rows of the table, then the pictures of other pages."""
    lines = [
        "# Gallery\n",
        "Pictures and films that the program made, each with its command. These people do not exist: the faces are samples of "
        "[the default space](faces128.md), or drawn by the program. The same command gives the same picture (`--scale` makes "
        "it larger); `make gallery` makes all of them again.",
    ]
    for row in rows():
        command = "\n".join([*row.setup, row.command])
        lines.append(f"\n![{row.caption}](gallery/{row.file}){{ loading=lazy }}\n\n*{row.caption}*\n")
        lines.append(f"``` {{ .sh .wrap }}\n{command}\n```\n")
    lines.append(
        "\n## Pictures of the other pages\n\nThe title over each group leads to the page that explains them."
    )
    title = ""
    for picture in pictures():
        if picture.title != title:
            title = picture.title
            lines.append(f"\n### [{title}]({picture.page})\n")
        lines.append(f"![{picture.caption}]({picture.file}){{ loading=lazy }}\n\n*{picture.caption}*\n")
    return "\n".join(lines)
