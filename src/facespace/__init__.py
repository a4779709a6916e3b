"""facespace: learn a latent space of faces from photographs, then generate, reconstruct, morph and explore it.

Importing this module loads neither torch nor anything else that is large; the names below load what they need."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from facespace.core.version import __version__

if TYPE_CHECKING:
    from facespace.core.errors import FacespaceError
    from facespace.data.faces import FaceSet
    from facespace.data.prepare import prepare
    from facespace.explorer.notebook import explore
    from facespace.space.face_space import FaceSpace, load
    from facespace.training.discriminators import load_discriminator
    from facespace.training.loop import train

__all__ = [
    "FaceSet",
    "FaceSpace",
    "FacespaceError",
    "__version__",
    "explore",
    "load",
    "load_discriminator",
    "prepare",
    "train",
]

_HOMES = {
    "FaceSet": "facespace.data.faces",
    "FaceSpace": "facespace.space",
    "FacespaceError": "facespace.core.errors",
    "explore": "facespace.explorer.notebook",
    "load": "facespace.space",
    "load_discriminator": "facespace.training.discriminators",
    "prepare": "facespace.data.prepare",
    "train": "facespace.training.loop",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'facespace' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
