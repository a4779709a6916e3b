"""The files of a training run, read as JSON of unknown shape: its epochs, its result, the card of its bundle,
and the header of its weights. Whatever is damaged becomes a sentence, never an exception. Imports neither
torch nor numpy."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from facespace.core.aliases import rename_nested
from facespace.core.cards import Card, parameter_count, tensor_shapes
from facespace.core.errors import BundleError
from facespace.core.reading import LARGEST_LOG, read_bounded, read_json

# Names of files in the folder of a run: a line an epoch, the result, and the step of the checkpoint.
METRICS, RESULT, POSITION = "metrics.jsonl", "run.json", "checkpoint.json"
BUNDLES = ("last", "best")
REGULARIZERS = {"gaussian": {"kl": 1.0}, "vq": {"commitment": 1.0}}  # of each bottleneck, by default
SETTINGS = {  # of the objective, and how each is written where it is not 0
    "perceptual": "perceptual × {:g}",
    "identity": "identity × {:g}",
    "adversarial": "adversarial × {:g}",
    "feature_matching": "feature_matching × {:g}",
    "warmup": "warm-up {:,} steps",
    "free_bits": "free bits {:g}",
}


def read_epochs(run: Path, damage: list[str]) -> list[Card]:
    """The lines of a run's metrics.jsonl before the first damaged one, which is reported in `damage`. A last
    line without a line feed is what a killed process leaves: it is skipped, and is no damage."""
    try:
        text = read_bounded(run / METRICS, LARGEST_LOG).decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        damage.append(f"{METRICS} cannot be read ({getattr(error, 'strerror', '') or error})")
        return []
    rows = text.split("\n")
    epochs: list[Card] = []
    for number_of_line, row in enumerate(rows, 1):
        if not row.strip():
            continue
        try:
            epoch = json.loads(row)
        except (ValueError, RecursionError):
            if number_of_line == len(rows):
                break
            epoch = None
        if not _is_epoch(epoch):
            damage.append(f"line {number_of_line} of {METRICS} is not an epoch's")
            break
        epochs.append(rename_nested("epoch", epoch))
    return epochs


def read_object(path: Path, damage: list[str]) -> Card:
    """The JSON object in a file, {} if there is no such file. A file of other content is reported in
    `damage`."""
    try:
        content = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        damage.append(f"{path.name} cannot be read")
        return {}
    return content


def count_parameters(weights: Path) -> int | None:
    """The number of trainable parameters in a safetensors file, from its header alone; None if it cannot be
    read."""
    try:
        return parameter_count(tensor_shapes(weights))
    except BundleError:
        return None


def objective(card: Mapping[str, object]) -> str:
    """The training objective in a bundle's card as text, such as `kl × 30`."""
    goal = mapping_at(card, "recipe", "objective")
    samples = number(goal.get("iwae_samples"))
    if samples and samples > 1:
        return f"importance-weighted bound of {samples} samples"
    bottleneck = text_at(card, "model", "bottleneck") or "gaussian"
    weights = {**REGULARIZERS.get(bottleneck, {}), **mapping_at(goal, "weights")}
    terms: list[str] = []
    for name, weight in weights.items():
        if number(weight) is not None:
            terms.append(f"{name} × {weight:g}")
    for name, form in SETTINGS.items():
        value = number(goal.get(name))
        if value:
            terms.append(form.format(value))
    return ", ".join(terms) or "no penalty"


def training_networks(card: Mapping[str, object]) -> list[str]:
    """The frozen networks whose features the objective in a bundle's card compares, such as `vgg16`."""
    goal = mapping_at(card, "recipe", "objective")
    names = set[str]()
    if number(goal.get("perceptual")):
        names.add(str(goal.get("features")))
    projected = number(goal.get("adversarial")) and goal.get("discriminator") == "projected"
    if projected or number(goal.get("moments")):
        found = goal.get("discriminator_features")
        names |= set(map(str, found if isinstance(found, list | tuple) else ()))
    return sorted(names)


def shape(image: Any) -> str | None:
    """The image shape [C, H, W] as text, such as `64×64 colour`."""
    if not isinstance(image, Sequence) or len(image) != 3:
        return None
    colour = "gray" if image[0] == 1 else "colour"
    return f"{image[1]}×{image[2]} {colour}"


def at(content: Any, *keys: str) -> Any:
    """The value below nested keys, None if there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def number_at(content: Any, *keys: str) -> Any:
    """The number below nested keys, None if there is none."""
    return number(at(content, *keys))


def text_at(content: Any, *keys: str) -> str | None:
    """The text below nested keys, None if there is none."""
    value = at(content, *keys)
    return value if isinstance(value, str) else None


def mapping_at(content: Any, *keys: str) -> Mapping[str, object]:
    """The JSON object below nested keys, {} if there is none."""
    value = at(content, *keys)
    return value if isinstance(value, Mapping) else {}


def number(value: Any) -> Any:
    """The value if it is a number in the range of a float, else None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -sys.float_info.max <= value <= sys.float_info.max:
        return None
    return value


def _is_epoch(content: Any) -> TypeGuard[Card]:
    """Whether a line has the fields that every epoch has."""
    if not isinstance(content, dict) or number(content.get("step")) is None:
        return False
    if not isinstance(content.get("train"), dict):
        return False
    validation = content.get("validation", 0)
    return validation is None or isinstance(validation, dict)
