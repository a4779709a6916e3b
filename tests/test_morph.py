"""Morphs and mixes: the geometry of paths, their pace, films on disk, and the two verbs."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import facespace
from facespace.core.console import quiet
from facespace.core.errors import FacespaceError, UsageError
from facespace.data.faces import FaceSet
from facespace.image import animation
from facespace.latent.morph import PATHS, PathGeometry, PathSpec, frame_positions, piecewise_linear
from facespace.latent.paths import bilinear, lerp, mix, slerp
from facespace.models.priors import FittedNormal, Flow, Mixture, StandardNormal
from facespace.space.geodesic import geodesic, geodesic_paths, great_circle
from facespace.space.noise_paths import noise_paths


@pytest.fixture(scope="module")
def space(trained):
    return facespace.load(trained)


@pytest.fixture(scope="module")
def faces(drawn):
    return FaceSet(drawn).images[:6]


@pytest.fixture(scope="module")
def keys():
    return torch.randn(5, 9, generator=torch.Generator().manual_seed(0)).numpy()


def under(prior):
    """What paths depend on of a prior."""
    return PathGeometry(
        prior.mean.numpy(), geodesic(prior), lambda starts, ends: noise_paths(prior)(starts, ends)
    )


def grid_of(count):
    """So many even t in [0, 1], float32."""
    return np.linspace(0, 1, count, dtype=np.float32)


def rotated(prior: str = "normal"):
    """A prior that is long in a few directions, none of them an axis, and not at the origin."""
    generator = torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
    z = torch.randn(4_000, 6, generator=generator) * torch.tensor([3.0, 2, 1, 0.5, 0.2, 0.1]) @ turn + 2
    fitted = FittedNormal(6) if prior == "normal" else Mixture(6, 3)
    with quiet():
        fitted.fit(z)
    return fitted, z


def test_lerp_is_exact_at_its_ends(keys):
    path = lerp(keys[0], keys[1], np.array([0.0, 0.25, 1.0], np.float32))
    assert path.dtype == np.float32
    assert np.array_equal(path[0], keys[0]) and np.array_equal(path[2], keys[1])
    np.testing.assert_allclose(path[1], 0.75 * keys[0] + 0.25 * keys[1], rtol=1e-5)


def test_slerp_turns_evenly_about_its_centre(keys):
    center, t = keys[4], grid_of(7)
    path = slerp(keys[0], keys[1], t, center)
    assert path.dtype == np.float32
    assert np.array_equal(path[0], keys[0]) and np.array_equal(path[-1], keys[1])
    spokes = path - center
    length = np.linalg.norm(spokes, axis=1)
    np.testing.assert_allclose(length, (1 - t) * length[0] + t * length[-1], rtol=1e-5)
    units = spokes / length[:, None]
    angles = np.arccos((units[:-1] * units[1:]).sum(1))
    np.testing.assert_allclose(angles, np.full(6, angles.mean()), rtol=1e-3, atol=1e-4)
    quarter = slerp(np.float32([2, 0]), np.float32([0, 2]), np.float32([0.5]))
    np.testing.assert_allclose(quarter, np.full((1, 2), math.sqrt(2)), rtol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 2.5, -1.0, 0.0])
def test_slerp_of_parallel_ends_is_the_line(keys, factor):
    t, end = grid_of(5), np.float32(factor) * keys[0]
    np.testing.assert_array_equal(slerp(keys[0], end, t), lerp(keys[0], end, t))


def test_the_circle_with_gradients_is_the_one_of_arrays(keys):
    starts, ends, t = keys[:3].astype(np.float64), keys[1:4].astype(np.float64), np.array([0.0, 0.3, 1.0])
    circle = great_circle(*(torch.from_numpy(part) for part in (starts, ends, t)))
    np.testing.assert_allclose(circle, slerp(starts, ends, t), rtol=1e-12)


def test_bilinear_has_its_corners_and_their_mean(keys):
    sheet = bilinear(keys[:4], 3, 5).reshape(3, 5, -1)
    for corner, place in zip(keys, ((0, 0), (0, -1), (-1, 0), (-1, -1))):
        assert np.array_equal(sheet[place], corner)
    np.testing.assert_allclose(sheet[1, 2], keys[:4].mean(0), rtol=1e-5, atol=1e-6)


def test_blends_are_those_of_even_steps_in_torch(keys):
    for columns in range(2, 40):
        row, (start, end) = (
            bilinear(keys[:4], 2, columns)[:columns],
            (torch.from_numpy(key) for key in keys[:2]),
        )
        t = torch.linspace(0, 1, columns)[:, None]
        np.testing.assert_array_equal(row, ((1 - t) * start + t * end).numpy())


def test_a_mix_whose_weights_sum_to_one_knows_no_centre(keys):
    mixed = keys[0] - 0.5 * keys[1] + 0.5 * keys[2]
    np.testing.assert_allclose(mix(keys[:3], [1, -0.5, 0.5], keys[4]), mixed, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mix(keys[:1], [0.5], keys[4]), (keys[0] + keys[4]) / 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("prior", [StandardNormal(6), *(rotated(kind)[0] for kind in ("normal", "mixture"))])
def test_the_mean_of_a_prior_is_that_of_its_samples(prior):
    z = prior.sample(4_000, generator=torch.Generator().manual_seed(0))
    assert_close(prior.mean, z.mean(0), atol=0.15, rtol=0)


@pytest.mark.parametrize("kind", ["normal", "mixture"])
def test_a_dense_path_is_denser_than_its_circle_and_as_far_out(kind):
    prior, z = rotated(kind)
    starts, ends, t = z[:3], z[3:6], torch.linspace(0, 1, 33)
    between = geodesic_paths(starts, ends, prior)
    for segment in range(3):
        path = between(torch.full((33,), segment), t)
        assert torch.equal(path[0], starts[segment]) and torch.equal(path[-1], ends[segment])
        circle = torch.from_numpy(
            slerp(*(one.numpy() for one in (starts[segment], ends[segment], t, prior.mean)))
        )
        assert prior.log_prob(path).mean() > prior.log_prob(circle).mean() + 0.3
        step = path.diff(dim=0).norm(dim=1)
        assert step.max() < 4 * step.mean()  # no jump anywhere
    assert_close(
        geodesic_paths(starts, ends, prior)(torch.zeros(33).long(), t), between(torch.zeros(33).long(), t)
    )


def test_in_a_round_prior_the_dense_path_is_about_the_circle(keys):
    t = torch.linspace(0, 1, 9)
    starts, ends = torch.from_numpy(keys[:1]), torch.from_numpy(keys[1:2])
    path = geodesic_paths(starts, ends, StandardNormal(9))(torch.zeros(9).long(), t)
    assert_close(path, torch.from_numpy(slerp(keys[0], keys[1], t.numpy())), atol=0.2, rtol=0)


def test_the_way_back_takes_the_frames_of_the_way_there():
    """Measured again in the opposite order, the same distances would sum up to other last bits, by which a frame more
    would go to one way or the other."""
    rng = np.random.default_rng(0)
    known = rng.uniform(0.5, 1.5, 200)  # lengths of 64 steps of two segments, looked up by place
    asked = []

    def steps(where: np.ndarray) -> np.ndarray:
        asked.append(where)
        return known[(where[:-1] * 32).round().astype(int)]

    for frames in range(5, 40):
        at = frame_positions(frames, 4, PathSpec(pingpong=True), steps)
        there, back = at[(at > 0) & (at < 2)], 4 - at[at > 2]
        counts = [np.histogram(part, [0, 1, 2])[0] for part in (there, back)]
        assert (counts[0] - counts[1] >= 0).all() and (counts[0] - counts[1] <= 1).all()
    assert max(where.max() for where in asked) <= 2  # the way back is not measured


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("loop", "pingpong"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("count", [2, 5])
def test_every_key_is_a_frame(keys, path, loop, pingpong, count):
    way = PathSpec(path, loop=loop, pingpong=pingpong)
    segments = way.segments(count)
    prior = Flow(9, width=16, blocks=1) if path == "flow" else StandardNormal(9)
    walk = way.path_function(keys[:count], under(prior))
    at = frame_positions(
        31, segments, way, lambda where: np.linalg.norm(np.diff(walk(where), axis=0), axis=1)
    )
    z = walk(at)
    assert z.shape == (31, 9) and z.dtype == np.float32 and np.array_equal(z[0], keys[0])
    met = [any(np.array_equal(frame, key) for frame in z) for key in keys[:count]]
    assert all(met) and (np.diff(at) > 0).all()
    if not way.closed:
        assert np.array_equal(z[-1], keys[count - 1])
    else:
        assert not np.array_equal(z[-1], keys[0])


@pytest.mark.parametrize(("count", "frames"), [(2, 2), (2, 60), (3, 7), (5, 61), (12, 100)])
def test_a_straight_path_starts_and_ends_at_its_keys(count, frames):
    keys = np.random.default_rng(count).standard_normal((count, 4)).astype(np.float32)
    path = piecewise_linear(keys, frames)
    assert path.shape == (frames, 4)
    assert np.array_equal(path[0], keys[0]) and np.array_equal(path[-1], keys[-1])
    if (frames - 1) % (count - 1) == 0:
        for place, key in enumerate(keys):
            assert np.array_equal(path[place * (frames - 1) // (count - 1)], key)
    line = piecewise_linear([np.zeros(1, np.float32), np.ones(1, np.float32)], 11)[:, 0]
    np.testing.assert_allclose(np.diff(line), np.full(10, 0.1), rtol=1e-5)


def test_a_way_back_is_the_way_there():
    way = PathSpec(pace="uniform", pingpong=True)
    keys = np.float32([[0.0], [1.0], [3.0]])
    z = way.path_function(keys, under(StandardNormal(1)))(frame_positions(12, way.segments(3), way))[:, 0]
    expected = [0, 1 / 3, 2 / 3, 1, 5 / 3, 7 / 3, 3, 7 / 3, 5 / 3, 1, 2 / 3, 1 / 3]
    np.testing.assert_allclose(z, expected, rtol=1e-5, atol=1e-6)


def test_an_even_pace_makes_equal_steps_of_any_length():
    """On a line whose picture moves as the cube of the place: where it is slow, frames are few."""
    way = PathSpec()
    at = frame_positions(40, 2, way, lambda where: np.diff(where**3))
    height = at**3
    for segment in (height[at <= 1], height[at >= 1]):
        steps = np.diff(segment)
        np.testing.assert_allclose(steps, np.full(len(steps), steps.mean()), rtol=0.1, atol=0.02)
    steps = np.diff(height)
    assert steps.max() / steps.mean() < 1.1
    uniform = np.diff(frame_positions(40, 2, PathSpec(pace="uniform")) ** 3)
    assert uniform.max() / uniform.mean() > 2
    still = frame_positions(5, 1, way, lambda where: np.zeros(len(where) - 1))
    np.testing.assert_allclose(still, np.linspace(0, 1, 5))


def test_easings_rest_at_the_keys():
    at = {
        easing: frame_positions(101, 1, PathSpec(pace="uniform", easing=easing))
        for easing in ("linear", "smooth", "hold")
    }
    assert at["smooth"][50] == pytest.approx(at["linear"][50])
    np.testing.assert_allclose(at["smooth"][::-1], 1 - at["smooth"], atol=1e-12)
    early = [int((places < 0.02).sum()) for places in at.values()]
    assert early[0] < early[1] < early[2] and 15 <= early[2] <= 25 and at["hold"][-1] == 1


@pytest.mark.parametrize(
    ("options", "count", "frames", "says"),
    [
        ({}, 1, 5, "at least two faces; got 1"),
        ({}, 3, 2, "at least 3 frames; got 2"),
        ({"loop": True}, 3, 2, "at least 3 frames"),
        ({"pingpong": True}, 3, 3, "at least 4 frames"),
        ({"loop": True, "pingpong": True}, 3, 9, "not both"),
        ({"path": "sperical"}, 3, 9, "Unknown path 'sperical'. Did you mean 'spherical'"),
        ({"pace": "evn"}, 3, 9, "Unknown pace 'evn'. Did you mean 'even'"),
        ({"easing": "smoth"}, 3, 9, "Did you mean 'smooth'"),
        ({"esing": "smooth"}, 3, 9, "no option 'esing'. Did you mean 'easing'"),
    ],
)
def test_impossible_morphs_are_refused(space, options, count, frames, says):
    with pytest.raises(UsageError, match=says):
        space.morph(np.zeros((count, 5)), frames=frames, **options)


def test_morph_starts_and_ends_at_the_reconstructions(space, faces):
    shown = space.morph(faces[0], Image.fromarray(faces[1]), faces[2], frames=21, pace="uniform")
    assert shown.shape == (21, 16, 16, 3)
    ends = space.reconstruct(faces[:3])
    for frame, end in zip((0, 10, 20), ends):
        assert np.abs(shown[frame].astype(int) - end).max() <= 1
    ring = space.morph(faces[:3], frames=21, loop=True, pace="uniform")
    assert np.abs(ring[0].astype(int) - ends[0]).max() <= 1
    assert np.abs(ring[14].astype(int) - ends[2]).max() <= 1


def test_an_even_pace_of_faces_is_more_even(space):
    """Between latents so far apart that pixels are driven into black and white and stay there."""
    keys = space.sample_latents(3, seed=1) * 200
    shown = {pace: space.morph(keys, frames=24, pace=pace) for pace in ("even", "uniform")}
    even, uniform = (animation.step_ratio(frames) for frames in shown.values())
    assert even < 1.15 and uniform > 1.5, (even, uniform)


def test_pictures_and_latents_are_keys_alike(space, faces):
    z = space.encode(faces[:2])
    np.testing.assert_allclose(space.latents(faces[0], z[1]), z, atol=1e-5)
    np.testing.assert_array_equal(space.morph_latents(z, frames=7)[[0, -1]], z)
    with pytest.raises(UsageError, match="encoded by another space"):
        space.morph(np.zeros((2, 7)))


def test_what_adjusts_a_path_sees_all_of_it(space, faces):
    def flatten(z):
        return np.concatenate([np.zeros_like(z[:, :1]), z[:, 1:]], 1)

    z = space.morph_latents(faces[:2], frames=9, adjust=flatten)
    assert not z[:, 0].any() and np.abs(z[:, 1:]).min() > 0


def test_the_prior_of_a_dense_path_can_be_named(trained, drawn, tmp_path):
    space = facespace.load(shutil.copytree(trained, tmp_path / "r"))
    with quiet():
        space.fit_prior(FaceSet(drawn), "normal", split="all")
    z = space.encode(FaceSet(drawn).images[:2])
    own, named = (space.morph_latents(z, path="geodesic", prior=prior) for prior in ("model", "normal"))
    assert not np.allclose(own, named) and np.array_equal(own[[0, -1]], named[[0, -1]])
    with pytest.raises(UsageError, match="Unknown prior"):
        space.morph(z, path="geodesic", prior="norml")


def test_mixes(space, faces):
    z = space.encode(faces[:4])
    np.testing.assert_allclose(
        space.mix([(faces[0], 1), (z[1:3], -1), (z[3], 1)]), z[0] - z[1:3].mean(0) + z[3], atol=1e-5
    )
    for terms in ([], [(z[:0], 1.0)], [(z, math.nan)]):
        with pytest.raises(UsageError, match="at least one face"):
            space.mix(terms)


@pytest.mark.parametrize("fps", [10, 24, 30, 60])
@pytest.mark.parametrize("unit", [1, 10])
def test_the_true_rate_is_kept_on_average(fps, unit):
    delays = animation.delays(150, fps, unit)
    assert all(delay % unit == 0 and delay >= unit for delay in delays)
    assert sum(delays) == pytest.approx(1000 * 150 / fps, abs=unit)


def test_an_animation_has_its_frames_and_its_ends(tmp_path):
    frames = np.stack([np.full((16, 16, 3), value, np.uint8) for value in range(0, 250, 25)])
    for name in ("a.gif", "a.webp"):
        animation.save_animation(frames, tmp_path / name, fps=20, scale=2)
        shown = Image.open(tmp_path / name)
        assert shown.n_frames == 10 and shown.size == (32, 32) and shown.info.get("loop") == 0
        told = shown.info.get("comment", b"").decode() or shown.getexif().get(270)
        assert told == animation.PROVENANCE_TAG
        first = np.asarray(shown.convert("RGB")).mean()
        shown.seek(9)
        assert abs(first - 0) < 6 and abs(np.asarray(shown.convert("RGB")).mean() - 225) < 6


@pytest.mark.parametrize("shape", [(12, 15, 17, 3), (12, 16, 16, 1)])
def test_a_video_has_its_frames_colours_and_rate(tmp_path, shape):
    reader = pytest.importorskip("imageio_ffmpeg").read_frames
    frames = np.zeros(shape, np.uint8)
    frames[...] = np.linspace(20, 220, 12).astype(np.uint8)[:, None, None, None]
    frames[..., 0] = 200
    animation.save_animation(frames, tmp_path / "a.mp4", fps=12.5, scale=1)
    video = reader(str(tmp_path / "a.mp4"))
    facts = next(video)
    assert facts["size"] == (shape[2] + shape[2] % 2, shape[1] + shape[1] % 2)
    assert facts["fps"] == 12.5 and "yuv420p" in facts["pix_fmt"] and facts["codec"] == "h264"
    shown = [np.frombuffer(frame, np.uint8).reshape(*facts["size"][::-1], 3) for frame in video]
    assert len(shown) == 12
    for frame, asked in zip((shown[0], shown[-1]), (frames[0], frames[-1])):
        assert np.abs(frame[: shape[1], : shape[2]].astype(int) - asked).mean() < 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert animation.PROVENANCE_TAG.encode() in (tmp_path / "a.mp4").read_bytes()


@pytest.mark.usefixtures("no_package")
def test_a_video_without_ffmpeg_says_what_to_install(cli, trained, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(animation.shutil, "which", lambda name: None)  # the system may have one
    code, _, err = cli("morph", trained, *photos, "--to", tmp_path / "out" / "m.mp4")
    assert code == 1 and "[video]'" in err and not (tmp_path / "out").exists()


def test_a_video_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(animation, "find_ffmpeg", lambda: "false")
    with pytest.raises(FacespaceError, match="ffmpeg could not write"):
        animation.save_animation(np.zeros((3, 16, 16, 3), np.uint8), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_films_side_by_side():
    films = [np.full((3, 4, 5, 1), 10 * index, np.uint8) for index in range(6)]
    page = animation.video_grid(films, 2, 3, padding=1, color="#ff0000")
    assert page.shape == (3, 2 * 5 + 1, 3 * 6 + 1, 3)
    assert page[0, 0, 0].tolist() == page[2, 5, 6].tolist() == [255, 0, 0]
    assert [page[1, 1 + 5 * (i // 3), 1 + 6 * (i % 3), 2] for i in range(6)] == [0, 10, 20, 30, 40, 50]
    with pytest.raises(UsageError, match="more than 2 GiB"):
        animation.video_grid(films, 30_000, 30_000)


def test_the_step_ratio_of_a_film():
    frames = np.repeat(np.array([0, 10, 20, 60], np.uint8), 64).reshape(4, 8, 8, 1)
    assert animation.step_ratio(frames) == pytest.approx(40 / 20)
    assert animation.step_ratio(frames, closed=True) == pytest.approx(60 / 30)
    assert animation.step_ratio(frames[:1].repeat(3, 0)) == 1
    noisy = frames + np.indices(frames.shape).sum(0).astype(np.uint8) % 2
    assert animation.step_ratio(noisy) == pytest.approx(2, abs=0.01)


def test_morph(cli, trained, photos, tmp_path):
    to = tmp_path / "m.gif"
    code, out, _ = cli("morph", trained, *photos, "--to", to, "--frames", 12, "--fps", 10, "--loop", "--json")
    shown, facts = Image.open(to), json.loads(out)
    assert code == 0 and facts["frames"] == shown.n_frames == 12 and shown.size == (256, 256)
    assert facts["step_ratio"] == facts["step_ratios"]["even"] and set(facts["step_ratios"]) == {
        "even",
        "uniform",
    }
    cli("morph", trained, *photos[:2], "--to", tmp_path / "m.npy", "--frames", 5)
    assert np.load(tmp_path / "m.npy").shape == (5, 16, 16, 3)
    code, out, _ = cli(
        "morph", trained, "--random", 3, "--to", tmp_path / "m.webp", "--seconds", 0.5, "--path", "geodesic"
    )
    assert code == 0 and Image.open(tmp_path / "m.webp").n_frames == 15 and "mean log-density" in out
    _, out, _ = cli(
        "morph",
        trained,
        *photos[:2],
        "--to",
        tmp_path / "m.gif",
        "--preset",
        "celebamask-conv",
        "--fps",
        20,
        "--json",
    )
    facts = json.loads(out)
    assert (facts["frames"], facts["fps"], facts["pace"], facts["path"]) == (150, 20, "uniform", "linear")


def test_latents_are_keys_of_the_verb(cli, trained, drawn, space, photos, tmp_path):
    z = space.encode(FaceSet(drawn).images[[10, 11]])
    np.save(tmp_path / "z.npy", z)
    cli("morph", trained, photos[0], tmp_path / "z.npy", "--to", tmp_path / "m.npy", "--frames", 3)
    expected = space.decode(np.concatenate([space.encode(np.asarray(Image.open(photos[0]))), z]))
    assert np.abs(np.load(tmp_path / "m.npy").astype(int) - expected).max() <= 1


def test_grids(cli, trained, drawn, tmp_path):
    code, out, _ = cli(
        "morph", trained, "--grid", "2x3", "--frames", 6, "--to", tmp_path / "g.gif", "--padding", 4, "--json"
    )
    shown = Image.open(tmp_path / "g.gif")
    assert code == 0 and shown.n_frames == 6 and shown.size == (round((3 * 20 + 4) * 256 / 44), 256)
    assert json.loads(out)["step_ratio"] < 1.3
    code, _, _ = cli(
        "morph", trained, "--data", drawn, "--split", "all", "--grid", "2x5", "--to", tmp_path / "g.png"
    )
    assert code == 0 and Image.open(tmp_path / "g.png").size == (5 * 258 + 2, 2 * 258 + 2)
    cli(
        "morph",
        trained,
        "--random",
        4,
        "--seed",
        7,
        "--grid",
        "3x3",
        "--to",
        tmp_path / "c.png",
        "--color",
        "black",
        "--scale",
        1,
    )
    sheet = np.asarray(Image.open(tmp_path / "c.png"))
    corners = facespace.load(trained).sample(4, seed=7)
    shown = [sheet[y : y + 16, x : x + 16] for y in (2, 38) for x in (2, 38)]
    assert np.abs(np.stack(shown).astype(int) - corners).max() <= 1 and not sheet[0].any()


def test_mix(cli, trained, space, photos, tmp_path):
    folder = tmp_path / "group"
    folder.mkdir()
    for photo in photos[1:]:
        shutil.copy(photo, folder)
    (folder / "notes.txt").write_text("no face")
    z = space.encode([Image.open(photo) for photo in photos])
    to = tmp_path / "z.npy"
    assert (
        cli(
            "mix",
            trained,
            "--plus",
            photos[0],
            "--minus",
            f"{folder}=0.5",
            "--plus",
            f"{photos[1]},{photos[2]}=0.5",
            "--to",
            to,
        )[0]
        == 0
    )
    np.testing.assert_allclose(np.load(to), z[:1], atol=1e-5)
    assert cli("mix", trained, "--blend", f"{photos[0]}=3", "--blend", photos[1], "--to", to)[0] == 0
    np.testing.assert_allclose(np.load(to)[0], 0.75 * z[0] + 0.25 * z[1], atol=1e-5)
    code, out, _ = cli("mix", trained, "--plus", photos[0], "--minus", photos[1], "--to", tmp_path / "m.png")
    assert code == 0 and "+1 × " in out and "-1 × " in out and Image.open(tmp_path / "m.png").height > 68
    assert cli("morph", trained, to, photos[0], "--to", tmp_path / "m.gif")[0] == 0


WRONG = [
    (["morph", "{trained}", "{photo}", "--to", "x.gif"], 2, "at least two faces"),
    (["morph", "{trained}", "{photo}", "--random", "2", "--to", "x.gif"], 2, "name one of the three"),
    (["morph", "{trained}", "{photo}", "{photo}", "--to", "x.bmp"], 2, "must end in .gif"),
    (["morph", "{trained}", "{photo}", "{photo}", "--to", "x.gif", "--fps", "0"], 2, "between 1 and 100"),
    (
        ["morph", "{trained}", "{photo}", "{photo}", "--to", "x.gif", "--seconds", "2", "--frames", "9"],
        2,
        "replaces --frames",
    ),
    (
        ["morph", "{trained}", "{photo}", "{photo}", "--to", "x.gif", "--path", "sphericl"],
        2,
        "Did you mean 'spherical'",
    ),
    (
        ["morph", "{trained}", "{photo}", "{photo}", "--to", "x.gif", "--preset", "celeba"],
        2,
        "Unknown preset 'celeba'",
    ),
    (
        ["morph", "{trained}", "{photo}", "{photo}", "--to", "x.gif", "--color", "whit"],
        2,
        "Unknown colour 'whit'",
    ),
    (["morph", "{trained}", "{photo}", "{wrong}", "--to", "x.gif"], 2, "encoded by another space"),
    (["morph", "{trained}", "{photo}", "{photo}", "--to", "x.gif", "--grid", "3x3"], 2, "four faces named"),
    (["morph", "{trained}", "--to", "x.gif", "--grid", "3"], 2, "ROWSxCOLUMNS"),
    (["morph", "{trained}", "--to", "x.gif", "--grid", "0x3"], 2, "ROWSxCOLUMNS"),
    (["morph", "{trained}", "--to", "x.gif", "--grid", "3x3", "--padding", "-1"], 2, "--padding"),
    (["morph", "{trained}", "--to", "x.png", "--grid", "3x3", "--frames", "4"], 2, "leave out --frames"),
    (
        ["morph", "{trained}", "--to", "x.gif", "--grid", "9x9", "--data", "{drawn}", "--split", "all"],
        2,
        "takes 162 faces",
    ),
    (["mix", "{trained}", "--to", "x.png"], 2, "at least one face"),
    (
        ["mix", "{trained}", "--plus", "gone.png", "--to", "x.png"],
        1,
        "The photograph gone.png does not exist",
    ),
    (["mix", "{trained}", "--plus", "{tmp}", "--to", "x.png"], 1, "holds no pictures"),
    (
        ["mix", "{trained}", "--plus", "{photo}", "--blend", "{photo}", "--to", "x.png"],
        2,
        "--blend averages faces",
    ),
    (["mix", "{trained}", "--blend", "{photo}=-1", "--to", "x.png"], 2, "--blend averages faces"),
    (["mix", "{trained}", "--plus", "{photo}=nan", "--to", "x.png"], 2, "finite weights"),
]


@pytest.mark.parametrize(("tokens", "code", "says"), WRONG)
def test_wrong_commands_say_what_to_do(cli, trained, drawn, photos, tmp_path, tokens, code, says):
    np.save(tmp_path / "wrong.npy", np.zeros((2, 7), np.float32))
    empty = tmp_path / "empty"
    empty.mkdir()
    known = {
        "trained": trained,
        "photo": photos[0],
        "wrong": tmp_path / "wrong.npy",
        "drawn": drawn,
        "tmp": empty,
    }
    asked = [str(empty / token) if token.startswith("x.") else token.format(**known) for token in tokens]
    found, _, err = cli(*asked)
    assert found == code and says in err and not list(empty.iterdir())
