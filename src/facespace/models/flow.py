"""A prior of any shape: a flow that carries Gaussian noise to where the latents of faces lie, by a small network of
velocities. How such a network learns is in flow_training.py.

Flow matching (Lipman et al., 2023; Liu et al., 2023) between noise e and a latent x, both (K,) and white, along a quarter
of a circle (the trigonometric interpolant of Albergo & Vanden-Eijnden, 2023):

    x(θ) = cos θ · e + sin θ · x,   θ from 0 to π/2,   velocity dx/dθ = cos θ · x − sin θ · e.

On this way white latents stay white at each θ, and if they were Gaussian their mean velocity would be 0 everywhere. So a
network that gives 0 is already the Gaussian of the latents' mean and covariance, and what it learns is only how they differ
from it."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from facespace.core.console import note
from facespace.core.errors import UsageError
from facespace.models.flow_training import FEWEST, learn
from facespace.models.prior import FittedPrior, floor, noise
from facespace.models.velocity import Velocity, untrained

STEPS = 6_000  # of training, at most
WIDTH, BLOCKS = 512, 4
NARROWEST, UNITS_PER_LATENT = 64, 4  # of a network for fewer latents
MIRRORED = " and of their mirror images"
OLDER = {
    "blocks": 3,
    "modulated": False,
    "conditions": (),
}  # what a card of a version without these options means
KEPT = 0.999  # share of the variance whose principal components the network sees; along the others a Gaussian is enough
SOLVER = 16  # steps from noise to latent, of Heun's method
CHUNK = 8  # latents carried together; always as many, so that their last bits do not depend on how many are asked for
PORTION = 2_048  # latents carried together where last bits may depend on it
PROBES = 8  # Rademacher vectors that estimate the divergence (Hutchinson, 1989), the same for all latents and calls


class Flow(FittedPrior):
    """Noise N(0, I) carried to latents by a learned velocity. N(0, I) until it is fitted."""

    name = "a flow"
    origin = name
    center: Tensor  # (D,)
    axes: Tensor  # (D, D) orthonormal columns, the principal components of the latents, the widest first
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
            width = min(WIDTH, max(NARROWEST, UNITS_PER_LATENT * dim))
        if steps < 0 or width < 1 or blocks < 1:
            raise UsageError(
                f"A flow takes 0 or more steps, a width of 1 or more and 1 block or more; got {steps}, {width} and {blocks}."
            )
        self.steps, self.width, self.seen = steps, width, dim if seen is None else seen
        self.blocks, self.modulated, self.conditions = blocks, modulated, tuple(conditions)
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("axes", torch.eye(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.velocity = untrained(self._untaught)

    @classmethod
    def from_card(cls, dim: int, options: Mapping[str, Any]) -> "Flow":
        """As a card describes it; of an older version the network is without modulation."""
        return cls(dim, **{**OLDER, **options})

    @property
    def options(self) -> dict[str, Any]:
        """Training steps at most; units, blocks and modulation of the network; the principal components that it sees; the
        attributes that it can be conditioned on."""
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
        """Learns from (N, D) latents, N ≥ 2, or from (N, V, D), V views of each face, and with `conditions` from their
        attributes (N, A) or (N, V, A): +1 yes, −1 no, NaN unknown. A share of the faces is held out and says when to stop;
        with fewer than FEWEST none can be spared, and the flow stays the Gaussian that it starts as, which a note tells."""
        faces, views = len(z), 1 if z.dim() == 2 else z.shape[1]
        z = z.detach().double().cpu().flatten(0, -2)
        values, vectors = torch.linalg.eigh(torch.cov(z.T).reshape(z.shape[1], -1))
        values, vectors = values.flip(0).clamp(min=floor(z.var(0))), vectors.flip(1)
        # Laid out as when loaded, so the same to the last bit.
        fitted = {"center": z.mean(0), "axes": vectors.contiguous(), "spread": values.sqrt()}
        for name, tensor in fitted.items():
            getattr(self, name).copy_(tensor)
        self.seen = int((values.cumsum(0) < KEPT * values.sum()).sum()) + 1
        x = self._white(z)[:, : self.seen].float().unflatten(0, (faces, views))
        y = y.unflatten(0, (faces, 1)) if y is not None and y.dim() == 2 else y
        if enough := faces >= FEWEST:
            net = learn(self._untaught, x, self.steps, seed, y, self.angles)
        else:
            note(
                f"{faces:,} faces are too few for a flow to learn from ({FEWEST} are enough); it stays a Gaussian."
            )
            net = untrained(self._untaught)
        self.velocity = net.to(self.center.device).requires_grad_(False).eval()
        what = self.name if enough else f"{self.name} without training, a Gaussian,"
        self.origin = f"{what} fitted to the latents of {faces:,} faces{MIRRORED if views > 1 else ''}"

    @staticmethod
    def angles(n: int) -> Tensor:
        """Radians (n,) at which a batch learns."""
        return torch.rand(n) * math.pi / 2

    def _untaught(self, dropout: float = 0.0) -> Velocity:
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
        """(n, D); the noise that is carried is scaled by `temperature`. All have the attributes y (A,), NaN unknown; with a
        `guidance` above 1 more clearly (see `Flow.guided`)."""
        given = None if y is None else Given(y.to(self.center), guidance)
        return self.in_chunks(temperature * self.start(n, generator), lambda part: self.carried(part, given))

    def start(self, n: int, generator: Generator | None) -> Tensor:
        """The noise that n draws begin with, (n, D)."""
        return noise(n, self.center, generator)

    def carried(self, start: Tensor, given: "Given | None" = None) -> Tensor:
        """That noise as latents (N, D)."""
        x, _ = self._carry(start.to(self.center), 0.0, math.pi / 2, given=given)
        return self.latents(x)

    @staticmethod
    def in_chunks(rows: Tensor, carry: Callable[[Tensor], Tensor]) -> Tensor:
        """Noise (N, …) carried to latents (N, D), CHUNK at a time."""
        parts = []
        for part in rows.split(CHUNK):
            filled = torch.cat([part, part.new_zeros(CHUNK - len(part), *part.shape[1:])])
            parts.append(carry(filled)[: len(part)])
        return torch.cat(parts) if parts else rows.flatten(1)[:, : rows.shape[-1]]

    @torch.no_grad()
    def sample_many(self, n: int, generator: Generator) -> Tensor:
        """(n, D) latents, those of `sample` but for the last bits, several times as fast."""
        return torch.cat([self.carried(part) for part in self.start(n, generator).split(PORTION)])

    def decode(self, e: Tensor) -> Tensor:
        """Noise (N, D) to latents (N, D), without chance."""
        return Flow.carried(self, e)

    def latents(self, x: Tensor) -> Tensor:
        """White vectors (N, D) along the principal components to latents (N, D)."""
        return self.center + (x * self.spread) @ self.axes.T

    def encode(self, z: Tensor) -> Tensor:
        """Latents (N, D) to the noise (N, D) that is carried there, but for the solver's error."""
        return self._carry(self._white(z).to(self.center), math.pi / 2, 0.0)[0]

    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats, by the instantaneous change of variables (Chen et al., 2018). The divergence is exact for as many
        components as there are probes, else an estimate by PROBES fixed probes, which is unbiased over their choice."""
        probes = torch.eye(self.seen).to(self.center)
        if self.seen > PROBES:
            signs = torch.rand(PROBES, self.seen, generator=Generator().manual_seed(0)).round() * 2 - 1
            probes = signs.to(self.center) / math.sqrt(PROBES)
        e, volume = self._carry(self._white(z).to(self.center), math.pi / 2, 0.0, probes)
        normal = -0.5 * (e.double().square() + math.log(2 * math.pi)).sum(1)
        return normal + volume.double() - self.spread.double().log().sum()

    def pull(self, z: Tensor, share: float) -> Tensor:
        """Latents (N, D) taken back to the noise that they come from, which shrinks by `share` and is carried again: each
        keeps to its own way towards where latents are dense. At 1 all end where no noise at all is carried."""
        with torch.no_grad():
            e = self.encode(z)
            # A difference, so that the solver's error is not in it and a share of 0 moves nothing.
            return z + (self.decode((1 - share) * e) - self.decode(e)).to(z)

    def _white(self, z: Tensor) -> Tensor:
        """Latents (N, D) along the principal components, with variance 1 along each: (N, D)."""
        return (
            (z.to(self.center.device).double() - self.center.double())
            @ self.axes.double()
            / self.spread.double()
        )

    def _carry(
        self, x: Tensor, start: float, end: float, probes: Tensor | None = None, given: "Given | None" = None
    ) -> tuple[Tensor, Tensor]:
        """White vectors (N, D) from one angle to another, by Heun's method, and with probes (P, K) the integral of the
        divergence over that way (N,), else 0. Components beyond those that the network sees stay as they are."""
        moved, rest = x[:, : self.seen], x[:, self.seen :]
        angles, volume = torch.linspace(start, end, SOLVER + 1).tolist(), x.new_zeros(len(x))
        for here, there in pairwise(angles):
            moved, grown = self._heun(moved, here, there, probes, given)
            volume = volume + grown
        return torch.cat([moved, rest], 1), volume

    def _heun(
        self, x: Tensor, here: float, there: float, probes: Tensor | None = None, given: "Given | None" = None
    ) -> tuple[Tensor, Tensor]:
        """One step of Heun's method of white vectors (N, K), and the integral of the divergence over it (N,), 0 without probes."""
        step = there - here
        first, before = self._flow(x, here, probes, given)
        second, after = self._flow(x + step * first, there, probes, given)
        return x + step / 2 * (first + second), step / 2 * (before + after)

    def _flow(
        self, x: Tensor, angle: float, probes: Tensor | None, given: "Given | None"
    ) -> tuple[Tensor, Tensor]:
        """Velocity (N, K) and divergence (N,), 0 without probes."""
        at = x.new_full((len(x),), angle)
        if given is not None:
            return self.guided(x, at, given), x.new_zeros(len(x))
        if probes is None:
            return self.velocity(x, at), x.new_zeros(len(x))

        here, change = self.velocity.along((x, probes[:, None].expand(-1, *x.shape)), at)
        assert change is not None
        return here, (change * probes[:, None]).sum((0, 2))

    def guided(self, x: Tensor, angle: Tensor, given: "Given") -> Tensor:
        """Velocities (N, K) under attributes, by classifier-free guidance (Ho & Salimans, 2021): `strength` 1 is the
        conditional velocity, 0 the unconditional one, and beyond 1 the difference between the two is extrapolated."""
        told = self.velocity(x, angle, given.attributes.expand(len(x), -1))
        if given.strength == 1:
            return told
        free = self.velocity(x, angle)
        return free + given.strength * (told - free)


class Given(NamedTuple):
    """What draws are conditioned on."""

    attributes: Tensor  # (A,), NaN unknown
    strength: float  # of guidance
