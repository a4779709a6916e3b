"""Photographs from files, each as it is or with the largest face aligned: what encoding, editing and morphing
start from. detectors.py finds the face, placement.py compares its place with that in the crop of a space."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from PIL import Image

from facespace.core.console import note
from facespace.core.errors import FacespaceError, ImageError, choose
from facespace.data.sources.landmarks import PointsBeside
from facespace.image.align import TEMPLATES, FoundFace, align, given_face, main_face
from facespace.image.detectors import Detector, open_detector
from facespace.image.photos import Template, read_photo
from facespace.image.placement import Size, lies_in_crop

ALIGN = ("auto", "yes", "no")
CELEBA = TEMPLATES["celeba"]
USUAL = Template(crop="center-148", source=(CELEBA.height, CELEBA.width))
SMALL = 96  # px a side, up to which nobody keeps a photograph
MOST_NAMES = 3  # of files in a line about many

OTHER_LAYOUT = (
    "This space was not trained on faces with CelebA's layout, so photographs are taken as they are. "
    "--align yes moves each face to its place in that layout."
)


class NoFaceError(ImageError):
    """A photograph in which no face was found."""


class PhotoReader:
    """Reads photographs for one space, and aligns to CelebA's template those whose face lies elsewhere.

    `align`: "auto" aligns a photograph unless its face already lies where the template's crop has it; for a
    template without CelebA's layout it takes photographs as they are. "yes" aligns every photograph, "no"
    none. A `template` of None is the crop center-148 of CelebA. With `skip_faceless`, `read` gives None for a
    photograph without a face. A photograph whose landmarks a table points.csv beside it holds is aligned by
    them unless `align` is "no". Raises UsageError for another `align`. Where OpenCV, which finds faces, is
    missing, `read` raises FacespaceError for a photograph that needs it."""

    def __init__(
        self, align: bool | str = "auto", template: Template | None = None, skip_faceless: bool = False
    ) -> None:
        self.mode = align_mode(align)
        self.template = template or USUAL
        self.skip_faceless = skip_faceless
        self._points = PointsBeside()
        self.files: dict[str, list[Path]] = {"aligned": [], "in the crop": [], "as it is": [], "no face": []}
        self.turned: list[Path] = []  # of the aligned ones, those that lay on a side or upside down
        self._turn = 0  # of the photograph that was read last

    def read(self, path: Path | str) -> Image.Image | None:
        """The photograph, aligned where it has to be. Raises ImageError where it cannot be used."""
        path, self._turn = Path(path), 0
        try:
            photo, how = self._align(path, read_photo(path))
        except NoFaceError:
            if not self.skip_faceless:
                raise NoFaceError(
                    f"{path} cannot be used: no face found in it. To take the picture as it is: --align no"
                ) from None
            photo, how = None, "no face"
        except ImageError as error:
            hint = " To use the faces of a prepared set, add --data SET." if path.is_dir() else ""
            raise ImageError(
                f"{path} cannot be used: {error}. Name a photograph (JPEG, PNG, WebP, TIFF …).{hint}"
            ) from error
        self.files[how].append(path)
        if self._turn:
            self.turned.append(path)
        return photo

    def summary(self) -> str:
        """What happened to the photographs: "2 photographs aligned, 1 already in the crop"; empty where all
        were taken as they are."""
        aligned, inside = self.files["aligned"], self.files["in the crop"]
        parts = []
        if aligned:
            parts.append(f"{_photographs(len(aligned))} aligned{self._turned_text()}")
        if inside:
            count = f"{len(inside)}" if aligned else _photographs(len(inside))
            parts.append(f"{count} already in the crop{_names(inside) if aligned else ''}")
        if self.files["no face"]:
            faceless = self.files["no face"]
            parts.append(f"{len(faceless)} left out, since no face was found{_names(faceless)}")
        return ", ".join(parts)

    def _turned_text(self) -> str:
        """', 2 of them turned upright (a.jpg, b.jpg)' where photographs lay on a side or upside down."""
        if not self.turned:
            return ""
        count = f", {len(self.turned)} of them turned" if len(self.files["aligned"]) > 1 else " and turned"
        return f"{count} upright{_names(self.turned)}"

    def report(self) -> None:
        """Shows the summary of `auto`, and of photographs left out."""
        if self.summary() and (self.mode == "auto" or self.files["no face"]):
            note(f"{self.summary()}.")

    def _align(self, path: Path, photo: Image.Image) -> tuple[Image.Image, str]:
        """The photograph, and what happened to it: a key of `files`. Raises NoFaceError."""
        if self.mode == "no":
            return photo, "as it is"
        points = self._points(path)
        if points is not None:
            return align(photo, given_face(points, photo), CELEBA), "aligned"
        if self.mode == "auto" and self._is_prepared(photo):
            return photo, "in the crop"
        try:
            detector = self._detector
        except FacespaceError as error:
            if self.mode == "auto" and photo.size in self._sizes:
                return photo, "as it is"
            raise FacespaceError(
                f"{path} cannot be aligned. {error} To take the picture as it is: --align no"
            ) from None
        if detector is None:
            return photo, "as it is"
        found = detector(photo)
        face = main_face(found, photo)[0] if found else None
        if self.mode == "auto" and self._stays(face, photo):
            return photo, "in the crop"
        if face is None:
            raise NoFaceError("no face found in it")
        self._turn = face.turn
        return align(photo, face, CELEBA), "aligned"

    def _stays(self, face: FoundFace | None, photo: Image.Image) -> bool:
        """Whether the main face lies in the crop. A picture of exactly the size that the faces of the space
        have is doubted less: profiles and tilted heads lie further off, and some are not found at all."""
        known_size = photo.size in self._sizes
        if face is None:
            return known_size
        return lies_in_crop(face.points, self.template, photo.size, 2.0 if known_size else 1.0)

    @property
    def _sizes(self) -> list[Size]:
        """The sizes of pictures that the space's faces have: prepared, and as the crop was made for."""
        height, width = self.template.source or (0, 0)
        return [(self.template.width, self.template.height), (width, height)]

    def _is_prepared(self, photo: Image.Image) -> bool:
        """Whether a picture has exactly the size of a face of the space, and fewer pixels than photographs
        have: it is a prepared or decoded face, which needs no search."""
        searchable = self.template.has_celeba_layout and max(photo.size) > SMALL
        return photo.size == self._sizes[0] and not searchable

    @cached_property
    def _detector(self) -> Detector | None:
        """The detector, opened at the first photograph that needs it; None where `auto` takes photographs as
        they are. Raises UsageError without OpenCV."""
        if self.mode == "yes":
            return open_detector()
        if not self.template.has_celeba_layout:
            note(OTHER_LAYOUT)
            return None
        return open_detector()


def align_mode(align: bool | str) -> str:
    """One of ALIGN; True and False are yes and no. Raises UsageError for another value."""
    if isinstance(align, bool):
        return "yes" if align else "no"
    return choose(dict(zip(ALIGN, ALIGN)), align, "value of align")


def read_photos(
    paths: Sequence[Path | str], align_faces: bool | str = False, template: Template | None = None
) -> list[Image.Image]:
    """Photographs by name, as they are. With `align_faces` True or "yes" the largest face of each is aligned
    to CelebA's template; with "auto" only where it does not lie in the crop of `template` already, which is
    that of a space (`space.template`) and center-148 where None is given. Raises ImageError for the first
    file that cannot be used."""
    reader = PhotoReader(align_faces, template)
    photos = [photo for photo in map(reader.read, paths) if photo]
    reader.report()
    return photos


def _photographs(count: int) -> str:
    return f"{count} photograph{'s' * (count > 1)}"


def _names(files: Sequence[Path]) -> str:
    """' (a.jpg, b.jpg)' for a few files; an empty text for many."""
    if len(files) > MOST_NAMES:
        return ""
    return f" ({', '.join(file.name for file in files)})"
