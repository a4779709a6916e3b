"""Train, validation and test by a stable hash, so that a face stays in its split when others are added or
removed, and no person and no picture is in two splits."""

import hashlib
from collections.abc import Mapping, Sequence

from facespace.data.faces import SPLITS, Face

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}  # of the hash's range, in this order


def assign_splits(rows: Sequence[tuple[Face, str]], to: str | None = None) -> tuple[list[str], str | None]:
    """For (face, digest of its pixels): a split for each, and a note where it differs from the source's and
    the hash's.

    A source's own split is kept. Others get the split `to` where it is named, else that of a copy or of the
    same person, else one by identity where that is known, by pixels where not. Copies of a picture that the
    source itself has in several splits all get the last of them in the order train, validation, test: the
    figures of a test set then stay comparable, and nothing in it was trained on."""
    digests = [digest for _, digest in rows]
    own = [face.split for face, _ in rows]
    if to:
        moved = sum(split is None for split in own)
        splits, copies = unite_copies([split or to for split in own], digests)
        return splits, _joined(_note_on(to, moved, len(rows)), copies)
    groups = groups_of([face.identity for face, _ in rows], digests)
    known = {**_last(groups, own), **_last(digests, own)}  # the source's split of a group, and of a picture
    splits = []
    for split, digest, group in zip(own, digests, groups):
        splits.append(split or known.get(digest) or known.get(group) or by_hash(group))
    splits, copies = unite_copies(splits, digests)
    movable = set(groups) - known.keys()
    filled = _fill(groups, splits, movable, "train", donors=("validation", "test"), least=1)
    # Training keeps a group of its own: validation takes one only where two could move.
    filled |= _fill(groups, splits, movable, "validation", donors=("train", "test"), least=2)
    if not filled:
        return splits, copies
    moved_group = "a small set: one group was moved so that training and validation both have faces"
    return splits, _joined(moved_group, copies)


def _last(keys: Sequence[str], splits: Sequence[str | None]) -> dict[str, str]:
    """For each key the last of its splits in the order train, validation, test; none for unknown ones."""
    last: dict[str, str] = {}
    for key, split in zip(keys, splits):
        if split is not None:
            last[key] = max(split, last.get(key, split), key=SPLITS.index)
    return last


def _joined(*notes: str | None) -> str | None:
    return "; ".join(filter(None, notes)) or None


def groups_of(people: Sequence[str | None], digests: Sequence[str]) -> list[str]:
    """A key for each face: faces of one person have the same, and so have copies of one picture, also where
    they are of several people by name."""
    leader: dict[str, str] = {}

    def lead(key: str) -> str:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    keys = [f"person {person}" if person else f"pixels {digest}" for person, digest in zip(people, digests)]
    for key, digest in zip(keys, digests):
        # A person leads a picture, and of several people the first by name: keys do not depend on order.
        first, other = sorted((lead(key), lead(f"pixels {digest}")))
        leader[other] = first
    return [lead(key) for key in keys]


def unite_copies(splits: Sequence[str], digests: Sequence[str]) -> tuple[list[str], str | None]:
    """The splits with all copies of a picture in one: the last of those that they have in the order train,
    validation, test; and a note where some were moved."""
    last = _last(digests, splits)
    united = [last[digest] for digest in digests]
    moved = sum(before != after for before, after in zip(splits, united))
    if not moved:
        return united, None
    return united, f"{moved:,} copies of pictures of another split were moved there"


def _fill(
    groups: list[str], splits: list[str], movable: set[str], empty: str, donors: tuple[str, str], least: int
) -> bool:
    """Moves the movable group with the smallest hash from the donors to an empty split, where at least
    `least` could move. Changes `splits`; whether something was moved."""
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
        return (
            f"{moved:,} faces without a split of their own are in the split {to} (--split); "
            "the others keep theirs"
        )
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
    """A number in [0, 1) that depends only on the key."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
