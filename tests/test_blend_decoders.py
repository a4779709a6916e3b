"""benchmarks/blend_decoders.py: a space whose decoder lies between those of two others."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import facespace
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.models import bundle, export
from facespace.training.plan import plan_of

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from blend_decoders import blend, blended, main


@pytest.fixture
def faces_of_set(drawn):
    return FaceSet(drawn).images[:3]


@pytest.fixture
def further(trained, tmp_path):
    """A packed space and the same one with another decoder."""
    opened = bundle.load(trained)
    export.pack(opened, tmp_path / "before", bits=16)
    with torch.no_grad():
        for weight in opened.model.decoder.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    export.pack(opened, tmp_path / "after", bits=16)
    return tmp_path / "before", tmp_path / "after"


def test_a_decoder_lies_between_two_others_and_all_else_is_theirs(further, tmp_path):
    spaces = [facespace.load(folder) for folder in further]
    for share, name in ((0.0, "0"), (0.5, "half"), (1.0, "1")):
        blend(*map(bundle.load, further), tmp_path / name, share, bits=16)
    before, after = (space.model.state_dict() for space in spaces)
    half = facespace.load(tmp_path / "half")
    for name, tensor in half.model.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, (before[name] + after[name]) / 2, atol=2e-3, rtol=2e-3)
    z = spaces[0].sample_latents(6)
    faces = [
        space.decode(z).astype(int)
        for space in (*spaces, facespace.load(tmp_path / "0"), facespace.load(tmp_path / "1"))
    ]
    assert np.abs(faces[0] - faces[1]).mean() > 1
    assert np.abs(faces[0] - faces[2]).max() <= 1 and np.abs(faces[1] - faces[3]).max() <= 1
    assert half.card["blended"]["share"] == 0.5


def test_the_encoder_takes_as_many_passes_as_asked_for(further, faces_of_set, tmp_path):
    blend(*map(bundle.load, further), tmp_path / "two", 0.5, bits=16, passes=2)
    blend(*map(bundle.load, further), tmp_path / "one", 0.5, bits=16)
    two, one = facespace.load(tmp_path / "two"), facespace.load(tmp_path / "one")
    first = one.encode(faces_of_set)
    expected = 2 * first - one.encode(one.decode(first))
    assert two.config.refinement_steps == 2
    goes_on = plan_of(None, bundle.load(tmp_path / "two"), [])
    assert goes_on.model.refinement_steps == 2
    np.testing.assert_allclose(two.encode(faces_of_set), expected, atol=0.05)  # one.decode rounds to bytes


def test_a_recipe_with_fewer_passes_than_the_space_it_starts_from_says_so(further, tmp_path, capsys):
    blend(*map(bundle.load, further), tmp_path / "two", 0.5, bits=16, passes=2)
    two = bundle.load(tmp_path / "two")
    plan_of("demo", two, ["model.refinement_steps=2"])
    plan_of(None, two, [])
    assert "passes" not in capsys.readouterr().err
    plan_of("demo", two, [])
    assert "encodes in 2 passes, this recipe in 1" in capsys.readouterr().err


def test_the_detail_of_a_space_of_twice_the_size_counts_with_the_share():
    before, after = facespace.load("faces64"), facespace.load("faces128")
    own = [space.torch_engine.bundle.model.state_dict() for space in (before, after)]
    weights = blended(*own, share=0.0)
    after.torch_engine.bundle.model.load_state_dict(weights)
    z = before.sample_latents(3)
    small = before.decode(z).reshape(3, 64, 64, 3).astype(float)
    large = after.decode(z).reshape(3, 64, 2, 64, 2, 3).mean((2, 4))
    assert np.abs(large - small).mean() < 4  # enlarged, and reduced again


def test_other_encoders_and_other_decoders_are_refused(further):
    before, after = (bundle.load(folder).model.state_dict() for folder in further)
    moved = {name: tensor + 1 if name.startswith("encoder.") else tensor for name, tensor in before.items()}
    with pytest.raises(
        UsageError, match=r"The spaces differ in encoder\..*, which is no part of their decoders"
    ):
        blended(moved, after, 0.5)
    name = next(name for name in before if name.startswith("decoder."))
    with pytest.raises(UsageError, match=f"The first space has no such {name}"):
        blended({key: tensor for key, tensor in before.items() if key != name}, after, 0.5)
    with pytest.raises(UsageError, match=f"The first space has no such {name}"):
        blended({**before, name: before[name][:1]}, after, 0.5)


@pytest.mark.parametrize("spaces", [("faces-gray", "faces128"), ("faces64", "nowhere")])
def test_a_command_that_cannot_be_done_ends_with_a_sentence(spaces, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["blend_decoders.py", *spaces, str(tmp_path / "to")])
    with pytest.raises(SystemExit, match=r"blend_decoders\.py: \w.*\."):
        main()
    assert not (tmp_path / "to").exists()
