"""The latents from which a space decodes given faces: the encoder's, refined by its own error, then optimised
with the decoder frozen. They stay near the encoder's, so that what was fitted to latents of faces, such as
directions and priors, holds for them (Roich et al., 2021, call them pivots)."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from facespace.adaptation.plan import AdaptPlan
from facespace.adaptation.progress import INVERSION, AdaptProgress, OnStep, Stop, ignore, never
from facespace.image.pixels import to_float, to_uint8
from facespace.models import LatentModel
from facespace.models.precision import autocast
from facespace.models.refinement import refine
from facespace.space.base import BaseSpace
from facespace.space.face_loss import FaceLoss
from facespace.space.latent_optimization import best_latents, latent_error

PASSES = 3  # of the encoder
BATCH = 16
SHOWN = 16  # faces of a picture of the progress


@torch.no_grad()
def encode(model: LatentModel, x: Tensor, passes: int = PASSES) -> Tensor:
    """Latents (N, D) of faces (N, C, H, W) in [0, 1] by several passes of the encoder (see refine).
    There is one pass where the model cannot refine its latents, or does so by itself."""
    if not can_refine(model):
        passes = 1
    parts = []
    for batch in x.split(BATCH):
        first = _encode(model, batch)
        parts.append(refine(batch, first, partial(_encode, model), partial(decode, model), passes))
    return torch.cat(parts).float()


def _encode(model: LatentModel, x: Tensor) -> Tensor:
    """Faces (N, C, H, W) in [0, 1] to latents (N, D) by one pass."""
    return model.encode(x).mean.flatten(1)


def can_refine(model: LatentModel) -> bool:
    """Whether several passes of the encoder are possible and not made by the model itself: the decoder's
    images are as large as the encoder's, and the latent is flat and has both signs."""
    config = model.config
    return config.refinable and config.refinement_steps == 1 and model.image_shape == config.image


def decode(model: LatentModel, z: Tensor) -> Tensor:
    """Latents (N, D) to faces (N, C, H, W) in [0, 1], with gradients."""
    return model.decode(z.reshape(-1, *model.latent_shape)).float()


@torch.no_grad()
def images(model: LatentModel, z: Tensor) -> Tensor:
    """The same in batches without gradients."""
    return torch.cat([decode(model, batch) for batch in z.split(BATCH)])


def invert(
    space: BaseSpace,
    faces: np.ndarray,
    start: Tensor,
    root: np.ndarray,
    loss: FaceLoss,
    plan: AdaptPlan,
    on_step: OnStep = ignore,
    stop: Stop = never,
) -> Tensor:
    """Latents (N, D) of faces uint8 (N, H, W, C) of the size that the space decodes, optimised from `start`
    (N, D) by Adam in whitened space (`root` (D, D), see Whitening). Each latent keeps the best of its steps,
    so that no distance grows. Deterministic."""
    unit = torch.from_numpy(root).float().to(space.device)
    total = plan.inversion_steps * -(-len(faces) // BATCH)
    found, done = start.clone(), 0

    def decoded(z: Tensor) -> Tensor:
        with autocast(z.device):
            return decode(space.model, z)

    def shown() -> np.ndarray:
        return to_uint8(images(space.model, found[:SHOWN]))

    for first in range(0, len(faces), BATCH):
        rows = slice(first, first + BATCH)
        error = latent_error(to_float(faces[rows], space.device), decoded, loss, plan.distance)
        for best in best_latents(start[rows], unit, error, plan.inversion_rate, plan.inversion_steps):
            found[rows] = best
            done += 1
            on_step(AdaptProgress(INVERSION, done, total, shown))
            if stop():
                return found
    return found
