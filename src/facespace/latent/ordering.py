"""The order of faces along a short path through latent space: nearest neighbours, improved by 2-opt. Pure
functions of numpy arrays."""

import numpy as np

from facespace.core.errors import UsageError, check_seed, choose

GIVEN, PATH, RANDOM = "given", "path", "random"
ORDERS = {GIVEN: "as named", PATH: "along a short path", RANDOM: "shuffled"}
STARTS = 32  # faces from which a path of nearest neighbours is tried, evenly spread
MOST_ROUNDS = 50  # of 2-opt; each tries all pairs of steps
GAIN = 1e-9  # relative to the path's length: smaller gains are rounding


def ordered(latents: np.ndarray, order: str, seed: int = 0, closed: bool = False) -> np.ndarray:
    """The places (N,) of latents (N, D) in one of ORDERS; a `closed` path returns to its first face. Raises
    UsageError for an unknown order."""
    choose(ORDERS, order, "order")
    if order == PATH:
        return short_path(latents, closed)
    if order == RANDOM:
        check_seed(seed)
        return np.random.default_rng(seed).permutation(len(latents))
    return np.arange(len(latents))


def short_path(latents: np.ndarray, closed: bool = False) -> np.ndarray:
    """An order (N,) of latents (N, D) whose path, the sum of Euclidean distances of neighbours, is short.
    Deterministic.

    The shortest of the nearest-neighbour paths from up to 32 starts, improved by 2-opt (Croes, 1958): as long
    as reversing a part of the path shortens it, the best such part is reversed. A path that is not `closed`
    begins with whichever of its ends was named first, a closed one with the first face."""
    count = len(latents)
    if count < 3:
        return np.arange(count)
    distances = pairwise_distances(latents)
    starts = np.unique(np.linspace(0, count - 1, min(count, STARTS)).round().astype(int))
    paths = [_nearest_neighbours(distances, start) for start in starts.tolist()]
    lengths = [path_length(distances, path, closed) for path in paths]
    path = _two_opt(distances, paths[int(np.argmin(lengths))], closed)
    if closed:
        return np.roll(path, -int(np.flatnonzero(path == 0)[0]))
    return path if path[0] < path[-1] else path[::-1].copy()


def pairwise_distances(latents: np.ndarray) -> np.ndarray:
    """Euclidean distances (N, N) of latents (N, D). Raises UsageError for latents that are not finite."""
    z = np.asarray(latents, np.float64)
    if not np.isfinite(z).all():
        raise UsageError("These latents hold numbers that are not finite, which no face has.")
    squares = (z**2).sum(1)
    return np.sqrt(np.maximum(squares[:, None] + squares - 2 * z @ z.T, 0))


def path_length(distances: np.ndarray, path: np.ndarray, closed: bool = False) -> float:
    """The sum of the distances (N, N) along a path (N,)."""
    length = distances[path[:-1], path[1:]].sum()
    return float(length + distances[path[-1], path[0]] if closed else length)


def _nearest_neighbours(distances: np.ndarray, start: int) -> np.ndarray:
    """The path that goes on to the nearest face that it has not visited."""
    path, free = [start], np.ones(len(distances), bool)
    free[start] = False
    while len(path) < len(distances):
        following = int(np.where(free, distances[path[-1]], np.inf).argmin())
        path.append(following)
        free[following] = False
    return np.array(path)


def _two_opt(distances: np.ndarray, path: np.ndarray, closed: bool) -> np.ndarray:
    """Reverses the part of the path that shortens it most, until none does. Reversing path[i + 1 .. j]
    replaces the steps (i, i + 1) and (j, j + 1); an open path also has a step of length 0 from its last face,
    so that parts up to the end are reversed too, and one to its first."""
    path = path.copy()
    if not closed:  # a place at no distance from any face joins the ends
        distances = np.pad(distances, (0, 1))
        path = np.append(path, len(distances) - 1)
    least = GAIN * max(path_length(distances, path, True), 1e-300)
    for _ in range(MOST_ROUNDS * len(path)):
        following = np.roll(path, -1)
        steps = distances[path, following]
        gains = (
            steps[:, None] + steps - distances[np.ix_(path, path)] - distances[np.ix_(following, following)]
        )  # (N, N) of reversing from i + 1 to j
        gains = np.triu(gains, 1)
        first, last = divmod(int(gains.argmax()), len(path))
        if gains[first, last] <= least:
            break
        path[first + 1 : last + 1] = path[first + 1 : last + 1][::-1].copy()
    if closed:
        return path
    gap = int(np.flatnonzero(path == len(distances) - 1)[0])
    return np.roll(path, -gap - 1)[:-1]
