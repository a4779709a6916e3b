"""The figures of the essays as HTML: a sheet of pictures with sliders, which pull.js brings to life. In the page they
stand as a comment and a picture, so that a reader of the Markdown file sees the whole sheet."""

import html
import json
import re

from site_pages.repository import ROOT

FOLDER = ROOT / "docs/images/essays"
FIGURE = re.compile(r"^<!-- pull: (?P<name>[\w-]+) -->\n!\[(?P<alt>[^\]]*)\]\((?P<image>[^)]+)\)$", re.M)


def with_figures(page: str) -> str:
    """The Markdown of a page with its figures as HTML. Without JavaScript the sheet stays a picture."""

    def draw(found: re.Match) -> str:
        sheet = json.loads((FOLDER / f"{found['name']}.json").read_text(encoding="utf-8"))
        sheet |= {"image": found["image"], "alt": found["alt"]}
        data = json.dumps(sheet, ensure_ascii=False).replace("<", "\\u003c")
        fallback = f'<img src="{found["image"]}" alt="{html.escape(found["alt"])}">'
        return f'<figure class="pull">{fallback}<script type="application/json">{data}</script></figure>'

    return FIGURE.sub(draw, page)
