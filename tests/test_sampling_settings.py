"""What new faces are drawn with by default: settings on a space's card, chosen by looking, and --plain."""

import json
import shutil

import numpy as np
import pytest

import facespace
from facespace.cli.faces import key_latents
from facespace.cli.options import FaceSource
from facespace.core.errors import BundleError, UsageError
from facespace.models import bundle, export
from facespace.models.bundle_card import default_prior


def drawn_by(cli, *tokens):
    """The faces that `facespace sample` writes, and its facts."""
    code, out, err = cli("sample", *tokens, "-n", 4, "--json")
    assert code == 0, err
    facts = json.loads(out)
    return np.load(facts["to"]), facts


def test_sample_draws_as_the_card_says(flowing, cli, tmp_path):
    space, to = facespace.load(flowing), ("--to", tmp_path / "x.npy")
    faces, facts = drawn_by(cli, flowing, *to)
    assert (facts["temperature"], facts["guidance"]) == (0.5, 1.0)
    np.testing.assert_array_equal(faces, space.sample(4, 0, 0.5))
    faces, facts = drawn_by(cli, flowing, *to, "--condition", "smile=yes")
    assert (facts["temperature"], facts["guidance"]) == (0.5, 4.0)
    np.testing.assert_array_equal(faces, space.sample(4, 0, 0.5, conditions={"smile": 1}, guidance=4))
    assert "temperature 0.5 and guidance 4" in cli("sample", flowing, *to, "--condition", "smile=no")[1]


def test_what_is_asked_for_counts_more_than_the_card(flowing, cli, tmp_path):
    space, to = facespace.load(flowing), ("--to", tmp_path / "x.npy")
    asked = ("--temperature", 0.9, "--guidance", 2, "--condition", "smile=yes")
    faces, facts = drawn_by(cli, flowing, *to, *asked)
    assert (facts["temperature"], facts["guidance"]) == (0.9, 2.0)
    np.testing.assert_array_equal(faces, space.sample(4, 0, 0.9, conditions={"smile": 1}, guidance=2))
    for plain in (("--plain",), ("--prior", "model")):
        faces, facts = drawn_by(cli, flowing, *to, *plain)
        assert (facts["temperature"], facts["guidance"], facts["keep"]) == (1.0, 1.0, 1.0)
        np.testing.assert_array_equal(faces, space.sample(4, 0, prior=plain[1] if plain[1:] else None))
    for setting in (("--temperature", 1), ("--keep", 0.5), ("--guidance", 2, "--condition", "smile=yes")):
        code, _, err = cli("sample", flowing, *to, "--plain", *setting)
        assert code == 2 and f"got {setting[0]} too" in err


def test_the_card_says_it_and_a_second_copy_keeps_it(flowing, cli, tmp_path):
    assert "temperature 0.5, guidance 4 under conditions (--plain" in cli("card", flowing)[1]
    code, _, err = cli("pack", flowing, "--to", tmp_path / "again", "--temperature", 0.7)
    assert code == 0, err
    assert facespace.load(tmp_path / "again").sampling_settings() == {"temperature": 0.7, "guidance": 4.0}
    assert facespace.load(flowing).sampling_settings() == {"temperature": 0.5, "guidance": 4.0}
    assert facespace.load(flowing).sampling_settings("model") == {"temperature": 1.0, "guidance": 1.0}


@pytest.mark.parametrize(
    "setting", [("--temperature", 4), ("--temperature", -1), ("--temperature", "nan"), ("--guidance", 21)]
)
def test_settings_out_of_range_are_refused_and_nothing_is_written(flowing, cli, tmp_path, setting):
    code, _, err = cli("pack", flowing, "--to", tmp_path / "p", *setting)
    assert code == 2 and "temperature lies in [0, 3] and its guidance in [0, 20]" in err
    assert not (tmp_path / "p").exists()


def test_settings_need_a_fitted_prior(trained, tmp_path):
    loaded = bundle.load(trained)
    assert default_prior(loaded.card) == "model"
    with pytest.raises(UsageError, match="belongs to a fitted prior"):
        export.pack(loaded, tmp_path / "p", sampling={"temperature": 0.8})
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("wrong", [{"temperature": "hot"}, {"temperature": 1e9}, {"guidance": -1}, [0.8]])
def test_a_card_with_damaged_settings_is_said_to_be_damaged(flowing, tmp_path, wrong):
    to = shutil.copytree(flowing, tmp_path / "p")
    card = json.loads((to / "card.json").read_text())
    card["priors"]["flow"]["sampling"] = wrong
    (to / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match="flow"):
        facespace.load(to).sample(2, prior="flow")


@pytest.mark.parametrize("name", ["faces128", "faces64"])
def test_spaces_of_the_package_name_theirs(name):
    assert facespace.load(name).sampling_settings() == {"temperature": 0.8, "guidance": 3.0}


@pytest.mark.parametrize(("prior", "temperature"), [(None, 0.5), ("normal", 1.0)])
def test_random_faces_to_edit_and_morph_are_drawn_as_the_card_says(flowing, prior, temperature):
    space = facespace.load(flowing)
    z = key_latents(space, [], FaceSource(random=3, seed=2, prior=prior))
    np.testing.assert_array_equal(z, space.sample_latents(3, 2, temperature, prior))


def test_conditions_beside_a_prior_that_takes_none_say_what_to_leave_out(flowing, cli, tmp_path):
    to = ("--to", tmp_path / "x.png")
    code, _, err = cli("sample", flowing, "--prior", "normal", "--condition", "smile=yes", *to)
    assert code == 2 and "leave out --prior" in err and not to[1].exists()


def test_a_prior_that_is_not_there_is_named_beside_those_that_are(flowing, cli, tmp_path):
    code, _, err = cli("sample", flowing, "--prior", "mixture", "--to", tmp_path / "x.png")
    assert code == 1 and "no fitted prior 'mixture' yet, but flow, normal. Fit it: facespace fit-prior" in err
    code, _, err = cli("sample", "faces-gray", "--prior", "flow", "--to", tmp_path / "x.png")
    assert (
        code == 1
        and "faces-gray has no" in err
        and "facespace pack faces-gray --bits 8 --to FOLDER; then" in err
    )


@pytest.mark.parametrize("verb", [("sample",), ("edit", "--random", 1, "--set", "Smiling=1")])
def test_a_name_similar_to_that_of_a_space_that_comes_along_is_suggested(verb, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli(verb[0], "faces63", *verb[1:])
    assert code == 1 and "Did you mean faces64?" in err and "faces128, faces-gray, faces64" in err
