"""A packed copy of a bundle, to publish: 16-bit or 8-bit weights, with the priors, the directions, the
discriminator, the card and the latents of some encoded faces."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from facespace.core.cards import CARD, DIRECTIONS, RESTORE_HINT, WEIGHTS, Card, fingerprint, read_tensors
from facespace.core.console import note
from facespace.core.errors import BundleError, UsageError
from facespace.core.files import is_own, restore_interrupted
from facespace.core.locks import writing
from facespace.models.additions import BUNDLE_FILES
from facespace.models.bundle import Bundle, Tensors, card_of, read_card, write
from facespace.models.bundle_card import (
    FORMAT,
    FORMAT_8_BITS,
    MODEL_PRIOR,
    MOST_TEMPERATURE,
    BundleCard,
    PackedEntry,
    SamplingSettings,
    default_prior,
    fits,
    own_settings,
)
from facespace.models.fitted import (
    DISCRIMINATOR,
    ENCODED,
    load_directions,
    load_discriminator,
    load_encoded,
    load_prior,
    prior_file,
)
from facespace.models.locations import place_of
from facespace.models.prior_facts import GUIDANCE_LIMIT
from facespace.models.weight_quantization import half, stored, stored_kernels

BITS = {16: FORMAT, 8: FORMAT_8_BITS}  # of a weight, and the format of a bundle with such weights


@dataclass
class _Packed:
    """The files of the packed bundle, and the fields of its card that they change."""

    weights: str  # fingerprint of the packed weights
    files: dict[str, Tensors]
    card: Card = field(default_factory=dict)

    def entry(self, old: Mapping[str, object], file: str, tensors: Tensors) -> Card:
        """Adds a file; returns its entry of the card, `old` with the fingerprints of the packed tensors."""
        self.files[file] = tensors
        return {**old, "weights": self.weights, "fingerprint": fingerprint(tensors)}


def pack(
    loaded: Bundle,
    to: Path,
    facts: Mapping[str, object] | None = None,
    encoded: np.ndarray | None = None,
    bits: int = 16,
    sampling: SamplingSettings | None = None,
) -> int:
    """Writes a packed copy of a bundle into the folder `to` and returns its size in bytes.

    The weights of all networks are stored with 16 or 8 bits (models/weight_quantization.py), the root of the
    latents' covariance with 16; everything loads as 32-bit floats again. Other statistics are copied exactly.
    `facts` are further fields of the card, `encoded` are latents of faces (N, D) to include; without them
    those of a packed bundle are copied. `sampling` is what the default prior is drawn from with by default;
    settings that it lacks stay as they are.

    Raises UsageError for other bits, where `to` holds something else than a packed bundle, and for sampling
    settings of a space without a fitted prior; BundleError where a part of the bundle is damaged."""
    with writing(to):
        check(to, bits)
        source = with_sampling(card_of(loaded.folder), sampling or {})
        return _pack(loaded, source, to, facts or {}, encoded, bits)


def with_sampling(card: BundleCard, sampling: SamplingSettings) -> BundleCard:
    """A card whose default prior has further sampling settings. Raises UsageError without a fitted prior, and
    for settings out of range."""
    if not sampling:
        return card
    kind = default_prior(card)
    if kind == MODEL_PRIOR:
        raise UsageError(
            "A temperature or a guidance on the card belongs to a fitted prior, and new faces of this space "
            "come from the model's own. Fit one: facespace fit-prior SPACE --data SET"
        )
    if not fits(sampling, SamplingSettings):
        found = ", ".join(f"{name} {value}" for name, value in sampling.items())
        raise UsageError(
            f"A card's temperature lies in [0, {MOST_TEMPERATURE}] and its guidance in [0, {GUIDANCE_LIMIT}] "
            f"(1 is the prior as it is); got {found}."
        )
    priors = card.get("priors", {})
    settings: SamplingSettings = {**own_settings(card, kind), **sampling}
    return {**card, "priors": {**priors, kind: {**priors[kind], "sampling": settings}}}


def _pack(
    loaded: Bundle,
    source: BundleCard,
    to: Path,
    facts: Mapping[str, object],
    encoded: np.ndarray | None,
    bits: int,
) -> int:
    if damaged := source.pop("damaged", []):
        raise BundleError(
            f"{loaded.folder / CARD} does not describe its {damaged[0]} rightly. {RESTORE_HINT}"
        )
    _note_more_bits(loaded.folder, source, bits)
    weights = stored(loaded.model, bits)
    packed = _Packed(fingerprint(weights), {WEIGHTS: weights})
    _pack_priors(packed, loaded, source, bits)
    _pack_directions(packed, loaded, source)
    if entry := source.get("discriminator"):
        heads = stored_kernels(load_discriminator(loaded)[0], bits)
        packed.card["discriminator"] = packed.entry(entry, DISCRIMINATOR, heads)
    if encoded is None:
        encoded = load_encoded(loaded)
    if encoded is not None:
        latents = {"z": torch.from_numpy(encoded).half()}
        packed.card["encoded"] = packed.entry({"faces": len(encoded)}, ENCODED, latents)
    card = {**source, **packed.card, **facts}
    card.pop("graphs", None)  # of other tensors; formats/bundle_graphs.py makes those of these
    card |= {"format": BITS[bits], "fingerprint": packed.weights, "packed": _origin(packed, source, bits)}
    write(to, card, packed.files)
    return sum(file.stat().st_size for file in to.iterdir())


def _note_more_bits(folder: Path, source: BundleCard, bits: int) -> None:
    stored = source.get("packed")
    if stored and stored["bits"] < bits:
        note(
            f"The weights of {place_of(folder)} have {stored['bits']} bits; {bits} bits make the files "
            "larger and the weights no more exact."
        )


def _pack_priors(packed: _Packed, loaded: Bundle, source: BundleCard, bits: int) -> None:
    priors = source.get("priors")
    if not priors:
        return
    packed.card["priors"] = {}
    for kind, entry in priors.items():
        tensors = stored(load_prior(loaded, kind), bits)
        packed.card["priors"][kind] = packed.entry(entry, prior_file(kind), tensors)


def _pack_directions(packed: _Packed, loaded: Bundle, source: BundleCard) -> None:
    entry = source.get("directions")
    if not entry:
        return
    load_directions(loaded)  # checks them
    tensors = read_tensors(loaded.folder / DIRECTIONS, entry["fingerprint"], RESTORE_HINT)
    tensors["root"] = half(tensors["root"])  # three quarters of the file
    packed.card["directions"] = packed.entry(entry, DIRECTIONS, tensors)


def _origin(packed: _Packed, source: BundleCard, bits: int) -> PackedEntry:
    """The card's field `packed`. Packing to the same numbers once more keeps the older one."""
    origin: PackedEntry = {"from": source["fingerprint"], "bits": bits}
    if packed.weights == source["fingerprint"]:
        return source.get("packed", origin)
    return origin


def check(to: Path, bits: int) -> None:
    """Raises UsageError for bits that no packed bundle has, and for a folder that holds something else than a
    packed bundle. Long work calls this before it starts."""
    if bits not in BITS:
        raise UsageError(
            f"A packed space has weights of {' or '.join(map(str, BITS))} bits; got {bits}. Choose one of "
            "these."
        )
    restore_interrupted(to)
    if not to.exists():
        return
    if not (to / CARD).is_file() or "packed" not in read_card(to):
        raise UsageError(f"{to} is not a packed space, and is not replaced. Name a new folder.")
    foreign = [path.name for path in to.iterdir() if path.name not in BUNDLE_FILES and not is_own(path)]
    if foreign:
        raise UsageError(
            f"{to} also holds {', '.join(sorted(foreign)[:3])}, which would be lost. Move that away, or name "
            "a new folder."
        )
