"""Traces of JPEG compression in faces that were resized afterwards, from pixels alone."""

import numpy as np

# Sets resized with Lanczos lie between 0.94 and 1.03; at 64 px JPEG of quality 85 gives 1.05, and of 75 gives
# 1.11.
JPEG_THRESHOLD = 1.04


def is_jpeg(faces: np.ndarray) -> bool:
    """Whether uint8 faces show JPEG's block borders; False for features."""
    return faces.ndim == 4 and looks_like_jpeg(faces) > JPEG_THRESHOLD


def looks_like_jpeg(faces: np.ndarray) -> float:
    """How much steeper faces uint8 (N, H, W, C) are across the borders of 8-pixel blocks than one pixel
    beside them: about 1 for resized faces, more for faces saved as JPEG after that; quality above 90 is not
    detected."""
    border = beside = 0.0
    some = faces[:: max(1, len(faces) // 500)].astype(np.int16)
    for axis, others in ((1, (0, 2, 3)), (2, (0, 1, 3))):
        steps = np.abs(np.diff(some, axis=axis)).mean(others)  # step p lies between the pixels p and p + 1
        at = np.arange(7, len(steps) - 1, 8)
        border, beside = border + steps[at].sum(), beside + (steps[at - 1] + steps[at + 1]).sum() / 2
    return float(border / beside) if beside else 1.0
