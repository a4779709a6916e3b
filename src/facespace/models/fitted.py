"""What is fitted to the latents of a model and kept in its bundle: priors, directions, encoded faces, and the
heads of the discriminator that the model was trained against. Each entry of the card names the fingerprint of
the weights it belongs to."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from facespace.core.cards import (
    CARD,
    DIRECTIONS,
    DISCRIMINATOR,
    ENCODED,
    RESTORE_HINT,
    Card,
    MisfitError,
    prior_file,
    read_tensors,
)
from facespace.core.console import quoted
from facespace.core.errors import BundleError, UsageError, suggest
from facespace.core.tensor_files import read_arrays
from facespace.latent.directions import Directions, Whitening
from facespace.models.additions import add_tensors
from facespace.models.bundle import (
    Bundle,
    Tensors,
    card_of,
    read_card,
    steady,
    tensors_of,
)
from facespace.models.bundle_card import DirectionsEntry, Fields, PriorEntry
from facespace.models.locations import check_writable, place_of

if TYPE_CHECKING:  # directions and encoded faces are read without it
    import torch

    from facespace.models.priors import FittedPrior, Options

MOST_OPTION, MOST_BLOCKS = 2**24, 256  # of a prior's numbers, and of the blocks of its network


def save_prior(
    loaded: Bundle, kind: str, prior: "FittedPrior", facts: Fields, bits: int | None = None
) -> PriorEntry:
    """Writes a fitted prior into the bundle, in place of an older one of its kind, and returns its entry of
    the card. `facts` are further fields of the entry: the data it was fitted to and figures of its fit. With
    `bits` 16 or 8 its matrices are stored in fewer bits."""
    about = {"origin": prior.origin, "options": prior.options, **facts}
    from facespace.models.weight_quantization import stored

    tensors = stored(prior, bits) if bits else tensors_of(prior)
    entry = add_tensors(loaded, prior_file(kind), tensors, about, ("priors", kind))
    return cast(PriorEntry, entry)


def load_prior(loaded: Bundle, kind: str) -> "FittedPrior":
    """A prior that was fitted to this model. Raises UsageError for an unknown kind, BundleError for one that
    is missing, damaged or was fitted to other weights."""
    return steady(loaded.folder, lambda: _load_prior(loaded, kind))


def _no_prior(folder: Path, others: Collection[str], kind: str) -> str:
    """What is said where a space has no prior of a kind: those it has, and how to fit one."""
    has = f", but {', '.join(others)}" if others else ""
    text, fit = f"{place_of(folder)} has no fitted prior {kind!r} yet{has}.", f"--data SET --kind {kind}"
    try:
        check_writable(folder)
    except BundleError as error:
        return f"{text} {error}; then: facespace fit-prior FOLDER {fit}"
    return f"{text} Fit it: facespace fit-prior {quoted(folder)} {fit}"


def _load_prior(loaded: Bundle, kind: str) -> "FittedPrior":
    from facespace.models.priors import STORED
    from facespace.models.uninitialized import shapes_of, uninitialized
    from facespace.models.weight_quantization import restored

    folder, fit = loaded.folder, f"facespace fit-prior {quoted(loaded.folder)} --data SET"
    if kind not in STORED:
        raise UsageError(f"Unknown prior {kind!r}. {suggest(kind, STORED)} Fit one with: {fit}")
    repair = f"Fit it again: {fit} --kind {kind}"
    try:
        card = card_of(folder)
        if {kind, "priors"} & set(card.get("damaged", ())):
            raise KeyError(kind)
        entry = card.get("priors", {}).get(kind)
        if entry is None:
            raise BundleError(_no_prior(folder, card.get("priors", {}), kind))
        if entry["weights"] != loaded.card["fingerprint"]:
            raise BundleError(
                f"The prior {kind!r} in {folder} was fitted to a model with other weights. {repair}"
            )
        options = entry["options"]
        _check_options(options)
        size = latent_size(loaded)
        shapes = shapes_of(lambda: STORED[kind].from_card(size, options))
        tensors = read_tensors(folder / prior_file(kind), entry["fingerprint"], repair, shapes)
        prior = uninitialized(lambda: STORED[kind].from_card(size, options))
        prior.load_state_dict(restored(prior, tensors))
        prior.origin = str(entry["origin"])
    except ValueError as error:
        raise BundleError(f"{folder / prior_file(kind)} is damaged: {error}. {repair}") from error
    except (
        AttributeError,
        KeyError,
        TypeError,
        RuntimeError,
        ArithmeticError,
        UsageError,
        MisfitError,
    ) as error:
        raise BundleError(
            f"{folder / CARD} does not describe its prior {kind!r} rightly. {repair}"
        ) from error
    return prior


def _check_options(options: "Options") -> None:
    """Raises ValueError where an option of a prior in a card is a number or a list beyond what any prior has,
    which would only take time."""
    for name, value in options.items():
        limit = MOST_BLOCKS if name == "blocks" else MOST_OPTION
        if not _in_range(value, limit):
            raise ValueError(f"its option {name} is out of range")


def _in_range(value: object, limit: int) -> bool:
    if isinstance(value, list):
        return len(value) <= MOST_OPTION and all(_in_range(part, MOST_OPTION) for part in value)
    if isinstance(value, int | float):
        return abs(value) <= limit
    return not isinstance(value, dict)


def save_directions(loaded: Bundle, directions: Directions) -> None:
    """Writes directions into the bundle of the model that they were fitted in, in place of older ones."""
    arrays = {
        "units": directions.units,
        "probes": directions.probes,
        "center": directions.whitening.center,
        "root": directions.whitening.root,
    }
    import torch

    tensors = {}
    for name, array in arrays.items():
        tensors[name] = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    names = {name: dict(directions.facts[name]) for name in directions.names}
    add_tensors(loaded, DIRECTIONS, tensors, {"names": names}, ("directions",))


def load_directions(loaded: Bundle) -> Directions:
    """The directions that were fitted in this model. Raises BundleError where there are none, where they are
    damaged, or belong to other weights."""
    return steady(loaded.folder, lambda: _load_directions(loaded))


def _load_directions(loaded: Bundle) -> Directions:
    folder, find_them = loaded.folder, f"facespace directions {quoted(loaded.folder)} --data SET"
    repair = f"Find them again: {find_them}"
    card = card_of(folder)
    if "directions" in card.get("damaged", ()):
        raise BundleError(f"{folder / CARD} does not describe its directions rightly. {repair}")
    entry = card.get("directions")
    if entry is None:
        raise BundleError(
            f"{folder} has no directions (vectors along which attributes change). Compute them: {find_them}"
        )
    try:
        if entry["weights"] != loaded.card["fingerprint"]:
            raise BundleError(
                f"The directions in {folder} were found in a model with other weights. {repair}"
            )
        stored = read_arrays(folder / DIRECTIONS, entry["fingerprint"], repair)
        return _directions(entry, stored, latent_size(loaded))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise BundleError(f"{folder / CARD} does not describe its directions rightly. {repair}") from error


def _directions(entry: DirectionsEntry, stored: Mapping[str, np.ndarray], latent: int) -> Directions:
    """Directions (K, D) from their arrays. Raises KeyError for missing tensors and shapes that do not
    fit."""
    arrays = {name: array.astype(np.float64) for name, array in stored.items()}
    whitening = Whitening(arrays["center"], arrays["root"])
    names = entry["names"]
    found = Directions(tuple(names), arrays["units"], arrays["probes"], whitening, names)
    shapes = [array.shape for array in (found.units, found.probes, whitening.center, whitening.root)]
    if shapes != [(len(names), latent), (len(names), latent), (latent,), (latent, latent)]:
        raise KeyError("shapes")
    return found


def save_discriminator(loaded: Bundle, heads: "Mapping[str, torch.Tensor]", facts: Fields) -> None:
    """Writes the heads of a discriminator into the bundle of the model trained against it, in place of older
    ones. `facts` are the settings that rebuild the discriminator."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in heads.items()}
    add_tensors(loaded, DISCRIMINATOR, tensors, facts, ("discriminator",))


def load_discriminator(loaded: Bundle) -> tuple[Tensors, Card]:
    """The heads of the discriminator, and their entry of the card. Raises BundleError where there are none,
    where they are damaged or belong to other weights."""
    from facespace.models.weight_quantization import restored_kernels

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
    z = read_arrays(loaded.folder / ENCODED, entry.get("fingerprint"), RESTORE_HINT).get("z")
    if z is None or z.shape[1:] != (latent_size(loaded),) or not len(z) or z.dtype.kind != "f":
        raise BundleError(f"{loaded.folder / ENCODED} does not fit the model. {RESTORE_HINT}")
    return z.astype(np.float32)


def latent_size(loaded: Bundle) -> int:
    """D, the numbers of a flattened latent."""
    return math.prod(loaded.model.latent_shape)
