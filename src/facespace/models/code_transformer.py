"""The network of the autoregressive prior: a causal transformer (Vaswani et al., 2017) over the codes of
one or more maps, coarse maps first. The prior itself is in autoregressive.py.

The logits of a code depend on the codes before it alone: on all of them by attention, and directly on its
neighbours, the local context of a PixelCNN (van den Oord et al., 2016), which attention would have to find
first."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EMBEDDING = 64  # numbers of the embedding of a code
HEAD = 32  # numbers of an attention head
EXPANSION = 4  # of the hidden layer of a block
# Neighbours by depth, row and column beside the code before, which is mostly the left one: above left, above,
# above right, and the cell at the depth before.
NEIGHBOURS = ((0, -1, -1), (0, -1, 0), (0, -1, 1), (-1, 0, 0))


class Layout(NamedTuple):
    """A map of codes."""

    depth: int  # codes of each cell
    height: int
    width: int
    entries: int  # of its codebook

    @property
    def size(self) -> int:
        """Codes of the map."""
        return self.depth * self.height * self.width


class Cache(NamedTuple):
    """The keys and values of one block, (B, heads, N, HEAD) each, of the codes so far."""

    keys: Tensor
    values: Tensor


class CodeTransformer(nn.Module):
    """Codes (B, N), counted from 0 in each map's codebook, to the logits of each code given those before it.
    All entries of a codebook are equally likely at first."""

    context: Tensor  # (N, M) where in the sequence the neighbours of each code stand, 1 + place; 0: outside
    offset: Tensor  # (N,) the first row of the embeddings of a code's map

    def __init__(self, layouts: Sequence[Layout], width: int, blocks: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.counts = [layout.size for layout in layouts]
        offsets, rows = [], 1  # row 0 of the embeddings: outside of the map
        for layout in layouts:
            offsets.append(torch.full((layout.size,), rows))
            rows += layout.entries
        self.register_buffer("offset", torch.cat(offsets), persistent=False)
        self.register_buffer("context", _context(layouts), persistent=False)
        self.codes = nn.Embedding(rows, EMBEDDING)
        self.places = nn.Embedding(sum(self.counts), width)
        self.start = nn.Linear(self.context.shape[1] * EMBEDDING, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleList(nn.Linear(width, layout.entries) for layout in layouts)
        nn.init.normal_(self.places.weight, std=0.02)
        for parameter in self.heads.parameters():
            nn.init.zeros_(parameter)

    def forward(self, codes: Tensor) -> list[Tensor]:
        """(B, N) int64 to the logits of each map, (B, its size, its entries)."""
        neighbours = self.codes(self._rows(codes)[:, self.context])  # (B, N, M, EMBEDDING)
        h = self.start(self.dropout(neighbours.flatten(2))) + self.places.weight
        for block in self.blocks:
            h = block(h)
        logits = []
        for part, head in zip(self.norm(h).split(self.counts, 1), self.heads):
            logits.append(head(part))
        return logits

    def log_prob(self, codes: Tensor) -> Tensor:
        """The log-probability of each code given those before it, (B, N) nats."""
        parts = []
        for logits, chosen in zip(self(codes), codes.split(self.counts, 1)):
            log_p = logits.float().log_softmax(-1)
            parts.append(log_p.gather(-1, chosen[..., None])[..., 0])
        return torch.cat(parts, 1)

    def caches(self, batch: int) -> list[Cache]:
        """An empty cache for each block."""
        like = self.places.weight
        shape = (batch, like.shape[1] // HEAD, len(like), HEAD)
        return [Cache(like.new_zeros(shape), like.new_zeros(shape)) for _ in self.blocks]

    def next_logits(self, codes: Tensor, place: int, caches: Sequence[Cache]) -> Tensor:
        """The logits (B, entries) of the code at a place, as in `forward`; of codes (B, N) only those
        before it are read. Called for place 0, 1, 2 … with the same caches, which it fills."""
        neighbours = self.codes(self._rows(codes)[:, self.context[place]])  # (B, M, EMBEDDING)
        h = (self.start(neighbours.flatten(1)) + self.places.weight[place])[:, None]  # (B, 1, W)
        for block, cache in zip(self.blocks, caches):
            h = block(h, cache, place)
        level, end = 0, self.counts[0]
        while place >= end:
            level += 1
            end += self.counts[level]
        return self.heads[level](self.norm(h[:, 0]))

    def _rows(self, codes: Tensor) -> Tensor:
        """Rows of the embeddings, (B, 1 + N); the first is that of no code."""
        return F.pad(codes + self.offset, (1, 0))


class Block(nn.Module):
    """Causal attention and two layers, each after a norm and with a residual connection."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen = nn.Linear(width, EXPANSION * width)
        self.narrow = nn.Linear(EXPANSION * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, cache: Cache | None = None, place: int = 0) -> Tensor:
        """(B, N, W) to the same; with a cache one code (B, 1, W), the one at `place`."""
        parts = self.queries_keys_values(self.norm(h)).unflatten(2, (3, -1, HEAD))  # (B, N, 3, heads, HEAD)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # (B, heads, N, HEAD) each
        if cache is not None:
            cache.keys[:, :, place] = keys[:, :, 0]
            cache.values[:, :, place] = values[:, :, 0]
            keys, values = cache.keys[:, :, : place + 1], cache.values[:, :, : place + 1]
        # By hand: on CPUs the gradient of torch's fused attention takes twice the time of all other layers.
        scores = queries @ keys.transpose(2, 3) / math.sqrt(HEAD)  # (B, heads, N, N)
        if cache is None:
            later = torch.ones(scores.shape[2:], dtype=torch.bool, device=h.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        seen = scores.softmax(-1).to(values) @ values
        h = h + self.dropout(self.out(seen.transpose(1, 2).flatten(2)))
        return h + self.dropout(self.narrow(F.gelu(self.widen(self.second_norm(h)))))


def _context(layouts: Sequence[Layout]) -> Tensor:
    """(N, M): for each code the one before it in the sequence, the neighbours in its own map, and the cell of
    the map before that it lies in."""
    rows: list[list[int]] = []
    first, coarser = 1, None
    for layout in layouts:
        for depth in range(layout.depth):
            for y in range(layout.height):
                for x in range(layout.width):
                    places = [_place(layout, first, depth + d, y + r, x + c) for d, r, c in NEIGHBOURS]
                    rows.append([len(rows), *places, _parent(layout, coarser, y, x)])
        first, coarser = first + layout.size, (layout, first)
    return torch.tensor(rows)


def _place(layout: Layout, first: int, depth: int, y: int, x: int) -> int:
    """The place of a code of the map that begins at `first`; 0 outside of it."""
    if not (0 <= depth < layout.depth and 0 <= y < layout.height and 0 <= x < layout.width):
        return 0
    return first + (depth * layout.height + y) * layout.width + x


def _parent(layout: Layout, coarser: tuple[Layout, int] | None, y: int, x: int) -> int:
    """The place of the code of the coarser map at the same position; 0 where there is none."""
    if coarser is None:
        return 0
    other, first = coarser
    row, column = y * other.height // layout.height, x * other.width // layout.width
    return _place(other, first, other.depth - 1, row, column)
