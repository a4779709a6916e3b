"""What a space says of itself, the small copy that is handed on, and the space that comes along."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import facespace
from facespace.core.console import quiet
from facespace.core.errors import BundleError, UsageError
from facespace.data.faces import FaceSet
from facespace.evaluation.card_figures import figures_of
from facespace.evaluation.evaluate import evaluate
from facespace.models import bundle, fitted, locations
from facespace.models.export import pack


@pytest.fixture(scope="module")
def rich(trained, drawn, tmp_path_factory):
    """A copy of the tiny run with priors, directions and a known limitation. Tests must not change it."""
    run = shutil.copytree(trained, tmp_path_factory.mktemp("rich") / "run")
    with quiet():
        space, faces = facespace.load(run), FaceSet(drawn)
        space.fit_prior(faces, components=2)
        space.fit_prior(faces, "flow", steps=5, width=16)
        space.fit_components(faces, 3)
    card = run / "best" / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"limitations": ["Hats become | hair."]}))
    return run


@pytest.fixture(scope="module")
def packed(rich, tmp_path_factory):
    to = tmp_path_factory.mktemp("packed") / "space"
    pack(bundle.load(rich), to)
    return to


@pytest.fixture
def default_space(packed, monkeypatch):
    monkeypatch.setattr(locations, "DEFAULT_SPACE", packed)
    return packed


def test_a_packed_space_carries_figures_failings_and_latents_of_faces(cli, rich, drawn, tmp_path):
    with quiet():
        evaluate(rich, drawn, tmp_path / "e", split="all", count=24, features=None)
    to, figures = (
        tmp_path / "p",
        ("--figures", tmp_path / "e", "--limitation", "Hats.", "--limitation", "Hands."),
    )
    code, _, err = cli("pack", rich, "--to", to, "--data", drawn, *figures)
    assert code == 0, err
    space, faces = facespace.load(to), FaceSet(drawn)
    rows = faces.rows("train")
    z = facespace.load(rich).encode(faces.images[rows])
    np.testing.assert_allclose(space.stored_latents, z, rtol=1e-3, atol=1e-3)
    assert facespace.load(rich).stored_latents is None
    assert (
        space.card["limitations"] == ["Hats.", "Hands."] and "24 faces of the split all" in cli("card", to)[1]
    )
    with quiet():
        evaluate(rich, drawn, tmp_path / "other", split="all", count=24, features=None)
    found = json.loads((tmp_path / "other/metrics.json").read_text())
    found["protocol"]["space"]["fingerprint"] = "0" * 64
    (tmp_path / "other/metrics.json").write_text(json.dumps(found))
    wrong = ((tmp_path / "other", "another space", 2), (tmp_path, "holds no evaluation", 1))
    for folder, says, status in wrong:
        code, _, err = cli("pack", rich, "--to", tmp_path / "q", "--figures", folder)
        assert code == status and says in err and not (tmp_path / "q").exists()


def test_figures_of_an_older_evaluation(trained, drawn, tmp_path):
    with quiet():
        evaluate(trained, drawn, tmp_path / "e", split="all", count=16, features="attributes")
    metrics = json.loads((tmp_path / "e/metrics.json").read_text())
    fingerprint = metrics["protocol"]["space"]["fingerprint"]
    expected = figures_of(tmp_path / "e", fingerprint)
    generation = metrics["generation"]
    reference = generation.pop("real_reference")
    reference["of"] = reference.pop("compared")
    generation["floor"] = reference
    metrics["protocol"]["chosen"] = metrics["protocol"].pop("selection")
    (tmp_path / "e/metrics.json").write_text(json.dumps(metrics))
    assert (
        "FID (attribute classifier) of new faces" in expected
        and figures_of(tmp_path / "e", fingerprint) == expected
    )


def test_latents_of_faces_that_came_along_are_checked(rich, tmp_path):
    z = np.zeros((3, 5), np.float32)
    pack(bundle.load(rich), tmp_path / "p", encoded=z)
    np.testing.assert_array_equal(facespace.load(tmp_path / "p").stored_latents, z)
    pack(bundle.load(tmp_path / "p"), tmp_path / "again")
    np.testing.assert_array_equal(facespace.load(tmp_path / "again").stored_latents, z)
    file = tmp_path / "p" / fitted.ENCODED
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(BundleError, match="encoded"):
        _ = facespace.load(tmp_path / "p").stored_latents
    pack(bundle.load(rich), tmp_path / "q", encoded=z[:, :4])
    with pytest.raises(BundleError, match="does not fit the model"):
        _ = facespace.load(tmp_path / "q").stored_latents


def test_the_card_says_what_a_space_is(cli, rich, trained, tmp_path):
    code, out, _ = cli("card", rich)
    own = json.loads((rich / "best/card.json").read_text())
    assert code == 0 and out.startswith("demo\n")
    for said in ("16 × 16 pixels", f"{own['step']:,}", own["data"]["terms"], "PC3", "Hats become | hair."):
        assert said in out
    assert own["priors"]["mixture"]["origin"] in out and own["priors"]["flow"]["origin"] in out
    weights = sum(p.numel() for p in facespace.load(rich).model.parameters())
    assert f"parameters   {weights:,}" in out
    assert json.loads(cli("card", rich, "--json")[1]) == own
    assert "limitations" not in cli("card", trained)[1]
    assert cli("card", rich, "--to", tmp_path / "card.md")[0] == 0
    page = (tmp_path / "card.md").read_text()
    assert page.startswith("# demo\n") and "| 1 | Hats become \\| hair. |" in page and "## Priors" in page


def test_the_card_says_how_a_space_was_trained_in_all(cli, trained, tmp_path):
    folder = shutil.copytree(trained / "best", tmp_path / "b")
    own = json.loads((folder / "card.json").read_text())

    def text(**changes):
        (folder / "card.json").write_text(json.dumps(own | changes))
        code, out, err = cli("card", folder)
        assert code == 0, err
        return out

    alone, continued = text(), text(started_from="f" * 64)
    assert (
        "in all" not in alone and "last stage" not in alone.split("Losses")[0] and "started from" not in alone
    )
    assert "started from" in continued and "steps of the last stage" in continued
    whole = text(started_from="f" * 64, history=["an hour, in two stages", "stage 1: 50 minutes"])
    assert "in all                   an hour, in two stages\n" in whole and "stage 1: 50 minutes" in whole
    assert "started from" not in whole
    parts = [
        {"source": "celeba", "faces": 1200},
        {"source": "lfw", "faces": 30},
        {"source": "celeba", "faces": 7},
    ]
    assert "celeba (1,200 + 7 faces), lfw (30 faces)" in text(data=own["data"] | {"parts": parts})


def test_the_default_card_is_one_that_a_stranger_can_read(cli):
    if locations.default_space() is None:
        pytest.skip("the package has no default space")
    code, out, _ = cli("card")
    order = ["Model", "Faces", "Training", "Losses", "Figures", "Known limitations", "Priors", "Directions"]
    places = [out.index(f"\n{heading}\n") for heading in order]
    assert code == 0 and places == sorted(places)
    for said in (
        "six hours",
        "3.7 hours",
        "FID (Inception) of new faces",
        "a unit of information",
        "0.5 is chance",
    ):
        assert said in out
    assert "goes" not in out and "e+04" not in out


def test_a_card_that_lacks_facts_is_told_without_them(cli, trained, tmp_path):
    folder = shutil.copytree(trained / "best", tmp_path / "b")
    own = json.loads((folder / "card.json").read_text())
    for name in ("recipe", "data", "metrics", "step"):
        del own[name]
    (folder / "card.json").write_text(json.dumps(own))
    code, out, _ = cli("card", folder)
    assert code == 0 and "latents" in out and "\nTraining" not in out


def test_a_packed_space_is_smaller_and_draws_the_same_faces(packed, rich):
    small, large = facespace.load(packed), facespace.load(rich)
    assert next(small.model.parameters()).dtype == next(large.model.parameters()).dtype
    assert (packed / "model.safetensors").stat().st_size < 0.7 * (
        rich / "best/model.safetensors"
    ).stat().st_size
    for prior in ("model", "mixture", "flow"):
        difference = small.sample(8, prior=prior).astype(int) - large.sample(8, prior=prior)
        assert abs(difference).max() <= 2
    few, all_of_them = small.directions(), large.directions()
    np.testing.assert_array_equal(few.units, all_of_them.units)
    np.testing.assert_allclose(few.whitening.root, all_of_them.whitening.root, rtol=1e-3, atol=1e-6)
    assert small.card["packed"] == {"from": large.card["fingerprint"], "bits": 16}
    assert small.card["limitations"] == large.card["limitations"] and small.card["data"] == large.card["data"]


def test_weights_that_16_bits_cannot_hold_stay_as_they_are(trained, tmp_path):
    loaded = bundle.load(trained)
    weight = next(w for w in loaded.model.parameters() if w.dim() > 1)
    weight.view(-1)[0] = 1e6
    pack(loaded, tmp_path / "p")
    kept = next(w for w in bundle.load(tmp_path / "p").model.parameters() if w.dim() > 1)
    assert (kept == weight).all()


def test_packing_replaces_packed_bundles_alone(cli, rich, packed, tmp_path):
    again = shutil.copytree(packed, tmp_path / "again")
    assert cli("pack", rich, "--to", again)[0] == 0
    before = {path.name: path.read_bytes() for path in (rich / "best").iterdir()}
    code, _, err = cli("pack", rich, "--to", rich / "best")
    assert code == 2 and "not a packed space" in err
    assert {path.name: path.read_bytes() for path in (rich / "best").iterdir()} == before


def test_without_a_name_the_default_space_is_opened(cli, default_space, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert facespace.load().folder == default_space
    for tokens in (
        ["sample", "-n", "4", "--to", "s.png"],
        ["reconstruct", photos[0], "--to", "r.png"],
        ["encode", photos[0], "--to", "z.npy"],
        ["decode", "z.npy", "--to", "d.png"],
        ["morph", photos[0], photos[1], "--to", "m.npy", "--frames", "3"],
        ["mix", "--plus", photos[0], "--to", "x.png"],
        ["card"],
        ["directions"],
        ["edit", photos[0], "--set", "PC1=1", "--to", "e.png"],
    ):
        code, _, err = cli(*tokens)
        assert code == 0, err
    assert Image.open("s.png").size[0] > 0
    code, _, err = cli("reconstruct", "gone.png", "--to", "r.png")
    assert code == 1 and "gone.png does not exist" in err


def test_without_a_space_that_comes_along_one_must_be_named(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(locations, "DEFAULT_SPACE", tmp_path / "none")
    with pytest.raises(UsageError, match="No SPACE was named"):
        facespace.load()
    code, _, err = cli("sample", "--to", tmp_path / "x.png")
    assert code == 2 and "No SPACE was named" in err


def test_the_default_space_is_not_changed(default_space, drawn, monkeypatch):
    before = {path.name: path.read_bytes() for path in default_space.iterdir()}
    with quiet(), pytest.raises(BundleError, match="stays as it is"):
        facespace.load().fit_prior(FaceSet(drawn), "normal")
    monkeypatch.chdir(default_space.parent)  # nor under another name
    with quiet(), pytest.raises(BundleError, match="stays as it is"):
        facespace.load(default_space.name).fit_components(FaceSet(drawn), 2)
    assert {path.name: path.read_bytes() for path in default_space.iterdir()} == before


def test_latents_are_pulled_through_the_space(rich):
    space = facespace.load(rich)
    z = space.sample_latents(5)
    for prior in ("model", "mixture", "flow"):
        np.testing.assert_array_equal(space.truncate(z, 0, prior), z)
        assert space.truncate(z, 1, prior).shape == z.shape
    np.testing.assert_allclose(space.truncate(z, 0.25, "model"), 0.75 * z, rtol=1e-6)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="must lie in"):
            space.truncate(z, share)
