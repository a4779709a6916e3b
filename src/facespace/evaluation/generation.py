"""How near new faces come to real ones: FID, KID, precision and recall on feature vectors, beside what other real faces
reach, and whether samples are copies of training faces. Takes arrays and a feature network; opens no files."""

from typing import Any

import numpy as np
from PIL import Image
from sklearn.metrics import pairwise_distances_chunked
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from facespace.core.errors import UsageError
from facespace.image.grids import to_image
from facespace.perception.inception import Features, kept_features
from facespace.space.face_space import FaceSpace

FEWEST = 8  # faces a side for which every figure exists, also that of half against half
SUBSETS, SUBSET = 100, 1_000  # of KID, as the field takes them
NEIGHBOURS = 3  # k of precision and recall
WHOLE = 2_000  # faces up to which KID keeps its kernels whole, 3 · 32 MB
AROUND = 50  # training faces that say how far faces lie apart near a sample
QUANTILE = 0.01  # of unseen faces lie nearer to a training face than the threshold of memorisation
SMALL = 16  # pixels a side at which faces are compared where no features are given
# Sets resized with Lanczos lie between 0.94 and 1.03; at 64 px JPEG of quality 85 gives 1.05, and of 75 gives 1.11.
BLOCKY = 1.04


def draw_samples(
    space: FaceSpace, n: int, seed: int = 0, temperature: float = 1.0, prior: str | None = None
) -> np.ndarray:
    """n new faces, uint8 (n, H, W, C), of the model in eval mode whatever it was before: with batch norm in train mode
    samples are normalised by each other, and a published FID of 4.4 was truly 25.9."""
    space.model.eval()
    return space.sample(n, seed, temperature, prior)


