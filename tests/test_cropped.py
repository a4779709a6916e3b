"""Sets of pictures that were cropped elsewhere, at any size and in any format; and splits that the user names."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facespace
from facespace.core.console import quiet
from facespace.core.errors import FaceSetError, UsageError
from facespace.data import derive
from facespace.data.faces import FaceSet
from facespace.data.splits import by_hash
from facespace.image.photos import Template


def prepare(*args, **options) -> FaceSet:
    with quiet():
        return facespace.prepare(*args, **({"size": 16, "workers": 1} | options))


def noise(seed: int, width: int, height: int) -> Image.Image:
    """A picture in which every pixel counts."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def save(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, lossless=True)  # of WebP; the others ignore it
    return path


def shrunk(image: Image.Image, side: int = 16) -> np.ndarray:
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def tables(root: Path, ending: str, count: int = 4) -> Path:
    """CelebA's tables of `count` faces, two of each person."""
    names = [f"{number:06d}{ending}" for number in range(1, count + 1)]
    root.mkdir(exist_ok=True)
    lines = [f"{name} {1 if number % 2 else -1:2d} -1" for number, name in enumerate(names)]
    (root / "list_attr_celeba.txt").write_text("\n".join([str(count), "Smiling Male", *lines]) + "\n")
    people = [f"{name} {7 + number // 2}" for number, name in enumerate(names)]
    (root / "identity_CelebA.txt").write_text("\n".join(people) + "\n")
    return root


@pytest.mark.parametrize("below", ["images", ".", "img_align_celeba", "img_align_celeba_png"])
@pytest.mark.parametrize(("ending", "named"), [("webp", ".jpg"), ("png", ".png"), ("png", "")])
def test_celeba_that_was_cropped_elsewhere_keeps_its_pixels(tmp_path, below, ending, named):
    root = tables(tmp_path / "more", named)
    pictures = [noise(number, 40, 40) for number in range(3)]
    for number, picture in enumerate(pictures, start=1):
        save(picture, root / below / f"{number:06d}.{ending}")
    (root / "README.md").write_text("not a face")
    faces = prepare("celeba", root, to=tmp_path / "set", cropped="center-148", split="train")
    np.testing.assert_array_equal(faces.images, np.stack([shrunk(picture) for picture in pictures]))
    assert faces.attributes[:, 0].tolist() == [-1, 1, -1] and faces.identities.tolist() == ["7", "7", "8"]
    assert faces.card["crop"] == "center-148" and faces.card["source_size"] == [218, 178]
    assert faces.card["stored_size"] == [40, 40]
    assert "cropped elsewhere as center-148 and stored at 40×40" in faces.card["notes"]
    skipped = (faces.root / "skipped.csv").read_text().splitlines()
    assert skipped[1:] == [f'000004{named},"in the tables, but no image file"']


def test_two_files_of_one_number_are_one_face(tmp_path):
    root = tables(tmp_path / "more", ".jpg", 1)
    for ending in ("png", "webp"):
        save(noise(0, 40, 40), root / "images" / f"000001.{ending}")
    faces = prepare("celeba", root, to=tmp_path / "set", cropped="center-148")
    assert faces.ids.tolist() == ["000001.png"]
    assert faces.card["skipped"]["reasons"] == {"another file has the same number": 1}


def test_a_folder_of_crops_and_what_does_not_fit(tmp_path):
    sizes = {
        "large": (64, 64),
        "nearly": (40, 39),
        "just": (16, 16),
        "small": (12, 12),
        "portrait": (178, 218),
    }
    pictures = {name: noise(number, *size) for number, (name, size) in enumerate(sizes.items())}
    for name, picture in pictures.items():
        save(picture, tmp_path / "p" / f"{name}.png")
    faces = prepare("folder", tmp_path / "p", to=tmp_path / "set", cropped="center-148")
    assert faces.ids.tolist() == ["just.png", "large.png", "nearly.png"]
    np.testing.assert_array_equal(faces.images[0], np.asarray(pictures["just"]))
    np.testing.assert_array_equal(faces.images[1], shrunk(pictures["large"]))
    assert faces.card["skipped"]["reasons"] == {
        "not square, as center-148 is": 1,
        "smaller than 16×16; --enlarge takes it": 1,
    }
    assert faces.card["source_size"] is None and faces.card["stored_size"] is None
    enlarged = prepare("folder", tmp_path / "p", to=tmp_path / "large", cropped="center-148", enlarge=True)
    assert enlarged.ids.tolist() == ["just.png", "large.png", "nearly.png", "small.png"]
    np.testing.assert_array_equal(enlarged.images[3], shrunk(pictures["small"]))


