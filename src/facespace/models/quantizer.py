"""Vector quantization (van den Oord et al., 2017): a latent is a row of codes, each one an entry of a
codebook. The entries are moving averages of the encodings assigned to them (Razavi et al., 2019), and unused
entries restart at random encodings (Dhariwal et al., 2020)."""

import torch
from torch import Generator, Tensor, nn

from facespace.core.errors import UsageError
from facespace.models import codes as coding
from facespace.models.interface import Posterior
from facespace.recipes.model_config import ModelConfig

EMA_DECAY = 0.98  # of the averages, a step
RESTART_BELOW = 0.05  # of the mean use: entries that are used less restart


class QuantizedPosterior(Posterior):
    """The posterior of quantized encodings, with the straight-through gradient."""

    def __init__(self, raw: Tensor, chosen: Tensor) -> None:
        self.raw, self.entries = raw, chosen  # (B, D) each: encodings, and the entries nearest to them
        self.mean = raw + (chosen - raw).detach()

    def sample(self, generator: Generator | None = None) -> Tensor:
        """The codes themselves, (B, D)."""
        return self.mean

    def regularizers(self) -> dict[str, Tensor]:
        """{"commitment": (B,), the squared distance of the encodings from their entries}."""
        return {"commitment": (self.raw - self.entries.detach()).square().sum(1)}

    def log_ratio(self, z: Tensor) -> Tensor:
        """0: there is no density."""
        return z.new_zeros(len(z))


class Codebook(nn.Module):
    """`codebook_size` entries of `code_dim` numbers each. A latent is laid out channel by channel: the
    numbers of one code are latent_dim / code_dim apart, so that the codes of a spatial latent are its cells,
    or parts of them."""

    PARTS = 1
    codes: Tensor  # (K, c) the entries
    uses: Tensor  # (K,) moving average of the encodings assigned to each in a step
    sums: Tensor  # (K, c) moving average of their sum

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.codebook_size < 2 or config.code_dim < 1 or config.latent_dim % config.code_dim:
            raise UsageError(
                "model.codebook_size must be at least 2, and model.latent_dim a multiple of model.code_dim; "
                f"got {config.codebook_size}, {config.latent_dim} and {config.code_dim}."
            )
        self.code = config.code_dim
        self.register_buffer("codes", torch.randn(config.codebook_size, config.code_dim))
        self.register_buffer("uses", torch.zeros(config.codebook_size))
        self.register_buffer("sums", torch.zeros(config.codebook_size, config.code_dim))

    def forward(self, raw: Tensor) -> QuantizedPosterior:
        """Encodings (B, D) to their codes. In training the entries are updated."""
        if self.training:
            self._update(self._split(raw.detach()))
        return QuantizedPosterior(raw, coding.join(self.codes[self.nearest(raw)]))

    def quantize(self, z: Tensor) -> Tensor:
        """Latents (B, D) with each code replaced by the nearest entry, with the straight-through gradient."""
        return z + (coding.join(self.codes[self.nearest(z)]) - z).detach()

    def nearest(self, z: Tensor) -> Tensor:
        """The indices of the nearest entries, int64 (B, D / code)."""
        return coding.nearest(self._split(z), self.codes)

    @torch.no_grad()
    def _update(self, parts: Tensor) -> None:
        """Updates the entries with encodings (B, n, c). Never waits for the device."""
        drawn, parts = self._random_encodings(parts.float()), parts.float().flatten(0, 1)
        new = (
            self.uses == 0
        ).all()  # the initial entries are far from all encodings, so random ones replace them
        self.codes.copy_(torch.where(new, drawn, self.codes))
        chosen = self.nearest(coding.join(parts[:, None]))[:, 0]
        uses = torch.zeros_like(self.uses).index_add_(0, chosen, torch.ones_like(parts[:, 0]))
        sums = torch.zeros_like(self.sums).index_add_(0, chosen, parts)
        if torch.distributed.is_initialized():
            for part in (uses, sums):
                torch.distributed.all_reduce(part)
        self.uses.lerp_(uses, 1 - EMA_DECAY)
        self.sums.lerp_(sums, 1 - EMA_DECAY)
        mean_use = self.uses.mean()
        unused = self.uses < RESTART_BELOW * mean_use
        self.sums.copy_(torch.where(unused[:, None], drawn * mean_use, self.sums))
        self.uses.copy_(torch.where(unused, mean_use, self.uses))
        self.codes.copy_(self.sums / self.uses[:, None])

    def _random_encodings(self, parts: Tensor) -> Tensor:
        """An encoding for each entry, (K, c), drawn from (B, n, c). Several processes draw the same as one
        would: process r of W has the faces r, r + W, …"""
        several = torch.distributed.is_initialized()
        rank, world = 0, 1
        if several:
            rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        faces, codes = len(parts) * world, parts.shape[1]
        drawn = torch.randint(faces * codes, (len(self.codes),), device=parts.device)
        face, code = drawn // codes, drawn % codes
        found = torch.where((face % world == rank)[:, None], parts[face // world, code], 0.0)
        if several:
            torch.distributed.all_reduce(found)
        return found

    def _split(self, z: Tensor) -> Tensor:
        """(B, D) -> (B, D / c, c)."""
        return coding.split(z, self.code)
