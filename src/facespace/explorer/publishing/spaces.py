"""One space of a static site as files: its networks as ONNX, and its stored replies."""

import gzip
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facespace.core.console import note
from facespace.core.reading import read_json
from facespace.explorer.engine import Engine
from facespace.explorer.publishing.replies import MAPS, SHEET, write_replies
from facespace.formats.export import export
from facespace.models.bundle_card import MODEL_PRIOR
from facespace.models.priors import FittedNormal, Mixture, StandardNormal

NETWORKS = ("decoder", "prior", "encoder")  # in the order in which a page loads them
PRECISIONS = ("fp32", "fp16", "int8")
LEVELS = 1.0  # of 255, the largest mean difference of faces with int8 weights


@dataclass(frozen=True)
class SitePrior:
    """How `noise` numbers from N(0, 1) become a latent: by prior.onnx, of a mixture with the first one as it
    is, or as the model's own Gaussian."""

    network: bool
    noise: int
    mixture: bool = False


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
    """Writes a space into a folder of the site. Without a `precision`, weights are int8 where that changes no
    face by more than LEVELS on average, else fp16. Raises what `export` does, and FacespaceError where the
    space cannot be measured."""
    to = site / folder
    to.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="facespace-") as temporary:
        exported = Path(temporary, "onnx")
        used = _export(engine, exported, precision)
        facts = read_json(exported / "space.json")
        priors = _priors(engine, facts)
        for name in NETWORKS:
            if name != "prior" or any(prior.network for prior in priors.values()):
                graph = (exported / f"{name}.onnx").read_bytes()
                (to / f"{name}.onnx.gz").write_bytes(gzip.compress(graph, mtime=0))
    write_replies(engine, to, list(priors))
    return SiteSpace(
        name=engine.name,
        folder=folder,
        fingerprint=str(engine.facts["fingerprint"]),
        latents=engine.space.latent_dim,
        conditions=len(engine.space.conditions),
        precision=used,
        priors=priors,
        files=[f"{folder}/{name}" for name in _files(to)],
    )


def _export(engine: Engine, to: Path, precision: str | None) -> str:
    """Exports the space, and returns the precision of its weights."""
    space = engine.space
    if precision is not None:
        export(space, to, "onnx", precision=precision)
        return precision
    measured = export(space, to, "onnx", precision="int8")["differences"]
    worst = max(found["mean_levels"] for found in measured.values())
    if worst <= LEVELS:
        return "int8"
    note(f"{engine.name}: int8 weights change faces by {worst:.1f} levels on average; fp16 is used.")
    export(space, to, "onnx", precision="fp16", force=True)
    return "fp16"


def _priors(engine: Engine, facts: dict) -> dict[str, SitePrior]:
    """The priors that a page can draw from: the default one, and the model's own where it is a Gaussian."""
    kind = facts["prior"]["kind"]
    model = engine.space.model
    gaussian = isinstance(model.prior, StandardNormal | FittedNormal) and not model.code_grids
    found: dict[str, SitePrior] = {}
    if kind != MODEL_PRIOR or not gaussian:
        noise = facts["networks"]["prior"]["inputs"]["noise"]["shape"][1]
        found[kind] = SitePrior(True, noise, isinstance(engine.space.prior(kind), Mixture))
    if gaussian:
        found[MODEL_PRIOR] = SitePrior(False, engine.space.latent_dim)
    return found


def _files(folder: Path) -> list[str]:
    """The names of a space's files that a page loads, in that order."""
    replies = ("facts", "mean", "statistics", "directions", "arrays", *(f"map-{name}" for name in MAPS))
    networks = [f"{name}.onnx.gz" for name in NETWORKS if (folder / f"{name}.onnx.gz").is_file()]
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
