"""Trained models on disk."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

import facespace
from facespace.core import cards
from facespace.core.console import quiet
from facespace.core.errors import BundleError, UsageError
from facespace.data.faces import FaceSet
from facespace.models import bundle, locations


def test_saving_and_loading_is_exact(trained, tmp_path):
    loaded = bundle.load(trained)
    again = tmp_path / "copy"
    bundle.save(again, loaded.model, loaded.model.config, loaded.template, {"step": 3})
    second = bundle.load(again)
    a, b = loaded.model.state_dict(), second.model.state_dict()
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert second.template == loaded.template and second.card["step"] == 3
    assert second.card["fingerprint"] == loaded.card["fingerprint"]
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(loaded.model.encode(x).mean, second.model.encode(x).mean)


def test_a_bundle_is_two_plain_files_and_its_card_tells_all(trained):
    folder = locations.find(trained)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.safetensors"]
    card = json.loads((folder / "card.json").read_text())
    assert card["recipe"]["name"] == "demo" and card["data"]["source"] == "synthetic"
    assert (
        card["data"]["terms"] and card["template"]["crop"] == "fit" and card["metrics"]["validation"]["loss"]
    )


def test_a_run_opens_its_best_and_last_by_name(trained):
    assert facespace.load(trained).folder.name == "best"
    assert facespace.load(trained / "last").folder.name == "last"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            lambda b: (b / "model.safetensors").write_bytes((b / "model.safetensors").read_bytes()[:-100]),
            "cut short or damaged",
        ),
        (lambda b: (b / "model.safetensors").write_bytes(b""), "cut short or damaged"),
        (lambda b: (b / "model.safetensors").unlink(), r"model\.safetensors is missing"),
        (lambda b: flip_a_bit(b / "model.safetensors"), "not the file that its card describes"),
        (lambda b: (b / "card.json").unlink(), "holds no trained model"),
        (lambda b: (b / "card.json").write_text("[]"), "cannot be read"),
        (lambda b: change_card(b, format=9), "format 9"),
        (lambda b: change_card(b, model={"latent": "many"}), "does not describe a model"),
        (lambda b: change_card(b, model={"kind": "gan"}), "does not describe a model"),
        (lambda b: change_card(b, template={"crop": "../x"}), "does not describe a model"),
    ],
)
def test_a_damaged_bundle_is_named(trained, tmp_path, damage, says):
    folder = shutil.copytree(trained / "best", tmp_path / "b")
    damage(folder)
    with pytest.raises(BundleError, match=says):
        facespace.load(folder)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


def change_card(folder, **fields):
    card = json.loads((folder / "card.json").read_text()) | fields
    (folder / "card.json").write_text(json.dumps(card))


def test_folders_that_are_no_bundle(tmp_path, drawn):
    with pytest.raises(BundleError, match="does not exist"):
        facespace.load(tmp_path / "none")
    with pytest.raises(BundleError, match="holds no trained model"):
        facespace.load(tmp_path)
    with pytest.raises(BundleError, match="holds a faceset"):
        facespace.load(drawn)


def test_a_replacement_killed_between_its_renames_is_put_right(trained, tmp_path):
    run = tmp_path / "r"
    shutil.copytree(trained, run)
    (run / "best").rename(run / ".best.facespace-old")
    assert facespace.load(run).folder.name == "best"


@pytest.fixture(scope="module")
def with_prior(trained, drawn, tmp_path_factory):
    """A copy of the tiny run whose best bundle has a mixture. Tests must not change it."""
    run = shutil.copytree(trained, tmp_path_factory.mktemp("prior") / "run")
    with quiet():
        facespace.load(run).fit_prior(FaceSet(drawn), components=3)
    return run


def test_a_fitted_prior_lies_in_the_best_bundle_beside_the_same_model(with_prior, trained, drawn):
    best = with_prior / "best"
    assert sorted(p.name for p in best.iterdir()) == [
        "card.json",
        "model.safetensors",
        "prior-mixture.safetensors",
    ]
    assert sorted(p.name for p in (with_prior / "last").iterdir()) == ["card.json", "model.safetensors"]
    assert not [p for p in with_prior.iterdir() if p.name.startswith(".")]
    card, before = (
        json.loads((best / "card.json").read_text()),
        json.loads((trained / "best/card.json").read_text()),
    )
    entry = card.pop("priors")["mixture"]
    assert (
        card == before
        and (best / "model.safetensors").read_bytes() == (trained / "best/model.safetensors").read_bytes()
    )
    faces = FaceSet(drawn)
    assert (
        entry["data"] == faces.fingerprint
        and entry["faces"] == len(faces.rows("train"))
        and entry["split"] == "train"
    )
    assert (
        entry["options"] == {"components": 3}
        and entry["weights"] == card["fingerprint"]
        and entry["seed"] == 0
    )
    assert (
        entry["nats"].keys() == {"train", "validation"}
        and entry["nats"]["train"]["fitted"] > entry["nats"]["train"]["model"]
    )


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda b: (b / "prior-mixture.safetensors").unlink(), r"prior-mixture\.safetensors is missing"),
        (lambda b: (b / "prior-mixture.safetensors").write_bytes(b"\x80"), "cut short or damaged"),
        (lambda b: flip_a_bit(b / "prior-mixture.safetensors"), "not the file that its card describes"),
        (lambda b: change_prior(b, options={"components": 2}), "does not describe its prior"),
        (lambda b: change_prior(b, options={"layers": 2}), "does not describe its prior"),
        (lambda b: change_prior(b, options=None), "does not describe its prior"),
        (lambda b: change_card(b, priors={"mixture": {}}), "does not describe its prior"),
        (lambda b: change_card(b, priors=[]), "does not describe its prior"),
        (lambda b: change_prior(b, weights="0" * 64), "fitted to a model with other weights"),
    ],
)
def test_a_damaged_prior_is_named_and_the_space_still_opens(with_prior, tmp_path, damage, says):
    folder = shutil.copytree(with_prior / "best", tmp_path / "b")
    damage(folder)
    space = facespace.load(folder)
    assert space.sample(2, prior="model").shape == (2, 16, 16, 3)
    with pytest.raises(BundleError, match=says + ".*Fit it again: facespace fit-prior .* --kind mixture"):
        space.sample(2, prior="mixture")


def change_prior(folder, **fields):
    entry = json.loads((folder / "card.json").read_text())["priors"]["mixture"]
    change_card(folder, priors={"mixture": entry | fields})


def test_a_prior_that_is_not_there(trained, with_prior):
    with pytest.raises(
        UsageError,
        match=r"'mixtur'.*Did you mean 'mixture'\? Known: flow, diffusion, autoregressive, mixture, normal.*facespace fit-prior",
    ):
        facespace.load(with_prior).sample(2, prior="mixtur")
    with pytest.raises(
        BundleError, match=r"no fitted prior 'normal' yet.*facespace fit-prior .* --kind normal"
    ):
        facespace.load(with_prior).sample(2, prior="normal")
    with pytest.raises(BundleError, match="no fitted prior 'mixture' yet"):
        facespace.load(trained).sample(2, prior="mixture")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, MemoryError])
def test_an_interrupted_write_leaves_the_older_prior(with_prior, drawn, tmp_path, monkeypatch, error):
    run = shutil.copytree(with_prior, tmp_path / "r")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    expected = facespace.load(run).sample(3, prior="mixture")

    def stop(*_):
        raise error

    monkeypatch.setattr(bundle, "write_json", stop)
    with quiet(), pytest.raises(error):
        facespace.load(run).fit_prior(FaceSet(drawn), components=1, seed=1)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    np.testing.assert_array_equal(facespace.load(run).sample(3, prior="mixture"), expected)


def test_a_prior_is_not_kept_beside_a_model_that_was_replaced_meanwhile(trained, drawn, tmp_path):
    run = shutil.copytree(trained, tmp_path / "r")
    space = facespace.load(run)
    change_card(run / "best", fingerprint="0" * 64)
    with quiet(), pytest.raises(BundleError, match="holds another model than the one that was opened"):
        space.fit_prior(FaceSet(drawn))


def test_no_pickle_is_read(trained, tmp_path):
    """A pickle in the place of the weights is refused, not run."""
    import pickle

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    folder = shutil.copytree(trained / "best", tmp_path / "b")
    (folder / "model.safetensors").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BundleError):
        facespace.load(folder)
    np.save(tmp_path / "z.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    from facespace.cli.faces import read_array
    from facespace.core.errors import FacespaceError

    with pytest.raises(FacespaceError, match=r"not a \.npy file of numbers"):
        read_array(tmp_path / "z.npy")
    assert not (tmp_path / "ran").exists()


def test_a_fingerprint_is_of_the_values_and_not_of_their_layout():
    for shape in ((4, 3, 1, 1), (4, 1, 3, 3), (1, 3, 5, 5), (4, 3, 3, 3)):
        weight = torch.randn(shape)
        laid = weight.to(memory_format=torch.channels_last)
        assert cards.fingerprint({"w": laid}) == cards.fingerprint({"w": weight})
    assert cards.fingerprint({"n": torch.tensor(3)}) != cards.fingerprint({"n": torch.tensor(4)})


def test_bundles_can_be_listed_without_torch():
    code = "import sys, facespace.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
