"""Latents optimised, by gradients through the decoder, so that the decoded faces come nearer to given
pictures, and stay near their start, so that directions and priors hold for them."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

RATE = 0.05
DISTANCE = 1e-4  # weight of a latent's squared distance from its start, in standard deviations
BATCH = 16

Images = Callable[[Tensor], Tensor]  # latents (N, D) to faces (N, C, H, W) in [0, 1], with gradients
Distance = Callable[[Tensor, Tensor], Tensor]  # such faces and others to (N,), such as a FaceLoss
LatentError = Callable[[Tensor, Tensor], Tensor]  # latents, whitened distances from their start to (N,)


def optimize_latents(
    z: np.ndarray, goals: Tensor, decode: Images, distance: Distance, root: np.ndarray, steps: int
) -> np.ndarray:
    """Latents (N, D) whose faces come nearer to goals (N, C, H, W) in [0, 1], by that distance and by
    their own from `z` (N, D): float32 (N, D). Adam runs in whitened space (`root` (D, D), as in Whitening);
    the best of its `steps` is kept for each latent, so that no error rises."""
    unit_root = torch.from_numpy(root).float().to(goals.device)
    start = torch.from_numpy(np.asarray(z, np.float32)).to(goals.device)
    found = []
    for some, goal in zip(start.split(BATCH), goals.split(BATCH)):
        error = latent_error(goal, decode, distance)
        *_, best = best_latents(some, unit_root, error, RATE, steps + 1)
        found.append(best)
    return torch.cat(found).cpu().numpy()


def latent_error(goal: Tensor, decode: Images, distance: Distance, weight: float = DISTANCE) -> LatentError:
    """What is minimised for the goals (B, C, H, W) of a batch; `weight` is that of a squared whitened
    distance."""

    def error(at: Tensor, moved: Tensor) -> Tensor:
        return distance(decode(at), goal) + weight * moved.square().sum(1)

    return error


def best_latents(
    start: Tensor, unit_root: Tensor, error: LatentError, rate: float, evaluations: int
) -> Iterator[Tensor]:
    """The best latents (N, D) so far after each evaluation of `error`, whose minimum Adam seeks from `start`
    (N, D) in whitened space (`unit_root` (D, D)). One tensor is yielded again and again."""
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
