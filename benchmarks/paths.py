"""Paths between photographs of profiles and of frontal faces, compared: where does a morph lead through faces that are none?

    python benchmarks/paths.py SPACE SET PHOTOGRAPHS [--pairs 20] [--paths linear,geodesic …] [--prior flow]
        [--frames 16] [--strips FOLDER]

SET is a prepared set of CelebA with the crop of the space, PHOTOGRAPHS the folder of its aligned pictures, in which YuNet
(FACESPACE_YUNET) finds the points of each face. A face of the test split is a profile where the nose lies far from the middle of
the eyes, and frontal where it lies near. Prints for each path, over the pairs, and for the frames of its middle half, since the ends are the same on every path:

* density: the lowest log-density on the path, nats, under a Gaussian mixture that is fitted to the posterior means of one half
  of the training faces and that none of the paths uses;
* typicality: the largest distance of a frame to the nearest of 800 reconstructions of validation faces, in features of the
  attribute network, over the mean of this distance for reconstructions of other test faces; 1 is an ordinary reconstruction;
* discriminator: the lowest score of the space's discriminator, where there is one;
* identity: the largest step between frames of the whole path over the mean step, in ArcFace embeddings where FACESPACE_IDENTITY names the network,
  else in features of the attribute network;
* seconds of processor time a pair, in which the frames are found and decoded, at a uniform pace.

The path `geodesic` follows the density that morphs of the space follow: of a flow the Gaussian of its latents. `geodesic-mixture`
follows a mixture that is fitted to the other half of the training faces, `geodesic-flow` the flow itself, which takes minutes a
pair.

--strips keeps a picture of each path for four pairs: what the space decodes, no photograph."""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import facespace
from facespace.core.console import quiet
from facespace.core.errors import FacespaceError
from facespace.data.faces import FaceSet, evenly_spaced
from facespace.image import grids, sheets
from facespace.image.detectors import open_detector
from facespace.image.photos import read_photo
from facespace.latent.morph import PathGeometry, PathSpec, frame_positions
from facespace.models.priors import Mixture, Prior
from facespace.perception.arcface import open_identity
from facespace.perception.attributes import load_classifier
from facespace.perception.interface import FaceNetwork
from facespace.space.geodesic import density_guide, geodesic
from facespace.space.noise_paths import noise_paths
from facespace.training.discriminators import load_discriminator

LEARNED = 4_000  # training faces of the two mixtures
SEARCHED = 300  # test faces whose points are found
PROFILE, FRONTAL = 0.30, 0.04  # distance of the nose from the middle of the eyes, in eye distances
REFERENCES, OTHERS = 800, 150
SHOWN, STEPS = 4, 9  # pairs and frames of a strip


