"""The network of a flow: a residual MLP that gives the mean velocity at a place and an angle, where asked under known
attributes, together with its derivative along given directions. The flow itself is in flow.py."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WAVES = 8  # frequencies that tell the network where on the path it is
EMBEDDING = 256  # units of the embedding of angle and attributes that modulates the blocks

# A tensor (B, W), and where its derivative along P directions is wanted that (P, B, W), side by side (forward mode). By hand,
# since these few rules load at once, give gradients of gradients, and work where autograd is off.
Moving = tuple[Tensor, Tensor | None]


class Velocity(nn.Module):
    """The mean velocity at a place x and an angle θ, a residual network; it starts as 0.

    With `modulated` each block is scaled, shifted and gated by an embedding of the angle (adaptive layer norm: Perez et al.,
    2018; Peebles & Xie, 2023), and so of `conditions` attributes; without, as older priors have it, the angle is added once
    at the input."""

    def __init__(
        self,
        dim: int,
        width: int,
        dropout: float = 0.0,
        blocks: int = 3,
        modulated: bool = False,
        conditions: int = 0,
    ) -> None:
        super().__init__()
        embedding = EMBEDDING if modulated else None
        self.start = nn.Linear(dim + 1, width)
        self.angle = _embedder() if modulated else nn.Linear(2 * WAVES, width)
        self.attributes = nn.Linear(2 * conditions, EMBEDDING, bias=False) if conditions else None
        self.blocks = nn.ModuleList(Block(width, dropout, embedding) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.shift, self.scale = nn.Linear(width, dim), nn.Linear(width, dim)
        for layer in (self.shift, self.scale):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, angle: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, K), (B,) radians and attributes (B, A), NaN unknown, to velocities (B, K)."""
        return self.along((x, None), angle, y)[0]

    def along(self, x: Moving, angle: Tensor, y: Tensor | None = None) -> Moving:
        """The velocities at places (B, K) that move by (P, B, K), and how they change."""
        # Latents are Gaussian with a spread that differs from face to face above all: the length is an input, and x is scaled.
        at, by = x
        size = at.square().mean(1, keepdim=True) + 1e-3
        grown = None
        if by is not None:
            grown = torch.cat([by, 2 * (by * at).mean(2, keepdim=True) / size], 2)
        h = _linear(self.start, (torch.cat([at, size.log()], 1), grown))
        embedding = self._embed(angle, y)
        if not isinstance(self.angle, nn.Sequential):
            h, embedding = (h[0] + embedding, h[1]), None
        for block in self.blocks:
            h = block(h, embedding)
        h = _silu(_normed(self.norm, h))
        (shift, shifted), (scale, scaled) = _linear(self.shift, h), _linear(self.scale, h)
        if by is None or shifted is None or scaled is None:
            return shift + at * scale, None
        return shift + at * scale, shifted + by * scale + at * scaled

    def _embed(self, angle: Tensor, y: Tensor | None) -> Tensor:
        """What is known beside the place: (B, EMBEDDING), or (B, W) without modulation."""
        waves = 2 * angle[:, None] * torch.arange(1, WAVES + 1).to(angle)
        embedding = self.angle(torch.cat([waves.sin(), waves.cos()], 1))
        if self.attributes is not None and y is not None:
            known = ~y.isnan()
            embedding = embedding + self.attributes(torch.cat([y.nan_to_num(), known.to(y)], 1))
        return F.silu(embedding)


class Block(nn.Module):
    """Norm, layer, activation, layer, beside a connection around them; with an embedding of so many units also modulated."""

    def __init__(self, width: int, dropout: float, embedding: int | None) -> None:
        super().__init__()
        self.norm, self.dropout = (
            nn.LayerNorm(width, elementwise_affine=embedding is None),
            nn.Dropout(dropout),
        )
        self.first, self.last = nn.Linear(width, width), nn.Linear(width, width)
        self.modulation = nn.Linear(embedding, 3 * width) if embedding else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, h: Moving, embedding: Tensor | None) -> Moving:
        """(B, W) that moves by (P, B, W)."""
        inner, gate = _normed(self.norm, h), None
        if self.modulation is not None and embedding is not None:
            scale, shift, gate = self.modulation(embedding).chunk(3, 1)
            inner = _scaled(inner, 1 + scale, shift)
        inner, moved = _silu(_linear(self.first, inner))
        added = _linear(self.last, (self.dropout(inner), moved))
        if gate is not None:
            added = _scaled(added, 1 + gate, None)
        if h[1] is None or added[1] is None:
            return h[0] + added[0], None
        return h[0] + added[0], h[1] + added[1]


def untrained(make: Callable[[], Velocity]) -> Velocity:
    """A new network, which gives 0 everywhere; other code's random numbers are left alone."""
    with torch.random.fork_rng(devices=[]):
        return make().requires_grad_(False).eval()


def _embedder() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * WAVES, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, EMBEDDING))


def _linear(layer: nn.Linear, h: Moving) -> Moving:
    at, by = h
    return layer(at), None if by is None else by @ layer.weight.T


def _scaled(h: Moving, scale: Tensor, shift: Tensor | None) -> Moving:
    """h · scale + shift, both (B, W) and the same wherever h moves."""
    at, by = h
    scaled = at * scale if shift is None else at * scale + shift
    return scaled, None if by is None else by * scale


def _normed(norm: nn.LayerNorm, h: Moving) -> Moving:
    at, by = h
    if by is None:
        return norm(at), None
    variance, mean = torch.var_mean(at, 1, correction=0, keepdim=True)
    inverse = (variance + norm.eps).rsqrt()
    white = (at - mean) * inverse  # (B, W)
    change = (by - by.mean(2, keepdim=True) - white * (by * white).mean(2, keepdim=True)) * inverse
    if not norm.elementwise_affine:
        return white, change
    return white * norm.weight + norm.bias, change * norm.weight


def _silu(h: Moving) -> Moving:
    at, by = h
    if by is None:
        return F.silu(at), None
    gate = at.sigmoid()
    return at * gate, by * gate * (1 + at * (1 - gate))
