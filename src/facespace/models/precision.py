"""The number format in which a device computes fastest, by measurement."""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch

TRIALS, TRIAL_SIZE = 5, 768  # matrix products of the measurement, and the side of their matrices
MIN_GAIN = 1.1  # speed-up below which fp32 is used, which rounds less
CPU_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """The forward pass in bf16 where that is faster; else a context that does nothing."""
    return torch.autocast(device.type, torch.bfloat16) if has_bf16(device) else nullcontext()


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes faster in bfloat16 than in fp32. Emulation is slower, and so are
    instructions that a virtual machine reports without the hardware for them."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    native = any(flag in flags for flag in CPU_FLAGS)
    return native and bf16_gain() > MIN_GAIN


@cache
def bf16_gain() -> float:
    """The speed-up of a matrix product in bf16 over fp32 on this processor: the ratio of the shortest times
    of alternating trials."""
    shortest = dict.fromkeys((torch.float32, torch.bfloat16), math.inf)
    for _ in range(TRIALS):
        for dtype in shortest:
            a = torch.ones(TRIAL_SIZE, TRIAL_SIZE, dtype=dtype)
            began = time.perf_counter()
            _ = a @ a
            shortest[dtype] = min(shortest[dtype], time.perf_counter() - began)
    return shortest[torch.float32] / shortest[torch.bfloat16]
