"""Landmarks given by hand: points.csv beside photographs that no detector finds a face in."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

import facespace
from facespace.core.errors import FaceSetError, ImageError
from facespace.data import aligned_photos
from facespace.data.aligned_photos import PhotoReader
from facespace.data.sources.landmarks import COLUMNS, read_landmarks
from facespace.image import decoding
from facespace.image.align import TEMPLATES
from facespace.image.photos import read_photo

CELEBA = TEMPLATES["celeba"]
HEADER = ",".join(["image_id", *COLUMNS])


def drawing(path, points, gray=120, size=(320, 300), dot=7):
    """A picture with a dot of another colour at each point."""
    image = Image.new("RGB", size, (gray,) * 3)
    for (x, y), colour in zip(points, ("red", "lime", "blue", "yellow", "cyan")):
        ImageDraw.Draw(image).ellipse((x - dot, y - dot, x + dot, y + dot), fill=colour)
    image.save(path)
    return path


def turned(scale=1.4, degrees=20.0, shift=(70.0, 20.0)) -> np.ndarray:
    """The template's points, larger, turned and elsewhere."""
    angle = np.radians(degrees)
    turn = scale * np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    return CELEBA.points @ turn + shift


def row(name, points) -> str:
    return ",".join([name, *("" if np.isnan(value) else f"{value:.1f}" for value in np.ravel(points))])


@pytest.fixture
def folder(tmp_path):
    """Two drawings with points.csv, and one that is not in it."""
    home = tmp_path / "drawings"
    home.mkdir()
    points = {"cat.png": turned(), "dog.png": turned(1.2, -15, (20, 60))}
    for name, at in points.items():
        drawing(home / name, at, 120 if name == "cat.png" else 90)
    drawing(home / "other.png", [])
    lines = [HEADER, *(row(name, at) for name, at in points.items())]
    (home / "points.csv").write_text("\n".join(lines) + "\n")
    return home


def colour_at(image, point):
    x, y = np.round(point).astype(int)
    return np.asarray(image)[y, x].astype(int)


@pytest.mark.parametrize("name", ["cat.png", "dog.png"])
def test_a_photograph_is_aligned_by_its_points_and_no_face_is_looked_for(folder, monkeypatch, name):
    monkeypatch.setattr(aligned_photos, "open_detector", lambda *_: pytest.fail("a detector was opened"))
    photo = PhotoReader("auto").read(folder / name)
    assert photo.size == (178, 218)
    for point, expected in zip(
        CELEBA.points, [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]
    ):
        assert np.abs(colour_at(photo, point) - expected).max() < 40
    whole = PhotoReader("no").read(folder / name)
    assert whole.size == (320, 300)


def test_prepare_aligns_by_the_points(folder, tmp_path, monkeypatch):
    (folder / "other.png").unlink()
    made = facespace.prepare("folder", folder, to=tmp_path / "set", size=64, align="auto", workers=1)
    assert list(made.ids) == ["cat.png", "dog.png"]
    assert any("points.csv" in note for note in made.card["notes"])
    scale, (left, top) = 64 / 148, (15, 35)  # center-148 of 178×218
    for face in made.images:
        for point, channel in zip(CELEBA.points[:3], range(3)):
            x, y = np.round((point - (left, top)) * scale).astype(int)
            found = face[y, x].astype(int)
            assert found[channel] > 180 and found.sum() < 420
    again = facespace.prepare("folder", folder, to=tmp_path / "again", size=64, align="no", workers=1)
    assert not np.array_equal(again.images, made.images)


def test_adapt_and_the_verbs_read_them(folder, trained, cli, tmp_path):
    from facespace.adaptation.photos import read_faces
    from facespace.space.face_space import load

    (folder / "other.png").unlink()
    space = load(trained)
    faces = read_faces(space, folder)
    assert faces.names == ["cat.png", "dog.png"] and "2 photographs aligned." in faces.notes
    code, out, err = cli("encode", trained, folder / "cat.png", "--to", tmp_path / "z.npy", "--json")
    assert code == 0, err
    assert json.loads(out) and "aligned" in err
    expected = space.encode([PhotoReader("auto", space.template).read(folder / "cat.png")])
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), expected, atol=1e-5)


def test_names_and_dialects_are_those_of_other_tables(folder):
    points = turned()
    cells = [f"{value:.1f}".replace(".", ",") for value in points.ravel()]
    text = "\ufeff" + ";".join(["image_id", *COLUMNS]) + "\r\n" + ";".join(["./CAT.PNG", *cells]) + "\r\n"
    (folder / "points.csv").write_text(text, encoding="utf-16")
    found = read_landmarks(folder / "points.csv")
    assert list(found) == ["cat.png"]
    np.testing.assert_allclose(found["cat.png"], points, atol=0.06)


def test_celeba_s_own_table_is_read(tmp_path):
    (tmp_path / "000001.jpg").touch()
    columns = " ".join(COLUMNS)
    (tmp_path / "points.csv").write_text(f"1\n{columns}\n000001.jpg 69 109 106 113 77 142 73 152 108 154\n")
    assert read_landmarks(tmp_path / "points.csv")["000001.jpg"].tolist()[0] == [69, 109]


def test_a_point_may_be_unknown(folder):
    points = turned()
    points[2:] = np.nan
    (folder / "points.csv").write_text(f"{HEADER}\n{row('cat.png', points)}\n")
    photo = PhotoReader().read(folder / "cat.png")
    assert np.abs(colour_at(photo, CELEBA.points[0]) - (255, 0, 0)).max() < 40


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (HEADER, "has no rows"),
        (f"{HEADER}\ncat.png,1,2,3", "row of 'cat.png' does not have ten numbers"),
        (f"{HEADER}\ncat.png,1,2,3,4,5,6,7,8,left,10", "does not have ten numbers"),
        (f"{HEADER}\ncat.png,1,2,,,5,6,,,,", "fewer than two points of eyes and mouth"),
        (f"{HEADER}\ncow.png,1,2,3,4,5,6,7,8,9,10", "none of its 1 rows names one of the 3 files"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_sentence(folder, cli, trained, tmp_path, content, sentence):
    (folder / "points.csv").write_text(content)
    with pytest.raises(FaceSetError, match=sentence):
        read_landmarks(folder / "points.csv")
    for line in (
        ("adapt", folder, "--to", tmp_path / "a", "--from", trained),
        ("encode", trained, folder / "cat.png"),
    ):
        code, _, err = cli(*line)
        assert code == 1 and "points.csv" in err and "Traceback" not in err
    code, _, err = cli("prepare", "folder", folder, "--to", tmp_path / "set")
    assert code == 1 and "points.csv" in err and not (tmp_path / "set").exists()


def test_points_are_pixels_of_the_file_also_of_a_jpeg_that_is_decoded_at_half_its_size(folder, monkeypatch):
    drawing(folder / "large.jpg", 4 * turned(), size=(1280, 1200), dot=28)
    (folder / "points.csv").write_text(f"{HEADER}\n{row('large.jpg', 4 * turned())}\n")
    whole = PhotoReader().read(folder / "large.jpg")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 640 * 640)
    photo = PhotoReader().read(folder / "large.jpg")
    assert read_photo(folder / "large.jpg").size == (640, 600)
    assert np.abs(np.asarray(photo, float) - np.asarray(whole, float)).mean() < 3


def test_points_outside_the_picture_are_of_another_one(folder):
    (folder / "points.csv").write_text(f"{HEADER}\n{row('cat.png', turned() + 200)}\n")
    with pytest.raises(ImageError, match="outside the picture of 320×300"):
        PhotoReader().read(folder / "cat.png")
