"""Latents optimised, by gradients through the decoder, so that the decoded faces come nearer to given
pictures."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

RATE = 0.05


def optimize_latents(
    z: np.ndarray, goal: Tensor, decode: Callable[[Tensor], Tensor], root: np.ndarray, steps: int
) -> np.ndarray:
    """Latents (N, D) whose images, `decode` (N, D) -> (N, C, H, W), come nearer to a goal (N, C, H, W) in
    squared error: float32 (N, D). Adam runs in whitened space (`root` (D, D)); the best of its `steps` is
    kept for each latent, so that no error rises."""
    unit_root = torch.from_numpy(root).float()
    start = torch.from_numpy(np.asarray(z, np.float32))
    moved = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.Adam([moved], RATE)
    best, least = start.clone(), torch.full((len(start),), torch.inf)
    for step in range(steps + 1):
        at = start + moved @ unit_root
        error = (decode(at) - goal).square().flatten(1).sum(1)  # (N,)
        better = error.detach() < least
        best[better], least[better] = at.detach()[better], error.detach()[better]
        if step < steps:
            optimizer.zero_grad()
            error.sum().backward()
            optimizer.step()
    return best.numpy()
