"""Edits of latents: along directions while others stay, and to a level of a score. Latents in and out, no
gradients; the closed-loop edit, which needs them, is in space/closed_loop.py."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from facespace.core.errors import UsageError
from facespace.latent.directions import Directions

MIN_REMAINING = 0.05  # of an edit's length that locks must leave; below it they forbid the edit


def move(
    z: np.ndarray,
    directions: Directions,
    strengths: Mapping[str, float | np.ndarray],
    lock: Sequence[str] = (),
) -> np.ndarray:
    """Latents (N, D) moved along directions by strengths in standard deviations, one number or (N,) each,
    with the scores of the locked attributes kept: float32 (N, D).

    The move is the nearest to the requested one (least squares in whitened space) that changes no locked
    score, scaled to the requested length. Raises UsageError for unknown names, a lock on what is edited, or
    locks that leave nothing."""
    check_locks(directions, strengths, lock)
    z = np.atleast_2d(np.asarray(z, np.float64))
    requested = np.zeros_like(z)
    for name, strength in strengths.items():
        requested += np.broadcast_to(strength, len(z))[:, None] * directions.units[directions.index(name)]
    projected = project_out(directions, requested, lock)
    return (z + projected @ directions.whitening.root).astype(np.float32)


def project_out(directions: Directions, moves: np.ndarray, lock: Sequence[str]) -> np.ndarray:
    """Moves (N, D) in whitened space with the locked probes projected out, at their own length."""
    if not lock:
        return moves
    locked = directions.probes[[directions.index(name) for name in lock]]  # (L, D)
    left = moves - moves @ np.linalg.pinv(locked) @ locked
    before = np.linalg.norm(moves, axis=1, keepdims=True)
    after = np.linalg.norm(left, axis=1, keepdims=True)
    if (after < MIN_REMAINING * before).any():
        raise UsageError(
            f"Locking {', '.join(lock)} leaves nothing of this edit, which changes the locked attributes "
            "alone. Lock fewer."
        )
    return left * np.divide(before, after, out=np.ones_like(before), where=after > 0)


def project_to_scores(
    z: np.ndarray, directions: Directions, lock: Sequence[str], like: np.ndarray
) -> np.ndarray:
    """Latents (N, D) moved as little as possible (least squares in whitened space) so that their scores of
    the locked attributes are those of one latent `like` (D,): float32 (N, D). Keeps an attribute through a
    morph."""
    places = [directions.index(name) for name in lock]
    lacking = (directions.scores(like) - directions.scores(z))[:, places]  # (N, L)
    moved = lacking @ np.linalg.pinv(directions.probes[places]).T  # (N, D) in whitened space
    return (z + moved @ directions.whitening.root).astype(np.float32)


def strength_to_score(
    z: np.ndarray, directions: Directions, name: str, level: float, lock: Sequence[str] = ()
) -> np.ndarray:
    """The strength (N,) at which each latent (N, D) reaches a score of one attribute, where the locks hold.
    Raises UsageError where this direction, so locked, does not change the score."""
    place = directions.index(name)
    gain = float(project_out(directions, directions.units[place][None], lock)[0] @ directions.probes[place])
    if abs(gain) < MIN_REMAINING:
        raise UsageError(
            f"With {', '.join(lock)} locked, {name} cannot be changed along its direction. Lock fewer."
        )
    return (level - directions.scores(z)[:, place]) / gain


def strengths_to_class_means(
    z: np.ndarray, directions: Directions, goals: Mapping[str, bool], lock: Sequence[str]
) -> dict[str, np.ndarray]:
    """The strengths (N,) at which latents (N, D) reach the mean score of faces with an attribute (True) or
    without it. A latent beyond that score has the strength 0."""
    found = {}
    for name, on in goals.items():
        level = float(directions.facts[name].get("on" if on else "off", 0.0))
        strength = strength_to_score(z, directions, name, level, lock)
        found[name] = strength.clip(0, None) if on else strength.clip(None, 0)
    return found


ALL = "all"  # as a lock: every attribute with a direction that is not edited


def locked_names(lock: Sequence[str] | str, known: Iterable[str], edited: Iterable[str]) -> list[str]:
    """The attributes of `lock`: its names, one name, or for "all" every known one that is not edited."""
    if lock == ALL:
        left_out = set(edited)
        return [name for name in known if name not in left_out]
    return [lock] if isinstance(lock, str) else list(lock)


def check_locks(directions: Directions, edited: Iterable[str], lock: Sequence[str]) -> None:
    """Raises UsageError for unknown names, and for a lock on what is edited."""
    for name in (*edited, *lock):
        directions.index(name)
    check_disjoint(edited, lock)


def check_disjoint(edited: Iterable[str], lock: Sequence[str]) -> None:
    """Raises UsageError for a lock on what is edited."""
    for name in lock:
        if name in edited:
            raise UsageError(f"{name} is both edited and locked. Leave out one of the two.")
