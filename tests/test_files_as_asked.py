"""What is named is what is used: files of spaces, orientation, turned scans, held-out figures, and inputs that no verb
replaces."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_align import CELEBA, Marks, apply, centre, detector, painted, turn  # noqa: F401 (detector is a fixture)

import facespace
from facespace.core.errors import ImageError, UsageError
from facespace.data.aligned_photos import PhotoReader
from facespace.data.faces import FaceSet
from facespace.data.processing import Alignment
from facespace.image import face_search
from facespace.image.align import FoundFace
from facespace.models import locations

# --- a file in place of a space


@pytest.mark.parametrize(
    "file", ["best/model.safetensors", "best/card.json", "run.json", "checkpoint.pt", "metrics.jsonl"]
)
def test_a_file_of_a_space_names_that_space(trained, file):
    assert locations.find(trained / file) == trained / "best"


def test_verbs_take_the_space_that_a_file_belongs_to(cli, trained, photos, tmp_path):
    file = trained / "best" / "model.safetensors"
    for tokens in (
        ("sample", file, "-n", 1),
        ("edit", file, photos[0], "--condition", "x"),
        ("mix", file, "--plus", photos[0]),
        ("reconstruct", file, photos[0]),
        ("encode", file, photos[0]),
        ("morph", file, *photos[:2], "--frames", 2),
    ):
        name = "z.npy" if tokens[0] == "encode" else "out.png"
        code, out, err = cli(*tokens, "--to", tmp_path / name, "--json")
        if tokens[0] == "edit":
            assert code == 2 and "--condition" in err  # the option is wrong, the space was not looked at
            continue
        assert code == 0, err
        assert json.loads(out)["space"] == str(trained / "best")


@pytest.mark.parametrize("name", ["model.safetensors", "weights.pt", "notes.json", "model.zip"])
@pytest.mark.parametrize(
    "verb", ["sample", "card", "edit", "mix", "reconstruct", "directions", "encode", "morph"]
)
def test_another_file_in_place_of_a_space_is_refused(cli, tmp_path, photos, verb, name):
    (tmp_path / "alone").mkdir()
    file = tmp_path / "alone" / name
    file.write_bytes(b"{}")
    more = {
        "edit": ("--random", 1, "--set", "Smiling=1"),
        "mix": ("--plus", photos[0]),
        "morph": ("--random", 2),
    }
    code, _, err = cli(verb, file, *more.get(verb, ()))
    assert code == 2 and f"{name} is a file, and a space is a folder" in err


def test_a_set_or_a_space_in_place_of_photographs_is_refused(cli, trained, drawn, photos):
    code, _, err = cli("morph", drawn)
    assert code == 2 and "is a prepared set" in err and "--data" in err
    code, _, err = cli("edit", photos[0], trained, "--set", "Smiling=1")
    assert code == 2 and "a space is named first" in err


def test_a_file_of_a_set_names_that_set(drawn, tmp_path):
    assert FaceSet(drawn / "images.npy").root == drawn
    (tmp_path / "images.npy").write_bytes(b"")
    with pytest.raises(facespace.FacespaceError, match="is a file, and a prepared set is a folder"):
        FaceSet(tmp_path / "images.npy")


# --- pictures that are handed to a space


def test_pictures_are_turned_as_their_exif_says(trained, tmp_path):
    space = facespace.load(trained)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    upright = space.encode(pixels)
    for orientation, method in {1: None, 3: 3, 6: 2, 8: 4}.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(pixels)
        if method is not None:
            stored = stored.transpose(Image.Transpose(method))  # the inverse of what the orientation asks for
        file = tmp_path / f"{orientation}.png"
        stored.save(file, exif=exif)
        given = (Image.open(file), Image.open(file).convert("RGB"), file, str(file), [file], iter([file]))
        for pictures in given:
            assert np.array_equal(space.encode(pictures), upright), (orientation, pictures)
        assert np.array_equal(space.encode(np.asarray(Image.open(file))), space.encode(np.asarray(stored)))


def test_anything_else_is_a_sentence(trained, tmp_path):
    space = facespace.load(trained)
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(ImageError, match=r"note\.txt cannot be used: not an image"):
        space.encode(tmp_path / "note.txt")
    with pytest.raises(ImageError, match=r"none\.jpg cannot be used: no such file"):
        space.encode("none.jpg")
    import torch

    for wrong in (b"bytes", 5, None, {"a": 1}, torch.zeros(1, 3, 16, 16), [[1, 2]], object()):
        with pytest.raises(UsageError, match="Faces are Pillow images"):
            space.encode(wrong)


# --- held-out figures


def test_directions_of_all_faces_have_no_held_out_auc(drawn, trained, tmp_path):
    shutil.copytree(trained / "best", tmp_path / "space")
    space = facespace.load(tmp_path / "space")
    found = space.fit_directions(drawn, split="all")
    assert {found.facts[name]["auc"] for name in found.names} == {None}
    assert {found.facts[name]["auc_of"] for name in found.names} == {None}
    found = space.fit_directions(drawn, split="train")
    assert found.facts[found.names[0]]["auc_of"] == "validation"


# --- photographs that lie on a side


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_photograph_is_turned_back(degrees):
    """The detector that is made up sees level eyes alone, red on the left; a half turn lowers its score."""

    class Sure(Marks):
        def __call__(self, pixels):
            faces = super().__call__(pixels)
            image = Image.fromarray(pixels)
            upright = centre(image, 0)[0] < centre(image, 1)[0]
            return [FoundFace(face.box, face.points, 0.95 if upright else 0.7) for face in faces]

    matrix = turn(4, 1, (150, 150))
    photo = painted(matrix, (450, 500)).rotate(degrees, expand=True)
    (face,) = face_search.search(Sure(), photo, CELEBA.framed(2.0, 384, 448), sure=0.9)
    assert face.turn == (-degrees) % 360
    there = apply(matrix, CELEBA.points)[:2]
    back = {
        90: lambda p: (p[1], 450 - p[0]),
        180: lambda p: (450 - p[0], 500 - p[1]),
        270: lambda p: (500 - p[1], p[0]),
    }
    assert np.abs(face.points[:2] - [back[degrees](point) for point in there]).max() < 1.5


def test_real_scans_are_turned_and_counted(detector, real, tmp_path, monkeypatch, capsys):  # noqa: F811
    if detector.name != "yunet":
        pytest.skip("Haar cascades do not tell turned faces")
    monkeypatch.setattr("facespace.data.aligned_photos.open_detector", lambda: detector)
    names = sorted((real / "photos-unaligned").glob("*.jpg"))[3:200:60]
    files = []
    for number, name in enumerate(names):
        files.append(tmp_path / f"{number}.png")
        Image.open(name).rotate(90 * (number % 4), expand=True).save(files[-1])
    reader = PhotoReader("auto")
    straight = PhotoReader("yes")
    for file, name in zip(files, names):
        turned, upright = reader.read(file), straight.read(name)
        assert np.abs(np.asarray(turned, int) - np.asarray(upright, int)).mean() < 12
    assert reader.turned == [file for number, file in enumerate(files) if number % 4]
    assert "of them turned upright" in reader.summary()
    card = facespace.prepare(
        "folder", tmp_path, to=tmp_path / "set", align=Alignment("yunet", detector.weights), workers=1
    ).card
    assert card["alignment"]["turned"] == len(reader.turned)


def test_small_faces_in_a_large_group_are_found(detector, real):  # noqa: F811
    if detector.name != "yunet":
        pytest.skip("Haar cascades take long on large photographs")
    group = Image.new("RGB", (4000, 3000), (120, 110, 100))
    for place, name in enumerate(sorted((real / "photos-unaligned").glob("*.jpg"))[:4]):
        photo = Image.open(name)
        scale = 22 / max(face.eye_distance for face in detector(photo))
        small = photo.resize(
            (round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS
        )
        group.paste(small, (300 + 900 * place, 400 + 600 * place))
    assert len(detector(group)) == 4


# --- nothing that is read is replaced


@pytest.mark.parametrize(
    "verb", ["edit", "reconstruct", "morph", "mix", "mix weighted", "folder", "link", "latents"]
)
def test_no_verb_replaces_what_it_reads(cli, trained, photos, tmp_path, verb):
    photo = photos[0]
    np.save(tmp_path / "z.npy", np.zeros((1, 5), np.float32))
    (tmp_path / "link.png").symlink_to(photo)
    before = {file: file.read_bytes() for file in (*photos, tmp_path / "z.npy")}
    calls = {
        "edit": ("edit", trained, photo, "--set", "smile=1", "--to", photo),
        "reconstruct": ("reconstruct", trained, photo, "--to", photo),
        "morph": ("morph", trained, *photos[:2], "--to", photo),
        "mix": ("mix", trained, "--plus", f"{photo},{photos[1]}", "--to", photos[1]),
        "mix weighted": ("mix", trained, "--plus", f"{photo}=0.5", "--to", photo),
        "folder": ("reconstruct", trained, tmp_path, "--to", photo),
        "link": ("reconstruct", trained, photo, "--to", tmp_path / "link.png"),
        "latents": ("edit", trained, tmp_path / "z.npy", "--set", "smile=1", "--to", tmp_path / "z.npy"),
    }
    code, _, err = cli(*calls[verb])
    assert code == 2 and "nothing that a command reads is replaced" in err
    assert {file: file.read_bytes() for file in before} == before


def test_a_set_is_not_replaced_by_what_is_made_of_it(cli, drawn, tmp_path):
    shutil.copytree(drawn, tmp_path / "set")
    for tokens in (("subsample", "--train", 3), ("label",), ("balance", "--on", "Hat")):
        code, _, err = cli(tokens[0], tmp_path / "set", "--to", tmp_path / "set", *tokens[1:], "--force")
        assert code == 2 and "is replaced" in err
    (tmp_path / "set" / "raw").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "set" / "raw" / "a.png")
    with pytest.raises(UsageError, match="which is read"):
        facespace.prepare("folder", tmp_path / "set" / "raw", to=tmp_path / "set", force=True)
    assert Path(tmp_path / "set" / "raw" / "a.png").is_file()
