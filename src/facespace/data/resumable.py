"""The images of a prepared set, made in worker processes and written one after another, so that memory stays
flat. A log in the unfinished folder lets the same command continue after an interruption."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facespace.core.console import note, progress
from facespace.core.remote_cache import identity
from facespace.data.copies import CopyRules
from facespace.data.copy_filter import CopyFilter
from facespace.data.faces import Face, SourceListing
from facespace.data.image_writer import ImageWriter
from facespace.data.processing import PreparedFace, PrepareSpec, prepare_chunk
from facespace.data.results import Result, Results
from facespace.data.shards import Shard
from facespace.data.stored import StoredFaces, id_of
from facespace.data.workers import map_chunks
from facespace.workers.where import Workers

CHUNK = 64  # listed faces that a worker takes at a time
LOG = "made.jsonl"  # in an unfinished folder: the job, then a line a chunk, and a line a finished shard


class Chunks(Sequence[Sequence[Face]]):
    """Listed faces in parts of CHUNK, from the part `first` on, each made when it is asked for."""

    def __init__(self, faces: Sequence[Face], first: int = 0) -> None:
        self.faces, self.first = faces, first

    def __len__(self) -> int:
        return max(0, -(-len(self.faces) // CHUNK) - self.first)

    def __getitem__(self, number: int) -> Sequence[Face]:  # type: ignore[override]
        if not 0 <= number < len(self):
            raise IndexError(number)
        start = (self.first + number) * CHUNK
        return self.faces[start : start + CHUNK]


def write_images(
    folder: Path,
    job: str,
    listing: SourceListing,
    spec: PrepareSpec,
    workers: int | Workers,
    per_shard: int | None = None,
    rules: CopyRules = CopyRules(),  # noqa: B008 (frozen)
) -> tuple[Results, list[Shard] | None]:
    """Writes images.npy, or shards of `per_shard` faces, and returns what was made of each listed face, and
    the shards. `rules` say which copies are left out. What an interrupted run of the same `job` has written
    is kept."""
    faces, log = listing.faces, folder / LOG
    results = Results(partial(id_of, faces))
    copies = CopyFilter(rules, results)
    writer = ImageWriter(folder, spec.template, per_shard)
    done = _continue(log, job, writer, copies)
    chunks = Chunks(faces, done)
    kept = min(done * CHUNK, len(faces))
    with (
        contextlib.closing(writer),
        log.open("a" if done else "w", encoding="utf-8", errors="surrogateescape") as lines,
        progress(len(faces), "Preparing faces", "faces", kept) as advance,
    ):
        if done:
            note(f"Continuing after {kept:,} of {len(faces):,} faces, which an interrupted run has finished.")
        else:
            lines.write(json.dumps(job) + "\n")
        # An interruption leaves images and log as they are, for the same command to continue.
        work = map_chunks(partial(prepare_chunk, spec), chunks, workers)
        for number, (prepared, pixels) in enumerate(work):
            new, pixels, found = copies.add(_numbered(prepared, (done + number) * CHUNK), pixels)
            completed = writer.write(pixels)
            line = json.dumps([_logged(result) for result in new])
            lines.write(f"{json.dumps({'copies': found})}\n{line}\n" if found else f"{line}\n")
            for shard in completed:
                lines.write(json.dumps(shard) + "\n")
            lines.flush()
            advance(len(chunks[number]))
        return results, writer.finish()


def _continue(log: Path, job: str, writer: ImageWriter, copies: CopyFilter) -> int:
    """Reads what an interrupted run of the same job has made: the whole chunks of the log whose pixels are
    still there. Fills the results of `copies`, opens the writer after them, and cuts the log there. Returns
    their number."""
    total, digests = 0, {}
    for entry, _ in _entries(log, job):
        if isinstance(entry, list):
            total += _good(entry)
        elif "file" in entry:
            digests[entry["file"]] = entry["sha256"]
    held = writer.intact(total) if total else 0
    chunks, count, end = 0, 0, 0
    found: list[list[int]] = []
    for entry, position in _entries(log, job):
        if isinstance(entry, dict):
            found = entry.get("copies", found)  # of the chunk that follows
            continue
        if count + _good(entry) > held:
            break
        count += _good(entry)
        chunks += 1
        copies.restore([_from_log(fields) for fields in entry], found)
        end, found = position, []
    if chunks:
        with log.open("r+b") as file:
            file.truncate(end)
        writer.resume(count, digests)
    return chunks


def _entries(log: Path, job: str) -> Iterator[tuple[list | dict, int]]:
    """The whole lines of the log of the same job, each with the position after it; none of another job's."""
    if not log.is_file():
        return
    with log.open("rb") as file:
        if file.readline() != (json.dumps(job) + "\n").encode():
            return
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line.decode("utf-8", "surrogateescape")), file.tell()


def _good(entry: list) -> int:
    """The number of faces with pixels in a line of the log."""
    return sum(bool(fields[2]) for fields in entry)


def _logged(result: Result) -> list:
    """A result as the log holds it."""
    number, face = result.number, result.face
    return [number, *(face if face.code else face[:-1])]


def _from_log(fields: list) -> Result:
    number, key, good, detail, size, masked, quality, *code = fields
    return Result(PreparedFace(key, good, detail, tuple(size), masked, quality, *code), number)


def _numbered(prepared: list[list[PreparedFace]], first: int) -> list[Result]:
    results = []
    for number, faces in enumerate(prepared, start=first):
        results += [Result(face, number) for face in faces]
    return results


def job_digest(listing: SourceListing, *options: Any) -> str:
    """Identifies a job: an interrupted one is only continued where options, attributes and every file are
    unchanged."""
    digest = hashlib.sha256(_bytes(options))
    digest.update(np.ascontiguousarray(listing.values).data)
    if containers := _containers(listing.faces):
        digest.update(_bytes(containers))
    for face in listing.faces:
        digest.update(_bytes((face.id, _identity(face), face.identity, face.split, face.mask)))
        if face.points is not None:
            digest.update(face.points.tobytes())
    return digest.hexdigest()


def _bytes(value: Any) -> bytes:
    return repr(value).encode("utf-8", "surrogateescape")


def _identity(face: Face) -> Any:
    """A value that changes with the pixels of a listed face."""
    if isinstance(face.image, np.ndarray):
        return hashlib.sha256(face.image.tobytes()).hexdigest()
    if isinstance(face.image, Path):
        with contextlib.suppress(OSError):  # a file that is not there gets its reason later
            facts = face.image.stat()
            return str(face.image), facts.st_size, facts.st_mtime_ns
    return face.image


def _containers(faces: Sequence[Face]) -> list[tuple[str, int, int | str]]:
    """Values that change with the files that hold the pictures of stored faces."""
    found = []
    if isinstance(faces, StoredFaces):
        for path in faces.paths:
            found.append(identity(path))
    return found
