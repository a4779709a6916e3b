"""Parquet files as Hugging Face stores data sets of images, and folders that its library `datasets` saved: a
column holds pictures as files, the others are attributes. Read where they lie, a part at a time. Needs
pyarrow."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from facespace.core.addresses import shown
from facespace.core.console import progress
from facespace.core.errors import FaceSetError, ImageError
from facespace.core.extras import install_command, is_installed
from facespace.core.left_behind import is_left_behind
from facespace.core.remote_cache import local_file, paths_below, with_file
from facespace.data.faces import SourceListing, StoredImage
from facespace.data.sources.gathering import (
    ABOUT_FILES,
    PEOPLE,
    Gathered,
    split_in,
    split_of_file,
)
from facespace.data.sources.source import Source, SourceOptions
from facespace.data.sources.subfolders import MOST_LABELS
from facespace.data.stored import StoredFaces

BATCH = 64  # pictures that are read at a time
NAMES = ("image", "img", "picture", "photo", "face", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes")
NO_BYTES = "no picture in its row"
NOT_FLAT = ("_indices_files", "_indices_data_files")  # of a selection that was saved as row numbers


@dataclass(frozen=True)
class RowImage(StoredImage):
    """A picture in a row: `first` is the row group of a Parquet file or the batch of an Arrow file, `second`
    the row in it."""

    column: str = ""

    def read(self) -> bytes:
        """The bytes of the image file. Raises ImageError where the row has none."""
        try:
            rows = with_file(self.path, partial(_opened_now, column=self.column))
            cell = rows.cell(self.first, self.second)
        except (
            OSError,
            ValueError,
            KeyError,
            IndexError,
            StopIteration,
        ) as error:  # ArrowInvalid is a ValueError
            raise ImageError("a row that cannot be read") from error
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(data, bytes) or not data:
            raise ImageError(NO_BYTES)
        return data


class _ParquetRows:
    """Cells of a column, read forward a batch at a time: a whole row group may be larger than the memory."""

    def __init__(self, path: Path, column: str) -> None:
        from pyarrow import parquet  # type: ignore[import-not-found]

        self.file, self.column = parquet.ParquetFile(path), column
        self._group, self._start = -1, 0
        self._batch: Any = None
        self._batches: Iterator[Any] = iter(())

    def cell(self, group: int, row: int) -> Any:
        """The value of a row of a row group."""
        if group != self._group or row < self._start:
            self._group, self._start, self._batch = group, 0, None
            self._batches = self.file.iter_batches(
                batch_size=BATCH, row_groups=[group], columns=[self.column]
            )
        while self._batch is None or row >= self._start + len(self._batch):
            if self._batch is not None:
                self._start += len(self._batch)
            self._batch = next(self._batches).column(0)
        return self._batch[row - self._start].as_py()


class _ArrowRows:
    """Cells of a column of a memory-mapped Arrow file."""

    def __init__(self, path: Path, column: str) -> None:
        self.batches = [batch.column(column) for batch in _arrow_batches(path)]

    def cell(self, group: int, row: int) -> Any:
        """The value of a row of a record batch."""
        return self.batches[group][row].as_py()


def _opened_now(path: Path, column: str) -> _ParquetRows | _ArrowRows:
    return _opened(path, column, path.stat().st_mtime_ns, os.getpid())


@lru_cache(maxsize=2)
def _opened(path: Path, column: str, changed: int, process: int) -> _ParquetRows | _ArrowRows:
    return _ArrowRows(path, column) if path.suffix == ".arrow" else _ParquetRows(path, column)


def _arrow_batches(path: Path) -> Iterator[Any]:
    """The record batches of an Arrow file, a stream or not."""
    import pyarrow  # type: ignore[import-not-found]

    source = pyarrow.memory_map(str(path))
    try:
        yield from pyarrow.ipc.open_stream(source)
    except pyarrow.ArrowInvalid:
        file = pyarrow.ipc.open_file(pyarrow.memory_map(str(path)))
        for number in range(file.num_record_batches):
            yield file.get_batch(number)


def read(root: Path, options: SourceOptions) -> SourceListing:
    """The rows of all Parquet files below the folder, or of the Arrow files that `datasets` saved, in the
    order of files and rows."""
    if not is_installed("pyarrow"):
        raise FaceSetError(f"The source parquet needs pyarrow: {install_command('parquet')}")
    files = _find_files(root)
    first = _schema(files[0])
    column = _image_column(files[0], first)
    reader = _Reader(root, files, column)
    with progress(len(files), "Listing files", "files") as advance:
        for number in range(len(files)):
            reader.read(number)
            advance(1)
    names, values, notes = reader.fields.finish(len(reader.faces))
    return SourceListing(reader.faces, names, values, (), (*notes, *reader.notes))


def _find_files(root: Path) -> list[Path]:
    """The files of a data set in the order of their paths. Raises FaceSetError where there are none, and for
    a selection that is saved as row numbers."""
    below = paths_below(root)
    for ending in (".parquet", ".arrow"):
        files = []
        for path in below:
            inside = path.relative_to(root)
            if path.name.endswith(ending) and not any(map(is_left_behind, inside.parts)):
                files.append(path)
        if files:
            break
    else:
        raise FaceSetError(
            f"{shown(root)} holds no Parquet files (*.parquet), and no folder that Hugging Face's datasets "
            "saved (*.arrow). Name the folder that holds them."
        )
    for state in below:
        if state.name == "state.json" and any(_json(local_file(state)).get(name) for name in NOT_FLAT):
            raise FaceSetError(
                f"{shown(state.parent)} was saved as a selection of rows of another data set. "
                "Save it again after dataset.flatten_indices()."
            )
    return files


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes()[: 2**22])
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _schema(path: Path) -> Any:
    """The schema of a file. Raises FaceSetError where it cannot be read."""
    import pyarrow  # type: ignore[import-not-found]
    from pyarrow import parquet  # type: ignore[import-not-found]

    try:
        if path.suffix == ".parquet":
            return parquet.read_schema(local_file(path))
        return next(_arrow_batches(local_file(path))).schema
    except (pyarrow.ArrowException, OSError, ValueError, StopIteration) as error:
        kind = "Parquet" if path.suffix == ".parquet" else "Arrow"
        raise FaceSetError(
            f"{shown(path)} is no {kind} file that can be read ({error!s:.200}). Fetch it again."
        ) from error


def _image_column(path: Path, schema: Any) -> str:
    """The name of the column of pictures: one that Hugging Face's description calls an image, else the first
    struct with bytes, else binary data with a usual name. Raises FaceSetError where there is none."""
    import pyarrow.types as kinds  # type: ignore[import-not-found]

    described = [name for name, feature in _features(schema).items() if feature.get("_type") == "Image"]
    structs, binary = [], []
    for field in schema:
        if kinds.is_struct(field.type) and field.type.get_field_index("bytes") >= 0:
            structs.append(field.name)
        elif kinds.is_binary(field.type) or kinds.is_large_binary(field.type):
            binary.append(field.name)
    named = [name for name in binary if name.lower() in NAMES]
    for name in (*described, *structs, *named):
        if name in structs or name in binary:
            return name
    columns = ", ".join(f"{field.name} ({field.type!s:.40})" for field in list(schema)[:12])
    raise FaceSetError(
        f"{shown(path)} has no column of pictures (a struct with bytes, or binary data under a name such as "
        f"image). Its columns: {columns}. Name a data set of pictures."
    )


def _features(schema: Any) -> dict[str, dict[str, Any]]:
    """What Hugging Face's library wrote about the columns."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: feature for name, feature in found.items() if isinstance(feature, dict)}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


