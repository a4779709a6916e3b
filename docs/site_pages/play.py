"""The spaces that come with the package, and a VAE and an autoencoder of the same faces, as a static site inside the
documentation: the front page shows it in a frame, with a picture until it is asked for. Without the runtime of
onnxruntime-web the front page keeps its picture."""

import logging
import os
from pathlib import Path

from facespace.core.errors import FacespaceError
from facespace.explorer.publishing.publish import publish
from facespace.explorer.publishing.runtime import read_runtime
from facespace.models.locations import packaged_spaces

FOLDER = "play"
PAIR = [Path(__file__).parents[2] / "spaces" / name for name in ("conv-vae", "conv-ae")]
LOG = logging.getLogger("mkdocs.hooks.play")
CAPTION, PICTURE = "A face that changes into others", "images/morph.gif"  # of the README's first picture
# HTML and not Markdown, since mkdocs looks for what links name before the folder is there. site.js shows the button
# and puts the frame in the place of the picture; without scripts the picture leads to the page.
FIGURE = f"""<figure class="play">
<a href="{FOLDER}/index.html"><img src="{PICTURE}" alt="{CAPTION}"></a>
<figcaption><button type="button" class="md-button md-button--primary" hidden>Play with these faces here</button>
<a href="{FOLDER}/index.html">Open the page of its own</a></figcaption>
</figure>"""


def runtime() -> Path | None:
    """The folder of onnxruntime-web that RUNTIME or FACESPACE_ORT_WEB names; None for the one that is fetched."""
    named = os.environ.get("RUNTIME") or os.environ.get("FACESPACE_ORT_WEB")
    return Path(named) if named else None


def ready() -> bool:
    """Whether the spaces can be published: False, with a line, where the runtime is not here and cannot be
    fetched, and where PLAY=no leaves them out."""
    if os.environ.get("PLAY") == "no":
        return False
    try:
        read_runtime(runtime())
    except FacespaceError as error:
        LOG.info("The front page shows a picture instead of the live space. %s", error)
        return False
    return True


def front_page(text: str) -> str:
    """The front page's Markdown with its first picture as a figure to play with. Raises ValueError where the
    page does not begin with that picture."""
    shown = f"![{CAPTION}]({PICTURE})"
    if shown not in text:
        raise ValueError(f"The front page has no {shown}.")
    return text.replace(shown, FIGURE, 1)


def write(site: Path) -> None:
    """Publishes the spaces into the folder `play` of the site."""
    publish([*packaged_spaces(), *PAIR], site / FOLDER, runtime(), force=True)
