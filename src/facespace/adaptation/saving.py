"""An adapted space as a bundle: tuned weights, what was carried over from the base, the prior of the set, and
a card that says whose likeness it is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from facespace.adaptation.adapter import Adapter, Tuned
from facespace.adaptation.carried_over import CheckFacts, DirectionCheck
from facespace.adaptation.figures import AdaptFigures, Pictures
from facespace.adaptation.photos import Faces
from facespace.adaptation.set_prior import SetPrior
from facespace.core.cards import Card
from facespace.core.console import counted
from facespace.core.files import write_json
from facespace.models import bundle, carrying, fitted
from facespace.models.bundle_card import SetFacts, Stage, read_card, stages_of

LIKENESS = (
    "This space was tuned on photographs of people and shows them almost as they are: it is their likeness, "
    "and whoever has the file can draw their faces, also with expressions they never had.",
    "Adapt a space to photographs of people who agree to it, or whose pictures may be used for it; keep and "
    "pass it on only as they allow, and say of its pictures that they are generated.",
    "Reconstructions of the tuned photographs say nothing about other faces: those were learned by heart.",
)


@dataclass(frozen=True)
class Outcome:
    """A finished adaptation, its faces, and what was measured of it."""

    adapter: Adapter
    tuned: Tuned
    faces: Faces
    pictures: Pictures
    checks: Sequence[DirectionCheck]
    figures: AdaptFigures


class PhotographFacts(SetFacts, total=False):
    """What the card says of the photographs."""

    kind: str
    crop: str


class AdaptedFacts(TypedDict):
    """What the card says of the adaptation."""

    faces: int
    held_out: int
    seed: int
    plan: dict[str, float]
    figures: Card
    directions: dict[str, CheckFacts]  # by name
    likeness: list[str]


def save_adapted(folder: Path, outcome: Outcome, priors: Sequence[SetPrior]) -> None:
    """Writes the bundle with the base's priors and these into `folder`, in place of an older one."""
    adapter = outcome.adapter
    base, card = adapter.base, adapter.base.card
    name = folder.parent.resolve().name
    summary = _summary(adapter, outcome.faces)
    facts = {
        "recipe": {**(card.get("recipe") or {}), "name": name, "summary": summary},
        "data": _data(adapter, outcome.faces),
        "step": adapter.tuner.step,
        "metrics": {"step": adapter.tuner.step, "training_seconds": sum(adapter.seconds.values())},
        "started_from": card["fingerprint"],
        **({"origin": card["origin"]} if "origin" in card else {}),
        "stages": [*stages_of(card), _stage(adapter)],
        "limitations": [*(card.get("limitations") or []), *_lost(outcome.checks)],
        "adapted": _adapted(outcome),
    }
    model = outcome.tuned.space.model
    bundle.save(folder, model, model.config, base.template, facts)
    carrying.carry_over(base.torch_engine.bundle, folder)
    _add_priors(folder, outcome, priors)


def _add_priors(folder: Path, outcome: Outcome, priors: Sequence[SetPrior]) -> None:
    if priors:
        _restate_densities(folder, priors[0])
    model, template = outcome.tuned.space.model, outcome.adapter.base.template
    for prior in priors:
        saved = bundle.Bundle(model, template, bundle.card_of(folder), folder)
        fitted.save_prior(saved, prior.kind, prior.prior, prior.facts, bits=16)


def _restate_densities(folder: Path, prior: SetPrior) -> None:
    """Of the base's priors the card then has the density of the set's faces, since only densities of the same
    faces can be compared."""
    if "nats" not in prior.facts:
        return
    card = read_card(folder)
    own = prior.facts["nats"]["held-out"].get("model")
    for entry in card.get("priors", {}).values():
        entry.pop("nats", None)
        if prior.base_nats is not None and len(card["priors"]) == 1:
            entry["nats"] = {"held-out": {"fitted": prior.base_nats, "model": own}}
    write_json(folder / bundle.CARD, card)


def _summary(adapter: Adapter, faces: Faces) -> str:
    base = (adapter.base.card.get("recipe") or {}).get("name") or adapter.base.folder.name
    return f"{base}, adapted to {_count(len(faces), faces.source)}"


def _count(count: int, source: str) -> str:
    if source != "photographs":
        return f"{count:,} faces of {source}"
    return counted(count, "photograph")


def _data(adapter: Adapter, faces: Faces) -> PhotographFacts:
    held_out = int(adapter.held_out.sum())
    base_terms = (adapter.base.card.get("data") or {}).get("terms") or "none stated"
    terms = faces.terms or "those of the people in the photographs, and of the photographers"
    return {
        "kind": "photographs",
        "source": faces.source,
        "faces": len(faces),
        "splits": {"train": len(faces) - held_out, "validation": held_out},
        "crop": adapter.base.template.crop,
        "terms": f"{terms}; of the base: {base_terms}",
        "notes": list(faces.notes),
    }


def _stage(adapter: Adapter) -> Stage:
    plan, steps = adapter.plan, adapter.tuner.step
    return {
        "recipe": "adapt",
        "steps": steps,
        "images": steps * plan.batch,
        "seconds": sum(adapter.seconds.values()),
        "faces": int((~adapter.held_out).sum()),
        "trained": "all" if adapter.tuner.encodes else "decoder",
    }


def _adapted(outcome: Outcome) -> AdaptedFacts:
    adapter = outcome.adapter
    return {
        "faces": len(adapter.faces),
        "held_out": int(adapter.held_out.sum()),
        "seed": adapter.seed,
        "plan": asdict(adapter.plan),
        "figures": outcome.figures.to_json(),
        "directions": {check.name: check.to_json() for check in outcome.checks},
        "likeness": list(LIKENESS),
    }


def _lost(checks: Sequence[DirectionCheck]) -> list[str]:
    """A sentence about directions that no longer do what they did."""
    lost = [check.name for check in checks if check.kept is False]
    if not lost:
        return []
    return [
        f"{len(lost)} of {len(checks)} directions of the base have lost at least half of their effect here: "
        f"{', '.join(lost)}."
    ]
