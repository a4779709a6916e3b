"""The distributions that latents are sampled from. A VAE's prior is N(0, I); an autoencoder has none, so a
Gaussian is fitted to its training latents, and `origin` says so. Further priors can be fitted to the latents
of any model (FITTED): the Gaussian ones are here, the others in flow.py, diffusion.py and
autoregressive.py."""

import warnings
from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal

from facespace.core.console import note
from facespace.core.errors import UsageError, choose
from facespace.models.autoregressive import Autoregressive
from facespace.models.codes import CodeGrid
from facespace.models.diffusion import Diffusion
from facespace.models.flow import Flow
from facespace.models.noise_normal import NAME as NOISE_NORMAL
from facespace.models.noise_normal import NoiseNormal
from facespace.models.noise_pairs import NAME as NOISE_PAIRS
from facespace.models.noise_pairs import NoisePairs
from facespace.models.prior import (
    FittedPrior,
    Options,
    Prior,
    identity,
    noise,
    standard_density,
    variance_floor,
)
from facespace.models.prior_facts import FITTED_NORMAL, STANDARD_NORMAL

FACES_PER_LATENT = 2  # for each component: fitted to fewer, it overfits


class StandardNormal(Prior):
    """N(0, I) over (D,)."""

    origin = STANDARD_NORMAL
    center: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(dim), persistent=False)  # holds the device

    @property
    def mean(self) -> Tensor:
        """(D,) zeros."""
        return self.center

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D)."""
        return temperature * noise(n, self.center, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats."""
        return standard_density(z)


class FittedNormal(FittedPrior):
    """N(mean, covariance) of the training latents, both in the state dict. N(0, I) until it is fitted."""

    origin = FITTED_NORMAL
    center: Tensor
    covariance: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("covariance", identity(dim))

    @property
    def mean(self) -> Tensor:
        """(D,)."""
        return self.center

    @property
    def root(self) -> Tensor:
        """(D, D): the factor R of the covariance R Rᵀ that carries normal noise to deviations from the
        mean."""
        # Eigenvectors, since the covariance is singular for fewer faces than latents and for collapsed
        # latents.
        values, vectors = torch.linalg.eigh(self.covariance.double())
        return (vectors * values.clamp(min=0).sqrt()).to(self.center.dtype)

    @torch.no_grad()
    def fit(self, z: Tensor, seed: int = 0, y: Tensor | None = None) -> None:
        """Sets mean and covariance to those of latents (N, D) or (N, V, D), N ≥ 2. Deterministic."""
        z = z.flatten(0, -2)
        self.center.copy_(z.mean(0))
        self.covariance.copy_(torch.cov(z.double().T).reshape(self.covariance.shape))
        self.origin = f"a Gaussian fitted to the latents of {len(z):,} faces"

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D)."""
        root = self.root
        rows = [self.center + temperature * (root @ e) for e in noise(n, self.center, generator)]
        return torch.stack(rows)

    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats, of the Gaussian with the variance floor added."""
        covariance = self.covariance.double()
        covariance = covariance + variance_floor(covariance.diagonal()) * torch.eye(len(covariance)).to(
            covariance
        )
        return MultivariateNormal(self.center.double(), covariance).log_prob(z.double())


