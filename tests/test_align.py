"""What aligning and finding faces promise: the maths without OpenCV, the detectors on real photographs where both are
at hand."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facespace.core.errors import FacespaceError, ImageError, UsageError
from facespace.image import detectors, face_search
from facespace.image.align import (
    TEMPLATES,
    FoundFace,
    align,
    apply,
    invert,
    quality,
    sharpness,
    similarity,
    warp,
)

CELEBA = TEMPLATES["celeba"]


def turn(degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    """A (2, 3) similarity, written out anew."""
    angle = np.radians(degrees)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([(cos, -sin, shift[0]), (sin, cos, shift[1])])


def face_at(matrix: np.ndarray, score: float = 0.9) -> FoundFace:
    """A face whose points are the template's, moved by a matrix."""
    return FoundFace((0, 0, 1, 1), apply(matrix, CELEBA.points), score)


# --- similarity


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"), [(0, 1, (0, 0)), (17, 0.3, (-40, 9)), (-160, 8, (1e3, -5e3))]
)
def test_a_known_similarity_is_recovered(degrees, scale, shift):
    truth = turn(degrees, scale, shift)
    np.testing.assert_allclose(similarity(CELEBA.points, apply(truth, CELEBA.points)), truth, atol=1e-9)


def test_points_that_are_unknown_do_not_count():
    truth = turn(12, 1.5, (3, 4))
    points = CELEBA.points.copy()
    points[2:] = np.nan
    np.testing.assert_allclose(similarity(points, apply(truth, CELEBA.points)), truth, atol=1e-9)


def test_no_result_is_mirrored_or_sheared():
    random = np.random.default_rng(0)
    cases = [(CELEBA.points * (-1, 1), CELEBA.points)] + [
        tuple(random.normal(size=(2, 5, 2))) for _ in range(50)
    ]
    for points, target in cases:
        matrix = similarity(points, target)[:, :2]
        assert np.linalg.det(matrix) > 0
        np.testing.assert_allclose(matrix.T @ matrix, np.linalg.det(matrix) * np.eye(2), atol=1e-9)


def test_no_similarity_nearby_fits_better():
    random = np.random.default_rng(1)
    points, target = random.normal(size=(2, 5, 2))
    weights = (1.0, 1.0, 0.5, 0.3, 0.3)

    def cost(matrix):
        return np.array(weights) @ ((apply(matrix, points) - target) ** 2).sum(1)

    best = similarity(points, target, weights)
    for a, b, x, y in random.normal(scale=0.05, size=(50, 4)):
        assert cost(best) <= cost(best + np.array([(a, -b, x), (b, a, y)]))


@pytest.mark.parametrize("known", [0, 1])
def test_too_few_points_are_an_error(known):
    points = np.full((5, 2), np.nan)
    points[:known] = 3.0
    with pytest.raises(ImageError, match="face points"):
        similarity(points, CELEBA.points)


def test_points_in_one_place_are_an_error():
    with pytest.raises(ImageError):
        similarity(np.ones((5, 2)), CELEBA.points)


# --- align


