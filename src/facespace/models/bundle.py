"""A trained model on disk: model.safetensors and card.json, and what was fitted to it since: prior-KIND.safetensors for
each prior, directions.safetensors, and discriminator.safetensors, the heads that judged it; no pickle. Written whole or not at
all; every way in which it can be missing or damaged is a sentence."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save as to_bytes

from facespace.core import cards
from facespace.core.cards import CARD, DIRECTIONS, RETRIEVE, WEIGHTS, fingerprint, read_tensors
from facespace.core.configs import from_dict, to_dict
from facespace.core.errors import BundleError, UsageError, suggest
from facespace.core.files import build_folder, settle, write_json
from facespace.core.version import __version__
from facespace.image.photos import Template
from facespace.latent.directions import Directions, Whitening
from facespace.models import LatentModel, ModelConfig, build
from facespace.models.priors import FITTED, FittedPrior
from facespace.models.weight_quantization import restored, restored_kernels

FORMAT = 1
FORMAT_8_BITS = 2  # of weights as 8-bit numbers, so that a facespace which does not know them says so
BUNDLE = cards.CardKind(
    "bundle",
    "a trained model",
    (FORMAT, FORMAT_8_BITS),
    BundleError,
    unreadable=RETRIEVE,
    wrong_kind="Name a run or a bundle folder.",
    wrong_format="Update facespace.",
)
DISCRIMINATOR = "discriminator.safetensors"  # heads that judged its faces while it was trained
ENCODED = "encoded.safetensors"  # latents of some faces
BEST, LAST = "best", "last"  # the two bundles of a run
SHIPPED = Path(__file__).parents[1] / "weights" / "faces64"  # the bundle that comes along, where there is one

OWN = "own"  # the name of the prior that a model has of itself


class Bundle(NamedTuple):
    """What `load` gives."""

    model: LatentModel  # eval mode
    template: Template
    card: dict[str, Any]
    folder: Path


def save(
    folder: Path, model: LatentModel, config: ModelConfig, template: Template, facts: dict[str, Any]
) -> None:
    """Writes a bundle, replacing an older one whole. `facts` join the card: recipe, data, metrics, step."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    card = {
        "kind": "bundle",
        "format": FORMAT,
        "facespace": __version__,
        "fingerprint": fingerprint(weights),
        "model": to_dict(config),
        "template": to_dict(template),
        **facts,
    }
    write(folder, card, {WEIGHTS: weights})


def write(folder: Path, card: dict[str, Any], files: dict[str, dict[str, torch.Tensor]]) -> None:
    """Files of tensors and the card as the folder, in place of what lies there."""
    with build_folder(folder) as beside:
        for name, tensors in files.items():
            (beside / name).write_bytes(to_bytes(tensors))
        write_json(beside / CARD, card)


def load_encoded(loaded: Bundle) -> np.ndarray | None:
    """The latents of encoded faces that came along, float32 (N, D); None where there are none or they belong to other weights.
    Raises BundleError for damaged ones."""
    entry = loaded.card.get("encoded")
    if not isinstance(entry, dict) or entry.get("weights") != loaded.card["fingerprint"]:
        return None
    z = read_tensors(loaded.folder / ENCODED, entry.get("fingerprint"), RETRIEVE).get("z")
    if z is None or z.shape[1:] != (math.prod(loaded.model.latent_shape),):
        raise BundleError(f"{loaded.folder / ENCODED} does not fit the model. {RETRIEVE}")
    return z.float().numpy()


def load(folder: Path | str | None = None, device: torch.device | str = "cpu") -> Bundle:
    """The bundle in a folder, or the best one of a run's folder, ready for use; without a folder the one that comes along.
    16-bit and 8-bit weights become 32-bit. Raises BundleError, and UsageError where none is named and none comes along."""
    folder = find(shipped() if folder is None else Path(folder))
    card = read_card(folder)
    try:
        config, template = from_dict(ModelConfig, card["model"]), from_dict(Template, card["template"])
        model = build(config)
    except (KeyError, UsageError) as error:
        raise BundleError(f"{folder / CARD} does not describe a model ({error}). {RETRIEVE}") from error
    weights = read_tensors(folder / WEIGHTS, card.get("fingerprint"), RETRIEVE)
    try:
        model.load_state_dict(restored(model, weights))
    except ValueError as error:
        raise BundleError(f"{folder / WEIGHTS} is damaged: {error}. {RETRIEVE}") from error
    except RuntimeError as error:
        raise BundleError(f"{folder / WEIGHTS} does not fit the model in {CARD}. {RETRIEVE}") from error
    return Bundle(model.to(device).eval().requires_grad_(False), template, card, folder)


