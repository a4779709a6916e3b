"""A packed space whose decoder lies between those of two others, for a space that was trained from another one with a discriminator:

    python benchmarks/blend_decoders.py BEFORE AFTER TO --share 0.5 [--passes 2]

Each weight of the decoder is BEFORE + share · (AFTER − BEFORE), as in the network interpolation of ESRGAN (Wang et al., 2018), where weights
between those of a network trained without a discriminator and those after training with one keep most of the detail and lose the artefacts.
All else is AFTER's, whose encoder and priors must be BEFORE's. BEFORE may be a space of half the size, which AFTER's decoder enlarges
(models/upsampled.py): its detail network counts with the share then. BEFORE and AFTER are folders or names such as faces64.
With --passes the space encodes in so many passes (model.refinement_steps)."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from facespace.core.errors import FacespaceError, UsageError
from facespace.models.bundle import Bundle, Tensors, load
from facespace.models.export import pack

DECODER, DETAIL = "decoder.", "decoder.to_detail."


def blended(before: Tensors, after: Tensors, share: float) -> Tensors:
    """The weights of the space between two others. Raises UsageError where AFTER has a part that BEFORE lacks, or has in another
    shape, and that is no detail network, and where their encoders differ."""
    last = max((int(name.split(".")[2]) for name in after if name.startswith(DETAIL)), default=-1)
    weights = dict(after)
    for name, tensor in after.items():
        if not name.startswith(DECODER) or not tensor.is_floating_point():
            continue
        if name.startswith(f"{DETAIL}{last}.") and name not in before:
            weights[name] = share * tensor  # the last layer: the detail is zero at share 0
        elif name in before and before[name].shape == tensor.shape:
            weights[name] = torch.lerp(before[name], tensor, share)
        elif not name.startswith(DETAIL):
            raise UsageError(f"The first space has no such {name}: the second one was not trained from it.")
    other = [
        name for name in after if not name.startswith(DECODER) and not _same(before.get(name), after[name])
    ]
    if other:
        raise UsageError(f"The spaces differ in {other[0]}, which is no part of their decoders.")
    return weights


def _same(before: torch.Tensor | None, after: torch.Tensor) -> bool:
    return before is not None and before.shape == after.shape and torch.allclose(before, after, atol=1e-6)


def blend(
    before: Bundle,
    after: Bundle,
    to: Path,
    share: float,
    bits: int,
    history: Sequence[str] = (),
    passes: int | None = None,
) -> int:
    """Writes the packed space; returns its size in bytes. `history` are sentences for the card on how the space was
    trained, in the place of AFTER's stages; `passes` of the encoder are AFTER's without a number. Raises UsageError for
    passes that the model cannot have."""
    weights = blended(before.model.state_dict(), after.model.state_dict(), share)
    after.model.load_state_dict(weights)
    parts = {"before": before.card["fingerprint"], "after": after.card["fingerprint"], "share": share}
    facts: dict[str, object] = {"blended": parts}
    if history:
        facts["history"] = list(history)
    if passes is not None:
        facts["model"] = asdict(replace(after.model.config, refinement_steps=passes))
    return pack(after, to, facts, bits=bits)


def main() -> None:
    """Writes the space between two others."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("to", type=Path)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--passes", type=int, help="of the encoder; those of AFTER without it")
    parser.add_argument(
        "--history", action="append", default=[], help="a sentence for the card; may be repeated"
    )
    asked = parser.parse_args()
    try:
        before, after = load(asked.before), load(asked.after)
        size = blend(before, after, asked.to, asked.share, asked.bits, asked.history, asked.passes)
    except FacespaceError as error:
        sys.exit(f"{Path(__file__).name}: {error}")
    print(f"{asked.to}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