def painted(matrix: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A gray photo with a red and a green disc, smooth at the rim, on the eyes of the template moved by a matrix."""
    pixels = np.full((size[1], size[0], 3), 120.0)
    y, x = np.indices(pixels.shape[:2]) + 0.5
    radius = 9 * np.sqrt(np.linalg.det(matrix[:, :2]))
    for channel, (u, v) in enumerate(apply(matrix, CELEBA.points)[:2]):
        cover = (radius + 0.5 - np.hypot(x - u, y - v)).clip(0, 1)[..., None]
        pixels += cover * (255 * (np.arange(3) == channel) - pixels)
    return Image.fromarray(pixels.round().astype(np.uint8))


def centre(image: Image.Image, channel: int) -> np.ndarray:
    """The centroid (x, y) of what is brighter than gray in one channel."""
    weight = (np.asarray(image).astype(float)[..., channel] - 130).clip(0)
    y, x = np.indices(weight.shape) + 0.5
    return np.array((np.average(x, weights=weight), np.average(y, weights=weight)))


@pytest.mark.parametrize(
    ("degrees", "scale", "shift", "size"),
    [
        (0, 1.0, (0, 0), (178, 218)),
        (25, 0.8, (150, 40), (400, 300)),  # enlarged
        (-30, 1.7, (30, 200), (600, 600)),  # shrunk a little
        (10, 5.0, (500, 100), (1500, 1400)),  # shrunk a lot
    ],
)
def test_the_eyes_come_to_the_templates_places(degrees, scale, shift, size):
    matrix = turn(degrees, scale, shift)
    aligned = align(painted(matrix, size), face_at(matrix), CELEBA)
    assert aligned.size == (178, 218) and aligned.mode == "RGB"
    for channel in (0, 1):
        assert np.abs(centre(aligned, channel) - CELEBA.points[channel]).max() < 0.35


def test_an_untouched_picture_stays_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (218, 178, 3), np.uint8)
    aligned = np.asarray(align(Image.fromarray(pixels), face_at(turn(0, 1, (0, 0))), CELEBA))
    assert np.abs(aligned.astype(int) - pixels).max() <= 1


def test_outside_the_photo_there_is_no_black():
    photo = Image.new("RGB", (120, 90), (200, 160, 140))
    for where in (turn(30, 1, (-40, -60)), turn(0, 0.2, (100, 80)), turn(180, 3, (-500, 4000))):
        assert np.asarray(align(photo, face_at(where), CELEBA)).min() >= 138


def test_a_much_shrunk_checkerboard_turns_gray():
    pixels = np.kron(np.indices((900, 900)).sum(0) % 2, np.ones((2, 2)))
    photo = Image.fromarray(np.uint8(pixels * 255)).convert("RGB")
    aligned = np.asarray(align(photo, face_at(turn(20, 5, (500, 100))), CELEBA)).astype(float)
    assert abs(aligned[50:-50, 50:-50].mean() - 127.5) < 4 and aligned[50:-50, 50:-50].std() < 8


def test_the_photo_itself_is_not_blurred_at_its_edge():
    pixels = np.random.default_rng(0).integers(0, 256, (218, 178, 3), np.uint8)
    aligned = np.asarray(align(Image.fromarray(pixels), face_at(turn(0, 1, (-20, 0))), CELEBA))
    assert np.abs(aligned[:, 20:].astype(int) - pixels[:, :-20]).max() <= 1


def test_invert_undoes():
    matrix = turn(33, 0.4, (7, -8))
    np.testing.assert_allclose(apply(invert(matrix), apply(matrix, CELEBA.points)), CELEBA.points)


# --- quality


def test_quality_says_how_large_sharp_and_whole_a_face_is():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (218, 178, 3), np.uint8))
    whole = quality(face_at(turn(0, 1, (0, 0))), noise)
    assert whole["inside"] == 1 and whole["score"] == 0.9
    assert whole["eye_distance"] == pytest.approx(np.linalg.norm(CELEBA.points[1] - CELEBA.points[0]))
    assert quality(face_at(turn(0, 1, (89, 0))), noise)["inside"] == pytest.approx(0.5, abs=0.01)
    assert quality(face_at(turn(0, 1, (-500, 0))), noise)["inside"] == 0
    assert whole["sharpness"] > 10 * quality(face_at(turn(0, 0.2, (60, 60))), noise)["sharpness"]


def test_a_flat_picture_has_no_sharpness():
    assert sharpness(Image.new("RGB", (40, 30), "red")) == 0
    assert sharpness(Image.new("RGB", (1, 1))) == 0


# --- choosing a detector, without OpenCV


def test_importing_loads_neither_opencv_nor_torch():
    code = "import sys, facespace.image.align, facespace.image.detectors as d; print({'cv2', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_without_opencv_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    for name in ("yunet", "haar"):
        with pytest.raises(FacespaceError, match=r"pip install '.*\[align\]'"):
            detectors.open_detector(name)


def test_an_unknown_detector_names_the_known_ones():
    with pytest.raises(UsageError, match="Did you mean 'yunet'"):
        detectors.open_detector("yunett")


def test_weights_that_are_missing_or_others_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv(detectors.YUNET_VARIABLE, raising=False)
    with pytest.raises(FacespaceError, match="not a file"):
        detectors.yunet_weights(tmp_path / "none.onnx")
    (tmp_path / "other.onnx").write_bytes(b"other")
    with pytest.raises(FacespaceError, match="SHA-256"):
        detectors.yunet_weights(tmp_path / "other.onnx")
    monkeypatch.setenv(detectors.YUNET_VARIABLE, str(tmp_path / "other.onnx"))
    with pytest.raises(FacespaceError, match="SHA-256"):
        detectors.yunet_weights()


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """A cache that is empty and a network that is not there; gives the list of what was asked for."""
    import facespace.core.fetch as fetching

    asked = []

    def fetch(url, to, *, sha256, tries):
        asked.append((url, to, sha256))
        raise fetching.FetchError("No network.")

    monkeypatch.delenv(detectors.YUNET_VARIABLE, raising=False)
    monkeypatch.setattr(fetching, "fetch", fetch)
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    return asked


def test_without_a_network_auto_takes_haar_and_says_so(no_network, capsys):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    assert detectors.open_detector().name == "haar"
    assert "Haar" in capsys.readouterr().err
    assert no_network[0][0] == detectors.YUNET_URL and no_network[0][2] == detectors.YUNET_SHA256
    with pytest.raises(FacespaceError, match="No network"):
        detectors.open_detector("yunet")


def test_a_wrong_file_is_not_passed_over_by_auto(no_network, tmp_path):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    (tmp_path / "other.onnx").write_bytes(b"other")
    with pytest.raises(FacespaceError, match="SHA-256"):
        detectors.open_detector("auto", tmp_path / "other.onnx")


# --- the pair of eyes

TYPICAL = np.array([(0.3, 0.4), (0.7, 0.4)])


def test_two_plausible_eyes_are_taken():
    seen = np.array([(0.32, 0.41, 9), (0.69, 0.38, 5), (0.5, 0.6, 30)])
    eyes, sure = detectors.pair_eyes(seen, TYPICAL)
    np.testing.assert_allclose(eyes, seen[:2, :2])
    assert sure == 1


def test_a_missing_eye_is_inferred_and_none_is_typical():
    eyes, sure = detectors.pair_eyes(np.array([(0.32, 0.41, 9.0)]), TYPICAL)
    np.testing.assert_allclose(eyes, TYPICAL + np.array((0.02, 0.01)))
    assert sure < 1
    eyes, worse = detectors.pair_eyes(np.empty((0, 3)), TYPICAL)
    np.testing.assert_array_equal(eyes, TYPICAL)
    assert worse < sure


# --- finding, with a detector that is made up


class Marks:
    """Sees a face wherever a red and a green disc lie level; what lies askew it does not see."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, pixels: np.ndarray) -> list[FoundFace]:
        self.looks += 1
        image = Image.fromarray(pixels)
        eyes = np.array([centre(image, 0), centre(image, 1)])
        if eyes[0, 0] > eyes[1, 0]:
            eyes = eyes[::-1]  # seen in the mirror
        across, down = eyes[1] - eyes[0]
        if abs(down) > 0.3 * across:
            return []
        points = np.vstack((eyes, np.full((3, 2), np.nan)))
        return [FoundFace((eyes[0, 0], eyes[0, 1], across, across), points, 0.8)]


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (8, 0.4), (40, 1), (-35, 5)])
def test_points_come_back_in_the_photos_pixels(degrees, scale):
    matrix = turn(degrees, scale, (150 * scale, 150 * scale))
    face = painted(matrix, (int(450 * scale), int(500 * scale)))
    found = face_search.search(Marks(), face, CELEBA.framed(2.0, 384, 448))
    assert len(found) == 1
    assert np.abs(found[0].points[:2] - apply(matrix, CELEBA.points)[:2]).max() < 1.5 * max(1, scale)


