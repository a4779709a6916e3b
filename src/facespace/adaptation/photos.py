"""The faces that a space is adapted to: from files, folders, pictures or a prepared set, as the space takes
them, without copies; and what is said of faces that are few, alike or of several people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from facespace.core.console import counted, progress
from facespace.core.errors import FacespaceError, ImageError, UsageError
from facespace.data.aligned_photos import PhotoReader
from facespace.data.faces import FaceSet, is_face_set
from facespace.image.photos import has_image_ending
from facespace.perception.arcface import IdentityNetwork
from facespace.perception.attributes import AttributeClassifier
from facespace.space.face_space import FaceSpace
from facespace.space.inputs import Images

MOST = 5_000  # faces, which stay in memory
FLAT = 4.0  # levels of 255: the standard deviation of a picture that shows nothing
ALIKE = 0.004  # mean absolute difference of pixels in [0, 1], below which two pictures are copies
SEVERAL = 0.2  # cosine of a recognition network, below which two faces are hardly one person's
NAMED = 3
MALE, SURE = (
    "Male",
    0.95,
)  # an attribute that photographs of one person share, and the probability that counts

Photos = Path | str | FaceSet | Sequence[Path | str] | Images


@dataclass(frozen=True)
class Faces:
    """Faces uint8 (N, H, W, C) as the encoder takes them, a name for each, and sentences about what was left
    out or is unusual."""

    pixels: np.ndarray
    names: list[str]
    notes: list[str] = field(default_factory=list)
    source: str = "photographs"
    terms: str = ""

    def __len__(self) -> int:
        return len(self.pixels)


def read_faces(space: FaceSpace, photos: Photos, align: bool | str = "auto") -> Faces:
    """The faces of `photos`: a prepared set or its folder, a folder of photographs, files, or pictures,
    without copies and pictures that show nothing. Photographs in which no face is found are left out, with a
    note. Raises FacespaceError where a file is missing or no face is left, UsageError where there are more
    than 5,000, ImageError for a file that cannot be read."""
    found = _found(space, photos, align)
    usable, notes = _usable(found)
    if not usable:
        reason = " ".join([*found.notes, *notes]) or "There are no pictures."
        raise FacespaceError(
            f"A space is adapted to at least one photograph of a face. {reason} To take pictures as they "
            "are: --align no"
        )
    if len(usable) > MOST:
        raise UsageError(
            f"A space is adapted to at most {MOST:,} faces; these are {len(usable):,}. For more, train one: "
            "facespace train --from SPACE --data SET --to RUN"
        )
    names = [found.names[row] for row in usable]
    return Faces(np.array(found.pixels[usable]), names, [*found.notes, *notes], found.source, found.terms)


def _found(space: FaceSpace, photos: Photos, align: bool | str) -> Faces:
    """All faces, copies included."""
    if isinstance(photos, FaceSet):
        return _of_set(space, photos)
    if isinstance(photos, str | Path):
        photos = [photos]
    if isinstance(photos, Image.Image | np.ndarray):
        return _of_pictures(space, photos)
    only = photos[0] if len(photos) == 1 else None
    if isinstance(only, str | Path) and is_face_set(Path(only)):
        return _of_set(space, FaceSet(only))
    files = [Path(photo) for photo in photos if isinstance(photo, str | Path)]
    if len(files) < len(photos):
        return _of_pictures(space, photos)  # type: ignore[arg-type]
    return _of_files(space, files, align)


def _of_pictures(space: FaceSpace, pictures: Images) -> Faces:
    pixels = space.fit(pictures)
    return Faces(pixels, [f"picture {place}" for place in range(1, len(pixels) + 1)])


def _of_set(space: FaceSpace, faces: FaceSet) -> Faces:
    """The training faces of a prepared set, all of them where it has none."""
    split = "train" if len(faces.rows("train")) else "all"
    chosen = space.faces_of(faces, split)
    names = [f"face {row}" for row in chosen.rows]
    notes = [f"The {len(names):,} training faces of {faces.place} are used."] if split == "train" else []
    terms = str(faces.card.get("terms") or "")
    return Faces(chosen.pixels, names, notes, f"a prepared set ({faces.card.get('source')})", terms)


def _of_files(space: FaceSpace, files: Sequence[Path], align: bool | str) -> Faces:
    reader = PhotoReader(align, space.template, skip_faceless=True)
    fitted, names, unreadable = [space.fit([])], [], []
    found = _expanded(files)
    with progress(len(found), "Reading photographs", "photographs") as advance:
        for file in found:
            advance(1)
            try:
                photo = reader.read(file)
            except ImageError:
                if [file] == list(files):
                    raise
                unreadable.append(file.name)
                continue
            if photo is not None:
                fitted.append(space.fit([photo]))  # at once, since thousands of photographs fill the memory
                names.append(file.name)
    notes = [f"{reader.summary()}."] if reader.summary() else []
    if unreadable:
        files_text = counted(len(unreadable), "file")
        notes.append(f"{files_text} cannot be read as photographs{_some(unreadable)}.")
    return Faces(np.concatenate(fitted), names, notes)


def _expanded(files: Sequence[Path]) -> list[Path]:
    """Files, and in place of each folder the pictures in it, by name."""
    found: list[Path] = []
    for file in files:
        if not file.exists():
            raise FacespaceError(
                f"{file} does not exist. Name photographs, a folder of them, or a prepared set."
            )
        if not file.is_dir():
            found.append(file)
            continue
        inside = sorted(path for path in file.rglob("*") if path.is_file() and has_image_ending(path))
        if not inside:
            raise FacespaceError(
                f"{file} holds no pictures. Name photographs, a folder of them, or a prepared set."
            )
        found += inside
    return found


def _usable(found: Faces) -> tuple[list[int], list[str]]:
    """The rows of faces that show something and are no copies, and sentences about the others."""
    flat, copies, kept = [], [], []
    means = found.pixels.mean((1, 2)) / 255
    for row, face in enumerate(found.pixels):
        if face.std() < FLAT:
            flat.append(found.names[row])
        elif _is_copy(found.pixels, row, kept, means):
            copies.append(found.names[row])
        else:
            kept.append(row)
    notes = []
    if flat:
        notes.append(f"{len(flat)} left out, since it shows one colour alone{_some(flat)}.")
    if copies:
        notes.append(f"{len(copies)} left out, a copy of another{_some(copies)}.")
    return kept, notes


def _is_copy(pixels: np.ndarray, row: int, kept: Sequence[int], means: np.ndarray) -> bool:
    """Whether a face of (N, H, W, C) is a copy of one that is kept. Only faces of nearly the same colour, by
    `means` (N, C) in [0, 1], are compared: two pictures differ by at least as much as their means."""
    others = np.array(kept, int)
    near = others[np.abs(means[others] - means[row]).mean(1) < ALIKE]
    face = pixels[row].astype(np.float32) / 255
    return any(np.abs(pixels[other].astype(np.float32) / 255 - face).mean() < ALIKE for other in near)


def identity_notes(faces: Faces, identity: IdentityNetwork, few: int) -> list[str]:
    """A sentence where a few faces (fewer than `few`) look like those of several people to a recognition
    network."""
    if not 1 < len(faces) < few:
        return []
    vectors = identity(faces.pixels)
    cosines = vectors @ vectors.T
    least = float(cosines.min())
    if least >= SEVERAL:
        return []
    first, second = np.unravel_index(int(cosines.argmin()), cosines.shape)
    return [
        f"The photographs seem to show several people: {faces.names[first]} and {faces.names[second]} differ "
        f"most (cosine {least:.2f}). The space learns them all; for one person, leave the others out."
    ]


def attribute_notes(faces: Faces, classifier: AttributeClassifier, few: int) -> list[str]:
    """The same without a recognition network, by the attribute classifier: where it is sure of one face that
    it is a man's and of another that it is a woman's."""
    if not 1 < len(faces) < few or MALE not in classifier.names:
        return []
    male = classifier.probabilities(faces.pixels)[:, classifier.names.index(MALE)]
    if male.max() < SURE or male.min() > 1 - SURE:
        return []
    first, second = faces.names[int(male.argmax())], faces.names[int(male.argmin())]
    return [
        f"The photographs may show several people, such as {first} and {second}. The space learns them all; "
        "for one person, leave the others out."
    ]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return f" ({shown}{' …' if len(names) > NAMED else ''})"
