"""How evenly faces change along straight lines between latents: exactness of the ends, largest step, and the
fidelity of the faces half-way."""

from dataclasses import dataclass, replace

import numpy as np

from facespace.core.console import progress
from facespace.core.errors import UsageError
from facespace.evaluation.generation import measure_generation
from facespace.evaluation.session import Evaluation
from facespace.image import grids
from facespace.image.pixels import pixel_distance
from facespace.latent.morph import piecewise_linear
from facespace.perception.lpips import Distance
from facespace.perception.similarity import PIXELS, distance_text, lpips_or_pixels
from facespace.report.metrics import network_label
from facespace.report.page import Section
from facespace.report.report import GOOD, NOTE, Finding
from facespace.report.results import Interval, bootstrap
from facespace.space.face_space import FaceSpace

PAIRS, STEPS = 100, 24  # morphs that are measured, and the frames of each
SHOWN, FRAMES = 3, 10  # morphs on the page, and the frames of each

PROTOCOL = {
    "path": "straight lines between posterior means, ends included",
    "endpoint_error": f"first and last frame against the faces' own reconstructions, {PIXELS}; 0 is exact",
    "step_ratio": (
        "largest ÷ mean distance of neighbouring frames along a path, mean over paths; 1 is an even pace"
    ),
}


@dataclass(frozen=True)
class Midpoints:
    """Distances between faces half-way and as many real ones."""

    fid: float
    kid: float
    kid_sd: float
    count: int
    features: str  # the network


@dataclass(frozen=True)
class Interpolation:
    """Means over pairs, and their 95 % `intervals`."""

    endpoint_error: float
    mean_step: float
    path_length: float
    step_ratio: float  # 0 if no pair has one
    pairs: int
    steps: int
    distance: str  # what steps are measured by
    intervals: dict[str, Interval]
    protocol: dict[str, str]
    midpoints: Midpoints | None = None


def measure(evaluation: Evaluation) -> Interpolation:
    """Morphs between random pairs of the selected faces, and, with a feature network, the faces half-way."""
    session = evaluation.session
    shuffled = np.random.default_rng(evaluation.seed).permutation(session.rows)
    even = len(session.rows) // 2 * 2
    ends = session.pixels(shuffled[:even][: 2 * PAIRS])
    found = measure_interpolation(session.space, ends, STEPS, evaluation.lpips)
    features = evaluation.secondary_features
    if not features:
        return found
    halfway = midpoints(session.space, session.encoded.mean, evaluation.sample_count, evaluation.seed)
    distances = measure_generation(halfway, evaluation.reference, None, features)
    between = Midpoints(distances.fid, distances.kid, distances.kid_sd, len(halfway), features.about)
    return replace(found, midpoints=between)


def section(evaluation: Evaluation, found: Interpolation) -> Section:
    """The pace, and a few morphs."""
    session, strips = evaluation.session, []
    places = np.linspace(0, len(session.rows) - 1, 2 * SHOWN).astype(int)
    ends = session.pixels(session.rows[places])
    for first in range(0, 2 * SHOWN, 2):
        start, end = ends[first : first + 1], ends[first + 1 : first + 2]
        strips.append(session.space.morph(start, end, frames=FRAMES, pace="uniform"))
    text = (
        "On straight lines between latents, the largest change from one frame to the next is "
        f"{found.step_ratio:.2f} times the mean change (1 is perfectly even; measured by {found.distance})."
    )
    if found.midpoints:
        network = network_label(found.midpoints.features)
        text += (
            f" {found.midpoints.count:,} faces half-way between two unseen ones have a FID ({network}) of "
            f"{found.midpoints.fid:.1f} and a KID ({network}) of {found.midpoints.kid:.4f}; if these are "
            "close to the values of reconstructions, morphs stay realistic."
        )
    sheet = grids.grid(np.concatenate(strips), FRAMES)
    return Section("Morphs", text, [("Three morphs between unseen faces.", sheet)])


