"""An adapted space as a bundle: tuned weights, what was carried over from the base, the prior of the set, and
a card that says whose likeness it is."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facespace.adaptation.adapter import Adapter, Tuned
from facespace.adaptation.carried_over import DirectionCheck
from facespace.adaptation.photos import Faces
from facespace.adaptation.set_prior import SetPrior
from facespace.core.files import write_json
from facespace.models import bundle, fitted
from facespace.models.bundle_card import Stage, read_card, stages_of

LIKENESS = (
    "This space was tuned on photographs of people and shows them almost as they are: it is their likeness, "
    "and whoever has the file can draw their faces, also with expressions they never had.",
    "Adapt a space to photographs of people who agree to it, or whose pictures may be used for it; keep and "
    "pass it on only as they allow, and say of its pictures that they are generated.",
    "Reconstructions of the tuned photographs say nothing about other faces: those were learned by heart.",
)


def save_adapted(
    folder: Path,
    adapter: Adapter,
    tuned: Tuned,
    faces: Faces,
    prior: SetPrior | None,
    checks: list[DirectionCheck],
    figures: Mapping[str, Any],
) -> None:
    """Writes the bundle into `folder`, in place of an older one."""
    base = adapter.base
    card = base.card
    name = folder.parent.resolve().name
    facts = {
        "recipe": {**(card.get("recipe") or {}), "name": name, "summary": _summary(adapter, faces)},
        "data": _data(adapter, faces),
        "step": adapter.tuner.step,
        "metrics": {"step": adapter.tuner.step, "training_seconds": sum(adapter.seconds.values())},
        "started_from": card["fingerprint"],
        "stages": [*stages_of(card), _stage(adapter)],
        "limitations": [*(card.get("limitations") or []), *_lost(checks)],
        "adapted": _adapted(adapter, checks, figures),
    }
    model = tuned.space.model
    bundle.save(folder, model, model.config, base.template, facts)
    fitted.carry_over(base.torch_engine.bundle, folder)
    if prior is not None:
        _add_prior(folder, prior)


def _add_prior(folder: Path, prior: SetPrior) -> None:
    """Adds the set's prior. Of the base's priors the card then has the density of the set's faces, since only
    densities of the same faces can be compared, and the highest one makes the default."""
    facts = {key: value for key, value in prior.facts.items() if key != "base_nats"}
    if "nats" in facts:
        card = read_card(folder)
        own = facts["nats"]["held-out"]["model"]
        for entry in card.get("priors", {}).values():
            known = prior.facts.get("base_nats")
            entry.pop("nats", None)
            if known is not None and len(card["priors"]) == 1:
                entry["nats"] = {"held-out": {"fitted": known, "model": own}}
        write_json(folder / bundle.CARD, card)
    fitted.save_prior(bundle.load(folder), prior.kind, prior.prior, facts, bits=16)


def _summary(adapter: Adapter, faces: Faces) -> str:
    base = (adapter.base.card.get("recipe") or {}).get("name") or adapter.base.folder.name
    return f"{base}, adapted to {_count(len(faces), faces.source)}"


def _count(count: int, source: str) -> str:
    if source != "photographs":
        return f"{count:,} faces of {source}"
    return f"{count:,} photograph{'s' * (count > 1)}"


def _data(adapter: Adapter, faces: Faces) -> dict[str, Any]:
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


def _adapted(adapter: Adapter, checks: list[DirectionCheck], figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "faces": len(adapter.faces),
        "held_out": int(adapter.held_out.sum()),
        "seed": adapter.seed,
        "plan": asdict(adapter.plan),
        "figures": dict(figures),
        "directions": {check.name: check.to_json() for check in checks},
        "likeness": list(LIKENESS),
    }


def _lost(checks: list[DirectionCheck]) -> list[str]:
    """A sentence about directions that no longer do what they did."""
    lost = [check.name for check in checks if check.kept is False]
    if not lost:
        return []
    return [
        f"{len(lost)} of {len(checks)} directions of the base have lost at least half of their effect here: "
        f"{', '.join(lost)}."
    ]
