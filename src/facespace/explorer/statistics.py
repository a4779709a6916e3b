"""The distribution of faces in a space, for the page's sliders, its typicality meter and its map: from the
encoded faces of a set if one is given, else from a stored prior, else from samples that the space decodes and
encodes."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from facespace.data.faces import FaceSet, evenly_spaced
from facespace.latent.components import principal_components
from facespace.latent.maps import pca
from facespace.latent.structure import active_above
from facespace.latent.tsne import tsne
from facespace.space.face_space import BATCH_SIZE, FaceSpace
from facespace.space.traversal import influence

DRAWS = 3_000  # latents from a stored prior; a third of all latents is held out for the distances
DRAWN_AT_ONCE = 300  # between two calls of the check; a flow takes seconds for all
ENCODED = 2_000  # faces of a named set
STEP = 2.0  # standard deviations by which influence is measured, to either side
SMALL_IMAGE = 64 * 64 * 3  # values of a picture up to which the first of two counts is used, else the second
REENCODED = 2_000, 1_000  # samples that are decoded and encoded
MAPPED = 600, 240  # faces on the map
MOVED = 8, 2  # faces on which influence is measured
FEWEST = 30  # latents from which a third is held out
AT_ONCE = 8, 2  # moves between two calls of the check

# Called between two steps of long work: waits while a user's request is handled, and raises to end the work.
Check = Callable[[], None]


class FaceLatents(NamedTuple):
    """Latents of faces of a space, and their origin as text."""

    z: np.ndarray  # (N, D) float32
    rows: np.ndarray | None  # (N,) of the set, where one was named
    origin: str
    # (M, D) of random faces, where these come from a VAE's own prior. A latent that the VAE hardly uses has
    # nearly the same posterior mean for all faces, and varies as N(0, 1) among random ones.
    drawn: np.ndarray | None = None


class Statistics(NamedTuple):
    """Figures of (N, D) latents. A component is a unit direction; K ≤ D of them vary."""

    origin: str
    mean: np.ndarray  # (D,)
    std: np.ndarray  # (D,); of a latent in which faces do not differ at all, the median of the others
    active: np.ndarray  # (D,) bool: latents in which faces differ
    components: np.ndarray  # (K, D), by the variance of the faces' latents
    component_std: (
        np.ndarray
    )  # (K,) standard deviations along the components, of random faces where they are drawn
    explained: np.ndarray  # (K,) shares of the variance of the faces' latents, which sum to 1
    distances: np.ndarray  # (101,) percentiles of the Mahalanobis distance of held-out latents


class Influence(NamedTuple):
    """Mean absolute change of a pixel value in [0, 1] at ±2 standard deviations."""

    latents: np.ndarray  # (D,)
    components: np.ndarray  # (K,)


def count_for_size(space: FaceSpace, counts: tuple[int, int]) -> int:
    """The count for small pictures, or the one for large ones."""
    return counts[int(np.prod(space.image_shape) > SMALL_IMAGE)]


def known_latents(
    space: FaceSpace, faces: FaceSet | None, variational: bool, check: Check, seed: int = 0
) -> FaceLatents:
    """The best available latents."""
    count = count_for_size(space, REENCODED)
    drawn = space.sample_latents(count, seed) if variational and not space.is_fitted() else None
    if faces is not None:
        rows = evenly_spaced(faces.rows("all"), ENCODED)
        whole = space.as_prepared()
        parts = []
        for start in range(0, len(rows), BATCH_SIZE):
            check()
            parts.append(whole.encode(faces.images[rows[start : start + BATCH_SIZE]]))
        return FaceLatents(
            np.concatenate(parts), rows, f"{len(rows):,} encoded faces of the set {faces.name}", drawn
        )
    origin = space.prior_origin()
    if space.is_fitted():
        return FaceLatents(_draws(space, seed, check), None, f"{DRAWS:,} draws from {origin}")
    parts = []
    random = space.sample_latents(count, seed) if drawn is None else drawn
    for start in range(0, count, BATCH_SIZE):
        check()
        # As pictures of the size that the encoder takes, which may be larger than those that it draws.
        parts.append(encode_samples(space, space.decode(random[start : start + BATCH_SIZE])))
    return FaceLatents(
        np.concatenate(parts),
        None,
        f"{count:,} random faces from {origin}, decoded and encoded again, since the space holds no "
        "statistics of real faces (--data SET measures them)",
        drawn,
    )


def _draws(space: FaceSpace, seed: int, check: Check) -> np.ndarray:
    """Latents (DRAWS, D) from the fitted prior, in parts with seeds of their own."""
    parts = []
    for start in range(0, DRAWS, DRAWN_AT_ONCE):
        check()
        parts.append(space.sample_latents_batched(min(DRAWN_AT_ONCE, DRAWS - start), seed + start))
    return np.concatenate(parts)


def encode_samples(space: FaceSpace, faces: np.ndarray) -> np.ndarray:
    """Latents (N, D) of faces that the space decoded, (N, H, W, C); edges are repeated if its input is
    larger."""
    height, width = space.template.height, space.template.width
    lack = height - faces.shape[1], width - faces.shape[2]
    pads = [(0, 0)]
    for part in lack:
        pads.append((part // 2, part - part // 2))
    pads.append((0, 0))
    return space.encode(np.pad(faces, pads, mode="edge"))


def measure(known: FaceLatents, variational: bool) -> Statistics:
    """The statistics of latents; a third of them is held out for the distances."""
    z = known.z.astype(np.float64)
    fitted_to, held_out = _parts(z)
    fitted = principal_components(fitted_to)
    spreads = np.sqrt(fitted.variances)
    live = spreads > 1e-3 * max(float(spreads.max(initial=0)), 1e-12)
    axes, variances, spreads = fitted.axes[live], fitted.variances[live], spreads[live]
    deviation = z.std(0, ddof=1)
    active = deviation**2 > active_above(known.z, variational)
    if known.drawn is not None:
        drawn = known.drawn.astype(np.float64)
        fitted_to, held_out = _parts(drawn)
        deviation, spreads = drawn.std(0, ddof=1), (fitted_to @ axes.T).std(0, ddof=1)
    apart = np.linalg.norm((held_out - fitted.mean) @ axes.T / spreads, axis=1)
    return Statistics(
        known.origin,
        z.mean(0).astype(np.float32),
        units(deviation).astype(np.float32),
        active,
        axes.astype(np.float32),
        spreads.astype(np.float32),
        (variances / max(float(variances.sum()), 1e-12)).astype(np.float32),
        np.percentile(apart, np.arange(101)).astype(np.float32),
    )


def _parts(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two thirds of the latents and the others; all of them twice where they are few."""
    if len(z) < FEWEST:
        return z, z
    last = np.arange(len(z)) % 3 == 2
    return z[~last], z[last]


