"""Sources and prepared sets."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fuzz import examples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import facespace
from facespace.cli.set_text import describe_set
from facespace.core.console import quiet
from facespace.core.errors import FaceSetError, UsageError
from facespace.data.faces import FaceSet
from facespace.data.sources import SOURCES
from facespace.data.splits import by_hash
from facespace.data.synthetic.factors import FACTORS, draw_factors, render
from facespace.training.loaders import Loader


def photo(path: Path, value=90, size=(40, 50)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value % 256, value // 2 % 256, 50)).save(path)
    return path


def prepare(*args, **options) -> FaceSet:
    with quiet():
        return facespace.prepare(*args, **({"size": 16, "workers": 1} | options))


def celeba_tree(root: Path, kaggle: bool) -> Path:
    """Six images with tables, as the authors or as Kaggle lay them out."""
    names = [f"{index:06d}.jpg" for index in range(1, 7)]
    folder = root / "img_align_celeba" / ("img_align_celeba" if kaggle else "")
    for index, name in enumerate(names):
        photo(folder / name, 30 * index, (178, 218))
    values = [(1, -1), (-1, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
    parts = [0, 0, 0, 1, 2, 2]
    if kaggle:
        rows = [f"{name},{a},{b}" for name, (a, b) in zip(names, values)]
        (root / "list_attr_celeba.csv").write_text("\n".join(["image_id,Smiling,Male", *rows]) + "\n")
        rows = [f"{name},{part}" for name, part in zip(names, parts)]
        (root / "list_eval_partition.csv").write_text("\n".join(["image_id,partition", *rows]) + "\n")
    else:
        rows = [f"{name} {a:2d} {b:2d}" for name, (a, b) in zip(names, values)]
        (root / "list_attr_celeba.txt").write_text("\n".join(["6", "Smiling Male", *rows]) + "\n")
        (root / "list_eval_partition.txt").write_text("".join(f"{n} {p}\n" for n, p in zip(names, parts)))
        (root / "identity_CelebA.txt").write_text(
            "".join(f"{n} {100 + i // 2}\n" for i, n in enumerate(names))
        )
    return root


@pytest.mark.parametrize("kaggle", [False, True])
def test_celeba_layouts(tmp_path, kaggle):
    faces = prepare("celeba", celeba_tree(tmp_path / "c", kaggle), to=tmp_path / "set")
    assert faces.card["crop"] == "center-148" and faces.card["source_size"] == [218, 178]
    assert faces.attribute_names == ("Smiling", "Male")
    assert faces.attributes[:, 0].tolist() == [1, -1, 1, -1, 1, -1]
    assert faces.splits.tolist() == ["train"] * 3 + ["validation"] + ["test"] * 2
    assert faces.identities.tolist() == ([""] * 6 if kaggle else ["100", "100", "101", "101", "102", "102"])
    assert float(faces.images[2, 8, 8, 0]) == pytest.approx(60, abs=3)


def test_celeba_rows_and_images_that_miss_each_other_are_reported(tmp_path):
    root = celeba_tree(tmp_path / "c", kaggle=False)
    (root / "img_align_celeba/000002.jpg").unlink()
    photo(root / "img_align_celeba/000099.jpg", 5, (178, 218))
    (root / "img_align_celeba/000003.jpg").write_bytes(b"broken")
    faces = prepare("celeba", root, to=tmp_path / "set")
    assert faces.card["skipped"]["reasons"] == {
        "in the tables, but no image file": 1,
        "not an image that can be read": 1,
    }
    assert np.isnan(faces.attributes[faces.ids == "000099.jpg"]).all()
    assert any("1 of 6 images have no attributes row" in note for note in faces.card["notes"])


def test_folder_labels_table_and_hostile_files(tmp_path):
    root = tmp_path / "photos"
    for index in range(8):
        photo(root / ("happy" if index % 2 else "sad") / f"{index}.png", 20 * index + 10)
    photo(root / "loose.png", 7)
    (root / "broken.png").write_text("no picture")
    for name in ("notes.txt", "LICENSE", "happy/1.json", ".DS_Store", "Thumbs.db", "model"):
        (root / name).write_text("no picture")
    (root / "empty.jpg").touch()
    (root / "link.png").symlink_to(root / "gone.png")
    (root / "round").symlink_to(root)
    table = tmp_path / "labels.csv"
    table.write_text("file,age,hat\nhappy/1.png,31.5,1\n2.png,,0\nnobody.png,50,1\n")
    faces = prepare("folder", root, to=tmp_path / "set", table=table)
    assert len(faces) == 9
    assert faces.card["skipped"]["reasons"] == {
        "a link to a folder": 1,
        "empty file": 1,
        "in the attribute table, but no image file": 1,
        "no such file": 1,
        "not an image that can be read": 1,
    }
    assert faces.card["other_files"] == 6 and "6 other files" in describe_set(faces.card)
    assert faces.attribute_names == ("happy", "sad", "age", "hat")
    row = dict(zip(faces.ids, faces.attributes))
    np.testing.assert_array_equal(row["happy/1.png"], np.float32([1, -1, 31.5, 1]))
    np.testing.assert_array_equal(row["sad/2.png"], np.float32([-1, 1, np.nan, -1]))
    np.testing.assert_array_equal(row["loose.png"], np.float32([np.nan] * 4))
    skipped = (tmp_path / "set/skipped.csv").read_text()
    assert "broken.png,not an image that can be read" in skipped
    assert not any(name in skipped for name in ("notes", "LICENSE", "json", "DS_Store", "Thumbs", "model"))


def test_many_subfolders_are_people_and_stay_on_one_side(tmp_path):
    for person in range(45):
        for shot in range(2):
            photo(tmp_path / "p" / f"person{person:02d}" / f"{shot}.png", 5 * person + shot)
    faces = prepare("folder", tmp_path / "p", to=tmp_path / "set")
    sides = {}
    for person, split in zip(faces.identities, faces.splits):
        sides.setdefault(person, set()).add(split)
    assert len(sides) == 45 and all(len(side) == 1 for side in sides.values())


def test_copies_of_one_picture_share_a_split_and_splits_do_not_depend_on_names(tmp_path):
    for index in range(30):
        photo(tmp_path / "a" / f"{index}.png", 8 * index)
        photo(tmp_path / "b" / f"renamed{index}.png", 8 * index)
        photo(tmp_path / "b" / f"copy{index}.png", 8 * index)
    a, b = (prepare("folder", tmp_path / name, to=tmp_path / f"set-{name}") for name in "ab")
    first = dict(zip(a.ids, a.splits))
    second = dict(zip(b.ids, b.splits))
    for index in range(30):
        assert first[f"{index}.png"] == second[f"renamed{index}.png"] == second[f"copy{index}.png"]


def test_even_two_photographs_give_training_and_validation(tmp_path):
    photo(tmp_path / "p/a.png", 10), photo(tmp_path / "p/b.png", 200)
    faces = prepare("folder", tmp_path / "p", to=tmp_path / "set")
    assert sorted(faces.splits) == ["train", "validation"]


def test_splits_by_hash_have_their_shares():
    splits = [by_hash(str(index)) for index in range(5_000)]
    assert splits.count("train") / 5_000 == pytest.approx(0.8, abs=0.03)
    assert splits.count("validation") / 5_000 == pytest.approx(0.1, abs=0.02)


def test_bytes_do_not_depend_on_the_worker_count(tmp_path):
    for index in range(80):
        photo(tmp_path / "p" / f"{index}.png", 3 * index)
    (tmp_path / "p/40.png").write_bytes(b"broken")
    for workers in (1, 3):
        prepare("folder", tmp_path / "p", to=tmp_path / f"set{workers}", workers=workers)
    for name in ("images.npy", "table.csv", "card.json", "skipped.csv"):
        assert (tmp_path / "set1" / name).read_bytes() == (tmp_path / "set3" / name).read_bytes()


def test_limit_spreads_over_the_source(tmp_path):
    faces = prepare("celeba", celeba_tree(tmp_path / "c", False), to=tmp_path / "set", limit=3)
    assert faces.ids.tolist() == ["000001.jpg", "000003.jpg", "000005.jpg"]


FILES = st.dictionaries(
    st.text("abcä é,\"'#", min_size=1, max_size=8).map(lambda name: f"{name}.png"),
    st.one_of(st.just(b"OK"), st.binary(max_size=200)),
    max_size=12,
)


@examples(25)
@given(files=FILES)
def test_any_folder_is_counted_right(tmp_path, files):
    root, to = tmp_path / "any", tmp_path / "set"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for place, (name, content) in enumerate(files.items()):
        photo(root / name, place) if content == b"OK" else (root / name).write_bytes(content)
    good = sum(content == b"OK" for content in files.values())
    if not good:
        with pytest.raises(FaceSetError, match="Name a folder with photographs"):
            prepare("folder", root, to=to, force=True)
        return
    faces = prepare("folder", root, to=to, force=True)
    left_out = faces.card["skipped"]["total"] + faces.card.get("other_files", 0)
    assert (len(faces), left_out) == (good, len(files) - good)


def test_nothing_that_looks_finished_is_left_when_prepare_dies(tmp_path, monkeypatch):
    for index in range(5):
        photo(tmp_path / "p" / f"{index}.png", index)

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("facespace.data.prepare._write", die)
    with pytest.raises(KeyboardInterrupt):
        prepare("folder", tmp_path / "p", to=tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".set.facespace-partial", "p"]
    with pytest.raises(FaceSetError, match="holds no prepared faces"):
        FaceSet(tmp_path / ".set.facespace-partial")


def test_names_that_need_care_in_tables_and_cards(tmp_path):
    for name in ("a\rb.png", "c\nd.png", 'e"f,g.png'):
        photo(tmp_path / "p" / name, len(name))
    odd = Path(str(tmp_path / "p").encode().decode() + "/d\udcff")
    photo(odd / "x.png", 77)
    photo(tmp_path / "p" / "other" / "y.png", 78)
    faces = prepare("folder", tmp_path / "p", to=tmp_path / "set")
    assert set(faces.ids) == {"a\rb.png", "c\nd.png", 'e"f,g.png', "d\udcff/x.png", "other/y.png"}
    assert FaceSet(tmp_path / "set").attribute_names == ("d\udcff", "other")


def test_siblings_with_like_names_are_left_alone(tmp_path):
    for name in ("new.partial", "new.old"):
        photo(tmp_path / name / "mine.png")
    for _ in range(2):
        prepare("synthetic", to=tmp_path / "new", limit=3, force=True)
    assert (tmp_path / "new.partial/mine.png").exists() and (tmp_path / "new.old/mine.png").exists()


def test_the_folder_that_one_stands_in(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="working directory"):
        prepare("synthetic", to=".", limit=3)


def test_other_peoples_folders_are_never_replaced(tmp_path, drawn):
    photo(tmp_path / "mine/a.png")
    for force in (False, True):
        with pytest.raises(UsageError, match="holds other files"):
            prepare("synthetic", to=tmp_path / "mine", limit=3, force=force)
    shutil.copytree(drawn, tmp_path / "set")
    with pytest.raises(UsageError, match="Add --force"):
        prepare("synthetic", to=tmp_path / "set", limit=3)
    assert len(prepare("synthetic", to=tmp_path / "set", limit=3, force=True)) == 3


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda s: (s / "images.npy").unlink(), r"images\.npy is missing"),
        (lambda s: (s / "images.npy").write_bytes((s / "images.npy").read_bytes()[:5_000]), "cut short"),
        (lambda s: (s / "table.csv").unlink(), r"table\.csv is missing"),
        (
            lambda s: (s / "table.csv").write_text("".join((s / "table.csv").open().readlines()[:30])),
            "one whole row for each of the 60 images",
        ),
        (lambda s: (s / "card.json").write_text("{"), r"card\.json cannot be read"),
        (lambda s: (s / "card.json").unlink(), "holds no prepared faces"),
        (lambda s: (s / "card.json").write_text('{"kind": "bundle", "format": 1}'), "not a prepared set"),
        (lambda s: (s / "card.json").write_text('{"kind": "faceset", "format": 99}'), "format 99"),
    ],
)
def test_a_damaged_set_is_named(tmp_path, drawn, damage, says):
    shutil.copytree(drawn, tmp_path / "set")
    damage(tmp_path / "set")
    with pytest.raises(FaceSetError, match=says):
        FaceSet(tmp_path / "set")


def test_drawn_faces_are_repeatable_and_carry_their_factors(drawn):
    faces = FaceSet(drawn)
    assert faces.attribute_names == tuple(FACTORS)
    factors = draw_factors(0, 7)
    np.testing.assert_allclose(faces.attributes[7], np.float32(list(factors.values())), rtol=1e-5)
    assert np.array_equal(faces.images[7], render(factors, 16, 16))


@pytest.mark.parametrize("name", FACTORS)
def test_every_factor_changes_the_picture(name):
    rest = {"yaw": 0.2} | ({"Bangs": -1.0} if name != "Bangs" else {})
    low, high = (render({**rest, name: value}, 64, 64).astype(int) for value in (-1.0, 1.0))
    assert np.abs(low - high).max() > 25
    assert np.array_equal(render({**rest, name: 1.0}, 64, 64), high)


def test_drawn_faces_look_alike_at_every_size():
    factors = draw_factors(3, 5)
    small = render(factors, 64, 64).astype(float)
    large = render(factors, 256, 256).reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(small - large).mean() < 4
    assert render(factors, 60, 100).shape == (60, 100, 3)


def test_unknown_factors_are_named():
    with pytest.raises(UsageError, match="Did you mean 'smile'"):
        render({"smil": 1.0}, 16, 16)
    with pytest.raises(UsageError, match="number in"):
        render({"smile": float("nan")}, 16, 16)


def test_loader_shuffles_by_seed_and_epoch_and_resumes(drawn):
    faces = FaceSet(drawn)
    loader = Loader(faces, faces.rows("train"), 8)
    whole = [batch.index.tolist() for batch in loader.shuffled(0, 0)]
    assert whole[2:] == [batch.index.tolist() for batch in loader.shuffled(0, 0, start=2)]
    assert whole != [batch.index.tolist() for batch in loader.shuffled(0, 1)]
    assert len(whole) == loader.steps == len(faces.rows("train")) // 8
    assert {row for batch in whole for row in batch} <= set(faces.rows("train"))
    shares = [
        [b.index.tolist() for b in Loader(faces, faces.rows("train"), 8, rank=r, world=2).shuffled(0, 0)]
        for r in (0, 1)
    ]
    assert [sorted(a + b) for a, b in zip(*shares)] == [sorted(batch) for batch in whole]
    seen = [row for batch in loader.in_order() for row in batch.index.tolist()]
    assert seen == faces.rows("train").tolist()


def test_loader_gives_the_stored_pixels_and_attributes(drawn):
    faces = FaceSet(drawn)
    batch = next(Loader(faces, faces.rows("train"), 4).shuffled(0, 0))
    stored = faces.images[batch.index.numpy()]
    np.testing.assert_array_equal(
        (batch.image.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8), stored
    )
    np.testing.assert_array_equal(batch.attributes.numpy(), faces.attributes[batch.index.numpy()])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (dict(source="celebb", root=".", to="s"), UsageError, "Did you mean 'celeba'"),
        (dict(source="celeba", to="s"), UsageError, "needs the folder"),
        (dict(source="celeba", root="nowhere", to="s"), FaceSetError, "nowhere is not a folder"),
        (dict(source="celeba", root=".", to="s"), FaceSetError, "holds no CelebA images"),
        (dict(source="folder", root=".", to="s"), FaceSetError, "holds no images"),
        (dict(source="synthetic", root=".", to="s"), UsageError, "is drawn and needs no folder"),
        (dict(source="synthetic", to="s", size=0), UsageError, "0×0 pixels cannot be prepared"),
        (dict(source="synthetic", to="s", seed=-1), UsageError, "A seed is a whole number"),
        (dict(source="celeba", root=".", to="s", crop="center-0"), UsageError, "Unknown crop"),
        (dict(source="synthetic", to="s", limit=0), UsageError, "--limit must be at least 1"),
        (dict(source="synthetic", to="s", workers=0), UsageError, "--workers must be from 1 to"),
        (
            dict(source="synthetic", to="s", table="x.csv"),
            UsageError,
            "is not for the source synthetic, but for: lfw, folder",
        ),
        (dict(source="synthetic", to="s", crop="fit"), UsageError, "drawn at its final size"),
    ],
)
def test_wrong_requests_are_refused_with_a_sentence(tmp_path, monkeypatch, call, error, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=says):
        prepare(**call)
    assert list(tmp_path.iterdir()) == []


def test_every_source_says_what_it_is():
    for source in SOURCES.values():
        assert source.summary and source.terms and source.holds


@pytest.mark.parametrize("limit", [300])
def test_real_celeba(real, tmp_path, limit):
    faces = prepare("celeba", real / "celeba", to=tmp_path / "set", size=64, limit=limit, workers=2)
    assert len(faces) == limit and faces.card["skipped"]["total"] == 0
    assert len(faces.attribute_names) == 40 and np.isin(faces.attributes, (-1, 1)).all()
    people = {split: set(faces.identities[faces.rows(split)]) for split in ("train", "validation", "test")}
    assert all(people.values())
    assert not people["train"] & people["test"] and not people["train"] & people["validation"]
    # Upright faces in right colours: skin in the middle is redder than blue, and not black or white.
    middle = faces.images[:, 24:44, 24:40].mean((0, 1, 2))
    assert 90 < middle[2] < middle[1] < middle[0] < 220
    assert json.loads((tmp_path / "set/card.json").read_text())["terms"].startswith("non-commercial")
