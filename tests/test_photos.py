"""Photographs for a space: which are aligned, which are taken as they are, and what is said about it."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facespace
from facespace.cli.options import complete_align
from facespace.core import once
from facespace.core.errors import FacespaceError, UsageError
from facespace.data import aligned_photos
from facespace.data.aligned_photos import NoFaceError, PhotoReader, read_photos
from facespace.image import detectors
from facespace.image.align import TEMPLATES, FoundFace
from facespace.image.photos import Template
from facespace.image.placement import lies_in_crop, placement

CELEBA = TEMPLATES["celeba"]
SPACE = Template(64, 64, 3, "center-148", source=(218, 178))


def moved(scale: float = 1, degrees: float = 0, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    """CelebA's landmarks, scaled and rotated about the middle of its picture, then shifted by pixels."""
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    around = CELEBA.points - (89, 109)
    return around @ np.array([(cos, -sin), (sin, cos)]).T + (89, 109) + shift


# --- where a face lies


@pytest.mark.parametrize("template", [SPACE, Template(171, 186, 1, "center-148", (218, 178))])
def test_the_usual_landmarks_lie_in_the_crop(template):
    """Of a whole picture of CelebA at any scale, and of a prepared face at any size."""
    for scale in (0.5, 1, 3.25):
        size = round(178 * scale), round(218 * scale)
        assert placement(CELEBA.points * scale, template, size) == pytest.approx((1, 0, 0), abs=0.02)
        assert lies_in_crop(CELEBA.points * scale, template, size)
    for scale in (1, 2, 4):
        size = template.width * scale, template.height * scale
        assert placement(template.points * scale, template, size) == pytest.approx((1, 0, 0), abs=1e-6)


def test_points_of_a_template_are_where_prepare_puts_them():
    """Also where the crop is trimmed to faces that are not square."""
    for shape in ((64, 64), (171, 186), (90, 60)):
        template = Template(*shape, 3, "center-148", (218, 178))
        for point, place in zip(CELEBA.points, template.points):
            x, y = np.meshgrid(np.arange(178) + 0.5, np.arange(218) + 0.5)
            disc = np.uint8(255 * (np.hypot(x - point[0], y - point[1]) < 4))
            found = template.prepare(Image.fromarray(disc).convert("RGB"))[..., 0].astype(float)
            rows, columns = np.indices(found.shape) + 0.5
            centre = (columns * found).sum() / found.sum(), (rows * found).sum() / found.sum()
            assert centre == pytest.approx(tuple(place), abs=0.25)


@pytest.mark.parametrize(
    ("change", "inside"),
    [
        ({"scale": 0.88}, True),
        ({"scale": 1.15}, True),
        ({"scale": 0.7}, False),
        ({"scale": 1.4}, False),
        ({"degrees": 6}, True),
        ({"degrees": -15}, False),
        ({"shift": (4, 4)}, True),
        ({"shift": (15, 0)}, False),
        ({"shift": (0, -15)}, False),
    ],
)
def test_a_face_that_lies_elsewhere_is_not_in_the_crop(change, inside):
    points = moved(**change)
    assert lies_in_crop(points, SPACE, (178, 218)) == inside
    eyes_only = np.vstack((points[:2], np.full((3, 2), np.nan)))  # all that Haar cascades find
    assert lies_in_crop(eyes_only, SPACE, (178, 218)) == inside


def test_a_placement_says_how_far_a_face_is_off():
    found = placement(moved(1.3, 12), SPACE, (178, 218))
    assert found.scale == pytest.approx(1.3) and found.roll == pytest.approx(12)
    eye_distance = np.linalg.norm(CELEBA.points[1] - CELEBA.points[0])
    assert placement(moved(shift=(10, 0)), SPACE, (178, 218)).shift == pytest.approx(10 / eye_distance)


# --- reading


class Fake:
    """A detector that knows each picture's face by the picture's size."""

    name = "fake"

    def __init__(self, faces: dict) -> None:
        self.faces, self.looks = faces, 0

    def __call__(self, image: Image.Image, upright: bool = False) -> list[FoundFace]:
        self.looks += 1
        points = self.faces.get(image.size)
        return [] if points is None else [FoundFace((0, 0, 50, 50), points, 0.9)]


