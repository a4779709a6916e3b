"""A prior of any shape: a normalizing flow that transports Gaussian noise to latents of faces, along a
velocity field given by a small network. How the network is trained is in flow_training.py.

Flow matching (Lipman et al., 2023; Liu et al., 2023) between noise e and a latent x, both (K,) and white,
along a quarter of a circle (the trigonometric interpolant of Albergo & Vanden-Eijnden, 2023):

    x(θ) = cos θ · e + sin θ · x,   θ from 0 to π/2,   velocity dx/dθ = cos θ · x − sin θ · e.

On this path white latents stay white at each θ, and the mean velocity of Gaussian latents is 0 everywhere. A
network whose output is 0 is therefore the Gaussian of the latents' mean and covariance, and training only
adds the difference from it."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import torch
from torch import Generator, Tensor

from facespace.core.console import note
from facespace.core.errors import UsageError
from facespace.models.flow_training import MIN_FACES, fit_velocity, uniform_angles
from facespace.models.prior import FittedPrior, Options, identity, noise, standard_density, variance_floor
from facespace.models.prior_facts import CHUNK, SOLVER_STEPS
from facespace.models.velocity import Velocity, untrained

STEPS = 6_000  # of training, at most
WIDTH, BLOCKS = 512, 4
MIN_WIDTH, UNITS_PER_LATENT = 64, 4  # of a network for fewer latents
MIRRORED = " and of their mirror images"
DEFAULTS_OF_OLDER_CARDS = {"blocks": 3, "modulated": False, "conditions": ()}
KEPT_VARIANCE = (
    0.999  # share of the variance in the components that the network sees; the others are Gaussian
)
LARGE_CHUNK = 2_048  # latents in one batch where rounding may depend on n
PROBES = (
    8  # Rademacher vectors of the divergence estimate (Hutchinson, 1989), the same for all latents and calls
)


class Condition(NamedTuple):
    """The attributes that samples are conditioned on."""

    attributes: Tensor  # (A,), NaN unknown
    guidance: float  # strength of classifier-free guidance


class Flow(FittedPrior):
    """Noise N(0, I) transported to latents by a learned velocity. N(0, I) until it is fitted."""

    name = "a flow"
    origin = name
    center: Tensor  # (D,)
    axes: Tensor  # (D, D) orthonormal columns: principal components of the latents by decreasing variance
    spread: Tensor  # (D,) standard deviations along them
    velocity: Velocity

    def __init__(
        self,
        dim: int,
        steps: int = STEPS,
        width: int | None = None,
        seen: int | None = None,
        blocks: int = BLOCKS,
        modulated: bool = True,
        conditions: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if width is None:
            width = min(WIDTH, max(MIN_WIDTH, UNITS_PER_LATENT * dim))
        if steps < 0 or width < 1 or blocks < 1:
            raise UsageError(
                "A flow takes 0 or more steps, a width of 1 or more and 1 block or more; "
                f"got {steps}, {width} and {blocks}."
            )
        self.steps, self.width, self.seen = steps, width, dim if seen is None else seen
        self.blocks, self.modulated, self.conditions = blocks, modulated, tuple(conditions)
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("axes", identity(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.velocity = untrained(self._new_network)

    @classmethod
    def from_card(cls, dim: int, options: Options) -> Self:
        """An unfitted flow with the `options` of a card. Networks of older cards have no modulation."""
        return cls(dim, **{**DEFAULTS_OF_OLDER_CARDS, **options})

    @property
    def options(self) -> Options:
        """Training steps at most; width, blocks and modulation of the network; the number of principal
        components that it sees; the attributes that samples can be conditioned on."""
        return {
            "steps": self.steps,
            "width": self.width,
            "seen": self.seen,
            "blocks": self.blocks,
            "modulated": self.modulated,
            "conditions": list(self.conditions),
        }

    @property
    def mean(self) -> Tensor:
        """(D,): that of the latents it was fitted to."""
        return self.center

    def fit(self, z: Tensor, seed: int = 0, y: Tensor | None = None) -> None:
        """Fits the flow to latents (N, D), N ≥ 2, or (N, V, D), V views of each face; with `conditions` also
        to their attributes (N, A) or (N, V, A): +1 yes, −1 no, NaN unknown.

        Some faces are held out for early stopping. With fewer than FEWEST faces no network is trained, a note
        is printed, and the flow is a Gaussian."""
        faces, views = len(z), 1 if z.dim() == 2 else z.shape[1]
        z = z.detach().double().cpu().flatten(0, -2)
        self._whiten(z)
        net = untrained(self._new_network)
        trained = faces >= MIN_FACES
        if trained:
            x = self._white(z)[:, : self.seen].float().unflatten(0, (faces, views))
            if y is not None and y.dim() == 2:
                y = y.unflatten(0, (faces, 1))
            net = fit_velocity(self._new_network, x, self.steps, seed, y, self.angles)
        else:
            note(f"{faces:,} faces are too few for a flow, which needs {MIN_FACES}; it stays a Gaussian.")
        self.velocity = net.to(self.center.device).requires_grad_(False).eval()
        kind = self.name if trained else f"{self.name} without training, a Gaussian,"
        mirrored = MIRRORED if views > 1 else ""
        self.origin = f"{kind} fitted to the latents of {faces:,} faces{mirrored}"

    def _whiten(self, z: Tensor) -> None:
        """Sets mean, principal components and deviations of latents (N, D), and how many components the
        network sees."""
        values, vectors = torch.linalg.eigh(torch.cov(z.T).reshape(z.shape[1], -1))
        values, vectors = values.flip(0).clamp(min=variance_floor(z.var(0))), vectors.flip(1)
        self.center.copy_(z.mean(0))
        self.axes.copy_(vectors.contiguous())  # the memory layout of a loaded flow, for equal rounding
        self.spread.copy_(values.sqrt())
        self.seen = int((values.cumsum(0) < KEPT_VARIANCE * values.sum()).sum()) + 1

    @staticmethod
    def angles(n: int) -> Tensor:
        """Radians (n,) of a training batch."""
        return uniform_angles(n)

    def _new_network(self, dropout: float = 0.0) -> Velocity:
        return Velocity(self.seen, self.width, dropout, self.blocks, self.modulated, len(self.conditions))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        temperature: float = 1.0,
        generator: Generator | None = None,
        y: Tensor | None = None,
        guidance: float = 1.0,
    ) -> Tensor:
        """(n, D); the initial noise is scaled by `temperature`. All samples are conditioned on the attributes
        y (A,), NaN unknown, the more strongly the larger `guidance` (see `Flow.guided`)."""
        condition = None if y is None else Condition(y.to(self.center), guidance)
        start = self.scaled(self.initial_noise(n, generator), temperature)
        return self._in_chunks(start, lambda part: self.transport(part, condition))

    def initial_noise(self, n: int, generator: Generator | None) -> Tensor:
        """The initial noise of n samples, (n, D)."""
        return noise(n, self.center, generator)

    def scaled(self, e: Tensor, factor: float) -> Tensor:
        """Noise (N, …) with its distance from the mean of the noise scaled."""
        return factor * e

    def transport(self, start: Tensor, condition: Condition | None = None) -> Tensor:
        """That noise to latents (N, D)."""
        x, _ = self._integrate(start.to(self.center), 0.0, math.pi / 2, condition=condition)
        return self.latents(x)

    @staticmethod
    def _in_chunks(rows: Tensor, transport: Callable[[Tensor], Tensor]) -> Tensor:
        """Noise (N, …) to latents (N, D), in batches of exactly CHUNK."""
        parts = []
        for part in rows.split(CHUNK):
            padded = torch.cat([part, part.new_zeros(CHUNK - len(part), *part.shape[1:])])
            parts.append(transport(padded)[: len(part)])
        return torch.cat(parts) if parts else rows.flatten(1)[:, : rows.shape[-1]]

    @torch.no_grad()
    def sample_many(self, n: int, generator: Generator, temperature: float = 1.0) -> Tensor:
        """(n, D) latents, equal to those of `sample` up to rounding, several times as fast."""
        start = self.scaled(self.initial_noise(n, generator), temperature)
        return torch.cat([self.transport(part) for part in start.split(LARGE_CHUNK)])

    def decode(self, e: Tensor) -> Tensor:
        """Noise (N, D) to latents (N, D), deterministically."""
        return Flow.transport(self, e)

    def latents(self, x: Tensor) -> Tensor:
        """White vectors (N, D) along the principal components to latents (N, D)."""
        return self.center + (x * self.spread) @ self.axes.T

    def encode(self, z: Tensor) -> Tensor:
        """The inverse of `decode` up to the solver's error: latents (N, D) to noise (N, D)."""
        return self._integrate(self._white(z).to(self.center), math.pi / 2, 0.0)[0]

    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats, by the instantaneous change of variables (Chen et al., 2018). The divergence is exact
        for up to PROBES components; for more it is an unbiased estimate by PROBES fixed probes."""
        probes = torch.eye(self.seen).to(self.center)
        if self.seen > PROBES:
            signs = torch.rand(PROBES, self.seen, generator=Generator().manual_seed(0)).round() * 2 - 1
            probes = signs.to(self.center) / math.sqrt(PROBES)
        e, volume = self._integrate(self._white(z).to(self.center), math.pi / 2, 0.0, probes)
        return standard_density(e) + volume.double() - self.spread.double().log().sum()

    def truncate(self, z: Tensor, strength: float) -> Tensor:
        """Truncation: latents (N, D) are encoded to noise, which shrinks by `strength` and is transported
        back, so that each latent moves along its own path to regions of high density. At 1 all end where the
        mean noise is transported."""
        with torch.no_grad():
            e = self.encode(z)
            # A difference, so that the solver's error cancels and a strength of 0 changes nothing.
            return z + (self.decode(self.scaled(e, 1 - strength)) - self.decode(e)).to(z)

    def _white(self, z: Tensor) -> Tensor:
        """Latents (N, D) along the principal components, with variance 1 along each: (N, D)."""
        centered = z.to(self.center.device).double() - self.center.double()
        return centered @ self.axes.double() / self.spread.double()

    def _integrate(
        self,
        x: Tensor,
        start: float,
        end: float,
        probes: Tensor | None = None,
        condition: Condition | None = None,
    ) -> tuple[Tensor, Tensor]:
        """White vectors (N, D) from one angle to another by Heun's method, and with probes (P, K) the
        integral of the divergence along the path (N,), else 0. Components that the network does not see stay
        as they are."""
        moved, rest = x[:, : self.seen], x[:, self.seen :]
        angles, volume = torch.linspace(start, end, SOLVER_STEPS + 1).tolist(), x.new_zeros(len(x))
        for begin, stop in pairwise(angles):
            moved, growth = self._heun(moved, begin, stop, probes, condition)
            volume = volume + growth
        return torch.cat([moved, rest], 1), volume

    def _heun(
        self,
        x: Tensor,
        start: float,
        end: float,
        probes: Tensor | None = None,
        condition: Condition | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One step of Heun's method for white vectors (N, K), and the integral of the divergence over it
        (N,), 0 without probes."""
        step = end - start
        first, before = self._derivative(x, start, probes, condition)
        second, after = self._derivative(x + step * first, end, probes, condition)
        return x + step / 2 * (first + second), step / 2 * (before + after)

    def _derivative(
        self, x: Tensor, angle: float, probes: Tensor | None, condition: Condition | None
    ) -> tuple[Tensor, Tensor]:
        """Velocity (N, K) and divergence (N,), 0 without probes."""
        angles = x.new_full((len(x),), angle)
        if condition is not None:
            return self.guided(x, angles, condition), x.new_zeros(len(x))
        if probes is None:
            return self.velocity(x, angles), x.new_zeros(len(x))
        velocity, change = self.velocity.along((x, probes[:, None].expand(-1, *x.shape)), angles)
        assert change is not None
        return velocity, (change * probes[:, None]).sum((0, 2))

    def guided(self, x: Tensor, angle: Tensor, condition: Condition) -> Tensor:
        """Velocities (N, K) by classifier-free guidance (Ho & Salimans, 2021): guidance 1 is the conditional
        velocity, 0 the unconditional one; above 1 the difference between the two is extrapolated."""
        conditional = self.velocity(x, angle, condition.attributes.expand(len(x), -1))
        if condition.guidance == 1:
            return conditional
        unconditional = self.velocity(x, angle)
        return unconditional + condition.guidance * (conditional - unconditional)
