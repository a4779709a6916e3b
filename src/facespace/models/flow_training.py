"""How the network of a flow learns: flow matching on white latents, with some of them held out to say when to stop.
Knows of arrays alone; flow.py has the flow."""

import copy
import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from facespace.console import progress

FEWEST = 128  # latents below which none are spared for a look
HELD_OUT = 0.08  # share of the latents that the network never learns from
LOOK, PATIENCE = (
    250,
    6,
)  # steps between two looks at the held-out latents, and looks without a better one before the end
ROUNDS = 4  # of noise that each held-out latent is looked at with
BATCH, RATE, WARMUP = 256, 2e-3, 200  # latents a step; Adam's peak rate, and the steps until then
DECAY, DROPOUT, CLIP = 0.01, 0.05, 1.0  # of weights; in the blocks; of the gradient's norm
AVERAGE = 0.998  # of the weights' moving average, which alone is kept

Net = TypeVar("Net", bound=nn.Module)


def learn(make: Callable[[float], Net], x: Tensor, steps: int, seed: int) -> Net:
    """The network `make(dropout)` trained on white latents x (N, K), N ≥ FEWEST, for at most so many steps: the moving
    average of its weights at the look at which it was best on held-out latents, a look before the first step included."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), torch.inference_mode(False):
        torch.manual_seed(seed % 2**63)
        order = torch.randperm(len(x))
        unseen, x = (x[part].clone() for part in order.tensor_split([max(1, round(HELD_OUT * len(x)))]))
        exam = _exam(unseen)
        net, average = make(DROPOUT).train(), make(0.0).eval()
        average.load_state_dict(net.state_dict())
        best, least, since = copy.deepcopy(average), _look(average, exam), 0
        adam = torch.optim.AdamW(net.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=DECAY)
        with progress(steps, "Fitting the flow", "steps") as advance:
            for step in range(1, steps + 1):
                for group in adam.param_groups:
                    group["lr"] = RATE * min(1, step / WARMUP) * (1 + math.cos(math.pi * step / steps)) / 2
                batch = x[torch.randint(len(x), (min(BATCH, len(x)),))]
                adam.zero_grad()
                loss(net, batch, torch.randn_like(batch), torch.rand(len(batch)) * math.pi / 2).backward()
                nn.utils.clip_grad_norm_(net.parameters(), CLIP)
                adam.step()
                _average(average, net, min(AVERAGE, step / (step + 9)))
                advance(1)
                if step % LOOK == 0 or step == steps:
                    seen = _look(average, exam)
                    if seen < least:
                        best, least, since = copy.deepcopy(average), seen, 0
                    else:
                        since += 1
                    if since == PATIENCE:
                        break
        return best


def loss(net: nn.Module, x: Tensor, e: Tensor, angle: Tensor) -> Tensor:
    """Mean squared error of the velocity on the way from noise e to white latents x, both (B, K), at angles (B,)."""
    sine, cosine = angle.sin()[:, None], angle.cos()[:, None]
    return (net(cosine * e + sine * x, angle) - (cosine * x - sine * e)).square().mean()


def _exam(unseen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What every look asks: held-out latents (N, K) with noise and angles, the angles evenly spread."""
    x = unseen.repeat(ROUNDS, 1)
    angles = (torch.randperm(len(x)) + 0.5) / len(x) * math.pi / 2
    return x, torch.randn_like(x), angles


@torch.no_grad()
def _look(net: nn.Module, exam: tuple[Tensor, Tensor, Tensor]) -> float:
    return float(loss(net, *exam))


@torch.no_grad()
def _average(average: nn.Module, net: nn.Module, keep: float) -> None:
    for kept, new in zip(average.parameters(), net.parameters()):
        kept.lerp_(new, 1 - keep)
