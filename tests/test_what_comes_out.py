"""What verbs write: durations that browsers keep, pictures that fit their format, a resumed run that says what differs, and
own sheets that are no photographs."""

import json
import shutil

import numpy as np
import pytest
from conftest import TINY
from PIL import Image

import facespace
from facespace.core.errors import TrainingError, UsageError
from facespace.image import animation, grids, provenance, sheets


@pytest.mark.parametrize("ending", [".gif", ".webp"])
@pytest.mark.parametrize("fps", [100, 60, 50.5, 50, 33, 24, 1])
def test_no_frame_is_shorter_than_browsers_keep(tmp_path, ending, fps):
    """Frames are told apart by their brightness; those that are left out leave even steps."""
    count = 40
    frames = np.repeat(np.arange(0, 6 * count, 6, np.uint8)[:, None, None, None], 48, 3).reshape(
        count, 4, 4, 3
    )
    path = tmp_path / f"a{ending}"
    told = animation.save_animation(frames, path, fps=fps, scale=4)
    shown = Image.open(path)
    durations, levels = [], []
    for place in range(shown.n_frames):
        shown.seek(place)
        shown.load()
        durations.append(shown.info["duration"])
        levels.append(np.asarray(shown.convert("RGB"), float).mean())
    assert min(durations) >= 20
    assert sum(durations) == pytest.approx(1000 * count / fps, abs=20)
    assert told.seconds == pytest.approx(sum(durations) / 1000, abs=0.001)
    if fps <= 50:
        assert shown.n_frames == count
    np.testing.assert_allclose(levels, [6 * place for place in told.shown], atol=10)  # of 256 colours
    assert max(np.diff(told.shown)) - min(np.diff(told.shown)) <= 1


def test_morph_says_the_true_duration(cli, trained, photos, tmp_path):
    code, out, err = cli(
        "morph", trained, *photos[:2], "--frames", 30, "--fps", 100, "--to", tmp_path / "m.gif", "--json"
    )
    assert code == 0, err
    facts = json.loads(out)
    assert facts["seconds"] == pytest.approx(0.3, abs=0.01) and facts["frames_shown"] == 15
    film = Image.open(tmp_path / "m.gif")
    assert film.n_frames == 15 and film.info["duration"] == 20
    code, out, _ = cli(
        "morph", trained, *photos[:2], "--frames", 30, "--fps", 100, "--to", tmp_path / "m.webp"
    )
    assert code == 0 and "0.3 s (15 of them shown" in out


@pytest.mark.parametrize("ending", [".webp", ".jpg"])
def test_a_picture_beyond_its_format_is_refused_before_the_work(cli, trained, tmp_path, monkeypatch, ending):
    def never(*_, **__):
        raise AssertionError("faces were drawn")

    monkeypatch.setattr("facespace.space.face_space.FaceSpace.sample", never)
    columns = 70_000 // 130
    to = tmp_path / f"wide{ending}"
    code, _, err = cli("sample", trained, "--grid", f"1x{columns}", "--scale", 8, "--to", to)
    assert code == 2 and "a side" in err and ending in err and not to.exists()


def test_every_way_out_has_the_limit(cli, trained, photos, tmp_path, monkeypatch):
    np.save(tmp_path / "z.npy", np.zeros((4, 5), np.float32))
    monkeypatch.setattr(grids, "LIMITS", {".jpg": 100, ".webp": 100, ".gif": 100})
    monkeypatch.setattr("facespace.space.torch_engine.TorchEngine.decode", None)
    for tokens in (
        ("decode", trained, tmp_path / "z.npy", "--to", tmp_path / "a.jpg"),
        ("reconstruct", trained, *photos, "--to", tmp_path / "a.webp"),
        ("sample", trained, "-n", 9, "--to", tmp_path / "a.jpg"),
        ("morph", trained, tmp_path / "z.npy", "--frames", 5, "--to", tmp_path / "a.jpg"),
    ):
        code, _, err = cli(*tokens)
        assert code == 2 and "has at most 100 a side" in err, tokens
    with pytest.raises(UsageError, match="at most 100"):
        animation.save_animation(np.zeros((2, 16, 16, 3), np.uint8), tmp_path / "a.gif")
    with pytest.raises(UsageError, match="at most 100"):
        grids.save_still(Image.new("RGB", (101, 5)), tmp_path / "a.webp")
    with pytest.raises(UsageError, match="more than 2 GiB"):
        grids.check_size(tmp_path / "a.png", 40_000, 40_000)
    sheets.check_fits(tmp_path / "a.npy", (10**6, 64, 64))  # an array has no limit


def test_a_resumed_run_names_the_field_that_differs(trained, drawn, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    settings = [text for text in TINY if not text.startswith("train.batch=")]
    with pytest.raises(TrainingError, match=r"train\.batch=8, not 16\. Resume with the same command"):
        facespace.train(
            "demo",
            drawn,
            tmp_path / "run",
            settings=(*settings, "train.batch=16"),
            resume=True,
            trackers=["none"],
        )


@pytest.mark.parametrize("name", ["sheet.png", "sheet.jpg", "sheet.webp", "film.gif", "film.webp", "one.png"])
def test_own_pictures_in_a_folder_of_photographs_are_no_faces(cli, trained, photos, tmp_path, name):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for photo in photos:
        shutil.copy(photo, folder)
    before = facespace.prepare("folder", folder, to=tmp_path / "before", size=16, workers=1)
    if name.startswith("film"):
        cli("morph", trained, *photos[:2], "--frames", 3, "--to", folder / name)
    else:
        cli("sample", trained, "-n", 1 if name == "one.png" else 4, "--to", folder / name)
    assert (folder / name).is_file()
    after = facespace.prepare("folder", folder, to=tmp_path / "after", size=16, workers=1)
    assert after.card["fingerprint"] == before.card["fingerprint"]
    assert after.card["skipped"]["reasons"] == {provenance.OWN: 1}
    code, out, err = cli("encode", trained, folder, "--to", tmp_path / "z.npy", "--json")
    assert code == 0, err
    assert json.loads(out)["count"] == len(photos) + (name == "one.png")  # a single face can be edited again


def test_what_a_verb_wrote_into_the_folder_it_reads_can_be_written_again(cli, trained, photos, tmp_path):
    for _ in range(2):
        code, _, err = cli("reconstruct", trained, tmp_path, "--to", tmp_path / "sheet.png")
        assert code == 0, err
