"""A small copy of a bundle, to hand on: 16-bit weights, with priors, directions, discriminator, card and some latents of encoded faces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facespace.bundle import (
    CARD,
    DIRECTIONS,
    DISCRIMINATOR,
    ENCODED,
    RETRIEVE,
    WEIGHTS,
    Bundle,
    fingerprint,
    load_directions,
    load_encoded,
    load_prior,
    prior_file,
    read_card,
    read_discriminator,
    read_tensors,
    write,
)
from facespace.errors import UsageError


def pack(loaded: Bundle, to: Path, facts: Mapping[str, Any] | None = None, encoded: np.ndarray | None = None) -> int:
    """Writes a small copy of a bundle, with its priors, directions and card, into the folder `to`: the networks' weights and
    the root of the latents' covariance as 16-bit numbers, which load as 32-bit ones; other statistics stay as exact as they are.
    The card gets the `facts` too, and latents of `encoded` faces (N, D) come along. Returns its bytes. Raises UsageError where
    something else than a packed bundle lies there, BundleError where a part of the bundle is damaged."""
    if to.exists() and not ((to / CARD).is_file() and "packed" in read_card(to)):
        raise UsageError(f"{to} is not a packed bundle, and is not replaced. Name a new folder.")
    own = read_card(loaded.folder)
    weights = _halved(loaded.model)
    now, files, card = fingerprint(weights), {WEIGHTS: weights}, dict(own)
    if own.get("priors"):
        card["priors"] = {}
        for kind, entry in own["priors"].items():
            files[prior_file(kind)] = tensors = _halved(load_prior(loaded, kind))
            card["priors"][kind] = {**entry, "weights": now, "fingerprint": fingerprint(tensors)}
    if entry := own.get("directions"):
        load_directions(loaded)
        files[DIRECTIONS] = found = read_tensors(loaded.folder / DIRECTIONS, entry["fingerprint"], RETRIEVE)
        found["root"] = _half(found["root"])  # three quarters of the file
        card["directions"] = {**entry, "weights": now, "fingerprint": fingerprint(found)}
    if entry := own.get("discriminator"):
        files[DISCRIMINATOR], _ = read_discriminator(loaded)
        card["discriminator"] = {**entry, "weights": now}
    encoded = load_encoded(loaded) if encoded is None else encoded  # those of a packed bundle go on with it
    if encoded is not None:
        files[ENCODED] = {"z": torch.from_numpy(encoded).half()}
        card["encoded"] = {"faces": len(encoded), "weights": now, "fingerprint": fingerprint(files[ENCODED])}
    told = {**card, **(facts or {}), "fingerprint": now, "packed": {"from": own["fingerprint"], "bits": 16}}
    write(to, told, files)
    return sum(file.stat().st_size for file in to.iterdir())


def _halved(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of a module, the matrices and kernels that it multiplies by as 16-bit numbers."""
    many = {name for name, weight in module.named_parameters() if weight.dim() > 1}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    return {name: _half(tensor) if name in many else tensor for name, tensor in tensors.items()}


def _half(tensor: torch.Tensor) -> torch.Tensor:
    """As 16-bit numbers, where they fit."""
    half = tensor.half()
    return half if half.isfinite().all() else tensor
