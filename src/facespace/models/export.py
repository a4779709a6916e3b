"""A small copy of a bundle, to hand on: 16-bit or 8-bit weights, with priors, directions, discriminator, card and some latents
of encoded faces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facespace.core.cards import RETRIEVE, fingerprint, read_tensors
from facespace.core.console import note
from facespace.core.errors import UsageError
from facespace.models.bundle import (
    CARD,
    DIRECTIONS,
    DISCRIMINATOR,
    ENCODED,
    FORMAT,
    FORMAT_8_BITS,
    WEIGHTS,
    Bundle,
    load_directions,
    load_encoded,
    load_prior,
    prior_file,
    read_card,
    read_discriminator,
    write,
)
from facespace.models.weight_quantization import half, stored, stored_kernels

BITS = {16: FORMAT, 8: FORMAT_8_BITS}  # of a weight, and the format of such a bundle


def pack(
    loaded: Bundle,
    to: Path,
    facts: Mapping[str, Any] | None = None,
    encoded: np.ndarray | None = None,
    bits: int = 16,
) -> int:
    """Writes a small copy of a bundle, with its priors, directions and card, into the folder `to`: the networks' weights as 16-bit
    or 8-bit numbers (models/weight_quantization.py) and the root of the latents' covariance as 16-bit ones, which all load as 32-bit
    ones; other statistics stay as exact as they are. The card gets the `facts` too, and latents of `encoded` faces (N, D) come
    along. Returns its bytes. Raises UsageError for other bits and where something else than a packed bundle lies there, BundleError
    where a part of the bundle is damaged."""
    check(to, bits)
    own = read_card(loaded.folder)
    if (own.get("packed") or {}).get("bits", bits) < bits:
        note(
            f"The weights of {loaded.folder} have {own['packed']['bits']} bits: {bits} make them larger, and no more exact."
        )
    weights = stored(loaded.model, bits)
    now, files, card = fingerprint(weights), {WEIGHTS: weights}, dict(own)
    if own.get("priors"):
        card["priors"] = {}
        for kind, entry in own["priors"].items():
            files[prior_file(kind)] = tensors = stored(load_prior(loaded, kind), bits)
            card["priors"][kind] = {**entry, "weights": now, "fingerprint": fingerprint(tensors)}
    if entry := own.get("directions"):
        load_directions(loaded)
        files[DIRECTIONS] = found = read_tensors(loaded.folder / DIRECTIONS, entry["fingerprint"], RETRIEVE)
        found["root"] = half(found["root"])  # three quarters of the file
        card["directions"] = {**entry, "weights": now, "fingerprint": fingerprint(found)}
    if entry := own.get("discriminator"):
        files[DISCRIMINATOR] = heads = stored_kernels(read_discriminator(loaded)[0], bits)
        card["discriminator"] = {**entry, "weights": now, "fingerprint": fingerprint(heads)}
    encoded = load_encoded(loaded) if encoded is None else encoded  # those of a packed bundle go on with it
    if encoded is not None:
        files[ENCODED] = {"z": torch.from_numpy(encoded).half()}
        card["encoded"] = {"faces": len(encoded), "weights": now, "fingerprint": fingerprint(files[ENCODED])}
    packed = {"from": own["fingerprint"], "bits": bits}
    if (
        now == own["fingerprint"]
    ):  # packed before, to the same numbers: it still comes from where it came from
        packed = own.get("packed", packed)
    told = {**card, **(facts or {}), "format": BITS[bits], "fingerprint": now, "packed": packed}
    write(to, told, files)
    return sum(file.stat().st_size for file in to.iterdir())


def check(to: Path, bits: int) -> None:
    """Raises UsageError for bits that no packed bundle has, and for a folder that is not replaced; said before long work too."""
    if bits not in BITS:
        raise UsageError(
            f"A packed space has weights of {' or '.join(map(str, BITS))} bits; got {bits}. Choose one of these."
        )
    if to.exists() and not ((to / CARD).is_file() and "packed" in read_card(to)):
        raise UsageError(f"{to} is not a packed bundle, and is not replaced. Name a new folder.")
