"""Where new latents come from. A VAE's prior is N(0, I); an autoencoder has none, so one is fitted to its training
latents afterwards and says so. Any space can have further priors fitted to the latents of faces (FITTED): the Gaussian
ones are here, the flow is in flow.py."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal

from facespace.core.console import note
from facespace.core.errors import UsageError, choose
from facespace.models.diffusion import Diffusion
from facespace.models.flow import Flow
from facespace.models.prior import FittedPrior, Prior, floor, noise

FACES_PER_LATENT = 2  # a component fitted to fewer knows its own faces and nothing else


class StandardNormal(Prior):
    """N(0, I) over (D,)."""

    origin = "the prior N(0, I)"
    center: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(dim), persistent=False)  # carries the device

    @property
    def mean(self) -> Tensor:
        """(D,) zeros."""
        return self.center

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D)."""
        return temperature * noise(n, self.center, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats."""
        return -0.5 * (z.double().square() + math.log(2 * math.pi)).sum(1)


class FittedNormal(FittedPrior):
    """N(mean, covariance) of the training latents; both are stored with the weights. N(0, I) until it is fitted."""

    origin = "a Gaussian fitted to the latents of the training faces (an autoencoder has no prior of its own)"
    center: Tensor
    covariance: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("covariance", torch.eye(dim))

    @property
    def mean(self) -> Tensor:
        """(D,)."""
        return self.center

    @torch.no_grad()
    def fit(self, z: Tensor, seed: int = 0, y: Tensor | None = None) -> None:
        """Takes mean and covariance of (N, D) or (N, V, D) latents, N ≥ 2; there is nothing random in it."""
        z = z.flatten(0, -2)
        self.center.copy_(z.mean(0))
        self.covariance.copy_(torch.cov(z.double().T).reshape(self.covariance.shape))
        self.origin = f"a Gaussian fitted to the latents of {len(z):,} faces"

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D)."""
        # Eigenvectors rather than Cholesky: fewer faces than latents, or dead latents, leave the covariance singular.
        values, vectors = torch.linalg.eigh(self.covariance.double())
        spread = (vectors * values.clamp(min=0).sqrt()).to(self.center.dtype)
        return torch.stack(
            [self.center + temperature * (spread @ e) for e in noise(n, self.center, generator)]
        )

    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats, of the Gaussian with the floor under its variances."""
        covariance = self.covariance.double()
        covariance = covariance + floor(covariance.diagonal()) * torch.eye(len(covariance)).to(covariance)
        return MultivariateNormal(self.center.double(), covariance).log_prob(z.double())


class Mixture(FittedPrior):
    """K Gaussians of full covariance, fitted by expectation-maximisation (Ghosh et al., 2020, fit one to the latents of
    an autoencoder after its training). N(0, I) until it is fitted."""

    origin = "a mixture of Gaussians"
    weights: Tensor  # (K,)
    means: Tensor  # (K, D)
    factors: Tensor  # (K, D, D) lower triangular: a covariance is factor @ factor.T

    def __init__(self, dim: int, components: int = 10) -> None:
        super().__init__()
        if components < 1:
            raise UsageError(f"A mixture has at least 1 component; got {components}.")
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, dim))
        self.register_buffer("factors", torch.eye(dim).repeat(components, 1, 1))

    @property
    def options(self) -> dict[str, Any]:
        """How many Gaussians."""
        return {"components": len(self.weights)}

    @property
    def mean(self) -> Tensor:
        """(D,): that of the components, by their weights."""
        return self.weights @ self.means

    @torch.no_grad()
    def fit(self, z: Tensor, seed: int = 0, y: Tensor | None = None) -> None:
        """Learns from (N, D) or (N, V, D) latents, N ≥ 2; with few of them fewer components, which a note tells."""
        from sklearn.exceptions import (
            ConvergenceWarning,  # here, since it takes longer to load than sampling takes
        )
        from sklearn.mixture import GaussianMixture

        z = z.flatten(0, -2)
        asked, count = len(self.weights), len(z) // (FACES_PER_LATENT * z.shape[1])
        components = min(asked, max(count, 1))
        if components < asked:
            note(
                f"{len(z):,} faces are few for {asked} Gaussians of {z.shape[1]} latents; fitting {components}."
            )
        lowest = floor(z.double().var(0))
        mixture = GaussianMixture(components, reg_covar=lowest, random_state=seed % 2**32)
        with warnings.catch_warnings():  # nearly converged is good enough, and equal faces are no mistake
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(z.double().cpu().numpy())
        self.weights = torch.from_numpy(mixture.weights_).to(self.means)
        factors = torch.linalg.cholesky(torch.from_numpy(mixture.covariances_))
        self.factors = factors.to(
            self.means
        ).contiguous()  # laid out as when loaded, so the same to the last bit
        self.means = torch.from_numpy(mixture.means_).to(self.means)
        gaussians = f"{components} Gaussians" if components > 1 else "one Gaussian"
        self.origin = f"a mixture of {gaussians} fitted to the latents of {len(z):,} faces"

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D); deviations from a component's mean are scaled by `temperature`, the choice of component is not."""
        drawn = noise(n, self.means.new_zeros(1 + self.means.shape[1]), generator)
        chance = torch.special.ndtr(
            drawn[:, 0].double()
        )  # (n,) uniform: one number of each row chooses its component
        chosen = torch.searchsorted(self.weights.double().cumsum(0), chance).clamp(max=len(self.weights) - 1)
        rows = [self.means[k] + temperature * (self.factors[k] @ e) for k, e in zip(chosen, drawn[:, 1:])]
        return torch.stack(rows)

    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats."""
        return self._parts(z).logsumexp(0)

    def pull(self, z: Tensor, share: float) -> Tensor:
        """Latents (N, D) taken a `share` of the straight way to the mean of the component that each comes from; where several
        may have made it, to their means by how probable each is."""
        goal = self._parts(z).softmax(0).T @ self.means.double()  # (N, D)
        return (z + share * (goal - z)).to(z)

    def _parts(self, z: Tensor) -> Tensor:
        """Of each component the log-density that it adds, (K, N)."""
        parts = [
            weight.log() + MultivariateNormal(mean, scale_tril=factor).log_prob(z.double())
            for weight, mean, factor in zip(self.weights.double(), self.means.double(), self.factors.double())
        ]
        return torch.stack(parts)


def fitted_prior(kind: str, dim: int, options: Mapping[str, Any]) -> FittedPrior:
    """A prior of FITTED, not fitted yet; UsageError for a kind or an option that does not exist."""
    make = choose(FITTED, kind, "prior")
    try:
        return make(dim, **options)
    except TypeError as error:
        raise UsageError(f"A prior {kind!r} does not take {', '.join(options)}.") from error


PRIORS = {
    "point": FittedNormal,
    "codes": FittedNormal,
    "gaussian": StandardNormal,
}  # a model's own, by its bottleneck
# Fitted on request, and kept beside the model.
FITTED: dict[str, type[FittedPrior]] = {
    "flow": Flow,
    "diffusion": Diffusion,
    "mixture": Mixture,
    "normal": FittedNormal,
}

CONDITIONAL = tuple(kind for kind, row in FITTED.items() if issubclass(row, Flow))  # draws under attributes

__all__ = [
    "CONDITIONAL",
    "FITTED",
    "PRIORS",
    "FittedNormal",
    "FittedPrior",
    "Flow",
    "Mixture",
    "Prior",
    "StandardNormal",
    "fitted_prior",
]
