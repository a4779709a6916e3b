"""Prepared sets at addresses, such as s3://BUCKET/SET: card and table are copied into the cache when a set is
opened, its files of images when faces of them are read."""

import contextlib
import mmap
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from facespace.core import remote, remote_cache
from facespace.core.addresses import Address, address_of
from facespace.core.cards import CARD
from facespace.core.console import note
from facespace.core.errors import FaceSetError, FacespaceError
from facespace.core.files import write_atomically
from facespace.core.hub import HubUnreachable
from facespace.core.reading import LARGEST_JSON
from facespace.core.remote import RemoteError, RemoteUnreachable
from facespace.core.sizes import shown_bytes
from facespace.data.set_table import LARGEST_TABLE, TABLE
from facespace.data.shards import IMAGES, DamagedImages, Shard, ShardedImages, open_file

OPEN = 8  # files of images that are open at a time: those that training mixes, and the next ones


class RemoteSet:
    """The folder of the cache with the card of a set at an address; other files come as they are asked for.

    Where the address cannot be reached, the card of the last time is taken, with a note. Raises
    FaceSetError where there is no card, RemoteError."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._under = f"sets/{remote_cache.digest(address.url)}"
        try:
            content = remote.read_small(address / CARD, LARGEST_JSON)
        except (RemoteUnreachable, HubUnreachable) as error:
            self.folder = self._last_card(error)
        else:
            if content is None:
                raise FaceSetError(
                    f"{address} holds no prepared faces (no {CARD}). Name a folder that facespace prepare "
                    "made, copied there."
                )
            self.folder = self._keep(content)

    def _keep(self, card: bytes) -> Path:
        """The folder of this version of the set, with its card."""
        folder = remote_cache.folder() / self._under / remote_cache.digest(card)
        with write_atomically(folder / CARD) as beside:
            beside.write_bytes(card)
        return folder

    def _last_card(self, error: FacespaceError) -> Path:
        cards = list((remote_cache.folder() / self._under).glob(f"*/{CARD}"))
        if not cards:
            raise error
        note(f"{error} The card of the last time is used.")
        return max(cards, key=lambda path: path.stat().st_mtime).parent

    def fetch(self, name: str, size: int | None = None, sha256: str | None = None) -> Path:
        """The copy of a file of the set. Raises RemoteError, FetchError."""
        inside = f"{self._under}/{self.folder.name}"
        return remote_cache.fetch(self.address / name, inside, size, sha256)

    def fetch_table(self, name: str = TABLE, sha256: str | None = None) -> None:
        """Copies the table. Raises RemoteError also for one that is larger than what is read."""
        if (self.folder / name).is_file():
            return
        size = remote.size_of(self.address / name)
        if size is not None and size > LARGEST_TABLE:
            raise RemoteError(f"{self.address / name} has {shown_bytes(size)}, more than facespace reads.")
        if size is not None:  # whoever reads the table says that it is missing
            self.fetch(name, size, sha256)

    def open_images(self, count: int, shards: Sequence[Shard] | None) -> np.ndarray | ShardedImages:
        """The images of a set of `count` faces. Raises DamagedImages, RemoteError, FetchError."""
        if shards is None:
            self.fetch(IMAGES)
            return open_file(self.folder, IMAGES, count)
        largest, total = max(shard["bytes"] for shard in shards), sum(shard["bytes"] for shard in shards)
        remote_cache.check_room(min(total, OPEN * largest), str(self.address))
        if total > (most := remote_cache.limit()):
            note(
                f"{self.address} has {shown_bytes(total)} of images and the cache {shown_bytes(most)}, so "
                f"each pass over the set fetches them again. {remote_cache.SIZE} raises it."
            )
        counts = [shard["faces"] for shard in shards]
        if sum(counts) != count:
            raise DamagedImages(f"its shards hold {sum(counts):,} faces, the card {count:,}")
        return ShardedImages(RemoteShards(self, shards), counts)


class RemoteShards:
    """The shards of a set at an address, each fetched and opened when it is read; at most OPEN stay open."""

    def __init__(self, place: RemoteSet, shards: Sequence[Shard]) -> None:
        self._set, self._shards = place, shards
        self._open: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        self._ahead: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._shards)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, number: int, /) -> np.ndarray:
        """The faces of a shard, uint8 (N, H, W, C). Raises FaceSetError, RemoteError, FetchError."""
        with self._lock:
            part = self._open.pop(number, None)
            if part is None:
                part = self._opened(number)
            self._open[number] = part
            while len(self._open) > OPEN:
                self._open.popitem(last=False)
            return np.asarray(part)

    def mapped(self, number: int) -> mmap.mmap | None:
        """The mapped file of a shard that is open."""
        with self._lock:
            return getattr(self._open.get(number), "_mmap", None)

    def _opened(self, number: int) -> np.ndarray:
        shard = self._shards[number]
        for _ in range(remote_cache.TRIES):
            path = self._fetch(number)
            try:
                part = open_file(path.parent, shard["file"], shard["faces"])
            except DamagedImages as error:
                if path.is_file():
                    raise FaceSetError(
                        f"The prepared set {self._set.address} is damaged: {error}."
                    ) from error
                continue  # the copy left the cache before it was opened
            if self._open and part.shape[1:] != next(iter(self._open.values())).shape[1:]:
                raise FaceSetError(
                    f"The prepared set {self._set.address} is damaged: its shards differ in shape."
                )
            return part
        raise RemoteError(
            f"{self._set.address}: other processes need all of the cache. Raise {remote_cache.SIZE}."
        )

    def _fetch(self, number: int) -> Path:
        shard = self._shards[number]
        return self._set.fetch(shard["file"], shard["bytes"], shard["sha256"])

    def fetch_ahead(self, numbers: Sequence[int]) -> None:
        """Starts to fetch shards in the background, unless that is still going on. What fails here is said
        when the shard is read."""
        if self._ahead is None or not self._ahead.is_alive():
            self._ahead = threading.Thread(target=self._fetch_all, args=(numbers,), daemon=True)
            self._ahead.start()

    def _fetch_all(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            with contextlib.suppress(Exception):
                self._fetch(number)


def remote_set(path: Path | str) -> RemoteSet | None:
    """The set at an address; None for a path of this machine."""
    address = address_of(path)
    return None if address is None else RemoteSet(address)