@pytest.fixture
def fake(monkeypatch):
    """A face inside the crop in a picture of 178×218, elsewhere in 300×200, none in others."""
    detector = Fake(
        {(178, 218): CELEBA.points, (300, 200): moved(0.6, 20, (60, 0)), (256, 256): SPACE.points * 2}
    )
    monkeypatch.setattr(aligned_photos, "open_detector", lambda: detector)
    return detector


def picture(folder: Path, name: str, size: tuple[int, int]) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def test_auto_aligns_what_lies_elsewhere_and_says_so(fake, tmp_path, capsys):
    files = [
        picture(tmp_path, f"{n}.png", size) for n, size in enumerate([(300, 200), (178, 218), (300, 200)])
    ]
    photos = read_photos(files, "auto", SPACE)
    assert [photo.size for photo in photos] == [(178, 218)] * 3
    assert np.array_equal(photos[1], Image.open(files[1]))
    assert capsys.readouterr().err == "2 photographs aligned, 1 already in the crop (1.png).\n"
    assert np.array_equal(photos[0], read_photos(files[:1], True)[0])
    assert np.array_equal(read_photos(files[:1], "no")[0], Image.open(files[0]))
    assert np.array_equal(read_photos(files[:1])[0], Image.open(files[0]))  # of the library, as before


def test_a_prepared_face_is_taken_without_a_search(fake, tmp_path, capsys):
    photos = read_photos([picture(tmp_path, "a.png", (64, 64))], "auto", SPACE)
    assert photos[0].size == (64, 64) and fake.looks == 0
    assert capsys.readouterr().err == "1 photograph already in the crop.\n"


def test_a_size_of_the_space_without_a_face_is_taken_and_another_is_an_error(fake, tmp_path):
    fake.faces.clear()
    reader = PhotoReader("auto", Template(128, 128, 3, "center-148", (218, 178)))
    for size in ((128, 128), (178, 218)):
        assert reader.read(picture(tmp_path, "known.png", size)).size == size
    other = picture(tmp_path, "other.png", (200, 200))
    with pytest.raises(NoFaceError, match=r"other\.png cannot be used: no face found in it.*--align no"):
        reader.read(other)
    with pytest.raises(NoFaceError, match="--align no"):
        PhotoReader("yes", SPACE).read(picture(tmp_path, "known.png", (178, 218)))
    assert PhotoReader("no", SPACE).read(other).size == (200, 200)


def test_photographs_without_a_face_can_be_left_out(fake, tmp_path):
    reader = PhotoReader("auto", SPACE, skip_faceless=True)
    assert reader.read(picture(tmp_path, "sky.png", (220, 200))) is None
    assert reader.read(picture(tmp_path, "me.png", (300, 200))).size == (178, 218)
    assert reader.summary() == "1 photograph aligned, 1 left out, since no face was found (sky.png)"


def test_without_opencv_photographs_that_may_need_it_are_refused(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cv2", None)
    cropped, photo = picture(tmp_path, "crop.png", (178, 218)), picture(tmp_path, "me.png", (300, 200))
    assert [found.size for found in read_photos([cropped], "auto", SPACE)] == [(178, 218)]
    with pytest.raises(FacespaceError, match=r"me\.png cannot be aligned\. .*OpenCV.*\[align\].* --align no"):
        read_photos([cropped, photo], "auto", SPACE)
    assert read_photos([photo], "no", SPACE)[0].size == (300, 200)
    for file in (cropped, photo):
        with pytest.raises(FacespaceError, match="OpenCV"):
            read_photos([file], "yes", SPACE)


@pytest.mark.parametrize("source", [None, (250, 250), (64, 64)])
def test_a_space_without_celebas_layout_takes_photographs_as_they_are(fake, tmp_path, capsys, source):
    template = Template(64, 64, 3, "fit", source)
    files = [picture(tmp_path, f"{n}.png", (300, 200)) for n in range(2)]
    assert [photo.size for photo in read_photos(files, "auto", template)] == [(300, 200)] * 2
    err = capsys.readouterr().err
    assert err.count("CelebA's layout") == 1 and "--align yes" in err and fake.looks == 0
    assert read_photos(files, "yes", template)[0].size == (178, 218)


def test_another_word_than_auto_yes_and_no_is_refused(tmp_path):
    with pytest.raises(UsageError, match="Did you mean 'auto'"):
        read_photos([], "atuo", SPACE)


# --- the command line


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("edit me.jpg --align --set Smiling=2", "edit me.jpg --align=yes --set Smiling=2"),
        ("morph --align a.jpg b.jpg", "morph --align=yes a.jpg b.jpg"),
        ("morph a.jpg b.jpg --align", "morph a.jpg b.jpg --align=yes"),
        ("edit --align no a.jpg", "edit --align=no a.jpg"),
        ("edit --align auto a.jpg", "edit --align=auto a.jpg"),
        ("edit --align=no a.jpg", "edit --align=no a.jpg"),
        ("edit --align=true --align --align", "edit --align=yes --align=yes --align=yes"),
        ("edit --align=atuo", "edit --align=atuo"),
        ("edit -- --align no", "edit -- --align no"),
    ],
)
def test_a_bare_align_means_yes(typed, completed):
    assert complete_align(typed.split()) == completed.split()


