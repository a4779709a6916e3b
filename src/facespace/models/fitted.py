"""What is fitted to the latents of a model and kept in its bundle: priors, directions, encoded faces, and the
heads of the discriminator that the model was trained against. Each entry of the card names the fingerprint of
the weights it belongs to."""

import math
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard, cast

import numpy as np

from facespace.core.cards import (
    CARD,
    DIRECTIONS,
    DISCRIMINATOR,
    ENCODED,
    RESTORE_HINT,
    WEIGHTS,
    Card,
    MisfitError,
    fingerprint,
    prior_file,
    read_tensors,
)
from facespace.core.console import note, quoted
from facespace.core.errors import BundleError, UsageError, suggest
from facespace.core.files import build_folder, is_own, restore_interrupted
from facespace.core.locks import WAIT, writing
from facespace.core.tensor_files import read_arrays
from facespace.image.photos import Template
from facespace.latent.directions import Directions, Whitening
from facespace.models.bundle import (
    Bundle,
    Tensors,
    card_of,
    read_card,
    save,
    steady,
    tensors_of,
    write_files,
)
from facespace.models.bundle_card import MODEL_PRIOR, DirectionsEntry, Entry, Fields, PriorEntry
from facespace.models.graphs import DECODER, ENCODER, QUANTIZER, prior_graph
from facespace.models.locations import check_writable, place_of
from facespace.models.prior_facts import STORED_KINDS
from facespace.recipes.config import Frozen
from facespace.recipes.model_config import ModelConfig

if TYPE_CHECKING:  # directions and encoded faces are read without it
    import torch

    from facespace.models.interface import LatentModel
    from facespace.models.priors import FittedPrior, Options

MOST_OPTION, MOST_BLOCKS = 2**24, 256  # of a prior's numbers, and of the blocks of its network


# All files of a bundle that facespace writes.
BUNDLE_FILES = frozenset(
    (
        *(CARD, WEIGHTS, DIRECTIONS, DISCRIMINATOR, ENCODED, *map(prior_file, STORED_KINDS)),
        *(ENCODER, DECODER, QUANTIZER, *map(prior_graph, (MODEL_PRIOR, *STORED_KINDS))),
    )
)


def save_prior(
    loaded: Bundle, kind: str, prior: "FittedPrior", facts: Fields, bits: int | None = None
) -> PriorEntry:
    """Writes a fitted prior into the bundle, in place of an older one of its kind, and returns its entry of
    the card. `facts` are further fields of the entry: the data it was fitted to and figures of its fit. With
    `bits` 16 or 8 its matrices are stored in fewer bits."""
    about = {"origin": prior.origin, "options": prior.options, **facts}
    from facespace.models.weight_quantization import stored

    tensors = stored(prior, bits) if bits else tensors_of(prior)
    entry = _add(loaded, prior_file(kind), tensors, about, ("priors", kind))
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
    _add(loaded, DIRECTIONS, tensors, {"names": names}, ("directions",))


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
    _add(loaded, DISCRIMINATOR, tensors, facts, ("discriminator",))


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
        with _changed(folder) as beside:
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


def add_facts(loaded: Bundle, key: str, facts: Fields) -> None:
    """Writes an entry without tensors into the card of a bundle, in place of an older one."""
    with writing(loaded.folder, WAIT):
        card = read_card(loaded.folder)
        with _changed(loaded.folder) as beside:
            write_files(beside, {**card, key: facts}, {})


def add_files(loaded: Bundle, files: Mapping[str, bytes], key: str, facts: Fields) -> None:
    """Writes files and an entry without tensors into a bundle, in place of older ones. Raises BundleError
    where the folder holds another model by now."""
    with writing(loaded.folder, WAIT):
        card = read_card(loaded.folder)
        _check_same(loaded, card)
        with _changed(loaded.folder) as beside:
            for name, content in files.items():
                (beside / name).unlink(missing_ok=True)
                (beside / name).write_bytes(content)
            write_files(beside, {**card, key: facts}, {})


def _belongs(entry: Any, weights: str) -> TypeGuard[Card]:
    return isinstance(entry, dict) and entry.get("weights") == weights


def _add(loaded: Bundle, file: str, tensors: Tensors, about: Fields, place: tuple[str, ...]) -> Entry:
    """Writes a file of tensors into a bundle, and an entry with the fields `about` into its card under the
    keys `place`, one or two; returns the entry. Raises BundleError where the folder holds another model by
    now."""
    folder = loaded.folder
    if loaded.card.get("in_memory"):
        raise BundleError(
            "This tuned space is in memory alone, and nothing can be kept with it. Save one: facespace adapt "
            "PHOTOS --to SPACE"
        )
    check_writable(folder)
    with writing(folder, WAIT):  # the card is read inside: another process may have added an entry
        card = read_card(folder)
        _check_same(loaded, card)
        entry = {**about, "weights": card["fingerprint"], "fingerprint": fingerprint(tensors)}
        table = card if len(place) == 1 else card.setdefault(place[0], {})
        table[place[-1]] = entry
        # The card and the file change together or not at all, so the folder is replaced whole.
        with _changed(folder) as beside:
            write_files(beside, card, {file: tensors})
    return cast(Entry, entry)


def _check_same(loaded: Bundle, card: Card) -> None:
    if card.get("fingerprint") != loaded.card["fingerprint"]:
        raise BundleError(
            f"{loaded.folder} holds another model than the one that was opened. Open it and try again."
        )


@contextmanager
def _changed(folder: Path) -> Iterator[Path]:
    """A copy of a bundle's folder, which takes its place after the block.

    What links point to is never copied, since whoever sent the bundle chose it: links of a bundle's own files
    stay links, and others are left out, with a note."""
    with build_folder(folder) as beside:
        for path in folder.iterdir():
            if path.is_symlink():
                _copy_link(path, beside)
            elif path.is_file() and not is_own(path):
                shutil.copy2(path, beside / path.name)
            elif path.is_dir() and not is_own(path):
                shutil.copytree(path, beside / path.name, symlinks=True)
        yield beside


def _copy_link(path: Path, to: Path) -> None:
    if path.name in BUNDLE_FILES:
        (to / path.name).symlink_to(path.readlink())
    else:
        note(f"{path} is a link to {path.readlink()}, and was left out.")
