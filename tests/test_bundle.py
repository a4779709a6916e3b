"""Trained models on disk."""

import json
import shutil

import numpy as np
import pytest
import torch

import facespace
from facespace import bundle
from facespace.errors import BundleError


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
    folder = bundle.find(trained)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.safetensors"]
    card = json.loads((folder / "card.json").read_text())
    assert card["recipe"]["name"] == "demo" and card["data"]["source"] == "procedural"
    assert card["data"]["terms"] and card["template"]["crop"] == "fit" and card["metrics"]["validation"]["loss"]


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
        (lambda b: (b / "model.safetensors").unlink(), r"has no model\.safetensors"),
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
    from facespace.cli.pictures import read_array
    from facespace.errors import FacespaceError

    with pytest.raises(FacespaceError, match=r"not a \.npy file of numbers"):
        read_array(tmp_path / "z.npy")
    assert not (tmp_path / "ran").exists()
