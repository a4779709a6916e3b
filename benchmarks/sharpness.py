"""How much fine detail a space keeps: of reconstructions and samples, against the photographs; and a sheet of them. The
figures and the picture of docs/blur.md. Shows what the space decodes, never a photograph.

    python benchmarks/sharpness.py SPACE SET PICTURE      (a space with a fitted mixture: facespace fit-prior)"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import facespace
from facespace.image import grids

FACES, SHOWN = 200, 5


def detail(faces: np.ndarray) -> float:
    """The mean absolute Laplacian of faces uint8 (N, H, W, C) in gray, values in [0, 1]."""
    gray = faces.astype(float).mean(-1) / 255
    middle = gray[:, 1:-1, 1:-1]
    around = gray[:, :-2, 1:-1] + gray[:, 2:, 1:-1] + gray[:, 1:-1, :-2] + gray[:, 1:-1, 2:]
    return float(np.abs(4 * middle - around).mean())


def main(space_path: str, set_path: str, picture: str) -> None:
    """Prints a line for each kind of faces, and saves the sheet."""
    space, faces = facespace.load(space_path), facespace.FaceSet(set_path)
    unseen, learned = (faces.images[faces.rows(split)[:FACES]] for split in ("test", "train"))
    decoded = {
        "Reconstructions of unseen faces": space.reconstruct(unseen),
        "Samples from the prior N(0, I)": space.sample(FACES, prior="model"),
        "Samples from the prior, temperature 0.6": space.sample(FACES, prior="model", temperature=0.6),
        "Samples from a fitted mixture of Gaussians": space.sample(FACES, prior="mixture"),
    }
    others = {
        "Photographs, unseen": unseen,
        "Photographs, of training": learned,
        "Reconstructions of training faces": space.reconstruct(learned),
        "Samples from the mixture at temperature 0.6": space.sample(FACES, prior="mixture", temperature=0.6),
    }
    for name, stack in {**others, **decoded}.items():
        print(f"{detail(stack):.4f}  {name}")
    sheet = grids.labelled_rows([(name, stack[:SHOWN]) for name, stack in decoded.items()], SHOWN)
    small = sheet.resize((round(sheet.width * 0.58), round(sheet.height * 0.58)), Image.Resampling.BICUBIC)
    grids.save_still(small.quantize(160, dither=Image.Dither.NONE), Path(picture))


if __name__ == "__main__":
    main(*sys.argv[1:])