class Mixture(FittedPrior):
    """K Gaussians of full covariance, fitted by expectation-maximisation, as Ghosh et al. (2020) do for
    autoencoders. N(0, I) until it is fitted."""

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
        self.register_buffer("factors", identity(dim).repeat(components, 1, 1))

    @property
    def options(self) -> Options:
        """The number of components."""
        return {"components": len(self.weights)}

    @property
    def mean(self) -> Tensor:
        """(D,): the weighted mean of the components' means."""
        return self.weights @ self.means

    @torch.no_grad()
    def fit(self, z: Tensor, seed: int = 0, y: Tensor | None = None) -> None:
        """Fits the mixture to latents (N, D) or (N, V, D), N ≥ 2. Few latents get fewer components, with a
        note."""
        from sklearn.exceptions import ConvergenceWarning  # here: it takes longer to import than to sample
        from sklearn.mixture import GaussianMixture

        z = z.flatten(0, -2)
        requested, count = len(self.weights), len(z) // (FACES_PER_LATENT * z.shape[1])
        components = min(requested, max(count, 1))
        if components < requested:
            note(
                f"{len(z):,} faces are few for {requested} Gaussians of {z.shape[1]} latents; "
                f"fitting {components}."
            )
        lowest = variance_floor(z.double().var(0))
        mixture = GaussianMixture(components, reg_covar=lowest, random_state=seed % 2**32)
        with warnings.catch_warnings():  # near convergence is enough, and repeated faces are allowed
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(z.double().cpu().numpy())
        self.weights = torch.from_numpy(mixture.weights_).to(self.means)
        factors = torch.linalg.cholesky(torch.from_numpy(mixture.covariances_))
        self.factors = factors.to(
            self.means
        ).contiguous()  # the memory layout of a loaded one, for equal rounding
        self.means = torch.from_numpy(mixture.means_).to(self.means)
        gaussians = f"{components} Gaussians" if components > 1 else "one Gaussian"
        self.origin = f"a mixture of {gaussians} fitted to the latents of {len(z):,} faces"

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D); deviations from a component's mean are scaled by `temperature`, the choice of component is
        not."""
        drawn = noise(n, self.means.new_zeros(1 + self.means.shape[1]), generator)
        uniform = torch.special.ndtr(
            drawn[:, 0].double()
        )  # (n,): the first number of a row picks the component
        chosen = torch.searchsorted(self.weights.double().cumsum(0), uniform).clamp(max=len(self.weights) - 1)
        rows = [self.means[k] + temperature * (self.factors[k] @ e) for k, e in zip(chosen, drawn[:, 1:])]
        return torch.stack(rows)

    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats."""
        return self._joint(z).logsumexp(0)

    def truncate(self, z: Tensor, strength: float) -> Tensor:
        """Truncation: latents (N, D) moved by a `strength` of the straight path to the mean of the
        components' means under each latent's posterior over components."""
        mode = self._joint(z).softmax(0).T @ self.means.double()  # (N, D)
        return (z + strength * (mode - z)).to(z)

    def _joint(self, z: Tensor) -> Tensor:
        """log p(component, z), (K, N) nats."""
        parts = []
        for weight, mean, factor in zip(self.weights.double(), self.means.double(), self.factors.double()):
            component = MultivariateNormal(mean, scale_tril=factor)
            parts.append(weight.log() + component.log_prob(z.double()))
        return torch.stack(parts)


def default_kinds(grids: Sequence[CodeGrid]) -> tuple[str, ...]:
    """The kinds of prior to choose from where none is named: of codes the one over codes, since the density
    of a continuous one at codes, which are points, says nothing."""
    if grids:
        return ("autoregressive",)
    return ("flow", "mixture", "normal")


def fitted_prior(kind: str, dim: int, options: Options, grids: Sequence[CodeGrid] = ()) -> FittedPrior:
    """An unfitted prior of FITTED for latents (dim,); `grids` are a model's `code_grids`. Raises UsageError
    for an unknown kind or option, and for a prior over codes where there are none."""
    make = choose(FITTED, kind, "prior")
    try:
        return make.for_latents(dim, grids, options)
    except TypeError as error:
        raise UsageError(f"A prior {kind!r} does not take {', '.join(options)}.") from error


# The model's own prior, by its bottleneck.
PRIORS: dict[str, type[FittedNormal | StandardNormal]] = {
    "deterministic": FittedNormal,
    "vq": FittedNormal,
    "gaussian": StandardNormal,
}
# Priors that `facespace fit-prior` fits and stores in the bundle.
FITTED: dict[str, type[FittedPrior]] = {
    "flow": Flow,
    "diffusion": Diffusion,
    "autoregressive": Autoregressive,
    "mixture": Mixture,
    "normal": FittedNormal,
}

# Priors that a bundle may hold: those, and the ones that `facespace adapt` makes from a base's flow.
STORED: dict[str, type[FittedPrior]] = {**FITTED, NOISE_NORMAL: NoiseNormal, NOISE_PAIRS: NoisePairs}

CONDITIONAL = tuple(kind for kind, row in FITTED.items() if issubclass(row, Flow))  # by attributes

__all__ = [
    "CONDITIONAL",
    "FITTED",
    "NOISE_NORMAL",
    "NOISE_PAIRS",
    "PRIORS",
    "STORED",
    "Autoregressive",
    "FittedNormal",
    "FittedPrior",
    "Flow",
    "Mixture",
    "NoiseNormal",
    "NoisePairs",
    "Options",
    "Prior",
    "StandardNormal",
    "default_kinds",
    "fitted_prior",
]
