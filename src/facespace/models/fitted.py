"""What is fitted to the latents of a model and kept in its bundle: priors, directions, encoded faces, and the
heads of the discriminator that the model was trained against. Each entry of the card names the fingerprint of
the weights it belongs to."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np
import torch
from safetensors.torch import save as to_bytes

from facespace.core.cards import CARD, DIRECTIONS, RESTORE_HINT, Card, fingerprint, read_tensors
from facespace.core.console import quoted
from facespace.core.errors import BundleError, UsageError, suggest
from facespace.core.files import build_folder, write_json
from facespace.latent.directions import Directions, Whitening
from facespace.models.bundle import Bundle, Tensors, card_of, read_card, tensors_of
from facespace.models.bundle_card import DirectionsEntry, Entry, Fields, PriorEntry
from facespace.models.locations import check_writable
from facespace.models.priors import STORED, FittedPrior
from facespace.models.weight_quantization import restored, restored_kernels, stored

DISCRIMINATOR = "discriminator.safetensors"
ENCODED = "encoded.safetensors"


def prior_file(kind: str) -> str:
    """The name of the file of a fitted prior."""
    return f"prior-{kind}.safetensors"


def save_prior(
    loaded: Bundle, kind: str, prior: FittedPrior, facts: Fields, bits: int | None = None
) -> PriorEntry:
    """Writes a fitted prior into the bundle, in place of an older one of its kind, and returns its entry of
    the card. `facts` are further fields of the entry: the data it was fitted to and figures of its fit. With
    `bits` 16 or 8 its matrices are stored in fewer bits."""
    about = {"origin": prior.origin, "options": prior.options, **facts}
    tensors = stored(prior, bits) if bits else tensors_of(prior)
    entry = _add(loaded, prior_file(kind), tensors, about, ("priors", kind))
    return cast(PriorEntry, entry)


def load_prior(loaded: Bundle, kind: str) -> FittedPrior:
    """A prior that was fitted to this model. Raises UsageError for an unknown kind, BundleError for one that
    is missing, damaged or was fitted to other weights."""
    folder, fit = loaded.folder, f"facespace fit-prior {quoted(loaded.folder)} --data SET"
    if kind not in STORED:
        raise UsageError(f"Unknown prior {kind!r}. {suggest(kind, STORED)} Fit one with: {fit}")
    repair = f"Fit it again: {fit} --kind {kind}"
    try:
        entry = card_of(folder).get("priors", {}).get(kind)
        if entry is None:
            raise BundleError(f"{folder} has no fitted prior {kind!r} yet. Fit it: {fit} --kind {kind}")
        if entry["weights"] != loaded.card["fingerprint"]:
            raise BundleError(
                f"The prior {kind!r} in {folder} was fitted to a model with other weights. {repair}"
            )
        tensors = read_tensors(folder / prior_file(kind), entry["fingerprint"], repair)
        prior = STORED[kind].from_card(latent_size(loaded), entry["options"])
        prior.load_state_dict(restored(prior, tensors))
        prior.origin = str(entry["origin"])
    except ValueError as error:
        raise BundleError(f"{folder / prior_file(kind)} is damaged: {error}. {repair}") from error
    except (AttributeError, KeyError, TypeError, RuntimeError, UsageError) as error:
        raise BundleError(
            f"{folder / CARD} does not describe its prior {kind!r} rightly. {repair}"
        ) from error
    return prior


def save_directions(loaded: Bundle, directions: Directions) -> None:
    """Writes directions into the bundle of the model that they were fitted in, in place of older ones."""
    arrays = {
        "units": directions.units,
        "probes": directions.probes,
        "center": directions.whitening.center,
        "root": directions.whitening.root,
    }
    tensors = {}
    for name, array in arrays.items():
        tensors[name] = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    names = {name: dict(directions.facts[name]) for name in directions.names}
    _add(loaded, DIRECTIONS, tensors, {"names": names}, ("directions",))


def load_directions(loaded: Bundle) -> Directions:
    """The directions that were fitted in this model. Raises BundleError where there are none, where they are
    damaged, or belong to other weights."""
    folder, find_them = loaded.folder, f"facespace directions {quoted(loaded.folder)} --data SET"
    repair = f"Find them again: {find_them}"
    entry = card_of(folder).get("directions")
    if entry is None:
        raise BundleError(
            f"{folder} has no directions (vectors along which attributes change). Compute them: {find_them}"
        )
    try:
        if entry["weights"] != loaded.card["fingerprint"]:
            raise BundleError(
                f"The directions in {folder} were found in a model with other weights. {repair}"
            )
        tensors = read_tensors(folder / DIRECTIONS, entry["fingerprint"], repair)
        return _directions(entry, tensors, latent_size(loaded))
    except (AttributeError, KeyError, TypeError) as error:
        raise BundleError(f"{folder / CARD} does not describe its directions rightly. {repair}") from error


def _directions(entry: DirectionsEntry, tensors: Tensors, latent: int) -> Directions:
    """Directions (K, D) from their tensors. Raises KeyError for missing tensors and shapes that do not
    fit."""
    arrays = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    whitening = Whitening(arrays["center"], arrays["root"])
    names = entry["names"]
    found = Directions(tuple(names), arrays["units"], arrays["probes"], whitening, names)
    if found.units.shape != (len(names), latent) or whitening.root.shape != (latent, latent):
        raise KeyError("shapes")
    return found


def save_discriminator(loaded: Bundle, heads: Mapping[str, torch.Tensor], facts: Fields) -> None:
    """Writes the heads of a discriminator into the bundle of the model trained against it, in place of older
    ones. `facts` are the settings that rebuild the discriminator."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in heads.items()}
    _add(loaded, DISCRIMINATOR, tensors, facts, ("discriminator",))


