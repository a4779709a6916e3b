"""The card of a space as text: what its model is, the faces and terms of its training data, how training
went, and what was fitted to it since. Reads card.json and the header of the weights, without torch; opens no
model and measures nothing."""

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from facespace.core.cards import WEIGHTS
from facespace.core.configs import from_dict
from facespace.core.errors import BundleError, UsageError
from facespace.models.bundle_card import MODEL_PRIOR, read_card
from facespace.models.locations import find, require_default_space
from facespace.recipes.model_config import ModelConfig

Card = Mapping[str, Any]  # the JSON of card.json
Rows = Iterator[tuple[str, str]]

METRICS = "metrics.json"  # of an evaluation
LOSSES = {"loss": "loss", "kl": "KL", "mse": "MSE", "loss_per_dim": "loss per dimension"}
BUFFERS = (
    "running_mean",
    "running_var",
    "num_batches_tracked",
    "codes",
    "uses",
    "sums",
)  # last parts of names
SCALE = ".scale"  # of a weight that is stored with 8 bits
STANDARD_NORMAL = "the prior N(0, I)"
FITTED_NORMAL = (
    "a Gaussian fitted to the latents of the training faces (an autoencoder has no prior of its own)"
)


class SpaceCard(NamedTuple):
    """A title, a sentence, and for each section its rows (name, text); the folder of the bundle and the JSON
    of its card."""

    title: str
    summary: str
    sections: dict[str, list[tuple[str, str]]]
    folder: Path
    card: Card

    def text(self) -> str:
        """For a terminal."""
        lines = [self.title]
        if self.summary:
            lines.append(self.summary)
        for heading, rows in self.sections.items():
            width = max(len(name) for name, _ in rows)
            lines += ["", heading]
            for name, text in rows:
                lines.append(f"  {name:<{width}}  {text}".rstrip())
        return "\n".join(lines)

    def markdown(self) -> str:
        """As a page."""
        lines = [f"# {self.title}", ""]
        if self.summary:
            lines += [self.summary, ""]
        for heading, rows in self.sections.items():
            lines += [f"## {heading}", "", "| | |", "|---|---|"]
            for name, text in rows:
                lines.append(f"| {_cell(name)} | {_cell(text)} |")
            lines.append("")
        return "\n".join(lines)


def read(space: Path | str | None = None) -> SpaceCard:
    """The card of a run (its best bundle) or a bundle, without one of the default space. Fields that it lacks
    are left out. Raises BundleError where the card is missing or damaged."""
    folder = find(require_default_space() if space is None else Path(space))
    card = read_card(folder)
    recipe = card.get("recipe") or {}
    parts = {
        "Model": _model(card, folder),
        "Faces": _faces(card),
        "Training": _training(card),
        "Figures": _figures(card),
        "Priors": _priors(card),
        "Directions": _directions(card),
        "Known limitations": _failings(card),
    }
    sections = {}
    for name, rows in parts.items():
        found = [row for row in rows if row[1]]
        if found:
            sections[name] = found
    return SpaceCard(recipe.get("name") or folder.name, recipe.get("summary") or "", sections, folder, card)


def _config(card: Card) -> ModelConfig:
    try:
        return from_dict(ModelConfig, card["model"])
    except (KeyError, UsageError) as error:
        raise BundleError(f"The card does not describe a model ({error}).") from error


def latent_count(config: ModelConfig) -> int:
    """Numbers in a latent of the model that a config describes."""
    if config.kind != "hierarchical":
        return config.latent_dim
    _, height, width = config.image
    cells = (height >> len(config.widths)) * (width >> len(config.widths))
    return config.latent_dim + sum(
        channels * cells * 4**level for level, channels in enumerate(config.levels, 1)
    )


def prior_origin(config: ModelConfig) -> str:
    """Which prior the model that a config describes has itself."""
    return (
        STANDARD_NORMAL if config.kind == "hierarchical" or config.bottleneck == "gaussian" else FITTED_NORMAL
    )