@pytest.fixture
def aligned_space(trained, tmp_path) -> Path:
    """A tiny space that says that its faces have CelebA's layout."""
    to = tmp_path / "aligned-space"
    shutil.copytree(trained / "best", to)
    card = json.loads((to / "card.json").read_text())
    card["template"] |= {"crop": "center-148", "source": [218, 178]}
    (to / "card.json").write_text(json.dumps(card))
    assert facespace.load(to).template.has_celeba_layout
    return to


def test_verbs_align_on_their_own(cli, fake, aligned_space, tmp_path):
    mine, inside = picture(tmp_path, "me.png", (300, 200)), picture(tmp_path, "in.png", (178, 218))
    latents = {}
    for name, options in {
        "auto": [mine, inside],
        "yes": ["--align", mine, inside],
        "no": [mine, "--align", "no", inside],
    }.items():
        code, _, err = cli("encode", aligned_space, *options, "--to", tmp_path / f"{name}.npy")
        assert code == 0, err
        latents[name] = np.load(tmp_path / f"{name}.npy")
        assert ("1 photograph aligned, 1 already in the crop (in.png)" in err) == (name == "auto")
    assert np.array_equal(latents["auto"][0], latents["yes"][0])
    assert np.array_equal(latents["auto"][1], latents["no"][1])
    assert not np.allclose(latents["auto"][0], latents["no"][0])
    for verb, *options in (
        ("reconstruct", mine),
        ("morph", mine, inside, "--frames", 3),
        ("mix", "--plus", mine),
    ):
        code, _, err = cli(verb, aligned_space, *options, "--to", tmp_path / "out.png")
        assert code == 0 and "1 photograph aligned" in err, err
    sky = picture(tmp_path, "sky.png", (200, 200))
    code, _, err = cli("reconstruct", aligned_space, sky, "--to", tmp_path / "sky-out.png")
    assert code == 1 and f"{sky} cannot be used: no face found" in err and "--align no" in err
    assert cli("reconstruct", aligned_space, sky, "--align", "no", "--to", tmp_path / "sky-out.png")[0] == 0
    code, _, err = cli("reconstruct", aligned_space, sky, "--align=maybe", "--to", tmp_path / "o.png")
    assert code == 2 and "--align" in err


def test_the_photographs_of_a_folder_without_a_face_are_left_out(cli, fake, aligned_space, tmp_path):
    folder = tmp_path / "friends"
    folder.mkdir()
    picture(folder, "a.png", (300, 200))
    picture(folder, "sky.png", (200, 200))
    (folder / "a.json").write_text("{}")
    code, _, err = cli("mix", aligned_space, "--plus", folder, "--to", tmp_path / "mix.npy")
    assert code == 0 and "1 left out, since no face was found (sky.png)" in err


