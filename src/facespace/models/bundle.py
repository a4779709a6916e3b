"""A trained model on disk, without pickle: model.safetensors and card.json, written whole or not at all. What
is fitted to a model and kept beside it is in fitted.py, the folders of bundles are in locations.py, the
fields of a card in bundle_card.py."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from facespace.core.cards import CARD, RESTORE_HINT, WEIGHTS, fingerprint, read_tensors
from facespace.core.configs import from_dict, to_dict
from facespace.core.errors import BundleError, UsageError
from facespace.core.files import build_folder, write_json
from facespace.core.version import __version__
from facespace.image.photos import Template
from facespace.models.bundle_card import FORMAT, BundleCard, checked, read_card
from facespace.models.locations import find, require_default_space
from facespace.recipes.model_config import ModelConfig

if TYPE_CHECKING:  # what an engine without torch reads of a bundle needs none of it
    import torch

    from facespace.models.interface import LatentModel

Tensors = dict[str, "torch.Tensor"]
Written = tuple[int, int, int]  # time in ns, number and size of a file
Result = TypeVar("Result")
REREADS = 5


class Bundle(NamedTuple):
    """An opened bundle."""

    model: "LatentModel"  # eval mode; of an engine without torch an Outline (array_bundle.py)
    template: Template
    card: BundleCard
    folder: Path


def save(
    folder: Path,
    model: "LatentModel",
    config: ModelConfig,
    template: Template,
    facts: Mapping[str, object],
    files: Mapping[str, Tensors] | None = None,
) -> None:
    """Writes a bundle in place of an older one. `facts` are further fields of its card: recipe, data,
    metrics, step; `files` are further files."""
    weights = tensors_of(model)
    card = {
        "kind": "bundle",
        "format": FORMAT,
        "facespace": __version__,
        "fingerprint": fingerprint(weights),
        "model": to_dict(config),
        "template": to_dict(template),
        **facts,
    }
    write(folder, card, {WEIGHTS: weights, **(files or {})})


def tensors_of(module: "torch.nn.Module") -> Tensors:
    """The state dict of a module on the CPU, contiguous."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}


def write(folder: Path, card: Mapping[str, object], files: Mapping[str, Tensors]) -> None:
    """Writes the card and files of tensors as the folder, in place of an older one."""
    with build_folder(folder) as beside:
        write_files(beside, card, files)


def write_files(folder: Path, card: Mapping[str, object], files: Mapping[str, Tensors]) -> None:
    """Writes the card and files of tensors into a folder. In place of a link, never to where it leads."""
    for name in (*files, CARD):
        (folder / name).unlink(missing_ok=True)
    for name, tensors in files.items():
        from safetensors.torch import save as to_bytes  # here, since a card alone is written without torch

        (folder / name).write_bytes(to_bytes(tensors))
    write_json(folder / CARD, card)


def load(folder: Path | str | None = None, device: "torch.device | str" = "cpu") -> Bundle:
    """Opens the bundle in a folder, or the best one of a run; without a folder the default space. 16-bit and
    8-bit weights become 32-bit. Raises BundleError for a missing or damaged bundle, UsageError where there is
    no default space."""
    found = find(require_default_space() if folder is None else Path(folder))
    return steady(found, lambda: _open(found, device))


def steady(folder: Path, read: Callable[[], Result]) -> Result:
    """What `read` reads of a bundle's files. Where another process replaces the bundle in between, its card
    and its other files may not belong together: then they are read again."""
    for _ in range(REREADS):
        before = written_at(folder)
        try:
            return read()
        except BundleError:
            if before is not None and written_at(folder) == before:
                raise
            time.sleep(0.02)
    return read()


def written_at(folder: Path) -> Written | None:
    """When the card of a bundle was written last, and which file it is: clocks of disks are coarse. None
    while it is being replaced. The page asks for priors and directions at every move of a slider, and files
    are read again only when this has changed."""
    try:
        facts = (folder / CARD).stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ino, facts.st_size


def _open(folder: Path, device: "torch.device | str") -> Bundle:
    from facespace.models.registry import build
    from facespace.models.uninitialized import shapes_of, uninitialized
    from facespace.models.weight_quantization import restored

    card = card_of(folder)
    try:
        config, template = from_dict(ModelConfig, card["model"]), from_dict(Template, card["template"])
        shapes = shapes_of(lambda: build(config))
    except (KeyError, UsageError, ValueError, RuntimeError, ArithmeticError) as error:
        raise BundleError(f"{folder / CARD} does not describe a model ({error}). {RESTORE_HINT}") from error
    weights = read_tensors(folder / WEIGHTS, card.get("fingerprint"), RESTORE_HINT, shapes)
    model = uninitialized(lambda: build(config))  # now that so much is known to be there
    try:
        model.load_state_dict(restored(model, weights))
    except ValueError as error:
        raise BundleError(f"{folder / WEIGHTS} is damaged: {error}. {RESTORE_HINT}") from error
    except RuntimeError as error:
        raise BundleError(f"{folder / WEIGHTS} does not fit the model in {CARD}. {RESTORE_HINT}") from error
    return Bundle(model.to(device).eval().requires_grad_(False), template, card, folder)


def card_of(folder: Path) -> BundleCard:
    """The card of a bundle, with typed fields. Raises BundleError."""
    return checked(read_card(folder))
