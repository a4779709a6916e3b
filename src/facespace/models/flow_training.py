"""Training of a flow's network: flow matching on white latents, with early stopping on held-out faces. Works
on tensors alone; flow.py has the flow."""

import copy
import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from facespace.core.console import progress
from facespace.models.precision import autocast

FEWEST = 128  # faces needed, so that some can be held out
HELD_OUT = 0.08  # share of the faces that are held out for validation
MAX_HELD_OUT = 2_000  # faces: more would take time and hardly change the validation loss
VALIDATE_EVERY, PATIENCE = 250, 8  # steps; validations without improvement before training stops
VALIDATION_ROUNDS = 4  # of noise for each held-out latent
BATCH, RATE, WARMUP = 512, 1.5e-3, 300  # latents a step; peak learning rate of Adam, and the steps to it
DECAY, DROPOUT, CLIP = 0.01, 0.05, 1.0  # of weights; in the blocks; of the gradient's norm
EMA_DECAY = 0.9995  # of the moving average of the weights, which is the result
KEPT_POWER = 3  # the share of a face's attributes that stay known is a uniform number to this power
UNCONDITIONAL = 0.2  # share of a batch without attributes (classifier-free guidance: Ho & Salimans, 2021)

Net = TypeVar("Net", bound=nn.Module)


class NoisedLatents(NamedTuple):
    """Points on the paths from noise to latents: a batch of training or of validation."""

    x: Tensor  # (B, K) white latents
    e: Tensor  # (B, K) noise
    angle: Tensor  # (B,) radians
    y: Tensor | None  # (B, A) attributes, NaN unknown


def uniform_angles(n: int) -> Tensor:
    """Radians (n,), uniform on the path."""
    return torch.rand(n) * math.pi / 2


def learn(
    make: Callable[[float], Net],
    x: Tensor,
    steps: int,
    seed: int,
    y: Tensor | None = None,
    angles: Callable[[int], Tensor] = uniform_angles,
) -> Net:
    """Trains the network `make(dropout)` on white latents x (N, V, K), V views of N ≥ FEWEST faces, and on
    their attributes y (N, V, A) if it is conditional, for at most `steps` steps.

    Returns the moving average of its weights with the lowest validation loss, the initial weights included.
    `angles` draws the angles of a batch. A face is held out with all its views; the first view of each
    validates."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), torch.inference_mode(False):
        torch.manual_seed(seed % 2**63)
        held_out_count = min(max(1, round(HELD_OUT * len(x))), MAX_HELD_OUT)
        held_out, kept = torch.randperm(len(x)).tensor_split([held_out_count])
        validation = _validation_batch(x[held_out, 0])
        x, y = x[kept].flatten(0, 1), None if y is None else y[kept].flatten(0, 1)
        net, average = make(DROPOUT).train(), make(0.0).eval()
        average.load_state_dict(net.state_dict())
        best, lowest, since_best = copy.deepcopy(average), _validate(average, validation), 0
        adam = torch.optim.AdamW(net.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=DECAY, fused=True)
        with progress(steps, "Fitting the flow", "steps") as advance:
            for step in range(1, steps + 1):
                _step(net, adam, _training_batch(x, y, angles), _rate(step, steps))
                _average(average, net, min(EMA_DECAY, step / (step + 9)))
                advance(1)
                if step % VALIDATE_EVERY and step < steps:
                    continue
                error = _validate(average, validation)
                since_best += 1
                if error < lowest:
                    best, lowest, since_best = copy.deepcopy(average), error, 0
                if since_best == PATIENCE:
                    break
        return best


def _rate(step: int, steps: int) -> float:
    """The learning rate: linear warm-up, times a half cosine to 0."""
    return RATE * min(1, step / WARMUP) * (1 + math.cos(math.pi * step / steps)) / 2


def _step(net: nn.Module, adam: torch.optim.Optimizer, batch: NoisedLatents, rate: float) -> None:
    for group in adam.param_groups:
        group["lr"] = rate
    adam.zero_grad()
    with autocast(batch.x.device):
        error = loss(net, batch)
    error.backward()
    nn.utils.clip_grad_norm_(net.parameters(), CLIP)
    adam.step()


def _training_batch(x: Tensor, y: Tensor | None, angles: Callable[[int], Tensor]) -> NoisedLatents:
    """A batch of latents (N, K) with noise and random angles; a random part of their attributes (N, A) is
    masked."""
    rows = torch.randint(len(x), (min(BATCH, len(x)),))
    known = None if y is None else _masked(y[rows])
    return NoisedLatents(x[rows], torch.randn(len(rows), x.shape[1]), angles(len(rows)), known)


def _masked(y: Tensor) -> Tensor:
    """Attributes (B, A) with some set to NaN: all of them for a share of the faces, a random part for the
    others, so that the network learns every subset of known attributes. Small subsets are the most frequent,
    as they are in sampling."""
    kept = torch.rand(len(y), 1) ** KEPT_POWER * (torch.rand(len(y), 1) >= UNCONDITIONAL)
    return torch.where(torch.rand(y.shape) < kept, y, torch.nan)


def loss(net: nn.Module, batch: NoisedLatents) -> Tensor:
    """Mean squared error of the velocity."""
    sine, cosine = batch.angle.sin()[:, None], batch.angle.cos()[:, None]
    found = net(cosine * batch.e + sine * batch.x, batch.angle, batch.y).float()
    return (found - (cosine * batch.x - sine * batch.e)).square().mean()


def _validation_batch(held_out: Tensor) -> NoisedLatents:
    """The batch of every validation: held-out latents (N, K) with fixed noise and evenly spaced angles,
    unconditional."""
    x = held_out.repeat(VALIDATION_ROUNDS, 1)
    angles = (torch.randperm(len(x)) + 0.5) / len(x) * math.pi / 2
    return NoisedLatents(x, torch.randn_like(x), angles, None)


@torch.no_grad()
def _validate(net: nn.Module, batch: NoisedLatents) -> float:
    return float(loss(net, batch))


@torch.no_grad()
def _average(average: nn.Module, net: nn.Module, decay: float) -> None:
    for kept, new in zip(average.parameters(), net.parameters()):
        kept.lerp_(new, 1 - decay)
