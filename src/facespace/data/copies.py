"""Copies among prepared faces: exact ones by the SHA-256 of their pixels, near ones, such as the same
photograph compressed again or enlarged, by a perceptual hash. Each face is compared with all before it; the
index takes 16 bytes a face, and 168 more for near copies."""

from array import array
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from facespace.core.errors import UsageError

EXACT, NEAR = "an exact copy of another picture", "a near copy of another picture"
SIDE, MARGIN = (
    16,
    4,
)  # comparisons a side, and levels by which a pixel must be lighter than its left neighbour
BANDS = 8  # of 32 bits each
DISTANCE = BANDS - 1  # bits that may differ: one band is then the same in both
MERGE = 2**16  # entries that are kept apart before they are sorted in


def perceptual_hash(pixels: np.ndarray) -> bytes:
    """256 bits, 32 bytes, of a face uint8 (H, W, C): whether each of 16×16 areas is lighter than the one to
    its left, by more than 4 levels, which compression alone seldom changes (dHash, Krawetz, 2013)."""
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("L")
    gray = np.asarray(picture.resize((SIDE + 1, SIDE), Image.Resampling.BOX), np.int16)
    lighter = np.diff(gray, axis=1) > MARGIN
    # A band holds two columns, half a picture apart: those of rows would be equal on all plain backgrounds.
    columns = lighter.T.reshape(2, BANDS, SIDE).transpose(1, 0, 2)
    return np.packbits(columns).tobytes()


@dataclass(frozen=True)
class CopyRules:
    """What happens to copies. Near ones are ignored, kept in one split (keep), or left out (drop)."""

    drop_exact: bool = False
    near: str = "ignore"

    @property
    def looks(self) -> bool:
        """Whether copies are looked for at all."""
        return self.drop_exact or self.near != "ignore"


def copy_rules(copies: str | None, near: str, usual_drop: bool) -> CopyRules:
    """The rules that the options say; without `copies` those of the source. Raises UsageError."""
    if copies not in (None, "keep", "drop"):
        raise UsageError(f"--copies takes keep or drop; got {copies!r}.")
    if near not in ("ignore", "keep", "drop"):
        raise UsageError(f"--near-copies takes ignore, keep or drop; got {near!r}.")
    return CopyRules(usual_drop if copies is None else copies == "drop", near)


class _Places:
    """The places of 64-bit keys, a key several times: sorted arrays, and a few recent ones apart."""

    def __init__(self) -> None:
        self._keys, self._rows = np.empty(0, np.uint64), np.empty(0, np.uint64)
        self._recent: dict[int, list[int]] = defaultdict(list)
        self._count = 0

    def add(self, key: int, place: int) -> None:
        """A place of a key."""
        self._recent[key].append(place)
        self._count += 1
        if self._count >= max(MERGE, len(self._keys) // 8):
            self._merge()

    def _merge(self) -> None:
        keys = np.fromiter((key for key, rows in self._recent.items() for _ in rows), np.uint64, self._count)
        rows = np.fromiter((row for rows in self._recent.values() for row in rows), np.uint64, self._count)
        keys, rows = np.concatenate([self._keys, keys]), np.concatenate([self._rows, rows])
        order = np.argsort(keys, kind="stable")
        self._keys, self._rows = keys[order], rows[order]
        self._recent.clear()
        self._count = 0

    def find(self, key: int) -> list[int]:
        """The places of a key."""
        wanted = np.uint64(key)
        start = np.searchsorted(self._keys, wanted)
        end = np.searchsorted(self._keys, wanted, side="right")
        return [*self._rows[start:end].tolist(), *self._recent.get(key, ())]


class CopyIndex:
    """Finds, for each face in turn, an earlier one of which it is a copy."""

    def __init__(self, near: bool) -> None:
        self.near = near
        self._exact = _Places()
        self._bands = [_Places() for _ in range(BANDS if near else 0)]
        self._hashes = bytearray()  # of the faces that were added, in order
        self._places = array("Q")

    def find_exact(self, digest: bytes, digest_of: Callable[[int], bytes]) -> int | None:
        """The place of the first face with the same pixels. `digest_of` gives the digest of a place."""
        for place in self._exact.find(_key(digest)):
            if digest_of(place) == digest:
                return place
        return None

    def find_near(self, code: bytes) -> int | None:
        """The place of the most similar face whose hash differs by at most DISTANCE bits."""
        found: set[int] = set()
        for number, band in enumerate(self._bands):
            found.update(band.find(_band(code, number)))
        if not found:
            return None
        rows = sorted(found)
        width = len(code)
        near = b"".join(self._hashes[row * width : (row + 1) * width] for row in rows)
        hashes = np.frombuffer(near, np.uint8).reshape(-1, width)
        distances = np.unpackbits(hashes ^ np.frombuffer(code, np.uint8), axis=1).sum(1)
        nearest = int(distances.argmin())
        return self._places[rows[nearest]] if distances[nearest] <= DISTANCE else None

    def add(self, place: int, digest: bytes, code: bytes | None) -> None:
        """A face that is kept."""
        self._exact.add(_key(digest), place)
        if code is not None:
            row = len(self._places)
            self._places.append(place)
            self._hashes += code
            for number, band in enumerate(self._bands):
                band.add(_band(code, number), row)


def _key(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big")


def _band(code: bytes, number: int) -> int:
    return int.from_bytes(code[4 * number : 4 * number + 4], "big")
