"""The files of a prepared set: images one after another, the table, the card. Makes no decisions about
faces."""

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from facespace.core.cards import CARD, Card
from facespace.core.cells import as_text
from facespace.core.files import sha256, write_json
from facespace.core.version import __version__
from facespace.data.faces import COLUMNS, FORMAT, SKIPPED, SPLITS, TABLE
from facespace.image.photos import Template


def write_header(file: BinaryIO, count: int, template: Template) -> None:
    """An .npy header at the file's start. numpy pads it so that its length does not depend on the count,
    which is known only at the end."""
    shape = (count, template.height, template.width, template.channels)
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def write_table(
    folder: Path,
    rows: Iterable[tuple[str, str, str | None]],
    attributes: Sequence[str],
    values: np.ndarray,
) -> None:
    """table.csv from (id, split, identity) rows and their (N, A) attributes; NaN is left empty."""
    write_csv(folder / TABLE, (*COLUMNS, *map(as_text, attributes)), _lines(rows, values))


def _lines(rows: Iterable[tuple[str, str, str | None]], values: np.ndarray) -> Iterator[tuple[str, ...]]:
    for (key, split, identity), line in zip(rows, values):
        yield as_text(key), split, as_text(identity or ""), *map(_cell, line.tolist())


def _cell(value: float) -> str:
    if value in PLAIN:
        return PLAIN[value]
    return "" if math.isnan(value) else f"{value:.7g}"


PLAIN = {1.0: "1", -1.0: "-1", 0.0: "0"}  # most values, written without formatting


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A CSV. File names may hold bytes that are not UTF-8; surrogateescape keeps them unchanged."""
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)  # its own line ends: with "\n" a "\r" in a name would not be quoted
        writer.writerow(header)
        writer.writerows(rows)


def write_card(
    folder: Path,
    template: Template,
    splits: Sequence[str],
    digests: Iterable[str],
    skipped: Sequence[tuple[str, str]],
    facts: Card,
) -> None:
    """card.json: the set's facts, counts and fingerprint (of each image's SHA-256, in order, and of the
    table); and skipped.csv where something was skipped."""
    if skipped:
        write_csv(folder / SKIPPED, ("id", "reason"), [(as_text(key), reason) for key, reason in skipped])
    reasons = Counter(reason for _, reason in skipped)
    content = f"{' '.join(digests)} {sha256(folder / TABLE)}"
    counts = Counter(splits)
    card = {
        "kind": "faceset",
        "format": FORMAT,
        "facespace": __version__,
        "faces": len(splits),
        "splits": {split: counts[split] for split in SPLITS},
        "size": [template.height, template.width],
        "channels": template.channels,
        "crop": template.crop,
        "source_size": template.source and list(template.source),
        **facts,
        "skipped": {"total": len(skipped), "reasons": dict(sorted(reasons.items()))},
        "fingerprint": hashlib.sha256(content.encode()).hexdigest(),
    }
    write_json(folder / CARD, card)