# --- paths that are not there


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (
            ["edit", "mee.png", "--set", "Smiling=2", "--to", "x.png"],
            "The photograph mee.png does not exist. Did you mean me.png?",
        ),
        (
            ["morph", "ME.jpeg", "me.png", "--to", "x.gif"],
            "The photograph ME.jpeg does not exist. Did you mean me.png?",
        ),
        (["reconstruct", "photos/me.png", "--to", "x.png"], "There is no folder photos either"),
        (["encode", "*.jpg", "--to", "z.npy"], "No file matches *.jpg. Photographs in the folder"),
        (
            ["encode", "runs/celebb", "me.png", "--to", "z.npy"],
            "Did you mean runs/celeba? Name a trained space first",
        ),
        (
            ["encode", "{trained}", "mee.png", "--to", "z.npy"],
            "The photograph mee.png does not exist. Did you mean me.png?",
        ),
        (["encode", "{trained}", "mee", "--to", "z.npy"], "Name a photograph, or a .npy file of latents"),
        (["decode", "z.npy", "--to", "x.png"], "z.npy does not exist. Make it with: facespace encode"),
        (["mix", "{trained}", "--plus", "mee.png", "--to", "x.png"], "Did you mean me.png?"),
        (["sample", "me.png", "--to", "x.png"], "me.png is a file, and a space is a folder"),
        (["sample", "runs/celebb", "--to", "x.png"], "Did you mean runs/celeba? Name a trained space"),
        (["directions", "runs/celebb"], "Did you mean runs/celeba?"),
    ],
)
def test_a_missing_path_is_named_for_what_it_should_be(cli, trained, tmp_path, monkeypatch, tokens, says):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path, "me.png", (178, 218))
    (tmp_path / "runs/celeba").mkdir(parents=True)
    code, _, err = cli(*(str(trained) if token == "{trained}" else token for token in tokens))
    assert code in (1, 2) and says in err, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me.png", "runs"]


# --- notes that come once


def test_a_note_comes_once_a_user(tmp_path, monkeypatch, capsys):

    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    for _ in range(2):
        once.note_once("a", "Only once.")
        monkeypatch.setattr(once, "_remembered", set())  # as in another process
    once.note_once("b", "Another.")
    assert capsys.readouterr().err == "Only once.\nAnother.\n"
    assert once.shown_since("a") and once.shown_since("a", 60) and not once.shown_since("a", -1)


def test_the_detectors_weights_are_asked_for_once_a_day(tmp_path, monkeypatch, capsys):
    import facespace.core.fetch as fetching

    pytest.importorskip("cv2", reason="OpenCV is not installed")
    asked = []

    def fetch(url, to, *, sha256, tries):
        asked.append(tries)
        raise fetching.FetchError("No network.")

    monkeypatch.delenv(detectors.YUNET_VARIABLE, raising=False)
    monkeypatch.setattr(fetching, "fetch", fetch)
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    for _ in range(3):
        assert detectors.resolve("auto") == ("haar", None)
        monkeypatch.setattr(once, "_remembered", set())
    assert asked == [1] and capsys.readouterr().err.count("Haar") == 1
    monkeypatch.setattr(detectors, "RETRY", -1.0)  # a day later
    assert detectors.resolve("auto") == ("haar", None)
    assert asked == [1, 1] and capsys.readouterr().err == ""


# --- real photographs


REAL = {  # pattern below FACESPACE_DATA -> whether its faces lie in CelebA's crop
    "celeba/img_align_celeba/*.jpg": True,
    "celeba-more/images/*.webp": True,
    "lfw/lfw-deepfunneled/*/*.jpg": False,
    "photos-unaligned/*.jpg": False,
    "portraits-cc0/*/*.jpg": False,
}


@pytest.mark.parametrize("pattern", REAL)
def test_real_photographs_are_told_apart(real, monkeypatch, pattern):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    monkeypatch.setenv(
        detectors.YUNET_VARIABLE, str(real.parent / "models/face_detection_yunet_2023mar.onnx")
    )
    files = sorted(real.glob(pattern))
    reader = PhotoReader("auto", SPACE, skip_faceless=True)
    for file in files[:: len(files) // 8][:8]:
        reader.read(file)
    right, wrong = ("in the crop", "aligned") if REAL[pattern] else ("aligned", "in the crop")
    assert not reader.files[wrong] and len(reader.files[right]) >= 6


def test_decoded_faces_lie_in_the_crop_of_their_space(real, monkeypatch, tmp_path):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    monkeypatch.setenv(
        detectors.YUNET_VARIABLE, str(real.parent / "models/face_detection_yunet_2023mar.onnx")
    )
    space = facespace.load()
    reader = PhotoReader("auto", space.template)
    for number, face in enumerate(space.sample(6, seed=1)):
        large = Image.fromarray(face).resize((256, 256), Image.Resampling.BICUBIC)
        large.save(tmp_path / f"{number}.png")
        reader.read(tmp_path / f"{number}.png")
    assert len(reader.files["in the crop"]) == 6
