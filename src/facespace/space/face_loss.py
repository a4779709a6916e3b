"""The distance between faces that latents are optimised and spaces adapted for: absolute errors, and the
features of the bundled attribute classifier, so that no network from outside is needed. Faces of less than
8 px have the errors alone."""

import torch
from torch import Tensor

from facespace.models.precision import autocast
from facespace.perception.face_center import center_weights, margins
from facespace.perception.perceptual import SMALLEST, Perceptual
from facespace.perception.store import BUNDLED
from facespace.recipes.config import ObjectiveConfig
from facespace.space.base import BaseSpace

# Weights against 1 for the mean absolute error.
FEATURES = 0.25
CENTER = 2.0  # additional weight of the face's center


class FaceLoss:
    """Distances of faces (B, C, H, W) in [0, 1] from others, means over pixel values: (B,). `features` and
    `center` are the weights of the feature distance and of the face's center."""

    def __init__(self, space: BaseSpace, features: float = FEATURES, center: float = CENTER) -> None:
        shape, device = space.image_shape, space.device
        weight = torch.ones(shape[1:], device=device)
        if space.template.has_celeba_layout:
            left, top = margins(space.template, shape)
            face = center_weights(space.template)[top : top + shape[1], left : left + shape[2]]
            weight = weight + center * face.to(device)
        self.weight, self.share, self.values = weight, features, shape[0] * shape[1] * shape[2]
        self.perceptual: Perceptual | None = None
        if features and min(shape[1:]) >= SMALLEST:
            network = Perceptual(ObjectiveConfig(features=BUNDLED), shape, weight).to(device)
            self.perceptual = network.eval().requires_grad_(False)

    def __call__(self, image: Tensor, target: Tensor, random_phase: bool = False) -> Tensor:
        """The distances (B,); with `random_phase` the features are computed at a random phase, as training
        must (see Perceptual)."""
        found = ((image - target).abs() * self.weight).flatten(1).mean(1)
        if self.perceptual is None:
            return found
        compare = self.perceptual.at_random_phase if random_phase else self.perceptual
        with autocast(image.device):
            distance = compare(image, target)
        return found + self.share * distance / self.values
