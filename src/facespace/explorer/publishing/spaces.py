"""One space of a static site as files: its networks as ONNX, and its stored replies."""

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facespace.explorer.engine import Engine
from facespace.explorer.publishing.networks import NAMES, SitePrior, networks_of
from facespace.explorer.publishing.replies import MAPS, SHEET, write_replies


@dataclass(frozen=True)
class SiteSpace:
    """A space in the list of a site's files."""

    name: str
    folder: str
    fingerprint: str
    latents: int
    conditions: int
    precision: str
    priors: dict[str, SitePrior]
    files: list[str]  # all paths, in the order in which a page loads them


def write_space(engine: Engine, site: Path, folder: str, precision: str | None) -> SiteSpace:
    """Writes a space into a folder of the site. Raises what `networks_of` does, and FacespaceError where the
    space cannot be measured."""
    to = site / folder
    to.mkdir(parents=True)
    networks = networks_of(engine.space, engine.name, precision)
    for name, content in networks.files.items():
        (to / f"{name}.onnx.gz").write_bytes(gzip.compress(content, mtime=0))
    write_replies(engine, to, list(networks.priors))
    return SiteSpace(
        name=engine.name,
        folder=folder,
        fingerprint=str(engine.facts["fingerprint"]),
        latents=engine.space.latent_dim,
        conditions=len(engine.space.conditions),
        precision=networks.precision,
        priors=networks.priors,
        files=[f"{folder}/{name}" for name in _files(to)],
    )


def _files(folder: Path) -> list[str]:
    """The names of a space's files that a page loads, in that order."""
    replies = ("facts", "mean", "statistics", "directions", "arrays", *(f"map-{name}" for name in MAPS))
    networks = [f"{name}.onnx.gz" for name in NAMES if (folder / f"{name}.onnx.gz").is_file()]
    first, *others = [f"{name}.bin.gz" for name in replies]
    return [first, *networks, *others, SHEET]


def folder_names(names: Sequence[str]) -> list[str]:
    """Folders for spaces: their names in letters of addresses, each another one."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "space"
        folder, number = f"spaces/{plain}", 2
        while folder in found:
            folder, number = f"spaces/{plain}-{number}", number + 1
        found.append(folder)
    return found