def test_gray_and_sizes_that_are_not_square_take_the_middle(tmp_path):
    picture = noise(0, 40, 40)
    save(picture, tmp_path / "p/a.png")
    faces = prepare(
        "folder", tmp_path / "p", to=tmp_path / "set", size=(16, 12), gray=True, cropped="center-148"
    )
    middle = picture.resize((12, 16), Image.Resampling.LANCZOS, box=(5, 0, 35, 40)).convert("L")
    np.testing.assert_array_equal(faces.images[0, :, :, 0], np.asarray(middle))


@pytest.mark.parametrize("first", ["ours", "more", "folder"])
def test_a_cropped_set_merges_with_one_that_was_cropped_here(tmp_path, first):
    photo = noise(9, 178, 218)
    save(photo, tables(tmp_path / "c", ".png", 1) / "img_align_celeba/000001.png")
    square = photo.crop((15, 35, 163, 183))
    save(square, tables(tmp_path / "m", ".jpg", 1) / "images/000001.webp")
    save(square, tmp_path / "f/a.png")
    made = {
        "ours": prepare("celeba", tmp_path / "c", to=tmp_path / "ours", split="test"),
        "more": prepare("celeba", tmp_path / "m", to=tmp_path / "more", cropped="center-148", split="test"),
        "folder": prepare(
            "folder", tmp_path / "f", to=tmp_path / "folder", cropped="center-148", split="test"
        ),
    }
    both = derive.merge([made.pop(first), *made.values()], tmp_path / "both")
    assert (
        both.card["crop"] == "center-148"
        and both.card["source_size"] == [218, 178]
        and not both.card["notes"]
    )
    assert {who for who in both.identities if who} == {"celeba:7"}  # one origin
    direct = Template(16, 16, 3, "center-148").prepare(photo)
    elsewhere = shrunk(
        square
    )  # differs from a crop made here at the border alone, where that saw what lay beyond
    np.testing.assert_allclose(elsewhere[4:-4, 4:-4].astype(int), direct[4:-4, 4:-4], atol=1)
    for name, face in zip((first, *made), both.images):
        np.testing.assert_array_equal(face, direct if name == "ours" else elsewhere)
    np.testing.assert_array_equal(both.template.fit(photo), direct)
    np.testing.assert_allclose(both.template.points, Template(16, 16, 3, "center-148", (218, 178)).points)
    again = derive.split(both, tmp_path / "again", {"train": 1.0})
    assert again.card["source_size"] == [218, 178]


def test_photographs_of_two_sizes_are_told_apart_when_merged(tmp_path):
    for name, size in (("a", (178, 218)), ("b", (250, 250))):
        save(noise(0, *size), tmp_path / name / "1.png")
        prepare("folder", tmp_path / name, to=tmp_path / f"set-{name}", crop="center-148")
    both = derive.merge([tmp_path / "set-b", tmp_path / "set-a"], tmp_path / "both")
    assert both.card["source_size"] == [250, 250]
    assert both.card["notes"] == [
        "photographs of different sizes: 250×250, 218×178; new ones are cut as those of the first"
    ]


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("folder", {"cropped": "center-148", "crop": "box-148"}, "leave out --crop box-148"),
        ("folder", {"cropped": "center-148", "align": True}, "leave out --align"),
        ("folder", {"cropped": "fit"}, "--cropped fit says nothing"),
        ("folder", {"cropped": "centre-148"}, "Unknown crop 'centre-148'. Did you mean"),
        ("folder", {"enlarge": True}, "name their crop with --cropped"),
        ("folder", {"split": "training"}, "--split takes train, validation or test; got 'training'"),
        ("synthetic", {"cropped": "center-148"}, "leave out --cropped"),
    ],
)
def test_what_cannot_be_meant_gets_a_sentence(tmp_path, source, options, says):
    save(noise(0, 40, 40), tmp_path / "p/a.png")
    root = tmp_path / "p" if source == "folder" else None
    with pytest.raises(UsageError, match=says):
        prepare(source, root, to=tmp_path / "set", **options)
    assert not (tmp_path / "set").exists()


def test_small_pictures_without_the_option_are_told_of_it(tmp_path):
    save(noise(0, 128, 128), tables(tmp_path / "m", ".png", 1) / "images/000001.png")
    with pytest.raises(FaceSetError, match="say so: --cropped center-148"):
        prepare("celeba", tmp_path / "m", to=tmp_path / "set")
    with pytest.raises(FaceSetError, match="Choose a smaller --size or add --enlarge"):
        prepare("celeba", tmp_path / "m", to=tmp_path / "set", cropped="center-148", size=256)
    save(noise(0, 160, 160), tmp_path / "m/images/000001.png")  # large enough to be cut a second time, unseen
    faces = prepare("celeba", tmp_path / "m", to=tmp_path / "set")
    assert any("pictures of 160×160, not 218×178" in note for note in faces.card["notes"])


