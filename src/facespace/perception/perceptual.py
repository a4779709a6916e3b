"""The perceptual loss: the distance between a face and its reconstruction in features of a frozen network
(Johnson et al., 2016). As in LPIPS (Zhang et al., 2018) feature vectors are normalised; other than there, no
layer has weights fitted to human judgements. Trains nothing."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.core.errors import UsageError
from facespace.perception.store import BUNDLED, SCORER, read_classifier
from facespace.perception.vgg import NAME, open_vgg
from facespace.recipes.config import ObjectiveConfig

SMALLEST = 8  # pixels a side that leave the later layers more than one place


class Perceptual(nn.Module):
    """The feature distance. It is frozen, so it is not in the checkpoint."""

    weight: Tensor

    def __init__(
        self, goal: ObjectiveConfig, image: tuple[int, int, int], weight: Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(1, 1) if weight is None else weight)
        if goal.features == SCORER:
            raise UsageError(
                "objective.features=scorer: that network measures edits, so nothing may learn from it."
            )
        if min(image[1:]) < SMALLEST:
            raise UsageError(
                f"objective.perceptual needs faces of at least {SMALLEST} px a side; got {image[1:]}."
            )
        if goal.features == NAME:
            self.net = open_vgg()
        elif goal.features == BUNDLED:
            self.net = read_classifier(None).model
        else:
            self.net = read_classifier(goal.features).model

    def forward(self, image: Tensor, seen: Tensor, phase: tuple[int, int] = (0, 0)) -> Tensor:
        """Distances (B,) of images (B, C, H, W) in [0, 1], C 1 or 3, from targets `seen`, which get no
        gradient.

        One minus the cosine between the feature vectors at each place, averaged over places by the `weight`
        (H, W), and over layers: 0 for equal faces, about .5 for unrelated ones; times the number of pixel
        values, like nats, which are sums over pixels. `phase` is the number of rows and columns that are
        cropped at the top and left."""
        top, left = phase
        image, target = image[..., top:, left:], seen[..., top:, left:]
        with torch.no_grad():
            expected = self.net.stages(target.expand(-1, 3, -1, -1))
        distances = []
        for a, b in zip(self.net.stages(image.expand(-1, 3, -1, -1)), expected):
            distances.append(self._weighed(_distance(a.float(), b.float())))
        return torch.stack(distances).mean(0) * seen[0].numel()

    def _weighed(self, distance: Tensor) -> Tensor:
        """The weighted mean over places: (B, h, w) to (B,)."""
        high, wide = distance.shape[1:]
        return (distance * F.adaptive_avg_pool2d(self.weight[None], (high, wide))).mean((1, 2))

    def at_random_phase(self, image: Tensor, seen: Tensor) -> Tensor:
        """The same at a random phase: the network's strides are two pixels, and a fixed phase causes a grid
        pattern."""
        top, left = torch.randint(2, (2,)).tolist()
        return self(image, seen, (top, left))


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """One minus the cosine between (B, C, H, W) at each place, (B, H, W).

    As half a squared distance, which is 0 where both vectors are 0."""
    return 0.5 * (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1)
