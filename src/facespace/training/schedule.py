"""What changes while training, as pure functions of the step."""

import math

from facespace.recipe import TrainConfig


def learning_rate(train: TrainConfig, step: int, total: int) -> float:
    """From learning_rate along half a cosine to learning_rate × final_rate; constant where final_rate is 1."""
    share = 0.5 * (1 + math.cos(math.pi * step / max(total, 1)))
    return train.learning_rate * (train.final_rate + (1 - train.final_rate) * share)
