"""Face detection and alignment of photographs for one space: the face is rotated upright and placed where the
faces of the space are. Works on arrays; keeps no photograph."""

import threading
import time
from collections.abc import Callable
from functools import cached_property

import numpy as np
from PIL import Image

from facespace.core.errors import FacespaceError, UsageError
from facespace.explorer.messages import Header
from facespace.image import align
from facespace.image.align import FaceTemplate, FoundFace
from facespace.image.detectors import Detector, YuNet, local_yunet, open_detector
from facespace.space.face_space import FaceSpace

CELEBA = align.TEMPLATES["celeba"]
SAMPLES = 12  # samples of the space in which landmarks are detected
SMALLEST = 18.0  # pixels between the eyes, below which a face has too little detail
ENLARGED = 256  # pixels to which a sample is enlarged, by a whole factor, before landmarks are detected in it
YIELD = 0.01  # seconds for which the background work waits for a photograph
MOST_FACES = 12  # in the reply about one photograph


class Photos:
    """Detects and aligns faces for one space. The detector is loaded at the first photograph."""

    def __init__(self, space: FaceSpace) -> None:
        self.space = space
        self._waiting = 0  # photographs that wait for the detector
        self._one_at_a_time = threading.Lock()  # OpenCV's detectors are not thread-safe
        self._seen: list[np.ndarray | None] = []  # landmarks of the samples, None where no face was detected

    @cached_property
    def _detector(self) -> Detector:
        weights = local_yunet()  # nothing is downloaded: the page works offline
        return open_detector("yunet", weights) if weights else open_detector("haar")

    @cached_property
    def template(self) -> FaceTemplate:
        """The landmarks' places before the space's own crop: CelebA's layout if the space was trained on it,
        else medians over samples of the space, in the encoder's input."""
        if self._celeba:
            return CELEBA
        fit = self.space.template
        self.detect_in_samples()
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

    def detect_in_samples(self, pause: Callable[[], None] = lambda: None) -> None:
        """Detects landmarks in the remaining samples, which the template needs. Each may take the detector a
        second, so a photograph does not wait for all: `pause` is called before each, and the detector is free
        in between."""
        while not self._celeba and len(self._seen) < SAMPLES:
            pause()
            while self._waiting:  # a lock is not fair: without this, a photograph may wait for all samples
                time.sleep(YIELD)
            with self._one_at_a_time:
                if len(self._seen) < SAMPLES:
                    self._seen.append(self._own_points(self._drawn[len(self._seen)]))

    def detect(self, pixels: np.ndarray) -> Header:
        """Faces in a photograph (H, W, 3), the largest first: their landmarks in pixels (null where unknown),
        box, distance of the eyes in pixels, and whether that is too small. `detector_error` is a sentence if
        no detector is available."""
        photo = Image.fromarray(pixels)
        self._waiting += 1
        try:
            with self._one_at_a_time:
                found = self._detector(photo)
        except UsageError:
            raise
        except FacespaceError as error:
            return {"faces": [], "detector": None, "detector_error": str(error)}
        finally:
            self._waiting -= 1
        ranked = sorted(found, key=lambda face: -face.eye_distance)
        faces = [_describe(face) for face in ranked[:MOST_FACES]]
        return {"faces": faces, "detector": self._detector.name, "detector_error": None}

    def score(self, face: np.ndarray) -> float | None:
        """How sure the detector is that a decoded face (H, W, C) shows a face, in [0, 1]; None without
        YuNet, since the older detector gives no such score."""
        try:
            detector = self._detector
        except FacespaceError:
            return None
        if not isinstance(detector, YuNet):
            return None
        with self._one_at_a_time:
            return detector.score(_as_image(face))

    def align(self, pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The face with these landmarks (5, 2), aligned for the encoder, uint8 (H, W, C). Raises ImageError
        for landmarks that fit no face."""
        face = FoundFace((0, 0, 0, 0), points, 1.0)
        return self.space.fit(align.align(Image.fromarray(pixels), face, self.template))[0]

    def _own_points(self, face: np.ndarray) -> np.ndarray | None:
        """The landmarks of one sample (H, W, C), in pixels of the encoder's input; None if no face is
        detected."""
        image = _as_image(face)
        times = max(1, round(ENLARGED / max(image.size)))
        large = image.resize((image.width * times, image.height * times), Image.Resampling.BICUBIC)
        try:
            found = self._detector(large, upright=True)
        except FacespaceError:
            return None
        if not found:
            return None
        fit = self.space.template
        shift = (fit.width - face.shape[1]) / 2, (fit.height - face.shape[0]) / 2
        return found[0].points / times + shift


def _as_image(face: np.ndarray) -> Image.Image:
    return Image.fromarray(face[..., 0] if face.shape[-1] == 1 else face).convert("RGB")


def _describe(face: FoundFace) -> Header:
    return {
        "points": _as_lists(face.points),
        "box": [round(side, 1) for side in face.box],
        "eye_distance": round(face.eye_distance, 1),
        "small": face.eye_distance < SMALLEST,
    }


def _as_lists(points: np.ndarray) -> list[list[float] | None]:
    pairs: list[list[float] | None] = []
    for x, y in points.tolist():
        known = np.isfinite([x, y]).all()
        pairs.append([round(x, 2), round(y, 2)] if known else None)
    return pairs


def _typical(found: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Medians of landmarks (N, P, 2) over faces, (P, 2). Landmarks that the detector never finds (Haar
    cascades find eyes alone) have their places in the `usual` (P, 2) layout."""
    points = np.full_like(usual, np.nan)
    for place in range(len(usual)):
        seen = found[~np.isnan(found[:, place, 0]), place]
        if len(seen):
            points[place] = np.median(seen, axis=0)
    return np.where(np.isnan(points), align.apply(align.similarity(usual, points), usual), points)
