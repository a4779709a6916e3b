"""Lines, circles and sums of latents: pure functions of numpy arrays, float32 in and out."""

from collections.abc import Sequence

import numpy as np

from facespace.core.errors import UsageError


def lerp(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The straight line between latents, (D,) or (T, D), at each t (T,) in [0, 1]: (T, D). Exact at both
    ends."""
    t = t[:, None]
    return (1 - t) * start + t * end


def slerp(start: np.ndarray, end: np.ndarray, t: np.ndarray, center: np.ndarray | float = 0.0) -> np.ndarray:
    """The great circle about `center` between latents, (D,) or (T, D), at each t (T,) in [0, 1]: (T, D). The
    distance from the centre changes linearly from one end's to the other's. Exact at both ends; parallel and
    opposite ends, which do not define one great circle, fall back to the line (Shoemake, 1985)."""
    line = lerp(start, end, t)
    a = np.broadcast_to(start - center, line.shape).astype(np.float64)
    b = np.broadcast_to(end - center, line.shape).astype(np.float64)
    length_a = np.linalg.norm(a, axis=1, keepdims=True)
    length_b = np.linalg.norm(b, axis=1, keepdims=True)
    unit_a, unit_b = a / np.maximum(length_a, 1e-12), b / np.maximum(length_b, 1e-12)
    angle = np.arccos((unit_a * unit_b).sum(1, keepdims=True).clip(-1, 1))  # (T, 1) radians
    at = t[:, None].astype(np.float64)
    parallel = (np.sin(angle) < 1e-6) | (length_a * length_b == 0)
    sine = np.where(parallel, 1.0, np.sin(angle))
    turned = (np.sin((1 - at) * angle) * unit_a + np.sin(at * angle) * unit_b) / sine
    curve = center + ((1 - at) * length_a + at * length_b) * turned
    return np.where(parallel | (at == 0) | (at == 1), line, curve.astype(line.dtype))


def bilinear(corners: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The blends of four latents (4, D), top left, top right, bottom left and bottom right, row by row: (rows
    · columns, D). Raises UsageError for another number of corners and fewer than two rows or columns."""
    if len(corners) != 4 or min(rows, columns) < 2:
        raise UsageError(
            f"Four faces are blended over two or more rows and columns; got {len(corners)} faces, "
            f"{rows} rows and {columns} columns."
        )
    down, across = _unit_steps(rows), _unit_steps(columns)
    left = lerp(corners[0], corners[2], down)  # (rows, D)
    right = lerp(corners[1], corners[3], down)
    return np.concatenate([lerp(start, end, across) for start, end in zip(left, right)])


def _unit_steps(count: int) -> np.ndarray:
    """Even steps from 0 to 1, float32 (count,), mirrored about the middle and rounded once: those of
    `torch.linspace`."""
    step, place = float(np.float32(1 / (count - 1))), np.arange(count)
    steps = np.where(place < count // 2, step * place, 1 - step * (count - 1 - place))
    return steps.astype(np.float32)


def mix(parts: np.ndarray, weights: Sequence[float], center: np.ndarray | float = 0.0) -> np.ndarray:
    """The weighted sum of latents (N, D), counted from `center`: (D,). Weights that sum to 1 make the centre
    irrelevant."""
    return center + np.asarray(weights, parts.dtype) @ (parts - center)
