"""FaceSpace: pictures in, pictures out."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import facespace
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.space.torch_engine import condition_values


@pytest.fixture(scope="module")
def space(trained):
    return facespace.load(trained)


@pytest.fixture(scope="module")
def faces(drawn):
    return FaceSet(drawn).images[:6]


def test_facts(space):
    assert space.image_shape == (3, 16, 16) and space.latent_dim == 5
    assert space.card["recipe"]["name"] == "demo" and not space.model.training


def test_encode_and_decode_types(space, faces):
    z = space.encode(faces)
    assert z.dtype == np.float32 and z.shape == (6, 5)
    images = space.decode(z)
    assert images.dtype == np.uint8 and images.shape == (6, 16, 16, 3)
    np.testing.assert_array_equal(space.reconstruct(faces), images)
    np.testing.assert_array_equal(space.decode(z[0])[0], images[0])


def test_pictures_of_any_kind_give_the_same_latent(space, faces):
    pictures = [Image.fromarray(face) for face in faces]
    z = space.encode(faces)
    np.testing.assert_allclose(space.encode(pictures), z, atol=1e-5)
    np.testing.assert_allclose(space.encode(pictures[0]), z[:1], atol=1e-5)
    np.testing.assert_allclose(space.encode(faces[0]), z[:1], atol=1e-5)
    np.testing.assert_allclose(space.encode(pictures[0].convert("RGBA")), z[:1], atol=1e-5)


def test_a_gray_picture_enters_a_colour_space(space, faces):
    gray = faces[:, :, :, :1]
    np.testing.assert_allclose(space.encode(gray), space.encode(np.repeat(gray, 3, axis=3)), atol=1e-5)
    np.testing.assert_allclose(
        space.encode(Image.fromarray(gray[0, ..., 0])), space.encode(gray[:1]), atol=1e-5
    )


def test_a_large_picture_is_fitted(space, faces):
    large = Image.fromarray(faces[0]).resize((64, 64), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(space.encode(large), space.encode(faces[:1]), atol=0.6)


def test_samples_are_seeded_and_prefixes_of_each_other(space):
    np.testing.assert_array_equal(space.sample(70, seed=3)[:5], space.sample(5, seed=3))
    assert not np.array_equal(space.sample(5, seed=3), space.sample(5, seed=4))
    cold = space.sample(4, seed=3, temperature=0.0)
    np.testing.assert_array_equal(cold, np.repeat(cold[:1], 4, axis=0))


def test_sampling_is_the_model_in_eval_mode(space):
    """Batch norm in train mode would make a sample depend on its neighbours."""
    many = space.decode(space.sample_latents(64, seed=1))
    alone = np.concatenate([space.decode(z) for z in space.sample_latents(8, seed=1)])
    assert np.abs(many[:8].astype(int) - alone).max() <= 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s: s.encode(np.zeros((2, 16, 16, 3), np.float32)), "uint8"),
        (lambda s: s.encode(np.zeros((2, 3, 16, 16), np.uint8)), "with C 1 or 3"),
        (lambda s: s.decode(np.zeros((2, 7))), "encoded by another space"),
        (lambda s: s.decode(np.full((1, 5), np.nan)), "not finite"),
        (lambda s: s.sample(0), "at least 1"),
        (lambda s: s.sample(2, temperature=-1), "temperature"),
        (lambda s: s.morph(np.zeros((16, 16, 3), np.uint8)), "at least two faces"),
    ],
)
def test_wrong_requests_are_refused_with_a_sentence(space, call, says):
    with pytest.raises(UsageError, match=says):
        call(space)


def test_rejection_keeps_the_faces_with_the_highest_score(space):
    def brightness(images):
        return images.mean((1, 2, 3))

    drawn = space.sample(12, seed=3)
    kept = space.sample(6, seed=3, keep=0.5, score=brightness)
    brightest = np.sort(np.argsort(-drawn.mean((1, 2, 3)), kind="stable")[:6])
    np.testing.assert_array_equal(kept, drawn[brightest])
    assert space.sample(3, keep=0.3, score=brightness).shape == (3, 16, 16, 3)
    np.testing.assert_array_equal(space.sample(6, seed=3, keep=1.0, score=brightness), drawn[:6])
    for keep in (0.0, 1.5, float("nan")):
        with pytest.raises(UsageError, match=r"a share from 0\.01 to 1"):
            space.sample(2, keep=keep, score=brightness)
    with pytest.raises(UsageError, match="takes a score"):
        space.sample(2, keep=0.5)


def test_a_space_draws_faces_under_attributes_and_says_what_it_cannot(trained, drawn, tmp_path):
    space, faces = facespace.load(shutil.copytree(trained, tmp_path / "r")), FaceSet(drawn)
    with pytest.raises(UsageError, match=r"model.conditions"):
        space.sample(2, conditions={"smile": 1.0})
    with quiet(), pytest.raises(UsageError, match=r"Unknown attribute 'smiel'.*Did you mean 'smile'"):
        space.fit_prior(faces, "flow", "all", conditions=["smiel"])
    with quiet():
        entry = space.fit_prior(
            faces, "flow", "all", mirror=True, conditions=["smile", "yaw"], steps=2, width=16
        )
        assert entry["options"]["conditions"] == ["smile", "yaw"] and entry["mirror"]
        assert space.fit_prior(faces, "normal", "all", mirror=True)["nats"]
    assert space.sample_latents(3, prior="flow", conditions={"smile": True}, guidance=2.0).shape == (3, 5)
    # What is not named is unknown, which is not the same as 0.
    asked = condition_values(space.prior("flow"), {"yaw": -0.5})
    torch.testing.assert_close(asked, torch.tensor([torch.nan, -1.0]), equal_nan=True)
    with pytest.raises(UsageError, match="Unknown condition 'Hat'"):
        space.sample(2, prior="flow", conditions={"Hat": 1.0})
    with pytest.raises(UsageError, match=r"guidance must lie in \[0, 20\]"):
        space.sample(2, prior="flow", conditions={"smile": 1.0}, guidance=21)
    with pytest.raises(UsageError, match="which has no conditions"):
        space.sample_latents(2, prior="normal", conditions={"smile": 1.0})


def test_mirrored_views_turn_left_and_right(drawn):
    from facespace.space.prior_fitting import attribute_signs

    faces = FaceSet(drawn)
    views = attribute_signs(faces, "all", ["yaw", "smile"], mirror=True)
    expected = torch.from_numpy(
        faces.attribute_signs("all")[:, [faces.attribute_names.index(n) for n in ("yaw", "smile")]]
    )
    torch.testing.assert_close(views[:, 0], expected.float(), equal_nan=True)
    torch.testing.assert_close(views[:, 1], expected.float() * torch.tensor([-1.0, 1.0]), equal_nan=True)


@pytest.mark.parametrize("kind", ["mixture", "normal"])
def test_samples_of_a_fitted_prior_lie_where_the_faces_lie(trained, drawn, tmp_path, kind):
    space = facespace.load(shutil.copytree(trained, tmp_path / "r"))
    drawn_faces = FaceSet(drawn)
    with quiet():
        entry = space.fit_prior(drawn_faces, kind, split="all", seed=2)
    assert entry == space.card["priors"][kind] == facespace.load(tmp_path / "r").card["priors"][kind]
    means = torch.from_numpy(space.encode(drawn_faces.images))
    z = space.sample_latents(4_000, seed=1, prior=kind)
    np.testing.assert_allclose(z.mean(0), means.mean(0), atol=0.1)
    np.testing.assert_allclose(z.std(0), means.std(0), atol=0.1)
    prior = space.prior(kind)
    assert entry["nats"] == {
        "all": {
            "fitted": pytest.approx(float(prior.log_prob(means).mean()), abs=1e-3),
            "model": pytest.approx(float(space.prior("model").log_prob(means).mean()), abs=1e-3),
        }
    }
    assert "60 faces" in prior.origin == entry["origin"]
    np.testing.assert_array_equal(space.sample(9, seed=1, prior=kind), space.decode(z[:9]))


def test_the_default_prior_has_the_highest_held_out_likelihood(trained, tmp_path):
    space = facespace.load(trained)
    assert space.default_prior == "model" and space.prior() is space.prior("model") is space.model.prior

    def fitted(**nats):
        told = {"weights": space.card["fingerprint"]}
        space.card["priors"] = {
            kind: {**told, "nats": {"validation": {"fitted": f, "model": -5}}} for kind, f in nats.items()
        }
        return space.default_prior

    assert fitted(flow=-3) == "flow"
    space.card["priors"]["flow"]["weights"] = "0" * 64  # of another model
    assert space.default_prior == "model"
    assert fitted(mixture=-4, flow=-3, normal=-3.5) == "flow" and fitted(mixture=-6) == "model"
    space.card["priors"] = {"flow": {"nats": {"all": {"fitted": 9, "model": -5}}}}  # of no unseen face
    assert space.default_prior == "model"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kind": "flo"}, "Unknown prior 'flo'"),
        ({"split": "tset"}, "Unknown split"),
        ({"components": 0}, "at least 1 component"),
        ({"kind": "normal", "components": 3}, "'normal' does not take components"),
        ({"seed": -1}, "A seed is"),
    ],
)
def test_a_prior_that_cannot_be_fitted_is_refused(space, drawn, options, says):
    with quiet(), pytest.raises(UsageError, match=says):
        space.fit_prior(FaceSet(drawn), **options)
    assert "priors" not in space.card


def test_a_prior_needs_two_faces(space, drawn, tmp_path):
    with quiet():
        one = facespace.prepare("synthetic", to=tmp_path / "one", size=16, limit=1, workers=1)
    with pytest.raises(UsageError, match="at least 2 faces"):
        space.fit_prior(one, split="all")


def test_given_attributes_reach_encoder_and_decoder(told, faces):
    space = facespace.load(told)
    assert space.conditions == ("Hat", "smile")
    z, y = torch.from_numpy(space.encode(faces)), torch.tensor([[torch.nan, -1.0]]).expand(6, -1)
    with torch.no_grad():
        by_hand = space.model.decode(z, y).permute(0, 2, 3, 1).numpy() * 255
    frowning = space.decode(z, conditions={"smile": -1})
    assert np.abs(frowning - by_hand).max() <= 0.51
    assert not np.array_equal(frowning, space.decode(z)) and not np.array_equal(
        frowning, space.decode(z, {"smile": 1})
    )
    np.testing.assert_array_equal(space.reconstruct(faces, conditions={"smile": -1}), frowning)
    assert not np.allclose(space.encode(faces, conditions={"Hat": 1}), z)
    np.testing.assert_array_equal(
        space.decode(z, conditions={"smile": False, "Hat": True}), space.decode(z, {"smile": -1, "Hat": 1})
    )
    new = space.sample(4, seed=1, conditions={"Hat": 1})
    np.testing.assert_array_equal(new, space.decode(space.sample_latents(4, seed=1), {"Hat": 1.0}))
    np.testing.assert_array_equal(space.sample(4, conditions={}), space.sample(4))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"Hats": 1}, "no condition 'Hats'. Did you mean 'Hat'"),
        ({"Hat": float("nan")}, "finite number"),
        ({"Hat": 1e300}, "finite number"),
        ({"Hat": "much"}, "finite number"),
    ],
)
def test_what_cannot_be_given(told, given, says):
    with pytest.raises(UsageError, match=says):
        facespace.load(told).sample(1, conditions=given)


def test_a_space_without_attributes_says_how_to_train_one_with_them(space):
    with pytest.raises(UsageError, match=r"trained without attributes.*--set model\.conditions=Hat,smile"):
        space.sample(1, conditions={"Hat": 1, "smile": 1})


def test_attributes_are_hidden_one_by_one_and_all_together(told):
    """In training; what remains hidden, and how often, tells the two ways apart."""
    model, seen = facespace.load(told).model.train(), []
    model._with_attributes = lambda features, y: (
        seen.append(y) or type(model)._with_attributes(model, features, y)
    )
    with torch.no_grad():
        model(torch.rand(5_000, 3, 16, 16), torch.ones(5_000, 2))
    hidden = seen[0].isnan().float()
    assert torch.equal(seen[0].isnan(), seen[1].isnan())
    assert hidden.mean() == pytest.approx(1 - 0.9 * 0.9, abs=0.015)
    assert hidden.prod(1).mean() == pytest.approx(0.1 + 0.9 * 0.01, abs=0.015)


def test_no_pictures_give_no_latents(space):
    assert space.encode([]).shape == (0, 5) and space.decode(np.zeros((0, 5))).shape == (0, 16, 16, 3)


def test_faces_of_a_set_are_evenly_spaced_rows_as_the_space_takes_them(space, drawn):
    faces = FaceSet(drawn)
    some = space.faces_of(drawn, "all", 7)
    assert len(some) == 7 and (np.diff(some.rows) >= len(faces) // 7).all()
    np.testing.assert_array_equal(some.pixels, faces.images[some.rows])
    np.testing.assert_array_equal(some.encode(), space.encode(faces.images[some.rows]))
    mirrored = space.encode(faces.images[some.rows][:, :, ::-1])
    np.testing.assert_array_equal(some.encode(mirrored=True), mirrored)
    np.testing.assert_array_equal(some.signs, faces.attribute_signs("all")[some.rows])
    whole = space.faces_of(faces, "train")
    np.testing.assert_array_equal(whole.rows, faces.rows("train"))
    np.testing.assert_array_equal(np.concatenate(list(whole.batches())), faces.images[whole.rows])
    with pytest.raises(UsageError, match="at least 1"):
        space.faces_of(faces, "all", 0)


def test_a_set_of_another_size_is_resized_whole(space, tmp_path):
    with quiet():
        large = facespace.prepare("synthetic", to=tmp_path / "large", size=32, limit=3, workers=1)
    found = space.faces_of(large, "all")
    assert found.pixels.shape == (3, 16, 16, 3) and found.encode().shape == (3, 5)


@pytest.mark.parametrize(
    "fit",
    [
        lambda space, faces: space.fit_prior(faces, "normal"),
        lambda space, faces: space.fit_directions(faces, ["smile"]),
        lambda space, faces: space.fit_kinds(faces, "smile"),
        lambda space, faces: space.fit_paired(faces, "Eyeglasses"),
        lambda space, faces: space.fit_components(faces, 2),
        lambda space, faces: space.faces_of(faces, "all"),
        lambda space, faces: space.posterior_means(faces, "all"),
    ],
)
def test_a_set_of_another_crop_is_refused(space, photos, tmp_path, fit):
    with quiet():
        other = facespace.prepare(
            "folder", photos[0].parent, to=tmp_path / "other", size=16, crop="center-16", workers=1
        )
    before = {file: file.read_bytes() for file in space.folder.iterdir()}
    with pytest.raises(
        UsageError, match=r"crop fit, and .* holds center-16.*Prepare the set with --crop fit"
    ):
        fit(space, other)
    assert {file: file.read_bytes() for file in space.folder.iterdir()} == before


def test_the_verbs_that_fit_refuse_a_set_of_another_crop(cli, trained, photos, tmp_path):
    with quiet():
        facespace.prepare(
            "folder", photos[0].parent, to=tmp_path / "other", size=16, crop="center-16", workers=1
        )
    for verb in ("fit-prior", "directions"):
        code, _, err = cli(verb, trained, "--data", tmp_path / "other")
        assert code == 2 and "Prepare the set with --crop fit" in err


def test_a_space_on_another_engine_says_what_takes_torch(space):
    copied = space.as_prepared()
    copied._codec = object()
    with pytest.raises(UsageError, match="torch engine"):
        _ = copied.model


def test_opening_a_space_loads_torch_and_nothing_else_that_is_large(trained):
    """Not scikit-learn, matplotlib or the compiler; and importing the package loads no torch."""
    command = (
        "import sys, facespace.space; assert 'torch' not in sys.modules; import facespace\n"
        f"space = facespace.load({str(trained)!r}); space.decode(space.sample_latents(2))\n"
        "large = 'sklearn', 'scipy', 'matplotlib', 'torch._dynamo', 'accelerate'\n"
        "print([name for name in large if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr
