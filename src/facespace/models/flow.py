"""A prior of any shape: a flow that carries Gaussian noise to where the latents of faces lie, by a small network of
velocities. How such a network learns is in flow_training.py.

Flow matching (Lipman et al., 2023; Liu et al., 2023) between noise e and a latent x, both (K,) and white, along a quarter
of a circle (the trigonometric interpolant of Albergo & Vanden-Eijnden, 2023):

    x(θ) = cos θ · e + sin θ · x,   θ from 0 to π/2,   velocity dx/dθ = cos θ · x − sin θ · e.

On this way white latents stay white at each θ, and if they were Gaussian their mean velocity would be 0 everywhere. So a
network that gives 0 is already the Gaussian of the latents' mean and covariance, and what it learns is only how they differ
from it."""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from facespace.console import note
from facespace.errors import UsageError
from facespace.models.distributions import FittedPrior, floor, noise
from facespace.models.flow_training import FEWEST, learn

STEPS = 8_000  # of training, at most
WIDTH, BLOCKS = 256, 3
WAVES = 8  # frequencies that tell the network where on the way it is
KEPT = 0.999  # share of the variance whose principal components the network sees; along the others a Gaussian is enough
SOLVER = 16  # steps from noise to latent, of Heun's method
CHUNK = 32  # latents carried together; always as many, so that their last bits do not depend on how many are asked for
PORTION = 2_048  # latents carried together where last bits may depend on it
PROBES = 8  # Rademacher vectors that estimate the divergence (Hutchinson, 1989), the same for all latents and calls


