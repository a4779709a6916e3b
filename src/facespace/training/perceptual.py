"""The perceptual term: how different a face and its reconstruction look to a frozen network (Johnson et al., 2016). As in
LPIPS (Zhang et al., 2018) channels count by their direction; unlike there, no layer's weights were fitted to what people
say. Trains nothing."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.core.errors import UsageError
from facespace.perception.store import SCORER, SHIPPED, read_net
from facespace.perception.vgg import NAME, open_vgg
from facespace.recipes.config import ObjectiveConfig

SMALLEST = 8  # pixels a side that leave the later layers a neighbourhood to look at


class Perceptual(nn.Module):
    """The distance. Nothing of it changes, so a checkpoint leaves it out."""

    weight: Tensor

    def __init__(
        self, goal: ObjectiveConfig, image: tuple[int, int, int], weight: Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(1, 1) if weight is None else weight)
        if goal.features == SCORER:
            raise UsageError(
                "objective.features=scorer: that network judges edits, so nothing may learn from it."
            )
        if min(image[1:]) < SMALLEST:
            raise UsageError(
                f"objective.perceptual needs faces of at least {SMALLEST} px a side; got {image[1:]}."
            )
        self.net = (
            open_vgg()
            if goal.features == NAME
            else read_net(None if goal.features == SHIPPED else goal.features).model
        )

    def forward(self, image: Tensor, seen: Tensor, phase: tuple[int, int] = (0, 0)) -> Tensor:
        """Distances (B,) of images (B, C, H, W) in [0, 1], C 1 or 3, from those `seen`, which get no gradient: one minus the
        cosine between the channels at each place, averaged over places and layers (0 is alike, unrelated faces have about
        .5), times the number of pixel values, so that it stands beside nats, which are sums over pixels. Places count as the
        `weight` (H, W) of the network says. `phase` is how many rows and columns are left out at the top and the left."""
        top, left = phase
        ours, theirs = (part[..., top:, left:].expand(-1, 3, -1, -1) for part in (image, seen))
        with torch.no_grad():
            wanted = self.net.stages(theirs)
        apart = [self._weighed(_apart(a.float(), b.float())) for a, b in zip(self.net.stages(ours), wanted)]
        return torch.stack(apart).mean(0) * seen[0].numel()

    def _weighed(self, apart: Tensor) -> Tensor:
        """(B, h, w) to (B,)."""
        high, wide = apart.shape[1:]
        return (apart * F.adaptive_avg_pool2d(self.weight[None], (high, wide))).mean((1, 2))

    def anywhere(self, image: Tensor, seen: Tensor) -> Tensor:
        """The same at a phase drawn by chance. The network's steps are two pixels wide, and from a fixed phase it would ask for
        a checkerboard that it alone sees."""
        top, left = torch.randint(2, (2,)).tolist()
        return self(image, seen, (top, left))


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """One minus the cosine between (B, C, H, W) at each place, (B, H, W), as half a squared distance: 0 also where both are
    dark to the network."""
    return 0.5 * (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1)
