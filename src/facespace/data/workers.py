"""The pictures of a set in worker processes: a file that ends two workers is skipped and named, and workers
without the files get their bytes."""

from collections.abc import Callable, Iterator, Sequence

from facespace.core.tasks import Care, Divisible, map_in_order
from facespace.core.workers import Workers
from facespace.data.faces import Face
from facespace.data.processing import PreparedFace, files_of

Chunk = Sequence[Face]  # listed images
Prepared = tuple[list[list[PreparedFace]], bytes]  # of each image its faces, and the pixels of all

DEADLY = "ended two processes that read it"  # the reason of a file that is left out


def map_chunks(
    function: Callable[[Chunk], Prepared], chunks: Sequence[Chunk], workers: int | Workers
) -> Iterator[Prepared]:
    """function(chunk) for each chunk, in order, whatever the number of workers and what becomes of them."""
    care = Care(Divisible(_single_faces, _joined, _left_out), files_of)
    return map_in_order(function, chunks, workers, care)


def _single_faces(chunk: Chunk) -> list[Chunk]:
    return [[face] for face in chunk]


def _joined(parts: Sequence[Prepared]) -> Prepared:
    results = []
    for prepared, _ in parts:
        results += prepared
    return results, b"".join(pixels for _, pixels in parts)


def _left_out(chunk: Chunk) -> Prepared:
    return [[PreparedFace(chunk[0].id, False, DEADLY)]], b""