def save_prior(loaded: Bundle, kind: str, prior: FittedPrior, facts: dict[str, Any]) -> dict[str, Any]:
    """Keeps a fitted prior beside the model that it was fitted to, in place of an older one of its kind, and returns what
    the card now says of it. `facts` join that: what it was fitted to, and how well it fits."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in prior.state_dict().items()}
    about = {"origin": prior.origin, "options": prior.options, **facts}
    return _add(
        loaded,
        prior_file(kind),
        tensors,
        about,
        lambda card, entry: {"priors": {**card.get("priors", {}), kind: entry}},
    )


def save_directions(loaded: Bundle, directions: Directions) -> None:
    """Keeps directions beside the model that they were found in, in place of older ones."""
    arrays = {
        "units": directions.units,
        "probes": directions.probes,
        "center": directions.whitening.center,
        "root": directions.whitening.root,
    }
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(array, np.float32)) for name, array in arrays.items()
    }
    named = {"names": {name: dict(directions.facts[name]) for name in directions.names}}
    _add(loaded, DIRECTIONS, tensors, named, lambda card, entry: {"directions": entry})


def load_directions(loaded: Bundle) -> Directions:
    """The directions that were found in this model. Raises BundleError where there are none, where they are damaged, or
    belong to other weights."""
    folder, find_them = loaded.folder, f"facespace directions {loaded.folder} --data SET"
    again = f"Find them again: {find_them}"
    entry = read_card(folder).get("directions")
    if entry is None:
        raise BundleError(f"{folder} has no directions yet. Find some: {find_them}")
    try:
        if entry["weights"] != loaded.card["fingerprint"]:
            raise BundleError(f"The directions in {folder} were found in a model with other weights. {again}")
        arrays = {
            name: tensor.double().numpy()
            for name, tensor in read_tensors(folder / DIRECTIONS, entry["fingerprint"], again).items()
        }
        whitening = Whitening(arrays["center"], arrays["root"])
        found = Directions(
            tuple(entry["names"]), arrays["units"], arrays["probes"], whitening, entry["names"]
        )
        latent = math.prod(loaded.model.latent_shape)
        if found.units.shape != (len(found.names), latent) or whitening.root.shape != (latent, latent):
            raise KeyError("shapes")
    except (AttributeError, KeyError, TypeError) as error:
        raise BundleError(f"{folder / CARD} does not describe its directions rightly. {again}") from error
    return found


def save_discriminator(loaded: Bundle, heads: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Keeps the heads of a discriminator beside the model that they judged, in place of older ones. `facts` say what the heads
    look at."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in heads.items()}
    _add(loaded, DISCRIMINATOR, tensors, facts, lambda card, entry: {"discriminator": entry})


def read_discriminator(loaded: Bundle) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Those heads, and what they look at. Raises BundleError where there are none, where they are damaged or belong to other
    weights."""
    folder, again = loaded.folder, "Train one: --set objective.discriminator=projected"
    entry = read_card(folder).get("discriminator")
    if not isinstance(entry, dict):
        raise BundleError(f"{folder} has no discriminator. {again}")
    if entry.get("weights") != loaded.card["fingerprint"]:
        raise BundleError(f"The discriminator in {folder} judged a model with other weights. {again}")
    try:
        return restored_kernels(
            read_tensors(folder / DISCRIMINATOR, entry.get("fingerprint"), RETRIEVE)
        ), entry
    except ValueError as error:
        raise BundleError(f"{folder / DISCRIMINATOR} is damaged: {error}. {RETRIEVE}") from error


def carry_over(origin: Bundle, folder: Path) -> None:
    """Copies what was fitted to the latents of one bundle, its priors, directions and encoded faces, into the bundle in `folder`,
    whose encoder is the same. What belongs to other weights stays behind."""
    card, own = read_card(folder), read_card(origin.folder)

    def valid(entry: Any) -> bool:
        return isinstance(entry, dict) and entry.get("weights") == origin.card["fingerprint"]

    priors = {kind: entry for kind, entry in own.get("priors", {}).items() if valid(entry)}
    files = {prior_file(kind): entry for kind, entry in priors.items()}
    files |= {
        file: own[key]
        for key, file in (("directions", DIRECTIONS), ("encoded", ENCODED))
        if valid(own.get(key))
    }
    moved = {file: {**entry, "weights": card["fingerprint"]} for file, entry in files.items()}
    card |= {"priors": {kind: moved[prior_file(kind)] for kind in priors}} if priors else {}
    card |= {
        key: moved[file] for key, file in (("directions", DIRECTIONS), ("encoded", ENCODED)) if file in moved
    }
    with build_folder(folder) as beside:
        shutil.copytree(folder, beside, dirs_exist_ok=True)
        for file in files:
            shutil.copy2(origin.folder / file, beside / file)
        write_json(beside / CARD, card)


