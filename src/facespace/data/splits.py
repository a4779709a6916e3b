"""Train, validation and test by a stable hash, so that a face stays in its split when others are added or
removed, and no person and no picture is in two splits. Splits are codes, the places in SPLITS; -1 is none."""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from facespace.data.faces import SPLITS

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}  # of the hash's range, in this order
NONE = -1


def split_codes(splits: Iterable[str | None]) -> np.ndarray:
    """The codes of splits by name, int8 (N,)."""
    codes = {name: code for code, name in enumerate(SPLITS)}
    return np.fromiter((codes[split] if split else NONE for split in splits), np.int8)


def copies_of(digests: np.ndarray) -> np.ndarray:
    """A number for each picture, the same for copies of it: int64 (N,) of SHA-256 digests uint8 (N, 32)."""
    packed = np.ascontiguousarray(digests).view(f"S{digests.shape[1]}").reshape(-1)
    return np.unique(packed, return_inverse=True)[1].reshape(-1)


class Groups:
    """Faces that belong together: faces of one person, and copies of one picture, also where they are of
    several people by name. `people` are names or None, `copies` numbers of pictures (N,), `digests` uint8
    (N, 32)."""

    def __init__(self, people: Iterable[str | None], copies: np.ndarray, digests: np.ndarray) -> None:
        self._digests = digests
        person = self._number(people)  # (N,) place in the sorted names, -1 for nobody
        named, pictures = person >= 0, int(copies.max(initial=-1)) + 1
        nobody = len(self._names)
        leader = np.arange(nobody)  # of each person: of several people the first by name
        while True:
            of_picture = np.full(pictures, nobody)
            np.minimum.at(of_picture, copies[named], leader[person[named]])
            further = leader.copy()
            np.minimum.at(further, person[named], of_picture[copies[named]])
            if np.array_equal(further, leader):
                break
            leader = further
        # (N,) the number of a leading person, or after those the number of the picture
        led = of_picture[copies] < nobody
        self.of = np.where(led, of_picture[copies], nobody + copies)
        self._first = np.full(nobody + pictures, -1, np.int64)
        self._first[self.of[::-1]] = np.arange(len(self.of))[::-1]

    def _number(self, people: Iterable[str | None]) -> np.ndarray:
        places: dict[str, int] = {}
        codes = np.fromiter(
            (places.setdefault(name, len(places)) if name else -1 for name in people), np.int64
        )
        self._names = sorted(places)
        ranks = np.empty(len(places) + 1, np.int64)
        ranks[-1] = -1
        for rank, name in enumerate(self._names):
            ranks[places[name]] = rank
        return ranks[codes]

    def __len__(self) -> int:
        return len(self._first)

    def key(self, group: int) -> str:
        """A name of a group that does not depend on the order of faces."""
        if group < len(self._names):
            return f"person {self._names[group]}"
        return f"pixels {self._digests[self._first[group]].tobytes().hex()}"


def assign_splits(
    own: np.ndarray, copies: np.ndarray, groups: Groups, to: str | None = None
) -> tuple[np.ndarray, str | None]:
    """For the source's own splits (N,), NONE where it has none: a split for each face, and a note where it
    differs from the source's and the hash's.

    A source's own split is kept. Others get the split `to` where it is named, else that of a copy or of the
    same person, else one by identity where that is known, by pixels where not. Copies of a picture that the
    source itself has in several splits all get the last of them in the order train, validation, test: the
    figures of a test set then stay comparable, and nothing in it was trained on."""
    if to:
        moved = int((own == NONE).sum())
        splits, note = unite_copies(np.where(own == NONE, SPLITS.index(to), own), copies)
        return splits, _joined(_note_on(to, moved, len(own)), note)
    of_group, of_picture = _last(groups.of, own, len(groups)), _last(copies, own)
    splits = _first_known(own, of_picture[copies], of_group[groups.of])
    unknown = splits == NONE
    by_key = np.full(len(groups), NONE, np.int8)
    for group in np.unique(groups.of[unknown]).tolist():
        by_key[group] = SPLITS.index(by_hash(groups.key(group)))
    splits = np.where(unknown, by_key[groups.of], splits)
    splits, note = unite_copies(splits, copies)
    movable = of_group == NONE
    filled = _fill(groups, splits, movable, "train", donors=("validation", "test"), least=1)
    # Training keeps a group of its own: validation takes one only where two could move.
    filled |= _fill(groups, splits, movable, "validation", donors=("train", "test"), least=2)
    if not filled:
        return splits, note
    validated = (splits == SPLITS.index("validation")).any()
    have = "training and validation both have" if validated else "training has"
    return splits, _joined(f"a small set: one group was moved so that {have} faces", note)


def _first_known(*choices: np.ndarray) -> np.ndarray:
    """The first split of each face that is not NONE."""
    found = choices[0]
    for choice in choices[1:]:
        found = np.where(found == NONE, choice, found)
    return found


def _last(keys: np.ndarray, splits: np.ndarray, count: int | None = None) -> np.ndarray:
    """For each key from 0 the last of its splits in the order train, validation, test."""
    last = np.full(int(keys.max(initial=-1)) + 1 if count is None else count, NONE, np.int8)
    np.maximum.at(last, keys, splits.astype(np.int8))
    return last


def _joined(*notes: str | None) -> str | None:
    return "; ".join(filter(None, notes)) or None


def unite_copies(splits: np.ndarray, copies: np.ndarray) -> tuple[np.ndarray, str | None]:
    """The splits with all copies of a picture in one: the last of those that they have in the order train,
    validation, test; and a note where some were moved."""
    united = _last(copies, splits)[copies]
    moved = int((splits != united).sum())
    if not moved:
        return united, None
    return united, f"{moved:,} copies of pictures of another split were moved there"


def _fill(
    groups: Groups,
    splits: np.ndarray,
    movable: np.ndarray,
    empty: str,
    donors: tuple[str, str],
    least: int,
) -> bool:
    """Moves the movable group with the smallest hash from the donors to an empty split, where at least
    `least` could move. Changes `splits`; whether something was moved."""
    code = SPLITS.index(empty)
    if (splits == code).any():
        return False
    given = np.isin(splits, [SPLITS.index(name) for name in donors])
    candidates = np.unique(groups.of[given & movable[groups.of]]).tolist()
    if len(candidates) < least:
        return False
    first = min(candidates, key=lambda group: _by_fraction(groups.key(group)))
    splits[groups.of == first] = code
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
