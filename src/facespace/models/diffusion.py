"""A diffusion prior over latents (Ho et al., 2020), in the form in which it shares path and network with the flow of flow.py.

With white latents the trigonometric path x(θ) = cos θ · e + sin θ · x is the variance-preserving diffusion, σ = cot θ its
ratio of noise to signal, and the velocity is what the network of EDM (Karras et al., 2022) learns, but for its sign (TrigFlow: Lu
and Song, 2025). Two things are left that tell the two priors apart: noise levels are learned log-normally, most often where
faces take shape, and draws are stochastic: before each step a little noise is added, and the step removes it with the rest
(EDM's sampler), which takes back what earlier steps got wrong."""

import math
from itertools import pairwise

import torch
from torch import Generator, Tensor

from facespace.models.flow import SOLVER, Flow, Given
from facespace.models.prior import noise

LEVEL_MEAN, LEVEL_SPREAD = -0.4, 1.2  # of log σ while learning
CHURN = (
    math.sqrt(2) - 1
)  # by how much a noise level is raised before a step, as a share of it: the most that EDM allows


class Diffusion(Flow):
    """Noise turned into latents step by step. N(0, I) until it is fitted. Densities are those of its flow without chance (the
    probability-flow equation), and so are `encode` and `pull`."""

    name = "a diffusion prior"
    origin = name

    @staticmethod
    def angles(n: int) -> Tensor:
        """Radians (n,) of log-normal noise levels."""
        return torch.atan2(torch.ones(n), (LEVEL_MEAN + LEVEL_SPREAD * torch.randn(n)).exp())

    def start(self, n: int, generator: Generator | None) -> Tensor:
        """The noise that n draws begin with, and what is added on the way, (n, SOLVER, D): row by row, so that the first faces of a
        seed are the same however many are asked for."""
        return noise(n, self.center.new_zeros(SOLVER, len(self.center)), generator)

    def carried(self, start: Tensor, given: Given | None = None) -> Tensor:
        """Such noise (N, SOLVER, D) as latents (N, D)."""
        rows = start.to(self.center)
        moved, rest = rows[:, 0, : self.seen], rows[:, 0, self.seen :]
        angles = torch.linspace(0, math.pi / 2, SOLVER + 1).tolist()
        for step, (here, there) in enumerate(pairwise(angles)):
            if step:
                moved, here = _churned(moved, here, rows[:, step, : self.seen])
            moved, _ = self._heun(moved, here, there, given=given)
        return self.latents(torch.cat([moved, rest], 1))


def _churned(x: Tensor, angle: float, fresh: Tensor) -> tuple[Tensor, float]:
    """White vectors (N, K) at an angle, with `fresh` noise (N, K), and the angle at which they are then (Karras et al., 2022,
    algorithm 2, where x / sin θ is what noise of deviation σ = cot θ is added to)."""
    level = 1 / math.tan(angle)
    raised = level * (1 + CHURN)
    back = math.atan2(1, raised)
    noisy = x / math.sin(angle) + math.sqrt(raised**2 - level**2) * fresh
    return math.sin(back) * noisy, back
