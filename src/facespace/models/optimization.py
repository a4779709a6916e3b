"""What all trainings share: seeded steps, learning-rate schedules, the optimizer's step with clipping and
moving average, and early stopping. The model, the attribute classifier and the flow train with these; the
loops are theirs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from facespace.recipes.config import TrainConfig


def seed_step(seed: int, step: int) -> None:
    """Seeds torch for one step: its random numbers are a function of (seed, step), so that a resumed run
    repeats them."""
    torch.manual_seed(int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0]))


def linear_warmup(step: int, steps: int) -> float:
    """A factor from 1 / (steps + 1) at step 0 in a line to 1 at step `steps`; 1 where `steps` is 0."""
    return min(1.0, (step + 1) / (steps + 1))


def cosine_decay(step: int, total: int, final: float = 0.0) -> float:
    """A factor from 1 at step 0 along half a cosine to `final` at step `total`."""
    share = 0.5 * (1 + math.cos(math.pi * step / max(total, 1)))
    return final + (1 - final) * share


def learning_rate(train: TrainConfig, step: int, total: int) -> float:
    """The learning rate of step 0 … total: linear warm-up, then half a cosine to learning_rate ×
    final_learning_rate."""
    warmup = linear_warmup(step, train.warmup)
    return warmup * train.learning_rate * cosine_decay(step, total, train.final_learning_rate)


def warmed_decay(decay: float, updates: int) -> float:
    """The decay of a moving average after so many updates, min(decay, n / (n + 9)).

    Its half-life is then at most .08 of the updates so far, so that the average never lags behind a short
    run, however near to 1 `decay` is."""
    return min(decay, updates / (updates + 9))


def moving_average(
    model: nn.Module, decay: float, use_buffers: bool = False, from_start: bool = False
) -> AveragedModel:
    """The exponential moving average of a model's weights (Polyak & Juditsky, 1992), with `warmed_decay`. Its
    first update copies them; `from_start` averages the initial weights too."""

    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor | int) -> None:
        # The argument is a copy on the device of the weights, and reading it would wait for the device.
        keep = warmed_decay(decay, int(averaged.n_averaged))
        get_ema_multi_avg_fn(keep)(list(averages), list(weights), count)

    averaged = AveragedModel(model, multi_avg_fn=update, use_buffers=use_buffers)
    if from_start:
        averaged.n_averaged.fill_(1)
    return averaged


class Stepper:
    """The optimizer of one model and what belongs to its step: gradient clipping, loss scaling and moving
    average.

    A step is `backward(loss)`, then `update(rate)`; between them the gradient's norm can be read."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        clip: float | None = None,
        averaged: AveragedModel | None = None,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        self.model, self.optimizer, self.clip, self.averaged = model, optimizer, clip, averaged
        self.scaler = scaler or torch.amp.GradScaler("cpu", enabled=False)

    def backward(self, loss: Tensor) -> None:
        """Computes the gradients of a scalar loss, unscaled."""
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)

    def gradient_norm(self, vectors_only: bool = False) -> Tensor:
        """The norm of the gradient over all parameters, or over those with fewer than two dimensions."""
        grads = []
        for parameter in self.model.parameters():
            if parameter.grad is not None and (parameter.grad.dim() < 2 or not vectors_only):
                grads.append(parameter.grad)
        return nn.utils.get_total_norm(grads)

    def update(self, rate: float, norm: Tensor | None = None) -> None:
        """Changes the weights at a learning rate, then their average.

        Clips by `norm`, the one over all parameters."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.clip:
            norm = self.gradient_norm() if norm is None else norm
            nn.utils.clip_grads_with_norm_(self.model.parameters(), self.clip, norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)


@dataclass
class EarlyStopping:
    """The best validation figure so far, lower being better, and the count of validations since."""

    best: float = math.inf
    since_best: int = 0

    def record(self, figure: float, min_delta: float = 0.0, always_best: bool = False) -> bool:
        """Adds a validation. Returns whether it is better than the best by more than `min_delta`, or is
        `always_best`."""
        if figure < self.best - min_delta or always_best:
            self.best, self.since_best = figure, 0
            return True
        self.since_best += 1
        return False

    def exhausted(self, patience: int | None) -> bool:
        """Whether `patience` validations in a row were not better; never without a patience."""
        return patience is not None and self.since_best >= patience
