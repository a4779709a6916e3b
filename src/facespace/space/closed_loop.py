"""Closed-loop edits: latents optimised, by gradients through the decoder, towards what an attribute
classifier finds in the decoded faces. The decoder and the classifier come in as functions of tensors."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from facespace.core import waiting
from facespace.core.errors import choose
from facespace.latent.directions import Directions
from facespace.latent.edit import check_disjoint

MARGIN = 1.0  # logits past the border at which an attribute counts as on or off: a probability of 0.73
STEPS, RATE = 40, 0.1
# Weights of the loss, against 1 for a squared logit that a goal lacks.
LOCK_WEIGHT = 0.2  # of a squared logit of a locked attribute
DISTANCE_WEIGHT = 0.03  # of a squared standard deviation moved
IMAGE_WEIGHT = 0.1  # of the squared change of all pixels in [0, 1]
# Strengths along a known direction, of which the first that reaches the goal is the start.
START_STRENGTHS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


class ImageClassifier(Protocol):
    """An attribute classifier of images."""

    names: tuple[str, ...]

    def differentiable_logits(self, image: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] to calibrated logits (N, A), with gradients: above 0 an attribute is
        more likely present than absent."""
        ...


class LatentClassifier(NamedTuple):
    """An attribute classifier of latents. `decode` takes latents (N, D) to images (N, C, H, W) in
    [0, 1], `logits` these to (N, A)."""

    names: Sequence[str]
    decode: Callable[[Tensor], Tensor]
    logits: Callable[[Tensor], Tensor]


def closed_loop_edit(
    z: np.ndarray,
    classifier: LatentClassifier,
    goals: Mapping[str, bool],
    lock: Sequence[str],
    root: np.ndarray,
    directions: Directions | None = None,
    steps: int = STEPS,
    margin: float = MARGIN,
) -> np.ndarray:
    """Nearby latents (N, D) in whose faces the classifier finds each goal present (True) or absent, while its
    logits of the locked attributes stay: float32 (N, D). A face that meets a goal is not moved for it.

    Found by `steps` of Adam for each face by itself, on squared logits (goals not reached, locks that moved),
    the squared distance in standard deviations (`root` (D, D), as in Whitening) and the squared change of the
    picture, which keeps hair and background. Starts at the first strength along a known direction that
    reaches the goal: for rare attributes, such as glasses, gradients alone find adversarial changes. Raises
    UsageError for attributes that the classifier lacks, and Abandoned where nobody waits any more (see
    core/waiting.py)."""
    for name in (*goals, *lock):
        choose(dict.fromkeys(classifier.names), name, "attribute of the classifier")
    check_disjoint(goals, lock)
    columns = {name: column for column, name in enumerate(classifier.names)}
    edited, held = [columns[name] for name in goals], [columns[name] for name in lock]
    sign = torch.tensor([1.0 if on else -1.0 for on in goals.values()])
    unit_root = torch.from_numpy(root).float()
    start = torch.from_numpy(np.asarray(z, np.float32))
    with torch.no_grad():
        image_before = classifier.decode(start)
        held_before = classifier.logits(image_before)[:, held]
        moved = _start(
            start, classifier, goals, unit_root, directions, margin
        )  # (N, D) in standard deviations
    moved.requires_grad_()
    optimizer = torch.optim.Adam([moved], RATE)
    for _ in range(steps):
        waiting.step()
        image = classifier.decode(start + moved @ unit_root)
        logits = classifier.logits(image)
        lacking = torch.relu(margin - sign * logits[:, edited]).square().sum(1)
        leakage = (logits[:, held] - held_before).square().sum(1)
        changed = (image - image_before).square().flatten(1).sum(1)
        loss = (
            lacking + LOCK_WEIGHT * leakage + DISTANCE_WEIGHT * moved.square().sum(1) + IMAGE_WEIGHT * changed
        )  # (N,)
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    return (start + moved.detach() @ unit_root).numpy()


@torch.no_grad()
def goals_reached(
    z: np.ndarray, classifier: LatentClassifier, goals: Mapping[str, bool], margin: float = MARGIN
) -> dict[str, np.ndarray]:
    """For each goal whether latents (N, D) meet it, bool (N,): those that `closed_loop_edit` does not move
    for it. Raises UsageError for attributes that the classifier lacks."""
    columns = {name: column for column, name in enumerate(classifier.names)}
    logits = classifier.logits(classifier.decode(torch.from_numpy(np.asarray(z, np.float32))))
    found = {}
    for name, on in goals.items():
        column = choose(columns, name, "attribute of the classifier")
        sign = 1.0 if on else -1.0
        found[name] = (sign * logits[:, column] >= margin).cpu().numpy()
    return found


def _start(
    start: Tensor,
    classifier: LatentClassifier,
    goals: Mapping[str, bool],
    root: Tensor,
    known: Directions | None,
    clearly: float,
) -> Tensor:
    """For each face the weakest of TRIED moves along the goals' directions, (N, D) in standard deviations,
    that reaches the goal; the strongest where none does, and no move for goals without a direction."""
    moved = torch.zeros_like(start)
    for name, on in goals.items():
        if known is None or name not in known.names:
            continue
        sign, column = (1.0 if on else -1.0), list(classifier.names).index(name)
        unit = torch.from_numpy(known.units[known.index(name)]).float() * sign
        strength, reached = torch.zeros(len(start)), torch.zeros(len(start), dtype=torch.bool)
        for candidate in (0.0, *START_STRENGTHS):
            waiting.step()
            strength[~reached] = candidate
            logits = classifier.logits(classifier.decode(start + candidate * unit @ root))
            reached |= sign * logits[:, column] >= clearly
            if reached.all():
                break
        moved += strength[:, None] * unit
    return moved


def classify_latents(classifier: ImageClassifier, image: Callable[[Tensor], Tensor]) -> LatentClassifier:
    """A classifier of images as one of the latents that `image` decodes."""
    return LatentClassifier(classifier.names, image, classifier.differentiable_logits)
