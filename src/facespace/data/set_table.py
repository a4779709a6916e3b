"""The table of a prepared set: id, split, identity and attributes of each face, as columns in memory, and on
disk as CSV or, of large sets in shards, as Parquet."""

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facespace.core.cells import as_text, from_text
from facespace.core.console import note
from facespace.core.extras import install_command, is_installed
from facespace.core.files import sha256
from facespace.core.reading import MEGABYTE, check_regular
from facespace.data.columns import Texts, Words

SPLITS = ("train", "validation", "test")
TABLE, PARQUET = "table.csv", "table.parquet"
COLUMNS = ("id", "split", "identity")  # then one column an attribute
MANY = 100_000  # rows above which the table of a set in shards is Parquet
LARGEST_TABLE = 1024 * MEGABYTE  # of a table, and of its texts as an array of characters
LONGEST_TEXT = 100_000  # characters of a file's id or a person's name
BLOCK = 65_536  # rows that are written or read at a time
PLAIN = {1.0: "1", -1.0: "-1", 0.0: "0"}  # most values, written without formatting


class DamagedTable(ValueError):
    """A table without one whole row for each image."""


@dataclass(frozen=True)
class SetTable:
    """The columns of a table. An identity is an empty text where nobody is named."""

    ids: Texts
    splits: Words
    identities: Texts
    attributes: tuple[str, ...]
    values: np.ndarray  # float (N, A), NaN unknown

    def __len__(self) -> int:
        return len(self.ids)

    def counts(self) -> dict[str, int]:
        """The number of faces of each split."""
        counts = Counter(dict(enumerate(np.bincount(self.splits.codes, minlength=1).tolist())))
        known = self.splits.known
        return {split: counts[known.index(split)] if split in known else 0 for split in SPLITS}


def make_table(
    ids: Iterable[str],
    splits: Iterable[str],
    identities: Iterable[str | None],
    attributes: Sequence[str],
    values: np.ndarray,
) -> SetTable:
    """A table of these columns."""
    words = Words(SPLITS)
    for split in splits:
        words.append(split)
    return SetTable(
        Texts(ids), words, Texts(identity or "" for identity in identities), tuple(attributes), values
    )


# --- writing


def write_table(folder: Path, table: SetTable, in_shards: bool = False) -> tuple[str, str]:
    """Writes table.csv, or table.parquet for many rows of a set in shards where pyarrow is installed. Returns
    the file's name and the SHA-256 of the table as CSV, which is a part of the set's fingerprint."""
    if in_shards and len(table) > MANY:
        if _has_pyarrow():
            _write_parquet(folder / PARQUET, table)
            return PARQUET, _digest_as_csv(table)
        note(
            f"The table of {len(table):,} rows is written as CSV. With pyarrow it would be a smaller Parquet "
            f"file: {install_command('parquet')}"
        )
    write_csv(folder / TABLE, _header(table), _lines(table))
    return TABLE, sha256(folder / TABLE)


def _header(table: SetTable) -> tuple[str, ...]:
    return (*COLUMNS, *map(as_text, table.attributes))


def _lines(table: SetTable) -> Iterator[tuple[str, ...]]:
    rows = zip(table.ids, table.splits, table.identities, table.values)  # type: ignore[arg-type]
    for key, split, identity, line in rows:
        yield as_text(key), split, as_text(identity), *map(_cell, line.tolist())


