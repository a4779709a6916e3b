"""What a long adaptation says while it runs, and how it is asked to stop. The command line draws a bar and
writes pictures of it, the page a ring."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

INVERSION, TUNING = "inversion", "tuning"


class AdaptProgress(NamedTuple):
    """One step of a stage. `faces()` decodes the photographs as the space shows them at this step, uint8 (N,
    H, W, C), at most 16 of them; it costs as much as a step."""

    stage: str  # INVERSION or TUNING
    step: int  # steps done
    steps: int  # in all
    faces: Callable[[], np.ndarray]


OnStep = Callable[[AdaptProgress], object]
Stop = Callable[[], bool]  # asked after each step; True ends the stage with the best so far


def ignore(_: AdaptProgress) -> None:
    """Says nothing."""


def never() -> bool:
    """Never stops."""
    return False