class Velocity(nn.Module):
    """The mean velocity at a place x and an angle θ: a residual network. It starts as 0."""

    def __init__(self, dim: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.start = nn.Linear(dim + 1, width)
        self.angle = nn.Linear(2 * WAVES, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(width)
        self.shift, self.scale = nn.Linear(width, dim), nn.Linear(width, dim)
        for layer in (self.shift, self.scale):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, angle: Tensor) -> Tensor:
        """(B, K) and (B,) radians to velocities (B, K)."""
        return self.along((x, None), angle)[0]

    def along(self, x: "Moving", angle: Tensor) -> "Moving":
        """The velocities at places (B, K) that move by (P, B, K), and how they change."""
        # Latents are Gaussian with a spread that differs from face to face above all: the length is told, and x scaled.
        at, by = x
        size = at.square().mean(1, keepdim=True) + 1e-3
        grown = None if by is None else torch.cat([by, 2 * (by * at).mean(2, keepdim=True) / size], 2)
        waves = 2 * angle[:, None] * torch.arange(1, WAVES + 1).to(at)
        h, change = _linear(self.start, (torch.cat([at, size.log()], 1), grown))
        h = (h + F.silu(self.angle(torch.cat([waves.sin(), waves.cos()], 1))), change)
        for block in self.blocks:
            h = block(h)
        h = _silu(_normed(self.norm, h))
        (shift, shifted), (scale, scaled) = _linear(self.shift, h), _linear(self.scale, h)
        if by is None or shifted is None or scaled is None:
            return shift + at * scale, None
        return shift + at * scale, shifted + by * scale + at * scaled


class Block(nn.Module):
    """Norm, layer, activation, layer, beside a way around them."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.first, self.last = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, h: "Moving") -> "Moving":
        """(B, W) that moves by (P, B, W)."""
        inner, moved = _silu(_linear(self.first, _normed(self.norm, h)))
        added, change = _linear(self.last, (self.dropout(inner), moved))
        return h[0] + added, None if h[1] is None or change is None else h[1] + change


# A tensor (B, W), and where its derivative along P ways is wanted that (P, B, W), side by side (forward mode). By hand, since
# these few rules load at once, give gradients of gradients, and work where autograd is off.
Moving = tuple[Tensor, Tensor | None]


def _linear(layer: nn.Linear, h: Moving) -> Moving:
    return layer(h[0]), None if h[1] is None else h[1] @ layer.weight.T


def _normed(norm: nn.LayerNorm, h: Moving) -> Moving:
    at, by = h
    if by is None:
        return norm(at), None
    variance, mean = torch.var_mean(at, 1, correction=0, keepdim=True)
    inverse = (variance + norm.eps).rsqrt()
    white = (at - mean) * inverse  # (B, W)
    change = by - by.mean(2, keepdim=True) - white * (by * white).mean(2, keepdim=True)
    return white * norm.weight + norm.bias, change * inverse * norm.weight


def _silu(h: Moving) -> Moving:
    at, by = h
    if by is None:
        return F.silu(at), None
    gate = at.sigmoid()
    return at * gate, by * gate * (1 + at * (1 - gate))


def _still(dim: int, width: int) -> Velocity:
    """A network that has learned nothing and gives 0; others' random numbers are left alone."""
    with torch.random.fork_rng(devices=[]):
        return Velocity(dim, width).requires_grad_(False).eval()


class Flow(FittedPrior):
    """Noise N(0, I) carried to latents by a learned velocity. N(0, I) until it is fitted."""

    origin = "a flow"
    center: Tensor  # (D,)
    axes: Tensor  # (D, D) orthonormal columns, the principal components of the latents, the widest first
    spread: Tensor  # (D,) standard deviations along them
    velocity: Velocity

    def __init__(self, dim: int, steps: int = STEPS, width: int = WIDTH, seen: int | None = None) -> None:
        super().__init__()
        if steps < 0 or width < 1:
            raise UsageError(f"A flow takes 0 or more steps and a width of 1 or more; got {steps} and {width}.")
        self.steps, self.width, self.seen = steps, width, dim if seen is None else seen
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("axes", torch.eye(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.velocity = _still(self.seen, width)

    @property
    def options(self) -> dict[str, Any]:
        """Training steps at most, units of the network's layers, and principal components that it sees."""
        return {"steps": self.steps, "width": self.width, "seen": self.seen}

    @property
    def mean(self) -> Tensor:
        """(D,): that of the latents it was fitted to."""
        return self.center

    def fit(self, z: Tensor, seed: int = 0) -> None:
        """Learns from (N, D) latents, N ≥ 2. A share of them is held out and says when to stop; with fewer than FEWEST none
        can be spared, and the flow stays the Gaussian that it starts as, which a note tells."""
        z = z.detach().double().cpu()
        values, vectors = torch.linalg.eigh(torch.cov(z.T).reshape(z.shape[1], -1))
        values, vectors = values.flip(0).clamp(min=floor(z.var(0))), vectors.flip(1)
        # Laid out as when loaded, so the same to the last bit.
        fitted = {"center": z.mean(0), "axes": vectors.contiguous(), "spread": values.sqrt()}
        for name, tensor in fitted.items():
            getattr(self, name).copy_(tensor)
        self.seen = int((values.cumsum(0) < KEPT * values.sum()).sum()) + 1
        x = self._white(z)[:, : self.seen].float()
        if enough := len(z) >= FEWEST:
            net = learn(lambda dropout: Velocity(self.seen, self.width, dropout), x, self.steps, seed)
        else:
            note(f"{len(z):,} faces are too few for a flow to learn from ({FEWEST} are enough); it stays a Gaussian.")
            net = _still(self.seen, self.width)
        self.velocity = net.to(self.center.device).requires_grad_(False).eval()
        what = "a flow" if enough else "a flow without training, a Gaussian,"
        self.origin = f"{what} fitted to the latents of {len(z):,} faces"

    @torch.no_grad()
    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D); the noise that is carried is scaled by `temperature`."""
        start = temperature * noise(n, self.center, generator)
        parts = []
        for part in start.split(CHUNK):
            whole = F.pad(part, (0, 0, 0, CHUNK - len(part)))
            parts.append(self.decode(whole)[: len(part)])
        return torch.cat(parts) if parts else start

    @torch.no_grad()
    def sample_many(self, n: int, generator: Generator) -> Tensor:
        """(n, D) latents, those of `sample` but for the last bits, several times as fast."""
        return torch.cat([self.decode(part) for part in noise(n, self.center, generator).split(PORTION)])

    def decode(self, e: Tensor) -> Tensor:
        """Noise (N, D) to latents (N, D)."""
        x, _ = self._carry(e.to(self.center), 0.0, math.pi / 2)
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
        return (z.to(self.center.device).double() - self.center.double()) @ self.axes.double() / self.spread.double()

    def _carry(self, x: Tensor, start: float, end: float, probes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """White vectors (N, D) from one angle to another, by Heun's method, and with probes (P, K) the integral of the
        divergence over that way (N,), else 0. Components beyond those that the network sees stay as they are."""
        moved, rest = x[:, : self.seen], x[:, self.seen :]
        angles, volume = torch.linspace(start, end, SOLVER + 1).tolist(), x.new_zeros(len(x))
        for here, there in pairwise(angles):
            step = there - here
            first, before = self._flow(moved, here, probes)
            second, after = self._flow(moved + step * first, there, probes)
            moved = moved + step / 2 * (first + second)
            volume = volume + step / 2 * (before + after)
        return torch.cat([moved, rest], 1), volume

    def _flow(self, x: Tensor, angle: float, probes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Velocity (N, K) and divergence (N,), 0 without probes."""
        at = x.new_full((len(x),), angle)
        if probes is None:
            return self.velocity(x, at), x.new_zeros(len(x))

        here, change = self.velocity.along((x, probes[:, None].expand(-1, *x.shape)), at)
        assert change is not None
        return here, (change * probes[:, None]).sum((0, 2))
