"""How the network of a flow learns: flow matching on white latents, with some faces held out that say when to stop.
Knows of arrays alone; flow.py has the flow."""

import copy
import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from facespace.core.console import progress
from facespace.models.precision import autocast

FEWEST = 128  # faces below which none are spared for validation
HELD_OUT = 0.08  # share of the faces that the network never learns from
LOOK, PATIENCE = 250, 8  # steps between two validations, and validations without a better one before the end
ROUNDS = 4  # of noise that each held-out latent is validated with
MOST_HELD_OUT = 2_000  # faces that validate: beyond, more would cost time and tell no more
BATCH, RATE, WARMUP = 512, 1.5e-3, 300  # latents a step; Adam's peak rate, and the steps until then
DECAY, DROPOUT, CLIP = 0.01, 0.05, 1.0  # of weights; in the blocks; of the gradient's norm
AVERAGE = 0.9995  # of the weights' moving average, which alone is kept
FEW_KNOWN = (
    3  # the power of a uniform number that is the share of a face's attributes which the network is told
)
UNCONDITIONAL = (
    0.2  # share of a batch that is told no attribute (classifier-free guidance: Ho & Salimans, 2021)
)

Net = TypeVar("Net", bound=nn.Module)


class Noised(NamedTuple):
    """Latents on their way: what one step learns from, or one validation asks for."""

    x: Tensor  # (B, K) white latents
    e: Tensor  # (B, K) noise
    angle: Tensor  # (B,) radians
    y: Tensor | None  # (B, A) attributes, NaN unknown


def learn(
    make: Callable[[float], Net],
    x: Tensor,
    steps: int,
    seed: int,
    y: Tensor | None = None,
    angles: Callable[[int], Tensor] = lambda n: torch.rand(n) * math.pi / 2,
) -> Net:
    """The network `make(dropout)` trained on white latents x (N, V, K), V views of N ≥ FEWEST faces, and their attributes y
    (N, V, A) where it is conditional, for at most so many steps: the moving average of its weights at the validation at which
    it was best, one before the first step included. `angles` draws where on the path a batch learns. All views of a face are
    held out, or none; the first views validate."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), torch.inference_mode(False):
        torch.manual_seed(seed % 2**63)
        held = min(max(1, round(HELD_OUT * len(x))), MOST_HELD_OUT)
        unseen, seen = torch.randperm(len(x)).tensor_split([held])
        exam = _exam(x[unseen, 0])
        x, y = x[seen].flatten(0, 1), None if y is None else y[seen].flatten(0, 1)
        net, average = make(DROPOUT).train(), make(0.0).eval()
        average.load_state_dict(net.state_dict())
        best, least, since = copy.deepcopy(average), _validate(average, exam), 0
        adam = torch.optim.AdamW(net.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=DECAY, fused=True)
        with progress(steps, "Fitting the flow", "steps") as advance:
            for step in range(1, steps + 1):
                for group in adam.param_groups:
                    group["lr"] = RATE * min(1, step / WARMUP) * (1 + math.cos(math.pi * step / steps)) / 2
                adam.zero_grad()
                with autocast(x.device):
                    error = loss(net, _draw(x, y, angles))
                error.backward()
                nn.utils.clip_grad_norm_(net.parameters(), CLIP)
                adam.step()
                _average(average, net, min(AVERAGE, step / (step + 9)))
                advance(1)
                if step % LOOK and step < steps:
                    continue
                found = _validate(average, exam)
                since += 1
                if found < least:
                    best, least, since = copy.deepcopy(average), found, 0
                if since == PATIENCE:
                    break
        return best


def _draw(x: Tensor, y: Tensor | None, angles: Callable[[int], Tensor]) -> Noised:
    """A batch of latents (N, K) at random angles; of their attributes (N, A) a random part is hidden."""
    rows = torch.randint(len(x), (min(BATCH, len(x)),))
    known = None if y is None else _hidden(y[rows])
    return Noised(x[rows], torch.randn(len(rows), x.shape[1]), angles(len(rows)), known)


def _hidden(y: Tensor) -> Tensor:
    """Attributes (B, A) with some unknown: all of a share of the faces, of the others a random part, so that every choice of
    known attributes is learned; mostly a large part, since draws are asked for by one or two."""
    kept = torch.rand(len(y), 1) ** FEW_KNOWN * (torch.rand(len(y), 1) >= UNCONDITIONAL)
    return torch.where(torch.rand(y.shape) < kept, y, torch.nan)


def loss(net: nn.Module, at: Noised) -> Tensor:
    """Mean squared error of the velocity on the way from noise to latents."""
    sine, cosine = at.angle.sin()[:, None], at.angle.cos()[:, None]
    found = net(cosine * at.e + sine * at.x, at.angle, at.y).float()
    return (found - (cosine * at.x - sine * at.e)).square().mean()


def _exam(unseen: Tensor) -> Noised:
    """What every validation asks: held-out latents (N, K) with noise and angles, the angles evenly spread, unconditional."""
    x = unseen.repeat(ROUNDS, 1)
    angles = (torch.randperm(len(x)) + 0.5) / len(x) * math.pi / 2
    return Noised(x, torch.randn_like(x), angles, None)


@torch.no_grad()
def _validate(net: nn.Module, exam: Noised) -> float:
    return float(loss(net, exam))


@torch.no_grad()
def _average(average: nn.Module, net: nn.Module, keep: float) -> None:
    for kept, new in zip(average.parameters(), net.parameters()):
        kept.lerp_(new, 1 - keep)
