"""Pictures to look at, files without --to, films of many faces and their order."""

import itertools
import json
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facespace
from facespace.cli import outputs
from facespace.core.errors import UsageError
from facespace.image import animation, gif, sheets
from facespace.image.sheets import Labels
from facespace.image.text import load_font, shorten
from facespace.latent import ordering
from facespace.models.priors import Flow, StandardNormal
from facespace.space import morph_grids
from facespace.space.geodesic import density_guide
from facespace.space.noise_paths import noise_paths


def names_here():
    return sorted(path.name for path in Path().iterdir())


def test_faces_have_256_px_until_the_picture_is_2048_px_wide():
    assert sheets.face_scale(64, 64, 1, 1) == sheets.face_scale(64, 64, 8, 40) == 4
    assert sheets.face_scale(64, 64, 10, 1) == 204 / 64
    assert sheets.face_scale(64, 64, 16, 16) == sheets.face_scale(64, 64, 60, 60) == 2
    assert sheets.face_scale(64, 64, 100, 100) == pytest.approx(89 / 64)
    assert sheets.face_scale(300, 280, 16, 16) == 1 and sheets.face_scale(171, 186, 4, 4) == 256 / 171
    assert sheets.face_scale(64, 64, 16, 16, 1) == 1 and sheets.face_scale(64, 64, 2, 2, 7) == 7
    for scale in (0, -1, 33):
        with pytest.raises(UsageError, match="1 to 32"):
            sheets.face_scale(64, 64, 2, 2, scale)
    with pytest.raises(UsageError, match="80 megapixels"):
        sheets.face_scale(256, 256, 16, 16, 4)


def test_labels_lie_beside_the_faces_and_never_on_them():
    faces = np.full((6, 16, 16, 3), 255, np.uint8)
    plain = sheets.sheet(faces, 3, scale=4)
    assert plain.size == (3 * 66 + 2, 2 * 66 + 2) and (np.asarray(plain) == 255).all()
    labels = Labels(
        rows=["me.jpg", "a very long name of a photograph.jpg"],
        columns=["original", "reconstruction", "Smiling +2 sd"],
        captions=["", "", "", "one", "two", "three"],
        title="title",
    )
    faces = np.full((6, 16, 16, 3), 7, np.uint8)
    page = np.asarray(sheets.sheet(faces, 3, labels, scale=8))
    face = (page == 7).all(2)
    assert face.sum() == 6 * 128 * 128  # no letter covers a face
    rows, columns = np.flatnonzero(face.any(1)), np.flatnonzero(face.any(0))
    inked = (page < 128).any(2) & ~face
    assert inked[: rows[0]].any() and inked[:, : columns[0]].any() and inked[rows[-1] + 1 :].any()
    assert not inked[:, columns[-1] + 1 :].any()


def test_a_long_name_keeps_both_ends():
    font = load_font(12)
    short = shorten("IMG_20260101_holiday_on_the_beach_0001.jpg", font, 120)
    assert short.startswith("IMG") and short.endswith(".jpg") and font.getlength(short) <= 120
    assert shorten("me.jpg", font, 120) == "me.jpg"


def test_few_faces_have_a_row_each_and_many_lie_side_by_side():
    stacks = [
        ("original", np.full((3, 16, 16, 3), 9, np.uint8)),
        ("edit", np.full((3, 16, 16, 3), 90, np.uint8)),
    ]
    few = sheets.comparison(stacks, ["a.jpg", "b.jpg", "c.jpg"])
    assert few.width < few.height
    face = np.asarray(few)[..., 0]
    middle = face[[np.flatnonzero((face == 9).any(1)).mean().astype(int)]]
    assert set(np.unique(middle[(middle == 9) | (middle == 90)])) == {9, 90}
    wide = sheets.comparison(stacks, ["a.jpg", "b.jpg", "c.jpg"], columns=3)
    assert wide.width > wide.height


def test_enlarged_faces_are_smooth():
    edge = np.zeros((8, 8, 3), np.uint8)
    edge[:, 4:] = 255
    shown = np.asarray(sheets.enlarged(edge, (64, 64)))[32, :, 0].astype(int)
    assert np.abs(np.diff(shown)).max() < 80 and shown[4] < 20 and shown[60] > 235


