"""The replies of a space that a static site stores: made by the handlers of the server when the site is
published, and read by the page's worker. Pixels of many faces become one picture, which is a tenth of their
bytes."""

import gzip
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from facespace.explorer import handlers, messages
from facespace.explorer.calls import Page
from facespace.explorer.engine import Engine
from facespace.explorer.local_arrays import local_arrays
from facespace.explorer.local_photos import photo_layout
from facespace.explorer.messages import Header, Request
from facespace.image import grids, provenance
from facespace.space.gaussian_guides import guide_of

STORED = ("mean", "statistics", "directions")  # requests without fields
MAPS = ("pca", "tsne")
SHEET = "map.webp"
SHEET_QUALITY = 88  # of WebP, at which thumbnails on the map look as they did
MEAN = "mean.png"
RGBA = 4  # bytes of a pixel

FULL = "facespace explore has that."
UNAVAILABLE = {
    "edit": f"Keep the person, which needs a second network and gradients: {FULL}",
    "tune": f"Make it me needs a training of some minutes, which a page cannot do: {FULL}",
}
GEODESIC = f"Geodesic morphs need a prior whose density is a Gaussian's or a flow's: {FULL}"


def write_replies(engine: Engine, folder: Path, priors: Sequence[str]) -> None:
    """Writes the replies of a space, whose statistics are computed first, into a folder: NAME.bin.gz each,
    the sheet of faces on the map, and the mean face as a picture. `priors` are the kinds that the site has.
    Raises FacespaceError where the statistics cannot be computed."""
    engine.wait()
    write_reply(folder, "facts", static_facts(engine, priors))
    for name in STORED:
        write_reply(folder, name, *ask(engine, name))
    write_arrays(engine, folder)
    for method in MAPS:
        header, payload = _without_pixels(*ask(engine, "map", method=method))
        write_reply(folder, f"map-{method}", header, payload)
    write_sheet(folder / SHEET, engine.thumbnails)
    grids.save_still(mean_face(engine), folder / MEAN)


def ask(engine: Engine, name: str, **fields: object) -> tuple[Header, bytes]:
    """The server's reply to a request without a payload."""
    header, payload = handlers.answer(engine, Request(0, name, fields, memoryview(b"")), Page())
    raw = np.ascontiguousarray(payload).tobytes() if isinstance(payload, np.ndarray) else bytes(payload)
    return header, raw


def static_facts(engine: Engine, priors: Sequence[str]) -> Header:
    """The facts of a space on a static site: what needs gradients, a disk or another prior is not there, and
    the networks of its priors take no attributes."""
    facts = dict(engine.facts)
    absent = dict(UNAVAILABLE)
    if guide_of(engine.space) is None:
        absent["geodesic"] = GEODESIC
    # The page adds the formats that its browser can write.
    facts |= {"writable": False, "tunable": False, "formats": [], "unavailable": absent}
    origins = {kind: engine.space.prior_origin(kind) for kind in priors}
    return {**facts, "priors": origins, "conditions": {}}


def write_arrays(engine: Engine, folder: Path) -> None:
    """Writes what the page computes with: numbers, and the layout of photographs."""
    arrays = local_arrays(engine.space)
    header: Header = {"counts": [[name, array.size] for name, array in arrays.items()]}
    header["photo"] = photo_layout(engine.photos)
    numbers = np.concatenate([array.ravel() for array in arrays.values()]).astype("<f4")
    write_reply(folder, "arrays", header, numbers)


def mean_face(engine: Engine) -> Image.Image:
    """The mean face, in the pixels of the space."""
    return grids.to_image(engine.decode(engine.mean_latent())[0])


def write_reply(folder: Path, name: str, header: Header, payload: bytes | np.ndarray = b"") -> None:
    """Writes a reply in the form of a message, compressed; the same bytes each time."""
    message = messages.write(header, payload)
    (folder / f"{name}.bin.gz").write_bytes(gzip.compress(message, mtime=0))


def _without_pixels(header: Header, payload: bytes) -> tuple[Header, bytes]:
    """A map's reply that refers to the sheet in the place of its pixels."""
    layout = {key: header[key] for key in ("count", "width", "height")}
    count, width, height = json.loads(json.dumps(list(layout.values())))
    sheet = {"file": SHEET, **layout, "columns": sheet_columns(count)}
    return {**header, "sheet": sheet}, payload[: len(payload) - count * width * height * RGBA]


def sheet_columns(count: int) -> int:
    """Faces in a row of a sheet."""
    return math.ceil(math.sqrt(count))


def write_sheet(path: Path, faces: np.ndarray) -> None:
    """Faces uint8 (N, H, W, C) side by side, without gaps."""
    sheet = grids.grid(faces, sheet_columns(len(faces)), scale=1, gap=0)
    sheet.save(path, quality=SHEET_QUALITY, method=6, exif=provenance.exif(sheet=True))
