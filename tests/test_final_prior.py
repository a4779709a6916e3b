"""The prior that is fitted at the end of training, and the history of a bundle."""

import json
import shutil

import numpy as np
import pytest
import torch
from conftest import SIZES
from torch.distributions import MultivariateNormal, kl_divergence

import facespace
from facespace.core.configs import from_dict
from facespace.core.console import quiet
from facespace.data.faces import FaceSet
from facespace.models import additions, bundle, fitted
from facespace.models.bundle_card import stages_of
from facespace.models.card_text import read
from facespace.models.prior_fit import mean_density
from facespace.recipes.config import Recipe
from facespace.training import final_prior
from facespace.training.plan import plan_of

VAE = (*SIZES, "objective.weights.kl=1", "train.precision=fp32")
AE = (*SIZES, "model.bottleneck=deterministic", "objective.weights={}", "train.precision=fp32")
KINDS = {
    "vae": VAE,
    "ae": AE,
    "hierarchical": (
        *SIZES,
        "model.kind=hierarchical",
        "model.backbone=residual",
        "model.levels=1",
        "objective.weights.kl=1",
    ),
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A prepared set of 240 drawn faces of 16 px."""
    to = tmp_path_factory.mktemp("sets") / "faces"
    with quiet():
        facespace.prepare("synthetic", to=to, size=16, limit=240, workers=1)
    return to


@pytest.fixture(autouse=True)
def short_flow(monkeypatch):
    monkeypatch.setattr(final_prior, "SMALL_FLOW", {"steps": 40, "width": 32, "blocks": 1})


def train(faces, to, settings=VAE, **options):
    with quiet():
        return facespace.train("demo", faces, to, settings=settings, trackers=["none"], **options)


def files(run):
    return {path.name: path.read_bytes() for path in (run / "best").glob("*.safetensors")}


def test_the_codes_of_a_quantized_model_get_an_autoregressive_prior(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(final_prior, "SMALL_TRANSFORMER", {"steps": 20, "width": 32, "blocks": 1})
    settings = (*SIZES, "model.bottleneck=vq", "model.latent_dim=8", "objective.weights={}")
    result = train(faces, tmp_path / "r", settings)
    space, report = facespace.load(tmp_path / "r"), result["prior"]["best"]
    assert space.default_prior == report["kind"] == "autoregressive"
    assert set(report["nats"]) == {"autoregressive", "uniform"} and report["kl_to_standard_normal"] is None
    assert report["nats"]["uniform"] == space.prior().uniform_log_prob < report["nats"]["autoregressive"]
    z = torch.from_numpy(space.posterior_means(FaceSet(faces), "validation"))
    assert mean_density(space.prior(), z) == pytest.approx(report["nats"]["autoregressive"], rel=1e-4)
    assert space.sample(3).shape == (3, 16, 16, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_prior_by_held_out_likelihood_is_kept_and_used(faces, tmp_path, kind):
    result = train(faces, tmp_path / "r", KINDS[kind])
    for name in ("best", "last"):
        space, report = facespace.load(tmp_path / "r" / name), result["prior"][name]
        figures, nats = space.card["aggregate_posterior"], report["nats"]
        expected = {"model", "mixture", "flow"} | ({"normal"} if kind in ("vae", "hierarchical") else set())
        assert set(nats) == expected or (set(nats) == expected - {"mixture"} and space.latent_dim > 48)
        assert figures["nats"] == nats and figures["split"] == "validation"
        best = max(nats, key=nats.get)
        assert space.default_prior == report["kind"] == best and nats[best] > nats["model"]
        assert set(space.card["priors"]) == {best}
        # The figures once more, from the latents that the space itself encodes.
        z = torch.from_numpy(space.posterior_means(FaceSet(faces), "validation"))
        assert mean_density(space.prior(), z) == pytest.approx(nats[best], rel=1e-4)
        assert mean_density(space.prior("model"), z) == pytest.approx(nats["model"], rel=1e-4)
        drawn = space.sample_latents(4, seed=3)
        np.testing.assert_array_equal(drawn, space.sample_latents(4, seed=3, prior=best))
        assert not np.array_equal(drawn, space.sample_latents(4, seed=3, prior="model"))
        assert ("kl_to_standard_normal" in figures) == (kind in ("vae", "hierarchical"))
    text = read(tmp_path / "r").text()
    assert f"flow {nats['flow']:,.1f}" in text and ("nats from N(0, I)" in text) == (kind != "ae")


def test_the_distance_from_the_standard_normal(faces, tmp_path):
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(500, 4, generator=generator) @ torch.randn(4, 4, generator=generator) + 2
    variances = torch.rand(500, 4, generator=generator) + 0.1
    center = means.double().mean(0)
    covariance = torch.cov(means.double().T, correction=0) + variances.double().mean(0).diag()
    standard = MultivariateNormal(torch.zeros(4).double(), torch.eye(4).double())
    expected = kl_divergence(MultivariateNormal(center, covariance), standard).item()
    assert final_prior.kl_to_standard_normal(means, variances) == pytest.approx(expected, rel=1e-9)
    exact = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([[1e-9, 1.0], [1e-9, 1.0]])
    assert final_prior.kl_to_standard_normal(*exact) == pytest.approx(0, abs=1e-6)
    # Of a model: the same from its own posteriors.
    train(faces, tmp_path / "r")
    loaded, images = bundle.load(tmp_path / "r"), FaceSet(faces)
    x = torch.from_numpy(images.images[images.rows("train")]).permute(0, 3, 1, 2) / 255
    q = loaded.model.encode(x)
    found = final_prior.kl_to_standard_normal(q.mean, q.log_var.exp())
    assert loaded.card["aggregate_posterior"]["kl_to_standard_normal"] == pytest.approx(found, rel=1e-4)


def test_the_fit_is_a_function_of_the_seed_and_is_redone_after_a_kill(faces, tmp_path, monkeypatch):
    train(faces, tmp_path / "whole")

    def kill(*_):
        raise KeyboardInterrupt

    # Before and after the prior's own file is there.
    for module, place in ((fitted, "save_prior"), (additions, "add_facts")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(module, place, kill)
            train(faces, tmp_path / place)
        assert "aggregate_posterior" not in facespace.load(tmp_path / place).card
        result = train(faces, tmp_path / place, resume=True)
        assert files(tmp_path / place) == files(tmp_path / "whole")
        again = train(faces, tmp_path / place, resume=True)
        assert files(tmp_path / place) == files(tmp_path / "whole")
        for name in ("best", "last"):
            assert again["prior"][name] | {"seconds": 0} == result["prior"][name] | {"seconds": 0}
    cards = [facespace.load(tmp_path / run).card for run in ("whole", "add_facts")]
    assert cards[0]["priors"] == cards[1]["priors"]
    assert cards[0]["aggregate_posterior"] == cards[1]["aggregate_posterior"]


def test_a_kind_can_be_named_or_none(faces, drawn, tmp_path, capsys):
    result = train(faces, tmp_path / "none", (*VAE, "train.prior=none"))
    assert result["prior"] == {} and "priors" not in facespace.load(tmp_path / "none").card
    train(faces, tmp_path / "normal", (*VAE, "train.prior=normal"))
    assert set(facespace.load(tmp_path / "normal").card["priors"]) == {"normal"}
    # 51 faces: too few for a flow, and a mixture of one Gaussian would be the Gaussian.
    result = train(drawn, tmp_path / "few", (*VAE, "model.latent_dim=20"))
    assert set(result["prior"]["best"]["nats"]) == {"model", "normal"}
    with pytest.raises(facespace.FacespaceError, match=r"train\.prior"):
        train(drawn, tmp_path / "x", (*VAE, "train.prior=gauss"))


def test_without_validation_faces_a_tenth_of_the_training_faces_is_held_out(faces, tmp_path):
    root = tmp_path / "set"
    with quiet():
        facespace.prepare("synthetic", to=root, size=16, limit=200, workers=1)
    table = (root / "table.csv").read_text().replace("validation", "train").replace("test", "train")
    (root / "table.csv").write_text(table)
    card = json.loads((root / "card.json").read_text())
    card["splits"] = {"train": 200, "validation": 0, "test": 0}
    (root / "card.json").write_text(json.dumps(card))
    result = train(root, tmp_path / "r")
    report = result["prior"]["best"]
    assert report["split"] == "held-out" and report["kind"] == max(report["nats"], key=report["nats"].get)
    space = facespace.load(tmp_path / "r")
    assert space.default_prior == report["kind"] != "model"
    assert space.card["aggregate_posterior"]["faces"] == 180


def test_a_prior_goes_along_with_its_encoder_and_is_fitted_anew_to_another(faces, tmp_path, capsys):
    train(faces, tmp_path / "a", (*VAE, "train.prior=mixture"))
    before = facespace.load(tmp_path / "a")
    train(faces, tmp_path / "kept", (*VAE, "train.freeze=encoder"), start=tmp_path / "a")
    kept = facespace.load(tmp_path / "kept")
    assert set(kept.card["priors"]) == {"mixture"} == {kept.default_prior}
    np.testing.assert_array_equal(kept.sample_latents(3), before.sample_latents(3))
    capsys.readouterr()
    facespace.train("demo", faces, tmp_path / "moved", settings=VAE, start=tmp_path / "a", trackers=["none"])
    err = " ".join(capsys.readouterr().err.split())
    assert "so the priors (mixture) of" in err and "A new prior is fitted at the end." in err
    moved = facespace.load(tmp_path / "moved")
    assert moved.default_prior != "model"
    z = torch.from_numpy(moved.posterior_means(FaceSet(faces), "validation"))
    assert mean_density(moved.prior(), z) > mean_density(before.prior(), z)


def test_a_prior_goes_along_with_its_decoder_and_is_measured_anew(faces, tmp_path):
    train(faces, tmp_path / "a", (*VAE, "train.prior=mixture"))
    before = facespace.load(tmp_path / "a")
    train(
        faces, tmp_path / "b", (*VAE, "train.freeze=decoder", "objective.adversarial=0"), start=tmp_path / "a"
    )
    after = facespace.load(tmp_path / "b")
    np.testing.assert_array_equal(after.sample(3, prior="mixture"), before.sample(3, prior="mixture"))
    z = torch.from_numpy(after.posterior_means(FaceSet(faces), "validation"))
    found = mean_density(before.prior(), z)
    assert after.card["priors"]["mixture"]["nats"]["validation"]["fitted"] == pytest.approx(found, rel=1e-4)
    assert after.card["aggregate_posterior"]["nats"]["mixture"] == pytest.approx(found, rel=1e-4)
    assert found != pytest.approx(before.card["aggregate_posterior"]["nats"]["mixture"], rel=1e-4)


def test_the_stages_of_a_space_names_all_its_trainings(faces, drawn, tmp_path):
    first = train(faces, tmp_path / "a", (*VAE, "train.prior=none"))
    train(drawn, tmp_path / "b", (*VAE, "train.prior=none", "train.steps=5"), start=tmp_path / "a")
    settings = (*VAE, "train.prior=none", "train.steps=3", "train.freeze=encoder")
    train(drawn, tmp_path / "c", settings, start=tmp_path / "b" / "last")
    history = facespace.load(tmp_path / "c" / "last").card["stages"]
    assert [stage["steps"] for stage in history] == [
        facespace.load(tmp_path / "a").card["step"],
        5,
        3,
    ]
    assert [stage["images"] for stage in history] == [stage["steps"] * 8 for stage in history]
    assert [stage["faces"] for stage in history] == [first["faces"]["train"], 51, 51]
    assert [stage["trained"] for stage in history] == ["all", "all", "decoder"]
    assert all(stage["seconds"] > 0 and stage["recipe"] == "demo" for stage in history)
    rows = dict(read(tmp_path / "c" / "last").sections["Training"])
    steps = sum(stage["steps"] for stage in history)
    assert rows["stage 3"].startswith("demo, 3 steps, 24 images of 51 faces, the decoder alone")
    assert rows["in all"].startswith(f"{steps:,} steps, {8 * steps:,} images")


def test_the_stages_of_an_older_card_is_its_own_training(trained):
    card = facespace.load(trained).card
    del card["stages"]
    assert stages_of(card) == [
        {
            "recipe": "demo",
            "steps": card["step"],
            "images": card["step"] * 8,
            "seconds": card["metrics"]["training_seconds"],
            "faces": 51,
            "trained": "all",
        }
    ]
    assert from_dict(Recipe, card["recipe"]).train.prior == "none"


def test_no_prior_is_advised_that_training_has_found_worse(trained, cli, tmp_path):
    """Of a space whose own prior was the best at the end of its training."""
    run = shutil.copytree(trained, tmp_path / "run")
    to, card = ("--to", tmp_path / "x.png"), run / "best" / "card.json"
    assert "facespace fit-prior" in cli("sample", run, *to)[1]
    fields = json.loads(card.read_text())
    fields["aggregate_posterior"] = {
        "faces": 51,
        "split": "validation",
        "nats": {"model": -5.0, "flow": -9.0},
    }
    card.write_text(json.dumps(fields))
    out = cli("sample", run, *to)[1]
    assert (
        "Of the priors model, flow it fits the latents of held-out faces best" in out
        and "fit-prior" not in out
    )


@pytest.mark.parametrize(
    ("weights", "half_life", "said"),
    [
        ("raw", 100.0, "the weights themselves, not their moving average (EMA)"),
        ("average", 100.0, "the moving average (EMA) of the weights"),
        ("raw", None, None),
    ],
)
def test_the_card_says_which_weights_were_kept_where_there_were_two(
    trained, tmp_path, weights, half_life, said
):
    run = shutil.copytree(trained, tmp_path / "run")
    card = run / "best" / "card.json"
    fields = json.loads(card.read_text())
    fields["metrics"]["weights"] = weights
    fields["recipe"]["train"] |= {"ema_half_life": half_life, "ema": 0.0}
    card.write_text(json.dumps(fields))
    assert dict(read(run).sections["Training"]).get("kept") == said


def test_the_number_format_of_another_machine_is_not_taken_over(trained):
    loaded = bundle.load(trained)
    loaded.card["recipe"]["train"]["precision"] = "bf16"
    assert plan_of(None, loaded, []).train.precision == "auto"
    assert plan_of(None, loaded, ["train.precision=bf16"]).train.precision == "bf16"
