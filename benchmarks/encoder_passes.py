"""What further passes of a space's encoder bring (model.refinement_steps), and steps of optimisation: reconstructions, and edits of them.

    FACESPACE_LPIPS=… FACESPACE_IDENTITY=… python benchmarks/encoder_passes.py SET [SPACE] [--passes 4] [--optimize 10,30] [--size 64] [--count 200]
        [--edited 48]

Without SPACE the default space. The first table has, for each number of passes, and of steps of `facespace edit --optimize-steps` after the
space's own passes, identity of reconstructions of test faces by ArcFace, LPIPS and
PSNR at --size, and how far the latents lie from those of one pass. The second has, for test faces without an attribute that were edited, the share in which
the scorer, the second attribute network, sees it, and the
identity to the photograph and to the unedited reconstruction, with one pass, with two, and after the most steps."""

import argparse
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

import facespace
from facespace.data.faces import evenly_spaced
from facespace.evaluation.reconstruction import measure_reconstruction
from facespace.evaluation.session import EvaluationSession
from facespace.perception.arcface import IdentityNetwork, open_arcface
from facespace.perception.attributes import load_classifier
from facespace.perception.lpips import lpips_if_available
from facespace.perception.store import SCORER
from facespace.space.face_space import FaceSpace

EDITS = {
    "Smiling": (2, 2.5),
    "Eyeglasses": (3, "1g", 4),
    "Eyeglasses-clear": ("1g",),
}  # of faces without: sd, class gaps


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("space", nargs="?")
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--optimize", default="", help="numbers of steps, with commas between")
    parser.add_argument("--size", type=int)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--edited", type=int, default=48)
    asked = parser.parse_args()
    asked.optimize = [int(steps) for steps in asked.optimize.split(",") if steps]
    space = facespace.load(asked.space)
    arcface = open_arcface(space.target_template)
    if arcface is None:
        raise SystemExit("Identity is measured by ArcFace: let FACESPACE_IDENTITY name its network.")
    reconstructions(space, arcface, asked)
    edits(space, arcface, asked)


def reconstructions(space: FaceSpace, arcface: IdentityNetwork, asked: argparse.Namespace) -> None:
    """The first table."""
    session = EvaluationSession(space, asked.data, "test", asked.count, size=asked.size)
    faces = session.pixels(session.rows)
    persons, first, lpips = arcface(space.target(faces)), encoded(space, faces, 1), lpips_if_available()
    print(
        "| passes, steps | identity | LPIPS (AlexNet) | PSNR | distance from one pass |\n|---|---|---|---|---|"
    )
    for way, z in latents(space, faces, range(1, asked.passes + 1), asked.optimize):
        found = measure_reconstruction(session.originals, session.space.decode(z), lpips)
        alike = (persons * arcface(space.decode(z))).sum(1).mean()
        moved = np.linalg.norm(z - first, axis=1).mean()
        perceived = "" if found.lpips is None else f"{found.lpips:.4f}"
        print(f"| {way} | {alike:.3f} | {perceived} | {found.psnr:.2f} dB | {moved:.2f} |", flush=True)


def latents(
    space: FaceSpace, faces: np.ndarray, passes: Iterable[int], steps: Iterable[int]
) -> Iterator[tuple[str, np.ndarray]]:
    """The latents (N, D) of faces after so many passes, and after the space's own and so many steps."""
    for count in passes:
        yield f"{count}", encoded(space, faces, count)
    own = space.config.refinement_steps
    for count in steps:
        yield f"{own}, {count} steps", space.optimize(faces, encoded(space, faces, own), count)


def edits(space: FaceSpace, arcface: IdentityNetwork, asked: argparse.Namespace) -> None:
    """The second table."""
    scorer, session = load_classifier(SCORER), EvaluationSession(space, asked.data, "test", None)
    signs, names = session.faces.attribute_signs("test"), session.faces.attribute_names
    print(
        "\n| edit | passes, steps | seen | identity to the photograph | to the unedited face |\n|---|---|---|---|---|"
    )
    for name, strengths in EDITS.items():
        attribute = name.partition("-")[0]
        bare = evenly_spaced(np.flatnonzero(signs[:, names.index(attribute)] < 0), asked.edited)
        faces = session.pixels(session.rows[bare])
        persons = arcface(space.target(faces))
        for way, z in latents(space, faces, (1, 2), asked.optimize[-1:]):
            before = arcface(space.decode(z))
            for strength in strengths:
                edited = space.decode(space.edit(z, {name: strength}))
                seen = (scorer.probabilities(edited)[:, scorer.names.index(attribute)] > 0.5).mean()
                after = arcface(edited)
                alike = [f"{(others * after).sum(1).mean():.3f}" for others in (persons, before)]
                print(f"| {name} {strength} | {way} | {seen:.0%} | {' | '.join(alike)} |", flush=True)


def encoded(space: FaceSpace, faces: np.ndarray, passes: int) -> np.ndarray:
    """Latents (N, D) by so many passes of the encoder."""
    model = space.model
    own, model.config = model.config, dataclasses.replace(model.config, refinement_steps=passes)
    try:
        return space.torch_engine.encode(faces, space.attribute_values(None))
    finally:
        model.config = own


if __name__ == "__main__":
    main()
