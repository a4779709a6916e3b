"""The splits of a source where some of its pictures are copies of others: of those that were left out the
split counts for the picture that stays, and near copies that stay count as one picture."""

from collections.abc import Sequence

import numpy as np

from facespace.data.faces import Face
from facespace.data.results import Results
from facespace.data.splits import split_codes
from facespace.data.stored import splits_of


def own_splits(faces: Sequence[Face], results: Results, good: np.ndarray) -> np.ndarray:
    """The source's split of each good face, as codes; of copies in several splits the last of train,
    validation, test. `good` are the places of good faces, int64 (N,) ascending."""
    numbers = results.numbers
    own = split_codes(splits_of(faces, numbers[good]))
    for place, original in results.copies.items():  # an original is never left out
        if place in results.failures:
            (split,) = split_codes(splits_of(faces, [numbers[place]]))
            row = np.searchsorted(good, original)
            own[row] = max(own[row], split)
    return own


def join_copies(copies: np.ndarray, good: np.ndarray, results: Results) -> tuple[np.ndarray, str | None]:
    """The numbers of pictures (N,), with those of near copies that are kept made equal, from 0 without gaps;
    and a note on how many there are."""
    first = np.arange(int(copies.max(initial=-1)) + 1)

    def lead(picture: int) -> int:
        while first[picture] != picture:
            first[picture] = first[first[picture]]
            picture = int(first[picture])
        return picture

    near = 0
    for place, original in results.copies.items():
        if place in results.failures:
            continue
        one, other = (int(copies[np.searchsorted(good, at)]) for at in (place, original))
        near += one != other
        low, high = sorted((lead(one), lead(other)))
        first[high] = low
    if not near:
        return copies, None
    joined = np.array([lead(picture) for picture in range(len(first))])[copies]
    note = f"{near:,} near copies of other pictures were kept, in the splits of those"
    return np.unique(joined, return_inverse=True)[1].reshape(-1), note
