"""How sure a figure is: bootstrap intervals over faces. From arrays alone; knows nothing of what the numbers mean."""

from collections.abc import Callable

import numpy as np

from facespace.core.errors import UsageError

COVER = 95.0  # per cent of the draws that lie inside an interval


def bootstrap(
    values: np.ndarray, statistic: Callable[[np.ndarray], float] = np.mean, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile interval (low, high) of a statistic of values (N,) or rows (N, …), from `draws` samples of N
    with replacement (Efron, 1979). It tells how the figure varies with the choice of faces, not with training.

    Raises UsageError for no values or no draws."""
    values = np.asarray(values)
    if not len(values) or draws < 1:
        raise UsageError(f"An interval needs at least one value and one draw; got {len(values)} and {draws}.")
    random = np.random.default_rng(seed)
    found = [statistic(values[random.integers(0, len(values), len(values))]) for _ in range(draws)]
    low, high = np.percentile(found, [(100 - COVER) / 2, (100 + COVER) / 2])
    return float(low), float(high)
