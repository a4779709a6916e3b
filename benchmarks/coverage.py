"""Whether a prior draws the rare faces too, and whether it draws its training faces again.

    FACESPACE_IDENTITY=… python benchmarks/coverage.py SET [SPACE] [--count 1200] [--temperature 1] [--labels 1.5] [--copies 400] [--to FOLDER]

Without SPACE the default space. With --labels each new face is drawn under the labels of a training face of SET, with that guidance, and
not from the prior alone. The first table has the share of groups in the test faces of SET, in their reconstructions and in new
faces: by attributes that the second attribute network, the scorer, sees, and by how light the skin is: each tenth and each fifth
of the test faces by the mean lightness of their cheeks. The second has, of new faces and of test faces, the cosine to the nearest training face
by ArcFace, and how many are nearer than 1 % of the test faces are. --to keeps a picture of the five nearest new faces
above those training faces, which are photographs: it is to look at, and not to pass on."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Generator

import facespace
from facespace.data.faces import FaceSet
from facespace.evaluation.session import EvaluationSession
from facespace.image import grids
from facespace.models.flow import Condition
from facespace.perception.arcface import open_arcface
from facespace.perception.attributes import load_classifier
from facespace.perception.store import SCORER
from facespace.space.face_space import FaceSpace

GROUPS = {
    "women": ("Male", False),
    "men": ("Male", True),
    "not young": ("Young", False),
    "gray hair": ("Gray_Hair", True),
    "bald": ("Bald", True),
    "chubby": ("Chubby", True),
    "glasses": ("Eyeglasses", True),
    "hat": ("Wearing_Hat", True),
    "beard": ("No_Beard", False),
    "pale skin": ("Pale_Skin", True),
}
# Cheeks of a prepared face, as shares of its height and width: below the eyes, beside the nose.
CHEEK_ROWS, CHEEKS = (0.54, 0.66), ((0.28, 0.4), (0.6, 0.72))
LUMA = np.array([0.2126, 0.7152, 0.0722])
SKIN = {
    "darkest tenth": (0, 0.1),
    "darkest fifth": (0, 0.2),
    "lightest fifth": (0.8, 1),
    "lightest tenth": (0.9, 1),
}
NEAR, SHOWN, BATCH, CHUNK = 0.01, 5, 2000, 100


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("space", nargs="?")
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--labels", type=float, help="a guidance")
    parser.add_argument("--copies", type=int, default=400)
    parser.add_argument("--to", type=Path)
    asked = parser.parse_args()
    session = EvaluationSession(facespace.load(asked.space), asked.data, "test", asked.count)
    count = max(asked.count, asked.copies)
    if asked.labels is None:
        new = session.space.sample(count, 0, asked.temperature)
    else:
        new = under_labels(session.space, session.faces, count, asked.labels, asked.temperature)
    columns = {
        "test faces": session.originals,
        "reconstructions": session.reconstructions,
        "new faces": new[: asked.count],
    }
    print(
        f"{len(session.originals):,} test faces, {asked.count:,} new ones, temperature {asked.temperature:g}, seed 0\n"
    )
    print(f"| group | {' | '.join(columns)} |\n|---|---|---|---|")
    for name, cells in group_rows(columns):
        print(f"| {name} | {' | '.join(f'{cell:.1%}' for cell in cells)} |")
    print()
    for row in copy_rows(session, new[: asked.copies], asked.to):
        print(row, flush=True)


def under_labels(
    space: FaceSpace, faces: FaceSet, count: int, guidance: float, temperature: float = 1.0
) -> np.ndarray:
    """New faces, uint8 (count, H, W, C), each drawn under all labels of a random training face: ancestral sampling."""
    flow, signs = space.prior("flow"), faces.attribute_signs("train")
    columns = [faces.attribute_names.index(name) for name in flow.conditions]
    chosen = np.random.default_rng(0).choice(len(signs), count, replace=False)
    labels = torch.from_numpy(signs[np.ix_(chosen, columns)].astype(np.float32))
    noise = flow.scaled(flow.initial_noise(count, Generator().manual_seed(0)), temperature)
    parts = []
    with torch.inference_mode():
        for start in range(0, count, CHUNK):
            part = slice(start, start + CHUNK)
            parts.append(flow.transport(noise[part], Condition(labels[part].to(flow.center), guidance)))
    return space.decode(torch.cat(parts).float().cpu().numpy())


def group_rows(columns: dict[str, np.ndarray]) -> Iterator[tuple[str, list[float]]]:
    """The share of each group in each column."""
    scorer = load_classifier(SCORER)
    seen = [scorer.probabilities(faces) > 0.5 for faces in columns.values()]
    for name, (attribute, present) in GROUPS.items():
        place = scorer.names.index(attribute)
        yield name, [float(np.mean(found[:, place] == present)) for found in seen]
    skins = [lightness(faces) for faces in columns.values()]
    for name, ends in SKIN.items():
        low, high = np.quantile(skins[0], ends)
        low, high = (-np.inf if ends[0] == 0 else low), (np.inf if ends[1] == 1 else high)
        yield f"skin: {name}", [float(np.mean((skin > low) & (skin <= high))) for skin in skins]


def lightness(faces: np.ndarray) -> np.ndarray:
    """The mean luma of both cheeks, (N,) in [0, 255]."""
    height, width = faces.shape[1:3]
    rows = slice(*(round(share * height) for share in CHEEK_ROWS))
    parts = [faces[:, rows, round(a * width) : round(b * width)] for a, b in CHEEKS]
    return np.mean([part.mean((1, 2)) @ LUMA for part in parts], axis=0)


def copy_rows(session: EvaluationSession, new: np.ndarray, to: Path | None) -> Iterator[str]:
    """How near the nearest training face is, and a picture of the nearest."""
    arcface = open_arcface(session.space.template)
    if arcface is None:
        yield "Copies are looked for by ArcFace: let FACESPACE_IDENTITY name its network."
        return
    faces, rows = session.faces, session.faces.rows("train")
    parts = [
        arcface(session.space.target(session.pixels(rows[start : start + BATCH])))
        for start in range(0, len(rows), BATCH)
    ]
    train = np.concatenate(parts)
    alike = {"new faces": arcface(new) @ train.T, "test faces": arcface(session.originals) @ train.T}
    nearest = {name: found.max(1) for name, found in alike.items()}
    threshold = np.quantile(nearest["test faces"], 1 - NEAR)
    yield f"| compared with {len(train):,} training faces of {faces.name} | median | highest | nearer than {NEAR:.0%} of test faces |"
    yield "|---|---|---|---|"
    for name, found in nearest.items():
        yield f"| {len(found):,} {name} | {np.median(found):.3f} | {found.max():.3f} | {np.mean(found > threshold):.1%} |"
    if to:
        to.mkdir(parents=True, exist_ok=True)
        best = np.argsort(-nearest["new faces"])[:SHOWN]
        matches = rows[alike["new faces"][best].argmax(1)]
        found = np.stack([session.pixels(np.array([row]))[0] for row in matches])
        grids.save_still(
            grids.grid(np.concatenate([new[best], session.space.target(found)]), SHOWN), to / "nearest.png"
        )


if __name__ == "__main__":
    main()
