"""The networks of a space for a static site: ONNX files with weights of some precision, and the priors that a
page can draw from. Torch modules are exported; of a space that was opened without torch the graphs of its
bundle are taken as they are, with the weights as the bundle has them."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from facespace.core.console import note
from facespace.core.errors import UsageError
from facespace.core.extras import install_command
from facespace.core.reading import read_json
from facespace.models import graphs
from facespace.models.bundle_card import MODEL_PRIOR
from facespace.space.face_space import FaceSpace
from facespace.space.onnx_codec import OnnxCodec
from facespace.space.onnx_sampler import sampler_of

NAMES = ("decoder", "prior", "encoder")  # in the order in which a page loads them
PRECISIONS = ("fp32", "fp16", "int8")
STORED = {8: "int8", 16: "fp16"}  # bits of a packed bundle -> precision
LEVELS = 1.0  # of 255, the largest mean difference of faces with int8 weights


@dataclass(frozen=True)
class SitePrior:
    """How `noise` numbers from N(0, 1) become a latent: by prior.onnx, of a mixture with the first one as it
    is, or as the model's own Gaussian."""

    network: bool
    noise: int
    mixture: bool = False


class Networks(NamedTuple):
    """The ONNX files of a space by name, their precision, and the priors of its page by kind."""

    files: dict[str, bytes]
    precision: str
    priors: dict[str, SitePrior]


def networks_of(space: FaceSpace, name: str, precision: str | None) -> Networks:
    """The networks of a space of that name. Without a `precision`, weights are int8 where that changes no
    face by more than LEVELS on average, else fp16; of a space that was opened without torch those of its
    bundle. Raises what `export` does; UsageError for another precision than the bundle's without torch."""
    if not space.has_gradients:
        return _stored(space, precision)
    with tempfile.TemporaryDirectory(prefix="facespace-") as temporary:
        exported = Path(temporary, "onnx")
        used = _export(space, name, exported, precision)
        facts = read_json(exported / "space.json")
        noise = facts["networks"]["prior"]["inputs"]["noise"]["shape"][1]
        priors = _priors(space, facts["prior"]["kind"], noise)
        files = {name: (exported / f"{name}.onnx").read_bytes() for name in _needed(priors)}
    return Networks(files, used, priors)


def _stored(space: FaceSpace, precision: str | None) -> Networks:
    bits = (space.card.get("packed") or {}).get("bits", 32)
    used = STORED.get(bits, "fp32")
    if precision not in (None, used):
        raise UsageError(
            f"The weights of {space.folder} are {used}; to publish them as {precision} takes PyTorch: "
            f"{install_command('train')}. Or leave --precision out."
        )
    codec = cast("OnnxCodec", space.codec)
    kind = space.default_prior
    sampler = sampler_of(codec, kind)
    priors = _priors(space, kind, sampler.noise)
    files = {"decoder": codec.graph(graphs.DECODER), "encoder": codec.graph(graphs.ENCODER)}
    if "prior" in _needed(priors):
        files["prior"] = sampler.content
    return Networks(files, used, priors)


def _needed(priors: dict[str, SitePrior]) -> list[str]:
    """The networks that a page with these priors loads."""
    drawn = any(prior.network for prior in priors.values())
    return [name for name in NAMES if name != "prior" or drawn]


def _export(space: FaceSpace, name: str, to: Path, precision: str | None) -> str:
    """Exports the space, and returns the precision of its weights."""
    from facespace.formats.export import export  # torch

    if precision is not None:
        export(space, to, "onnx", precision=precision)
        return precision
    measured = export(space, to, "onnx", precision="int8")["differences"]
    worst = max(found["mean_levels"] for found in measured.values())
    if worst <= LEVELS:
        return "int8"
    note(f"{name}: int8 weights change faces by {worst:.1f} levels on average; fp16 is used.")
    export(space, to, "onnx", precision="fp16", force=True)
    return "fp16"


def _priors(space: FaceSpace, kind: str, noise: int) -> dict[str, SitePrior]:
    """The priors that a page can draw from: the default one, whose network takes so much noise, and the
    model's own where it is a Gaussian, which it is of every model without codes."""
    gaussian = not space.has_codes
    found: dict[str, SitePrior] = {}
    if kind != MODEL_PRIOR or not gaussian:
        found[kind] = SitePrior(True, noise, kind == "mixture")
    if gaussian:
        found[MODEL_PRIOR] = SitePrior(False, space.latent_dim)
    return found
