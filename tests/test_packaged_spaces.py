"""The spaces that come with the package: they open by their names, play without torch, and are small enough."""

import numpy as np
import pytest

import facespace
from facespace.core.errors import BundleError
from facespace.models import locations
from facespace.space.reduced import reduced

NAMES = ("faces128", "faces-gray", "faces64")


def test_every_space_of_the_package_is_listed_the_default_one_first():
    assert tuple(folder.name for folder in locations.packaged_spaces()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_space_of_the_package_opens_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = facespace.load(name)
    z = space.sample_latents(4, seed=1)
    faces = space.decode(z)
    assert faces.shape[1:3] == space.image_shape[1:] and faces.std((1, 2)).min() > 10
    assert len(space.directions().names) >= 20 and len(space.stored_latents) == 256
    smiling = space.edit(z, {"Smiling": 2})
    assert 1 < np.abs(space.decode(smiling).astype(int) - faces).mean() < 60
    with pytest.raises(BundleError, match="stays as it is"):
        locations.check_writable(locations.packaged_space(name))


def test_a_name_that_is_no_space_gets_those_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="comes along: faces128, faces-gray, faces64"):
        facespace.load("faces-grey")
    assert locations.packaged_space("../weights/faces-gray") is None
    (tmp_path / "faces-gray").mkdir()  # a folder of the user's own comes first
    with pytest.raises(BundleError, match="holds no trained model"):
        facespace.load("faces-gray")


@pytest.mark.parametrize("name", NAMES)
def test_verbs_take_the_name_of_a_space_of_the_package(name, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("sample", name, "-n", 2, "--to", "new.npy")[0] == 0
    faces = np.load("new.npy")
    assert faces.shape[1:3] == facespace.load(name).image_shape[1:]
    assert cli("edit", name, "--random", 1, "--set", "Smiling=2", "--to", "edited.png")[0] == 0
    code, out, _ = cli("card", name)
    assert code == 0 and "latent" in out


def test_the_gray_space_is_small_and_has_the_shape_of_the_yearbook():
    folder = locations.packaged_space("faces-gray")
    assert folder is not None and sum(path.stat().st_size for path in folder.iterdir()) < 3_000_000
    space = facespace.load("faces-gray")
    assert (
        space.template.shape == (1, 171, 186)
        and space.image_shape == (1, 160, 176)
        and space.latent_dim == 80
    )


def test_the_space_at_128_pixels_has_the_latents_of_the_one_at_64():
    small, large = facespace.load("faces64"), facespace.load("faces128")
    assert large.image_shape == (3, 128, 128) and large.latent_dim == small.latent_dim
    z = small.sample_latents(4, seed=2, temperature=0.8)
    assert np.array_equal(large.sample_latents(4, seed=2, temperature=0.8), z)
    assert np.array_equal(large.directions().units, small.directions().units)
    halved = reduced(large.decode(z), 2).astype(int)
    assert np.abs(halved - small.decode(z)).mean() < 10  # the same faces
    # The same encoder; its second pass brings reconstructions nearer.
    once = large.decode(small.encode(halved.astype(np.uint8)))
    twice = large.decode(large.encode(large.decode(z)))
    errors = [float(np.square(faces.astype(int) - large.decode(z)).mean()) for faces in (once, twice)]
    assert errors[1] < 0.8 * errors[0]
    own = locations.PACKAGED / "faces128"
    assert sum(path.stat().st_size for path in own.iterdir()) < 4_500_000
