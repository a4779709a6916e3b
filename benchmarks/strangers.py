"""A stranger's photograph: how much of the person comes back by each way from a photograph to a latent, and after an edit.

    FACESPACE_IDENTITY=… FACESPACE_LPIPS=… python benchmarks/strangers.py PHOTO|FOLDER … [--space SPACE] [--count 12] [--to FOLDER]

The ways are the encoder alone, in one to three passes (model.refinement_steps), and those of `facespace edit` beyond the space's own number of
passes: `--optimize-steps 30`, and `--tune`, which also changes a copy of the decoder, here for each photograph alone. For each: identity, the cosine to the photograph by ArcFace; LPIPS and PSNR of the reconstruction; identity to the
photograph of the face with Smiling=2 (or −2 for a face that smiles already); seconds a photograph, with the detection. Photographs without
a face are left out. --to keeps a picture: a row for each of six faces, with the photograph and all three, and the same with the edit.
The photographs must be ones that nothing was trained on."""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from encoder_passes import encoded

import facespace
from facespace.adaptation.adapter import personalize
from facespace.core.errors import ImageError
from facespace.data.faces import evenly_spaced
from facespace.evaluation.reconstruction import measure_reconstruction
from facespace.image import grids
from facespace.perception.arcface import open_arcface
from facespace.perception.lpips import lpips_if_available
from facespace.space.face_space import FaceSpace

STEPS, STRENGTH, SHOWN = 30, 2.0, 6
PASSES = (1, 2, 3)
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


class Found(NamedTuple):
    """The faces of one way, all uint8 (N, H, W, C)."""

    reconstructed: np.ndarray
    edited: np.ndarray
    seconds: float  # a photograph


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--space")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--to", type=Path)
    asked = parser.parse_args()
    space = facespace.load(asked.space)
    faces, seconds = photographs(space, asked.photos, asked.count)
    own, ways = space.config.refinement_steps, {}
    for passes in PASSES:
        mark = " (the space's own)" if passes == own else ""
        ways[f"encoder, {passes} pass{'es' if passes > 1 else ''}{mark}"] = by_passes(space, faces, passes)
    ways[f"--optimize-steps {STEPS}"] = optimized(space, faces)
    ways["--tune"] = tuned(space, faces)
    originals, lpips, arcface = space.target(faces), lpips_if_available(), open_arcface(space.target_template)
    persons = arcface(originals) if arcface else None
    print(
        f"{len(faces)} photographs, {space.folder.name}; finding and aligning a face takes {seconds:.2f} s\n"
    )
    print(
        "| way | identity | LPIPS (AlexNet) | PSNR | identity, smile edited | seconds |\n|---|---|---|---|---|---|"
    )
    for name, found in ways.items():
        measured = measure_reconstruction(originals, found.reconstructed, lpips)
        alike = ["", ""]
        if arcface and persons is not None:
            pictures = (found.reconstructed, found.edited)
            alike = [f"{(persons * arcface(faces)).sum(1).mean():.3f}" for faces in pictures]
        shown = "" if measured.lpips is None else f"{measured.lpips:.3f}"
        print(
            f"| {name} | {alike[0]} | {shown} | {measured.psnr:.2f} dB | {alike[1]} | {found.seconds:.1f} |"
        )
    if asked.to:
        asked.to.mkdir(parents=True, exist_ok=True)
        made = list(ways.values())
        columns = [originals]
        for found in (made[own - 1], *made[-2:]):
            columns += [found.reconstructed, found.edited]
        some = evenly_spaced(np.arange(len(originals)), SHOWN)
        rows = np.stack([column[some] for column in columns], axis=1)
        grids.save_still(
            grids.grid(rows.reshape(-1, *rows.shape[2:]), len(columns)), asked.to / "strangers.png"
        )


def photographs(space: FaceSpace, paths: list[Path], count: int) -> tuple[np.ndarray, float]:
    """The faces of at most so many photographs as the space takes them, uint8 (N, H, W, C), and the seconds that one takes."""
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    files = [file for file in files if file.suffix.lower() in ENDINGS]
    found, began = [], time.perf_counter()
    for place in evenly_spaced(np.arange(len(files)), count):
        try:
            found += space.read_photos([files[place]])
        except ImageError as error:
            print(error)
    return space.fit(found), (time.perf_counter() - began) / max(1, len(found))


def by_passes(space: FaceSpace, faces: np.ndarray, passes: int) -> Found:
    """By so many passes of the encoder; the space's own number is what `facespace edit` does by itself."""
    began = time.perf_counter()
    return result(space, encoded(space, faces, passes), began)


def optimized(space: FaceSpace, faces: np.ndarray) -> Found:
    """With some steps on the latents, the decoder as it is."""
    began = time.perf_counter()
    return result(space, space.optimize(faces, space.encode(faces), STEPS), began)


def tuned(space: FaceSpace, faces: np.ndarray) -> Found:
    """With a copy of the decoder tuned to each photograph."""
    began = time.perf_counter()
    parts = []
    for place in range(len(faces)):
        own = personalize(space, faces[place : place + 1])
        parts.append(result(own.space, own.latents, began))
    reconstructed, edited = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    return Found(reconstructed, edited, (time.perf_counter() - began) / len(faces))


def result(space: FaceSpace, z: np.ndarray, began: float) -> Found:
    """The reconstructions and the edits of latents (N, D)."""
    reconstructed, directions = space.decode(z), space.directions()
    smiling = directions.scores(z)[:, directions.names.index("Smiling")] > 0
    edited = [
        space.edit(z[place : place + 1], {"Smiling": -STRENGTH if smiles else STRENGTH})
        for place, smiles in enumerate(smiling)
    ]
    return Found(reconstructed, space.decode(np.concatenate(edited)), (time.perf_counter() - began) / len(z))


if __name__ == "__main__":
    main()
