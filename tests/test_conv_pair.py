"""The autoencoder and the VAE of the same faces, which the project's site compares: nothing but the bottleneck differs."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

import facespace
from facespace.core.configs import to_dict

ROOT = Path(__file__).parent.parent
PAIR = [ROOT / "spaces" / name for name in ("conv-ae", "conv-vae")]
LARGEST = 3_600_000  # bytes of a packed space, which a page loads


@pytest.fixture(scope="module")
def spaces() -> list[facespace.FaceSpace]:
    return [facespace.load(folder) for folder in PAIR]


def test_they_are_small_and_hold_no_pictures():
    for folder in PAIR:
        assert sum(path.stat().st_size for path in folder.iterdir()) < LARGEST
        assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors", ".onnx"}


def test_only_the_bottleneck_differs(spaces):
    one, other = (to_dict(space.config) for space in spaces)
    assert {name for name in one if one[name] != other[name]} == {"bottleneck"}
    one, other = (space.card["data"] for space in spaces)
    assert one["fingerprint"] == other["fingerprint"] and one["faces"] == other["faces"]
    assert spaces[0].card["step"] == spaces[1].card["step"]
    assert spaces[0].directions().names == spaces[1].directions().names


def test_random_latents_of_each_are_faces(spaces):
    """The VAE's come from N(0, I), the autoencoder's from the Gaussian that was fitted to its latents."""
    assert [list(space.card.get("priors", {})) for space in spaces] == [["normal"], []]
    for space in spaces:
        faces = space.sample(64, seed=0).astype(float)
        mean = space.decode(space.encode(faces.astype(np.uint8)).mean(0, keepdims=True))[0].astype(float)
        middle = np.abs(faces - mean)[:, 20:44, 20:44].mean()
        assert 10 < middle < 60  # they differ from the mean face, and not as noise does


def test_make_site_publishes_them():
    printed = subprocess.run(
        ["make", "-n", "site"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "publish faces64 spaces/conv-vae spaces/conv-ae" in printed
