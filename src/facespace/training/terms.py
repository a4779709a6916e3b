"""The terms of recent steps between the device and the epoch's sums. A read waits for the device, so it
covers several steps; a term that is not finite is found here."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from facespace.training.checkpoint import Progress
from facespace.training.checks import NotFinite

GRADIENT_EVERY = 8  # steps between two norms of the whole gradient
# Name of the norm over vectors alone, which shows whether the gradient is finite and is not reported.
VECTOR_NORM = "gradient of the vectors"


class PendingTerms:
    """Terms, scalars on the device, of steps that were not read yet."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, dict[str, Tensor]]] = []

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, step: int, terms: dict[str, Tensor]) -> None:
        """Adds the terms of a step."""
        self.steps.append((step, terms))

    def clear(self) -> None:
        """Forgets all steps."""
        self.steps = []

    def flush(self, at: Progress, rate: Callable[[int], float]) -> None:
        """Adds all terms to the sums and counts of the epoch and forgets the steps.

        Raises NotFinite for the first step with a term that is not finite; `rate` gives its learning rate."""
        steps, self.steps = self.steps, []
        flat = []
        for _, terms in steps:
            flat += terms.values()
        if not flat:
            return
        values = iter(torch.stack(flat).cpu().double().tolist())
        read = []
        for step, terms in steps:
            read.append((step, dict(zip(terms, values))))
        for step, figures in read:
            names = [name for name, value in figures.items() if not math.isfinite(value)]
            if names:
                raise NotFinite(step, names, rate(step))
        for _, figures in read:
            _add(at, figures)


def _add(at: Progress, figures: dict[str, float]) -> None:
    for name, value in figures.items():
        if name != VECTOR_NORM:
            at.sums[name] = at.sums.get(name, 0.0) + value
            at.counts[name] = at.counts.get(name, 0) + 1
