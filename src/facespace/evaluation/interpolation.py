"""How evenly a space morphs: whether straight lines between faces start and end where they should, how much the face
changes from frame to frame, and the faces half-way. Measures; draws no picture."""

from typing import Any

import numpy as np

from facespace.core.console import progress
from facespace.core.errors import UsageError
from facespace.evaluation.intervals import bootstrap
from facespace.evaluation.reconstruction import Distance, usable
from facespace.image.pixels import squared_error
from facespace.latent.morph import through
from facespace.space.face_space import FaceSpace

PIXELS = "root mean squared difference of pixels in [0, 1]"

PROTOCOL = {
    "path": "straight lines between posterior means, ends included",
    "endpoint_error": f"first and last frame against the faces' own reconstructions, {PIXELS}; 0 is exact",
    "step_ratio": "largest ÷ mean distance of neighbouring frames along a path, mean over paths; 1 is an even pace",
}


def measure_interpolation(
    space: FaceSpace,
    faces: np.ndarray,
    steps: int = 24,
    distance: Distance | None = None,
    pairs: np.ndarray | None = None,
) -> dict[str, Any]:
    """Morphs of `steps` frames between faces uint8 (F, H, W, C): the `pairs` (P, 2) of their numbers, or the first with the
    second, the third with the fourth, and so on. `distance` is LPIPS; without it, or for faces too small for
    it, a difference of pixels, as the result's `distance` says.

    Gives `endpoint_error`, `step_ratio`, `mean_step` and `path_length` as means over pairs, and their 95 % `intervals`.
    Pairs whose frames are all alike have no ratio.
    Raises UsageError for fewer than 3 steps, no pair, or a pair that names a face which is not there."""
    pairs = (
        np.arange(len(faces) // 2 * 2).reshape(-1, 2) if pairs is None else np.asarray(pairs).reshape(-1, 2)
    )
    if steps < 3 or not len(pairs) or pairs.min() < 0 or pairs.max() >= len(faces):
        raise UsageError(
            f"Interpolation is measured over 3 or more steps and between 2 or more faces; got {steps} steps, {len(pairs)} "
            f"pairs and {len(faces)} faces."
        )
    z = space.encode(faces)
    ends = space.decode(z)
    distance, _ = usable(distance, ends)
    apart = distance or pixel_distance
    found: dict[str, list[float]] = {
        "endpoint_error": [],
        "mean_step": [],
        "path_length": [],
        "step_ratio": [],
    }
    with progress(len(pairs), "Morphing", "pairs") as advance:
        for first, last in pairs:
            film = space.decode(through([z[first], z[last]], steps))
            moved = np.asarray(apart(film[:-1], film[1:]), np.float64)  # (steps - 1,)
            exact = pixel_distance(film[[0, -1]], ends[[first, last]])
            found["endpoint_error"].append(float(exact.mean()))
            found["mean_step"].append(float(moved.mean()))
            found["path_length"].append(float(moved.sum()))
            if moved.mean() > 0:
                found["step_ratio"].append(float(moved.max() / moved.mean()))
            advance(1)
    return {
        **{name: float(np.mean(values)) if values else 0.0 for name, values in found.items()},
        "pairs": len(pairs),
        "steps": steps,
        "distance": PIXELS if distance is None else str(getattr(distance, "about", "LPIPS")),
        "intervals": {name: list(bootstrap(np.array(values))) for name, values in found.items() if values},
        "protocol": PROTOCOL,
    }


def midpoints(space: FaceSpace, z: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """`count` faces half-way between encoded ones z (N, D), N ≥ 2: uint8 (count, H, W, C). Each latent, in shuffled order,
    with the one after it and the last with the first, so that as many can be judged as there are faces."""
    order = np.random.default_rng(seed).permutation(len(z))
    ends = z[order], z[np.roll(order, -1)]
    return space.decode(((ends[0] + ends[1]) / 2)[:count])


def pixel_distance(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The root mean squared difference, in [0, 1], of each of two stacks of uint8 (N, H, W, C) faces: (N,)."""
    return np.sqrt(squared_error(faces, others))
