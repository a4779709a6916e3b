"""data.balance: attributes at other shares in training batches, and at their true ones everywhere else."""

import itertools
import json
import shutil

import numpy as np
import pytest
import torch
from conftest import TINY, pressed_after
from fuzz import examples
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import facespace
from facespace.core.configs import from_dict, override, to_dict
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.recipes import recipe
from facespace.recipes.config import Recipe
from facespace.training.balancing import expected_counts, resample
from facespace.training.loaders import Loader


def signs(count: int, *shares: float, seed: int = 0) -> np.ndarray:
    """(count, A) attributes, ±1, that have nothing to do with each other."""
    draws = np.random.default_rng(seed).random((count, len(shares)))
    return np.where(draws < shares, 1.0, -1.0)


def share(values: np.ndarray) -> float:
    return float((values > 0).mean())


def train(data, to, *more, **options):
    with quiet():
        return facespace.train("demo", data, to, settings=(*TINY, *more), trackers=["none"], **options)


@pytest.mark.parametrize("wanted", [0.02, 0.07, 0.2, 0.9])  # a share below the natural one lowers it
def test_one_attribute_weighs_its_faces_by_wanted_over_natural(wanted):
    values = signs(2_000, 0.07)
    natural, expected = share(values), expected_counts(values, {"Eyeglasses": wanted})
    has = values[:, 0] > 0
    np.testing.assert_allclose(expected[has], wanted / natural)
    np.testing.assert_allclose(expected[~has], (1 - wanted) / (1 - natural))


def test_unknown_counts_as_not_having_it():
    values = np.array([1.0, -1, np.nan, np.nan, 0])[:, None]
    np.testing.assert_allclose(expected_counts(values, {"Hat": 0.6}), [3, 0.5, 0.5, 0.5, 0.5])


def test_several_attributes_each_have_their_share_even_where_they_depend_on_each_other():
    values = signs(4_000, 0.3, 0.1, 0.5)
    values[:, 1] = np.where(values[:, 0] > 0, values[:, 1], -1)  # the second only with the first
    shares = {"Male": 0.5, "Bald": 0.2, "Smiling": 0.4}
    expected = expected_counts(values, shares)
    assert expected.mean() == pytest.approx(1)
    for column, wanted in zip(values.T, shares.values()):
        assert expected[column > 0].sum() / len(values) == pytest.approx(wanted, abs=1e-8)


def test_attributes_that_are_independent_multiply():
    corners = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    values = np.repeat(corners, [1 * 2, 1 * 8, 3 * 2, 3 * 8], 0)  # shares 1/4 and 1/5, exactly independent
    expected = expected_counts(values, {"a": 0.5, "b": 0.4})
    a, b = (
        np.where(values[:, i] > 0, s / p, (1 - s) / (1 - p))
        for i, (s, p) in enumerate([(0.5, 0.25), (0.4, 0.2)])
    )
    np.testing.assert_allclose(expected, a * b)


@given(
    st.lists(st.floats(0.01, 9), min_size=1, max_size=80),
    st.integers(0, 2**32),
)
@examples(60)
def test_a_drawn_epoch_repeats_and_leaves_out_as_few_as_it_can(weights, seed):
    expected = np.array(weights) * len(weights) / sum(weights)
    times = np.bincount(resample(expected, np.random.default_rng(seed)), minlength=len(expected))
    assert times.sum() == len(expected)
    assert (times >= np.floor(expected - 1e-9)).all() and (times <= np.ceil(expected + 1e-9)).all()


def test_over_epochs_each_face_comes_as_often_as_expected():
    expected = expected_counts(signs(50, 0.2), {"Hat": 0.5})
    epochs = [resample(expected, np.random.default_rng((0, epoch))) for epoch in range(2_000)]
    times = np.bincount(np.concatenate(epochs), minlength=50) / len(epochs)
    np.testing.assert_allclose(times, expected, atol=0.06)  # five standard errors of a coin's mean


def balanced(drawn, size=8, shares=None, **place) -> Loader:
    faces = FaceSet(drawn)
    loader = Loader(faces, faces.rows("train"), size, **place)
    loader.balance({"Hat": 0.5} if shares is None else shares)
    return loader


