"""The network of a flow: a residual MLP for the mean velocity at a point and an angle, optionally under known
attributes, together with its directional derivatives. The flow itself is in flow.py."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WAVES = 8  # frequencies of the Fourier features of the angle
EMBEDDING = 256  # units of the embedding of angle and attributes that modulates the blocks

# A dual number of forward-mode differentiation: a tensor (B, W), and its derivatives along P directions (P,
# B, W) or None. By hand: torch.func loads slowly, and these few rules are differentiable themselves and work
# in inference mode.
Dual = tuple[Tensor, Tensor | None]


class Velocity(nn.Module):
    """The mean velocity at a point x and an angle θ, a residual network; its output is 0 at first.

    With `modulated` each block is scaled, shifted and gated by an embedding of the angle and of `conditions`
    attributes (adaptive layer norm: Perez et al., 2018; Peebles & Xie, 2023). Without it, as in older priors,
    the angle is added once at the input."""

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

    def along(self, x: Dual, angle: Tensor, y: Tensor | None = None) -> Dual:
        """The velocities at points (B, K), and their derivatives along directions (P, B, K)."""
        return self.modulated_along(x, self.modulations(angle, y))

    def modulations(self, angle: Tensor, y: Tensor | None = None) -> list[Tensor]:
        """What depends on angle and attributes alone: the scales, shifts and gates (B, 3W) of each block;
        without modulation what is added at the input, (B, W). One row serves a whole batch."""
        embedding = self._embed(angle, y)
        if not isinstance(self.angle, nn.Sequential):
            return [embedding]
        found = []
        for block in self.blocks:
            found.append(block.modulation(embedding))  # type: ignore[operator]
        return found

    def modulated_along(self, x: Dual, modulations: Sequence[Tensor]) -> Dual:
        """`along`, from the modulations."""
        # Latents of faces differ most in their length, so the length is an input, and x is scaled in the
        # output.
        value, tangent = x
        size = value.square().mean(1, keepdim=True) + 1e-3
        input_tangent = None
        if tangent is not None:
            input_tangent = torch.cat([tangent, 2 * (tangent * value).mean(2, keepdim=True) / size], 2)
        h = _linear(self.start, (torch.cat([value, size.log()], 1), input_tangent))
        by_block: Sequence[Tensor | None] = modulations
        if not isinstance(self.angle, nn.Sequential):
            h, by_block = (h[0] + modulations[0], h[1]), [None] * len(self.blocks)
        for block, modulation in zip(self.blocks, by_block):
            h = block(h, modulation)
        h = _silu(_normed(self.norm, h))
        (shift, shift_tangent), (scale, scale_tangent) = _linear(self.shift, h), _linear(self.scale, h)
        velocity = shift + value * scale
        if tangent is None or shift_tangent is None or scale_tangent is None:
            return velocity, None
        return velocity, shift_tangent + tangent * scale + value * scale_tangent

    def _embed(self, angle: Tensor, y: Tensor | None) -> Tensor:
        """The embedding of angle and attributes: (B, EMBEDDING), or (B, W) without modulation."""
        waves = 2 * angle[:, None] * torch.arange(1, WAVES + 1).to(angle)
        embedding = self.angle(torch.cat([waves.sin(), waves.cos()], 1))
        if self.attributes is not None and y is not None:
            known = ~y.isnan()
            embedding = embedding + self.attributes(torch.cat([y.nan_to_num(), known.to(y)], 1))
        return F.silu(embedding)


class Block(nn.Module):
    """Norm, layer, activation, layer, and a residual connection; modulated by an embedding of that many
    units."""

    def __init__(self, width: int, dropout: float, embedding: int | None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=embedding is None)
        self.dropout = nn.Dropout(dropout)
        self.first, self.last = nn.Linear(width, width), nn.Linear(width, width)
        self.modulation = nn.Linear(embedding, 3 * width) if embedding else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, h: Dual, modulation: Tensor | None) -> Dual:
        """(B, W) with derivatives (P, B, W) to the same shapes, modulated by (B, 3W) or not."""
        inner, gate = _normed(self.norm, h), None
        if modulation is not None:
            scale, shift, gate = modulation.chunk(3, 1)
            inner = _scaled(inner, 1 + scale, shift)
        inner, tangent = _silu(_linear(self.first, inner))
        added = _linear(self.last, (self.dropout(inner), tangent))
        if gate is not None:
            added = _scaled(added, 1 + gate, None)
        if h[1] is None or added[1] is None:
            return h[0] + added[0], None
        return h[0] + added[0], h[1] + added[1]


def untrained(make: Callable[[], Velocity]) -> Velocity:
    """A new network, whose output is 0 everywhere. The global random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        return make().requires_grad_(False).eval()


def _embedder() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * WAVES, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, EMBEDDING))


def _linear(layer: nn.Linear, h: Dual) -> Dual:
    value, tangent = h
    if tangent is None:
        return layer(value), None
    return layer(value), tangent @ layer.weight.T


def _scaled(h: Dual, scale: Tensor, shift: Tensor | None) -> Dual:
    """h · scale + shift, both (B, W) and constant."""
    value, tangent = h
    scaled = value * scale
    if shift is not None:
        scaled = scaled + shift
    if tangent is None:
        return scaled, None
    return scaled, tangent * scale


def _normed(norm: nn.LayerNorm, h: Dual) -> Dual:
    value, tangent = h
    if tangent is None:
        return norm(value), None
    variance, mean = torch.var_mean(value, 1, correction=0, keepdim=True)
    inverse = (variance + norm.eps).rsqrt()
    white = (value - mean) * inverse  # (B, W)
    centered = tangent - tangent.mean(2, keepdim=True)
    along_white = white * (tangent * white).mean(2, keepdim=True)
    change = (centered - along_white) * inverse  # in this order, which decides the last bits of gradients
    if not norm.elementwise_affine:
        return white, change
    return white * norm.weight + norm.bias, change * norm.weight


def _silu(h: Dual) -> Dual:
    value, tangent = h
    if tangent is None:
        return F.silu(value), None
    gate = value.sigmoid()
    return value * gate, tangent * gate * (1 + value * (1 - gate))
