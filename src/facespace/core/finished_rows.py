"""Rows of numbers that are computed one part after another and written as they come: an interrupted run
leaves what it has finished, and the same command continues after it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from facespace.core.console import note
from facespace.core.errors import WorkersError
from facespace.core.files import flush, unfinished_folder

JOB, ROWS = "job.json", "rows.npy"


class FinishedRows:
    """A .npy file float32 (count, width) that grows by rows; `done` of them are finished."""

    def __init__(self, path: Path, file: BinaryIO, done: int) -> None:
        self.path, self._file, self.done = path, file, done

    def add(self, rows: np.ndarray) -> None:
        """Appends rows float32 (N, width)."""
        self._file.write(np.ascontiguousarray(rows, np.float32).tobytes())
        self._file.flush()
        self.done += len(rows)

    def finish(self, to: Path) -> None:
        """Puts the finished file in place of the target, whole."""
        self._file.close()
        flush(self.path)
        self.path.replace(to)


@contextmanager
def finished_rows(to: Path, job: dict[str, Any], count: int, width: int, part: int) -> Iterator[FinishedRows]:
    """The rows of a job in the unfinished folder of the target `to`: those that an interrupted run of the
    same job has finished, in whole parts, and a place for the next ones. The folder stays where the block is
    interrupted, the disk is full or the workers are gone, and is removed else; the caller takes what it needs
    of the file before the block ends. Who calls this holds the lock of the target."""
    folder = unfinished_folder(to)
    job = {**job, "rows": count, "width": width, "part": part}
    if _job_in(folder) != job:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / JOB).write_text(json.dumps(job))
    path, keep = folder / ROWS, False
    path.touch()
    try:
        with path.open("r+b") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
            )
            start = file.tell()
            whole = max(0, path.stat().st_size - start) // (4 * width)
            done = whole if whole == count else whole // part * part
            if done:
                note(f"Continuing after {done:,} of {count:,} faces, which an interrupted run has finished.")
            file.seek(start + 4 * width * done)
            file.truncate()
            yield FinishedRows(path, file, done)
    except (KeyboardInterrupt, OSError, WorkersError):
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _job_in(folder: Path) -> Any:
    try:
        return json.loads((folder / JOB).read_text())
    except (OSError, ValueError):
        return None
