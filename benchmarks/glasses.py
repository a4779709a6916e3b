"""How well glasses can be put on: the ceiling that reconstructions set, and edits along directions found in different ways.

    python benchmarks/glasses.py SPACE SET [--count 48] [--identity ARCFACE.onnx] [--latents FILE.npz] [--to FOLDER]

Prints, for test faces: how many wearers the second attribute network, the scorer, sees to wear glasses in the photographs and in
their reconstructions, and how many others; and how much of the identity a reconstruction keeps of a face with glasses drawn on.
Then, for faces without glasses edited along each direction: the share seen with
glasses and the identity kept (cosine to the reconstruction) at one class gap, where 75 % are first seen, and by the closed loop,
which the first attribute network steers and each direction starts. --to keeps a strip of each direction, --latents the
encoded faces of each split for the next time. Paired directions that the space keeps from this set are used, others are found.
The scorer finds and steers nothing. The space is not changed."""

import argparse
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import facespace
from facespace.data.faces import SPLITS, FaceSet, evenly_spaced
from facespace.image import grids, overlays
from facespace.latent import directions as finding
from facespace.latent.directions import DECORRELATED, PAIRED, Directions
from facespace.latent.edit import move
from facespace.latent.strengths import gap
from facespace.perception.arcface import IdentityNetwork, open_identity
from facespace.perception.attributes import AttributeClassifier, load_classifier
from facespace.perception.store import SCORER
from facespace.space import direction_fitting
from facespace.space.closed_loop import closed_loop_edit

