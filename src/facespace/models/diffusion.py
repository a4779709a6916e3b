"""A diffusion prior over latents (Ho et al., 2020), in the form in which it shares path and network with the
flow of flow.py.

With whitened latents the trigonometric path x(θ) = cos θ · e + sin θ · x is the variance-preserving
diffusion, σ = cot θ is its ratio of noise to signal, and the velocity is, up to its sign, the target of EDM's
network (Karras et al., 2022; TrigFlow: Lu and Song, 2025). Two differences from the flow remain. Noise levels
are log-normal in training, with most weight on the levels at which faces take shape. Sampling is stochastic:
before each step a little noise is added, and the step removes it together with the rest (EDM's sampler),
which corrects errors of earlier steps."""

import math
from itertools import pairwise

import torch
from torch import Generator, Tensor

from facespace.models.flow import SOLVER_STEPS, Condition, Flow
from facespace.models.prior import noise
from facespace.models.prior_facts import raised_level

LOG_LEVEL_MEAN, LOG_LEVEL_DEVIATION = -0.4, 1.2  # of log σ in training


class Diffusion(Flow):
    """Noise denoised to latents in steps. N(0, I) until it is fitted. Densities and `encode` are
    those of the probability-flow equation, which has no randomness."""

    name = "a diffusion prior"
    origin = name

    @staticmethod
    def angles(n: int) -> Tensor:
        """Radians (n,) of log-normal noise levels."""
        levels = (LOG_LEVEL_MEAN + LOG_LEVEL_DEVIATION * torch.randn(n)).exp()
        return torch.atan2(torch.ones(n), levels)

    def initial_noise(self, n: int, generator: Generator | None) -> Tensor:
        """The initial noise of n samples and the noise of each step, (n, SOLVER_STEPS, D), drawn row by row,
        so that the first samples of a seed do not depend on n."""
        return noise(n, self.center.new_zeros(SOLVER_STEPS, len(self.center)), generator)

    def transport(self, start: Tensor, condition: Condition | None = None) -> Tensor:
        """Such noise (N, SOLVER_STEPS, D) to latents (N, D)."""
        rows = start.to(self.center)
        moved, rest = rows[:, 0, : self.seen], rows[:, 0, self.seen :]
        angles = torch.linspace(0, math.pi / 2, SOLVER_STEPS + 1).tolist()
        for step, (begin, end) in enumerate(pairwise(angles)):
            if step:
                moved, begin = _churn(moved, begin, rows[:, step, : self.seen])
            moved, _ = self._heun(moved, begin, end, condition=condition)
        return self.latents(torch.cat([moved, rest], 1))


def _churn(x: Tensor, angle: float, fresh: Tensor) -> tuple[Tensor, float]:
    """White vectors (N, K) at an angle, with `fresh` noise (N, K) added, and the angle of the higher noise
    level (Karras et al., 2022, algorithm 2, where noise of deviation σ = cot θ is added to x / sin θ)."""
    back, deviation = raised_level(angle)
    noisy = x / math.sin(angle) + deviation * fresh
    return math.sin(back) * noisy, back
