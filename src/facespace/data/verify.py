"""Whether a prepared set is what its card says: files, sizes, checksums, table rows, splits. Reads every byte
once and changes nothing."""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facespace.core.cards import Card
from facespace.core.console import Advance, progress
from facespace.data.faces import read_set_card
from facespace.data.results import DIGEST
from facespace.data.set_table import SPLITS, SetTable, read_table, table_file
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
    set with one file of images, images and table are compared with the fingerprint together.

    Raises FaceSetError where the folder is no set or its card cannot be read."""
    root = Path(root)
    card = read_set_card(root)
    shards = card.get("shards")
    names = [shard["file"] for shard in shards] if shards else [IMAGES]
    sizes = [_size(root / name) for name in names]
    with progress(max(sum(sizes) >> 20, 1), "Verifying", "MiB") as advance:
        if shards:
            faults = [fault for shard in shards for fault in _check_shard(root, shard, advance)]
            faults += _check_shards(root, card, shards)
            table, wrong = _check_table(root, card)
            changed = None if wrong else _changed(table_file(root), card["table"]["sha256"])
            faults += wrong + ([changed] if changed else [])
        else:
            table, faults = _check_table(root, card)
            faults += _check_one_file(root, card, table, advance)
    size = sum(sizes) + _size(table_file(root))
    return Verification(card["faces"], len(names) + 1, size, tuple(faults))


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
