"""Moment matching (GFMN: dos Santos et al., 2019): the mean, and the variance, of a frozen network's features of made faces
become those of real ones. No opponent, so nothing to balance; running averages make up for the few faces of a batch."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

MEMORY = 0.99  # decay a batch of the running averages; at first all batches count alike
FACES = 2_048  # training faces that the real moments are measured on
SMALLEST = 1e-3  # standard deviation of a channel, as a share of the mean one: a channel that never varies says nothing


class Moments(nn.Module):
    """Running moments of made faces, in units in which each channel of real faces has mean 0 and variance 1. `gather` takes a
    tensor to its mean over all processes. The buffers are the state."""

    center: Tensor  # (C,) of real faces
    spread: Tensor  # (C,) standard deviations of real faces
    mean: Tensor  # (C,) running
    square: Tensor  # (C,) running mean of squares
    count: Tensor  # batches so far

    def __init__(
        self, channels: int, variance: bool, gather: Callable[[Tensor], Tensor] = lambda part: part
    ) -> None:
        super().__init__()
        self.variance, self.gather = variance, gather
        self.register_buffer("center", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("square", torch.zeros(channels))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def measure(self, batches: Iterable[Sequence[Tensor]]) -> None:
        """Takes the moments of real faces from batches of their feature maps."""
        seen = torch.cat([pooled(maps) for maps in batches]).double()
        spread = seen.std(0, correction=0)
        self.center.copy_(seen.mean(0))
        self.spread.copy_(spread.clamp(min=SMALLEST * float(spread.mean()) + 1e-12))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Adds a batch of made faces to the running moments; the squared difference of mean and variance from those of real
        faces, averaged over channels. Its value is that of the running moments. Its gradient reaches the batch as though that
        were all of them: else it would be weaker by 1 − MEMORY."""
        seen = (pooled(maps) - self.center) / self.spread
        mean, square = seen.mean(0), seen.square().mean(0)
        with torch.no_grad():
            self.count += 1
            share = torch.clamp(1 / self.count, min=1 - MEMORY)
            self.mean.lerp_(self.gather(mean), share)
            self.square.lerp_(self.gather(square), share)
        mean = mean + (self.mean - mean).detach()
        square = square + (self.square - square).detach()
        apart = mean.square()
        if self.variance:
            apart = apart + (square - mean.square() - 1).square()
        return apart.mean()


def pooled(maps: Sequence[Tensor]) -> Tensor:
    """Feature maps (B, C_i, h_i, w_i) to the means of all channels over their places, (B, ΣC)."""
    return torch.cat([part.float().mean((2, 3)) for part in maps], 1)
