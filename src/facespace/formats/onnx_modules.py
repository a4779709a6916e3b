"""The three networks of a space as torch modules that can be traced to ONNX: encoder, decoder, and the
sampler of a prior as a function of its noise. Computes what the model and its priors compute, and writes no
files."""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from facespace.core.errors import UsageError
from facespace.models.diffusion import Diffusion
from facespace.models.flow import Flow
from facespace.models.interface import LatentModel
from facespace.models.prior_facts import SOLVER_STEPS, SPREAD, raised_level
from facespace.models.priors import FittedNormal, Mixture, NoiseNormal, NoisePairs, Prior, StandardNormal

RIGHT_ANGLE = math.pi / 2


class Encoder(nn.Module):
    """Faces to the means of their posteriors."""

    def __init__(self, model: LatentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, faces: Tensor, attributes: Tensor | None = None) -> Tensor:
        """(N, C, H, W) in [0, 1] and attributes (N, A), NaN unknown, to latents (N, D)."""
        return self.model.encode(faces, attributes).mean.flatten(1)


class Decoder(nn.Module):
    """Latents to faces."""

    def __init__(self, model: LatentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, latents: Tensor, attributes: Tensor | None = None) -> Tensor:
        """(N, D) and attributes (N, A), NaN unknown, to (N, C, H, W) in [0, 1]."""
        return self.model.decode(latents.reshape(-1, *self.model.latent_shape), attributes)


class Sampler(NamedTuple):
    """A prior as a function of normal noise: `start` makes a state from the noise (N, E), `step`, if any, is
    applied `steps` times to its number, the noise and the state, and `end` makes latents (N, D) of it."""

    noise: int  # E
    start: nn.Module
    end: nn.Module
    step: nn.Module | None = None
    steps: int = 0

    def forward(self, noise: Tensor) -> Tensor:
        """The same in torch: N(0, 1) numbers (N, E) to latents (N, D)."""
        state = self.start(noise)
        for place in range(self.steps):
            assert self.step is not None
            state = self.step(torch.tensor(place), noise, state)
        return self.end(state)


class Quantized(nn.Module):
    """The result of a module, in a model of codes with each code replaced by the nearest entry."""

    def __init__(self, model: LatentModel, inner: nn.Module) -> None:
        super().__init__()
        self.model, self.inner = model, inner

    def forward(self, x: Tensor) -> Tensor:
        """What the module takes to latents (N, D)."""
        return self.model.quantize(self.inner(x).reshape(-1, *self.model.latent_shape)).flatten(1)


def sampler_of(model: LatentModel, prior: Prior) -> Sampler:
    """The sampler of a prior. Raises UsageError for one that draws code after code."""
    dim = math.prod(model.latent_shape)
    if isinstance(prior, StandardNormal):
        return Sampler(dim, nn.Identity(), Quantized(model, nn.Identity()))
    if isinstance(prior, FittedNormal):
        return Sampler(dim, nn.Identity(), Quantized(model, _GaussianTransport(prior)))
    if isinstance(prior, Mixture):
        return Sampler(1 + dim, nn.Identity(), Quantized(model, _MixtureTransport(prior)))
    if isinstance(prior, Flow):
        return Sampler(
            _noise_length(prior, dim),
            FlowStart(prior),
            Quantized(model, FlowEnd(prior)),
            FlowStep(prior),
            SOLVER_STEPS,
        )
    raise UsageError(
        f"New latents of this space come from {prior.origin}, which draws one code after another; there is "
        "no ONNX file of such a prior."
    )


def _noise_length(prior: Flow, dim: int) -> int:
    """How many numbers a sample of a flow takes."""
    if isinstance(prior, Diffusion):
        return SOLVER_STEPS * dim
    if isinstance(prior, NoisePairs):
        return 1 + dim
    return dim


class _GaussianTransport(nn.Module):
    center: Tensor
    root: Tensor

    def __init__(self, prior: FittedNormal) -> None:
        super().__init__()
        self.register_buffer("center", prior.center)
        self.register_buffer("root", prior.root)

    def forward(self, noise: Tensor) -> Tensor:
        return self.center + noise @ self.root.T


