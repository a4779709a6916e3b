"""Vector quantisation (van den Oord et al., 2017): a latent is a row of codes, each one of a codebook's entries. The codebook
follows what it stands for by moving averages (Razavi et al., 2019), and entries that nothing comes near begin again where
something is (Dhariwal et al., 2020)."""

import torch
from torch import Generator, Tensor, nn

from facespace.core.errors import UsageError
from facespace.models.interface import Posterior
from facespace.recipes.model_config import ModelConfig

KEEP = 0.98  # of an entry's average, a step
DEAD = 0.05  # share of the mean use below which an entry begins again


class Codes(Posterior):
    """Each code the entry next to what the encoder said. Gradients go past the choice as if it had not been made."""

    def __init__(self, raw: Tensor, chosen: Tensor) -> None:
        self.raw, self.chosen = raw, chosen  # (B, D) each
        self.mean = raw + (chosen - raw).detach()

    def sample(self, generator: Generator | None = None) -> Tensor:
        """The codes themselves, (B, D)."""
        return self.mean

    def penalties(self) -> dict[str, Tensor]:
        """{"commitment": (B,), the squared distance of what the encoder said from the entries chosen}."""
        return {"commitment": (self.raw - self.chosen.detach()).square().sum(1)}

    def log_ratio(self, z: Tensor) -> Tensor:
        """0, as of a point."""
        return z.new_zeros(len(z))


class Codebook(nn.Module):
    """`codebook` entries of `code` numbers. The latent's numbers lie as maps do: those of one code are latent / code apart, so
    that the codes of a spatial latent are its cells, or parts of them."""

    PARTS = 1
    codes: Tensor  # (K, c) the entries
    uses: Tensor  # (K,) moving average of how many codes a step chose each
    sums: Tensor  # (K, c) moving average of the sum of what those stand for

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.codebook < 2 or config.code < 1 or config.latent % config.code:
            raise UsageError(
                f"model.codebook must be at least 2, and model.latent a multiple of model.code; got {config.codebook}, "
                f"{config.latent} and {config.code}."
            )
        self.code = config.code
        self.register_buffer("codes", torch.randn(config.codebook, config.code))
        self.register_buffer("uses", torch.zeros(config.codebook))
        self.register_buffer("sums", torch.zeros(config.codebook, config.code))

    def forward(self, raw: Tensor) -> Codes:
        """(B, D) to the codes next to it. In training the entries then follow."""
        if self.training:
            self._follow(self._split(raw.detach()))
        return Codes(raw, self._join(self.codes[self.nearest(raw)]))

    def snap(self, z: Tensor) -> Tensor:
        """Latents (B, D) with each code moved to the entry next to it; gradients pass as if it had stayed."""
        return z + (self._join(self.codes[self.nearest(z)]) - z).detach()

    @torch.no_grad()
    def nearest(self, z: Tensor) -> Tensor:
        """The numbers of the entries, int64 (B, D / code)."""
        kind = "cpu" if z.is_meta else z.device.type
        with torch.autocast(kind, enabled=False):  # neighbours in bfloat16 are not the neighbours
            parts = self._split(z.float())
            apart = (
                self.codes.square().sum(1) - 2 * parts @ self.codes.T
            )  # but for what all entries have in common
            return apart.argmin(-1)

    @torch.no_grad()
    def _follow(self, parts: Tensor) -> None:
        """One step of the entries towards (B, n, c) numbers that the encoder said. Nothing here waits for the device."""
        drawn, parts = self._draw(parts.float()), parts.float().flatten(0, 1)
        new = (
            self.uses == 0
        ).all()  # random entries are far from what an encoder says: the first are drawn from that
        self.codes.copy_(torch.where(new, drawn, self.codes))
        chosen = self.nearest(self._join(parts[:, None]))[:, 0]
        uses = torch.zeros_like(self.uses).index_add_(0, chosen, torch.ones_like(parts[:, 0]))
        sums = torch.zeros_like(self.sums).index_add_(0, chosen, parts)
        if torch.distributed.is_initialized():
            for part in (uses, sums):
                torch.distributed.all_reduce(part)
        self.uses.lerp_(uses, 1 - KEEP)
        self.sums.lerp_(sums, 1 - KEEP)
        usual = self.uses.mean()
        dead = self.uses < DEAD * usual
        self.sums.copy_(torch.where(dead[:, None], drawn * usual, self.sums))
        self.uses.copy_(torch.where(dead, usual, self.uses))
        self.codes.copy_(self.sums / self.uses[:, None])

    def _draw(self, parts: Tensor) -> Tensor:
        """A code of the step for each entry, (K, c), of (B, n, c). Several processes draw what one alone would: process r of W
        has the faces r, r + W, …"""
        several = torch.distributed.is_initialized()
        rank, world = (
            (torch.distributed.get_rank(), torch.distributed.get_world_size()) if several else (0, 1)
        )
        faces, codes = len(parts) * world, parts.shape[1]
        drawn = torch.randint(faces * codes, (len(self.codes),), device=parts.device)
        face, code = drawn // codes, drawn % codes
        found = torch.where((face % world == rank)[:, None], parts[face // world, code], 0.0)
        if several:
            torch.distributed.all_reduce(found)
        return found

    def _split(self, z: Tensor) -> Tensor:
        """(B, D) -> (B, D / c, c)."""
        return z.unflatten(1, (self.code, -1)).transpose(1, 2)

    def _join(self, parts: Tensor) -> Tensor:
        """(B, n, c) -> (B, n · c)."""
        return parts.transpose(1, 2).flatten(1)
