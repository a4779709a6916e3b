"""How often faces that were asked for by attributes show them: the share of new faces that the second attribute network, the scorer,
sees with what was asked for, at several strengths of guidance.

    FACESPACE_IDENTITY=… python benchmarks/conditions.py [SPACE] [--count 96] [--temperature 0.8] [--guidance 1,2,4] [--to FOLDER]

Without SPACE the default space. Each row is a condition, and its last columns say how different the persons still are: the mean cosine
distance between two faces by ArcFace, of the smallest and the largest guidance, where FACESPACE_IDENTITY names its network. The first row
has no condition. The scorer took no part in any training. --to keeps a grid of each cell."""

import argparse
from pathlib import Path

import numpy as np

import facespace
from facespace.image import grids
from facespace.perception.arcface import IdentityNetwork, open_arcface
from facespace.perception.attributes import AttributeClassifier, load_classifier
from facespace.perception.store import SCORER

ASKED = (
    {"Smiling": 1},
    {"Smiling": -1},
    {"Eyeglasses": 1},
    {"Wearing_Hat": 1},
    {"Male": 1},
    {"Male": -1},
    {"Young": 1},
    {"Young": -1},
    {"Black_Hair": 1},
    {"Blond_Hair": 1},
    {"Brown_Hair": 1},
    {"Gray_Hair": 1},
    {"Bald": 1},
    {"Smiling": 1, "Eyeglasses": 1},
    {"Male": -1, "Blond_Hair": 1, "Smiling": 1},
)
GRID, ROW = 24, 12


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("space", nargs="?")
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--guidance", default="1,2,4")
    parser.add_argument("--to", type=Path)
    asked = parser.parse_args()
    space, scorer = facespace.load(asked.space), load_classifier(SCORER)
    arcface, strengths = open_arcface(space.template), [float(text) for text in asked.guidance.split(",")]
    print(f"{asked.count} faces a cell, temperature {asked.temperature:g}, seed 0; seen by the scorer\n")
    heads = " | ".join(f"guidance {strength:g}" for strength in strengths)
    print(f"| condition | without it | {heads} | persons' distance |\n|---|---|{'---|' * len(strengths)}---|")
    plain = space.sample(asked.count, 0, asked.temperature)
    unasked = scorer.probabilities(plain)
    print(f"| none | | {' | '.join('' for _ in strengths)} | {spread(arcface, plain)} |", flush=True)
    for conditions in ASKED:
        cells, distances = [], []
        for strength in strengths:
            faces = space.sample(asked.count, 0, asked.temperature, conditions=conditions, guidance=strength)
            cells.append(shares(scorer, scorer.probabilities(faces), conditions))
            distances.append(spread(arcface, faces))
            if asked.to:
                keep(faces, conditions, strength, asked.to)
        before = shares(scorer, unasked, conditions)
        print(
            f"| {named(conditions)} | {before} | {' | '.join(cells)} | {distances[0]} to {distances[-1]} |",
            flush=True,
        )


def named(conditions: dict[str, int]) -> str:
    """`Smiling, not Male`."""
    return ", ".join(f"{'not ' if sign < 0 else ''}{name}" for name, sign in conditions.items())


def shares(scorer: AttributeClassifier, probabilities: np.ndarray, conditions: dict[str, int]) -> str:
    """The share of faces with each attribute asked for, as `94 and 96 %`."""
    found = []
    for name, sign in conditions.items():
        seen = probabilities[:, scorer.names.index(name)] > 0.5
        found.append(f"{np.mean(seen == (sign > 0)):.0%}".rstrip("%"))
    return " and ".join(found) + " %"


def spread(arcface: IdentityNetwork | None, faces: np.ndarray) -> str:
    """The mean cosine distance between two different faces; an empty cell without the network."""
    if arcface is None:
        return ""
    persons, count = arcface(faces), len(faces)
    alike = (persons.sum(0) ** 2).sum() - count
    return f"{1 - alike / (count * (count - 1)):.2f}"


def keep(faces: np.ndarray, conditions: dict[str, int], strength: float, to: Path) -> None:
    """Writes the first faces as a grid."""
    to.mkdir(parents=True, exist_ok=True)
    name = "-".join(f"{'no-' if sign < 0 else ''}{name}" for name, sign in conditions.items())
    grids.save_still(grids.grid(faces[:GRID], ROW), to / f"{name}-{strength:g}.png")


if __name__ == "__main__":
    main()
