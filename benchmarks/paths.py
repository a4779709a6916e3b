"""Paths between photographs of profiles and of frontal faces, compared: where does a morph lead through faces that are none?

    python benchmarks/paths.py SPACE SET PHOTOGRAPHS [--pairs 20] [--paths linear,flow …] [--measures prior,re-encoding …]
        [--frames 16] [--strips FOLDER]

SET is a prepared set of CelebA with the crop of the space, PHOTOGRAPHS the folder of its aligned pictures, in which YuNet
(FACESPACE_YUNET) finds the points of each face. A face of the test split is a profile where the nose lies far from the middle of
the eyes, and frontal where it lies near. Prints for each path the mean over the pairs, and the worst pair, of these measures of
its worst frame. All but `identity` look at the middle half of the path alone, since the ends are the same on every path:

* prior: the lowest log-density of three frames, nats, under the space's fitted prior;
* mixture: the lowest log-density, nats, under a Gaussian mixture that is fitted to one half of the training faces and that no
  path uses;
* re-encoding: the largest error with which a frame's face, encoded, gives the latent back, relative to the distance of the two
  ends from the mean: what the decoder makes of a latent where it is not good is not what that latent says;
* reconstruction: the largest distance between a frame and its own reconstruction, by LPIPS (FACESPACE_LPIPS): damage is no part
  of a face, and the space does not reproduce it;
* features: the largest distance of a frame to the nearest of 800 reconstructions of validation faces, in features of the
  attribute network, over the mean of this distance for reconstructions of other test faces; 1 is an ordinary reconstruction;
* discriminator: the lowest score of the space's discriminator;
* identity: the largest step between frames of the whole path over the mean step, in ArcFace embeddings where FACESPACE_IDENTITY
  names the network, else in features of the attribute network.

The last column is seconds of processor time a pair, in which 16 frames are found and decoded at an even pace, as in a morph. The path
`geodesic` follows the density that morphs of the space follow: of a flow the Gaussian of its latents. `geodesic-mixture` follows
a mixture that is fitted to the other half of the training faces, `geodesic-flow` the flow itself, which takes minutes a pair.
`flow` are lines in the noise of the flow, `flow-circles` great circles.

--strips keeps a picture of each path for four pairs: what the space decodes, no photograph."""

import argparse
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

import facespace
from facespace.core.console import quiet
from facespace.data.faces import FaceSet, evenly_spaced
from facespace.image import grids, sheets
from facespace.image.animation import blurred_distance
from facespace.image.detectors import open_detector
from facespace.image.photos import read_photo
from facespace.latent.morph import PathGeometry, PathSpec, frame_positions
from facespace.latent.paths import lerp, slerp
from facespace.models.priors import Mixture, Prior
from facespace.perception.arcface import open_identity
from facespace.perception.attributes import load_classifier
from facespace.perception.lpips import open_lpips
from facespace.space.geodesic import density_guide, geodesic
from facespace.space.noise_paths import noise_paths
from facespace.training.discriminators import load_discriminator

