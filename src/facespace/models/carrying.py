"""What was fitted to the latents of a model stays where its bundle is replaced, or another one has the same
encoder: priors, directions, encoded faces, a discriminator."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from facespace.core.cards import (
    CARD,
    DIRECTIONS,
    DISCRIMINATOR,
    ENCODED,
    RESTORE_HINT,
    Card,
    fingerprint,
    prior_file,
    read_tensors,
)
from facespace.core.console import note
from facespace.core.files import restore_interrupted
from facespace.core.locks import WAIT, writing
from facespace.image.photos import Template
from facespace.models.additions import changed_folder
from facespace.models.bundle import Bundle, Tensors, read_card, save, tensors_of, write_files
from facespace.models.bundle_card import Fields
from facespace.models.prior_facts import STORED_KINDS
from facespace.recipes.config import Frozen
from facespace.recipes.model_config import ModelConfig

if TYPE_CHECKING:
    from facespace.models.interface import LatentModel


def carry_over(origin: Bundle, folder: Path, same: Frozen = "encoder") -> None:
    """Copies priors, directions and encoded faces of the bundle `origin` into the bundle in `folder`, whose
    encoder is the same. Where the decoder is the `same`, its discriminator is copied, and encoded faces and
    the figures of their distribution are not. Entries that belong to other weights are left out."""
    source = read_card(origin.folder)
    with writing(folder, WAIT):
        card = read_card(folder)
        found = _fitted(origin.folder, source, origin.card["fingerprint"], card["fingerprint"])
        if same == "encoder" and "aggregate_posterior" in source:
            card["aggregate_posterior"] = source["aggregate_posterior"]
        if same == "decoder":
            found.entries.pop("encoded", None)
            found.files.pop(ENCODED, None)
            _carry_discriminator(origin, source, found, card["fingerprint"])
        _leave_out(found, card)
        card |= found.entries
        with changed_folder(folder) as beside:
            write_files(beside, card, found.files)


def _carry_discriminator(origin: Bundle, source: Card, found: "_Fitted", weights: str) -> None:
    entry = source.get("discriminator")
    if _belongs(entry, origin.card["fingerprint"]):
        found.entries["discriminator"] = {**entry, "weights": weights}
        found.files[DISCRIMINATOR] = _tensors(origin.folder, DISCRIMINATOR, entry)


def _leave_out(found: "_Fitted", card: Card) -> None:
    """Leaves out of what was found what a bundle has already: that may be newer."""
    weights = card["fingerprint"]
    priors = {kind: entry for kind, entry in (card.get("priors") or {}).items() if _belongs(entry, weights)}
    for kind in priors:
        found.files.pop(prior_file(kind), None)
    if priors or "priors" in found.entries:
        found.entries["priors"] = {**found.entries.get("priors", {}), **priors}
    for key, file in (("directions", DIRECTIONS), ("encoded", ENCODED)):
        if _belongs(card.get(key), weights):
            found.entries.pop(key, None)
            found.files.pop(file, None)


class _Fitted(NamedTuple):
    """What was fitted to the latents of a model: entries of the card and files, and names of what belongs to
    other weights."""

    entries: Card
    files: dict[str, Tensors]
    others: list[str]


def _fitted(folder: Path, card: Card, fitted_to: str, weights: str) -> _Fitted:
    """What in a bundle was fitted to the weights `fitted_to`, as entries of a bundle with `weights`."""
    found, priors = _Fitted({}, {}, []), {}
    for kind, entry in (card.get("priors") or {}).items():
        if kind in STORED_KINDS and _belongs(entry, fitted_to):
            priors[kind] = {**entry, "weights": weights}
            found.files[prior_file(kind)] = _tensors(folder, prior_file(kind), entry)
        elif not (isinstance(entry, dict) and entry.get("automatic")):
            found.others.append(f"the prior {kind!r}")
    if priors:
        found.entries["priors"] = priors
    for key, file in (("directions", DIRECTIONS), ("encoded", ENCODED)):
        entry = card.get(key)
        if _belongs(entry, fitted_to):
            found.entries[key] = {**entry, "weights": weights}
            found.files[file] = _tensors(folder, file, entry)
        elif entry:
            found.others.append(f"the {key.replace('encoded', 'encoded faces')}")
    return found


def _tensors(folder: Path, file: str, entry: Card) -> Tensors:
    return read_tensors(folder / file, entry.get("fingerprint"), RESTORE_HINT)


def save_over(
    folder: Path,
    model: "LatentModel",
    config: ModelConfig,
    template: Template,
    facts: Fields,
    keeps: bool = False,
) -> None:
    """Writes a bundle in place of an older one of the same run. Priors, directions and encoded faces that
    somebody fitted to the older one are kept where its weights are the same, or where the run `keeps` the
    encoder or the decoder; a note names those that no longer fit."""
    with writing(folder, WAIT):
        restore_interrupted(folder)
        older = read_card(folder) if (folder / CARD).is_file() else {}
        kept, entries = _Fitted({}, {}, []), {}
        if older:
            weights = fingerprint(tensors_of(model))
            belongs_to = older["fingerprint"] if keeps else weights
            kept = _fitted(folder, older, belongs_to, weights)
            if older["fingerprint"] == weights and "aggregate_posterior" in older:
                entries["aggregate_posterior"] = older["aggregate_posterior"]
        save(folder, model, config, template, {**facts, **entries, **kept.entries}, kept.files)
    if kept.others:
        note(
            f"{' and '.join(kept.others)} in {folder} belonged to other weights and went with them. Fit them "
            "again when training has ended (facespace fit-prior, facespace directions)."
        )


def _belongs(entry: Any, weights: str) -> TypeGuard[Card]:
    return isinstance(entry, dict) and entry.get("weights") == weights
