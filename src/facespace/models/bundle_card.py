"""The fields of a bundle's card.json, as types, and what can be read from a card alone. Loads no model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from facespace.core import cards
from facespace.core.cards import CARD, RESTORE_HINT, Card, CardKind
from facespace.core.errors import BundleError
from facespace.latent.direction_set import DirectionFacts

FORMAT = 1
FORMAT_8_BITS = 2  # of 8-bit weights: a facespace that cannot read them refuses the bundle by its format
BUNDLE = CardKind(
    "bundle",
    "a trained model",
    (FORMAT, FORMAT_8_BITS),
    BundleError,
    unreadable=RESTORE_HINT,
    wrong_kind="Name the folder of a run or of a trained model.",
    wrong_format="Update facespace.",
)
MODEL_PRIOR = "model"  # the name of the prior that is part of the model

Fields = Mapping[str, Any]  # JSON of a config or of figures, whose fields belong to whoever wrote it


class Entry(TypedDict):
    """Of everything that was fitted to the latents of a model."""

    weights: str  # fingerprint of the model that it was fitted to
    fingerprint: str  # of its own tensors


class LogLikelihoods(TypedDict):
    """Mean log-density of a split's latents, in nats per latent vector; of a discrete prior the mean
    log-probability of their codes."""

    fitted: float
    model: NotRequired[float]  # under the model's own prior
    uniform: NotRequired[float]  # of a discrete prior: if all entries of a codebook were equally likely


class PriorEntry(Entry):
    """A fitted prior."""

    origin: str  # one sentence
    options: Fields  # of its constructor
    nats: NotRequired[dict[str, LogLikelihoods]]  # by split
    discrete: NotRequired[bool]  # whether it is a distribution of codes


class AggregatePosterior(TypedDict):
    """The latents of training faces: how far they are from N(0, I), and how likely held-out ones are."""

    faces: int
    split: str  # of the held-out faces
    nats: dict[str, float]  # by kind of prior, "model" included; mean over the held-out faces
    kl_to_standard_normal: NotRequired[float]  # of the Gaussian with their mean and covariance, nats


class Stage(TypedDict):
    """A training that the weights come from."""

    recipe: str
    steps: int
    images: int
    seconds: float  # in training steps
    faces: int | None  # training faces
    trained: str  # "all", or "decoder" where the encoder stayed as it was
    about: NotRequired[str]  # further words, where one entry stands for several trainings


class DirectionsEntry(Entry):
    """Attribute directions."""

    names: dict[str, DirectionFacts]  # facts about each direction, in the order of its row


class EncodedEntry(Entry):
    """Latents of encoded faces."""

    faces: int


# How the weights of a packed bundle are stored; `from` is the fingerprint of the bundle that was packed.
PackedEntry = TypedDict("PackedEntry", {"from": str, "bits": int})


class BundleCard(TypedDict):
    """The card of a bundle. Training, packing and the user's own facts add fields."""

    kind: str
    format: int
    facespace: str  # version that wrote it
    fingerprint: str  # of the weights
    model: Fields
    template: Fields
    step: int  # this and the next three are written by training
    recipe: Fields
    data: Fields
    metrics: Fields
    started_from: NotRequired[str]  # fingerprint of the bundle that training started from
    stages: NotRequired[list[Stage]]  # all trainings that the weights come from, the first one first
    aggregate_posterior: NotRequired[AggregatePosterior]
    priors: NotRequired[dict[str, PriorEntry]]
    directions: NotRequired[DirectionsEntry]
    discriminator: NotRequired[Entry]
    encoded: NotRequired[EncodedEntry]
    packed: NotRequired[PackedEntry]
    in_memory: NotRequired[bool]  # of a tuned space that was not saved: its folder is that of its base
    adapted: NotRequired[Fields]  # by `facespace adapt`: to which faces, with which results


def default_prior(card: Card | BundleCard) -> str:
    """The name of the prior that is used where none is named: a discrete one, since the density of a
    continuous prior at codes, which are points, says nothing; else the fitted one with the highest held-out
    log-likelihood, if that is above the one of the model's own prior; else "model"."""
    best, highest = MODEL_PRIOR, float("-inf")
    for kind, entry in card.get("priors", {}).items():
        nats = entry.get("nats", {})
        found = nats.get("validation") or nats.get("held-out") or {}
        if not found or entry["weights"] != card["fingerprint"]:
            continue
        if entry.get("discrete"):
            return kind
        if found["fitted"] > max(highest, found.get("model", float("inf"))):
            best, highest = kind, found["fitted"]
    return best


def likelihood_text(nats: Mapping[str, float]) -> str:
    """The figure that a prior's log-likelihood is compared with, as text."""
    if "uniform" in nats:
        return f"{nats['uniform']:,.1f} if all codes were equally likely (nats of codes, not of a density)"
    return f"{nats['model']:,.1f} under the model's own prior"


def read_card(folder: Path) -> Card:
    """The card of a bundle's own folder."""
    return cards.read_card(folder / CARD, BUNDLE)


def stages_of(card: Card | BundleCard) -> list[Stage]:
    """All trainings that the weights of a bundle come from, the first one first. Of the card of an older
    version, which has no stages, its own training alone; none where it does not name a step."""
    if "stages" in card:
        return list(card["stages"])
    recipe, metrics = card.get("recipe") or {}, card.get("metrics") or {}
    train = recipe.get("train") or {}
    if "step" not in card:
        return []
    frozen = (train.get("freeze") or train.get("only")) in ("encoder", "decoder")  # the older name's value
    own: Stage = {
        "recipe": str(recipe.get("name") or ""),
        "steps": card["step"],
        "images": card["step"] * (train.get("batch") or 0),
        "seconds": metrics.get("training_seconds") or 0.0,
        "faces": ((card.get("data") or {}).get("splits") or {}).get("train"),
        "trained": "decoder" if frozen else "all",
    }
    if card.get("started_from"):
        own["about"] = "after earlier trainings that the card does not list"
    return [own]
