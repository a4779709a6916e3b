"""The images of a prepared set, made in worker processes and written one after another, so that memory stays
flat. A log in the unfinished folder lets the same command continue after an interruption."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facespace.core.console import note, progress
from facespace.core.workers import Workers
from facespace.data.faces import IMAGES, Face, SourceListing
from facespace.data.processing import PreparedFace, PrepareSpec, prepare_chunk
from facespace.data.workers import map_chunks
from facespace.data.writing import write_header

CHUNK = 64  # listed faces that a worker takes at a time
LOG = "made.jsonl"  # in an unfinished folder: the job, then the results of a chunk a line


class Result(NamedTuple):
    """A prepared face, and the number of the listed face that it came from."""

    face: PreparedFace
    number: int


def write_images(
    folder: Path, job: str, listing: SourceListing, spec: PrepareSpec, workers: int | Workers
) -> list[Result]:
    """Writes images.npy and returns what was made of each listed face. What an interrupted run of the same
    `job` has written is kept."""
    faces, log = listing.faces, folder / LOG
    chunks = [faces[start : start + CHUNK] for start in range(0, len(faces), CHUNK)]
    results = list(_read_log(log, job))
    done = len({result.number // CHUNK for result in results})
    kept = sum(map(len, chunks[:done]))
    mode = "a" if done else "w"
    with (
        (folder / IMAGES).open("r+b" if done else "wb") as file,
        log.open(mode, encoding="utf-8", errors="surrogateescape") as lines,
        progress(len(faces), "Preparing faces", "faces", kept) as advance,
    ):
        write_header(file, 0, spec.template)
        file.seek(_count(results) * int(np.prod(spec.template.shape)), os.SEEK_CUR)
        file.truncate()
        if done:
            note(f"Continuing after {kept:,} of {len(faces):,} faces, which an interrupted run has finished.")
        else:
            lines.write(json.dumps(job) + "\n")
        # An interruption leaves images and log as they are, for the same command to continue.
        work = map_chunks(partial(prepare_chunk, spec), chunks[done:], workers)
        for number, (prepared, pixels) in enumerate(work, start=done):
            new = _numbered(prepared, number * CHUNK)
            results += new
            file.write(pixels)
            file.flush()
            lines.write(json.dumps([[result.number, *result.face] for result in new]) + "\n")
            lines.flush()
            advance(len(chunks[number]))
        write_header(file, _count(results), spec.template)
    return results


def _count(results: list[Result]) -> int:
    """The number of faces with pixels."""
    return sum(result.face.good for result in results)


def _numbered(prepared: list[list[PreparedFace]], first: int) -> list[Result]:
    results = []
    for number, faces in enumerate(prepared, start=first):
        results += [Result(face, number) for face in faces]
    return results


def job_digest(listing: SourceListing, *options: Any) -> str:
    """Identifies a job: an interrupted one is only continued where options, attributes and every file are
    unchanged."""
    digest = hashlib.sha256(_bytes(options))
    digest.update(listing.values.tobytes())
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


def _read_log(log: Path, job: str) -> Iterator[Result]:
    """The results of an interrupted run of the same job, whole chunks only; an unfinished last line is
    removed from the log."""
    if not log.is_file():
        return
    content = log.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    log.write_bytes(whole)
    first, *lines = whole.decode("utf-8", "surrogateescape").split("\n")
    if first != json.dumps(job):
        return
    for line in lines[:-1]:
        for number, key, good, detail, size, masked, quality in json.loads(line):
            yield Result(PreparedFace(key, good, detail, tuple(size), masked, quality), number)
