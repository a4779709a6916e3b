"""What a packed space loses: its size and how well it reconstructs and knows faces, with weights of 16 and of 8 bits.

    python benchmarks/packing.py SET [SPACE] [--split test] [--count 1000] [--to DIR]

Without SPACE the one that comes along. Prints for the space as it is and for each packed copy: megabytes of model.safetensors and of
the whole folder; the mean PSNR of reconstructions (dB) of at most --count faces; the largest and the mean change of a pixel value
(levels of 255) in those, and where the same latents are decoded; and the mean log-likelihood of the faces' latents under each
fitted prior (nats; the latents are those that the space as it is encodes)."""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import facespace
from facespace.core import cards
from facespace.evaluation.session import EvaluationSession
from facespace.models import bundle
from facespace.models.export import BITS, pack
from facespace.perception.similarity import per_face


class Measured(NamedTuple):
    """What is told of one copy."""

    megabytes: tuple[float, float]  # of the weights, of all
    psnr: float  # dB
    reconstructions: np.ndarray  # uint8 (N, H, W, C)
    decoded: np.ndarray  # the same, of the latents that all copies are given
    nats: dict[str, float]  # by kind of prior


def main() -> None:
    """Prints three rows, and how far the last two are from the first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("space", type=Path, nargs="?")
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--to", type=Path, help="a folder in which the packed copies stay")
    asked = parser.parse_args()
    loaded = bundle.load(asked.space)
    z = EvaluationSession(loaded.folder, asked.data, asked.split, asked.count).encoded.mean
    print(f"{loaded.folder.name}, {len(z):,} faces of the split {asked.split}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.to or Path(scratch)
        first = measure(loaded.folder, z, asked)
        print(row("as it is", first, first))
        for bits in BITS:
            copy = folder / f"{bits}-bits"
            pack(loaded, copy, bits=bits)
            print(row(f"{bits} bits", measure(copy, z, asked), first), flush=True)


def measure(folder: Path, z: np.ndarray, asked: argparse.Namespace) -> Measured:
    """One copy of the space, given the latents (N, D) of the faces that it is shown."""
    subject = EvaluationSession(facespace.load(folder), asked.data, asked.split, asked.count)
    sizes = {file.name: file.stat().st_size / 1e6 for file in folder.iterdir()}
    again = subject.reconstructions
    psnr = float(per_face(subject.originals, again)["psnr"].mean())
    nats = {}
    for kind in subject.space.card.get("priors", {}):
        prior = subject.space.prior(kind)
        nats[kind] = float(prior.log_prob(torch.from_numpy(z)).mean())
    return Measured((sizes[cards.WEIGHTS], sum(sizes.values())), psnr, again, subject.space.decode(z), nats)


def row(name: str, now: Measured, before: Measured) -> str:
    """A copy's figures, and how they differ from the space as it is."""
    weights, whole = now.megabytes
    words = [
        f"{name:<9} {weights:6.2f} MB of {whole:6.2f}",
        f"PSNR {now.psnr:.3f} dB ({now.psnr - before.psnr:+.4f})",
    ]
    pairs = {
        "reconstructions": (now.reconstructions, before.reconstructions),
        "same latents": (now.decoded, before.decoded),
    }
    for what, (a, b) in pairs.items():
        change = np.abs(a.astype(int) - b)
        words.append(f"{what} {change.max()} at most, {change.mean():.3f} mean")
    for kind, nats in now.nats.items():
        words.append(f"{kind} {nats:.3f} nats ({nats - before.nats[kind]:+.3f})")
    return "  ".join(words)


if __name__ == "__main__":
    main()
