"""The notebooks as pages of the site: their text and code, with the notebook itself to download."""

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
        "a paper.\n\nThe notebooks train a space in minutes, without a download:\n\n" + "\n".join(rows) + "\n"
    )
    return made


def notebook_text(path: Path) -> str:
    """The cells of a notebook as Markdown; code cells as Python blocks. Outputs are left out."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    blocks = []
    for cell in cells:
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            blocks.append(source)
        elif cell["cell_type"] == "code" and source:
            blocks.append(f"```python\n{source}\n```")
    return "\n\n".join(blocks) + "\n"
