"""The card of a space in words: what its model is, which faces it learned and under which terms, how its training went, and
what was fitted to it since. Facts in, text or Markdown out; measures nothing."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from facespace.core.errors import UsageError
from facespace.models.bundle import OWN
from facespace.space.face_space import FaceSpace

SECTIONS = ("Model", "Faces", "Training", "Figures", "Priors", "Directions", "Known failings")


class SpaceCard(NamedTuple):
    """A title, a sentence, and for each section its rows (name, what is said of it)."""

    title: str
    summary: str
    sections: dict[str, list[tuple[str, str]]]

    def text(self) -> str:
        """For a terminal."""
        lines = [self.title, *([self.summary] if self.summary else [])]
        for heading, rows in self.sections.items():
            wide = max(len(name) for name, _ in rows)
            lines += ["", heading, *(f"  {name:<{wide}}  {said}".rstrip() for name, said in rows)]
        return "\n".join(lines)

    def markdown(self) -> str:
        """As a page."""
        lines = [f"# {self.title}", "", *([self.summary, ""] if self.summary else [])]
        for heading, rows in self.sections.items():
            lines += [f"## {heading}", "", "| | |", "|---|---|"]
            lines += [f"| {_cell(name)} | {_cell(said)} |" for name, said in rows] + [""]
        return "\n".join(lines)


def of(space: FaceSpace) -> SpaceCard:
    """The card of an open space. What its facts lack is left out."""
    card = space.card
    recipe = card.get("recipe") or {}
    parts = (_model(space), _faces(card), _training(card), _figures(card), _priors(space), _directions(card))
    rows = [[row for row in part if row[1]] for part in (*parts, _failings(card))]
    sections = {name: found for name, found in zip(SECTIONS, rows) if found}
    return SpaceCard(recipe.get("name") or space.folder.name, recipe.get("summary") or "", sections)


Rows = Iterator[tuple[str, str]]


def _model(space: FaceSpace) -> Rows:
    config, (channels, height, width) = space.model.config, space.image_shape
    count = sum(weight.numel() for weight in space.model.parameters())
    yield (
        "kind",
        f"{config.family}, {config.body} body, widths {', '.join(map(str, config.widths))}, {config.pixels} pixels",
    )
    yield "faces", f"{width} × {height} pixels, {'colour' if channels == 3 else 'gray'}"
    yield "latents", f"{space.latent_dim}"
    yield "parameters", f"{count:,}"
    yield "is told", ", ".join(space.conditions)
    packed = f", packed as {space.card['packed']['bits']}-bit numbers" if "packed" in space.card else ""
    yield "fingerprint", f"{space.card['fingerprint'][:16]}, facespace {space.card.get('facespace')}{packed}"


def _faces(card: Mapping[str, Any]) -> Rows:
    data, template = card.get("data") or {}, card["template"]
    splits = ", ".join(f"{count:,} {name}" for name, count in (data.get("splits") or {}).items())
    yield "source", str(data.get("source") or "")
    yield "faces", f"{data['faces']:,}" + (f" ({splits})" if splits else "") if "faces" in data else ""
    yield "crop", f"{template.get('crop')}"
    yield "terms", str(data.get("terms") or "")
    for line in data.get("notes") or []:
        yield "note", str(line)


def _training(card: Mapping[str, Any]) -> Rows:
    plan, metrics = (card.get("recipe") or {}).get("train") or {}, card.get("metrics") or {}
    weights = ((card.get("recipe") or {}).get("objective") or {}).get("weights") or {}
    yield (
        "steps",
        f"{card['step']:,}" + (f", epoch {metrics['epoch']}" if "epoch" in metrics else "")
        if "step" in card
        else "",
    )
    if plan:
        yield (
            "optimizer",
            f"{plan.get('optimizer')}, rate {plan.get('learning_rate')}, {plan.get('batch')} faces a step",
        )
    yield "weights", ", ".join(f"{name} {value:g}" for name, value in weights.items())
    seconds = metrics.get("training_seconds")
    yield "time", f"{seconds / 60:,.1f} minutes" if seconds else ""


def _figures(card: Mapping[str, Any]) -> Rows:
    metrics = card.get("metrics") or {}
    for split in ("train", "validation"):
        seen = metrics.get(split) or {}
        named = [
            f"{NAMES[name]} {seen[name]:,.4g}" for name in NAMES if isinstance(seen.get(name), int | float)
        ]
        yield split, ", ".join(named)
    for name, value in (card.get("figures") or {}).items():
        yield str(name), f"{value:,.4g}" if isinstance(value, int | float) else str(value)


NAMES = {"loss": "loss", "kl": "KL", "mse": "MSE", "loss_per_dim": "loss per dimension"}


def _priors(space: FaceSpace) -> Rows:
    yield OWN, space.model.prior.origin
    for kind, entry in (space.card.get("priors") or {}).items():
        nats = (entry.get("nats") or {}).get("validation")
        told = (
            f"; {nats['fitted']:,.1f} nats on validation faces, {nats['own']:,.1f} under its own"
            if nats
            else ""
        )
        yield kind, f"{entry['origin']}{told}"


def _directions(card: Mapping[str, Any]) -> Rows:
    for name, facts in ((card.get("directions") or {}).get("names") or {}).items():
        auc = facts.get("auc")
        yield name, str(facts.get("method") or "") + (f", AUC {auc:.3f}" if auc is not None else "")


def figures_of(evaluation: Path, fingerprint: str) -> dict[str, str]:
    """What `facespace evaluate` found in a space, as rows of its card: figures, and under which protocol. Raises UsageError
    where the folder holds no evaluation, or that of another space."""
    from facespace.evaluation.evaluate import LAYOUT  # here, since it imports torch
    from facespace.evaluation.reconstruction import RECONSTRUCTION, hardest

    file = evaluation / LAYOUT.json
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        told, seen, drawn = found["protocol"], found["reconstruction"], found.get("generation") or {}
        measured = told["space"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{evaluation} holds no evaluation ({file.name}: {error}). Make one with facespace evaluate."
        ) from error
    if measured != fingerprint:
        raise UsageError(
            f"{evaluation} measured another space. Evaluate this one: facespace evaluate SPACE --data SET --to DIR"
        )
    rows = {
        label: f"{seen[name]:{form}}" for name, (label, form, _) in RECONSTRUCTION.items() if name in seen
    }
    for name, form in (("fid", ".1f"), ("kid", ".4f")):
        if name in drawn:
            rows[f"{name.upper()} of new faces"] = (
                f"{drawn[name]:{form}} (other real faces: {drawn['floor'][name]:{form}})"
            )
    rows["measured on"] = (
        f"{told['faces']:,} faces of the split {told['split']}, {told['samples']:,} samples from {told['prior']}"
    )
    rows["hardest"] = ", ".join(hardest(seen["mse"], seen.get("by_attribute") or {}))
    return rows


def _failings(card: Mapping[str, Any]) -> Rows:
    for place, sentence in enumerate(card.get("failings") or [], 1):
        yield str(place), str(sentence)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