class Judges(NamedTuple):
    """What bends and measures a path."""

    guides: dict[str, Prior]  # of the geodesic paths
    mixture: Prior
    prior: Prior
    features: FaceNetwork
    references: np.ndarray  # (R, F) features of reconstructions
    ordinary: float  # distance of other reconstructions to the nearest of these
    identity: FaceNetwork
    discriminator: object | None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("space", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--paths", default="linear,spherical,geodesic,geodesic-mixture,flow")
    parser.add_argument("--prior")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--strips", type=Path)
    asked = parser.parse_args()
    torch.set_grad_enabled(False)
    space, faces = facespace.load(asked.space), FaceSet(asked.set)
    pairs = profile_pairs(space, faces, asked.photographs, asked.pairs)  # (P, 2, D)
    print(f"{len(pairs)} pairs, {asked.frames} frames each")
    judges = open_judges(space, faces, asked.prior)
    names = [*asked.paths.split(",")]
    print(HEADER)
    strips: dict[str, list[np.ndarray]] = {}
    for name in names:
        rows, strips[name] = [], []
        for pair in pairs:
            start = time.process_time()
            z = path_latents(judges, pair, name, asked.frames)
            frames = space.decode(z)
            seconds = time.process_time() - start
            rows.append([*measure(judges, z, frames), seconds])
            strips[name].append(frames[np.linspace(0, len(frames) - 1, STEPS).round().astype(int)])
        print(line(name, np.array(rows)), flush=True)
    if asked.strips:
        for shown in range(min(SHOWN, len(pairs))):
            stack = np.concatenate([strips[name][shown] for name in names])
            sheet = sheets.sheet(stack, STEPS, sheets.Labels(rows=names), scale=4)
            grids.save_still(sheet, asked.strips / f"pair-{shown + 1}.png")


HEADER = (
    "path | lowest density | worst pair | least typical frame | worst pair | discriminator | identity | s"
)


def line(name: str, rows: np.ndarray) -> str:
    """A row of the table: means over the pairs."""
    density, typical, score, identity, seconds = rows.mean(0)
    return (
        f"{name} | {density:.1f} | {rows[:, 0].min():.1f} | {typical:.3f} | {rows[:, 1].max():.3f} | {score:.3f} | "
        f"{identity:.2f} | {seconds:.2f}"
    )


def path_latents(judges: Judges, pair: np.ndarray, name: str, frames: int) -> np.ndarray:
    """Latents (frames, D) between two, in equal steps along the path."""
    kind, _, guide = name.partition("-")
    way = PathSpec(path=kind, pace="uniform")
    follow = geodesic(judges.guides[guide])
    geometry = PathGeometry(judges.prior.mean.numpy(), follow, noise_paths(judges.prior))
    return way.path_function(pair, geometry)(frame_positions(frames, 1, way)).astype(np.float32)


def measure(judges: Judges, z: np.ndarray, frames: np.ndarray) -> list[float]:
    """Lowest log-densities, atypicality and discriminator score of the worst frame, and the identity's largest step."""
    quarter = (
        len(z) // 4
    )  # the ends are the same on every path, and a profile is the least typical face of most
    seen = judges.identity(frames)
    z, frames = z[quarter:-quarter], frames[quarter:-quarter]
    latents = torch.from_numpy(z)
    density = float(judges.mixture.log_prob(latents).min())
    far = nearest(judges.features(frames), judges.references).max() / judges.ordinary
    score = float("nan")
    if judges.discriminator is not None:
        image = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        score = float(np.asarray(judges.discriminator(image)).min())
    seen = seen / np.linalg.norm(seen, axis=1, keepdims=True)
    steps = np.linalg.norm(np.diff(seen, axis=0), axis=1)
    return [density, float(far), score, float(steps.max() / steps.mean())]


def nearest(found: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The distance (N,) of each feature vector (N, F) to the nearest of (R, F)."""
    squares = (found**2).sum(1)[:, None] + (references**2).sum(1) - 2 * found @ references.T
    return np.sqrt(np.maximum(squares.min(1), 0))


def open_judges(space: facespace.FaceSpace, faces: FaceSet, prior: str | None) -> Judges:
    """A mixture fitted to training faces, the attribute network and reconstructions for it, ArcFace, a discriminator."""
    learned = torch.from_numpy(space.encode(faces.images[evenly_spaced(faces.rows("train"), LEARNED)]))
    guide, mixture = Mixture(space.latent_dim, 2), Mixture(space.latent_dim, 2)
    with quiet():
        guide.fit(learned[::2])
        mixture.fit(learned[1::2])
    network = load_classifier()
    known = space.reconstruct(faces.images[evenly_spaced(faces.rows("validation"), REFERENCES)])
    others = space.reconstruct(faces.images[evenly_spaced(faces.rows("test"), OTHERS)])
    references = network(known)
    ordinary = float(nearest(network(others), references).mean())
    identity = open_identity(space.template, network, known[:50], None)
    try:
        discriminator = load_discriminator(space.folder).score
    except FacespaceError:
        discriminator = None
    print(f"identity: {identity.about}; discriminator: {'yes' if discriminator else 'none'}")
    flow = space.prior(prior)
    guides = {"": density_guide(flow), "mixture": guide, "flow": flow}
    return Judges(guides, mixture, flow, network, references, ordinary, identity, discriminator)


def profile_pairs(space: facespace.FaceSpace, faces: FaceSet, photographs: Path, count: int) -> np.ndarray:
    """Latents (P, 2, D) of profiles, each with a frontal face of another person."""
    detector, profiles, frontal = open_detector("yunet"), [], []
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
    z = space.encode(faces.images[np.array(rows).ravel()])
    return z.reshape(len(rows), 2, -1)


if __name__ == "__main__":
    main()
