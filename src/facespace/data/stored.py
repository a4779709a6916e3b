"""Listed faces as columns, millions of them in a few numbers each: pictures that lie within larger files,
such as tar shards and Parquet files, and files below a folder. A Face is made when it is asked for."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self, overload

import numpy as np

from facespace.core import remote
from facespace.core.addresses import address_of
from facespace.core.errors import ImageError
from facespace.data.columns import Texts
from facespace.data.faces import Face, SourceListing, StoredImage
from facespace.data.set_table import SPLITS

LARGEST_PHOTO = 2**29  # bytes of one at an address


class PackedFaces(Sequence[Face]):
    """Ids, identities and splits of faces. Subclasses know the pictures."""

    def __init__(self) -> None:
        self.ids, self.identities = Texts(), Texts()
        self._splits = array("b")  # places in SPLITS, -1 for none

    def _add(self, key: str, identity: str | None, split: str | None) -> None:
        self.ids.append(key)
        self.identities.append(identity or "")
        self._splits.append(SPLITS.index(split) if split else -1)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> Face: ...
    @overload
    def __getitem__(self, place: slice) -> list[Face]: ...
    def __getitem__(self, place: int | slice) -> Face | list[Face]:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        return self._face(place)

    def _face(self, place: int) -> Face:
        raise NotImplementedError

    def split(self, place: int) -> str | None:
        """The split that the source gives a face."""
        code = self._splits[place]
        return None if code < 0 else SPLITS[code]

    def take(self, places: np.ndarray) -> Self:
        """The faces at some places."""
        raise NotImplementedError


class StoredFaces(PackedFaces):
    """Faces whose pictures lie in a few large files."""

    def __init__(self, paths: Iterable[Path], make: Callable[[Path, int, int], StoredImage]) -> None:
        super().__init__()
        self.paths, self.make = list(paths), make
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
        self._add(key, identity, split)
        self._files.append(file)
        self._first.append(first)
        self._second.append(second)

    def _face(self, place: int) -> Face:
        image = self.make(self.paths[self._files[place]], self._first[place], self._second[place])
        return Face(self.ids[place], image, self.identities[place] or None, self.split(place))

    def take(self, places: np.ndarray) -> "StoredFaces":
        """The faces at some places."""
        taken = StoredFaces(self.paths, self.make)
        for place in places.tolist():
            where = self._files[place], self._first[place], self._second[place]
            taken.add(self.ids[place], *where, self.identities[place], self.split(place))
        return taken


class RemotePhoto(StoredImage):
    """A photograph at an address, of `second` bytes."""

    def read(self) -> bytes:
        """The bytes of the image file. Raises ImageError where there are none, RemoteError."""
        address = address_of(self.path)
        content = remote.read_small(address, LARGEST_PHOTO) if address else None
        if content is None:
            raise ImageError("a file that is gone")
        return content


class ListedFiles(PackedFaces):
    """Faces whose ids are the paths of their files below a folder, of this machine or at an address."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self._remote = folder, address_of(folder) is not None
        self.points: dict[int, np.ndarray] = {}  # given landmarks (5, 2) of some

    def add(
        self,
        name: str,
        identity: str | None = None,
        split: str | None = None,
        points: np.ndarray | None = None,
    ) -> None:
        """Adds a face by the path of its file below the folder."""
        if points is not None:
            self.points[len(self)] = points
        self._add(name, identity, split)

    def _face(self, place: int) -> Face:
        name = self.ids[place]
        path = self.folder / name
        image = RemotePhoto(path, 0, 0) if self._remote else path
        points = self.points.get(place % len(self))
        return Face(name, image, self.identities[place] or None, self.split(place), points=points)

    def take(self, places: np.ndarray) -> "ListedFiles":
        """The faces at some places."""
        taken = ListedFiles(self.folder)
        for place in places.tolist():
            taken.add(self.ids[place], self.identities[place], self.split(place), self.points.get(place))
        return taken


def take(listing: SourceListing, places: np.ndarray) -> Sequence[Face]:
    """The faces of a listing at some places."""
    if isinstance(listing.faces, PackedFaces):
        return listing.faces.take(places)
    return [listing.faces[place] for place in places.tolist()]


def given_points(faces: Sequence[Face]) -> int:
    """The number of listed faces whose landmarks are given."""
    if isinstance(faces, PackedFaces):
        return len(faces.points) if isinstance(faces, ListedFiles) else 0
    return sum(face.points is not None for face in faces)


def id_of(faces: Sequence[Face], number: int) -> str:
    """The id of a listed face."""
    return faces.ids[number] if isinstance(faces, PackedFaces) else faces[number].id


def people_of(faces: Sequence[Face], numbers: Iterable[int]) -> Iterator[str]:
    """The people of listed faces, an empty text where nobody is named."""
    for number in map(int, numbers):
        yield faces.identities[number] if isinstance(faces, PackedFaces) else faces[number].identity or ""


def splits_of(faces: Sequence[Face], numbers: Iterable[int]) -> Iterator[str | None]:
    """The splits that the source gives listed faces."""
    for number in map(int, numbers):
        yield faces.split(number) if isinstance(faces, PackedFaces) else faces[number].split