def units(deviation: np.ndarray) -> np.ndarray:
    """The lengths (D,) of one step of each slider: the standard deviations, and where one is 0 their median,
    since a latent that no face uses can change the picture all the same; 1 where all are 0."""
    used = deviation > 0
    return np.where(used, deviation, np.median(deviation[used]) if used.any() else 1.0)


def measure_influence(space: FaceSpace, known: FaceLatents, found: Statistics, check: Check) -> Influence:
    """The influence of each latent and each component on the picture."""
    faces = known.z[evenly_spaced(np.arange(len(known.z)), count_for_size(space, MOVED))]
    moves = np.concatenate((np.diag(found.std), found.components * found.component_std[:, None])) * STEP
    parts = []
    step = count_for_size(space, AT_ONCE)
    for start in range(0, len(moves), step):
        check()
        some = moves[start : start + step]
        parts.append((influence(space, faces, some) + influence(space, faces, -some)) / 2)
    both = np.concatenate(parts)
    size = len(found.std)
    return Influence(both[:size].astype(np.float32), both[size:].astype(np.float32))


def lay_out(z: np.ndarray, method: str) -> np.ndarray:
    """Positions float32 (N, 2) on a map of latents (N, D) by "pca" or "tsne", each axis scaled to [0, 1]; the
    outermost percent on each side is clipped to the edge, so that a few outliers do not shrink the map."""
    places = tsne(z) if method == "tsne" else pca(z, 0)[0]
    low, high = np.percentile(places, (1, 99), axis=0)
    return ((places - low) / np.where(high > low, high - low, 1)).clip(0, 1).astype(np.float32)
