"""The figures of a model on a part of a set, as training reports them. Looks at a model; never changes it."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from facespace.models import LatentModel
from facespace.recipes.config import ObjectiveConfig
from facespace.training.auxiliary_losses import Loss
from facespace.training.loaders import Batch, Loader
from facespace.training.loss import total_loss


@torch.inference_mode()
def evaluate(
    model: LatentModel,
    loader: Loader,
    objective: ObjectiveConfig,
    tell: Callable[[Batch], Tensor | None] = lambda batch: None,
    add_up: Callable[[dict[str, float]], dict[str, float]] = dict,
    judge: Callable[[Loss, Tensor, Tensor], Loss] = lambda found, image, seen: found,
) -> dict[str, float] | None:
    """Mean terms over a loader in eval mode, nats per image with one posterior sample (a fixed seed), and the MSE in
    [0, 1] of the image decoded from the posterior mean; None where there are no faces. Warm-up and free bits are for
    training alone and do not count here. With several samples, `bound` is minus the importance-weighted bound. `add_up`
    makes sums over all processes of this one's. `judge` adds to a loss and its
    terms what else the training weighs, of images beside those seen."""
    if not len(loader.rows):
        return None
    model.eval()
    generator = torch.Generator(loader.device)
    sums: dict[str, float] = {}
    for batch in loader.in_order():
        generator.manual_seed(int(batch.index[0]))  # the same noise whichever process takes the batch
        y = tell(batch)
        result = model(batch.image, y, generator=generator, samples=objective.samples)
        loss, terms = total_loss(result, objective.weights)
        if result.bound is not None:
            terms["bound"] = -result.bound.mean()
        seen = model.target(batch.image)
        loss, terms = judge((loss, terms), result.image, seen)
        error = (model.decode(model.encode(batch.image, y).mean, y) - seen).square().mean()
        for name, value in {"loss": loss, **terms, "mse": error}.items():
            sums[name] = sums.get(name, 0.0) + float(value) * len(batch.image)
    return {name: value / len(loader.rows) for name, value in add_up(sums).items()}


def per_dim(figures: dict[str, float], image: tuple[int, int, int]) -> dict[str, float]:
    """The figures with the loss per dimension (pixel value) beside the loss per image."""
    return figures | {"loss_per_dim": figures["loss"] / math.prod(image)}
