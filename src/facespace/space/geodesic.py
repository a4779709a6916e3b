"""Paths that keep to where faces are: great circles between latents, bent towards where a prior is denser."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from facespace.latent.paths import slerp
from facespace.models.priors import Prior

WAVES = 4  # sines of 1 … WAVES half-periods that a bend is made of: too few to be jagged
LOOKS = 16  # places a segment at which the density is looked at
STIFFNESS = 0.15  # nats that half a squared standard deviation of stretching must gain
ROUNDS = 30

Between = Callable[[Tensor, Tensor], Tensor]  # segment (T,), t (T,) in [0, 1] -> latents (T, D)


def dense(starts: Tensor, ends: Tensor, prior: Prior) -> Between:
    """Paths between latents (S, D), exact at both ends: the great circle about the prior's mean, plus
    Σ coefficient · sin(wave · π · t), brought back to the circle's distance from the mean, with the coefficients that maximise

        mean log-density along the path − STIFFNESS / 2 · ∫ |how the bend changes|² dt,

    lengths in standard deviations of the prior. As the circle is among the choices, the path's mean log-density is not
    lower than the circle's. The distance is kept because a prior is densest at its mean, where no face lies and all that
    tells faces apart is gone: a path that is free to go there does."""
    center, scale = prior.mean.double(), _spread(prior)
    sides = [(side.to(center) - center) / scale for side in (starts, ends)]  # whitened, (S, D)
    looks = (torch.arange(LOOKS).to(center) + 0.5) / LOOKS
    pitches = torch.arange(1, WAVES + 1).to(center) * math.pi  # radians a segment
    segments = torch.arange(len(starts), device=center.device).repeat_interleave(LOOKS)

    def curve(coefficients: Tensor, segment: Tensor, t: Tensor) -> Tensor:
        circle = slerp(sides[0][segment], sides[1][segment], t)  # (T, D)
        bend = ((pitches * t[:, None]).sin()[:, :, None] * coefficients[segment]).sum(1)
        bent = circle + bend
        return bent * circle.norm(dim=1, keepdim=True) / bent.norm(dim=1, keepdim=True).clamp(min=1e-12)

    def loss(coefficients: Tensor) -> Tensor:
        path = center + scale * curve(coefficients, segments, looks.repeat(len(starts)))
        # ∫ cos² = 1/2, and sines of different waves are orthogonal.
        stretch = (pitches.square()[:, None] * coefficients.square()).sum((1, 2)) / 2  # (S,)
        return -prior.log_prob(path).mean() + STIFFNESS / 2 * stretch.mean()

    best = _minimise(loss, torch.zeros(len(starts), WAVES, starts.shape[1]).to(center))

    def between(segment: Tensor, t: Tensor) -> Tensor:
        there = segment.to(center.device)
        inner = (center + scale * curve(best, there, t.to(center))).to(starts)
        t = t[:, None]
        return torch.where(t <= 0, starts[segment], torch.where(t >= 1, ends[segment], inner))

    return between


def _spread(prior: Prior) -> Tensor:
    """The standard deviation of each latent under the prior, (D,), from samples; dead ones get a little."""
    z = prior.sample(512, generator=torch.Generator().manual_seed(0)).double()
    spread = z.std(0)
    return spread.clamp(min=1e-3 * float(spread.mean()) + 1e-12)


def _minimise(loss: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """Where a smooth function is lowest near `start`, by L-BFGS; never higher than at the start."""
    with torch.inference_mode(False), torch.enable_grad():
        found = start.clone().requires_grad_()
        search = torch.optim.LBFGS([found], max_iter=ROUNDS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            search.zero_grad()
            value = loss(found)
            value.backward()
            return value

        search.step(closure)
        found = found.detach()
        better = found.isfinite().all() and loss(found) <= loss(start)
    return found if better else start
