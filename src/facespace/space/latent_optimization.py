"""Latents optimised, by gradients through the decoder, so that the decoded faces come nearer to given
pictures."""

from collections.abc import Callable, Iterator

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

    def error(at: Tensor, _: Tensor) -> Tensor:
        return (decode(at) - goal).square().flatten(1).sum(1)

    *_, best = best_latents(start, unit_root, error, RATE, steps + 1)
    return best.numpy()


def best_latents(
    start: Tensor,
    unit_root: Tensor,
    error: Callable[[Tensor, Tensor], Tensor],
    rate: float,
    evaluations: int,
) -> Iterator[Tensor]:
    """The best latents (N, D) so far after each evaluation of `error`, whose minimum Adam seeks from `start`
    (N, D) in whitened space (`unit_root` (D, D)). `error` takes latents (N, D) and their whitened distances
    from the start (N, D), and gives the errors (N,). One tensor is yielded again and again."""
    moved = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.Adam([moved], rate)
    best, least = start.clone(), torch.full((len(start),), torch.inf, device=start.device)
    for evaluation in range(evaluations):
        with torch.enable_grad():
            at = start + moved @ unit_root
            errors = error(at, moved)
            if evaluation + 1 < evaluations:
                optimizer.zero_grad()
                errors.sum().backward()
                optimizer.step()
        better = errors.detach() < least
        best[better], least[better] = at.detach()[better], errors.detach()[better]
        yield best
