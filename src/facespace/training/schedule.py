"""What changes while training, as pure functions of the step."""

import math

from facespace.recipes.config import TrainConfig


def learning_rate(train: TrainConfig, step: int, total: int) -> float:
    """From learning_rate along half a cosine to learning_rate × final_rate; constant where final_rate is 1. A warm-up
    rises to it in a line."""
    share = 0.5 * (1 + math.cos(math.pi * step / max(total, 1)))
    return (
        rise(step, train.warmup) * train.learning_rate * (train.final_rate + (1 - train.final_rate) * share)
    )


def rise(step: int, steps: int) -> float:
    """From just above 0 in a line to 1 at step `steps`; 1 at once where there are none."""
    return min(1.0, (step + 1) / (steps + 1))
