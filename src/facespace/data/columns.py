"""Texts of many faces as two arrays rather than as Python objects: an id takes its bytes and four more."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

ERRORS = "surrogatepass"  # names of files may hold bytes that are no text


class Texts(Sequence[str]):
    """A growing column of texts, packed as UTF-8."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._bytes = bytearray()
        self._ends = array("I")  # of more than 4 GB of text "Q"
        self.longest = 0  # characters
        self.is_text = True  # none has bytes that are no text
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Adds a text at the end."""
        try:
            self._bytes += text.encode()
        except UnicodeEncodeError:
            self._bytes += text.encode("utf-8", ERRORS)
            self.is_text = False
        try:
            self._ends.append(len(self._bytes))
        except OverflowError:
            self._ends = array("Q", self._ends)
            self._ends.append(len(self._bytes))
        self.longest = max(self.longest, len(text))

    def trim(self) -> None:
        """Gives back the room for further texts."""
        self._bytes, self._ends = bytearray(self._bytes), self._ends[:]

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        start = self._ends[place - 1] if place else 0
        return self._bytes[start : self._ends[place]].decode("utf-8", ERRORS)

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self._ends:
            yield self._bytes[start:end].decode("utf-8", ERRORS)
            start = end

    def take(self, places: np.ndarray) -> np.ndarray:
        """The texts at some places, as an array of text."""
        return np.array([self[place] for place in places.tolist()], dtype=str)

    def to_array(self) -> np.ndarray:
        """All texts as an array of text, in which each takes as much as the longest."""
        texts = np.empty(len(self), f"U{max(self.longest, 1)}")
        for place, text in enumerate(self):
            texts[place] = text
        return texts


class Words:
    """A growing column of few different words, a byte each."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.known = list(known)
        self._codes = bytearray()
        self._places = {word: place for place, word in enumerate(self.known)}

    def append(self, word: str) -> None:
        """Adds a word at the end. Raises ValueError for the 256th different one."""
        if word not in self._places:
            if len(self.known) == 256:
                raise ValueError(f"it holds too many different words, such as {word[:40]!r}")
            self._places[word] = len(self.known)
            self.known.append(word)
        self._codes.append(self._places[word])

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, place: int) -> str:
        return self.known[self._codes[place]]

    def __iter__(self) -> Iterator[str]:
        return map(self.known.__getitem__, self._codes)

    @property
    def codes(self) -> np.ndarray:
        """The places of the words in `known`, uint8 (N,)."""
        return np.frombuffer(bytes(self._codes), np.uint8)

    def rows(self, word: str) -> np.ndarray:
        """The row numbers of a word, int64 ascending."""
        return np.flatnonzero(self.codes == self._places.get(word, -1))

    def to_array(self) -> np.ndarray:
        """All words as an array of text."""
        return np.array(self.known, dtype=str)[self.codes] if self.known else np.empty(0, str)