def _cell(value: float) -> str:
    if value in PLAIN:
        return PLAIN[value]
    return "" if math.isnan(value) else f"{value:.7g}"


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A CSV. File names may hold bytes that are not UTF-8; surrogateescape keeps them unchanged."""
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)  # its own line ends: with "\n" a "\r" in a name would not be quoted
        writer.writerow(header)
        writer.writerows(rows)


def _digest_as_csv(table: SetTable) -> str:
    """The SHA-256 of what write_csv would write, so that a set has one fingerprint whatever its files."""
    digest, text = hashlib.sha256(), io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_header(table))
    for number, line in enumerate(_lines(table), start=1):
        writer.writerow(line)
        if number % BLOCK == 0 or number == len(table):
            digest.update(text.getvalue().encode("utf-8", "surrogateescape"))
            text.seek(0)
            text.truncate()
    return digest.hexdigest()


def _has_pyarrow() -> bool:

    return is_installed("pyarrow")


def _write_parquet(path: Path, table: SetTable) -> None:
    import pyarrow as arrow  # type: ignore[import-not-found]
    from pyarrow import parquet  # type: ignore[import-not-found]

    id_type, identity_type = (
        arrow.string() if texts.is_text else arrow.binary() for texts in (table.ids, table.identities)
    )
    fields = [("id", id_type), ("split", arrow.string()), ("identity", identity_type)]
    fields += [(name, arrow.float32()) for name in table.attributes]
    schema = arrow.schema(fields)
    splits = np.array(table.splits.known, dtype=object)[table.splits.codes]
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, len(table), BLOCK):
            block = slice(start, start + BLOCK)
            columns = [
                arrow.array(_encoded(table.ids, block), id_type),
                arrow.array(splits[block], arrow.string()),
                arrow.array(_encoded(table.identities, block), identity_type),
            ]
            for column in table.values[block].astype(np.float32).T:
                columns.append(arrow.array(column, arrow.float32(), mask=np.isnan(column)))
            writer.write_batch(arrow.record_batch(columns, schema=schema))


def _encoded(texts: Texts, block: slice) -> list[str] | list[bytes]:
    if texts.is_text:
        return texts[block]
    return [text.encode("utf-8", "surrogateescape") for text in texts[block]]


# --- reading


def table_file(root: Path) -> Path:
    """The table of a set: the Parquet file where there is one."""
    parquet = root / PARQUET
    return parquet if parquet.is_file() else root / TABLE


def read_table(root: Path, count: int) -> SetTable:
    """The table of a set of `count` faces. Raises DamagedTable, and ValueError, csv.Error or OSError where it
    cannot be read."""
    path = table_file(root)
    if not path.is_file():
        raise DamagedTable(f"{TABLE} is missing")
    size = check_regular(path, LARGEST_TABLE)
    if path.name == PARQUET:
        table, whole = _read_parquet(path, count)
    else:
        table, whole = _read_csv(path, count, size)
    if not whole:
        raise DamagedTable(f"{path.name} does not have one whole row for each of the {count} images")
    table.ids.trim()
    table.identities.trim()
    longest = max(table.ids.longest, table.identities.longest)
    if count * longest > LARGEST_TABLE:  # as an array every text takes as much as the longest
        raise ValueError(f"it holds a name of {longest:,} characters")
    return table


def _read_csv(path: Path, count: int, size: int) -> tuple[SetTable, bool]:
    """The table in a file of `size` bytes, and whether it has one whole row for each image."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        names = tuple(map(from_text, header[3:]))
        if count * (len(header) - 1) > size:  # so many commas it has not; before memory is taken for it
            raise ValueError("it is cut short")
        values = np.full((count, len(names)), np.nan, np.float32)
        table = SetTable(Texts(), Words(SPLITS), Texts(), names, values)
        for row in lines:  # one at a time: as lists of words a large table would fill the memory
            if len(table) == count or len(row) != len(header):
                return table, False
            _check_length(row[0], row[2])
            values[len(table)] = _numbers(row[3:])
            table.splits.append(row[1])
            table.identities.append(from_text(row[2]))
            table.ids.append(from_text(row[0]))
    return table, tuple(header[:3]) == COLUMNS and len(table) == count


def _check_length(*texts: str) -> None:
    if max(map(len, texts)) > LONGEST_TEXT:
        raise ValueError(f"it holds a text of more than {LONGEST_TEXT:,} characters")


def _numbers(cells: list[str]) -> list[str]:
    """The cells with "nan" where they are empty."""
    if "" not in cells:
        return cells
    return [cell or "nan" for cell in cells]


def _read_parquet(path: Path, count: int) -> tuple[SetTable, bool]:
    if not _has_pyarrow():
        raise ValueError(f"it is a Parquet file, which needs pyarrow: {install_command('parquet')}")
    from pyarrow import ArrowException, parquet  # type: ignore[import-not-found]

    try:
        with parquet.ParquetFile(path) as file:
            names = tuple(file.schema_arrow.names)
            rows = file.metadata.num_rows
            values = np.full((min(rows, count), len(names[3:])), np.nan, np.float32)
            table = SetTable(Texts(), Words(SPLITS), Texts(), names[3:], values)
            if rows != count or names[:3] != COLUMNS:
                return table, False
            for batch in file.iter_batches(batch_size=BLOCK):
                _add_batch(table, batch)
    except (ArrowException, KeyError, TypeError) as error:  # KeyError, TypeError: columns of other types
        raise ValueError(str(error)[:300]) from error
    return table, len(table) == count


def _add_batch(table: SetTable, batch: Any) -> None:
    start = len(table)
    for place in range(len(table.attributes)):
        column = batch.column(3 + place).to_numpy(zero_copy_only=False)
        table.values[start : start + len(column), place] = column
    ids, splits, identities = (batch.column(place).to_pylist() for place in range(3))
    for key, split, identity in zip(ids, splits, identities):
        key, identity = _decoded(key), _decoded(identity)
        _check_length(key, identity)
        table.splits.append(_decoded(split))
        table.identities.append(identity)
        table.ids.append(key)


def _decoded(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    raise TypeError(f"a cell of text holds {value!r:.40}")