LEARNED = 4_000  # training faces of the two mixtures
SEARCHED = 300  # test faces whose points are found
PROFILE, FRONTAL = 0.30, 0.04  # distance of the nose from the middle of the eyes, in eye distances
REFERENCES, OTHERS = 800, 150
SHOWN, STEPS = 4, 9  # pairs and frames of a strip
PATHS = "linear,spherical,geodesic,flow-circles,flow"
Measure = Callable[[np.ndarray, np.ndarray], float]  # latents (F, D) and frames (F, H, W, C) of a path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("space", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--paths", default=PATHS)
    parser.add_argument("--measures", default=",".join(MEASURES))
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--strips", type=Path)
    asked = parser.parse_args()
    torch.set_grad_enabled(False)
    judge = Judge(facespace.load(asked.space), FaceSet(asked.set))
    pairs = profile_pairs(judge, asked.photographs, asked.pairs)  # (P, 2, D)
    names, measures = asked.paths.split(","), asked.measures.split(",")
    print(f"{len(pairs)} pairs, {asked.frames} frames each")
    print("path | " + " | ".join(f"{name} | worst pair" for name in measures) + " | s")
    strips: dict[str, list[np.ndarray]] = {}
    for name in names:
        rows, strips[name] = [], []
        for pair in pairs:
            start = time.process_time()
            z = judge.path(pair, name, asked.frames)
            frames = judge.space.decode(z)
            seconds = time.process_time() - start
            rows.append([*(MEASURES[measure][0](judge, z, frames) for measure in measures), seconds])
            strips[name].append(frames[np.linspace(0, len(frames) - 1, STEPS).round().astype(int)])
        print(line(name, measures, np.array(rows)), flush=True)
    for shown in range(min(SHOWN, len(pairs)) if asked.strips else 0):
        stack = np.concatenate([strips[name][shown] for name in names])
        sheet = sheets.sheet(stack, STEPS, sheets.Labels(rows=names), scale=4)
        grids.save_still(sheet, asked.strips / f"pair-{shown + 1}.png")


def line(name: str, measures: list[str], rows: np.ndarray) -> str:
    """A row of the table: means over the pairs, and the worst pair."""
    cells = [name]
    for measure, values in zip(measures, rows.T):
        worst = values.min() if MEASURES[measure][1] else values.max()
        cells += [f"{values.mean():.3g}", f"{worst:.3g}"]
    return " | ".join([*cells, f"{rows[:, -1].mean():.2f}"])


class Judge:
    """What bends and measures the paths of a space; each part is opened where it is first needed."""

    def __init__(self, space: facespace.FaceSpace, faces: FaceSet) -> None:
        self.space, self.faces, self.prior = space, faces, space.prior()

    def images(self, split: str, count: int) -> np.ndarray:
        """At most so many faces of a split, evenly spaced."""
        return self.faces.images[evenly_spaced(self.faces.rows(split), count)]

    @cached_property
    def mixtures(self) -> tuple[Prior, Prior]:
        """Mixtures fitted to two halves of the training faces."""
        learned = torch.from_numpy(self.space.encode(self.images("train", LEARNED)))
        fitted = Mixture(self.space.latent_dim, 2), Mixture(self.space.latent_dim, 2)
        with quiet():
            fitted[0].fit(learned[::2])
            fitted[1].fit(learned[1::2])
        return fitted

    @cached_property
    def references(self) -> tuple[np.ndarray, float]:
        """Features of reconstructions, and the mean distance of others to the nearest of these."""
        network = load_classifier()
        found = network(self.space.reconstruct(self.images("validation", REFERENCES)))
        others = network(self.space.reconstruct(self.images("test", OTHERS)))
        return found, float(nearest(others, found).mean())

    @cached_property
    def identity_network(self) -> Callable[[np.ndarray], np.ndarray]:
        """ArcFace, else the attribute network."""
        known = self.space.reconstruct(self.images("validation", 50))
        return open_identity(self.space.template, load_classifier(), known)

    @cached_property
    def discriminator_score(self) -> Callable:
        """The score of the space's discriminator."""
        return load_discriminator(self.space.folder).score

    @cached_property
    def lpips(self) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """LPIPS of pairs of faces."""
        return open_lpips()

    def path(self, pair: np.ndarray, name: str, frames: int) -> np.ndarray:
        """Latents (frames, D) between two at an even pace, as in a morph."""
        kind, _, guide = name.partition("-")
        way = PathSpec(path=kind)
        follow = {"mixture": lambda: self.mixtures[0], "flow": lambda: self.prior}
        followed = follow.get(guide, lambda: density_guide(self.prior))()
        center = self.prior.mean.numpy()
        blend = slerp if guide == "circles" else lerp
        geometry = PathGeometry(center, geodesic(followed), lambda a, b: noise_paths(self.prior, blend)(a, b))
        walk = way.path_function(pair, geometry)

        def steps(where: np.ndarray) -> np.ndarray:
            faces = self.space.decode(walk(where).astype(np.float32))
            return blurred_distance(faces[:-1], faces[1:])

        return walk(frame_positions(frames, 1, way, steps)).astype(np.float32)


