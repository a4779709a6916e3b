"""The provenance tag of the pictures that facespace writes, and how they are known by it: a sheet of faces is
no photograph. Metadata only."""

import contextlib
from pathlib import Path

from PIL import Image
from PIL.ExifTags import Base

# In every animation and picture of generated faces.
PROVENANCE_TAG = "AI-generated faces, drawn by facespace (IPTC digital source type: trainedAlgorithmicMedia)"
SOFTWARE = "facespace"  # EXIF's tag Software
SHEET = "facespace: a sheet of several faces"
OWN = "a picture that facespace made"  # the reason with which prepare leaves one out


def exif(text: str = PROVENANCE_TAG, sheet: bool = False) -> Image.Exif:
    """The metadata of a picture or an animation; a `sheet` is none of a single face."""
    found = Image.Exif()
    found[Base.ImageDescription] = text
    found[Base.Software] = SHEET if sheet else SOFTWARE
    return found


def is_own(image: Image.Image, sheet: bool = False) -> bool:
    """Whether facespace made an opened image; with `sheet`, whether it shows several faces or is an
    animation."""
    software, text = "", _text(image.info.get("comment"))
    with contextlib.suppress(Exception):  # of malformed metadata almost anything is raised
        tags = image.getexif()
        software = _text(tags.get(Base.Software))
        text += _text(tags.get(Base.ImageDescription))
    if sheet:
        return software.startswith(SHEET) or ("drawn by facespace" in text and not software)
    return software.startswith(SOFTWARE) or "drawn by facespace" in text


def is_own_sheet(path: Path) -> bool:
    """Whether a file is a sheet or an animation that facespace wrote; False for what cannot be opened."""
    try:
        with Image.open(path) as image:
            return is_own(image, sheet=True)
    except Exception:  # not an image; it is said elsewhere
        return False


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
