"""The latent of a painted face, refined along the gradients of the decoder, which is frozen: what the torch
engine adds to latent/painting.py."""

import numpy as np
import torch
from torch import Tensor

from facespace.latent.direction_set import Whitening
from facespace.latent.painting import DISTANCE_WEIGHT, PaintGoal
from facespace.space.face_space import FaceSpace
from facespace.space.latent_optimization import best_latents

GRADIENT_STEPS, RATE = 10, 0.1


def refined(
    space: FaceSpace,
    z: np.ndarray,
    found: np.ndarray,
    goal: PaintGoal,
    whitening: tuple[Whitening, np.ndarray],
) -> np.ndarray:
    """A latent (D,) whose error, as PaintGoal has it for the painted latent z (D,), is no larger than that of
    `found` (D,): by Adam from there. The whitening comes with the inverse (D, D) of its root."""
    spread, inverse = whitening
    device = space.device

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(array, np.float32)).to(device)

    before = tensor((found - z) @ inverse)
    wanted, weight = (tensor(part).permute(2, 0, 1) for part in goal)

    def error(at: Tensor, moved: Tensor) -> Tensor:
        pixels = (weight * (space.torch_engine.image(at) - wanted).square()).flatten(1).sum(1)
        return pixels + DISTANCE_WEIGHT * (before + moved).square().sum(1)

    start = tensor(found)[None]
    *_, best = best_latents(start, tensor(spread.root), error, RATE, GRADIENT_STEPS + 1)
    return best[0].cpu().numpy()