def test_without_to_a_new_file_is_written(cli, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["samples.png", "samples-2.png", "samples-3.png"]
    for name in names:
        code, out, _ = cli("sample", trained, "-n", 2, "--json")
        assert code == 0 and json.loads(out)["to"] == name
    assert names_here() == sorted(names)
    assert Image.open("samples.png").size == (2 * 258 + 2, 258 + 2)
    assert cli("sample", trained, "--number", 2, "--scale", 1)[0] == 0
    assert Image.open("samples-4.png").size == (2 * 18 + 2, 18 + 2)
    code, _, err = cli("sample", trained, "-n", 0)
    assert code == 2 and "at least 1" in err and len(names_here()) == 4


def test_a_named_file_is_replaced_with_a_note_and_a_folder_is_refused(cli, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "replaced" not in cli("sample", trained, "-n", 1, "--to", "a.png")[2]
    assert "a.png existed, and was replaced." in cli("sample", trained, "-n", 2, "--to", "a.png")[2]
    Path("b.png").mkdir()
    code, _, err = cli("sample", trained, "-n", 1, "--to", "b.png")
    assert code == 2 and "b.png is a folder. Name a file, such as b.png/samples.png" in err
    assert names_here() == ["a.png", "b.png"] and not list(Path("b.png").iterdir())


def test_a_failed_verb_gives_its_name_back_and_others_take_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt), outputs.output_file(None, "a.png"):
        assert names_here() == ["a.png"]
        raise KeyboardInterrupt
    assert names_here() == []
    taken, barrier = [], threading.Barrier(8)

    def take():
        barrier.wait()
        with outputs.output_file(None, "a.png") as path:
            taken.append(path.name)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(["a.png", *(f"a-{number}.png" for number in range(2, 9))])


def test_every_verb_of_pictures_has_a_file_of_its_own(cli, trained, photos, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert cli("encode", trained, photos[0])[0] == 0 and cli("decode", trained, "latents.npy")[0] == 0
    assert cli("reconstruct", trained, *photos)[0] == 0
    assert cli("reconstruct", trained, *photos, "--diagnostics")[0] == 0
    assert cli("mix", trained, "--plus", photos[0], "--minus", photos[1])[0] == 0
    code, out, _ = cli("morph", trained, "--frames", 5)
    assert code == 0 and "4 random faces (seed 0)" in out and "morph.gif" in out
    found = [
        "decoded.png",
        "latents.npy",
        "mixed.png",
        "morph.gif",
        "reconstructed-2.png",
        "reconstructed.png",
    ]
    assert names_here() == found
    assert Image.open("morph.gif").size == (256, 256) and Image.open("decoded.png").size == (260, 260)


def test_a_folder_is_a_film_of_its_faces(cli, trained, drawn, photos, tmp_path):
    folder = tmp_path / "people"
    folder.mkdir()
    faces = facespace.FaceSet(drawn).images[:20]
    for index, face in enumerate(faces):
        Image.fromarray(face).save(folder / f"{index:02}.png")
    for name in ("notes.txt", "list.json", "LICENSE"):
        (folder / name).write_text("no face")
    (folder / "broken.jpg").write_bytes(b"no picture")
    to = tmp_path / "m.gif"
    code, out, err = cli("morph", trained, folder, "--to", to, "--frames", 40, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["keys"] == 20 and facts["faces"][:2] == ["00.png", "01.png"], err
    assert facts["skipped"] == [str(folder / "broken.jpg")] and "Left out" in err and "broken.jpg" in err
    assert Image.open(to).n_frames == 40 and facts["bytes"] == to.stat().st_size
    code, out, _ = cli("morph", trained, folder, "--to", to, "--frames", 40, "--order", "path", "--json")
    order = json.loads(out)["faces"]
    assert code == 0 and sorted(order) == sorted(facts["faces"]) and order != facts["faces"]
    z = facespace.load(trained).encode(faces)
    distances = ordering.pairwise_distances(z)
    places = np.array([int(name[:2]) for name in order])
    assert ordering.path_length(distances, places) < 0.9 * ordering.path_length(distances, np.arange(20))
    shuffled = [
        cli("morph", trained, folder, "--to", to, "--frames", 20, "--order", "random", "--json")[1]
        for _ in "12"
    ]
    assert json.loads(shuffled[0])["faces"] == json.loads(shuffled[1])["faces"] != facts["faces"]
    code, _, err = cli("morph", trained, folder / "broken.jpg", photos[0], "--to", tmp_path / "n.gif")
    assert (
        code == 2
        and "1 of 2 files has one" in err
        and "broken.jpg" in err
        and not (tmp_path / "n.gif").exists()
    )
    code, _, err = cli("morph", trained, folder, "--to", to, "--order", "short")
    assert code == 2 and "Unknown order 'short'" in err


def test_a_folder_without_a_space_means_the_default_space(cli, trained, photos, tmp_path, monkeypatch):
    from facespace.cli import keyframes

    assert keyframes._holds_faces(photos[0].parent) and not keyframes._holds_faces(trained)
    run = tmp_path / "unfinished"
    run.mkdir()
    Image.new("RGB", (16, 16)).save(run / "samples.png")
    assert keyframes._holds_faces(run)
    (run / "metrics.jsonl").write_text("")
    assert not keyframes._holds_faces(run) and not keyframes._holds_faces(tmp_path / "gone")


@pytest.mark.parametrize("closed", [False, True])
def test_a_short_path_is_as_short_as_any_of_few_faces(closed):
    z = np.random.default_rng(3).normal(size=(7, 4)).astype(np.float32)
    distances = ordering.pairwise_distances(z)
    best = min(ordering.path_length(distances, np.array(p), closed) for p in itertools.permutations(range(7)))
    found = ordering.short_path(z, closed)
    assert sorted(found.tolist()) == list(range(7))
    assert ordering.path_length(distances, found, closed) <= 1.05 * best
    assert (found == ordering.short_path(z, closed)).all() and (found[0] == 0 or not closed)


def test_faces_along_a_line_are_put_in_order():
    at = np.random.default_rng(0).permutation(60)
    z = np.outer(at, [1.0, 2.0, -1.0])
    assert at[ordering.short_path(z)].tolist() in (list(range(60)), list(range(60))[::-1])
    assert ordering.short_path(z[:2]).tolist() == [0, 1] and len(ordering.short_path(np.zeros((5, 3)))) == 5
    circle = np.stack([np.cos(at * np.pi / 30), np.sin(at * np.pi / 30)], 1)
    distances = ordering.pairwise_distances(circle)
    assert ordering.path_length(distances, ordering.short_path(circle, True), True) == pytest.approx(
        60 * 2 * np.sin(np.pi / 60)
    )


def test_a_path_of_latents_that_are_no_numbers_is_refused():
    with pytest.raises(UsageError, match="not finite"):
        ordering.ordered(np.array([[0.0], [np.nan], [1.0]]), "path")


class Moving:
    """A film of a bright disc that crosses a shaded picture, made where it is read."""

    def __init__(self, count, side=64):
        self.shape, self.read = (count, side, side, 3), []
        self.y, self.x = np.mgrid[:side, :side]

    def __getitem__(self, places):
        frames = []
        self.read.append(places)
        for at in range(self.shape[0])[places]:
            frame = np.stack([self.x * 2 + 40, self.y * 2 + 40, self.x + self.y], -1).astype(np.uint8)
            middle = 10 + 44 * at / max(self.shape[0] - 1, 1)
            frame[(self.x - middle) ** 2 + (self.y - 32) ** 2 < 80] = (250, 240, 230)
            frames.append(frame)
        return np.array(frames).reshape(-1, *self.shape[1:])


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_an_animation_shows_what_it_was_given(tmp_path, name):
    film = Moving(90)
    animation.save_animation(film, tmp_path / name, fps=25, scale=1)
    shown = Image.open(tmp_path / name)
    assert shown.n_frames == 90 and shown.size == (64, 64)
    duration = 0
    for at in (0, 1, 50, 89):
        shown.seek(at)
        shown.load()
        given = film[at : at + 1][0].astype(int)
        assert np.abs(np.asarray(shown.convert("RGB")).astype(int) - given).mean() < 7
        duration += shown.info["duration"]
    assert duration == 4 * 40


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_long_films_take_no_more_memory(tmp_path, name):
    peaks = []
    for count in (192, 640):
        film = Moving(count, 48)
        tracemalloc.start()
        animation.save_animation(film, tmp_path / name, scale=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert max(len(range(count)[places]) for places in film.read) <= animation.BATCH
    assert peaks[1] < 1.2 * peaks[0] + 200_000  # all frames would be 2.3 times as many bytes


def test_black_and_white_survive_the_palette(tmp_path):
    frames = np.zeros((3, 16, 16, 3), np.uint8)
    frames[:, :, 8:] = 255
    frames[1] = 255 - frames[1]
    animation.save_animation(frames, tmp_path / "a.gif", scale=1)
    shown = Image.open(tmp_path / "a.gif")
    for at in range(3):
        shown.seek(at)
        assert (np.asarray(shown.convert("RGBA"))[..., 3] == 255).all()
        assert np.abs(np.asarray(shown.convert("RGB")).astype(int) - frames[at]).max() < 12
    assert gif.BAYER.min() == -0.5 and gif.BAYER.mean() == pytest.approx(-1 / 128)


def test_a_film_measures_its_steps_as_it_is_read(trained):
    space = facespace.load(trained)
    z = space.sample_latents(3, seed=1) * 3
    made = morph_grids.animate(space, z, frames=150, loop=True)
    film = morph_grids.film(space, z, frames=150, loop=True)
    assert film.shape == (150, 16, 16, 3)
    for start in (0, 70, 20):  # the palette of a GIF
        film[start : start + 1]
    parts = [film[start : start + 64] for start in range(0, 150, 64)]
    np.testing.assert_array_equal(np.concatenate(parts), made.frames)
    assert film.step_ratio == pytest.approx(made.step_ratio)
    assert animation.step_ratio(made.frames, closed=True) == pytest.approx(made.step_ratio)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ([], 2),
        (["--random", 5], 6),
        (["--random", 3, "--loop"], 4.5),
        (["--random", 60], 60),
        (["--random", 140], 69.5),
    ],
)
def test_a_film_grows_with_its_faces(cli, trained, tmp_path, photos, options, seconds):
    faces = options or photos[:2]
    to = tmp_path / "m.npy"
    code, out, err = cli("morph", trained, *faces, "--to", to, "--pace", "uniform", "--fps", 4, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["seconds"] == pytest.approx(seconds, abs=0.3), err
    assert len(np.load(to)) == facts["frames"]


def test_a_large_gif_is_announced(cli, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("facespace.cli.morphs.LARGE", 0.01)
    _, _, err = cli("morph", trained, "--frames", 9, "--to", tmp_path / "m.gif")
    assert "9 frames make a GIF of about" in err and "--to morph.mp4" in err
    _, _, err = cli("morph", trained, "--frames", 9, "--to", tmp_path / "m.npy")
    assert "GIF" not in err


def test_paths_of_noise_are_lines_of_it_and_exact_at_their_ends():
    prior = Flow(6, steps=200, width=32, blocks=1)
    z = np.random.default_rng(0).normal(size=(400, 6)) ** 3
    import torch

    from facespace.core.console import quiet

    with quiet():
        prior.fit(torch.from_numpy(z))
    ends = z[:4].astype(np.float32)
    between = noise_paths(prior)(ends[:-1], ends[1:])
    segment, t = np.array([0, 0, 0, 1, 2]), np.array([0, 0.5, 1, 0.25, 1], np.float32)
    path = between(segment, t)
    np.testing.assert_array_equal(path[[0, 2, 4]], ends[[0, 1, 3]])
    noise = prior.encode(torch.from_numpy(ends)).numpy()
    middle = (noise[:1] + noise[1:2]) / 2
    np.testing.assert_allclose(prior.encode(torch.from_numpy(path[1:2])).numpy(), middle, atol=0.1)
    with pytest.raises(UsageError, match="fit-prior"):
        noise_paths(StandardNormal(6))


def test_the_default_path_follows_the_faces_of_a_space(cli, trained, tmp_path):
    code, out, _ = cli("morph", trained, "--to", tmp_path / "m.npy", "--frames", 4, "--json")
    assert code == 0 and json.loads(out)["path"] == "linear"
    space = facespace.load()
    assert space.default_path() == "flow" and space.default_path("model") == "linear"
    flow, guide = space.prior("flow"), density_guide(space.prior("flow"))
    z = space.sample_latents_batched(400)
    assert np.corrcoef(guide.covariance.diagonal().sqrt(), z.std(0))[0, 1] > 0.9
    assert density_guide(StandardNormal(3)).mean.shape == (3,) and guide.mean is not None
    assert (guide.mean == flow.mean).all()
    code, _, err = cli("morph", trained, "--path", "flow", "--to", tmp_path / "n.npy", "--frames", 4)
    assert code == 2 and "fit-prior" in err and not (tmp_path / "n.npy").exists()


def test_edits_that_change_nothing_say_so(cli, photos, tmp_path, trained):
    space = facespace.load()
    z = space.sample_latents(6, seed=3, temperature=0.7)
    smiling = space.edit(z, {"Smiling": 5})
    np.save(tmp_path / "z.npy", smiling)
    to = tmp_path / "e.npy"
    code, out, err = cli("edit", tmp_path / "z.npy", "--set", "Smiling=on", "--to", to, "--json")
    met = json.loads(out)["unchanged"]["Smiling"]
    unmoved = (np.load(to) == smiling).all(1).sum()
    assert code == 0 and met == unmoved >= 4, err
    one = tmp_path / "one.npy"
    np.save(one, smiling[(np.load(to) == smiling).all(1)][:1])
    code, out, _ = cli("edit", one, "--set", "Smiling=on", "--to", tmp_path / "e.png")
    assert code == 0 and "Smiling=on: by the attribute classifier the face has it already; unchanged." in out


def test_photographs_without_a_face_are_left_out_of_a_film(cli, real, tmp_path, monkeypatch):
    monkeypatch.setenv("FACESPACE_YUNET", str(real.parent / "models/face_detection_yunet_2023mar.onnx"))
    photos = sorted((real / "photos-unaligned").iterdir())[:3]
    for photo in photos:
        (tmp_path / photo.name).write_bytes(photo.read_bytes())
    for name in ("a-sky.png", "z-sea.png"):
        Image.new("RGB", (200, 200), "teal").save(tmp_path / name)
    to = tmp_path / "out" / "m.npy"
    code, out, err = cli("morph", tmp_path, "--to", to, "--frames", 5, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["faces"] == [photo.name for photo in photos], err
    assert "a-sky.png" in err and "z-sea.png" in err and len(facts["skipped"]) == 2
    code, _, err = cli("morph", tmp_path / "a-sky.png", photos[0], "--to", tmp_path / "no.npy")
    assert code == 2 and "1 of 2 files has one" in err and "no face" in err


def test_a_weak_strength_names_its_class_gap(cli, tmp_path):
    to = tmp_path / "e.png"
    code, out, _ = cli("edit", "--random", 1, "--set", "Sunglasses=2", "--to", to)
    assert code == 0 and "Sunglasses +2 sd is 0.4 class gaps" in out and "--set Sunglasses=1g (4.9 sd)" in out
    code, out, _ = cli("edit", "--random", 1, "--set", "Sunglasses=1g", "--to", to)
    assert code == 0 and "class gaps" not in out


def test_strengths_and_temperatures_beyond_all_faces_are_said(cli, tmp_path):
    to = tmp_path / "e.png"
    code, out, _ = cli("edit", "--random", 1, "--set", "Smiling=2000", "--set", "Male=3", "--to", to)
    assert (
        code == 0 and "Smiling +2000 sd is farther than any face lies" in out and "Male +3 sd is f" not in out
    )
    for temperature, said in ((50, True), (1, False)):
        code, _, err = cli("sample", "-n", 1, "--temperature", temperature, "--to", tmp_path / "s.png")
        assert code == 0 and ("Temperature 50 is far from the prior's own" in err) is said


def test_on_for_an_attribute_that_no_classifier_knows(cli, tmp_path):
    code, _, err = cli("edit", "--random", 1, "--set", "Sunglasses=on", "--to", tmp_path / "e.png")
    assert code == 2 and "--set Sunglasses=on needs an attribute classifier that knows Sunglasses" in err
    assert "--set Sunglasses=1g" in err and not list(tmp_path.iterdir())
