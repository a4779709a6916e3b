"""Whether `prepare` aligns the photographs of a folder by itself."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facespace
from facespace.core.console import quiet
from facespace.core.errors import FacespaceError
from facespace.data import layout
from facespace.data.faces import Face
from facespace.image import detectors
from facespace.image.align import TEMPLATES, FoundFace

POINTS = TEMPLATES["celeba"].points


def listed(folder: Path, sizes: list[tuple[int, int]]) -> list[Face]:
    faces = []
    for number, size in enumerate(sizes):
        Image.new("RGB", size, (number, 90, 120)).save(folder / f"{number:02d}.png")
        faces.append(Face(f"{number:02d}.png", folder / f"{number:02d}.png"))
    return faces


@pytest.fixture
def sees(monkeypatch):
    """Lets the detector see, in the picture whose red is n, the face with the n-th landmarks, None for no face."""

    def place(points: list) -> None:
        def detector(image):
            found = points[np.asarray(image)[0, 0, 0]]
            return [] if found is None else [FoundFace((0, 0, 50, 50), found, 0.9)]

        monkeypatch.setattr(layout, "open_detector", lambda: detector)

    return place


SIZES = [(300, 320)] * 10


def test_faces_at_one_place_are_left_where_they_are(sees, tmp_path):
    rng = np.random.default_rng(0)
    sees([POINTS + rng.normal(0, 3, 2) for _ in SIZES])
    found = layout.look(listed(tmp_path, SIZES))
    assert found == (10, 10, True) and not found.unaligned and "taken whole" in found.note


@pytest.mark.parametrize("change", ["shift", "scale", "roll"])
def test_faces_anywhere_are_aligned(sees, tmp_path, change):
    rng = np.random.default_rng(0)
    points = []
    for _ in SIZES:
        shift, scale = rng.uniform(0, 120, 2), rng.uniform(0.5, 1.5)
        angle = np.radians(rng.uniform(-20, 20))
        turned = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
        changed = {"shift": POINTS + shift, "scale": POINTS * scale, "roll": POINTS @ turned.T}
        points.append(changed[change])
    sees(points)
    found = layout.look(listed(tmp_path, SIZES))
    assert found == (10, 10, False) and found.unaligned and "faces were aligned" in found.note


def test_pictures_mostly_without_faces_are_taken_whole(sees, tmp_path):
    sees([POINTS * (1 + n) if n < 5 else None for n in range(10)])
    found = layout.look(listed(tmp_path, SIZES))
    assert found.faces == 5 and not found.unaligned and "too few" in found.note


def test_small_pictures_are_not_looked_at(monkeypatch, tmp_path):
    monkeypatch.setattr(layout, "open_detector", lambda: pytest.fail("no detector is needed"))
    found = layout.look(listed(tmp_path, [(64, 64)] * 4))
    assert found.photographs == 0 and not found.unaligned and not found.note


def test_without_a_detector_pictures_are_taken_whole(monkeypatch, tmp_path):
    def none():
        raise FacespaceError("no OpenCV")

    monkeypatch.setattr(layout, "open_detector", none)
    assert not layout.look(listed(tmp_path, SIZES)).unaligned


def test_only_a_folder_without_a_crop_is_looked_at(monkeypatch, tmp_path, cli):
    looked = []
    monkeypatch.setattr(
        "facespace.data.prepare.look", lambda faces: looked.append(1) or layout.Layout(0, 0, True)
    )
    (tmp_path / "p").mkdir()
    listed(tmp_path / "p", [(160, 160)] * 3)
    for number, options in enumerate(
        (["--crop", "center-148"], ["--cropped", "center-148"], ["--align", "no"], [])
    ):
        assert not looked
        code, _, err = cli(
            "prepare", "folder", tmp_path / "p", "--to", tmp_path / f"s{number}", "--size", 16, *options
        )
        assert code == 0, err
    assert looked == [1]
    with quiet():
        facespace.prepare("folder", tmp_path / "p", to=tmp_path / "library", size=16)
    assert looked == [1]


def test_the_options_of_the_detector_mean_that_faces_are_aligned():
    from facespace.cli.data import AlignOptions

    assert AlignOptions().spec() == "auto" and AlignOptions("no", detector="haar").spec() == "no"
    assert AlignOptions(every_face=True).spec().all_faces and AlignOptions("yes").spec().detector == "auto"


@pytest.mark.parametrize(
    ("pattern", "aligned"),
    [
        ("portraits-cc0/*/*.jpg", True),
        ("photos-unaligned/*.jpg", True),
        ("celeba/img_align_celeba/*.jpg", False),
    ],
)
def test_real_folders_are_aligned_where_they_have_to_be(real, monkeypatch, tmp_path, pattern, aligned):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    monkeypatch.setenv(
        detectors.YUNET_VARIABLE, str(real.parent / "models/face_detection_yunet_2023mar.onnx")
    )
    files = sorted(real.glob(pattern))
    (tmp_path / "p").mkdir()
    for number, file in enumerate(files[:: len(files) // 24][:24]):
        shutil.copy(file, tmp_path / "p" / f"{number}.jpg")
    with quiet():
        faces = facespace.prepare("folder", tmp_path / "p", to=tmp_path / "auto", align="auto", size=32)
        whole = facespace.prepare("folder", tmp_path / "p", to=tmp_path / "whole", size=32)
    assert ("alignment" in faces.card) == aligned and faces.template.has_celeba_layout
    assert np.array_equal(faces.images[:], whole.images[:]) != aligned or len(faces) < len(whole)
    assert any("photographs looked at show a face" in note for note in faces.card["notes"])