def middle(rows: np.ndarray) -> np.ndarray:
    """The middle half of a path's frames."""
    quarter = len(rows) // 4
    return rows[quarter:-quarter]


def prior_density(judge: Judge, z: np.ndarray, frames: np.ndarray) -> float:
    part = middle(z)
    places = np.linspace(0, len(part) - 1, 3).round().astype(int)
    return float(judge.prior.log_prob(torch.from_numpy(part[places])).min())


def mixture_density(judge: Judge, z: np.ndarray, frames: np.ndarray) -> float:
    return float(judge.mixtures[1].log_prob(torch.from_numpy(middle(z))).min())


def reencoding(judge: Judge, z: np.ndarray, frames: np.ndarray) -> float:
    away = np.linalg.norm(z[[0, -1]] - judge.prior.mean.numpy(), axis=1).mean()
    return float(np.linalg.norm(judge.space.encode(middle(frames)) - middle(z), axis=1).max() / away)


def reconstruction(judge: Judge, z: np.ndarray, frames: np.ndarray) -> float:
    return float(judge.lpips(middle(frames), judge.space.reconstruct(middle(frames))).max())


def features(judge: Judge, z: np.ndarray, frames: np.ndarray) -> float:
    found, ordinary = judge.references
    return float(nearest(load_classifier()(middle(frames)), found).max() / ordinary)


def discriminator(judge: Judge, z: np.ndarray, frames: np.ndarray) -> float:
    image = torch.from_numpy(middle(frames)).permute(0, 3, 1, 2).float() / 255
    return float(np.asarray(judge.discriminator_score(image)).min())


def identity(judge: Judge, z: np.ndarray, frames: np.ndarray) -> float:
    steps = np.linalg.norm(np.diff(judge.identity_network(frames), axis=0), axis=1)
    return float(steps.max() / steps.mean())


# Each measure, and whether a low value is a bad one.
MEASURES = {
    "prior": (prior_density, True),
    "mixture": (mixture_density, True),
    "re-encoding": (reencoding, False),
    "reconstruction": (reconstruction, False),
    "features": (features, False),
    "discriminator": (discriminator, True),
    "identity": (identity, False),
}


def nearest(found: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The distance (N,) of each feature vector (N, F) to the nearest of (R, F)."""
    squares = (found**2).sum(1)[:, None] + (references**2).sum(1) - 2 * found @ references.T
    return np.sqrt(np.maximum(squares.min(1), 0))


def profile_pairs(judge: Judge, photographs: Path, count: int) -> np.ndarray:
    """Latents (P, 2, D) of profiles, each with a frontal face of another person."""
    faces, detector, profiles, frontal = judge.faces, open_detector("yunet"), [], []
    for row in evenly_spaced(faces.rows("test"), SEARCHED).tolist():
        found = detector(read_photo(photographs / str(faces.ids[row])))
        if not found:
            continue
        left, right, nose = found[0].points[:3]
        turned = abs((nose - (left + right) / 2) @ (right - left)) / ((right - left) @ (right - left))
        if turned > PROFILE:
            profiles.append((turned, row))
        elif turned < FRONTAL:
            frontal.append(row)
    profiles.sort(reverse=True)
    print(f"{len(profiles)} profiles and {len(frontal)} frontal faces among {SEARCHED}")
    rows = [[row, other] for (_, row), other in zip(profiles[:count], frontal)]
    return judge.space.encode(faces.images[np.array(rows).ravel()]).reshape(len(rows), 2, -1)


if __name__ == "__main__":
    main()
