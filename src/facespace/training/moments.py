"""Moment matching (GFMN: dos Santos et al., 2019): the mean and the variance of a frozen network's features
of generated faces are trained to equal those of real ones. No opponent is trained; running averages replace
large batches."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

DECAY = 0.99  # decay a batch of the running averages; the first batches have equal weight
FACES = 2_048  # training faces that the real moments are measured on
SMALLEST = (
    1e-3  # least standard deviation of a channel, as a share of the mean one, against constant channels
)


class Moments(nn.Module):
    """Running moments of generated faces, standardised by those of real faces: mean 0 and variance 1 a
    channel.

    `gather` gives the mean of a tensor over all processes. The buffers are the state."""

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
        """Measures the moments of real faces on batches of their feature maps."""
        features = torch.cat([pooled(maps) for maps in batches]).double()
        spread = features.std(0, correction=0)
        self.center.copy_(features.mean(0))
        self.spread.copy_(spread.clamp(min=SMALLEST * float(spread.mean()) + 1e-12))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Adds a batch of generated faces; the squared difference of the moments from real ones, averaged
        over channels.

        The value is that of the running moments. The gradient is that of the batch alone: through the running
        moments it would be smaller by 1 − MEMORY."""
        features = (pooled(maps) - self.center) / self.spread
        mean, square = features.mean(0), features.square().mean(0)
        with torch.no_grad():
            self.count += 1
            share = torch.clamp(1 / self.count, min=1 - DECAY)
            self.mean.lerp_(self.gather(mean), share)
            self.square.lerp_(self.gather(square), share)
        mean = mean + (self.mean - mean).detach()
        square = square + (self.square - square).detach()
        distance = mean.square()
        if self.variance:
            distance = distance + (square - mean.square() - 1).square()
        return distance.mean()


def pooled(maps: Sequence[Tensor]) -> Tensor:
    """Feature maps (B, C_i, h_i, w_i) to the means over places of all channels, (B, ΣC)."""
    return torch.cat([part.float().mean((2, 3)) for part in maps], 1)