class _MixtureTransport(nn.Module):
    """The first number of the noise picks the component, as in `Mixture.sample`: component k where it lies
    between the quantiles of the cumulative weights."""

    quantiles: Tensor  # (K - 1,)
    means: Tensor  # (K, D)
    factors: Tensor  # (K, D, D)

    def __init__(self, prior: Mixture) -> None:
        super().__init__()
        reached = prior.weights.double().cumsum(0)[:-1].clamp(max=1)
        self.register_buffer("quantiles", torch.special.ndtri(reached).float())
        self.register_buffer("means", prior.means)
        self.register_buffer("factors", prior.factors)

    def forward(self, noise: Tensor) -> Tensor:
        chosen = (noise[:, :1] > self.quantiles).long().sum(1)  # (N,)
        moved = self.factors[chosen] @ noise[:, 1:, None]  # (N, D, 1)
        return self.means[chosen] + moved[:, :, 0]


class FlowStart(nn.Module):
    """The noise at the start of the solver."""

    quantiles: Tensor  # (P - 1,) of the first number, between the pairs of NoisePairs

    def __init__(self, prior: Flow) -> None:
        super().__init__()
        self.prior = prior
        count = len(prior.pairs) if isinstance(prior, NoisePairs) else 1
        reached = torch.arange(1, count, dtype=torch.float64) / count
        self.register_buffer("quantiles", torch.special.ndtri(reached).float())

    def forward(self, noise: Tensor) -> Tensor:
        """(N, E) to (N, D)."""
        if isinstance(self.prior, Diffusion):
            return noise[:, : len(self.prior.center)]
        if isinstance(self.prior, NoiseNormal):
            return self.prior.noise_center + noise @ self.prior.noise_root.T
        if isinstance(self.prior, NoisePairs):
            chosen = (noise[:, :1] > self.quantiles).long().sum(1)  # (N,)
            return self.prior.pairs[chosen] + SPREAD * noise[:, 1:]
        return noise


class FlowStep(nn.Module):
    """Step i of the solver, of `Flow.transport` without a condition and of `Diffusion.transport`. What
    depends on the angle alone is in tables with a row for each step."""

    before: Tensor  # (steps, blocks, 3W) modulations at the beginning of each step
    after: Tensor  # and at its end
    steps: Tensor  # (steps,) radians
    kept: Tensor  # (steps,) factor of the point, where noise is added before a step
    added: Tensor  # (steps,) factor of the noise

    def __init__(self, prior: Flow) -> None:
        super().__init__()
        self.prior, self.stochastic = prior, isinstance(prior, Diffusion)
        begins, ends, kept, added = [], [], [], []
        for place, (begin, end) in enumerate(pairwise(_angles())):
            back, deviation = begin, 0.0
            if self.stochastic and place:
                back, deviation = raised_level(begin)
            begins.append(back)
            ends.append(end)
            kept.append(math.sin(back) / math.sin(begin) if place else 1.0)
            added.append(math.sin(back) * deviation)
        self.register_buffer("before", self._modulations(begins))
        self.register_buffer("after", self._modulations(ends))
        self.register_buffer("steps", torch.tensor(ends) - torch.tensor(begins))
        self.register_buffer("kept", torch.tensor(kept))
        self.register_buffer("added", torch.tensor(added))

    def forward(self, i: Tensor, noise: Tensor, x: Tensor) -> Tensor:
        """The number of the step (), the noise (N, E) and white vectors (N, D) to the next ones."""
        seen, rest = x[:, : self.prior.seen], x[:, self.prior.seen :]
        if self.stochastic:
            fresh = noise.unflatten(1, (SOLVER_STEPS, -1))[:, i]
            seen = self.kept[i] * seen + self.added[i] * fresh[:, : self.prior.seen]
        step = self.steps[i]
        first = self._velocity(seen, self.before[i])
        second = self._velocity(seen + step * first, self.after[i])
        return torch.cat([seen + step / 2 * (first + second), rest], 1)

    def _modulations(self, angles: list[float]) -> Tensor:
        """(steps, blocks, 3W)."""
        with torch.no_grad():
            return torch.stack(self.prior.velocity.modulations(torch.tensor(angles)), 1)

    def _velocity(self, x: Tensor, modulations: Tensor) -> Tensor:
        return self.prior.velocity.modulated_along((x, None), modulations[:, None].unbind(0))[0]


class FlowEnd(nn.Module):
    """White vectors along the principal components to latents."""

    def __init__(self, prior: Flow) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) to (N, D)."""
        return self.prior.latents(x)


def _angles() -> list[float]:
    """Radians between the steps of the solver."""
    return torch.linspace(0, RIGHT_ANGLE, SOLVER_STEPS + 1).tolist()
