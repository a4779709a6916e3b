"""Paint on a face as an edit of its latent: the nearest latent whose decoded face takes on the painted colour
at the painted place. Needs no gradients: encoder and decoder come in as functions of arrays.
explorer/web/local/painting.js is the same in JavaScript."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from facespace.latent.direction_set import Whitening

OUTSIDE_WEIGHT = 0.2  # of a squared difference outside the paint, against 1 inside
DISTANCE_WEIGHT = 0.05  # of a squared standard deviation moved
USUAL_SIZE = 64 * 64 * 3  # values of a picture; in larger ones a value weighs less, in smaller ones more
STEPS = 6
SHARES = 1.0, 0.5  # of a solution that are tried
RIDGE = 1e-6  # relative to the trace

Encode = Callable[[np.ndarray], np.ndarray]  # a picture (H, W, C) in [0, 1] to a latent (D,)
Decode = Callable[[np.ndarray], np.ndarray]  # a latent (D,) to a picture (H, W, C) in [0, 1]


class Paint(NamedTuple):
    """Colours (H, W, C) in [0, 1], and how much of each pixel is painted, (H, W, 1) in [0, 1]."""

    colours: np.ndarray
    cover: np.ndarray

    def over(self, picture: np.ndarray) -> np.ndarray:
        """A picture (H, W, C) with the paint on it."""
        return self.cover * self.colours + (1 - self.cover) * picture


class PaintGoal(NamedTuple):
    """The picture (H, W, C) that a painted face is to become, and the weight (H, W, 1) of its values."""

    picture: np.ndarray
    weight: np.ndarray

    def error(self, picture: np.ndarray, moved: np.ndarray) -> float:
        """The error of a picture whose latent lies `moved` (D,) standard deviations from the start."""
        pixels = (self.weight * np.square(picture - self.picture)).sum()
        return float(pixels + DISTANCE_WEIGHT * np.square(moved).sum())


def paint_goal(paint: Paint, start: np.ndarray) -> PaintGoal:
    """The goal for the face `start` (H, W, C): inside the paint its colours, outside the face as it is."""
    outside = OUTSIDE_WEIGHT * (1 - paint.cover)
    weight = paint.cover + outside
    picture = (paint.cover * paint.colours + outside * start) / weight
    return PaintGoal(picture, weight * USUAL_SIZE / start.size)


class _At(NamedTuple):
    moved: np.ndarray  # (D,) standard deviations from the start
    picture: np.ndarray
    error: float


def painted_latent(
    z: np.ndarray, paint: Paint, encode: Encode, decode: Decode, whitening: Whitening, inverse: np.ndarray
) -> np.ndarray:
    """A latent (D,) near z (D,) whose face takes on the paint: float64 (D,); z itself where none is found.
    `inverse` (D, D) is that of the whitening's root.

    Gauss-Newton steps on the squared error of PaintGoal, each within the span of the moves so far. A move is
    what the encoder sees in the painted face and not in the face so far, in standard deviations; how it
    changes the picture is known, since it was tried."""
    start = np.asarray(z, np.float64)

    def at(moved: np.ndarray) -> _At:
        picture = decode(start + moved @ whitening.root)
        return _At(moved, picture, goal.error(picture, moved))

    face = decode(start)
    goal = paint_goal(paint, face)
    wanted = encode(paint.over(face))
    best = _At(np.zeros_like(start), face, goal.error(face, np.zeros_like(start)))
    moves: list[np.ndarray] = []
    changes: list[np.ndarray] = []
    for _ in range(STEPS):
        move = (wanted - encode(best.picture)) @ inverse
        if not move.any():
            break
        tried = at(best.moved + move)
        moves.append(move)
        changes.append((tried.picture - best.picture).ravel())
        step = _step(np.stack(moves), np.stack(changes), best, goal)
        found = [tried, *(at(best.moved + share * step) for share in SHARES)]
        nearest = min(found, key=lambda one: one.error)
        if nearest.error >= best.error:
            break
        best = nearest
    return start + best.moved @ whitening.root


def _step(moves: np.ndarray, changes: np.ndarray, best: _At, goal: PaintGoal) -> np.ndarray:
    """The combination (D,) of moves (K, D) that minimises the error, were the picture linear in them with
    these `changes` (K, H · W · C)."""
    weight = np.broadcast_to(goal.weight, goal.picture.shape).ravel()
    lacking = (goal.picture - best.picture).ravel()
    system = (changes * weight) @ changes.T + DISTANCE_WEIGHT * moves @ moves.T
    system += RIDGE * np.trace(system) * np.eye(len(moves))
    right = changes @ (weight * lacking) - DISTANCE_WEIGHT * moves @ best.moved
    return np.linalg.solve(system, right) @ moves
