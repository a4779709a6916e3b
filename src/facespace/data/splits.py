"""Train, validation and test by a stable hash, so that a face stays on its side when others come or go, one person
never stands on two sides, and neither do copies of one picture."""

import hashlib
from collections.abc import Sequence

from facespace.data.faces import Face

# Shares of the hash's range, in this order.
SHARES = (("train", 0.8), ("validation", 0.1), ("test", 0.1))


def assign_splits(rows: Sequence[tuple[Face, str]]) -> tuple[list[Face], list[str], str | None]:
    """For (face, digest of its pixels): the faces, a split for each, and a note where a side had to be filled.

    A source's own split is kept. Others go by identity where it is known, by pixels where not."""
    faces = [face for face, _ in rows]
    keys = [f"person {face.identity}" if face.identity else f"pixels {digest}" for face, digest in rows]
    splits = [face.split or by_hash(key) for face, key in zip(faces, keys)]
    free = {key for face, key in zip(faces, keys) if face.split is None}
    note = None
    for wanted, donor in (("train", ("validation", "test")), ("validation", ("train", "test"))):
        if wanted in splits:
            continue
        spare = sorted((_fraction(key), key) for key, split in zip(keys, splits) if key in free and split in donor)
        if len({key for _, key in spare}) > (wanted == "validation"):  # never empty the training side again
            moved = spare[0][1]
            splits = [wanted if key == moved else split for key, split in zip(keys, splits)]
            note = "a small set: one group was moved so that training and validation both have faces"
    return faces, splits, note


def by_hash(key: str) -> str:
    """The split of a key: 80 % train, 10 % validation, 10 % test, the same on every machine."""
    fraction, end = _fraction(key), 0.0
    for split, share in SHARES:
        end += share
        if fraction < end:
            return split
    return SHARES[-1][0]


def _fraction(key: str) -> float:
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
