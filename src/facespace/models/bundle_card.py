"""The fields of a bundle's card.json, as types, and what can be read from a card alone. Loads no model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict, cast

import msgspec

from facespace.core import cards
from facespace.core.cards import CARD, RESTORE_HINT, Card, CardKind
from facespace.core.errors import BundleError
from facespace.core.hub_address import origin_of
from facespace.latent.direction_set import DirectionFacts
from facespace.models.prior_facts import GUIDANCE_LIMIT

FORMAT = 1
FORMAT_8_BITS = 2  # of 8-bit weights: a facespace that cannot read them refuses the bundle by its format
MODEL_PRIOR = "model"  # the name of the prior that is part of the model
MOST_TEMPERATURE = 3  # on a card

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


class SamplingSettings(TypedDict, total=False):
    """What `facespace sample` and the explorer draw from a prior with, where nothing else is asked for; 1
    where one is missing, which is the prior as it is."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=MOST_TEMPERATURE)]
    guidance: Annotated[float, msgspec.Meta(ge=0, le=GUIDANCE_LIMIT)]  # of samples under conditions


class PriorEntry(Entry):
    """A fitted prior."""

    origin: str  # one sentence
    options: dict[str, Any]  # of its constructor
    nats: NotRequired[dict[str, LogLikelihoods]]  # by split
    discrete: NotRequired[bool]  # whether it is a distribution of codes
    preferred: NotRequired[bool]  # drawn from where none is named, whatever the likelihoods
    sampling: NotRequired[SamplingSettings]


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
    trained: str  # "all", or "decoder" where the encoder stayed as it was, or the other way round
    about: NotRequired[str]  # further words, where one entry stands for several trainings


class DirectionsEntry(Entry):
    """Attribute directions."""

    names: dict[str, DirectionFacts]  # facts about each direction, in the order of its row


class EncodedEntry(Entry):
    """Latents of encoded faces."""

    faces: int


# How the weights of a packed bundle are stored; `from` is the fingerprint of the bundle that was packed.
PackedEntry = TypedDict("PackedEntry", {"from": str, "bits": int})


class Part(TypedDict, total=False):
    """Of one of the sets that a merged set is made of."""

    source: str
    faces: int


class SetFacts(TypedDict, total=False):
    """What a bundle's card says of the set that it was trained on: the set's card."""

    source: str | None
    terms: str | None
    faces: int
    splits: dict[str, int] | None
    notes: list[str] | None
    fingerprint: str
    parts: list[Part] | None


class RecipeFacts(TypedDict, total=False):
    """The recipe of a training. Its settings belong to whoever wrote them."""

    name: str | None
    summary: str | None
    train: dict[str, Any] | None
    objective: dict[str, Any] | None


class Metrics(TypedDict, total=False):
    """The figures of the epoch that a bundle was saved at."""

    epoch: int
    training_seconds: float | None
    weights: str | None
    train: dict[str, float | None] | None
    validation: dict[str, float | None] | None


class BundleFacts(TypedDict):
    """The types of a bundle's card that are checked where it is read; a bundle need not come from a training.
    What was fitted to it is checked by `checked`; further fields are free."""

    kind: str
    format: int
    facespace: str  # version that wrote it
    fingerprint: str  # of the weights
    model: dict[str, Any]
    template: dict[str, Any]
    step: NotRequired[int]  # this and the next three are written by training
    recipe: NotRequired[RecipeFacts | None]
    data: NotRequired[SetFacts | None]
    metrics: NotRequired[Metrics | None]
    started_from: NotRequired[str | None]  # fingerprint of the bundle that training started from
    stages: NotRequired[list[Stage]]  # all trainings that the weights come from, the first one first
    aggregate_posterior: NotRequired[AggregatePosterior]
    packed: NotRequired[PackedEntry]
    # The ONNX graphs of a packed bundle (models/graphs.py), with the fingerprint of the tensors they name.
    graphs: NotRequired[dict[str, str] | None]
    origin: NotRequired[str | None]  # the hub's address, with its commit, of the space this was made from
    history: NotRequired[list[str] | None]  # sentences on the trainings, in place of stages
    figures: NotRequired[dict[str, str | float] | None]
    limitations: NotRequired[list[str] | None]


class BundleCard(TypedDict):
    """The card of a bundle, as code uses it: of a trained one, with what was fitted to it."""

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
    graphs: NotRequired[dict[str, str]]  # with the fingerprint of the tensors that each names
    origin: NotRequired[str]  # the hub's address, with its commit, of the space this is or was made from
    damaged: NotRequired[list[str]]  # names of entries of these that are not as they must be; not on disk
    in_memory: NotRequired[bool]  # of a tuned space that was not saved: its folder is that of its base
    adapted: NotRequired[Fields]  # by `facespace adapt`: to which faces, with which results


