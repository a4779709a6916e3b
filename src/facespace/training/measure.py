"""The figures of a model on a part of a set, as training reports them. Measures a model; never changes it."""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from facespace.models import LatentModel
from facespace.recipes.config import ObjectiveConfig
from facespace.training.loaders import Batch, Loader
from facespace.training.loss import Loss, total_loss
from facespace.training.records import Figures


def _unconditional(batch: Batch) -> None:
    return None


def _no_further_terms(loss: Loss, image: Tensor, target: Tensor) -> Loss:
    return loss


@torch.inference_mode()
def evaluate(
    model: LatentModel,
    loader: Loader,
    objective: ObjectiveConfig,
    conditions: Callable[[Batch], Tensor | None] = _unconditional,
    all_reduce_sum: Callable[[Figures], Figures] = dict,
    auxiliary: Callable[[Loss, Tensor, Tensor], Loss] = _no_further_terms,
) -> Figures | None:
    """Mean terms over a loader in eval mode, in nats per image; None where there are no faces.

    One posterior sample a face with a fixed seed. `mse` is in [0, 1]², of the image decoded from the
    posterior mean. Warm-up and free bits apply to training alone. With several samples, `bound` is minus the
    importance-weighted bound. `conditions` gives the attributes (B, A) of a conditional model,
    `all_reduce_sum` sums over processes, and `auxiliary` adds auxiliary losses to a loss, from images and
    targets (B, C, H, W)."""
    if not len(loader.rows):
        return None
    model.eval()
    generator = torch.Generator(loader.device)
    sums: Figures = {}
    for batch in loader.in_order():
        generator.manual_seed(int(batch.index[0]))  # the same noise in whichever process takes the batch
        for name, term in _terms(model, batch, objective, conditions(batch), generator, auxiliary).items():
            sums[name] = sums.get(name, 0.0) + float(term) * len(batch.image)
    return {name: total / len(loader.rows) for name, total in all_reduce_sum(sums).items()}


def _terms(
    model: LatentModel,
    batch: Batch,
    objective: ObjectiveConfig,
    y: Tensor | None,
    generator: Generator,
    add_auxiliary: Callable[[Loss, Tensor, Tensor], Loss],
) -> dict[str, Tensor]:
    """The mean terms of one batch, with `loss` and `mse`."""
    output = model(batch.image, y, generator=generator, iwae_samples=objective.iwae_samples)
    loss, terms = total_loss(output, objective.weights)
    if output.iwae_bound is not None:
        terms["bound"] = -output.iwae_bound.mean()
    target = model.target(batch.image)
    loss, terms = add_auxiliary((loss, terms), output.image, target)
    error = (model.decode(model.encode(batch.image, y).mean, y) - target).square().mean()
    return {"loss": loss, **terms, "mse": error}


def derived(figures: Figures, image: tuple[int, int, int]) -> Figures:
    """The figures with `loss_per_dim`, the loss per pixel value of an image (C, H, W), and of a VAE `elbo`,
    the evidence lower bound −(reconstruction + kl) in nats per image, in which no weight and no auxiliary
    loss is."""
    more = {"loss_per_dim": figures["loss"] / math.prod(image)}
    if "kl" in figures:
        more["elbo"] = -(figures["reconstruction"] + figures["kl"])
    return figures | more
