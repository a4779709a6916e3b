"""The data sets that the five systems use, in every layout that they come in; and sets made from sets."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import processes
import pytest
import torch
from PIL import Image

import facespace
from facespace.core.console import quiet
from facespace.core.errors import FaceSetError, UsageError
from facespace.data import derive, resumable
from facespace.data import prepare as prepare_module
from facespace.data.faces import FaceSet
from facespace.data.processing import replace_background
from facespace.data.sources.celebamask_hq import PARTS, official_split
from facespace.data.sources.lfw import clean
from facespace.training import augment


def prepare(*args, **options) -> FaceSet:
    with quiet():
        return facespace.prepare(*args, **({"workers": 1} | options))


def picture(path: Path, size=(250, 250), value=100, mode="RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value // 2, 40)).convert(mode).save(path)
    return path


# ---- LFW

PEOPLE = {"Ann_Lee": 2, "Ann_Lee_Smith": 1, "Bo_Li": 3, "Cy_Young": 1}


def lfw_tree(root: Path, below: str) -> Path:
    for person, shots in PEOPLE.items():
        for shot in range(1, shots + 1):
            picture(root / below / person / f"{person}_{shot:04d}.jpg", value=40 * shot)
    return root


def kumar(path: Path) -> Path:
    rows = ["Ann Lee\t1\t1.5\t-0.25", "Ann Lee\t2\t-2\t0.5", "Ann Lee Smith\t1\t3\t3", "Nobody\t1\t1\t1"]
    path.write_text("\n".join(["# comment", "#\tperson\timagenum\tSmiling\t5 o' Clock Shadow", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    "below", ["", "lfw", "lfw_funneled", "lfw-deepfunneled", "lfw-deepfunneled/lfw-deepfunneled"]
)
def test_lfw_layouts_and_scores(tmp_path, below):
    root = lfw_tree(tmp_path / "lfw", below)
    kumar(root / "lfw_attributes.txt")
    faces = prepare("lfw", root, to=tmp_path / "set")
    assert faces.images.shape == (7, 45, 45, 3) and faces.card["crop"] == "center-90"
    assert faces.attribute_names == ("Smiling", "5_o_Clock_Shadow")
    row = dict(zip(faces.ids, faces.attributes.tolist()))
    assert row["Ann_Lee_0001.jpg"] == [1.5, -0.25] and row["Ann_Lee_Smith_0001.jpg"] == [3, 3]
    assert np.isnan(row["Bo_Li_0001.jpg"]).all()
    assert faces.card["skipped"]["reasons"] == {"in the attribute table, but no image file": 1}
    assert any("4 images have no row" in note for note in faces.card["notes"])
    sides = {}
    for who, side in zip(faces.identities, faces.splits):
        sides.setdefault(who, set()).add(side)
    assert set(sides) == set(PEOPLE) and all(len(side) == 1 for side in sides.values())


@pytest.mark.parametrize(("zeros", "value"), [("unknown", np.nan), ("no", -1.0)])
def test_lfw_zero_means_what_it_is_said_to_mean(tmp_path, zeros, value):
    root = lfw_tree(tmp_path / "lfw", "lfw")
    table = root / "lfw_binary_attributes.csv"
    table.write_text("person,imagenum,file,Smiling,Wearing Hat\nAnn Lee,1,x.jpg,1,0\nBo Li,3,y.jpg,0,1\n")
    faces = prepare("lfw", root, to=tmp_path / "set", zeros=zeros)
    row = dict(zip(faces.ids, faces.attributes))
    np.testing.assert_array_equal(row["Ann_Lee_0001.jpg"], np.float32([1, value]))
    np.testing.assert_array_equal(row["Bo_Li_0003.jpg"], np.float32([value, 1]))


def test_lfw_own_lists_of_people(tmp_path):
    root = lfw_tree(tmp_path / "lfw", "lfw")
    (root / "peopleDevTrain.txt").write_text("2\nAnn_Lee\t2\nBo_Li\t3\n")
    (root / "peopleDevTest.txt").write_text("1\nCy_Young\t1\n")
    faces = prepare("lfw", root, to=tmp_path / "set")
    side = dict(zip(faces.identities, faces.splits))
    assert side["Cy_Young"] == "test" and side["Ann_Lee"] != "test" and side["Bo_Li"] != "test"
    (root / "peopleDevTrain.txt").unlink(), (root / "peopleDevTest.txt").unlink()
    lines = [line for n in range(8) for line in (f"P{n}\t1\t2", f"P{n}\t1\tQ{n}\t1")]
    lines += ["Bo_Li\t1\t2", "Bo_Li\t1\tR\t1", "Ann_Lee\t1\t2", "Ann_Lee\t1\tCy_Young\t1"]
    (root / "pairs.txt").write_text("\n".join(["10\t1", *lines]) + "\n")
    side = dict(zip((faces := prepare("lfw", root, to=tmp_path / "set2")).identities, faces.splits))
    assert side["Bo_Li"] == "validation" and side["Ann_Lee"] == side["Cy_Young"] == "test"


def test_attribute_names_are_celebas():
    assert [
        clean(name) for name in ("5 o' Clock Shadow", "Mouth Slightly Open", "Strong Nose-Mouth Lines")
    ] == [
        "5_o_Clock_Shadow",
        "Mouth_Slightly_Open",
        "Strong_Nose_Mouth_Lines",
    ]


# ---- CelebAMask-HQ


def hq_tree(root: Path) -> Path:
    """Three red pictures of 64 px; the left half of the first two is skin, a hat sits in the top right quarter."""
    for place, number in enumerate((3, 20, 127)):  # copies would not stay in different splits
        picture(root / "CelebAMask-HQ/CelebA-HQ-img" / f"{number}.jpg", (64, 64), 200 + 4 * place)
    anno = root / "CelebAMask-HQ/CelebAMask-HQ-mask-anno"
    for number in (3, 20):
        skin, hat = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
        skin[:, :32] = 255
        hat[:32, 32:] = 255
        for part, mask in (("skin", skin), ("hat", hat)):
            path = anno / str(number // 15) / f"{number:05d}_{part}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).convert("RGB").save(path)
    base = root / "CelebAMask-HQ"
    (base / "CelebAMask-HQ-attribute-anno.txt").write_text(
        "3\nSmiling Male\n3.jpg 1 -1\n20.jpg -1 -1\n127.jpg 1 1\n"
    )
    (base / "CelebAMask-HQ-pose-anno.txt").write_text(
        "3\nYaw Pitch Raw\n3.jpg -20.5 1 2\n20.jpg 0 0 0\n127.jpg 5 5 5\n"
    )
    mapping = "idx orig_idx orig_file\n3 99 000100.jpg\n20 170000 170001.jpg\n127 196280 196281.jpg\n"
    (base / "CelebA-HQ-to-CelebA-mapping.txt").write_text(mapping)
    return root


def test_part_masks_replace_the_background(tmp_path):
    faces = prepare(
        "celebamask-hq", hq_tree(tmp_path / "hq"), to=tmp_path / "set", background="#0000ff", size=64
    )
    assert len(faces) == 2 and faces.card["skipped"]["reasons"] == {"no mask": 1}
    assert faces.card["masked_share"] == pytest.approx(0.25)
    assert faces.attribute_names == ("Smiling", "Male", "Yaw", "Pitch", "Roll")
    assert faces.attributes[0].tolist() == [1, -1, -20.5, 1, 2]
    assert faces.splits.tolist() == ["train", "validation"]
    face = faces.images[0].astype(int)
    assert np.abs(face[48:, 40:] - (0, 0, 255)).max() < 3  # background
    assert (
        np.abs(face[:, :28] - (200, 100, 40)).max() < 12
        and np.abs(face[:28, 36:] - (200, 100, 40)).max() < 12
    )


def test_parts_can_be_chosen_and_background_kept(tmp_path):
    root = hq_tree(tmp_path / "hq")
    skin = prepare("celebamask-hq", root, to=tmp_path / "skin", background="black", keep=("skin",), size=64)
    assert skin.card["masked_share"] == pytest.approx(0.5) and skin.images[0, :28, 40:].max() < 3
    whole = prepare("celebamask-hq", root, to=tmp_path / "whole", size=64)
    assert len(whole) == 3 and whole.card["masked_share"] is None
    with pytest.raises(UsageError, match="Did you mean 'hair'"):
        prepare("celebamask-hq", root, to=tmp_path / "x", keep=("hiar",))
    with pytest.raises(UsageError, match="keep, blur or a colour"):
        prepare("celebamask-hq", root, to=tmp_path / "x", background="blck")


def test_celeba_identities_join_through_the_mapping(tmp_path):
    (tmp_path / "celeba").mkdir()
    (tmp_path / "celeba/identity_CelebA.txt").write_text("000100.jpg 7\n196281.jpg 9\n")
    faces = prepare(
        "celebamask-hq", hq_tree(tmp_path / "hq"), to=tmp_path / "set", celeba=tmp_path / "celeba"
    )
    assert dict(zip(faces.ids, faces.identities)) == {"3.jpg": "7", "20.jpg": "", "127.jpg": "9"}
    assert [official_split(stem) for stem in ("162770", "162771", "182637", "182638", None)] == [
        "train",
        "validation",
        "validation",
        "test",
        None,
    ]


def test_label_maps(tmp_path):
    for stem in ("a", "b"):
        picture(tmp_path / "lm/images" / f"{stem}.jpg", (64, 64), 200)
    labels = np.zeros((64, 64), np.uint8)
    labels[:, :16], labels[:, 16:32] = PARTS.index("skin") + 1, PARTS.index("hat") + 1
    image = Image.fromarray(labels, "P") if hasattr(Image, "fromarray") else None
    image.putpalette([value for level in range(256) for value in (level, 0, 0)])
    (tmp_path / "lm/masks").mkdir()
    image.save(tmp_path / "lm/masks/a.png")
    (tmp_path / "lm/masks/b.png").write_bytes(b"broken")
    faces = prepare("celebamask-hq", tmp_path / "lm", to=tmp_path / "set", background="white", keep=("skin",))
    assert faces.ids.tolist() == ["a.jpg"] and faces.card["masked_share"] == 0.75
    assert faces.card["skipped"]["reasons"] == {"mask cannot be read": 1}


def test_no_seam_of_the_old_background_stays():
    """A person on a bright background, put on black: nothing at the border may be brighter than the person; on white
    from a dark background, nothing darker."""
    yy, xx = np.mgrid[:512, :512]
    person = (xx - 256) ** 2 + (yy - 256) ** 2 < 150**2
    for behind, wanted, colour in ((255, "black", (0, 0, 0)), (0, "white", (255, 255, 255))):
        pixels = np.where(person[..., None], 120, behind).astype(np.uint8).repeat(3, 2)
        soft = (
            Image.fromarray(pixels).resize((256, 256), Image.Resampling.LANCZOS).resize((512, 512))
        )  # as photographs are
        made, share = replace_background(soft, person, colour)
        levels = np.asarray(made, int)[..., 0]
        assert share == pytest.approx(1 - person.mean())
        assert (levels.max() <= 125) if wanted == "black" else (levels.min() >= 115)


def test_a_blurred_background_has_none_of_the_persons_colour():
    person = np.zeros((256, 256), bool)
    person[64:192, 64:192] = True
    pixels = np.where(person[..., None], (255, 0, 0), (0, 0, 255)).astype(np.uint8)
    made, _ = replace_background(Image.fromarray(pixels), person, "blur")
    assert np.asarray(made)[~person][:, 0].max() < 8


# ---- yearbook, Olivetti


def test_yearbook_layouts(tmp_path):
    picture(tmp_path / "a/yearbook/valid/F/000001.png", (186, 171))
    picture(tmp_path / "a/yearbook/test/M/000002.png", (186, 171))
    (tmp_path / "a/yearbook/yearbook_valid.txt").write_text("F/000001.png\t1967\nM/000009.png\t1928\n")
    faces = prepare("yearbook", tmp_path / "a", to=tmp_path / "set-a")
    assert faces.images.shape == (2, 171, 186, 1) and faces.attribute_names == ("Male", "Year")
    row = dict(zip(faces.ids, faces.attributes))
    np.testing.assert_array_equal(row["valid/F/000001.png"], np.float32([-1, 1967]))
    np.testing.assert_array_equal(row["test/M/000002.png"], np.float32([1, np.nan]))
    assert faces.card["skipped"]["reasons"] == {"in the label file, but no image file": 1}
    picture(tmp_path / "b/F/1905_Ohio_Cleveland_Central_0-1.png", (171, 186))
    picture(tmp_path / "b/M/2001_Texas_Dallas_North_3-4.png", (171, 186))
    faces = prepare("yearbook", tmp_path / "b", to=tmp_path / "set-b", size=(64, 48), gray=False)
    assert faces.attributes[:, 1].tolist() == [2001, 1905] and faces.images.shape == (2, 64, 48, 3)


def test_olivetti_from_matlab_and_from_scikit_learns_cache(tmp_path):
    import joblib
    from scipy.io import savemat

    faces = np.random.default_rng(0).integers(0, 255, (40, 64, 64), np.uint8)
    columns = faces.transpose(0, 2, 1).reshape(40, -1).T
    (tmp_path / "m").mkdir(), (tmp_path / "s").mkdir()
    savemat(tmp_path / "m/olivettifaces.mat", {"faces": columns})
    joblib.dump(columns.T.copy(), tmp_path / "s/olivetti_py3.pkz", compress=6)
    for name in "ms":
        made = prepare("olivetti", tmp_path / name, to=tmp_path / f"set-{name}")
        np.testing.assert_array_equal(made.images[..., 0], faces)
        assert made.identities.tolist() == [f"person{n // 10 + 1:02d}" for n in range(40)]


def test_an_evil_cache_is_not_opened(tmp_path):
    import joblib

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "s").mkdir()
    joblib.dump(Evil(), tmp_path / "s/olivetti_py3.pkz", compress=6)
    with pytest.raises(FaceSetError, match="more than numbers"):
        prepare("olivetti", tmp_path / "s", to=tmp_path / "set")
    assert not (tmp_path / "ran").exists()


# ---- options


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (dict(source="celeba", zeros="no"), "--zeros is not for the source celeba, but for: lfw"),
        (dict(source="folder", background="black"), "has no masks"),
        (dict(source="folder", nonsense=3), "Unknown option 'nonsense'"),
        (dict(source="lfw", zeros="maybe"), "takes unknown or no"),
    ],
)
def test_options_for_other_sources_are_refused(tmp_path, call, says):
    root = lfw_tree(tmp_path / "r", "lfw")
    with pytest.raises(UsageError, match=says):
        prepare(call.pop("source"), root, to=tmp_path / "s", **call)


def test_attributes_can_be_chosen(tmp_path, drawn):
    faces = prepare("synthetic", to=tmp_path / "s", limit=4, size=16, attributes=["smile", "Hat"])
    whole = FaceSet(drawn)
    np.testing.assert_array_equal(
        faces.attributes[:, 0], whole.attributes[:4, whole.attribute_names.index("smile")]
    )
    with pytest.raises(UsageError, match="Did you mean 'smile'"):
        prepare("synthetic", to=tmp_path / "t", limit=4, attributes=["smle"])


# ---- interruptions


def test_an_interrupted_prepare_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    for index in range(150):
        picture(tmp_path / "p" / f"{index}.png", (30, 30), index)
    (tmp_path / "p/5.png").write_bytes(b"broken")
    whole = prepare("folder", tmp_path / "p", to=tmp_path / "whole", size=16)
    made = []

    def stop_after_two(making, chunk, _make=resumable.prepare_chunk):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(len(chunk))
        return _make(making, chunk)

    monkeypatch.setattr(resumable, "prepare_chunk", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        prepare("folder", tmp_path / "p", to=tmp_path / "cut", size=16)
    assert not (tmp_path / "cut").exists()
    monkeypatch.undo()
    seen = []
    monkeypatch.setattr(
        resumable,
        "prepare_chunk",
        lambda m, c, _make=resumable.prepare_chunk: seen.append(len(c)) or _make(m, c),
    )
    cut = prepare("folder", tmp_path / "p", to=tmp_path / "cut", size=16)
    assert seen == [22]  # 150 faces in chunks of 64: only the last one was left
    for name in ("images.npy", "table.csv", "card.json", "skipped.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert cut.fingerprint == whole.fingerprint and len(cut) == 149


@pytest.mark.parametrize("change", ["root", "file", "torn"])
def test_only_the_very_same_job_is_taken_up(tmp_path, monkeypatch, change):
    for name, value in (("a", 0), ("b", 250)):
        for index in range(70):
            picture(tmp_path / name / f"{index}.png", (30, 30), value)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare_module, "_write", stop)
    for _ in range(2 if change == "torn" else 1):
        with pytest.raises(KeyboardInterrupt):
            prepare("folder", tmp_path / "a", to=tmp_path / "s", size=16)
        log = tmp_path / ".s.facespace-partial/made.jsonl"
        if change == "torn":
            log.write_bytes(log.read_bytes()[:-5])
    monkeypatch.undo()
    if change == "file":
        picture(tmp_path / "a/0.png", (31, 31), 250)
    faces = prepare("folder", tmp_path / ("b" if change == "root" else "a"), to=tmp_path / "s", size=16)
    fresh = prepare("folder", tmp_path / ("b" if change == "root" else "a"), to=tmp_path / "t", size=16)
    assert len(faces) == 70 and faces.fingerprint == fresh.fingerprint
    np.testing.assert_array_equal(faces.images, fresh.images)


def test_another_job_does_not_take_up_the_rest(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    for size in (16, 24):
        if size == 16:
            monkeypatch.setattr(prepare_module, "_write", stop)
            with pytest.raises(KeyboardInterrupt):
                prepare("synthetic", to=tmp_path / "s", limit=5, size=16)
            monkeypatch.undo()
    assert prepare("synthetic", to=tmp_path / "s", limit=5, size=24).images.shape == (5, 24, 24, 3)


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_prepare_leaves_nothing_that_looks_finished_and_goes_on(tmp_path, how):
    to = tmp_path / "s"
    tokens = ("prepare", "synthetic", "--to", to, "--limit", 320, "--workers", 2)
    process = processes.command(*tokens)
    log = tmp_path / ".s.facespace-partial/made.jsonl"
    process.wait_until(lambda: log.is_file() and log.read_text())
    process.send_signal(how)
    code, _, err = process.finish()
    assert code == (-9 if how == signal.SIGKILL else 130) and "Traceback" not in err
    assert not to.exists()
    with pytest.raises(FaceSetError):
        FaceSet(tmp_path / ".s.facespace-partial")
    code, _, err = processes.command(*tokens).finish()
    assert code == 0 and "Continuing after" in err
    assert len(FaceSet(to)) == 320 and [path.name for path in tmp_path.iterdir()] == ["s"]


# ---- sets from sets


def test_merge_reconciles_names_and_keeps_people_apart(tmp_path):
    root = lfw_tree(tmp_path / "lfw", "lfw")
    kumar(root / "lfw_attributes.txt")
    first = prepare("lfw", root, to=tmp_path / "first", size=16)
    (tmp_path / "t.csv").write_text("file,smiling,Age\na.png,1,30\nb.png,0,\n")
    picture(tmp_path / "p/a.png"), picture(tmp_path / "p/b.png", value=9)
    second = prepare("folder", tmp_path / "p", to=tmp_path / "second", size=16, table=tmp_path / "t.csv")
    both = derive.merge([first, second], tmp_path / "both")
    assert both.attribute_names == ("Smiling", "5_o_Clock_Shadow", "Age")
    assert len(both) == 9 and both.ids[0].startswith("first/") and both.ids[-1] == "second/b.png"
    np.testing.assert_array_equal(both.images[:7], first.images)
    np.testing.assert_array_equal(both.attributes[7:], np.float32([[1, np.nan, 30], [-1, np.nan, np.nan]]))
    assert both.identities[0] == "lfw:Ann_Lee" and both.identities[-1] == ""
    assert [(part["set"], part["faces"]) for part in both.card["parts"]] == [("first", 7), ("second", 2)]
    assert both.splits.tolist() == [*first.splits, *second.splits]


def test_merge_refuses_what_does_not_fit(tmp_path, drawn):
    other = prepare("synthetic", to=tmp_path / "o", limit=3, size=24)
    with pytest.raises(UsageError, match="Only faces of one shape"):
        derive.merge([drawn, other], tmp_path / "m")
    with pytest.raises(UsageError, match="at least two"):
        derive.merge([drawn], tmp_path / "m")
    root = lfw_tree(tmp_path / "lfw", "lfw")
    a = prepare("lfw", root, to=tmp_path / "a", size=16)
    b = derive.split(a, tmp_path / "b", {"train": 0.5, "validation": 0.0, "test": 0.5}, seed=3)
    if (a.splits != b.splits).any():
        with pytest.raises(FaceSetError, match="people would be in two splits"):
            derive.merge([a, b], tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_merged_ids_never_collide(tmp_path):
    sets = [prepare("synthetic", to=tmp_path / place, limit=2, size=16) for place in ("p/a", "q/a", "a-2")]
    assert len(set(derive.merge(sets, tmp_path / "m").ids)) == 6


def test_split_has_its_shares_and_keeps_people_together(tmp_path):
    faces = prepare("synthetic", to=tmp_path / "s", limit=400, size=16)
    again = derive.split(faces, tmp_path / "t", {"train": 0.5, "validation": 0.5, "test": 0.0}, seed=1)
    assert again.card["splits"]["test"] == 0 and 150 < again.card["splits"]["train"] < 250
    np.testing.assert_array_equal(again.images, faces.images)
    assert (
        derive.split(faces, tmp_path / "u", {"train": 0.5, "validation": 0.5}, seed=1).splits.tolist()
        == again.splits.tolist()
    )
    with pytest.raises(UsageError, match="train above it"):
        derive.split(faces, tmp_path / "v", {"train": 0.0, "validation": 1.0})
    with pytest.raises(UsageError, match="train above it"):
        derive.split(faces, tmp_path / "v", {"train": float("nan"), "validation": 1.0})


def test_balance(tmp_path):
    faces = prepare("synthetic", to=tmp_path / "s", limit=300, size=16)
    even = derive.balance(faces, "Hat", tmp_path / "e")
    hat = even.attributes[:, even.attribute_names.index("Hat")]
    for side in ("train", "validation", "test"):
        rows = even.rows(side)
        assert (hat[rows] > 0).sum() == (hat[rows] < 0).sum()
    assert 0 < len(even) < 300
    with pytest.raises(UsageError, match="Did you mean 'Hat'"):
        derive.balance(faces, "Hats", tmp_path / "x")


def test_set_verbs(cli, tmp_path, drawn):
    shutil.copytree(drawn, tmp_path / "two")
    code, out, _ = cli("merge", drawn, tmp_path / "two", "--to", tmp_path / "m", "--json")
    assert code == 0 and json.loads(out)["faces"] == 120
    code, out, _ = cli(
        "split", drawn, "--to", tmp_path / "s", "--train", 1, "--validation", 1, "--test", 0, "--json"
    )
    assert code == 0 and json.loads(out)["splits"]["test"] == 0
    code, out, _ = cli("balance", drawn, "--on", "Eyeglasses", "--to", tmp_path / "b", "--json")
    assert code == 0 and json.loads(out)["faces"] < 60
    code, _, err = cli("balance", drawn, "--on", "Eyeglasses", "--to", drawn, "--force")
    assert code == 2 and "nothing that a command reads is replaced" in err


# ---- augmentation


def test_mirror_turns_pictures_and_what_knows_left_from_right():
    torch.manual_seed(0)
    image, names = (
        torch.rand(64, 3, 4, 6),
        ("Smiling", "yaw", "Left_Eye_Open", "Right_Eye_Open", "l_ear", "r_ear"),
    )
    values = torch.tensor([[1.0, 0.5, 1.0, -1.0, 2.0, 3.0]]).repeat(64, 1)
    turned, told = augment.mirror(image, values, names)
    flipped = (turned == image.flip(3)).flatten(1).all(1)
    kept = (turned == image).flatten(1).all(1)
    assert (flipped ^ kept).all() and 16 < flipped.sum() < 48
    assert (told[flipped] == torch.tensor([1.0, -0.5, -1.0, 1.0, 3.0, 2.0])).all()
    assert torch.equal(told[kept], values[kept])


def test_variations_stay_faces():
    torch.manual_seed(0)
    image = torch.rand(8, 3, 32, 32)
    assert torch.equal(augment.jitter(image, 0.0), image) or torch.allclose(
        augment.jitter(image, 0.0), image, atol=1e-6
    )
    torch.testing.assert_close(augment.affine(image, 0.0), image, atol=1e-5, rtol=0)
    varied = augment.jitter(augment.affine(image, 1.0), 0.3)
    assert varied.shape == image.shape and varied.min() >= 0 and varied.max() <= 1
    assert (varied - image).abs().mean() > 0.02


def test_shift_turns_without_distorting():
    """A centred disc stays a disc, on a picture that is not square too."""
    torch.manual_seed(1)
    yy, xx = torch.meshgrid(torch.arange(48.0), torch.arange(96.0), indexing="ij")
    disc = (((xx - 47.5) ** 2 + (yy - 23.5) ** 2) < 12**2).float().expand(16, 1, 48, 96)
    for one in augment.affine(disc, 0.5)[:, 0] > 0.5:
        height, width = int(one.any(1).sum()), int(one.any(0).sum())
        assert abs(height - width) <= 2


# ---- the real ones


def test_every_real_folder_is_read(real, tmp_path):
    counts = {
        "lfw": (prepare("lfw", real / "lfw", to=tmp_path / "lfw", limit=60), 60),
        "hq": (prepare("celebamask-hq", real / "celebamask-hq", to=tmp_path / "hq", background="black"), 165),
        "labels": (
            prepare("celebamask-hq", real / "celebamask-labelmaps", to=tmp_path / "l", background="black"),
            250,
        ),
        "yearbook": (prepare("yearbook", real / "yearbook", to=tmp_path / "y"), 6),
        "olivetti": (prepare("olivetti", real / "olivetti", to=tmp_path / "o"), 400),
        "portraits": (prepare("folder", real / "portraits-cc0", to=tmp_path / "p"), 200),
    }
    assert {name: len(faces) for name, (faces, _) in counts.items()} == {
        name: count for name, (_, count) in counts.items()
    }
    assert counts["portraits"][0].attribute_names == ("female", "male")
    both = derive.merge([tmp_path / "hq", tmp_path / "l"], tmp_path / "both")
    assert [part["faces"] for part in both.card["parts"]] == [165, 250]
    lfw = counts["lfw"][0]
    assert "Sunglasses" in lfw.attribute_names and np.isfinite(lfw.attributes).all()
    # The corners of masked pictures are the background's black far more often than not; the middle is a face.
    corners = counts["hq"][0].images[:, :3, :3].mean((1, 2, 3))
    assert np.median(corners) < 5 and counts["hq"][0].images[:, 28:36, 28:36].mean() > 60
