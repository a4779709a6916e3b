"""Train, validation and test by a stable hash, so that a face stays on its side when others come or go, one person
never stands on two sides, and neither do copies of one picture."""

import hashlib
from collections.abc import Mapping, Sequence

from facespace.data.faces import Face

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}  # of the hash's range, in this order


def assign_splits(rows: Sequence[tuple[Face, str]], to: str | None = None) -> tuple[list[str], str | None]:
    """For (face, digest of its pixels): a split for each, and a note where that was not left to source and hash.

    A source's own split is kept. Others go `to` one split where it is named, else by identity where it is known, by
    pixels where not."""
    if to:
        return [face.split or to for face, _ in rows], _told_of(
            to, sum(face.split is None for face, _ in rows), len(rows)
        )
    keys = [f"person {face.identity}" if face.identity else f"pixels {digest}" for face, digest in rows]
    splits = [face.split or by_hash(key) for (face, _), key in zip(rows, keys)]
    free = {key for (face, _), key in zip(rows, keys) if face.split is None}
    note = None
    for wanted, donors in (("train", ("validation", "test")), ("validation", ("train", "test"))):
        if wanted in splits:
            continue
        spare = sorted(
            {(fraction(key), key) for key, split in zip(keys, splits) if key in free and split in donors}
        )
        if len(spare) > (wanted == "validation"):  # never empty the training side again
            splits = [wanted if key == spare[0][1] else split for key, split in zip(keys, splits)]
            note = "a small set: one group was moved so that training and validation both have faces"
    return splits, note


def _told_of(to: str, moved: int, count: int) -> str:
    """The note on faces that were all given to one split."""
    if moved == count:
        return f"all faces are in the split {to} (--split)"
    if moved:
        return f"{moved:,} faces without a split of their own are in the split {to} (--split); the others keep theirs"
    return f"every face has a split of its own and keeps it, so --split {to} changed nothing"


def by_hash(key: str, shares: Mapping[str, float] = SHARES, seed: int = 0) -> str:
    """The split of a key: 80 % train, 10 % validation, 10 % test unless told, the same on every machine."""
    place, end = fraction(f"{seed} {key}" if seed else key), 0.0
    for split, share in shares.items():
        end += share / sum(shares.values())
        if place < end:
            return split
    return list(shares)[-1]


def fraction(key: str) -> float:
    """A number in [0, 1) that depends on the key alone."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
