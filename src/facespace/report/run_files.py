"""The files of a training run, read as JSON of unknown shape: its epochs, its result, the card of its bundle,
and the header of its weights. Whatever is damaged becomes a sentence, never an exception. Imports neither
torch nor numpy."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from facespace.core.aliases import rename_nested

# The file names that run_log.py and bundle.py write; importing those modules would load torch and matplotlib.
METRICS, RESULT, CARD, WEIGHTS = "metrics.jsonl", "run.json", "card.json", "model.safetensors"
BUNDLES = ("last", "best")
# Tensors of a bundle that are not trained by gradient descent; all others are parameters.
BUFFERS = (
    "running_mean",
    "running_var",
    "num_batches_tracked",
    "prior.center",
    "prior.covariance",
    "posterior.codes",
    "posterior.uses",
    "posterior.sums",
)
REGULARIZERS = {"gaussian": {"kl": 1.0}, "vq": {"commitment": 1.0}}  # of each bottleneck, by default
AUXILIARY_LOSSES = ("perceptual", "identity", "adversarial", "feature_matching")

Json = dict[str, Any]  # a JSON object of unknown shape


def read_epochs(run: Path, damage: list[str]) -> list[Json]:
    """The lines of a run's metrics.jsonl before the first damaged one, which is reported in `damage`. A last
    line without a line feed is what a killed process leaves: it is skipped, and is no damage."""
    try:
        text = (run / METRICS).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        damage.append(f"{METRICS} cannot be read ({error.strerror})")
        return []
    rows = text.split("\n")
    epochs: list[Json] = []
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


def read_object(path: Path, damage: list[str]) -> Json:
    """The JSON object in a file, {} if there is no such file. A file of other content is reported in
    `damage`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        damage.append(f"{path.name} cannot be read")
        return {}
    return content


def count_parameters(weights: Path) -> int | None:
    """The number of trainable parameters in a safetensors file, from its header alone (eight bytes of length,
    then JSON). None if the file cannot be read."""
    try:
        with weights.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > weights.stat().st_size:
                return None
            tensors = json.loads(file.read(length))
        total = 0
        scales = {f"{name}.scale" for name in tensors}  # of 8-bit weights
        for name, tensor in tensors.items():
            if name != "__metadata__" and name not in scales and not name.endswith(BUFFERS):
                total += math.prod(tensor["shape"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return total


def objective(card: Mapping[str, Any]) -> str:
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
    for name in AUXILIARY_LOSSES:
        if number(goal.get(name)):
            terms.append(f"{name} × {goal[name]:g}")
    if number(goal.get("warmup")):
        terms.append(f"warm-up {goal['warmup']:,} steps")
    if number(goal.get("free_bits")):
        terms.append(f"free bits {goal['free_bits']:g}")
    return ", ".join(terms) or "no penalty"


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


def mapping_at(content: Any, *keys: str) -> Mapping[str, Any]:
    """The JSON object below nested keys, {} if there is none."""
    value = at(content, *keys)
    return value if isinstance(value, Mapping) else {}


def number(value: Any) -> Any:
    """The value if it is a number in the range of a float, else None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -sys.float_info.max <= value <= sys.float_info.max:
        return None
    return value


def _is_epoch(content: Any) -> TypeGuard[Json]:
    """Whether a line has the fields that every epoch has."""
    if not isinstance(content, dict) or number(content.get("step")) is None:
        return False
    if not isinstance(content.get("train"), dict):
        return False
    validation = content.get("validation", 0)
    return validation is None or isinstance(validation, dict)
