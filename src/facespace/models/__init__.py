"""Networks, distributions of latents, and bundles, their form on disk.

Importing this package loads no torch, so that bundles can be listed without it; the names below load what
they need."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facespace.models.interface import LatentModel, ModelOutput, Posterior
    from facespace.models.registry import MODELS, build, count_parameters
    from facespace.recipes.model_config import ModelConfig

__all__ = ["MODELS", "LatentModel", "ModelConfig", "ModelOutput", "Posterior", "build", "count_parameters"]

_MODULES = {
    "MODELS": "facespace.models.registry",
    "LatentModel": "facespace.models.interface",
    "ModelConfig": "facespace.recipes.model_config",
    "Pass": "facespace.models.interface",
    "Posterior": "facespace.models.interface",
    "build": "facespace.models.registry",
    "count_parameters": "facespace.models.registry",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
