"""Attribute classifiers on disk, the two bundled ones included: weights and a card. They are used in
attributes.py and, for perceptual losses, in perceptual.py."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save as to_bytes

from facespace.core.cards import CARD, SCALE, WEIGHTS, Card, CardKind, fingerprint, read_card, read_tensors
from facespace.core.configs import from_dict, to_dict
from facespace.core.errors import BundleError, UsageError
from facespace.core.files import restore_interrupted, write_json
from facespace.core.version import __version__
from facespace.image.photos import Template
from facespace.perception.classifier import ClassifierConfig, ClassifierNetwork

FORMAT = 1
KIND = "attribute network"
_RETRIEVE = "Copy the attribute network again from where it came from, or train it again."
NETWORK = CardKind(
    KIND,
    "an attribute network",
    (FORMAT,),
    BundleError,
    unreadable=_RETRIEVE,
    wrong_kind="Name another folder.",
    wrong_format="Update facespace.",
)
BUNDLED, SCORER = "attributes", "scorer"  # the bundled classifiers: weights/NAME.safetensors and .json


class StoredClassifier(NamedTuple):
    """An attribute classifier with its card."""

    model: ClassifierNetwork  # eval mode, 32-bit weights without gradients
    names: tuple[str, ...]  # of the attributes
    template: Template
    card: Card


def save_classifier(
    folder: Path, model: ClassifierNetwork, config: ClassifierConfig, template: Template, card: Card
) -> None:
    """Writes weights (16-bit floats) and card into a folder that the caller puts in place as a whole."""
    weights = {}
    for name, tensor in model.state_dict().items():
        stored = tensor.half() if tensor.is_floating_point() else tensor
        weights[name] = stored.detach().cpu().clone(memory_format=torch.contiguous_format)
    (folder / WEIGHTS).write_bytes(to_bytes(weights))
    head = {"kind": KIND, "format": FORMAT, "facespace": __version__, "fingerprint": fingerprint(weights)}
    write_json(folder / CARD, {**head, "network": to_dict(config), "template": to_dict(template), **card})


def read_classifier(path: Path | str | None = None) -> StoredClassifier:
    """The attribute classifier in a folder that `facespace train-attributes` made; without a path, the
    bundled one. "scorer" is the second bundled one, of another architecture and seed: it evaluates edits that
    the first has steered. Weights become 32-bit. Raises BundleError where it is missing or damaged."""
    card, weights = _files(path)
    facts = read_card(card, NETWORK)
    try:
        config, template = (
            from_dict(ClassifierConfig, facts["network"]),
            from_dict(Template, facts["template"]),
        )
        names = [str(name) for name in facts["attributes"]]
        model = ClassifierNetwork(config, len(names))
    except (KeyError, TypeError, UsageError) as error:
        raise BundleError(f"{card} does not describe an attribute network ({error}). {_RETRIEVE}") from error
    tensors = read_tensors(weights, facts.get("fingerprint"), _RETRIEVE)
    try:
        model.load_state_dict(_scaled(tensors))  # 16-bit values are copied into 32-bit parameters
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"{weights} does not fit the network in {card.name}. {_RETRIEVE}") from error
    return StoredClassifier(model.eval().requires_grad_(False), tuple(names), template, facts)


def _scaled(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors with 8-bit weights, which the bundled classifiers have (benchmarks/pack_classifier.py),
    multiplied by their scales. Raises ValueError for one whose scale is missing or has no fitting shape: one
    of another shape could make a product of any size."""
    found = dict(tensors)
    for name, numbers in tensors.items():
        if numbers.dtype != torch.int8:
            continue
        scale = found.pop(name + SCALE, None)
        channels = (len(numbers), *[1] * (numbers.dim() - 1))
        if scale is None or scale.shape != channels:
            raise ValueError(f"{name}{SCALE} is missing or has not the shape {channels}.")
        found[name] = numbers.float() * scale
    return found


def _files(path: Path | str | None) -> tuple[Traversable, Traversable]:
    """Card and weights. Raises BundleError for a folder without a card."""
    if path is None or str(path) == SCORER:
        bundled, name = files("facespace") / "weights", BUNDLED if path is None else SCORER
        return bundled / f"{name}.json", bundled / f"{name}.safetensors"
    folder = Path(path)
    restore_interrupted(folder)
    if not (folder / CARD).is_file():
        raise BundleError(
            f"{folder} holds no attribute network (no {CARD}). Train one: facespace train-attributes --data "
            "SET --to NET"
        )
    return folder / CARD, folder / WEIGHTS
