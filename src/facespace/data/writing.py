"""The card of a prepared set, and the list of what was skipped. Makes no decisions about faces."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facespace.core.cards import CARD, Card
from facespace.core.cells import as_text
from facespace.core.files import sha256, write_json
from facespace.core.version import __version__
from facespace.data.faces import FORMAT, SHARDED, SKIPPED
from facespace.data.set_table import SetTable, write_csv, write_table
from facespace.data.shards import Shard
from facespace.image.photos import Template

BLOCK = 65_536  # digests that are hashed at a time


def write_facts(
    folder: Path,
    template: Template,
    table: SetTable,
    digests: np.ndarray,
    shards: Sequence[Shard] | None,
    skipped: Sequence[tuple[str, str]],
    facts: Card,
) -> None:
    """The table, card.json with the set's facts, counts and fingerprint, and skipped.csv where something was
    skipped. `digests` uint8 (N, 32) are the SHA-256 of each image."""
    name, table_digest = write_table(folder, table, shards is not None)
    if skipped:
        write_csv(folder / SKIPPED, ("id", "reason"), [(as_text(key), reason) for key, reason in skipped])
    reasons = Counter(reason for _, reason in skipped)
    card = {
        "kind": "faceset",
        "format": FORMAT if shards is None else SHARDED,
        "facespace": __version__,
        "faces": len(table),
        "splits": table.counts(),
        "size": [template.height, template.width],
        "channels": template.channels,
        "crop": template.crop,
        "source_size": template.source and list(template.source),
        **facts,
        "skipped": {"total": len(skipped), "reasons": dict(sorted(reasons.items()))},
        "fingerprint": fingerprint(digests, table_digest),
    }
    if shards is not None:
        card["table"] = {"file": name, "sha256": sha256(folder / name)}
        card["shards"] = list(shards)
    write_json(folder / CARD, card)


def fingerprint(digests: np.ndarray, table_digest: str) -> str:
    """The SHA-256 of the images' own, in order, and that of the table as CSV."""
    content = hashlib.sha256()
    for start in range(0, len(digests), BLOCK):
        block = digests[start : start + BLOCK]
        text = " ".join(digest.tobytes().hex() for digest in block)
        content.update(f"{text} ".encode())
    content.update(table_digest.encode())
    return content.hexdigest()
