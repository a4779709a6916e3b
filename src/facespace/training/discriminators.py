"""A trained projected discriminator beside the bundle that it judged: its heads are kept, the frozen networks are not and are
opened again from the files that the user names. Trains nothing."""

from pathlib import Path

import torch
from torch import Tensor, nn

from facespace.core import cards
from facespace.core.configs import from_dict
from facespace.core.errors import BundleError, UsageError
from facespace.models import bundle
from facespace.recipes.config import ObjectiveConfig
from facespace.training.auxiliary_losses import margins
from facespace.training.projected import Heads, Projected, mean_logit
from facespace.training.projection import Projection


class Discriminator(nn.Module):
    """The frozen networks and the heads, which learn no more."""

    def __init__(self, projection: Projection, heads: Heads) -> None:
        super().__init__()
        self.projection, self.heads = projection, heads
        self.eval().requires_grad_(False)

    def score(self, images: Tensor) -> Tensor:
        """Faces (N, C, H, W) in [0, 1], of the model's size, to logits (N,): the higher, the more like a photograph. The mean over
        heads of the mean over places."""
        return mean_logit(self.heads(self.projection.mix(self.projection.features(images))))


def save_discriminator(loaded: bundle.Bundle, goal: ObjectiveConfig, projected: Projected | None) -> None:
    """Keeps the heads beside a bundle, where the run has such."""
    if projected is None or projected.heads is None:
        return
    about = {"features": list(goal.discriminator_features), "size": goal.discriminator_size}
    bundle.save_discriminator(loaded, projected.heads.state_dict(), about)


def load_discriminator(folder: Path | str) -> Discriminator:
    """The discriminator of a bundle or a run. Raises BundleError where there is none or it is damaged, UsageError where the
    weights of a frozen network are missing."""
    loaded = bundle.load(folder)
    tensors, entry = bundle.read_discriminator(loaded)
    image, template = loaded.model.image_shape, loaded.template
    try:
        about = {"discriminator_features": entry["features"], "discriminator_size": entry["size"]}
        goal = from_dict(ObjectiveConfig, about)
    except (KeyError, UsageError) as error:
        raise BundleError(
            f"{loaded.folder / bundle.CARD} does not describe its discriminator rightly ({error})."
        ) from error
    eyes = template.points[:2] - margins(template, image)
    projection = Projection(goal.discriminator_features, image, eyes, goal.discriminator_size)
    with torch.random.fork_rng(devices=[]):  # a caller's random numbers stay as they were
        heads = Heads(projection.sides)
    try:
        heads.load_state_dict(tensors)
    except RuntimeError as error:
        raise BundleError(
            f"{loaded.folder / bundle.DISCRIMINATOR} does not fit its card. {cards.RETRIEVE}"
        ) from error
    return Discriminator(projection, heads)
