"""Resampling of training faces, so that attributes have the shares of a recipe. Pure functions of arrays,
independent of sets and batches."""

from collections.abc import Mapping, Sequence

import numpy as np

from facespace.core.errors import UsageError

ROUNDS = 1_000  # of fitting; shares that are possible together are reached after a few
TOLERANCE = 1e-9  # tolerance of a share


def expected_counts(values: np.ndarray, shares: Mapping[str, float]) -> np.ndarray:
    """The expected number of times that each face is used in an epoch, (N,) with mean 1, so that each
    attribute has its share.

    `values` (N, A) are the faces' attributes, a column for each of `shares`: above 0 has it; below does not,
    and NaN, unknown, counts likewise. Each face's count is as near to 1 as the shares allow, in relative
    entropy: iterative proportional fitting (Deming & Stephan, 1940) over the combinations of attributes that
    occur. Faces of the same combination have equal counts.

    Raises UsageError where no or all faces have an attribute, or the shares are not possible together."""
    has = values > 0
    for name, column in zip(shares, has.T):
        if column.all() or not column.any():
            count = "all" if column.any() else "none"
            raise UsageError(
                f"data.balance.{name} needs training faces with {name} and others without; "
                f"{count} of {len(has):,} have it."
            )
    kinds, kind_of, counts = np.unique(has, axis=0, return_inverse=True, return_counts=True)
    weights = _fit(kinds, counts / len(has), np.array(list(shares.values())))
    if weights is not None:
        return weights[kind_of.reshape(-1)]
    given = ", ".join(f"{name} {share:g}" for name, share in shares.items())
    raise UsageError(
        f"No choice of the training faces has all of data.balance at once ({given}). Choose smaller shares."
    )


def _fit(kinds: np.ndarray, masses: np.ndarray, shares: np.ndarray) -> np.ndarray | None:
    """Weights (K,) of combinations `kinds` bool (K, A), of which the faces hold the shares `masses` (K,),
    such that each attribute has its share; None where there are none."""
    weights = np.ones(len(kinds))
    with np.errstate(all="ignore"):  # shares that cannot be had together drive weights to 0 and infinity
        for _ in range(ROUNDS):
            for column, share in zip(kinds.T, shares):
                weighted = weights * masses
                weights[column] *= share / weighted[column].sum()
                weights[~column] *= (1 - share) / weighted[~column].sum()
            if np.abs((weights * masses) @ kinds - shares).max() < TOLERANCE:
                return weights
    return None


def resample(expected: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An epoch's faces as positions (N,) in random order; each comes as often as `expected` (N,) says,
    rounded down or up at random: systematic sampling, which repeats and leaves out as few as possible. Faces
    of one expected count stand side by side while it counts, so that as many of them come as should, give or
    take one."""
    positions = generator.permutation(len(expected))
    positions = positions[np.argsort(expected[positions], kind="stable")]
    ends = np.cumsum(expected[positions])
    ends *= len(expected) / ends[-1]
    marks = np.floor(ends + generator.random()).clip(max=len(expected))
    marks[-1] = len(expected)  # whatever the sum was rounded to
    times = np.diff(marks, prepend=0).astype(int)
    return generator.permutation(np.repeat(positions, times))


def describe(values: np.ndarray, shares: Mapping[str, float], expected: np.ndarray) -> Sequence[str]:
    """For each attribute a phrase: the share that its faces have, the share that they get, and how often one
    of them comes an epoch on average."""
    phrases = []
    for (name, share), column in zip(shares.items(), values.T):
        has = column > 0
        times = expected[has].mean()
        phrases.append(
            f"{name} {share:.1%} instead of {has.mean():.1%} (such a face comes {times:.2g} times an epoch)"
        )
    return phrases
