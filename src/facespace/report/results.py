"""Results of a measurement: their JSON form, and confidence intervals of means over faces."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from facespace.core.cards import Card
from facespace.core.errors import UsageError

COVERAGE = 95.0  # per cent of the bootstrap distribution that an interval covers
# Metadata of dataclass fields: not in the JSON; a mapping whose entries are merged into the JSON object.
INTERNAL, FLAT = {"json": "internal"}, {"json": "flat"}

Interval = tuple[float, float]  # low, high


def bootstrap(
    values: np.ndarray, statistic: Callable[[np.ndarray], float] = np.mean, draws: int = 1000, seed: int = 0
) -> Interval:
    """The 95 % percentile interval (low, high) of a statistic of values (N,) or rows (N, …), from `draws`
    resamples of N with replacement (Efron, 1979). It covers the choice of faces, not the randomness of
    training.

    Raises UsageError for no values or no draws."""
    values = np.asarray(values)
    if not len(values) or draws < 1:
        raise UsageError(f"An interval needs at least one value and one draw; got {len(values)} and {draws}.")
    random = np.random.default_rng(seed)
    found = [statistic(values[random.integers(0, len(values), len(values))]) for _ in range(draws)]
    low, high = np.percentile(found, [(100 - COVERAGE) / 2, (100 + COVERAGE) / 2])
    return float(low), float(high)


def as_document(result: Any) -> Any:
    """A result as JSON values. Dataclasses and NamedTuples become objects; a field whose default is None is
    omitted while it is None, which marks a quantity that was not measured. Arrays become lists, with None for
    NaN, which JSON cannot represent."""
    if is_dataclass(result):
        return _object(result)
    if hasattr(result, "_asdict"):
        return as_document(result._asdict())
    if isinstance(result, Mapping):
        return {name: as_document(value) for name, value in result.items()}
    if isinstance(result, list | tuple):
        return [as_document(value) for value in result]
    if isinstance(result, np.ndarray):
        rows = result.astype(object)
        rows[np.isnan(result)] = None
        return rows.tolist()
    return result


def _object(result: Any) -> Card:
    document: Card = {}
    for entry in fields(result):
        value, kind = getattr(result, entry.name), entry.metadata.get("json")
        if kind == "internal" or (value is None and entry.default is None):
            continue
        if kind == "flat":
            document |= as_document(value)
        else:
            document[entry.name] = as_document(value)
    return document
