"""Training of the autoregressive prior's network on the codes of faces: maximum likelihood, with early
stopping on held-out faces. Takes codes alone; the prior itself is in autoregressive.py."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from facespace.core.console import progress
from facespace.models.code_transformer import CodeTransformer
from facespace.models.flow_training import HELD_OUT
from facespace.models.optimization import (
    EarlyStopping,
    Stepper,
    cosine_decay,
    linear_warmup,
    moving_average,
)
from facespace.models.precision import autocast

CODES_PER_STEP = 4_096  # codes of the faces of a batch, about
MOST_HELD_OUT = 65_536  # codes of the held-out faces, at most: more cost time and add no precision
VALIDATION_CODES = 8_192  # codes in one batch of the validation
VALIDATE_EVERY, PATIENCE = 100, 6  # steps; validations without a better one before the end
LEARNING_RATE, DECAY = 2e-3, 0.02  # of AdamW: peak, weight decay
WARMUP, WARMUP_SHARE = 200, 0.1  # steps in which the rate rises, and at most that share of all steps
DROPOUT, CLIP, EMA_DECAY = 0.1, 1.0, 0.995


def fit_codes(
    make: Callable[[float], CodeTransformer], codes: Tensor, steps: int, seed: int
) -> CodeTransformer:
    """The network `make(dropout)`, trained on codes (N, V, n), V views of each face, for at most `steps`
    steps. All views of a face are held out, or none; the first views validate. Returns the moving average
    of the weights at the validation with the highest likelihood."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), torch.inference_mode(False):
        torch.manual_seed(seed % 2**63)
        most = max(1, MOST_HELD_OUT // codes.shape[2])
        held_out = min(max(1, round(HELD_OUT * len(codes))), most)
        order = torch.randperm(len(codes))
        exam, rest = codes[order[:held_out], 0], codes[order[held_out:]].flatten(0, 1)
        net, initial = make(DROPOUT).to(codes.device).train(), make(0.0).to(codes.device).eval()
        _start_at_frequencies(net, rest)
        initial.load_state_dict(net.state_dict())
        return _run(net, initial, rest, exam, steps)


def _start_at_frequencies(net: CodeTransformer, codes: Tensor) -> None:
    """Sets the biases of the last layer so that the network begins with how often each entry occurs."""
    for head, part in zip(net.heads, codes.split(net.counts, 1)):
        bias: Tensor = head.bias  # type: ignore[assignment]
        counts = torch.bincount(part.flatten(), minlength=len(bias)) + 1
        bias.data.copy_((counts / counts.sum()).log())


def _run(
    net: CodeTransformer, initial: CodeTransformer, codes: Tensor, exam: Tensor, steps: int
) -> CodeTransformer:
    averaged = moving_average(initial, EMA_DECAY, from_start=True)
    average: CodeTransformer = averaged.module  # type: ignore[assignment]
    adam = torch.optim.AdamW(
        net.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=DECAY, fused=True
    )
    stepper, stopping = Stepper(net, adam, CLIP, averaged), EarlyStopping(_validate(average, exam))
    best, batch = copy.deepcopy(average), max(1, CODES_PER_STEP // codes.shape[1])
    warmup = min(WARMUP, round(WARMUP_SHARE * steps))
    with progress(steps, "Fitting the autoregressive prior", "steps") as advance:
        for step in range(1, steps + 1):
            rows = torch.randint(len(codes), (min(batch, len(codes)),), device=codes.device)
            with autocast(codes.device):
                loss = -net.log_prob(codes[rows]).mean()  # nats per code
            stepper.backward(loss)
            stepper.update(LEARNING_RATE * linear_warmup(step - 1, warmup) * cosine_decay(step, steps))
            advance(1)
            if step % VALIDATE_EVERY and step < steps:
                continue
            if stopping.record(_validate(average, exam)):
                best = copy.deepcopy(average)
            if stopping.exhausted(PATIENCE):
                break
    return best


@torch.no_grad()
def _validate(net: CodeTransformer, exam: Tensor) -> float:
    """Mean negative log-probability of codes (N, n), nats per code."""
    total = 0.0
    with autocast(exam.device):
        for part in exam.split(max(1, VALIDATION_CODES // exam.shape[1])):
            total -= float(net.log_prob(part).sum())
    return total / exam.numel()