NAME = "Eyeglasses"
GAPS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
RATE = 0.75
SHOWN, FACES = (0.0, 0.5, 1.0, 1.5), 3  # gaps and faces of a strip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--identity", type=Path)
    parser.add_argument("--latents", type=Path)
    parser.add_argument("--to", type=Path)
    asked = parser.parse_args()
    space, faces = facespace.load(asked.space), FaceSet(asked.set)
    latents = encoded(space, faces, asked.latents)
    space.posterior_means = lambda faces, split: latents[split]  # type: ignore[method-assign]
    scorer, guide = load_classifier(SCORER), load_classifier()
    rows, signs = faces.rows("test"), faces.attribute_signs("test")[:, faces.attribute_names.index(NAME)]
    z = latents["test"]
    seen = sees(scorer, space.decode(z))
    ceiling(sees(scorer, faces.images[rows]), seen, signs)
    bare = evenly_spaced(np.flatnonzero((signs < 0) & ~seen), asked.count)
    kept = space.decode(z[bare])
    identity = open_identity(space.template, scorer, kept, asked.identity)
    persons = identity(kept)
    print(f"\n{len(bare)} faces without glasses; identity: {identity.about}\n")
    for name, (make, _) in overlays.OVERLAYS.items():
        random, points = np.random.default_rng(0), faces.template.points
        photographs = faces.images[rows[bare]]
        worn = np.stack([overlays.add_glasses(face, points, make(random)) for face in photographs])
        alone = judged(scorer, identity, identity(photographs), worn)
        share, alike = judged(scorer, identity, persons, space.reconstruct(worn))
        print(
            f"{name} drawn onto photographs: seen {alone[0]:.0%}, identity to the photograph {alone[1]:.2f};",
            end=" ",
        )
        print(f"then reconstructed: seen {share:.0%}, identity to the reconstruction {alike:.2f}")
    print()
    print(
        "| direction | gap, sd | at +1 gap: seen | identity | 75 % at, gaps | identity | closed loop: seen | identity |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for label, known, name in found(space, faces):
        length = gap(known, name)
        curve = [
            judged(scorer, identity, persons, space.decode(move(z[bare], known, {name: length * g})))
            for g in GAPS
        ]
        loop = closed_loop(space, guide, known, name, z[bare])
        print(label, [f"{g}: {a:.2f}, {b:.2f}" for g, (a, b) in zip(GAPS, curve)], file=sys.stderr)
        print(row(label, length, curve, judged(scorer, identity, persons, space.decode(loop))), flush=True)
        if asked.to:
            asked.to.mkdir(parents=True, exist_ok=True)
            steps = [move(z[bare[:FACES]], known, {name: length * g}) for g in SHOWN]
            strip = space.decode(np.stack([*steps, loop[:FACES]], 1).reshape(-1, z.shape[1]))
            grids.save_still(grids.grid(strip, len(SHOWN) + 1), asked.to / f"{label.replace(' ', '-')}.png")


def encoded(space: facespace.FaceSpace, faces: FaceSet, file: Path | None) -> dict[str, np.ndarray]:
    """The posterior means (N, D) of each split, read from the file where it is there, else written to it."""
    if file and zipfile.is_zipfile(file):
        with np.load(file) as kept:
            return {split: kept[split] for split in SPLITS}
    latents = {split: space.posterior_means(faces, split) for split in SPLITS}
    if file:
        np.savez(file, **latents)  # type: ignore[arg-type]
    return latents


def sees(net: AttributeClassifier, faces: np.ndarray) -> np.ndarray:
    """Which faces the network sees with glasses, bool (N,)."""
    return net.probabilities(faces)[:, net.names.index(NAME)] >= 0.5


def ceiling(in_photographs: np.ndarray, in_reconstructions: np.ndarray, signs: np.ndarray) -> None:
    """Prints shares of test faces that are seen with glasses."""
    print("| seen with glasses | of photographs | of their reconstructions |\n|---|---|---|")
    for label, kind in (("wearers", signs > 0), ("others", signs < 0)):
        shares = [f"{part[kind].mean():.1%}" for part in (in_photographs, in_reconstructions)]
        print(f"| {kind.sum()} {label} | {shares[0]} | {shares[1]} |")


def found(space: facespace.FaceSpace, faces: FaceSet) -> Iterator[tuple[str, Directions, str]]:
    """Labels, directions and the name of the one that is meant."""
    z, signs = space.posterior_means(faces, "train").astype(np.float64), faces.attribute_signs("train")
    for label, method in (("mean difference", "mean"), ("decorrelated", DECORRELATED), ("probe", "probe")):
        yield label, finding.fit_directions(z, signs, faces.attribute_names, [NAME], method), NAME
    kinds = direction_fitting.from_kinds(space, faces, NAME)
    for name in kinds.names:
        yield f"{name}, cluster", kinds, name
    kept = space.directions()
    for name, label in ((f"{NAME}-clear", "paired clear"), (f"{NAME}-dark", "paired dark"), (NAME, "paired")):
        facts = kept.facts.get(name, {})
        ready = facts.get("method") == PAIRED and facts.get("data") == faces.fingerprint
        yield (
            label,
            kept if ready else direction_fitting.from_overlays(space, faces, name, finding.whitening_of(z)),
            name,
        )


def judged(
    scorer: AttributeClassifier, identity: IdentityNetwork, persons: np.ndarray, faces: np.ndarray
) -> tuple[float, float]:
    """The share of edited faces seen with glasses, and the mean cosine to the unit vectors (N, K) of those they were."""
    return float(sees(scorer, faces).mean()), float((identity(faces) * persons).sum(1).mean())


def closed_loop(
    space: facespace.FaceSpace, guide: AttributeClassifier, known: Directions, name: str, z: np.ndarray
) -> np.ndarray:
    """Latents (N, D) in which the first network sees glasses, started along one direction."""
    place = known.index(name)
    start = Directions((NAME,), known.units[[place]], known.probes[[place]], known.whitening, {})
    return closed_loop_edit(z, space.latent_classifier(guide), {NAME: True}, (), known.whitening.root, start)


def row(label: str, length: float, curve: list[tuple[float, float]], loop: tuple[float, float]) -> str:
    """A line of the table."""
    shares, alike = np.array([(0.0, 1.0), *curve]).T
    gaps, one = np.array([0.0, *GAPS]), GAPS.index(1.0) + 1
    needed, kept = "–", "–"
    if (after := int(np.argmax(shares >= RATE))) > 0:  # between the last strength below and the first above
        part = (RATE - shares[after - 1]) / (shares[after] - shares[after - 1])
        needed, kept = (f"{x[after - 1] + part * (x[after] - x[after - 1]):.2f}" for x in (gaps, alike))
    cells = [label, f"{length:.1f}", f"{shares[one]:.0%}", f"{alike[one]:.2f}", needed, kept]
    return f"| {' | '.join(cells)} | {loop[0]:.0%} | {loop[1]:.2f} |"


if __name__ == "__main__":
    main()
