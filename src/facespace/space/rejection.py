"""Rejection of decoded faces by a score of images, in torch: keeps those that a network finds most like
photographs."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from facespace.core.errors import UsageError
from facespace.data.faces import BATCH_SIZE
from facespace.image.pixels import to_float

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LEAST_KEPT = 0.01  # share of the decoded faces

Score = Callable[["Tensor"], "Tensor"]  # images (N, C, H, W) in [0, 1] -> (N,), the higher the better


def check_keep(keep: float) -> None:
    """Raises UsageError for a share outside [LEAST_KEPT, 1]; called before a discriminator is opened, too."""
    if not LEAST_KEPT <= keep <= 1:
        raise UsageError(f"--keep is a share from {LEAST_KEPT} to 1 of the faces that are drawn; got {keep}.")


def candidates(n: int, keep: float, score: Score | None) -> int:
    """How many faces to decode so that n are kept. Raises UsageError for an impossible share, and for one
    without a score."""
    check_keep(keep)
    if keep < 1 and score is None:
        raise UsageError(
            "To keep a share of the faces takes a score, such as that of facespace.load_discriminator(SPACE)."
        )
    return max(n, math.ceil(n / keep - 1e-9))


def keep_best(faces: np.ndarray, n: int, score: Score, device: "torch.device") -> np.ndarray:
    """The n faces uint8 (N, H, W, C) with the highest score, in their order (Azadi et al., 2019, in its
    simplest form)."""
    import torch

    scores = []
    with torch.inference_mode():
        for part in np.array_split(faces, math.ceil(len(faces) / BATCH_SIZE)):
            scores.append(score(to_float(part, device)))
    best = torch.cat(scores).float().argsort(descending=True, stable=True)[:n]
    return faces[best.sort().values.cpu().numpy()]
