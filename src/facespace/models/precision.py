"""Which number format a device computes fastest in, measured rather than assumed."""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch

TRIALS, TRIAL_SIZE = 5, 768  # multiplications of matrices of that side that tell whether bf16 pays
CLEAR_GAIN = 1.1  # below it fp32 is taken, which rounds less


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """The forward pass in bf16 where that is faster; otherwise as it is."""
    return torch.autocast(device.type, torch.bfloat16) if has_bf16(device) else nullcontext()


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16, and faster than in fp32: emulated, or by instructions that a virtual machine
    shows without the units behind them, it is slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    native = device.type == "cpu" and any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))
    return native and bf16_gain() > CLEAR_GAIN


@cache
def bf16_gain() -> float:
    """How many times faster than in fp32 this processor multiplies matrices in bf16; the least of some trials, in turns."""
    least = dict.fromkeys((torch.float32, torch.bfloat16), math.inf)
    for _ in range(TRIALS):
        for dtype in least:
            a = torch.ones(TRIAL_SIZE, TRIAL_SIZE, dtype=dtype)
            began = time.perf_counter()
            a @ a
            least[dtype] = min(least[dtype], time.perf_counter() - began)
    return least[torch.float32] / least[torch.bfloat16]