# --- real photographs


@pytest.fixture(params=["yunet", "haar"])
def detector(request, real: Path):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    if request.param == "haar":
        return detectors.open_detector("haar")
    weights = real.parent / "models" / "face_detection_yunet_2023mar.onnx"
    if not weights.is_file():
        pytest.skip(f"YuNet's weights are not at {weights}")
    return detectors.open_detector("yunet", weights)


def some(folder: Path, count: int) -> list[Image.Image]:
    files = sorted(folder.glob("*.jpg"))
    assert files, f"no photos in {folder}"
    return [Image.open(file).convert("RGB") for file in files[:: max(1, len(files) // count)][:count]]


def test_faces_are_found_in_photos(detector, real):
    photos = some(real / "photos-unaligned", 12)
    found = [detector(photo) for photo in photos]
    assert sum(map(bool, found)) >= (12 if detector.name == "yunet" else 10)
    for faces in found:
        areas = [face.box[2] * face.box[3] for face in faces]
        assert areas == sorted(areas, reverse=True)
        for face in faces:
            assert 0 <= face.score <= 1 and face.points.shape == (5, 2)
            assert face.points[0, 0] < face.points[1, 0]
            assert np.isfinite(face.points if detector.name == "yunet" else face.points[:2]).all()


def test_a_warped_celeba_face_comes_back_to_its_place(detector, real):
    errors = []
    for number, photo in enumerate(some(real / "celeba" / "img_align_celeba", 10)):
        moved = turn((-20, 0, 20)[number % 3], (0.8, 1.2)[number % 2], (25, 10))
        eyes = [face.points[:2] for face in detector(photo)[:1]]
        for face in detector(warp(photo, moved, 300, 320))[:1] if eyes else []:
            there = apply(similarity(face.points, CELEBA.points), apply(moved, eyes[0]))
            errors.append(np.linalg.norm(there - eyes[0], axis=1).mean())
    assert len(errors) >= (10 if detector.name == "yunet" else 6) and np.median(errors) < 3


def test_strong_rolls_small_faces_and_close_cuts_are_found(detector, real):
    photos = some(real / "celeba" / "img_align_celeba", 4)
    rolled = [photo.rotate(angle, expand=True) for photo, angle in zip(photos, (40, -40) * 2)]
    small = [photo.resize((41, 50), Image.Resampling.LANCZOS) for photo in photos]  # about 20 px a face
    close = [photo.crop((40, 60, 138, 188)) for photo in photos]
    shares = [np.mean([bool(detector(photo)) for photo in group]) for group in (rolled, small, close)]
    assert min(shares) >= (0.9 if detector.name == "yunet" else 0.5), shares


def test_upright_faces_are_found_alone_where_that_is_asked_for(detector, real):
    photos = some(real / "celeba" / "img_align_celeba", 6)
    found = [faces for photo in photos if (faces := detector(photo, upright=True))]
    assert len(found) >= 4
    for photo in photos:
        for alone, as_it_is in zip(detector(photo, upright=True), detector(photo)):
            np.testing.assert_array_equal(alone.points, as_it_is.points)
        assert not any(face.score > 0.9 for face in detector(photo.rotate(180), upright=True))
    if detector.name == "yunet":
        turned = [detector(photo.rotate(180))[0].points for photo in photos]
        assert all(points[0, 1] > points[3, 1] for points in turned)  # the eyes below the mouth


def test_a_detector_travels_to_a_worker(detector, real):
    photo = some(real / "photos-unaligned", 1)[0]
    here, there = detector(photo), pickle.loads(pickle.dumps(detector))(photo)
    np.testing.assert_array_equal([face.points for face in here], [face.points for face in there])


def test_a_picture_without_a_face_gives_none(detector):
    assert detector(Image.new("RGB", (300, 200), "gray")) == []
    assert detector(Image.new("RGB", (1, 1))) == []
