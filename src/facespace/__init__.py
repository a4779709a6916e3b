"""facespace: learn a latent space of faces from photographs, then generate, reconstruct, morph and explore
it.

These names are the public interface, described in docs/api.md. Importing this module loads neither torch nor
anything else that is large; each name loads what it needs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from facespace.core.version import __version__

if TYPE_CHECKING:
    from facespace.adaptation.adapt import adapt
    from facespace.adaptation.adapter import personalize
    from facespace.core.errors import FacespaceError
    from facespace.core.workers import Workers
    from facespace.data.aligned_photos import read_photos
    from facespace.data.faces import FaceSet
    from facespace.data.prepare import prepare
    from facespace.data.synthetic import factors as synthetic
    from facespace.evaluation.analyze import analyze
    from facespace.evaluation.edit_benchmark import benchmark_edits
    from facespace.evaluation.metric_tables import compare, evaluate
    from facespace.explorer.notebook import explore
    from facespace.explorer.publishing.publish import publish
    from facespace.formats.export import export
    from facespace.formats.single_file import recipe_code
    from facespace.hub.push import push
    from facespace.image import animation, grids
    from facespace.image.shown import Faces
    from facespace.latent import maps
    from facespace.report import charts, latent_charts
    from facespace.space import diagnostics, edit_grids, morph_grids
    from facespace.space.face_space import FaceSpace, load
    from facespace.space.set_latents import encode_set
    from facespace.space.shared_work import shared
    from facespace.training.discriminators import load_discriminator
    from facespace.training.loop import train

__all__ = [
    "FaceSet",
    "FaceSpace",
    "Faces",
    "FacespaceError",
    "Workers",
    "__version__",
    "adapt",
    "analyze",
    "animation",
    "benchmark_edits",
    "charts",
    "compare",
    "diagnostics",
    "edit_grids",
    "encode_set",
    "evaluate",
    "explore",
    "export",
    "grids",
    "latent_charts",
    "load",
    "load_discriminator",
    "maps",
    "morph_grids",
    "personalize",
    "prepare",
    "publish",
    "push",
    "read_photos",
    "recipe_code",
    "shared",
    "synthetic",
    "train",
]

# Public name -> the module that defines it.
_MODULES = {
    "FaceSet": "facespace.data.faces",
    "FaceSpace": "facespace.space",
    "Faces": "facespace.image.shown",
    "FacespaceError": "facespace.core.errors",
    "Workers": "facespace.core.workers",
    "adapt": "facespace.adaptation.adapt",
    "analyze": "facespace.evaluation.analyze",
    "benchmark_edits": "facespace.evaluation.edit_benchmark",
    "compare": "facespace.evaluation.metric_tables",
    "encode_set": "facespace.space.set_latents",
    "evaluate": "facespace.evaluation.metric_tables",
    "explore": "facespace.explorer.notebook",
    "export": "facespace.formats.export",
    "load": "facespace.space",
    "load_discriminator": "facespace.training.discriminators",
    "personalize": "facespace.adaptation.adapter",
    "prepare": "facespace.data.prepare",
    "publish": "facespace.explorer.publishing.publish",
    "push": "facespace.hub.push",
    "read_photos": "facespace.data.aligned_photos",
    "recipe_code": "facespace.formats.single_file",
    "shared": "facespace.space.shared_work",
    "train": "facespace.training.loop",
}
# Public name -> the module that it is.
_WHOLE = {
    "animation": "facespace.image.animation",
    "charts": "facespace.report.charts",
    "latent_charts": "facespace.report.latent_charts",
    "diagnostics": "facespace.space.diagnostics",
    "edit_grids": "facespace.space.edit_grids",
    "grids": "facespace.image.grids",
    "maps": "facespace.latent.maps",
    "morph_grids": "facespace.space.morph_grids",
    "synthetic": "facespace.data.synthetic.factors",
}


def __getattr__(name: str) -> Any:
    if name in _WHOLE:
        return import_module(_WHOLE[name])
    if name not in _MODULES:
        raise AttributeError(f"module 'facespace' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