def parameter_count(shapes: Mapping[str, Sequence[int]]) -> int:
    """Parameters of a model whose state dict has tensors of these shapes: all but buffers, its prior and
    8-bit scales."""
    total = 0
    for name, shape in shapes.items():
        scale = name.endswith(SCALE) and name.removesuffix(SCALE) in shapes
        if not scale and not name.startswith("prior.") and name.rpartition(".")[2] not in BUFFERS:
            total += math.prod(shape)
    return total


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """The shapes of the tensors in a safetensors file, from its header: a length of 8 bytes, then JSON.
    Raises BundleError."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 2**27)))
        return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise BundleError(f"{path} is missing or damaged ({error}).") from error


def _model(card: Card, folder: Path) -> Rows:
    config = _config(card)
    channels, height, width = config.image
    widths = ", ".join(map(str, config.widths))
    yield (
        "kind",
        f"{config.family}, {config.backbone} backbone, widths {widths}, {config.likelihood} likelihood",
    )
    yield "faces", f"{width} × {height} pixels, {'colour' if channels == 3 else 'gray'}"
    yield "latents", f"{latent_count(config)}"
    yield "parameters", f"{parameter_count(tensor_shapes(folder / WEIGHTS)):,}"
    yield "conditions", ", ".join(config.conditions)
    packed = f", packed as {card['packed']['bits']}-bit numbers" if "packed" in card else ""
    yield "fingerprint", f"{card['fingerprint'][:16]}, facespace {card.get('facespace')}{packed}"


def _faces(card: Card) -> Rows:
    data, template = card.get("data") or {}, card["template"]
    splits = ", ".join(f"{count:,} {name}" for name, count in (data.get("splits") or {}).items())
    yield "source", str(data.get("source") or "")
    if "faces" in data:
        yield "faces", f"{data['faces']:,}" + (f" ({splits})" if splits else "")
    yield "crop", f"{template.get('crop')}"
    yield "terms", str(data.get("terms") or "")
    for line in data.get("notes") or []:
        yield "note", str(line)


def _training(card: Card) -> Rows:
    recipe, metrics = card.get("recipe") or {}, card.get("metrics") or {}
    plan, weights = recipe.get("train") or {}, (recipe.get("objective") or {}).get("weights") or {}
    if "step" in card:
        yield "steps", f"{card['step']:,}" + (f", epoch {metrics['epoch']}" if "epoch" in metrics else "")
    if plan:
        rate, batch = plan.get("learning_rate"), plan.get("batch")
        yield "optimizer", f"{plan.get('optimizer')}, learning rate {rate}, {batch} faces a step"
    yield "weights", ", ".join(f"{name} {value:g}" for name, value in weights.items())
    seconds = metrics.get("training_seconds")
    if seconds:
        yield "time", f"{seconds / 60:,.1f} minutes"


def _figures(card: Card) -> Rows:
    metrics = card.get("metrics") or {}
    for split in ("train", "validation"):
        values = metrics.get(split) or {}
        named = []
        for key, name in LOSSES.items():
            if isinstance(values.get(key), int | float):
                named.append(f"{name} {values[key]:,.4g}")
        yield split, ", ".join(named)
    for name, value in (card.get("figures") or {}).items():
        yield str(name), f"{value:,.4g}" if isinstance(value, int | float) else str(value)


def _priors(card: Card) -> Rows:
    yield MODEL_PRIOR, prior_origin(_config(card))
    for kind, entry in (card.get("priors") or {}).items():
        nats = (entry.get("nats") or {}).get("validation")
        text = str(entry["origin"])
        if nats:
            text += f"; {nats['fitted']:,.1f} nats on validation faces, "
            text += f"{nats['model']:,.1f} under the model's own"
        yield kind, text


def _directions(card: Card) -> Rows:
    for name, facts in ((card.get("directions") or {}).get("names") or {}).items():
        auc = facts.get("auc")
        yield name, str(facts.get("method") or "") + (f", AUC {auc:.3f}" if auc is not None else "")


def _failings(card: Card) -> Rows:
    for place, sentence in enumerate(card.get("limitations") or [], 1):
        yield str(place), str(sentence)


def additions(
    fingerprint: str, evaluation: Path | None = None, failings: Sequence[str] | None = None
) -> dict[str, Any]:
    """What a packed copy adds to the card of the space with that fingerprint: the figures of an evaluation,
    known limitations."""
    added: dict[str, Any] = {}
    if evaluation:
        added["figures"] = figures_of(evaluation, fingerprint)
    if failings:
        added["limitations"] = list(failings)
    return added


def figures_of(evaluation: Path, fingerprint: str) -> dict[str, str]:
    """The figures of an evaluation of a space, as rows of its card, with their protocol. Raises UsageError
    where the folder holds no evaluation, or that of another space."""
    from facespace.evaluation.reconstruction import RECONSTRUCTION, hardest

    file = evaluation / METRICS
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        protocol, reconstruction = found["protocol"], found["reconstruction"]
        measured = protocol["space"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{evaluation} holds no evaluation ({file.name}: {error}). Make one with facespace evaluate."
        ) from error
    if measured != fingerprint:
        raise UsageError(
            f"{evaluation} measured another space. Evaluate this one: "
            "facespace evaluate SPACE --data SET --to DIR"
        )
    rows = {}
    for name, (label, form, _) in RECONSTRUCTION.items():
        if name in reconstruction:
            rows[label] = f"{reconstruction[name]:{form}}"
    rows |= _generation_rows(found.get("generation") or {})
    samples = f"{protocol['samples']:,} samples from {protocol['prior']}"
    rows["measured on"] = f"{protocol['faces']:,} faces of the split {protocol['split']}, {samples}"
    rows["hardest"] = ", ".join(hardest(reconstruction["mse"], reconstruction.get("by_attribute") or {}))
    return rows


def _generation_rows(generation: Mapping[str, Any]) -> dict[str, str]:
    rows = {}
    for name, form in (("fid", ".1f"), ("kid", ".4f")):
        if name in generation:
            real = f"{generation['floor'][name]:{form}}"
            rows[f"{name.upper()} of new faces"] = f"{generation[name]:{form}} (other real faces: {real})"
    return rows


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
