"""Whether new faces are copies of training faces, by nearest neighbours in pixels and in the features of a
network."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from facespace.core.errors import UsageError
from facespace.data.faces import evenly_spaced
from facespace.evaluation.session import Evaluation
from facespace.image import grids
from facespace.perception.inception import Features, cached_features, open_features
from facespace.report.page import Section
from facespace.report.report import GOOD, POOR, Finding

TRAINING_FACES = 5_000  # that samples are compared with
NEIGHBOURS = 50  # training faces whose mean distance is the local scale
QUANTILE = 0.01  # share of unseen faces below the threshold
SHOWN = 16  # samples beside their nearest training face on the page


@dataclass(frozen=True)
class Memorisation:
    """The `share` of samples that lie nearer to a training face than all but 1 % of unseen real faces do
    (`threshold`). Without copies it is about `expected` at most. Medians and the threshold are relative
    distances."""

    share: float
    expected: float
    threshold: float
    median: float
    unseen_median: float
    samples: int
    training_faces: int  # compared with
    unseen: int
    nearest: list[int]  # (N,) number of each sample's nearest training face
    by_attributes: "Memorisation | None" = None  # the same by the features of the attribute network


def measure(evaluation: Evaluation) -> Memorisation | None:
    """The samples against the training faces; None if there are none, or the selected faces are among
    them."""
    session = evaluation.session
    if not len(session.faces.rows("train")) or session.split in ("train", "all"):
        return None
    train, unseen = evaluation.real("train", TRAINING_FACES), session.originals
    network = open_features("attributes", session.space.device)
    by_attributes = measure_memorisation(evaluation.samples, train, unseen, network)
    return replace(measure_memorisation(evaluation.samples, train, unseen), by_attributes=by_attributes)


def section(evaluation: Evaluation, found: Memorisation | None) -> Section | None:
    """Samples above the reconstructions of their nearest training faces."""
    if found is None:
        return None
    pictures, shares = [], []
    kinds = [("light and dark at 16×16 pixels", found)]
    if found.by_attributes:
        kinds.append(("features of the attribute network", found.by_attributes))
    for name, result in kinds:
        caption = f"New faces, and below each the nearest training face (its reconstruction), by {name}."
        pictures.append((caption, _neighbours(evaluation, result)))
        shares.append(f"{result.share:.1%} by {name}")
    text = (
        f"New faces that lie nearer to a training face than {found.expected:.0%} of unseen real faces do: "
        f"{', '.join(shares)}."
    )
    return Section("Copies of training faces", text, pictures)


def _neighbours(evaluation: Evaluation, found: Memorisation) -> Image.Image:
    faces, space = evaluation.session.faces, evaluation.session.space
    rows = evenly_spaced(faces.rows("train"), found.training_faces)[found.nearest[:SHOWN]]
    # Memory-mapped images are read in rising order, and put back into the order of the samples.
    reconstructed = space.reconstruct(faces.images[np.sort(rows)])[np.argsort(np.argsort(rows))]
    return grids.grid(grids.pairs(evaluation.samples[:SHOWN], reconstructed, SHOWN), SHOWN)


def advise(found: Memorisation) -> list[Finding]:
    """Whether the share of near samples is more than chance."""
    share = found.share
    if found.by_attributes:
        share = max(share, found.by_attributes.share)
    fact = (
        f"{share:.1%} of the samples lie nearer to a training face than {found.expected:.0%} of unseen "
        "faces do"
    )
    if share > 3 * found.expected + 0.02:
        change = (
            "Compare the nearest neighbours below. More faces, mirroring (data.flip=true) or fewer epochs "
            "help."
        )
        return [Finding(POOR, f"Some new faces may be copies: {fact}.", change)]
    return [Finding(GOOD, f"New faces are not copies of training faces: {fact}.")]


def measure_memorisation(
    samples: np.ndarray, train: np.ndarray, unseen: np.ndarray, features: Features | None = None
) -> Memorisation:
    """`memorisation` of faces uint8 (N, H, W, C), by a feature network or by their pixels at 16×16."""
    if features:
        return memorisation(
            features(samples), cached_features(features, train), cached_features(features, unseen)
        )
    return memorisation(grids.small_pixels(samples), grids.small_pixels(train), grids.small_pixels(unseen))


def memorisation(samples: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> Memorisation:
    """Whether samples are copies, from features (N, D), (M, D), (H, D). Distances are relative: the distance
    to the nearest training face over the mean to the 50 nearest (Carlini et al., 2023), since blurred samples
    are a little nearer to every face. Raises UsageError for fewer than 2 training or unseen faces."""
    if min(len(train), len(held_out)) < 2:
        raise UsageError("Memorisation needs at least 2 training and 2 unseen faces.")
    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(train)), algorithm="brute").fit(train)
    of_samples, nearest = _relative_distances(index, samples)
    of_unseen, _ = _relative_distances(index, held_out)
    threshold = float(np.quantile(of_unseen, QUANTILE))
    return Memorisation(
        share=float((of_samples < threshold).mean()),
        expected=QUANTILE,
        threshold=threshold,
        median=float(np.median(of_samples)),
        unseen_median=float(np.median(of_unseen)),
        samples=len(samples),
        training_faces=len(train),
        unseen=len(held_out),
        nearest=nearest.tolist(),
    )


def _relative_distances(index: NearestNeighbors, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(nearest over mean distance (N,), numbers of the nearest (N,))."""
    distances, places = index.kneighbors(points)
    return distances[:, 0] / np.maximum(distances.mean(1), 1e-12), places[:, 0]
