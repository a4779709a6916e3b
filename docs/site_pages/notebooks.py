"""The notebooks as pages of the site: their text, code and stored outputs, with the notebook itself to download."""

import html
import json
from pathlib import Path

from site_pages.repository import ROOT, site_links

FOLDER = ROOT / "notebooks"


def pages() -> dict[str, str]:
    """Path on the site -> Markdown: an index, and one page a notebook."""
    made = {}
    rows = []
    for path in sorted(FOLDER.glob("*.ipynb")):
        page = f"tutorials/{path.stem}.md"
        text = notebook_text(path)
        title, _, body = text.partition("\n")
        download = f"[Download the notebook]({path.name}){{ .md-button download='{path.name}' }}"
        made[page] = site_links(f"{title}\n\n{download}\n{body}", f"notebooks/{path.name}", page)
        rows.append(f"* [{title.removeprefix('# ')}]({path.stem}.md)")
    made["tutorials/index.md"] = (
        "# Tutorials\n\n[First steps](../first-steps.md) are three short paths without any training: a lesson, a picture, "
        "a paper. The tutorials go the whole way; each is followed word for word by a test, and shows what came out:\n\n"
        "* [A lesson of 45 minutes](../teach.md), with [a sheet to print](../teach-sheet.md)\n"
        "* [A researcher's table](../research.md): five models on one set, and how to report them\n"
        "* [From your phone to a link](../share.md): your own photographs as a page to play with\n"
        "* [An artist's afternoon](../make-art.md): from portraits or drawings to a film\n"
        "* [Add a model, a source, a metric, a panel](../develop.md)\n\n"
        "The notebooks train a space in a minute, without a download; each shows one published system whole, in plain "
        "PyTorch:\n\n" + "\n".join(rows) + "\n"
    )
    return made


def notebook_text(path: Path) -> str:
    """The cells of a notebook as Markdown: code cells as Python blocks, their outputs below them."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    blocks = []
    for cell in cells:
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            blocks.append(source)
        elif cell["cell_type"] == "code" and source:
            blocks.append(f"```python\n{source}\n```")
            blocks += [shown(output) for output in cell["outputs"]]
    return "\n\n".join(blocks) + "\n"


def shown(output: dict) -> str:
    """A stored output as HTML: its picture, its own HTML, or its text."""
    data = output.get("data", {})
    for kind in ("image/gif", "image/png"):
        if kind in data:
            alt = output.get("metadata", {}).get(kind, {}).get("alt", "What the cell above shows")
            source = f"data:{kind};base64,{''.join(data[kind]).strip()}"
            return f'<p class="output"><img src="{source}" alt="{html.escape(alt)}"></p>'
    if "text/html" in data:
        return f'<div class="output">{"".join(data["text/html"])}</div>'
    text = "".join(output.get("text") or data.get("text/plain", ""))
    return f'<pre class="output" tabindex="0">{html.escape(text.rstrip())}</pre>'.replace(
        "\n\n", "\n&#8203;\n"
    )
