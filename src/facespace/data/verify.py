"""Whether a prepared set is what its card says: files, sizes, checksums, table rows, splits. Reads every byte
once and changes nothing."""

import csv
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facespace.core import remote, remote_cache
from facespace.core.addresses import Address, address_of
from facespace.core.cards import CARD, Card
from facespace.core.console import Advance, progress
from facespace.core.fetch import check_space
from facespace.core.files import owner
from facespace.data.faces import read_set_card
from facespace.data.remote_sets import RemoteSet
from facespace.data.results import DIGEST
from facespace.data.set_table import SPLITS, TABLE, SetTable, read_table, table_file
from facespace.data.shards import IMAGES, DamagedImages, Shard, open_file
from facespace.data.writing import fingerprint

BLOCK = 2**22  # bytes read at a time
KNOWN = ", ".join(SPLITS)


class Verification(NamedTuple):
    """What was read, and a sentence for each fault; none for an intact set."""

    faces: int
    files: int
    bytes: int
    faults: tuple[str, ...]


def verify(root: Path | str) -> Verification:
    """Compares the files of a prepared set with its card. A set in shards has a checksum of each file; of a
    set with one file of images, images and table are compared with the fingerprint together. Of a set at an
    address every file is fetched anew, one at a time, and none is kept.

    Raises FaceSetError where the folder is no set or its card cannot be read, RemoteError where an address
    cannot."""
    address = address_of(root)
    if address is None:
        return _verify(Path(root), _here)
    place = remote_cache.folder()
    RemoteSet(address)  # whether there is one
    folder = place / f".verify{owner()}"
    folder.mkdir(parents=True)
    try:
        found = _verify(folder, _Elsewhere(address, folder).file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    said = [fault.replace(str(folder), str(address)) for fault in found.faults]
    return found._replace(faults=tuple(said))


class _Elsewhere:
    """Brings the files of a set at an address into a folder, each for as long as it is read."""

    def __init__(self, address: Address, folder: Path) -> None:
        self.address, self.folder = address, folder

    @contextmanager
    def file(self, name: str) -> Iterator[None]:
        """Inside the block the file lies in the folder, if there is one."""
        size = remote.size_of(self.address / name)
        path = self.folder / name
        if size is not None:
            check_space(path, size, str(self.address / name))
            remote_cache.receive(self.address / name, path, size, None)
        yield
        path.unlink(missing_ok=True)


@contextmanager
def _here(name: str) -> Iterator[None]:
    """The files of a set on this machine lie where they are."""
    yield


def _verify(root: Path, at_hand: Callable[[str], AbstractContextManager[None]]) -> Verification:
    """Verifies the set in a folder, in which a file lies while it is `at_hand`."""
    with at_hand(CARD):
        card = read_set_card(root)
    shards = card.get("shards")
    names = [shard["file"] for shard in shards] if shards else [IMAGES]
    table_name = card.get("table", {}).get("file", TABLE)
    face = int(np.prod(card.get("size", [0]))) * card.get("channels", 1)
    total = sum(shard["bytes"] for shard in shards) if shards else card["faces"] * face
    read = 0
    with progress(max(total >> 20, 1), "Verifying", "MiB") as advance:
        if shards:
            faults = []
            for shard in shards:
                with at_hand(shard["file"]):
                    faults += _check_shard(root, shard, advance)
                    read += _size(root / shard["file"])
            faults += _check_shards(root, card, shards)
            with at_hand(table_name):
                read += _size(table_file(root))
                table, wrong = _check_table(root, card)
                changed = None if wrong else _changed(table_file(root), card["table"]["sha256"])
            faults += wrong + ([changed] if changed else [])
        else:
            with at_hand(table_name), at_hand(IMAGES):
                read += _size(table_file(root)) + _size(root / IMAGES)
                table, faults = _check_table(root, card)
                faults += _check_one_file(root, card, table, advance)
    return Verification(card["faces"], len(names) + 1, read, tuple(faults))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _check_shard(root: Path, shard: Shard, advance: Advance) -> Iterator[str]:
    """The first fault of a shard."""
    path = root / shard["file"]
    if not path.is_file():
        yield f"{path} is missing. Copy it again from where the set came from, or prepare the set again."
        return
    size = _size(path)
    if size != shard["bytes"]:
        what = "is cut short" if size < shard["bytes"] else "is too long"
        yield f"{path} {what}: it has {size:,} bytes, the card {shard['bytes']:,}. Copy it again."
        return
    if changed := _changed(path, shard["sha256"], advance):
        yield changed
        return
    try:
        open_file(root, shard["file"], shard["faces"])
    except DamagedImages as error:
        yield f"{root}: {error}. Prepare the set again."


def _changed(path: Path, expected: str, advance: Advance = lambda n: None) -> str | None:
    """A sentence where a file's SHA-256 is another."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            advance(len(block) >> 20)
    if digest.hexdigest() == expected:
        return None
    return f"{path} was changed: its SHA-256 is not the one on the card. Copy it again."


def _check_shards(root: Path, card: Card, shards: list[Shard]) -> Iterator[str]:
    """Faults of the shards together."""
    listed = sum(shard["faces"] for shard in shards)
    if listed != card["faces"]:
        yield f"{root}: the card has {card['faces']:,} faces, and its shards {listed:,}. Prepare it again."
    names = {shard["file"] for shard in shards}
    for path in sorted(root.glob("images*.npy")):
        if path.name not in names:
            yield f"{path} is not on the card, so its faces are not read. Remove it, or prepare again."


def _check_table(root: Path, card: Card) -> tuple[SetTable | None, list[str]]:
    """The table, and faults of its rows and splits."""
    path = table_file(root)
    try:
        table = read_table(root, card["faces"])
    except (csv.Error, ValueError, OSError) as error:
        remedy = "Copy it again from where the set came from, or prepare the set again."
        return None, [f"{path}: {error}. {remedy}"]
    faults = []
    unknown = [word for word in table.splits.known if word not in SPLITS]
    if unknown:
        faults.append(f"{path} has the split {unknown[0][:80]!r}; known are {KNOWN}. Prepare the set again.")
    elif table.counts() != {split: card["splits"].get(split, 0) for split in SPLITS}:
        found = ", ".join(f"{name} {count:,}" for name, count in table.counts().items())
        faults.append(f"{path} has other splits than the card ({found}). Prepare the set again.")
    return table, faults


def _check_one_file(root: Path, card: Card, table: SetTable | None, advance: Advance) -> list[str]:
    """Faults of images.npy, and of images and table together by the fingerprint."""
    try:
        images = open_file(root, IMAGES, card["faces"])
    except DamagedImages as error:
        return [f"{root}: {error}. Copy it again from where the set came from, or prepare the set again."]
    found, read = bytearray(), 0
    for image in images:
        found += hashlib.sha256(image.tobytes()).digest()
        read += image.nbytes
        if read >= BLOCK:
            advance(read >> 20)
            read = 0
    if table is None:
        return []
    digests = np.frombuffer(bytes(found), np.uint8).reshape(-1, DIGEST)
    with table_file(root).open("rb") as file:
        table_digest = hashlib.file_digest(file, "sha256").hexdigest()
    if fingerprint(digests, table_digest) == card["fingerprint"]:
        return []
    return [
        f"{root}: {IMAGES} or {table_file(root).name} was changed: they do not have the fingerprint on the "
        "card. Copy both again."
    ]