def measure_generation(
    samples: np.ndarray, real: np.ndarray, others: np.ndarray | None, features: Features, seed: int = 0
) -> dict[str, Any]:
    """How near samples come to as many real faces: fid, kid, kid_sd, precision, recall; `floor` with the fid and kid of
    `others`, real faces of another split, and `of` what; `protocol`, and `warnings` in sentences.

    Faces are uint8 (N, H, W, C), or their features float (N, D). Without `others`, or with fewer than N, the floor is
    of one half of the real faces against the other, which lies higher. Raises UsageError for unequal counts."""
    warnings = [JPEG_WARNING.format(looks_like_jpeg(real))] if is_jpeg(real) else []
    judged, reference = as_features(features, samples), as_features(features, real, keep=True)
    check_counts(judged, reference)
    count, dim = reference.shape
    if count <= dim:
        warnings.append(
            f"{count:,} faces give no full covariance of {dim:,} features, so FID lies higher than with many faces: "
            "compare it with figures of the same count alone. KID has no such bias."
        )
    size = min(SUBSET, count // 2)
    mean, deviation = kid(judged, reference, size=size, seed=seed)
    precision, recall = precision_recall(reference, judged)
    return {
        "fid": fid(judged, reference),
        "kid": mean,
        "kid_sd": deviation,
        "precision": precision,
        "recall": recall,
        "floor": floor(reference, None if others is None else as_features(features, others, keep=True), seed),
        "protocol": {
            "features": features.about,
            "count": count,
            "kid": {"subsets": SUBSETS, "size": size, "degree": 3},
            "neighbours": NEIGHBOURS,
            "seed": seed,
        },
        "warnings": warnings,
    }


def floor(real: np.ndarray, others: np.ndarray | None, seed: int = 0) -> dict[str, Any]:
    """What other real faces reach, features (N, D) and (M, D): N of them, evenly spread, against `real`; where they are
    fewer, one shuffled half of `real` against the other. Returns fid, kid, count and `of`, what was compared."""
    count = len(real)
    if others is not None and len(others) >= count:
        a, b = others[np.arange(count) * len(others) // count], real
        what = f"{count:,} other real faces against the same {count:,}"
    else:
        order = np.random.default_rng(seed).permutation(count)
        a, b = real[order[: count // 2]], real[order[count // 2 : count // 2 * 2]]
        what = f"one half of the real faces against the other, {count // 2:,} each"
    return {
        "fid": fid(a, b),
        "kid": kid(a, b, size=min(SUBSET, len(a) // 2), seed=seed)[0],
        "count": len(a),
        "of": what,
    }


def check_counts(samples: np.ndarray, real: np.ndarray) -> None:
    """Raises UsageError unless both sides have as many faces, enough of them, and features of one network."""
    if len(samples) != len(real):
        raise UsageError(
            f"{len(samples):,} samples cannot be judged by {len(real):,} real faces: FID, precision and recall depend "
            f"on the counts. Take {min(len(samples), len(real)):,} of each."
        )
    if len(real) < FEWEST:
        raise UsageError(f"Figures of generation need at least {FEWEST} faces a side; got {len(real)}.")
    if samples.shape != real.shape:
        raise UsageError(
            f"Features of {samples.shape[1]} and {real.shape[1]} numbers come from two networks; take one."
        )


def as_features(features: Features, faces: np.ndarray, keep: bool = False) -> np.ndarray:
    """Features (N, D) of uint8 faces (N, H, W, C), those of real ones from the cache; features stay as they are."""
    if faces.ndim == 2 and faces.dtype.kind == "f":
        return faces
    return kept_features(features, faces) if keep else features(faces)


def fid(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of the Gaussians of two sets of features (N, D) and (M, D) (Heusel et al., 2017)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    roots = [_root(x) for x in (a, b)]
    apart = np.square(a.mean(0) - b.mean(0)).sum()
    # tr (S T)^½ is the sum of the singular values of R Qᵀ, where S = Rᵀ R and T = Qᵀ Q: no root of a matrix, and no
    # complex numbers where the faces are fewer than the features.
    shared = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    return float(apart + np.square(roots[0]).sum() + np.square(roots[1]).sum() - 2 * shared)


def _root(x: np.ndarray) -> np.ndarray:
    """R with Rᵀ R the covariance of (N, D) features, min(N, D) rows."""
    centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    return centred if len(x) <= x.shape[1] else np.linalg.qr(centred)[1]


def kid(
    a: np.ndarray, b: np.ndarray, subsets: int = SUBSETS, size: int | None = None, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance of two sets of features (N, D), (M, D): mean and standard deviation over random subsets of the
    unbiased squared MMD with the kernel (x·y / D + 1)³ (Bińkowski et al., 2018).

    `size` is min(1,000, the smaller count) unless said. Subsets of all faces have a deviation of 0."""
    fewest = min(len(a), len(b))
    size = min(SUBSET, fewest) if size is None else size
    if not 2 <= size <= fewest:
        raise UsageError(f"Subsets of KID have between 2 and {fewest:,} faces; got {size}.")
    a, b = a.astype(np.float64), b.astype(np.float64)
    pairs = ((a, a), (b, b), (a, b))
    whole = [polynomial_kernel(x, y) for x, y in pairs] if max(len(a), len(b)) <= WHOLE else None
    random, found = np.random.default_rng(seed), []
    for _ in range(subsets):
        i, j = (random.choice(len(x), size, replace=False) for x in (a, b))
        chosen = ((i, i), (j, j), (i, j))
        if whole:
            k_aa, k_bb, k_ab = (table[np.ix_(*rows)] for table, rows in zip(whole, chosen))
        else:
            k_aa, k_bb, k_ab = (polynomial_kernel(x[p], y[q]) for (x, y), (p, q) in zip(pairs, chosen))
        same = sum(table.sum() - np.trace(table) for table in (k_aa, k_bb)) / (size * (size - 1))
        found.append(same - 2 * k_ab.mean())
    return float(np.mean(found)), float(np.std(found))


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = NEIGHBOURS) -> tuple[float, float]:
    """(share of fakes that look real, share of real faces that could be fakes) of features (N, D), (M, D): a face
    counts if it lies inside a ball of the other side, each as wide as to its k-th neighbour.

    Kynkäänniemi et al., 2019. Raises UsageError for k faces or fewer."""
    if min(len(real), len(fake)) <= k:
        raise UsageError(f"Precision and recall with k = {k} need more than {k} faces a side.")
    return _inside(fake, real, k), _inside(real, fake, k)


def _inside(points: np.ndarray, centres: np.ndarray, k: int) -> float:
    """The share of points within a ball around any centre."""
    reach = (
        NearestNeighbors(n_neighbors=k, algorithm="brute").fit(centres).kneighbors()[0][:, -1]
    )  # (M,) without itself

    def covered(distances: np.ndarray, start: int) -> np.ndarray:
        return (distances <= reach).any(1)

    return float(
        np.concatenate(list(pairwise_distances_chunked(points, centres, reduce_func=covered))).mean()
    )


def nearest(
    samples: np.ndarray, train: np.ndarray, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """For each sample's features (N, D) the nearest of the training features (M, D): its number, or the one that `rows`
    (M,) gives it, int64 (N,); and how far it is, float (N,)."""
    distances, places = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(train).kneighbors(samples)
    return (places[:, 0] if rows is None else rows[places[:, 0]]), distances[:, 0]


def memorisation(samples: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> dict[str, Any]:
    """Whether samples are copies, from features (N, D), (M, D), (H, D): the `share` of samples that lie nearer to a
    training face than all but 1 % of unseen real faces do (`threshold`). Of samples that copy nothing, at most about
    1 % (`expected`) do.

    How near counts relatively: the distance to the nearest training face over the mean to the 50 nearest (Carlini et
    al., 2023), since blurred samples are a little nearer to every face. `nearest` numbers the training faces (N,)."""
    if min(len(train), len(held_out)) < 2:
        raise UsageError("Memorisation needs at least 2 training and 2 unseen faces.")
    index = NearestNeighbors(n_neighbors=min(AROUND, len(train)), algorithm="brute").fit(train)

    def closeness(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distances, places = index.kneighbors(points)
        return distances[:, 0] / np.maximum(distances.mean(1), 1e-12), places[:, 0]

    (of_samples, places), (of_unseen, _) = closeness(samples), closeness(held_out)
    threshold = float(np.quantile(of_unseen, QUANTILE))
    return {
        "share": float((of_samples < threshold).mean()),
        "expected": QUANTILE,
        "threshold": threshold,
        "median": float(np.median(of_samples)),
        "unseen_median": float(np.median(of_unseen)),
        "samples": len(samples),
        "held_against": len(train),
        "unseen": len(held_out),
        "nearest": places.tolist(),
    }


def measure_memorisation(
    samples: np.ndarray, train: np.ndarray, held_out: np.ndarray, features: Features | None = None
) -> dict[str, Any]:
    """`memorisation` of faces uint8 (N, H, W, C): by a feature network, or by their light and dark at 16×16 pixels."""
    if features:
        return memorisation(
            features(samples), *(kept_features(features, faces) for faces in (train, held_out))
        )
    return memorisation(*(small_pixels(faces) for faces in (samples, train, held_out)))


def small_pixels(faces: np.ndarray, side: int = SMALL) -> np.ndarray:
    """Faces uint8 (N, H, W, C) averaged to side × side, with mean 0 and deviation 1 each: float32 (N, side · side · 3).
    As they are, dark samples would all lie near the few dark training faces."""
    size = (side, side)
    shrunk = [
        np.asarray(to_image(face).resize(size, Image.Resampling.BOX), np.float32).ravel() for face in faces
    ]
    table = np.stack(shrunk)
    return (table - table.mean(1, keepdims=True)) / (table.std(1, keepdims=True) + 1e-6)


JPEG_WARNING = (
    "The real faces seem to have been saved as JPEG after they were cut (block borders {:.2f} times as steep as what "
    "lies beside them): such references change FID. Prepare the set from the photographs."
)


def is_jpeg(faces: np.ndarray) -> bool:
    """Whether uint8 faces bear the marks of JPEG; features do not tell."""
    return faces.ndim == 4 and looks_like_jpeg(faces) > BLOCKY


def looks_like_jpeg(faces: np.ndarray) -> float:
    """How much steeper faces uint8 (N, H, W, C) are across the borders of 8-pixel blocks than one pixel beside them:
    about 1 for resized faces, more for those saved as JPEG since; quality above 90 does not show."""
    border = beside = 0.0
    seen = faces[:: max(1, len(faces) // 500)].astype(np.int16)
    for axis in (1, 2):
        others = tuple(other for other in range(4) if other != axis)
        steps = np.abs(np.diff(seen, axis=axis)).mean(others)  # step p lies between the pixels p and p + 1
        at = np.arange(7, len(steps) - 1, 8)
        border, beside = border + steps[at].sum(), beside + (steps[at - 1] + steps[at + 1]).sum() / 2
    return float(border / beside) if beside else 1.0
