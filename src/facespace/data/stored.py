"""Pictures that lie within larger files, such as tar shards and Parquet files, and millions of them as
columns: where one lies takes a few numbers."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from facespace.data.columns import Texts
from facespace.data.faces import Face, SourceListing, StoredImage
from facespace.data.set_table import SPLITS


class StoredFaces(Sequence[Face]):
    """Faces whose pictures lie in a few large files. A Face is made when it is asked for."""

    def __init__(self, paths: Iterable[Path], make: Callable[[Path, int, int], StoredImage]) -> None:
        self.paths, self.make = list(paths), make
        self.ids, self.identities = Texts(), Texts()
        self._splits = array("b")  # places in SPLITS, -1 for none
        self._files = array("I")
        self._first, self._second = array("Q"), array("Q")

    def add(
        self,
        key: str,
        file: int,
        first: int,
        second: int,
        identity: str | None = None,
        split: str | None = None,
    ) -> None:
        """Adds a face whose picture lies in `paths[file]`."""
        self.ids.append(key)
        self.identities.append(identity or "")
        self._splits.append(SPLITS.index(split) if split else -1)
        self._files.append(file)
        self._first.append(first)
        self._second.append(second)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> Face: ...
    @overload
    def __getitem__(self, place: slice) -> list[Face]: ...
    def __getitem__(self, place: int | slice) -> Face | list[Face]:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        image = self.make(self.paths[self._files[place]], self._first[place], self._second[place])
        return Face(self.ids[place], image, self.identities[place] or None, self.split(place))

    def split(self, place: int) -> str | None:
        """The split that the source gives a face."""
        code = self._splits[place]
        return None if code < 0 else SPLITS[code]

    def take(self, places: np.ndarray) -> "StoredFaces":
        """The faces at some places."""
        taken = StoredFaces(self.paths, self.make)
        for place in places.tolist():
            where = self._files[place], self._first[place], self._second[place]
            taken.add(self.ids[place], *where, self.identities[place], self.split(place))
        return taken


def take(listing: SourceListing, places: np.ndarray) -> Sequence[Face]:
    """The faces of a listing at some places."""
    if isinstance(listing.faces, StoredFaces):
        return listing.faces.take(places)
    return [listing.faces[place] for place in places.tolist()]


def id_of(faces: Sequence[Face], number: int) -> str:
    """The id of a listed face."""
    return faces.ids[number] if isinstance(faces, StoredFaces) else faces[number].id


def people_of(faces: Sequence[Face], numbers: Iterable[int]) -> Iterator[str]:
    """The people of listed faces, an empty text where nobody is named."""
    for number in map(int, numbers):
        yield faces.identities[number] if isinstance(faces, StoredFaces) else faces[number].identity or ""


def splits_of(faces: Sequence[Face], numbers: Iterable[int]) -> Iterator[str | None]:
    """The splits that the source gives listed faces."""
    for number in map(int, numbers):
        yield faces.split(number) if isinstance(faces, StoredFaces) else faces[number].split