class _Reader:
    """Lists the rows of files, with their fields."""

    def __init__(self, root: Path, files: list[Path], column: str) -> None:
        self.root, self.files, self.column = root, files, column
        self.faces = StoredFaces(files, partial(RowImage, column=column))
        self.fields = Gathered()
        self.notes: list[str] = []
        self._row = 0  # of the current file

    def read(self, number: int) -> None:
        """Lists the rows of a file."""
        path = self.files[number]
        schema = _schema(path)
        if self.column not in schema.names:
            raise FaceSetError(
                f"{shown(path)} has no column {self.column}, which {self.files[0].name} has. "
                "Name a folder with the files of one data set."
            )
        features = _features(schema)
        shard = path.relative_to(self.root).with_suffix("").as_posix()
        split = split_of_file(shard.split("/"))
        self._row = 0
        for group, start, batch in _batches(path, schema, self.column):
            self._add(number, shard, split, group, start, batch, features)

    def _add(
        self, number: int, shard: str, split: str | None, group: int, start: int, batch: Any, features: Any
    ) -> None:
        first, count = len(self.faces), batch.num_rows
        columns = {name: batch.column(place) for place, name in enumerate(batch.schema.names)}
        names = _file_names(columns.pop(self.column, None), count)
        people = next((columns.pop(name).to_pylist() for name in PEOPLE if name in columns), [None] * count)
        splits = columns.pop("split").to_pylist() if "split" in columns else [None] * count
        for row in range(count):
            key = f"{shard}/{names[row] or f'{self._row:06d}'}"
            person = None if people[row] is None else str(people[row])
            self.faces.add(key, number, group, start + row, person, split_in(splits[row]) or split)
            self._row += 1
        for name, cells in columns.items():
            if name not in ABOUT_FILES:
                self._add_field(first, name, cells, features.get(name, {}).get("names"))

    def _add_field(self, first: int, name: str, cells: Any, classes: Any) -> None:
        """A column: numbers, true and false, texts, or numbers of classes with names."""
        import pyarrow.types as kinds  # type: ignore[import-not-found]

        if isinstance(classes, list) and 2 < len(classes) <= MOST_LABELS and kinds.is_integer(cells.type):
            numbers = _numbers(cells)
            for code, label in enumerate(classes):
                signs = np.where(np.isnan(numbers) | (numbers < 0), np.nan, np.where(numbers == code, 1, -1))
                self.fields.add_numbers(first, str(label), signs, words=True)
        elif kinds.is_boolean(cells.type):
            self.fields.add_numbers(first, name, 2 * _numbers(cells) - 1, words=True)
        elif kinds.is_integer(cells.type) or kinds.is_floating(cells.type):
            self.fields.add_numbers(first, name, _numbers(cells))
        elif kinds.is_string(cells.type) or kinds.is_large_string(cells.type):
            for row, value in enumerate(cells.to_pylist()):
                self.fields.add(first + row, name, value)


