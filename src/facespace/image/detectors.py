"""Finding faces in photographs: YuNet, a small network, and the older Haar cascades, both run by OpenCV,
which is imported only when a detector is opened. align.py uses the faces that are found."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from facespace.core.cache import cache_folder
from facespace.core.errors import FacespaceError, UsageError, choose
from facespace.core.extras import install_command
from facespace.core.files import sha256
from facespace.core.once import note_once, remember, shown_since
from facespace.image.align import TEMPLATES, FoundFace
from facespace.image.face_search import search

YUNET_URL = (
    "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
    "face_detection_yunet_2023mar.onnx"
)
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"  # MIT licence
YUNET_VARIABLE = "FACESPACE_YUNET"  # names a file with the weights

FALLBACK = "haar-for-yunet"  # the name of the note, and of the file that remembers when it was shown
RETRY = 24 * 3600.0  # seconds between two downloads that fail

CELEBA = TEMPLATES["celeba"]
SCORED, SCORE_MARGIN = 256, 32  # pixels of the longer side and around a face whose score is asked for


class Detector(Protocol):
    """Finds the faces in an RGB picture, the largest first. Where all are `upright`, turned ones are not
    looked for, which takes most of the time in a picture without a face."""

    name: str

    def __call__(self, image: Image.Image, upright: bool = False) -> list[FoundFace]: ...


class YuNet:
    """Wu et al., "YuNet: A Tiny Millisecond-level Face Detector" (2023). Gives all five points."""

    name = "yunet"
    # Of CelebA's layout at 0.5 to 2 times its size, 2 gave the steadiest points (noise 1.2 px, against 1.4 at
    # 1.5 times).
    frame = CELEBA.framed(2.0, 384, 448)
    # Of 60 photographs (30 news photographs, 30 portraits) the best score is 0.915 or more for 57 that are
    # upright, and 0.912 or less for all that are turned by a quarter or a half.
    sure = 0.915
    least = 8.0
    fast = True

    def __init__(self, weights: Path, threshold: float = 0.6) -> None:
        self.weights, self.threshold = weights, threshold
        overlap, most = 0.3, 500
        self._net = opencv().FaceDetectorYN.create(str(weights), "", (320, 320), threshold, overlap, most)

    def __reduce__(self) -> tuple:
        return YuNet, (self.weights, self.threshold)  # a worker process opens its own

    def __call__(self, image: Image.Image, upright: bool = False) -> list[FoundFace]:
        return search(self._look, image, self.frame, self.sure, self.least, self.fast, upright)

    def score(self, face: Image.Image) -> float:
        """How sure the detector is that an upright face fills a picture, in [0, 1]; 0 below its threshold.
        Of 48 faces that a space decodes the lowest score was 0.93; of scribbles 0 to 0.93."""
        scale = SCORED / max(face.size)
        width, height = (round(side * scale) for side in face.size)
        large = np.asarray(face.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
        padded = np.pad(large, ((SCORE_MARGIN,) * 2, (SCORE_MARGIN,) * 2, (0, 0)), mode="edge")
        return max((found.score for found in self._look(padded)), default=0.0)

    def _look(self, pixels: np.ndarray) -> list[FoundFace]:
        self._net.setInputSize((pixels.shape[1], pixels.shape[0]))
        rows = self._net.detect(np.ascontiguousarray(pixels[..., ::-1]))[1]  # (N, 15), from BGR
        if rows is None:
            return []
        return [_from_row(row.astype(float)) for row in rows]


def _from_row(row: np.ndarray) -> FoundFace:
    left, top, width, height = row[:4].tolist()
    return FoundFace((left, top, width, height), row[4:14].reshape(5, 2), float(row[14].clip(0, 1)))


class Haar:
    """Viola and Jones (2001) with the cascades of OpenCV 4. Gives the eyes only, less exactly."""

    name = "haar"
    frame = CELEBA.framed(1.0, 224, 224)
    sure = 0.0  # its votes say nothing about the turn, and turned faces are hardly ever found
    least = 13.0
    fast = False
    side = 200  # pixels that a found face is brought to before its eyes are looked for
    typical = np.array(
        [(0.30, 0.38), (0.70, 0.38)]
    )  # where eyes mostly lie in a found box, as shares of its side

    def __init__(self) -> None:
        self._face = _cascade("haarcascade_frontalface_alt2.xml")
        self._eyes = [_cascade("haarcascade_eye.xml"), _cascade("haarcascade_eye_tree_eyeglasses.xml")]

    def __reduce__(self) -> tuple:
        return Haar, ()

    def __call__(self, image: Image.Image, upright: bool = False) -> list[FoundFace]:
        return search(self._look, image, self.frame, self.sure, self.least, self.fast, upright)

    def _look(self, pixels: np.ndarray) -> list[FoundFace]:
        cv2 = opencv()
        gray = cv2.equalizeHist(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
        boxes, votes = self._face.detectMultiScale2(gray, scaleFactor=1.1, minNeighbors=4, minSize=(32, 32))
        return [self._face_in(gray, box, int(vote)) for box, vote in zip(boxes, votes)]

    def _face_in(self, gray: np.ndarray, box: np.ndarray, votes: int) -> FoundFace:
        left, top, side = map(int, box[:3])
        eyes, sure = pair_eyes(self._eye_candidates(gray[top : top + side, left : left + side]), self.typical)
        points = np.full((5, 2), np.nan)
        points[:2] = eyes * side + (left, top)
        return FoundFace((left, top, side, side), points, sure * votes / (votes + 5))

    def _eye_candidates(self, face: np.ndarray) -> np.ndarray:
        """(N, 3): x and y as shares of the box's side, and votes."""
        top, bottom = self.side // 8, self.side * 5 // 8
        upper = opencv().resize(face, (self.side, self.side))[top:bottom]
        found = []
        for cascade in self._eyes:
            boxes, votes = cascade.detectMultiScale2(
                upper, scaleFactor=1.07, minNeighbors=2, minSize=(24, 24)
            )
            for (x, y, width, height), count in zip(boxes, votes):
                found.append((x + width / 2, y + height / 2 + top, count * self.side))
        return np.array(found, float).reshape(-1, 3) / self.side


