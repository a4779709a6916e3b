"""Vector quantization at several sizes (VQ-VAE-2: Razavi, van den Oord & Vinyals, 2019): a map of codes at
the smallest size, and finer maps whose encodings are conditioned on the codes of the coarser ones.

It is the hierarchical VAE of hierarchical.py with codebooks in place of Gaussians: the decoder runs from the
coarsest codes to the finest, and a finer level is encoded from the encoder's features and the decoder's at
that size. The codes of all levels, coarse first, are one latent (D,), which is quantized before it is
decoded."""

import math
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from facespace.core.errors import UsageError, choose
from facespace.models.blocks import smallest_map
from facespace.models.codes import CodeGrid
from facespace.models.hierarchical import (
    HierarchicalVAE,
    Shape,
    decoder_stages,
    encoder_stages,
    finer_shapes,
    latent_branch,
    level_head,
)
from facespace.models.interface import LatentModel, Posterior
from facespace.models.likelihoods import LIKELIHOODS
from facespace.models.priors import FittedNormal
from facespace.models.quantizer import Codebook, QuantizedPosterior
from facespace.recipes.model_config import ModelConfig


class HierarchicalVQ(HierarchicalVAE):
    """Residual blocks at every size up to half the image's, and a codebook for each level. `latent_dim` are
    the numbers of the coarsest map, `levels` the channels of the finer ones; each `code_dim` of them are a
    code."""

    def __init__(self, config: ModelConfig) -> None:
        LatentModel.__init__(self)
        small = smallest_map(config, config.widths[-1])
        self.config = config
        self.shapes = _shapes(config, small)
        self.sizes = [math.prod(shape) for shape in self.shapes]
        self.pixels = choose(LIKELIHOODS, config.likelihood, "likelihood")()
        self.encoder = encoder_stages(config)
        heads, books, branches = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, (shape, width) in enumerate(zip(self.shapes, reversed(config.widths))):
            features = 2 * width if level else width  # the first level has the encoder's alone
            heads.append(level_head(config, features, shape[0]))
            books.append(
                Codebook(replace(config, kind="autoencoder", levels=(), latent_dim=math.prod(shape)))
            )
            branches.append(latent_branch(shape, width, "codes"))
        blocks, rises, last = decoder_stages(config, config.image[0] * self.pixels.parts)
        self.heads, self.books = heads, books  # type: ignore[assignment]
        self.decoder = nn.ModuleDict({"noises": branches, "blocks": blocks, "rises": rises, "last": last})
        self.image_shape, self.latent_shape = config.image, (sum(self.sizes),)
        self.prior = FittedNormal(sum(self.sizes))

    @property
    def code_grids(self) -> tuple[CodeGrid, ...]:
        """The levels, coarse first."""
        grids = []
        for shape, book in zip(self.shapes, self.books):
            grids.append(CodeGrid(shape[0] // self.config.code_dim, *shape[1:], cast(Codebook, book).codes))
        return tuple(grids)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """(B, C, H, W) in [0, 1] to its codes. In training the codebooks are updated."""
        features = []
        for part in self.encoder:
            x = part(x)
            features.append(x)
        raw, entries, h = [], [], None
        for level, (head, book) in enumerate(zip(self.heads, self.books)):  # type: ignore[arg-type]
            inputs = features[-1 - level] if h is None else torch.cat([features[-1 - level], h], 1)
            q = book(head(inputs).float())
            raw.append(q.raw)
            entries.append(q.entries)
            if level + 1 < len(self.books):
                h = self._decode_level(h, q.mean, level)
        return QuantizedPosterior(torch.cat(raw, 1), torch.cat(entries, 1))

    def quantize(self, z: Tensor) -> Tensor:
        """(B, D) with each code replaced by the nearest entry of its level's codebook."""
        parts = []
        for part, book in zip(z.split(self.sizes, 1), self.books):
            parts.append(cast(Codebook, book).quantize(part))
        return torch.cat(parts, 1)


def _shapes(config: ModelConfig, small: Shape) -> list[Shape]:
    """(channels, height, width) of each level. Raises UsageError for a config that this model cannot have."""
    most, cells = len(config.widths) - 1, small[1] * small[2]
    if not 1 <= len(config.levels) <= most or min(config.levels) < 1:
        raise UsageError(
            f"A hierarchical VQ model of {len(config.widths)} widths takes 1 to {most} further levels, for "
            f"example --set model.levels={config.code_dim}; got {list(config.levels)}."
        )
    required = (config.backbone, config.bottleneck, config.spatial)
    if required != ("residual", "vq", True) or config.conditions:
        raise UsageError(
            "A hierarchical VQ model takes model.backbone=residual, model.bottleneck=vq, model.spatial=true "
            "and no model.conditions."
        )
    if config.latent_dim % cells:
        raise UsageError(
            f"The coarsest map has {small[1]}×{small[2]} cells, so model.latent_dim must be a multiple of "
            f"{cells}; got {config.latent_dim}."
        )
    shapes = [(config.latent_dim // cells, *small[1:]), *finer_shapes(config, small)]
    for channels, high, wide in shapes:
        if channels % config.code_dim:
            raise UsageError(
                f"Each cell of the {high}×{wide} map holds {channels} numbers, which codes of "
                f"{config.code_dim} do not divide evenly; change model.latent_dim, model.levels or "
                "model.code_dim."
            )
    return shapes