def _add(
    loaded: Bundle,
    file: str,
    tensors: dict[str, torch.Tensor],
    about: dict[str, Any],
    place: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """Writes a file of tensors into a bundle and what is said `about` it into the card, where `place`(card, entry) says;
    returns the entry. Raises BundleError where the folder holds another model by now."""
    card, folder = read_card(loaded.folder), loaded.folder
    check_own(folder)
    if card.get("fingerprint") != loaded.card["fingerprint"]:
        raise BundleError(
            f"{folder} holds another model than the one that was opened. Open it and try again."
        )
    entry = {**about, "weights": card["fingerprint"], "fingerprint": fingerprint(tensors)}
    # The card and the file change together or not at all, so the folder is replaced whole.
    with build_folder(folder) as beside:
        shutil.copytree(folder, beside, dirs_exist_ok=True)
        (beside / file).write_bytes(to_bytes(tensors))
        write_json(beside / CARD, {**card, **place(card, entry)})
    return entry


def check_own(folder: Path) -> None:
    """Raises BundleError for the bundle that comes along, to which nothing is added; said before long work too."""
    if folder.resolve() == SHIPPED.resolve():
        raise BundleError(
            f"The space that comes along stays as it is. Copy the folder {folder}, and name the copy."
        )


def load_prior(loaded: Bundle, kind: str) -> FittedPrior:
    """A prior that was fitted to this model. Raises UsageError for a kind that does not exist, BundleError for one that
    is missing, damaged or was fitted to other weights."""
    folder, fit = loaded.folder, f"facespace fit-prior {loaded.folder} --data SET"
    if kind not in FITTED:
        raise UsageError(f"Unknown prior {kind!r}. {suggest(kind, FITTED)} Fit one with: {fit}")
    again = f"Fit it again: {fit} --kind {kind}"
    try:
        entry = read_card(folder).get("priors", {}).get(kind)
        if entry is None:
            raise BundleError(f"{folder} has no fitted prior {kind!r} yet. Fit it: {fit} --kind {kind}")
        if entry["weights"] != loaded.card["fingerprint"]:
            raise BundleError(
                f"The prior {kind!r} in {folder} was fitted to a model with other weights. {again}"
            )
        tensors = read_tensors(folder / prior_file(kind), entry["fingerprint"], again)
        prior = FITTED[kind].from_card(math.prod(loaded.model.latent_shape), entry["options"])
        prior.load_state_dict(restored(prior, tensors))
        prior.origin = str(entry["origin"])
    except ValueError as error:
        raise BundleError(f"{folder / prior_file(kind)} is damaged: {error}. {again}") from error
    except (AttributeError, KeyError, TypeError, RuntimeError, UsageError) as error:
        raise BundleError(f"{folder / CARD} does not describe its prior {kind!r} rightly. {again}") from error
    return prior


def usual_prior(card: dict[str, Any]) -> str:
    """The kind of prior that is meant where none is named: of the fitted ones the one with the highest held-out likelihood, where
    that is above the one of the model's own prior; else "own"."""
    nats = {OWN: float("-inf")}
    for kind, entry in card.get("priors", {}).items():
        found = entry.get("nats", {}).get("validation", {})
        if found and found["fitted"] > found["own"] and entry["weights"] == card["fingerprint"]:
            nats[kind] = found["fitted"]
    return max(nats, key=lambda kind: nats[kind])


def prior_file(kind: str) -> str:
    """Under which name a bundle keeps a prior."""
    return f"prior-{kind}.safetensors"


def coming_along() -> Path | None:
    """The folder of the bundle that comes along, where one does."""
    return SHIPPED if (SHIPPED / CARD).is_file() else None


def shipped() -> Path:
    """The same. Raises UsageError where none does."""
    if found := coming_along():
        return found
    raise UsageError(
        "No SPACE was named. Name a run or a bundle folder first, for example: facespace sample runs/mine --to faces.png"
    )


def find(folder: Path) -> Path:
    """The bundle's own folder: the one given, or `best` or `last` in a run. Raises BundleError where there is none."""
    settle(folder)
    if not folder.exists():
        raise BundleError(
            f"{folder} does not exist. Name a run or a bundle: facespace train RECIPE --data SET --to RUN"
        )
    if (folder / CARD).is_file():
        return folder
    for name in (BEST, LAST):
        settle(folder / name)
        if (folder / name / CARD).is_file():
            return folder / name
    raise BundleError(
        f"{folder} holds no trained model (no {CARD}, no {BEST}/{CARD}). Name a run or a bundle folder."
    )


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a bundle's own folder."""
    return cards.read_card(folder / CARD, BUNDLE)