def pair_eyes(candidates: np.ndarray, typical: np.ndarray) -> tuple[np.ndarray, float]:
    """From candidates (N, 3) x, y, votes the (2, 2) centres of the eyes, and a factor for the score: 1 if a
    plausible pair was found, 0.7 if one eye was and the other is inferred from it, 0.5 if both are only
    `typical` (2, 2)."""
    left, right = _eye(candidates, typical[0]), _eye(candidates, typical[1])
    if left is None and right is None:
        return typical, 0.5
    if left is None:
        return typical + (right - typical[1]), 0.7
    if right is None:
        return typical + (left - typical[0]), 0.7
    across, down = right - left
    if 0.25 < across < 0.6 and abs(down) < 0.5 * across:
        return np.array((left, right)), 1.0
    return typical, 0.5


def _eye(candidates: np.ndarray, typical: np.ndarray) -> np.ndarray | None:
    """The mean of the candidates around the most likely one for one eye."""
    distance = np.linalg.norm(candidates[:, :2] - typical, axis=1)
    weight = np.where(distance < 0.16, candidates[:, 2] * np.exp(-((distance / 0.08) ** 2)), 0)
    if weight.sum() == 0:
        return None
    near = np.linalg.norm(candidates[:, :2] - candidates[weight.argmax(), :2], axis=1) < 0.06
    return np.average(candidates[near, :2], axis=0, weights=weight[near])


def open_detector(name: str = "auto", weights: Path | None = None) -> Detector:
    """The detector of that name. `auto` is YuNet, or Haar with a note where YuNet's weights are not
    available."""
    return choose(DETECTORS, name, "detector")(weights)


def resolve(name: str, weights: Path | None = None) -> tuple[str, Path | None]:
    """The detector and weights that a name selects on this machine. Downloads the weights where needed and
    opens no detector, since each worker process opens its own. Where the download fails, `auto` selects Haar,
    says so once, and tries again a day later."""
    from facespace.core.fetch import FetchError

    choose(DETECTORS, name, "detector")
    opencv()
    if name == "haar":
        return name, weights
    if name == "yunet":
        return name, yunet_weights(weights)
    if weights is None and _failed_lately():
        return "haar", None
    try:
        return "yunet", yunet_weights(weights, tries=1)
    except FetchError as error:
        note_once(
            FALLBACK,
            f"{error} Or give the file: {YUNET_VARIABLE}=FILE, or --weights FILE of facespace prepare. "
            "Until then faces are found with OpenCV's Haar cascades, which are slower and less exact.",
        )
        remember(FALLBACK)
        return "haar", None


def _failed_lately() -> bool:
    """Whether the weights could not be fetched within the last day, and are not at hand since."""
    named = os.environ.get(YUNET_VARIABLE)
    return not named and local_yunet() is None and shown_since(FALLBACK, RETRY)


def _open_auto(weights: Path | None) -> Detector:
    return open_detector(*resolve("auto", weights))


def _open_yunet(weights: Path | None) -> Detector:
    opencv()
    return YuNet(yunet_weights(weights))


def _open_haar(weights: Path | None) -> Detector:
    if weights is not None:
        raise UsageError(
            f"The haar detector takes no weights, but {weights} was given. Leave it out, or take yunet."
        )
    return Haar()


DETECTORS: dict[str, Callable[[Path | None], Detector]] = {
    "auto": _open_auto,
    "yunet": _open_yunet,
    "haar": _open_haar,
}


def local_yunet() -> Path | None:
    """The path of YuNet's weights, if they are on this machine; nothing is downloaded."""
    places = (os.environ.get(YUNET_VARIABLE, ""), cache_folder() / YUNET_URL.rsplit("/", 1)[1])
    for place in places:
        if place and Path(place).is_file():
            return Path(place)
    return None


def yunet_weights(given: Path | None = None, tries: int | None = None) -> Path:
    """YuNet's weights: the given file, else that of FACESPACE_YUNET, else the cached one, else a download
    with so many `tries`."""
    from facespace.core.fetch import fetch

    if given is None and os.environ.get(YUNET_VARIABLE):
        given = Path(os.environ[YUNET_VARIABLE])
    if given is None:
        to = cache_folder() / YUNET_URL.rsplit("/", 1)[1]
        cached = to.is_file() and sha256(to) == YUNET_SHA256
        if cached:
            return to
        return fetch(YUNET_URL, to, sha256=YUNET_SHA256, tries=tries)
    if not given.is_file():
        raise FacespaceError(f"{given} is not a file. YuNet's weights are at {YUNET_URL}")
    if sha256(given) != YUNET_SHA256:
        raise FacespaceError(
            f"{given} is not the YuNet of 2023-03 (its SHA-256 differs). Fetch it from {YUNET_URL}"
        )
    return given


def opencv() -> Any:
    """The module cv2. Raises FacespaceError where OpenCV is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise FacespaceError(f"Finding faces needs OpenCV. Run: {install_command('align')}") from error
    cv2.setNumThreads(1)  # photographs are spread over processes, which would compete for cores
    return cv2


def _cascade(name: str) -> Any:
    cv2 = opencv()
    return cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / name))