BUNDLE = CardKind(
    "bundle",
    "a trained model",
    (FORMAT, FORMAT_8_BITS),
    BundleError,
    unreadable=RESTORE_HINT,
    wrong_kind="Name the folder of a run or of a trained model.",
    wrong_format="Update facespace.",
    schema=BundleFacts,
)


def default_prior(card: Card | BundleCard) -> str:
    """The name of the prior that is used where none is named: a discrete one, since the density of a
    continuous prior at codes, which are points, says nothing; else one that is preferred, since likelihood
    does not tell what its faces look like; else the fitted one with the highest held-out log-likelihood, if
    that is above the one of the model's own prior; else "model"."""
    best, highest = MODEL_PRIOR, float("-inf")
    for kind, entry in card.get("priors", {}).items():
        nats = entry.get("nats", {})
        found = nats.get("validation") or nats.get("held-out") or {}
        if not found or entry["weights"] != card["fingerprint"]:
            continue
        if entry.get("discrete") or entry.get("preferred"):
            return kind
        if found["fitted"] > max(highest, found.get("model", float("inf"))):
            best, highest = kind, found["fitted"]
    return best


def sampling_settings(card: Card | BundleCard, kind: str) -> dict[str, float]:
    """The temperature and the guidance that a prior of a space is drawn from with by default."""
    own = own_settings(card, kind)
    return {"temperature": own.get("temperature", 1.0), "guidance": own.get("guidance", 1.0)}


def own_settings(card: Card | BundleCard, kind: str) -> SamplingSettings:
    """The sampling settings of a prior that the card names."""
    entry = card.get("priors", {}).get(kind)
    return entry.get("sampling", {}) if entry else {}


def condition_names(entry: PriorEntry) -> list[str]:
    """The attributes that a prior can be asked for."""
    found = entry["options"].get("conditions")
    return [str(name) for name in found] if isinstance(found, list) else []


def likelihood_text(nats: Mapping[str, float]) -> str:
    """The figure that a prior's log-likelihood is compared with, as text; empty where a card has none."""
    if "uniform" in nats:
        return f"{nats['uniform']:,.1f} if all codes were equally likely (nats of codes, not of a density)"
    if "model" in nats:
        return f"{nats['model']:,.1f} under the model's own prior"
    return ""


def read_card(folder: Path) -> Card:
    """The card of a bundle's own folder. That of one in the hub's cache names its address, with the commit,
    as its origin, and what is made from it keeps that."""
    card = cards.read_card(folder / CARD, BUNDLE)
    if origin := origin_of(folder):
        card["origin"] = str(origin)
    return card


def checked(card: Card) -> BundleCard:
    """A card without the priors and directions whose entries are damaged; `damaged` names them. The space
    itself can still be used."""
    found, damaged = {**card}, []
    priors = card.get("priors")
    if priors is None:
        priors = {}
    elif not isinstance(priors, dict):
        priors, damaged = {}, ["priors"]
    found["priors"] = {}
    for kind, entry in priors.items():
        if fits(entry, PriorEntry):
            found["priors"][kind] = entry
        else:
            damaged.append(kind)
    if not found["priors"]:
        del found["priors"]
    if "directions" in card and not fits(card["directions"], DirectionsEntry):
        del found["directions"]
        damaged.append("directions")
    for name in ("encoded", "discriminator"):
        if name in card and not fits(card[name], Entry):
            del found[name]
            damaged.append(name)
    if damaged:
        found["damaged"] = damaged
    return cast(BundleCard, found)


def fits(value: object, kind: Any) -> bool:
    """Whether a JSON value has the fields of a type."""
    try:
        msgspec.convert(value, kind)
    except ValueError:  # a ValidationError, or the encoding of a text that holds bytes
        return False
    return True


def stages_of(card: Card | BundleCard) -> list[Stage]:
    """All trainings that the weights of a bundle come from, the first one first. Of the card of an older
    version, which has no stages, its own training alone; none where it does not name a step."""
    if "stages" in card:
        return list(card["stages"])
    recipe, metrics = card.get("recipe") or {}, card.get("metrics") or {}
    train = recipe.get("train") or {}
    if "step" not in card:
        return []
    frozen = train.get("freeze") == "encoder" or train.get("only") == "decoder"  # the older name
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
