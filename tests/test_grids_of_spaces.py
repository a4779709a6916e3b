"""Grids of edits and morphs as library calls: what the terminal draws, a notebook gets as arrays."""

import shutil

import numpy as np
import pytest
import torch

import facespace
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.image import animation
from facespace.image.pixels import to_float
from facespace.models import build
from facespace.models.card_text import latent_count, parameter_count, prior_origin
from facespace.recipes import RECIPES
from facespace.space import edit_grids, morph_grids
from facespace.space.edit_grids import Editor, edit_input
from facespace.space.face_loss import FaceLoss


@pytest.fixture(scope="module")
def space(trained, drawn, tmp_path_factory):
    run = shutil.copytree(trained, tmp_path_factory.mktemp("grids") / "run")
    with quiet():
        opened = facespace.load(run)
        opened.fit_directions(FaceSet(drawn), ["smile", "yaw"], "mean", split="all")
    return opened


@pytest.fixture(scope="module")
def faces(drawn):
    return FaceSet(drawn).images[:3]


def test_a_strip_has_a_row_for_each_face_and_the_edit_of_each_strength(space, faces):
    strip = Editor(space, ["yaw"]).strip(edit_input(space, faces), "smile", [-1, 0, "1g"])
    assert strip.faces.shape == (3, 3, 16, 16, 3) and strip.latents.shape == (3, 3, space.latent_dim)
    z = space.encode(faces)
    np.testing.assert_allclose(strip.latents[:, 2], space.edit(z, {"smile": "1g"}, ["yaw"]), atol=1e-5)
    np.testing.assert_allclose(strip.latents[:, 1], z, atol=1e-5)
    assert strip.columns == ["−1", "0", "+1"] and strip.figure().axes


def test_a_square_edits_one_face_by_two_attributes(space, faces):
    square = Editor(space).square(edit_input(space, faces[0]), ("smile", "yaw"), [-1, 1])
    expected = space.edit(space.encode(faces[0]), {"smile": -1.0, "yaw": 1.0})
    np.testing.assert_allclose(square.latents[0, 1], expected[0], atol=1e-5)
    with pytest.raises(UsageError, match="one face over two attributes"):
        Editor(space).square(edit_input(space, faces), ("smile", "yaw"), [-1, 1])


def test_detail_transfer_gives_back_the_photograph_where_nothing_is_edited(space, faces):
    rows = Editor(space, keep_detail=True).rows(edit_input(space, faces), {"smile": 0.0})
    np.testing.assert_array_equal(rows.edited, faces)
    with pytest.raises(UsageError, match="need photographs"):
        Editor(space, keep_detail=True).rows(edit_input(space, space.encode(faces)), {"smile": 1.0})


def test_optimised_latents_are_nearer_by_pixels_and_features(space, faces):
    found = edit_input(space, faces, optimize_steps=30)
    assert found.optimization and found.optimization.steps == 30
    loss, goals = FaceLoss(space), to_float(faces, space.device)
    with torch.inference_mode():
        before, after = (
            loss(to_float(space.decode(z), space.device), goals) for z in (space.encode(faces), found.latents)
        )
    assert (after < before).all()


def test_all_other_attributes_can_be_locked(space):
    assert space.locked_names("all", ["smile"]) == ["yaw"]
    z = space.sample_latents(2, seed=0)
    for lock in ("all", "yaw"):  # as ["yaw"], not letter by letter
        np.testing.assert_array_equal(space.edit(z, {"smile": 1}, lock), space.edit(z, {"smile": 1}, ["yaw"]))


def test_reconstructions_come_with_their_error(space, faces):
    found = edit_grids.reconstruct_rows(space, faces)
    difference = (found.originals / 255.0 - found.reconstructions / 255.0) ** 2
    assert found.mse == pytest.approx(difference.mean(), rel=1e-5) and found.sheet().width > 3 * 64


def test_an_animation_is_decoded_once_and_predicts_the_ratio_of_a_uniform_pace(lively, faces, monkeypatch):
    space = facespace.load(lively)  # whose steps are larger than a level
    uniform = space.morph(faces[0], faces[1], frames=40, pace="uniform")
    decoded = []
    decode = type(space).decode
    monkeypatch.setattr(
        type(space), "decode", lambda self, z, *rest: decoded.append(len(z)) or decode(self, z, *rest)
    )
    made = morph_grids.animate(space, faces[0], faces[1], frames=40)
    assert made.frames.shape == (40, 16, 16, 3) and made.step_ratio == made.step_ratios["even"]
    assert len(decoded) == 2  # the measured segment and the frames
    measured = animation.step_ratio(uniform)
    assert made.step_ratios["uniform"] == pytest.approx(measured, rel=0.1)
    assert set(morph_grids.animate(space, faces[0], faces[1], frames=4, pace="uniform").step_ratios) == {
        "uniform"
    }


def test_grids_of_morphs_take_two_faces_a_cell(space, faces):
    z = space.sample_latents(4)
    made = morph_grids.animation_grid(space, z, 1, 2, frames=5, padding=1)
    assert made.frames.shape == (5, 18, 2 * 17 + 1, 3) and made.step_ratio >= 1
    assert morph_grids.morph_strips(space, z, frames=3).frames.shape == (6, 16, 16, 3)
    assert morph_grids.corner_blends(space, z, 3, 3).shape == (9, 16, 16, 3)
    for call in (
        lambda: morph_grids.animation_grid(space, z, 2, 2),
        lambda: morph_grids.morph_strips(space, z[:3]),
        lambda: morph_grids.corner_blends(space, z[:3], 2, 2),
    ):
        with pytest.raises(UsageError):
            call()


def test_a_mix_comes_with_the_faces_of_its_terms(space, faces):
    mixed = morph_grids.mix_strip(space, [(faces[:2], 1.0), (faces[2], -0.5)])
    np.testing.assert_array_equal(mixed.latent[0], space.mix([(faces[:2], 1.0), (faces[2], -0.5)]))
    assert mixed.faces.shape == (3, 16, 16, 3)


@pytest.mark.parametrize("name", RECIPES)
def test_the_card_reads_the_size_of_a_model_without_it(name):
    config = RECIPES[name]().model
    with torch.device("meta"):
        model = build(config)
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert parameter_count(shapes) == sum(weight.numel() for weight in model.parameters())
    assert parameter_count(shapes | {f"{key}.scale": [1] for key in shapes}) == parameter_count(shapes)
    assert latent_count(config) == int(np.prod(model.latent_shape))
    assert prior_origin(config) == model.prior.origin
