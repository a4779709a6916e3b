"""A prior for few faces, in the noise space of a flow that was fitted to many: each latent is carried back
through the flow, and a Gaussian is fitted to the noises, shrunk towards N(0, I), which is the flow itself.

A covariance of tens of faces in hundreds of latents is singular, and a Gaussian of the latents leaves the
region of faces between them. In the noise space the flow's own samples are N(0, I), so that every point near
the origin is transported to a latent that the flow knows. The shrinkage

    N(m, (1 − s) S + s I),   m and S the mean and covariance of the noises,

takes the s that makes held-out noises likeliest (cross-validation, as Friedman, 1989, does for regularized
discriminant analysis). The Jacobian of the flow is the same for all s, so the choice is that of the
latents' likelihood too."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from facespace.models.flow import Condition, Flow
from facespace.models.prior import identity, standard_density

NAME = "noise-normal"
SHRINKAGES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
FOLDS = 5


class NoiseNormal(Flow):
    """A flow whose initial noise is N(noise_center, noise_root²) rather than N(0, I). Its own noise space is
    white again: `encode` and `decode` are those of the composition."""

    name = "a Gaussian in the noise of a flow"
    origin = name
    noise_center: Tensor  # (D,)
    noise_root: Tensor  # (D, D) symmetric

    def __init__(self, dim: int, **options: object) -> None:
        super().__init__(dim, **options)  # type: ignore[arg-type]
        self.register_buffer("noise_center", torch.zeros(dim))
        self.register_buffer("noise_root", identity(dim))

    @classmethod
    def around(cls, flow: Flow, center: Tensor, covariance: Tensor, origin: str) -> "NoiseNormal":
        """The prior of a flow and a Gaussian of its noises: `center` (D,), `covariance` (D, D) positive
        definite. The noises of a flow that is such a prior itself are those that its `encode` gives, which
        are white; in its place the result has the composition of both Gaussians."""
        if isinstance(flow, NoiseNormal):
            root = flow.noise_root.to(covariance)
            center = flow.noise_center.to(center) + root @ center
            covariance = root @ covariance @ root
        made = cls.from_card(len(flow.center), flow.options)
        made.load_state_dict(flow.state_dict(), strict=False)
        values, vectors = torch.linalg.eigh(covariance.double())
        made.noise_center.copy_(center)
        made.noise_root.copy_((vectors * values.clamp(min=0).sqrt()) @ vectors.T)
        made.origin = origin
        return made.to(flow.center.device).eval().requires_grad_(False)

    @property
    def mean(self) -> Tensor:
        """(D,): the latent that the centre of the noises is transported to."""
        with torch.no_grad():
            return self.transport(self.noise_center.new_zeros(1, len(self.noise_center)))[0]

    def transport(self, start: Tensor, condition: Condition | None = None) -> Tensor:
        """White noise (N, D) to latents (N, D)."""
        return super().transport(self._colored(start), condition)

    def decode(self, e: Tensor) -> Tensor:
        """White noise (N, D) to latents (N, D), deterministically."""
        return super().decode(self._colored(e))

    def encode(self, z: Tensor) -> Tensor:
        """The inverse of `decode` up to the solver's error: latents (N, D) to white noise (N, D)."""
        e = super().encode(z).double()
        root = self.noise_root.double()
        return torch.linalg.solve(root, (e - self.noise_center.double()).T).T.to(z)

    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats: the flow's density, with the Gaussian's in place of N(0, I) for the noise."""
        e = Flow.encode(self, z).double()
        return super().log_prob(z) - standard_density(e) + self._noise_density(e)

    def _colored(self, e: Tensor) -> Tensor:
        e = e.to(self.noise_center)
        # Row by row, since the last bits of a matrix product depend on the number of rows.
        return torch.stack([self.noise_center + self.noise_root @ row for row in e]) if len(e) else e

    def _noise_density(self, e: Tensor) -> Tensor:
        root = self.noise_root.double()
        return normal_density(e, self.noise_center.double(), root @ root)


def normal_density(e: Tensor, center: Tensor, covariance: Tensor) -> Tensor:
    """Log-densities (N,) of vectors (N, D) under a Gaussian, nats."""
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, (e - center).T, upper=False)  # (D, N)
    volume = factor.diagonal().log().sum()
    return -0.5 * (white.square() + math.log(2 * math.pi)).sum(0) - volume


def shrunk_normal(
    e: Tensor, shrinkages: Sequence[float] = SHRINKAGES, folds: int = FOLDS
) -> tuple[Tensor, Tensor, float, float]:
    """The mean (D,) and the shrunk covariance (D, D) of noises (N, D), N ≥ 2, the share of N(0, I) in it, and
    the mean log-density in nats of noises that a fit did not see."""
    e = e.double()
    parts = [torch.arange(start, len(e), min(folds, len(e))) for start in range(min(folds, len(e)))]
    best, highest = shrinkages[-1], -math.inf
    for share in shrinkages:
        total = 0.0
        for held_out in parts:
            seen = torch.ones(len(e), dtype=torch.bool)
            seen[held_out] = False
            center, covariance = _shrunk(e[seen], share)
            total += float(normal_density(e[held_out], center, covariance).sum())
        if total / len(e) > highest:
            best, highest = share, total / len(e)
    center, covariance = _shrunk(e, best)
    return center, covariance, best, highest


def _shrunk(e: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Mean and covariance of noises (N, D), the covariance with a share of I."""
    centered = e - e.mean(0)
    covariance = centered.T @ centered / len(e)
    unit = torch.eye(e.shape[1], dtype=e.dtype, device=e.device)
    return e.mean(0), (1 - share) * covariance + share * unit