def load_discriminator(loaded: Bundle) -> tuple[Tensors, Card]:
    """The heads of the discriminator, and their entry of the card. Raises BundleError where there are none,
    where they are damaged or belong to other weights."""
    folder, train = loaded.folder, "Train one: --set objective.discriminator=projected"
    entry = read_card(folder).get("discriminator")
    if not isinstance(entry, dict):
        raise BundleError(f"{folder} has no discriminator. {train}")
    if entry.get("weights") != loaded.card["fingerprint"]:
        raise BundleError(f"The discriminator in {folder} belongs to a model with other weights. {train}")
    path = folder / DISCRIMINATOR
    try:
        return restored_kernels(read_tensors(path, entry.get("fingerprint"), RESTORE_HINT)), entry
    except ValueError as error:
        raise BundleError(f"{path} is damaged: {error}. {RESTORE_HINT}") from error


def load_encoded(loaded: Bundle) -> np.ndarray | None:
    """The latents of encoded faces in a packed bundle, float32 (N, D); None where there are none or they
    belong to other weights. Raises BundleError for damaged ones."""
    entry = loaded.card.get("encoded")
    if not isinstance(entry, dict) or entry.get("weights") != loaded.card["fingerprint"]:
        return None
    z = read_tensors(loaded.folder / ENCODED, entry.get("fingerprint"), RESTORE_HINT).get("z")
    if z is None or z.shape[1:] != (latent_size(loaded),):
        raise BundleError(f"{loaded.folder / ENCODED} does not fit the model. {RESTORE_HINT}")
    return z.float().numpy()


def latent_size(loaded: Bundle) -> int:
    """D, the numbers of a flattened latent."""
    return math.prod(loaded.model.latent_shape)


def carry_over(origin: Bundle, folder: Path) -> None:
    """Copies priors, directions and encoded faces of the bundle `origin` into the bundle in `folder`, whose
    encoder is the same. Entries that belong to other weights are left out."""
    card, source = read_card(folder), read_card(origin.folder)
    fitted_to, weights = origin.card["fingerprint"], card["fingerprint"]
    files = []
    priors = {}
    for kind, entry in source.get("priors", {}).items():
        if _belongs(entry, fitted_to):
            priors[kind] = {**entry, "weights": weights}
            files.append(prior_file(kind))
    if priors:
        card["priors"] = priors
    for key, file in (("directions", DIRECTIONS), ("encoded", ENCODED)):
        entry = source.get(key)
        if _belongs(entry, fitted_to):
            card[key] = {**entry, "weights": weights}
            files.append(file)
    if "aggregate_posterior" in source:
        card["aggregate_posterior"] = source["aggregate_posterior"]
    with build_folder(folder) as beside:
        shutil.copytree(folder, beside, dirs_exist_ok=True)
        for file in files:
            shutil.copy2(origin.folder / file, beside / file)
        write_json(beside / CARD, card)


def add_facts(loaded: Bundle, key: str, facts: Fields) -> None:
    """Writes an entry without tensors into the card of a bundle, in place of an older one."""
    card = read_card(loaded.folder)
    write_json(loaded.folder / CARD, {**card, key: facts})


def _belongs(entry: Any, weights: str) -> TypeGuard[Card]:
    return isinstance(entry, dict) and entry.get("weights") == weights


def _add(loaded: Bundle, file: str, tensors: Tensors, about: Fields, place: tuple[str, ...]) -> Entry:
    """Writes a file of tensors into a bundle, and an entry with the fields `about` into its card under the
    keys `place`, one or two; returns the entry. Raises BundleError where the folder holds another model by
    now."""
    card, folder = read_card(loaded.folder), loaded.folder
    if loaded.card.get("in_memory"):
        raise BundleError(
            "This tuned space is in memory alone, and nothing can be kept with it. Save one: facespace adapt "
            "PHOTOS --to SPACE"
        )
    check_writable(folder)
    if card.get("fingerprint") != loaded.card["fingerprint"]:
        raise BundleError(
            f"{folder} holds another model than the one that was opened. Open it and try again."
        )
    entry = {**about, "weights": card["fingerprint"], "fingerprint": fingerprint(tensors)}
    table = card if len(place) == 1 else card.setdefault(place[0], {})
    table[place[-1]] = entry
    # The card and the file change together or not at all, so the folder is replaced whole.
    with build_folder(folder) as beside:
        shutil.copytree(folder, beside, dirs_exist_ok=True)
        (beside / file).write_bytes(to_bytes(tensors))
        write_json(beside / CARD, card)
    return cast(Entry, entry)
