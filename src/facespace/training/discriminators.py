"""Saving and loading the projected discriminator of a run beside its bundle: the heads are saved, the frozen
networks are loaded from the files that the user names. Trains nothing."""

from pathlib import Path

import torch
from torch import Tensor, nn

from facespace.core import cards
from facespace.core.configs import from_dict
from facespace.core.errors import BundleError, UsageError
from facespace.models import bundle, fitted
from facespace.perception.face_center import margins
from facespace.recipes.config import ObjectiveConfig
from facespace.training.missing_networks import check_discriminator_networks
from facespace.training.projected import Heads, ProjectedAdversary, mean_logit
from facespace.training.projection import Projection


class Discriminator(nn.Module):
    """The frozen networks and the heads, in eval mode."""

    def __init__(self, projection: Projection, heads: Heads) -> None:
        super().__init__()
        self.projection, self.heads = projection, heads
        self.eval().requires_grad_(False)

    def score(self, images: Tensor) -> Tensor:
        """Faces (N, C, H, W) in [0, 1], of the model's size, to logits (N,), higher for photographs.

        The mean over heads of the mean over places."""
        maps = self.projection.mix(self.projection.features(images))
        return mean_logit(self.heads(maps))


def save_discriminator(
    loaded: bundle.Bundle, goal: ObjectiveConfig, projected: ProjectedAdversary | None
) -> None:
    """Saves the heads beside a bundle, where the run has some."""
    if projected is None or projected.heads is None:
        return
    about = {"features": list(goal.discriminator_features), "size": goal.discriminator_size}
    fitted.save_discriminator(loaded, projected.heads.state_dict(), about)


def load_discriminator(folder: Path | str) -> Discriminator:
    """The discriminator of a bundle or a run.

    Raises BundleError where there is none or it is damaged, UsageError where weights of a frozen network are
    missing."""
    loaded = bundle.load(folder)
    tensors, entry = fitted.load_discriminator(loaded)
    image, template = loaded.model.image_shape, loaded.template
    try:
        about = {"discriminator_features": entry["features"], "discriminator_size": entry["size"]}
        goal = from_dict(ObjectiveConfig, about)
    except (KeyError, UsageError) as error:
        raise BundleError(
            f"{loaded.folder / cards.CARD} does not describe its discriminator rightly ({error})."
        ) from error
    check_discriminator_networks(goal.discriminator_features)
    eyes = template.points[:2] - margins(template, image)
    projection = Projection(goal.discriminator_features, image, eyes, goal.discriminator_size)
    with torch.random.fork_rng(devices=[]):  # initial weights, without effect on the caller's random state
        heads = Heads(projection.sides)
    try:
        heads.load_state_dict(tensors)
    except RuntimeError as error:
        raise BundleError(
            f"{loaded.folder / fitted.DISCRIMINATOR} does not fit its card. {cards.RESTORE_HINT}"
        ) from error
    return Discriminator(projection, heads)
