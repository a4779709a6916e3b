"""Spaces of the package that are stored as what differs from another one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import facespace
from facespace.core.errors import BundleError
from facespace.models import bundle, export, locations, shared_parts

SPLIT = Path(__file__).parents[1] / "benchmarks/split_space.py"


@pytest.fixture
def package(trained, tmp_path, monkeypatch):
    """A package with the space `small`, and `other`, as parts, whose decoder differs; the packed bundle of the
    latter."""
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(locations, "PACKAGED", tmp_path / "weights")
    opened = bundle.load(trained)
    export.pack(opened, tmp_path / "weights/small", bits=8)
    with torch.no_grad():
        for weight in opened.model.decoder.parameters():
            weight.mul_(0.9)
    export.pack(opened, tmp_path / "other", bits=8)
    call = [sys.executable, SPLIT, tmp_path / "other", tmp_path / "weights/small", tmp_path / "weights/other"]
    subprocess.run(call, check=True, capture_output=True)
    return tmp_path / "weights", tmp_path / "other"


def test_a_space_of_parts_is_put_together_byte_for_byte(package, tmp_path):
    packaged, original = package
    folder = locations.find(Path("other"))
    assert folder.name == "other" and folder.is_relative_to(tmp_path / "cache")
    files = {path.name: path.read_bytes() for path in original.iterdir()}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    own = sum(path.stat().st_size for path in (packaged / "other").iterdir())
    assert own < 0.8 * sum(map(len, files.values()))  # the encoder is that of the other space
    faces = facespace.load("other").sample(2, prior="model")
    assert np.array_equal(faces, facespace.load(original).sample(2, prior="model"))
    assert not np.array_equal(faces, facespace.load("small").sample(2, prior="model"))


def test_it_is_put_together_once_and_its_next_version_beside_it(package):
    packaged, _ = package
    folder = locations.packaged_space("other")
    written = (folder / "card.json").stat().st_mtime_ns
    assert locations.packaged_space("other") == folder
    assert (folder / "card.json").stat().st_mtime_ns == written
    (packaged / "other/parts.json").write_text((packaged / "other/parts.json").read_text() + " ")
    assert locations.packaged_space("other") != folder and folder.is_dir()


def test_which_folder_is_the_default_space_is_known_before_it_is_put_together(package, tmp_path, monkeypatch):
    weights, original = package
    monkeypatch.setattr(locations, "DEFAULT_SPACE", weights / "other")
    assert not locations.is_default(original) and not (tmp_path / "cache").exists()
    folder = locations.require_default_space()
    assert locations.is_default(folder) and folder.is_relative_to(tmp_path / "cache")
    with pytest.raises(BundleError, match="other comes with facespace and stays as it is"):
        locations.check_writable(folder)


def test_spaces_of_parts_are_listed_and_stay_as_they_are(package):
    assert [folder.name for folder in locations.packaged_spaces()] == ["other", "small"]
    with pytest.raises(BundleError, match="other comes with facespace and stays as it is"):
        locations.check_writable(locations.packaged_space("other"))
    with pytest.raises(BundleError, match="comes along: other, small"):
        facespace.load("another")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "own.bin").write_bytes(b"x"), "is not the file that was split"),
        (lambda folder: (folder / "parts.json").write_text("{}"), "do not belong together"),
        (lambda folder: (folder / "parts.json").write_text("no"), "do not belong together"),
        (lambda folder: shutil.rmtree(folder.with_name("small")), "small"),
    ],
)
def test_parts_that_do_not_belong_together_are_one_sentence(package, tmp_path, damage, sentence):
    packaged, _ = package
    damage(packaged / "other")
    with pytest.raises(BundleError, match=sentence):
        locations.packaged_space("other")
    assert not list((tmp_path / "cache").rglob("card.json"))


def test_names_that_climb_reach_no_other_folder(package, tmp_path):
    packaged, _ = package
    parts = json.loads((packaged / "other/parts.json").read_text())
    parts["files"] = {"../../../../out.json": parts["files"]["card.json"]}
    (packaged / "other/parts.json").write_text(json.dumps(parts))
    folder = locations.packaged_space("other")
    assert [path.name for path in folder.iterdir()] == ["out.json"] and not (tmp_path / "out.json").exists()


def test_a_cache_that_cannot_be_written_is_one_sentence(package, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path / "file/below"))
    with pytest.raises(BundleError, match="Let FACESPACE_CACHE name another folder"):
        locations.packaged_space("other")
    assert not shared_parts.is_cached(tmp_path)
