"""The pictures of a set in worker processes: a file that ends two workers is skipped and named, and workers
without the files get their bytes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from facespace.core.errors import ImageError
from facespace.core.tasks import Care, Divisible, map_in_order
from facespace.core.workers import Workers, is_local
from facespace.data.faces import Face, StoredImage
from facespace.data.processing import PreparedFace, files_of

Chunk = Sequence[Face]  # listed images
Prepared = tuple[list[list[PreparedFace]], bytes]  # of each image its faces, and the pixels of all

DEADLY = "ended two processes that read it"  # the reason of a file that is left out


def map_chunks(
    function: Callable[[Chunk], Prepared], chunks: Sequence[Chunk], workers: int | Workers
) -> Iterator[Prepared]:
    """function(chunk) for each chunk, in order, whatever the number of workers and what becomes of them."""
    care = Care(Divisible(_single_faces, _joined, _left_out), files_of)
    if isinstance(workers, Workers) and workers.cluster and not is_local(workers.cluster):
        chunks = _Sent(chunks)
    return map_in_order(function, chunks, workers, care)


@dataclass(frozen=True)
class _SentImage(StoredImage):
    """An image file with its bytes, or with the reason why it has none."""

    content: bytes = b""
    fault: str = ""

    def read(self) -> bytes:
        """The bytes. Raises ImageError with the reason."""
        if self.fault:
            raise ImageError(self.fault)
        return self.content


class _Sent(Sequence[Chunk]):
    """Chunks whose images within other files go to the workers with their bytes: a whole archive is too much
    for a worker that does not see it, and pictures that it does not see would be skipped."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, number: int) -> Chunk:  # type: ignore[override]
        return list(map(_sent, self.chunks[number]))


def _sent(face: Face) -> Face:
    image = face.image
    if not isinstance(image, StoredImage):
        return face
    content, fault = b"", ""
    try:
        content = image.read()
    except ImageError as error:
        fault = str(error)
    return replace(face, image=_SentImage(image.path, image.first, image.second, content, fault))


def _single_faces(chunk: Chunk) -> list[Chunk]:
    return [[face] for face in chunk]


def _joined(parts: Sequence[Prepared]) -> Prepared:
    results = []
    for prepared, _ in parts:
        results += prepared
    return results, b"".join(pixels for _, pixels in parts)


def _left_out(chunk: Chunk) -> Prepared:
    return [[PreparedFace(chunk[0].id, False, DEADLY)]], b""
