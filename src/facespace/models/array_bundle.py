"""A packed bundle opened without torch: its card, its template, and the few facts of its model that do not
need the model, for the engine of space/onnx_codec.py."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from facespace.core.cards import CARD, RESTORE_HINT
from facespace.core.configs import from_dict
from facespace.core.errors import BundleError, UsageError, choose
from facespace.core.extras import install_command, is_installed
from facespace.image.photos import Template
from facespace.models.bundle import Bundle, card_of, steady
from facespace.models.graphs import DECODER, ENCODER, graphs_of
from facespace.models.locations import find, place_of, require_default_space
from facespace.recipes.model_config import ModelConfig

if TYPE_CHECKING:
    from facespace.models.interface import LatentModel

ENGINE = "FACESPACE_ENGINE"  # a variable of the environment
ENGINES = {"torch": "torch", "onnxruntime": "onnxruntime"}  # -> package


@dataclass(frozen=True)
class Outline:
    """What stands for a model that is not there: latents are flat."""

    config: ModelConfig
    latent_shape: tuple[int, ...]


def engine() -> str:
    """The engine that opens spaces: what the environment names, else torch where it is installed, else
    onnxruntime. Raises UsageError for another name and for one whose package is missing."""
    named = os.environ.get(ENGINE)
    if named:
        package = choose(ENGINES, named, ENGINE)
    else:
        package = "torch" if is_installed("torch") else "onnxruntime"
    if not is_installed(package):
        raise UsageError(f"{package} is not installed, and spaces are opened with it. {_install(package)}")
    return package


def _install(package: str) -> str:
    extra = "train" if package == "torch" else "onnx"
    return f"Install it: {install_command(extra)}"


def load(folder: Path | str | None = None) -> Bundle:
    """The bundle in a folder, as `bundle.load` finds it, with an Outline for its model. Raises BundleError
    for a missing or damaged one and for one without graphs, UsageError where there is no default space."""
    found = find(require_default_space() if folder is None else Path(folder))
    return steady(found, lambda: _open(found))


def _open(folder: Path) -> Bundle:
    card = card_of(folder)
    try:
        config, template = from_dict(ModelConfig, card["model"]), from_dict(Template, card["template"])
    except (KeyError, UsageError, ValueError) as error:
        raise BundleError(f"{folder / CARD} does not describe a model ({error}). {RESTORE_HINT}") from error
    if not {ENCODER, DECODER} <= set(graphs_of(card)):
        raise BundleError(
            f"{place_of(folder)} has no ONNX graphs, so that it opens with PyTorch alone: "
            f"{install_command('train')}. Or make a copy that opens without, where PyTorch is installed: "
            "facespace pack SPACE --to COPY"
        )
    return with_latents(Bundle(cast("LatentModel", Outline(config, ())), template, card, folder), 0)


def with_latents(loaded: Bundle, count: int) -> Bundle:
    """The bundle with the number of its latents, which its graphs say."""
    outline = Outline(loaded.model.config, (count,))
    return loaded._replace(model=cast("LatentModel", outline))
