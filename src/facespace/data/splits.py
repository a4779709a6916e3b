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
    groups, splits = [], []
    movable: set[str] = set()  # groups without a split of the source
    for face, digest in rows:
        group = f"person {face.identity}" if face.identity else f"pixels {digest}"
        groups.append(group)
        splits.append(face.split or by_hash(group))
        if face.split is None:
            movable.add(group)
    filled = _fill(groups, splits, movable, "train", donors=("validation", "test"), least=1)
    # Training keeps a group of its own: validation takes one only where two could move.
    filled |= _fill(groups, splits, movable, "validation", donors=("train", "test"), least=2)
    if not filled:
        return splits, None
    return splits, "a small set: one group was moved so that training and validation both have faces"


def _fill(
    groups: list[str], splits: list[str], movable: set[str], empty: str, donors: tuple[str, str], least: int
) -> bool:
    """Moves the movable group with the smallest hash from the donors to an empty split, where at least `least` could move.
    Changes `splits`; whether something was moved."""
    if empty in splits:
        return False
    candidates = set()
    for group, split in zip(groups, splits):
        if split in donors and group in movable:
            candidates.add(group)
    if len(candidates) < least:
        return False
    first = min(candidates, key=_by_fraction)
    for place, group in enumerate(groups):
        if group == first:
            splits[place] = empty
    return True


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
    if seed:
        key = f"{seed} {key}"
    place, end, total = fraction(key), 0.0, sum(shares.values())
    for split, share in shares.items():
        end += share / total
        if place < end:
            return split
    return list(shares)[-1]


def fraction(key: str) -> float:
    """A number in [0, 1) that depends on the key alone."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
