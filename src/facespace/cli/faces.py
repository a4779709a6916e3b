"""What morph and mix share about the faces that they start from: files of pictures and of latents, groups of them with a
weight, faces of a set, and new ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from facespace.core.errors import FacespaceError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from facespace.space.face_space import FaceSpace


@dataclass(frozen=True)
class Keys:
    """Where the faces of a morph come from."""

    files: Sequence[Path]
    align: bool
    random: int | None
    seed: int
    data: Path | None
    split: str
    count: int | None

    @property
    def named(self) -> bool:
        """Whether it is said how many there are."""
        return bool(self.files) or self.random is not None or self.count is not None

    def latents(self, space: "FaceSpace", prior: str | None) -> "np.ndarray":
        """The key faces as latents float32 (N, D). Raises UsageError where they come from several places, or none."""
        if bool(self.files) + (self.random is not None) + (self.data is not None) > 1:
            raise UsageError(
                "Key faces come from files, from --random or from --data; name one of the three."
            )
        if self.files:
            return read_latents(space, self.files, self.align)
        if self.random is None and self.data is None:
            raise UsageError(
                "Name at least two faces: photographs, .npy files of latents, --random N or --data SET."
            )
        return self.many(
            space, prior, (2 if self.count is None else self.count) if self.data else self.random or 0
        )

    def many(self, space: "FaceSpace", prior: str | None, count: int) -> "np.ndarray":
        """So many faces of the set, or new ones: latents float32 (count, D)."""
        if not self.data:
            return space.sample_latents(count, self.seed, prior=prior)
        return space.encode(self._of_set(count))

    def pixels(self, space: "FaceSpace") -> "np.ndarray":
        """The faces of the set as the space sees them, uint8 (N, H, W, C)."""
        return space.fit(self._of_set(2 if self.count is None else self.count))

    def _of_set(self, count: int) -> "np.ndarray":
        from facespace.cli.data import spread
        from facespace.data.faces import FaceSet

        assert self.data
        faces = FaceSet(self.data)
        rows = spread(faces, self.split, count)
        if len(rows) < count:
            raise UsageError(
                f"This takes {count} faces, and {self.data} has {len(rows)} in the split {self.split!r}. Ask for fewer."
            )
        return faces.images[rows]


class Term(NamedTuple):
    """Faces whose mean counts as one, and its weight."""

    name: str
    files: list[Path]
    weight: float


def parse_term(text: str) -> Term:
    """'a.jpg', 'a.jpg,b.jpg=0.5' or 'folder=2' as a term; what names a file or a folder as it stands is taken so."""
    name, _, number = text.rpartition("=")
    try:
        weight = float(number) if name and not Path(text).exists() else None
    except ValueError:
        weight = None
    name = text if weight is None else name
    parts = [name] if Path(name).exists() else [part for part in name.split(",") if part]
    files = [file for part in parts for file in files_in(Path(part))]
    return Term(", ".join(Path(part).name for part in parts), files, 1.0 if weight is None else weight)


def files_in(path: Path) -> list[Path]:
    """A file itself; of a folder its pictures and latents, in the order of their names."""
    if not path.is_dir():
        return [path]
    from PIL import Image

    from facespace.image.photos import FORMATS

    endings = {ending for ending, name in Image.registered_extensions().items() if name in FORMATS} | {".npy"}
    files = sorted(
        file for file in path.iterdir() if file.suffix.lower() in endings and not file.name.startswith(".")
    )
    if not files:
        raise FacespaceError(f"The folder {path} holds no pictures and no .npy files of latents.")
    return files


def read_latents(space: "FaceSpace", files: Sequence[Path], align: bool) -> "np.ndarray":
    """Photographs encoded, and .npy files of latents as they are: float32 (N, D), in the order of the files."""
    from facespace.cli.pictures import is_array, read_all, read_array

    photos = iter(read_all([file for file in files if not is_array(file)], align))
    return space.latents(
        *(read_array(file).astype("f4") if is_array(file) else next(photos) for file in files)
    )
