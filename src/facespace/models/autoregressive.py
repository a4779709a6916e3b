"""A prior over the codes of a vector-quantized latent, one or several maps of them: each code is categorical,
with probabilities that a network computes from the codes before it, coarse maps first (VQ-VAE-2: Razavi, van
den Oord & Vinyals, 2019). The network is in code_transformer.py, its training in code_training.py."""

import math
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Generator, Tensor

from facespace.core.console import note
from facespace.core.errors import UsageError
from facespace.models import codes as coding
from facespace.models.code_training import fit_codes
from facespace.models.code_transformer import HEAD, CodeTransformer, Layout
from facespace.models.codes import CodeGrid
from facespace.models.flow_training import MIN_FACES
from facespace.models.prior import FittedPrior, Options, noise

STEPS = 1_500  # of training, at most
WIDTH, BLOCKS = 192, 4
CHUNK = 16  # latents in one batch; always as many, so that rounding does not depend on n
LARGE_CHUNK = 256  # latents in one batch where rounding may depend on n
MEASURED = 16_384  # codes in one batch of log_prob


class Autoregressive(FittedPrior):
    """A categorical distribution of each code given those before it. All entries are equally likely until
    it is fitted.

    `log_prob` is the log-probability of the codes nearest to a latent, at most 0: its measure counts codes,
    so it cannot be compared with the density of a continuous prior. `temperature` divides the logits; at 0
    each code is the most probable one."""

    origin = "an autoregressive prior"
    discrete = True
    center: Tensor  # (D,) mean of the latents that it was fitted to

    def __init__(
        self,
        dim: int,
        grids: Sequence[Sequence[int]],
        steps: int = STEPS,
        width: int = WIDTH,
        blocks: int = BLOCKS,
    ) -> None:
        """`grids` are depth, height, width, entries and numbers of an entry, of each map of codes."""
        super().__init__()
        if steps < 0 or width < HEAD or width % HEAD or blocks < 1:
            raise UsageError(
                f"An autoregressive prior takes 0 or more steps, a width that is a multiple of {HEAD} and 1 "
                f"block or more; got {steps}, {width} and {blocks}."
            )
        self.grids = [tuple(grid) for grid in grids]
        self.steps, self.width, self.blocks = steps, width, blocks
        self.layouts = [Layout(*grid[:4]) for grid in self.grids]
        self.sizes = [layout.size * grid[4] for layout, grid in zip(self.layouts, self.grids)]
        if sum(self.sizes) != dim:
            raise UsageError(f"The maps of codes have {sum(self.sizes)} numbers, and a latent has {dim}.")
        self.register_buffer("center", torch.zeros(dim))
        for level, grid in enumerate(self.grids):
            self.register_buffer(f"entries{level}", torch.zeros(grid[3], grid[4]))
        self.network = _frozen(self._new_network)

    @classmethod
    def for_latents(cls, dim: int, grids: Sequence[CodeGrid], options: Options) -> Self:
        """An unfitted prior for the codes of a model. Raises UsageError for a model without codes."""
        if not grids:
            raise UsageError(
                "The autoregressive prior is for latents of codes (model.bottleneck=vq), and this model's "
                "are continuous. Choose another kind: flow, diffusion, mixture or normal."
            )
        shapes = [(grid.depth, grid.height, grid.width, *grid.entries.shape) for grid in grids]
        prior = cls(dim, grids=shapes, **options)
        for entries, grid in zip(prior.entries, grids):
            entries.copy_(grid.entries)
        return prior

    @property
    def options(self) -> Options:
        """The maps of codes; training steps at most; width and blocks of the network."""
        grids = [list(grid) for grid in self.grids]
        return {"grids": grids, "steps": self.steps, "width": self.width, "blocks": self.blocks}

    @property
    def entries(self) -> list[Tensor]:
        """The codebook of each map, (K, c)."""
        return [self.get_buffer(f"entries{level}") for level in range(len(self.grids))]

    @property
    def mean(self) -> Tensor:
        """(D,): that of the latents that it was fitted to."""
        return self.center

    @property
    def uniform_log_prob(self) -> float:
        """The log-probability of any latent if all entries were equally likely, nats."""
        return -sum(layout.size * math.log(layout.entries) for layout in self.layouts)

    def fit(self, z: Tensor, seed: int = 0, y: Tensor | None = None) -> None:
        """Fits the prior to latents (N, D), N ≥ 2, or (N, V, D), V views of each face.

        Some faces are held out for early stopping. With fewer than MIN_FACES faces no network is trained,
        with a note: all entries stay equally likely."""
        faces = len(z)
        z = z.detach().to(self.center).unflatten(0, (faces, -1)).flatten(1, -2)  # (N, V, D)
        self.center.copy_(z.flatten(0, 1).mean(0))
        if faces < MIN_FACES:
            note(f"{faces:,} faces are too few for an autoregressive prior, which needs {MIN_FACES}.")
            self.origin = "an autoregressive prior without training: all entries of the codebook alike"
            return
        codes = self.codes(z.flatten(0, 1)).unflatten(0, z.shape[:2])
        self.network = fit_codes(self._new_network, codes, self.steps, seed).requires_grad_(False).eval()
        mirrored = " and of their mirror images" if z.shape[1] > 1 else ""
        self.origin = f"an autoregressive prior fitted to the codes of {faces:,} faces{mirrored}"

    def codes(self, z: Tensor) -> Tensor:
        """Latents (N, D) to the entries nearest to them, int64 (N, codes of all maps)."""
        parts = []
        for part, entries in zip(z.to(self.center).split(self.sizes, 1), self.entries):
            parts.append(coding.nearest(coding.split(part, entries.shape[1]), entries))
        return torch.cat(parts, 1)

    def latents(self, codes: Tensor) -> Tensor:
        """Codes (N, codes of all maps) to latents (N, D)."""
        counts = [layout.size for layout in self.layouts]
        parts = []
        for part, entries in zip(codes.split(counts, 1), self.entries):
            parts.append(coding.join(entries[part]))
        return torch.cat(parts, 1)

    def sample(self, n: int, temperature: float = 1.0, generator: Generator | None = None) -> Tensor:
        """(n, D): entries of the codebooks."""
        return self._sample(n, temperature, generator, CHUNK)

    def sample_many(self, n: int, generator: Generator, temperature: float = 1.0) -> Tensor:
        """(n, D), several times as fast. Rounding can choose another entry than `sample` does, and then also
        others after it."""
        return self._sample(n, temperature, generator, LARGE_CHUNK)

    @torch.no_grad()
    def _sample(self, n: int, temperature: float, generator: Generator | None, chunk: int) -> Tensor:
        codes = sum(layout.size for layout in self.layouts)
        drawn = noise(n, self.center.new_zeros(codes), generator)
        uniform = torch.special.ndtr(drawn.double())  # (n, codes) in [0, 1]
        parts = [self.center.new_zeros(0, len(self.center))]
        for part in uniform.split(chunk):
            padded = torch.cat([part, part.new_zeros(chunk - len(part), codes)])
            parts.append(self.latents(self._draw(padded, temperature)[: len(part)]))
        return torch.cat(parts)

    def _draw(self, uniform: Tensor, temperature: float) -> Tensor:
        """Codes (N, codes), each the one at which the cumulative probability exceeds its number of `uniform`
        (N, codes)."""
        codes = torch.zeros_like(uniform, dtype=torch.long)
        caches = self.network.caches(len(codes))
        for place in range(codes.shape[1]):
            logits = self.network.next_logits(codes, place, caches).double()
            if temperature == 0:
                codes[:, place] = logits.argmax(1)
                continue
            reached = (logits / temperature).softmax(1).cumsum(1)
            chosen = torch.searchsorted(reached, uniform[:, place, None].contiguous(), right=True)[:, 0]
            codes[:, place] = chosen.clamp(max=logits.shape[1] - 1)
        return codes

    @torch.no_grad()
    def log_prob(self, z: Tensor) -> Tensor:
        """(N,) nats: the log-probability of the codes nearest to latents (N, D). Has no gradient."""
        codes = self.codes(z)
        parts = [self.center.new_zeros(0).double()]
        for part in codes.split(max(1, MEASURED // codes.shape[1])):
            parts.append(self.network.log_prob(part).double().sum(1))
        return torch.cat(parts)

    def _new_network(self, dropout: float = 0.0) -> CodeTransformer:
        return CodeTransformer(self.layouts, self.width, self.blocks, dropout)


def _frozen(make: Callable[[], CodeTransformer]) -> CodeTransformer:
    """A new network. The global random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        return make().requires_grad_(False).eval()
