"""Faces of a prepared set as a space takes them: the one way from a set on disk to pixels, latents and
attributes. Checks that the set was cropped as the space's training faces were."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from facespace.core.console import progress
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet, batches, evenly_spaced
from facespace.image.photos import Template
from facespace.models.locations import place_of
from facespace.space.inputs import Images


class Encoder(Protocol):
    """What a space needs for the faces of a set: its template, its folder, and pictures to latents."""

    template: Template
    folder: Path

    def as_prepared(self) -> Self:
        """A copy that resizes prepared faces and never crops them."""
        ...

    def fit(self, images: Images) -> np.ndarray:
        """Pictures as uint8 (N, H, W, C) of the size that the encoder takes."""
        ...

    def encode(self, images: Images) -> np.ndarray:
        """Posterior means, float32 (N, D)."""
        ...


class SetFaces:
    """At most `count` evenly spaced faces of a split of a prepared set; all of them for None.
    `FaceSpace.faces_of` makes it.

    Raises UsageError where the set has another crop than the space's training faces unless `any_crop`, for an
    unknown or empty split, and for a count below 1."""

    def __init__(
        self,
        space: Encoder,
        data: FaceSet | Path | str,
        split: str,
        count: int | None,
        any_crop: bool = False,
    ) -> None:
        self.space = (
            space.as_prepared()
        )  # prepared faces of another size are resized, not cropped a second time
        self.set = data if isinstance(data, FaceSet) else FaceSet(data)
        self.split = split
        if not any_crop:
            check_crop(space, self.set)
        self.rows = _choose_rows(self.set, split, count)  # (N,) int64, ascending

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def signs(self) -> np.ndarray:
        """Known attributes of these faces: +1 yes, −1 no, NaN unknown, (N, A), in the order of
        `set.attribute_names`."""
        signs = np.sign(self.set.attributes[self.rows])
        return np.where(signs == 0, np.nan, signs)

    @property
    def pixels(self) -> np.ndarray:
        """All faces at the size that the encoder takes, uint8 (N, H, W, C)."""
        return self.space.fit(self.set.images[self.rows])

    def batches(self) -> Iterator[np.ndarray]:
        """The same in parts of at most `BATCH` faces, straight from the disk."""
        for rows in batches(self.rows):
            yield self.space.fit(self.set.images[rows])

    def encode(self, mirrored: bool = False) -> np.ndarray:
        """Posterior means, or those of the mirror images, float32 (N, D)."""
        name = f"{self.split}, mirrored" if mirrored else self.split
        means, done = np.empty((0, 0), np.float32), 0
        with progress(len(self.rows), f"Encoding {name}", "faces") as advance:
            for pixels in self.batches():
                part = self.space.encode(pixels[:, :, ::-1] if mirrored else pixels)
                if not done:  # room for all once: joined at the end, parts would take twice as much
                    means = np.empty((len(self.rows), *part.shape[1:]), part.dtype)
                means[done : done + len(part)] = part
                done += len(part)
                advance(len(pixels))
        return means


def check_crop(space: Encoder, faces: FaceSet) -> None:
    """Raises UsageError where a set has another crop than the faces that a space was trained on."""
    trained, found = space.template.crop, faces.template.crop
    if trained != found:
        raise UsageError(
            f"{place_of(space.folder)} was trained on faces of the crop {trained}, and {faces.place} holds "
            f"{found}: the results would measure the crop. Prepare the set with --crop {trained}."
        )


def _choose_rows(faces: FaceSet, split: str, count: int | None) -> np.ndarray:
    if count is not None and count < 1:
        raise UsageError(f"The number of faces must be at least 1; got {count}.")
    rows = faces.rows(split)
    if not len(rows):
        raise UsageError(f"{faces.place} has no faces in the split {split!r}: {faces.card['splits']}.")
    return rows if count is None else evenly_spaced(rows, count)