def indices(batches) -> list[list[int]]:
    return [batch.index.tolist() for batch in batches]


def flat(batches: list[list[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(batches))


def test_every_epoch_has_the_share_and_its_own_order(drawn):
    loader = balanced(drawn, size=1)  # so that no rump of an epoch is left out
    column = loader.attribute_columns(["Hat"])[0]
    orders = [np.concatenate(indices(loader.shuffled(0, epoch))) for epoch in range(5)]
    for order in orders:
        has = loader.faces.attributes[order, column] > 0
        assert len(order) == len(loader.rows) and abs(has.sum() - len(order) / 2) <= 1
        assert set(order) <= set(loader.rows)
    assert len({tuple(order) for order in orders}) == 5


def test_an_epoch_taken_up_at_a_step_goes_on_as_the_whole_one(drawn):
    loader = balanced(drawn)
    whole = indices(loader.shuffled(3, 2))
    assert len(whole) == loader.steps == len(loader.rows) // 8
    assert indices(balanced(drawn).shuffled(3, 2, 2)) == whole[2:]
    assert indices(loader.shuffled(4, 2)) != whole


def test_processes_share_a_balanced_batch(drawn):
    whole = indices(balanced(drawn).shuffled(0, 0))
    parts = [indices(balanced(drawn, rank=rank, world=2).shuffled(0, 0)) for rank in range(2)]
    for step, batch in enumerate(whole):
        assert parts[0][step] == batch[::2] and parts[1][step] == batch[1::2]


def test_rows_in_order_and_other_rows_are_as_they_are(drawn):
    loader = balanced(drawn)
    assert flat(indices(loader.in_order())) == loader.rows.tolist()
    rows = loader.faces.rows("validation")
    assert flat(indices(loader.with_rows(rows, 4).in_order())) == rows.tolist()
    assert sorted(flat(indices(loader.with_rows(loader.rows, 1).shuffled(0, 0)))) == loader.rows.tolist()
    without = balanced(drawn, shares={})
    order = np.random.default_rng((0, 1)).permutation(without.rows)  # as it has always been
    assert flat(indices(without.shuffled(0, 1))) == order[: without.steps * 8].tolist()


def test_a_balanced_run_resumes_to_the_very_same_weights(drawn, tmp_path, monkeypatch):
    setting = "data.balance.Hat=0.5"
    train(drawn, tmp_path / "whole", setting, "data.flip=true")
    with pressed_after(8, monkeypatch):
        train(drawn, tmp_path / "cut", setting, "data.flip=true")
    with pytest.raises(facespace.core.errors.TrainingError, match="another recipe"):
        train(drawn, tmp_path / "cut", "data.balance.Hat=0.4", "data.flip=true", resume=True)
    train(drawn, tmp_path / "cut", setting, "data.flip=true", resume=True)
    whole, cut = (load_file(tmp_path / run / "last/model.safetensors") for run in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    card = json.loads((tmp_path / "whole/last/card.json").read_text())
    assert card["recipe"]["data"]["balance"] == {"Hat": 0.5}


def test_an_autoencoders_prior_is_told_the_true_frequencies(drawn, tmp_path):
    """Its Gaussian is that of every training face once, whatever the batches held."""
    plain = ("model.bottleneck=deterministic", "model.likelihood=mse", "objective.weights={}")
    train(drawn, tmp_path / "r", *plain, "data.balance.Hat=0.6", "data.balance.Bangs=0.2")
    space, faces = facespace.load(tmp_path / "r/last"), FaceSet(drawn)
    rows = faces.rows("train")
    z = space.encode(np.asarray(faces.images[rows]))
    np.testing.assert_allclose(space.model.prior.mean.numpy(), z.mean(0), atol=1e-4)
    order = np.concatenate(indices(balanced(drawn, 1, {"Hat": 0.6, "Bangs": 0.2}).shuffled(0, 0)))
    twisted = space.encode(np.asarray(faces.images[order])).mean(0)
    assert np.abs(twisted - z.mean(0)).max() > 1e-3  # so that the truth above says something


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("data.balance.Eyeglases=0.2", r"has no attribute 'Eyeglases'. Did you mean 'Eyeglasses'"),
        ("data.balance.Hat=1", r"data.balance.Hat is a share of the training batches, in \(0, 1\); got 1"),
        ("data.balance.Hat=0", r"in \(0, 1\); got 0"),
        ("data.balance.Hat=much", "data.balance.Hat takes a finite number"),
        ("data.balance=0.2", "data.balance"),
        ("data.balance.skin_tone.x=0.2", "has no field 'x'"),
    ],
)
def test_what_cannot_be_balanced_gets_a_sentence_and_no_run(drawn, tmp_path, setting, says):
    with pytest.raises(UsageError, match=says):
        train(drawn, tmp_path / "r", "data.balance.skin_tone=0.5", setting)
    assert not (tmp_path / "r").exists()


def test_a_group_without_fields_says_how_one_is_set():
    with pytest.raises(UsageError, match=r"set one of them: data\.balance\.NAME=VALUE"):
        override(recipe("demo"), ["data.balance=0.2"])


def test_shares_that_no_choice_of_faces_has_get_a_sentence():
    values = np.array([[1.0, -1], [1, -1], [-1, 1], [-1, 1]])  # never both
    with pytest.raises(UsageError, match=r"No choice of the training faces .* \(a 0.7, b 0.6\)"):
        expected_counts(values, {"a": 0.7, "b": 0.6})
    for value, who in ((1.0, "all"), (-1.0, "none")):
        with pytest.raises(UsageError, match=f"others without; {who} of 3 have it"):
            expected_counts(np.full((3, 1), value), {"a": 0.5})


def test_recipes_without_the_field_open_as_before_and_it_can_be_set():
    plan = recipe("celebamask-conv")
    older = to_dict(plan)
    assert older["data"].pop("balance") == {}
    assert from_dict(Recipe, older) == plan
    changed = override(plan, ["data.balance.Eyeglasses=0.2", "data.balance.Wearing_Hat=0.1"])
    assert changed.data.balance == {"Eyeglasses": 0.2, "Wearing_Hat": 0.1}
    assert override(plan, ['data.balance={"a.b": 0.5}']).data.balance == {"a.b": 0.5}


def test_a_run_that_began_before_the_field_was_there_resumes(drawn, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "r")
    state = torch.load(tmp_path / "r/checkpoint.pt", weights_only=True)
    older = json.loads(state["identity"]["recipe"])
    del older["data"]["balance"]
    state["identity"]["recipe"] = json.dumps(older)
    torch.save(state, tmp_path / "r/checkpoint.pt")
    result = train(drawn, tmp_path / "r", f"train.steps={state['progress']['step'] + 1}", resume=True)
    assert result["steps"] == state["progress"]["step"] + 1


def test_real_glasses_come_as_often_as_asked_for(real, tmp_path):
    with quiet():
        faces = facespace.prepare("celeba", real / "celeba", to=tmp_path / "set", size=8, limit=600)
    loader = Loader(faces, faces.rows("train"), 64)
    said = loader.balance({"Eyeglasses": 0.2})
    natural = share(faces.attributes[loader.rows][:, loader.attribute_columns(["Eyeglasses"])])
    held = np.concatenate(
        [batch.attributes[:, loader.attribute_columns(["Eyeglasses"])] for batch in loader.shuffled(0, 0)]
    )
    assert natural < 0.1 and share(held) == pytest.approx(0.2, abs=0.02)
    assert said[0].startswith(f"Eyeglasses 20.0% instead of {natural:.1%}")


def test_forward_passes_of_large_images_take_fewer_faces_at_once(tmp_path):
    for size, most in ((16, 256), (128, 64), (256, 16)):
        to = tmp_path / str(size)
        with quiet():
            faces = facespace.prepare("synthetic", to=to, size=size, limit=20, workers=1)
        rows = np.zeros(300, int)
        assert Loader(faces, rows, 8).with_rows(rows).size == most
