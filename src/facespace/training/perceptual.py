"""The perceptual term: how different a face and its reconstruction look to a frozen network (Johnson et al., 2016), with the
distance of LPIPS (Zhang et al., 2018) but no weights that were fitted to people's judgements. Trains nothing."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.errors import UsageError
from facespace.networks import SCORER, SHIPPED, read_net
from facespace.recipe import ObjectiveConfig

SMALLEST = 8  # pixels a side that leave the later layers a neighbourhood to look at


class Perceptual(nn.Module):
    """The distance. It keeps nothing of its own, so a checkpoint leaves it out; it is called in the machine's autocast."""

    def __init__(self, goal: ObjectiveConfig, image: tuple[int, int, int]) -> None:
        super().__init__()
        if goal.features == SCORER:
            raise UsageError("objective.features=scorer: that network judges edits, so nothing may learn from it.")
        if min(image[1:]) < SMALLEST:
            raise UsageError(f"objective.perceptual needs faces of at least {SMALLEST} px a side; got {image[1:]}.")
        self.weight = goal.perceptual
        self.net = read_net(None if goal.features == SHIPPED else goal.features).model

    def forward(self, image: Tensor, seen: Tensor) -> Tensor:
        """Distances (B,) of images (B, C, H, W) in [0, 1], C 1 or 3, from those `seen`, which get no gradient. At each place
        of each layer the channels have length 1; squared distances of these are averaged over places, added over layers, and
        multiplied by the number of pixel values, so that they stand beside nats, which are sums over pixels."""
        with torch.no_grad():
            wanted = self.net.stages(seen.expand(-1, 3, -1, -1))
        apart = image.new_zeros(len(image))
        for ours, theirs in zip(self.net.stages(image.expand(-1, 3, -1, -1)), wanted):
            difference = F.normalize(ours.float(), dim=1) - F.normalize(theirs.float(), dim=1)
            apart = apart + difference.square().sum(1).mean((1, 2))
        return apart * seen[0].numel()

    def join(
        self, loss: Tensor, terms: dict[str, Tensor], image: Tensor, seen: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """A loss and its terms with this one, unweighted among the terms."""
        apart = self(image, seen).mean()
        return loss + self.weight * apart, {**terms, "perceptual": apart}
