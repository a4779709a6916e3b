"""Training of a flow's velocity network: flow matching on white latents, with early stopping on held-out
faces. Takes arrays alone; the flow itself is in flow.py."""

import copy
import math
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from facespace.core.console import progress
from facespace.models.optimization import (
    EarlyStopping,
    Stepper,
    cosine_decay,
    linear_warmup,
    moving_average,
)
from facespace.models.precision import autocast

MIN_FACES = 128  # smallest number of faces of which some are held out
HELD_OUT = 0.08  # share of the faces that are held out for validation
VALIDATE_EVERY, PATIENCE = (
    250,
    8,
)  # steps between two validations, and validations without a better one before the end
VALIDATION_ROUNDS = 4  # noise samples for each held-out latent
MAX_HELD_OUT = 2_000  # most held-out faces: more cost time and add no precision
BATCH, LEARNING_RATE, WARMUP = (
    512,
    1.5e-3,
    300,
)  # latents a step; peak rate of Adam, and the steps of its warm-up
DECAY, DROPOUT, CLIP = 0.01, 0.05, 1.0  # weight decay; dropout of the blocks; largest gradient norm
EMA_DECAY = 0.9995  # decay of the moving average of the weights, which is the result
# The share of a face's attributes that are known to the network is a uniform number to this power.
KEPT_POWER = 3
# Share of a batch without any attribute (classifier-free guidance: Ho & Salimans, 2021).
UNCONDITIONAL = 0.2

Net = TypeVar("Net", bound=nn.Module)


class NoisedLatents(NamedTuple):
    """Latents, noise and the places between them: the input of one loss."""

    x: Tensor  # (B, K) white latents
    e: Tensor  # (B, K) noise
    angle: Tensor  # (B,) radians
    y: Tensor | None  # (B, A) attributes, NaN unknown


def uniform_angles(count: int) -> Tensor:
    """(count,) angles, uniform between 0, the noise, and π/2, the latent."""
    return torch.rand(count) * math.pi / 2


def fit_velocity(
    make: Callable[[float], Net],
    x: Tensor,
    steps: int,
    seed: int,
    y: Tensor | None = None,
    angles: Callable[[int], Tensor] = uniform_angles,
) -> Net:
    """The network `make(dropout)`, trained on white latents for at most `steps` steps.

    x is (N, V, K), V views of N ≥ FEWEST faces, and y their attributes (N, V, A) of a conditional network.
    `angles` samples the place between noise and latent. Either all views of a face are held out, or none; the
    first views validate. Returns the moving average of the weights at the validation with the lowest error,
    of which one is before the first step."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), torch.inference_mode(False):
        torch.manual_seed(seed % 2**63)
        held_out = min(max(1, round(HELD_OUT * len(x))), MAX_HELD_OUT)
        validation, train = torch.randperm(len(x)).tensor_split([held_out])
        exam = _validation_batch(x[validation, 0])
        attributes = None if y is None else y[train].flatten(0, 1)
        net, initial = make(DROPOUT).train(), make(0.0).eval()
        initial.load_state_dict(net.state_dict())
        fit = _Fit(net, initial, exam, steps)
        fit.run(x[train].flatten(0, 1), attributes, angles)
        return fit.best


class _Fit(Generic[Net]):
    """One training of a network, from the average's initial weights."""

    def __init__(self, net: Net, initial: Net, exam: NoisedLatents, steps: int) -> None:
        self.net, self.exam, self.steps = net, exam, steps
        averaged = moving_average(initial, EMA_DECAY, from_start=True)
        self.average: Net = averaged.module  # type: ignore[assignment]
        adam = torch.optim.AdamW(
            net.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=DECAY, fused=True
        )
        self.stepper = Stepper(net, adam, CLIP, averaged)
        self.stopping = EarlyStopping(_validate(self.average, exam))
        self.best = copy.deepcopy(self.average)

    def run(self, x: Tensor, y: Tensor | None, angles: Callable[[int], Tensor]) -> None:
        """Steps on latents x (N, K) and attributes y (N, A) to the end, or until validation no longer
        improves."""
        with progress(self.steps, "Fitting the flow", "steps") as advance:
            for step in range(1, self.steps + 1):
                with autocast(x.device):
                    error = loss(self.net, _training_batch(x, y, angles))
                self.stepper.backward(error)
                self.stepper.update(
                    LEARNING_RATE * linear_warmup(step - 1, WARMUP - 1) * cosine_decay(step, self.steps)
                )
                advance(1)
                if step % VALIDATE_EVERY and step < self.steps:
                    continue
                if self.stopping.record(_validate(self.average, self.exam)):
                    self.best = copy.deepcopy(self.average)
                if self.stopping.exhausted(PATIENCE):
                    break


def _training_batch(x: Tensor, y: Tensor | None, angles: Callable[[int], Tensor]) -> NoisedLatents:
    """A random batch of latents x (N, K) at random angles; a random part of their attributes y (N, A) is
    hidden."""
    rows = torch.randint(len(x), (min(BATCH, len(x)),))
    known = None if y is None else _masked(y[rows])
    return NoisedLatents(x[rows], torch.randn(len(rows), x.shape[1]), angles(len(rows)), known)


def _masked(y: Tensor) -> Tensor:
    """Attributes (B, A) with some set to NaN: all of a share of the faces, and a random part of the others.

    So every subset of known attributes is trained; mostly small ones, since samples are conditioned on
    few."""
    kept = torch.rand(len(y), 1) ** KEPT_POWER * (torch.rand(len(y), 1) >= UNCONDITIONAL)
    return torch.where(torch.rand(y.shape) < kept, y, torch.nan)


def loss(net: nn.Module, at: NoisedLatents) -> Tensor:
    """Mean squared error of the velocity at the given places between noise and latents."""
    sine, cosine = at.angle.sin()[:, None], at.angle.cos()[:, None]
    velocity = net(cosine * at.e + sine * at.x, at.angle, at.y).float()
    return (velocity - (cosine * at.x - sine * at.e)).square().mean()


def _validation_batch(held_out: Tensor) -> NoisedLatents:
    """The input of each validation: held-out latents (N, K) with noise and evenly spread angles,
    unconditional."""
    x = held_out.repeat(VALIDATION_ROUNDS, 1)
    angles = (torch.randperm(len(x)) + 0.5) / len(x) * math.pi / 2
    return NoisedLatents(x, torch.randn_like(x), angles, None)


@torch.no_grad()
def _validate(net: nn.Module, exam: NoisedLatents) -> float:
    return float(loss(net, exam))
