"""What the card of a packed space gains by evaluation: the figures, and known limitations."""

from collections.abc import Sequence
from pathlib import Path

from facespace.core.aliases import rename_nested
from facespace.core.cards import Card
from facespace.core.errors import FacespaceError, UsageError
from facespace.core.reading import read_json
from facespace.evaluation.reconstruction import QUANTITIES, hardest
from facespace.report.metrics import with_network

METRICS = "metrics.json"  # of an evaluation


def additions(
    fingerprint: str, evaluation: Path | None = None, failings: Sequence[str] | None = None
) -> Card:
    """What a packed copy adds to the card of the space with that fingerprint: the figures of an evaluation,
    known limitations."""
    added: Card = {}
    if evaluation:
        added["figures"] = figures_of(evaluation, fingerprint)
    if failings:
        added["limitations"] = list(failings)
    return added


def figures_of(evaluation: Path, fingerprint: str) -> dict[str, str]:
    """The figures of an evaluation of a space, as rows of its card, with their protocol. Raises
    FacespaceError where the folder holds no evaluation, UsageError where it holds that of another space."""
    file = evaluation / METRICS
    try:
        found = rename_nested("evaluation", read_json(file))
        protocol, reconstruction = found["protocol"], found["reconstruction"]
        measured = protocol["space"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FacespaceError(
            f"{evaluation} holds no evaluation ({file.name}: {error}). Make one with facespace evaluate."
        ) from error
    if measured != fingerprint:
        raise UsageError(
            f"{evaluation} measured another space. Evaluate this one: "
            "facespace evaluate SPACE --data SET --to DIR"
        )
    try:
        return _rows(found, protocol, reconstruction)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FacespaceError(
            f"{file} is damaged ({error}). Make it again with facespace evaluate."
        ) from error


def _rows(found: Card, protocol: Card, reconstruction: Card) -> dict[str, str]:
    rows = {}
    for name, (label, form, _) in QUANTITIES.items():
        if name in reconstruction:
            rows[with_network(label, protocol.get("features"))] = f"{reconstruction[name]:{form}}"
    rows |= _generation_rows(found.get("generation") or {}, protocol.get("features"))
    samples = f"{protocol['samples']:,} samples from {protocol['prior']}"
    rows["measured on"] = (
        f"{protocol['faces']:,} faces of the split {protocol['split']}, {samples}{_size(protocol)}"
    )
    rows["hardest"] = ", ".join(hardest(reconstruction["mse"], reconstruction.get("by_attribute") or {}))
    return rows


def _size(protocol: Card) -> str:
    """The size in which faces were compared, where it is not that of the space."""
    compared = protocol.get("compared")
    if not compared or compared == protocol["space"]["image"][1:]:
        return ""
    height, width = compared
    return f", all reduced to {width}×{height}"


def _generation_rows(generation: Card, features: str | None) -> dict[str, str]:
    rows = {}
    for name, form in (("fid", ".1f"), ("kid", ".4f")):
        if name in generation:
            real = f"{generation['real_reference'][name]:{form}}"
            rows[with_network(f"{name.upper()} of new faces", features)] = (
                f"{generation[name]:{form}} (other real faces: {real})"
            )
    return rows
