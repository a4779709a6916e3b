"""What was made of each listed face, as columns: the facts of one take about fifty bytes. The pixels are
elsewhere."""

import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from facespace.data.processing import PreparedFace

DIGEST = 32  # bytes of a SHA-256


class Result(NamedTuple):
    """A prepared face, and the number of the listed face that it came from."""

    face: PreparedFace
    number: int


class Results:
    """A growing list of results. `id_of` gives the id of a listed face by its number."""

    def __init__(self, id_of: Callable[[int], str]) -> None:
        self._id_of = id_of
        self._numbers = array("Q")
        self._sizes = array("I")  # height, width of each
        self._digests = bytearray()  # zeros for a face that failed
        self._reasons: dict[int, str] = {}  # of those that failed, by place
        self._other_ids: dict[int, str] = {}  # where several faces were found in a picture
        self._masked: array | None = None  # NaN where nothing was masked
        self.copies: dict[int, int] = {}  # place of a copy -> place of the picture that it is one of
        self._quality_names: tuple[str, ...] = ()
        self._qualities = array("d")
        self._quality_rows: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def append(self, result: Result) -> None:
        """Adds a result at the end."""
        face, place = result.face, len(self)
        self._numbers.append(result.number)
        self._sizes.extend(face.size)
        if face.good:
            self._digests += bytes.fromhex(face.detail)
        else:
            self._digests += bytes(DIGEST)
            self._reasons[place] = sys.intern(face.detail)
        if face.id != self._id_of(result.number):
            self._other_ids[place] = face.id
        if face.masked is not None and self._masked is None:
            self._masked = array("d", [float("nan")] * place)
        if self._masked is not None:
            self._masked.append(float("nan") if face.masked is None else face.masked)
        if face.quality:
            self._quality_names = tuple(face.quality)
            self._quality_rows[place] = len(self._quality_rows)
            self._qualities.extend(face.quality.values())

    def __getitem__(self, place: int) -> Result:
        number = self._numbers[place]
        good = place not in self._reasons
        detail = self._digests[place * DIGEST : (place + 1) * DIGEST].hex() if good else self._reasons[place]
        size = (self._sizes[2 * place], self._sizes[2 * place + 1])
        masked = None
        if self._masked is not None and not np.isnan(self._masked[place]):
            masked = self._masked[place]
        quality = None
        if place in self._quality_rows:
            width, row = len(self._quality_names), self._quality_rows[place]
            quality = dict(zip(self._quality_names, self._qualities[row * width : (row + 1) * width]))
        return Result(PreparedFace(self.id(place), good, detail, size, masked, quality), number)

    def digest(self, place: int) -> bytes:
        """The SHA-256 of the pixels of a face."""
        return bytes(self._digests[place * DIGEST : (place + 1) * DIGEST])

    def __iter__(self) -> Iterator[Result]:
        return map(self.__getitem__, range(len(self)))

    def id(self, place: int) -> str:
        """The id of a result."""
        return self._other_ids.get(place) or self._id_of(self._numbers[place])

    @property
    def numbers(self) -> np.ndarray:
        """The numbers of the listed faces, int64 (N,)."""
        return np.array(self._numbers, np.int64)

    @property
    def good(self) -> np.ndarray:
        """Which faces have pixels, bool (N,)."""
        good = np.ones(len(self), bool)
        good[list(self._reasons)] = False
        return good

    @property
    def digests(self) -> np.ndarray:
        """The SHA-256 of the pixels of each face, uint8 (N, 32); zeros for those that failed."""
        return np.frombuffer(bytes(self._digests), np.uint8).reshape(-1, DIGEST)

    @property
    def failures(self) -> dict[int, str]:
        """The reasons of the faces that failed, by place."""
        return self._reasons

    def masked_shares(self) -> np.ndarray:
        """The shares that masks removed from good faces, where there were any, (M,)."""
        if self._masked is None:
            return np.empty(0)
        shares = np.array(self._masked)[self.good]
        return shares[~np.isnan(shares)]

    def sizes(self) -> Counter[tuple[int, int]]:
        """How many good faces come from pictures of each (height, width), in the order of their first."""
        sizes = np.array(self._sizes, np.int64).reshape(-1, 2)[self.good]
        found, first, counts = np.unique(sizes, axis=0, return_index=True, return_counts=True)
        ordered: Counter[tuple[int, int]] = Counter()
        for place in np.argsort(first):
            height, width = found[place].tolist()
            ordered[height, width] = int(counts[place])
        return ordered