def _numbers(cells: Any) -> np.ndarray:
    """Numbers as float64, NaN where there is none."""
    import pyarrow  # type: ignore[import-not-found]

    return np.asarray(cells.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _file_names(cells: Any, count: int) -> list[str]:
    """The names of the files that the pictures were, without folders; empty where unknown."""
    if cells is None:
        return [""] * count
    names = []
    for cell in cells.to_pylist():
        path = cell.get("path") if isinstance(cell, dict) else None
        names.append(PurePosixPath(path.replace("\\", "/")).name if isinstance(path, str) else "")
    return names


def _batches(path: Path, schema: Any, column: str) -> Iterator[tuple[int, int, Any]]:
    """(row group, first row in it, rows without the pictures' bytes) of a file."""
    import pyarrow  # type: ignore[import-not-found]
    from pyarrow import parquet  # type: ignore[import-not-found]

    try:
        if path.suffix == ".arrow":
            for group, batch in enumerate(_arrow_batches(local_file(path))):
                yield group, 0, _without_bytes(batch, column)
            return
        wanted = [name for name in schema.names if name != column]
        if _has_path(schema.field(column).type):
            wanted.append(f"{column}.path")
        with parquet.ParquetFile(local_file(path)) as file:
            for group in range(file.num_row_groups):
                start = 0
                if not wanted:
                    rows = pyarrow.nulls(file.metadata.row_group(group).num_rows)
                    yield group, 0, pyarrow.RecordBatch.from_pydict({"": rows})
                    continue
                for batch in file.iter_batches(batch_size=8_192, row_groups=[group], columns=wanted):
                    yield group, start, batch
                    start += batch.num_rows
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise FaceSetError(
            f"{shown(path)} is cut short or damaged ({error!s:.200}). Fetch it again."
        ) from error


def _has_path(kind: Any) -> bool:
    import pyarrow.types as kinds  # type: ignore[import-not-found]

    return kinds.is_struct(kind) and kind.get_field_index("path") >= 0


def _without_bytes(batch: Any, column: str) -> Any:
    """The rows of an Arrow file with the names of the pictures alone."""
    import pyarrow  # type: ignore[import-not-found]

    columns = {name: batch.column(name) for name in batch.schema.names if name != column}
    pictures = batch.column(column)
    if _has_path(pictures.type):
        columns[column] = pyarrow.StructArray.from_arrays([pictures.field("path")], ["path"])
    return pyarrow.RecordBatch.from_pydict(columns or {"": pyarrow.nulls(batch.num_rows)})


SOURCE = Source(
    read,
    summary="Hugging Face's data sets of images: Parquet files, or a folder that `datasets` saved",
    holds="Parquet or Arrow files with a column of pictures",
    terms="as the owners of the photographs allow",
    unaligned=True,
    drops_copies=True,
    remote=True,
)
