"""Train, validation and test by a stable hash, so that a face stays in its split when others are added or removed, and
no person and no picture is in two splits."""

import hashlib
from collections.abc import Mapping, Sequence

from facespace.data.faces import Face

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}  # of the hash's range, in this order


def assign_splits(rows: Sequence[tuple[Face, str]], to: str | None = None) -> tuple[list[str], str | None]:
    """For (face, digest of its pixels): a split for each, and a note where it differs from the source's and the hash's.

    A source's own split is kept. Others get the split `to` where it is named, else one by identity where that is known,
    by pixels where not."""
    if to:
        moved = sum(face.split is None for face, _ in rows)
        return [face.split or to for face, _ in rows], _note_on(to, moved, len(rows))
    keys, splits = [], []
    movable: set[str] = set()  # keys of groups that the source gives no split
    for face, digest in rows:
        key = f"person {face.identity}" if face.identity else f"pixels {digest}"
        keys.append(key)
        splits.append(face.split or by_hash(key))
        if face.split is None:
            movable.add(key)
    note = None
    # The training split keeps a group of its own: validation takes one only where two could move.
    for empty, donors, least in (
        ("train", ("validation", "test"), 1),
        ("validation", ("train", "test"), 2),
    ):
        groups = {key for key, split in zip(keys, splits) if split in donors} & movable
        if empty not in splits and len(groups) >= least:
            first = min(groups, key=_by_fraction)
            splits = [empty if key == first else split for key, split in zip(keys, splits)]
            note = "a small set: one group was moved so that training and validation both have faces"
    return splits, note


def _by_fraction(key: str) -> tuple[float, str]:
    return fraction(key), key


def _note_on(to: str, moved: int, count: int) -> str:
    """The note on faces that were all given to one split."""
    if moved == count:
        return f"all faces are in the split {to} (--split)"
    if moved:
        return f"{moved:,} faces without a split of their own are in the split {to} (--split); the others keep theirs"
    return f"every face has a split of its own and keeps it, so --split {to} changed nothing"


def by_hash(key: str, shares: Mapping[str, float] = SHARES, seed: int = 0) -> str:
    """The split of a key: 80 % train, 10 % validation, 10 % test by default, the same on every machine."""
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
