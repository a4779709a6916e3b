"""Density-aware paths: great circles between latents, bent towards where a prior is denser. Uses the gradient
of the prior's log-density; the plan of a morph in latent/morph.py takes these paths as a function."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from facespace.core import waiting
from facespace.latent import morph
from facespace.models.priors import FittedNormal, Flow, Prior, StandardNormal
from facespace.space.gaussian_guides import GaussianGuide

WAVES = 4  # sines of 1 … WAVES half-periods that a bend is made of: too few to be jagged
POINTS_PER_SEGMENT = 16  # places a segment at which the density is evaluated
STIFFNESS = 0.15  # nats that half a squared standard deviation of stretching must gain
MAX_ITERATIONS = 30

Between = Callable[[Tensor, Tensor], Tensor]  # segment (T,), t (T,) in [0, 1] -> latents (T, D)


def density_guide(prior: Prior) -> Prior:
    """The prior whose density bends paths: of a flow, whose own gradient takes minutes a pair of faces, the
    Gaussian with the mean and covariance of the latents that it was fitted to."""
    if not isinstance(prior, Flow):
        return prior
    normal = FittedNormal(len(prior.center)).to(prior.center.device)
    normal.center.copy_(prior.center)
    normal.covariance.copy_((prior.axes * prior.spread.square()) @ prior.axes.T)
    return normal


def gaussian_guide(prior: Prior) -> GaussianGuide | None:
    """The Gaussian whose density bends the paths of a prior, as arrays; None where it is none."""
    guide = density_guide(prior)
    if not isinstance(guide, FittedNormal | StandardNormal):
        return None
    covariance = guide.covariance.cpu().numpy() if isinstance(guide, FittedNormal) else None
    return GaussianGuide(guide.mean.cpu().numpy(), _spread(guide).cpu().numpy(), covariance)


def geodesic(prior: Prior) -> morph.PathsBetween:
    """The paths of `geodesic_paths` under a prior, from arrays and to arrays."""

    def between_ends(starts: np.ndarray, ends: np.ndarray) -> morph.Between:
        between = geodesic_paths(torch.from_numpy(starts), torch.from_numpy(ends), prior)
        return lambda segment, t: between(torch.from_numpy(segment), torch.from_numpy(t)).numpy()

    return between_ends


def geodesic_paths(starts: Tensor, ends: Tensor, prior: Prior) -> Between:
    """Paths between latents (S, D), exact at both ends: the great circle about the prior's mean, plus Σ
    coefficient · sin(wave · π · t), scaled to the circle's distance from the mean, with the coefficients that
    maximise

        mean log-density along the path − STIFFNESS / 2 · ∫ |derivative of the bend|² dt,

    lengths in standard deviations of the prior. As the circle is among the choices, the path's mean
    log-density is not lower than the circle's. The distance is kept because a prior is densest at its mean,
    where no face lies and faces do not differ: a path that may approach the mean does."""
    center, scale = prior.mean.double(), _spread(prior)
    whitened = [(side.to(center) - center) / scale for side in (starts, ends)]  # (S, D) each
    evaluated = (torch.arange(POINTS_PER_SEGMENT).to(center) + 0.5) / POINTS_PER_SEGMENT
    pitches = torch.arange(1, WAVES + 1).to(center) * math.pi  # radians a segment
    segments = torch.arange(len(starts), device=center.device).repeat_interleave(POINTS_PER_SEGMENT)

    def curve(coefficients: Tensor, segment: Tensor, t: Tensor) -> Tensor:
        circle = great_circle(whitened[0][segment], whitened[1][segment], t)  # (T, D)
        bend = ((pitches * t[:, None]).sin()[:, :, None] * coefficients[segment]).sum(1)
        bent = circle + bend
        return bent * circle.norm(dim=1, keepdim=True) / bent.norm(dim=1, keepdim=True).clamp(min=1e-12)

    def loss(coefficients: Tensor) -> Tensor:
        path = center + scale * curve(coefficients, segments, evaluated.repeat(len(starts)))
        # ∫ cos² = 1/2, and sines of different waves are orthogonal.
        stretch = (pitches.square()[:, None] * coefficients.square()).sum((1, 2)) / 2  # (S,)
        return -prior.log_prob(path).mean() + STIFFNESS / 2 * stretch.mean()

    best = _minimise(loss, torch.zeros(len(starts), WAVES, starts.shape[1]).to(center))

    def between(segment: Tensor, t: Tensor) -> Tensor:
        moved = segment.to(center.device)
        inner = (center + scale * curve(best, moved, t.to(center))).to(starts)
        t = t[:, None]
        return torch.where(t <= 0, starts[segment], torch.where(t >= 1, ends[segment], inner))

    return between


def great_circle(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """`latent.paths.slerp` about the origin on the device of its tensors: latents (T, D), float64, at each t
    (T,)."""
    at = t[:, None]
    line = (1 - at) * start + at * end
    length_a, length_b = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)
    unit_a, unit_b = start / length_a.clamp(min=1e-12), end / length_b.clamp(min=1e-12)
    angle = (unit_a * unit_b).sum(1, keepdim=True).clamp(-1, 1).acos()  # (T, 1) radians
    turned = (((1 - at) * angle).sin() * unit_a + (at * angle).sin() * unit_b) / angle.sin()
    curve = ((1 - at) * length_a + at * length_b) * turned
    straight = (angle.sin() < 1e-6) | (length_a * length_b == 0) | (at == 0) | (at == 1)
    return torch.where(straight, line, curve)


def _spread(prior: Prior) -> Tensor:
    """The standard deviation of each latent under the prior, (D,), from samples; dead ones get a little."""
    z = prior.sample(512, generator=torch.Generator().manual_seed(0)).double()
    spread = z.std(0)
    return spread.clamp(min=1e-3 * float(spread.mean()) + 1e-12)


def _minimise(loss: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """Where a smooth function is lowest near `start`, by L-BFGS; never higher than at the start."""
    with torch.inference_mode(False), torch.enable_grad():
        found = start.clone().requires_grad_()
        search = torch.optim.LBFGS([found], max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            waiting.step()
            search.zero_grad()
            value = loss(found)
            value.backward()
            return value

        search.step(closure)
        found = found.detach()
        better = found.isfinite().all() and loss(found) <= loss(start)
    return found if better else start