def advise(found: Interpolation) -> list[Finding]:
    """Whether the pace is even."""
    ratio = found.step_ratio
    text = f"the largest change from one frame to the next is {ratio:.1f} times the mean change"
    if ratio <= 2:
        return [Finding(GOOD, f"Morphs have an even pace: {text} (1 is perfectly even).")]
    return [Finding(NOTE, f"Morphs have an uneven pace: {text} (1 is perfectly even).")]


def measure_interpolation(
    space: FaceSpace,
    faces: np.ndarray,
    steps: int = STEPS,
    distance: Distance | None = None,
    pairs: np.ndarray | None = None,
) -> Interpolation:
    """Morphs of `steps` frames between faces uint8 (F, H, W, C): the `pairs` (P, 2) of their numbers, or the
    first with the second, the third with the fourth, and so on. `distance` is LPIPS; without it, or for faces
    too small for it, steps are differences of pixels. Pairs whose frames are all equal have no step ratio.

    Raises UsageError for fewer than 3 steps, no pair, or a pair with a number that no face has."""
    pairs = _checked(pairs, len(faces), steps)
    z = space.encode(faces)
    ends = space.decode(z)
    measured_by = lpips_or_pixels(distance, ends)
    steps_of_pairs = np.empty((len(pairs), steps - 1))
    errors = np.empty(len(pairs))
    with progress(len(pairs), "Morphing", "pairs") as advance:
        for place, (first, last) in enumerate(pairs):
            frames = space.decode(piecewise_linear([z[first], z[last]], steps))
            steps_of_pairs[place] = np.asarray(measured_by(frames[:-1], frames[1:]), np.float64)
            errors[place] = pixel_distance(frames[[0, -1]], ends[[first, last]]).mean()
            advance(1)
    return _result(errors, steps_of_pairs, distance_text(measured_by))


def _checked(pairs: np.ndarray | None, count: int, steps: int) -> np.ndarray:
    """The pairs (P, 2), by default each face with the next."""
    if pairs is None:
        pairs = np.arange(count // 2 * 2)
    pairs = np.asarray(pairs).reshape(-1, 2)
    if steps < 3 or not len(pairs) or pairs.min() < 0 or pairs.max() >= count:
        raise UsageError(
            f"Interpolation is measured over 3 or more steps and between 2 or more faces; got {steps} "
            f"steps, {len(pairs)} pairs and {count} faces."
        )
    return pairs


def _result(errors: np.ndarray, steps: np.ndarray, distance: str) -> Interpolation:
    """Means and intervals over P pairs, from the endpoint error (P,) and the steps (P, S) of each."""
    mean_steps = steps.mean(1)
    moved = mean_steps > 0
    measured = {"endpoint_error": errors, "mean_step": mean_steps, "path_length": steps.sum(1)}
    if moved.any():
        measured["step_ratio"] = steps[moved].max(1) / mean_steps[moved]
    means = {"step_ratio": 0.0}  # unless a pair has one
    intervals: dict[str, Interval] = {}
    for name, values in measured.items():
        means[name], intervals[name] = float(values.mean()), bootstrap(values)
    return Interpolation(
        endpoint_error=means["endpoint_error"],
        mean_step=means["mean_step"],
        path_length=means["path_length"],
        step_ratio=means["step_ratio"],
        pairs=len(errors),
        steps=steps.shape[1] + 1,
        distance=distance,
        intervals=intervals,
        protocol=PROTOCOL,
    )


def midpoints(space: FaceSpace, z: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """`count` faces half-way between encoded ones z (N, D), N ≥ 2: uint8 (count, H, W, C). Each latent, in
    shuffled order, is paired with the next, and the last with the first, so that there are as many midpoints
    as faces."""
    order = np.random.default_rng(seed).permutation(len(z))
    starts, ends = z[order], z[np.roll(order, -1)]
    return space.decode(((starts + ends) / 2)[:count])