def test_faces_without_a_split_go_where_they_are_sent(tmp_path):
    for number in range(12):
        save(noise(number, 20, 20), tmp_path / "p" / f"{number}.png")
    plain = prepare("folder", tmp_path / "p", to=tmp_path / "plain")
    assert len(set(plain.splits)) > 1
    sent = prepare("folder", tmp_path / "p", to=tmp_path / "sent", split="validation")
    assert sent.splits.tolist() == ["validation"] * 12
    assert "all faces are in the split validation (--split)" in sent.card["notes"]


@pytest.mark.parametrize(
    ("rows", "told"), [(4, "every face has a split"), (2, "2 faces without a split of their own")]
)
def test_a_split_of_the_source_stays(tmp_path, rows, told):
    root = tables(tmp_path / "c", ".png")
    for number in range(1, 5):
        save(noise(number, 178, 218), root / "img_align_celeba" / f"{number:06d}.png")
    lines = [f"{number:06d}.png {number % 3}" for number in range(1, rows + 1)]
    (root / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    faces = prepare("celeba", root, to=tmp_path / "set", split="test")
    official = ["validation", "test", "train", "validation"]
    assert faces.splits.tolist() == official[:rows] + ["test"] * (4 - rows)
    assert any(told in note for note in faces.card["notes"])


def test_without_the_option_the_hash_decides(tmp_path):
    root = tables(tmp_path / "c", ".png")
    for number in range(1, 5):
        save(noise(number, 178, 218), root / "images" / f"{number:06d}.png")
    faces = prepare("celeba", root, to=tmp_path / "set")
    wanted = [by_hash(f"person {who}") for who in faces.identities]
    assert faces.splits.tolist() == wanted or any("a small set" in note for note in faces.card["notes"])


def test_other_sources_read_other_endings_too(tmp_path):
    save(noise(0, 250, 250), tmp_path / "lfw/Ann_Lee/Ann_Lee_0001.webp")
    (tmp_path / "lfw/lfw_attributes.txt").write_text("#\tperson\timagenum\tSmiling\nAnn Lee\t1\t1.5\n")
    assert prepare("lfw", tmp_path / "lfw", to=tmp_path / "set-lfw").attributes.tolist() == [[1.5]]

    save(noise(0, 60, 60), tmp_path / "y/train/M/000001.webp")
    (tmp_path / "y/yearbook_train.txt").write_text("M/000001.png\t1967\nM/000002.png\t1968\n")
    (tmp_path / "y/train/F").mkdir()
    faces = prepare("yearbook", tmp_path / "y", to=tmp_path / "set-y")
    assert faces.attributes.tolist() == [[1, 1967]]
    assert "train/M/000002.png" in (faces.root / "skipped.csv").read_text()

    for name in ("a.webp", "b.png", "1.png"):
        save(noise(0, 60, 60), tmp_path / "f" / name)
    table = tmp_path / "labels.csv"  # a.jpg is a.webp; of two rows for b neither is; 1.5 is no file's name
    table.write_text("file,age\na.jpg,31\nb.jpg,40\nb.webp,41\n1.5,50\n")
    faces = prepare("folder", tmp_path / "f", to=tmp_path / "set-f", table=table)
    np.testing.assert_array_equal(faces.attributes[:, 0], [np.nan, 31, np.nan])
    assert faces.card["skipped"]["total"] == 3


def test_the_command_line_takes_all_three(tmp_path, cli):
    save(noise(0, 12, 12), tmp_path / "p/a.png")
    line = ["prepare", "folder", tmp_path / "p", "--to", tmp_path / "set", "--size", "16", "--workers", "1"]
    code, out, _ = cli(*line, "--cropped", "center-148", "--enlarge", "--split", "test")
    assert code == 0 and "test 1" in out and "Cropped elsewhere as center-148" in out


def test_further_real_celeba_faces_join_the_official_ones(real, tmp_path):
    ours = prepare("celeba", real / "celeba", to=tmp_path / "celeba", limit=60)
    more = prepare(
        "celeba", real / "celeba-more", to=tmp_path / "more", limit=60, cropped="center-148", split="train"
    )
    assert more.card["skipped"]["total"] == 0 and more.card["stored_size"] == [128, 128]
    both = derive.merge([ours, more], tmp_path / "both")
    assert both.card["crop"] == "center-148" and both.card["source_size"] == [218, 178]
    assert len(both.rows("train")) == 60 + len(ours.rows("train")) and not np.isnan(both.attributes).any()
    assert all(who.startswith("celeba:") for who in both.identities)
    # The same crop on both sides: the mean faces agree best where neither is moved.
    first, second = ours.images.mean((0, 3)), more.images.mean((0, 3))
    errors = {move: np.square(np.roll(second, move, 0) - first)[2:-2].mean() for move in (-1, 0, 1)}
    assert min(errors, key=errors.__getitem__) == 0
