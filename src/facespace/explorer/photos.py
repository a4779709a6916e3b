"""From a photograph on the page to a face as the space knows faces: found, turned upright, and laid where the space's own
faces lie. Pictures and points alone; nothing is kept."""

import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from facespace.core.errors import FacespaceError, UsageError
from facespace.image import align
from facespace.image.align import FaceTemplate, FoundFace
from facespace.image.detectors import Detector, open_detector, yunet_here
from facespace.space.face_space import FaceSpace

CELEBA = align.TEMPLATES["celeba"]
SAMPLES = 12  # drawn faces in which the places of eyes and mouth are looked for
SMALLEST = 18.0  # pixels between the eyes, below which a face has too little detail to keep
SHOWN = 256  # pixels that a drawn face is enlarged to, in whole steps, before points are looked for in it


class Photos:
    """Finds and cuts faces for one space. Opened once; a detector is loaded at the first photograph."""

    def __init__(self, space: FaceSpace) -> None:
        self.space = space
        self._one_at_a_time = threading.Lock()  # a detector of OpenCV is not made for two threads
        self._seen: list[np.ndarray | None] = []  # the points of drawn faces, so far

    @cached_property
    def _detector(self) -> Detector:
        weights = yunet_here()  # nothing is fetched: the page works without a network
        return open_detector("yunet", weights) if weights else open_detector("haar")

    @cached_property
    def template(self) -> FaceTemplate:
        """Where the points of a face lie before the space's own crop: CelebA's layout, where the space learned it, else
        medians over faces that the space draws, in the picture that its encoder takes."""
        if self._celeba:
            return CELEBA
        fit = self.space.template
        self.look_ahead()
        found = [points for points in self._seen if points is not None]
        if len(found) < SAMPLES // 4:
            scale = min(fit.width / CELEBA.width, fit.height / CELEBA.height) * 1.25
            return CELEBA.framed(scale, fit.width, fit.height)
        return FaceTemplate("own", fit.width, fit.height, _typical(np.stack(found), CELEBA.points))

    @property
    def _celeba(self) -> bool:
        return self.space.template.source == (CELEBA.height, CELEBA.width)

    @cached_property
    def _drawn(self) -> np.ndarray:
        return self.space.sample(SAMPLES, seed=0, temperature=0.7)

    def look_ahead(self, pause: Callable[[], None] = lambda: None) -> None:
        """Looks for what the template needs in drawn faces, those that nobody has looked at yet. Each may take the detector a
        second, so a photograph need not wait for all: `pause` is called before each, and the detector is free in between."""
        while not self._celeba and len(self._seen) < SAMPLES:
            pause()
            with self._one_at_a_time:
                if len(self._seen) < SAMPLES:
                    self._seen.append(self._own_points(self._drawn[len(self._seen)]))

    def find(self, pixels: np.ndarray) -> dict[str, Any]:
        """Faces in a photograph (H, W, 3), the foremost first: their points in pixels (null where unknown), the distance
        of the eyes, whether that is too little; `without` says in a sentence why none could be looked for."""
        photo = Image.fromarray(pixels)
        try:
            with self._one_at_a_time:
                found = self._detector(photo)
        except UsageError:
            raise
        except FacespaceError as error:
            return {"faces": [], "detector": None, "without": str(error)}
        ranked = sorted(found, key=lambda face: -face.eye_distance)
        faces = [
            {
                "points": _as_lists(face.points),
                "box": [round(side, 1) for side in face.box],
                "eyes": round(face.eye_distance, 1),
                "small": face.eye_distance < SMALLEST,
            }
            for face in ranked[:12]
        ]
        return {"faces": faces, "detector": self._detector.name, "without": None}

    def cut(self, pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The face with those points (5, 2) as the encoder takes it, uint8 (H, W, C). Raises ImageError for points that
        fit no face."""
        face = FoundFace((0, 0, 0, 0), points, 1.0)
        return self.space.fit(align.align(Image.fromarray(pixels), face, self.template))[0]

    def _own_points(self, face: np.ndarray) -> np.ndarray | None:
        """Where the points lie in one drawn face (H, W, C), in pixels of the encoder's picture; None if not seen."""
        image = Image.fromarray(face[..., 0] if face.shape[-1] == 1 else face).convert("RGB")
        times = max(1, round(SHOWN / max(image.size)))
        try:
            found = self._detector(
                image.resize((image.width * times, image.height * times), Image.Resampling.BICUBIC)
            )
        except FacespaceError:
            return None
        fit = self.space.template
        shift = (fit.width - face.shape[1]) / 2, (fit.height - face.shape[0]) / 2
        return found[0].points / times + shift if found else None


def _as_lists(points: np.ndarray) -> list[list[float] | None]:
    return [[round(x, 2), round(y, 2)] if np.isfinite([x, y]).all() else None for x, y in points.tolist()]


def _typical(found: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Medians of points (N, P, 2) over faces, (P, 2). Points that the detector never sees, as Haar cascades see eyes alone,
    lie where they do in the `usual` (P, 2) layout."""
    points = np.full_like(usual, np.nan)
    for place in range(len(usual)):
        seen = found[~np.isnan(found[:, place, 0]), place]
        if len(seen):
            points[place] = np.median(seen, axis=0)
    return np.where(np.isnan(points), align.apply(align.similarity(usual, points), usual), points)
