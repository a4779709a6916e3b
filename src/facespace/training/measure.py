"""The figures of a model on a part of a set, as training reports them. Looks at a model; never changes it."""

import math
from collections.abc import Mapping

import torch

from facespace.data.loaders import Loader
from facespace.models import LatentModel
from facespace.objectives import total_loss


@torch.inference_mode()
def evaluate(model: LatentModel, loader: Loader, weights: Mapping[str, float]) -> dict[str, float] | None:
    """Mean terms over a loader in eval mode, nats per image with one posterior sample (a fixed seed), and the MSE in
    [0, 1] of the image decoded from the posterior mean; None where there are no faces."""
    if not len(loader.rows):
        return None
    model.eval()
    generator = torch.Generator(loader.device).manual_seed(0)
    sums: dict[str, float] = {}
    for batch in loader.in_order():
        loss, terms = total_loss(model(batch.image, generator=generator), weights)
        error = (model.decode(model.encode(batch.image).mean) - model.target(batch.image)).square().mean()
        for name, value in {"loss": loss, **terms, "mse": error}.items():
            sums[name] = sums.get(name, 0.0) + float(value) * len(batch.image)
    return {name: value / len(loader.rows) for name, value in sums.items()}


def per_dim(figures: dict[str, float], image: tuple[int, int, int]) -> dict[str, float]:
    """The figures with the loss per dimension (pixel value) beside the loss per image."""
    return figures | {"loss_per_dim": figures["loss"] / math.prod(image)}
