"""The figures of a run under their names: epoch rows, metrics.jsonl, run.json, the table on the terminal; and
runs that start from the default space."""

import json
import re

import numpy as np
import pytest
import torch
from conftest import TINY, pressed_after

import facespace
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.models import bundle, locations
from facespace.models.card_text import read
from facespace.recipes import recipe
from facespace.recipes.config import ObjectiveConfig, Recipe
from facespace.report.runs import find_runs
from facespace.training import collapse
from facespace.training.collapse import collapse_note, has_collapsed
from facespace.training.missing_networks import without_missing_networks

AE = ("model.bottleneck=deterministic", "model.likelihood=mse", "objective.weights={}", "model.norm=false")
VARIABLES = ("FACESPACE_VGG16", "FACESPACE_EFFICIENTNET", "FACESPACE_RECOGNITION")


def train(*args, settings=(), **options):
    with quiet():
        return facespace.train(*args, settings=(*TINY, *settings), **{"trackers": ["none"], **options})


def journal(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def pixels(faces, split):
    rows = faces.rows(split)
    return torch.from_numpy(np.array(faces.images[rows])).permute(0, 3, 1, 2) / 255


def test_the_mse_of_an_autoencoder_in_training_and_validation(drawn, tmp_path):
    """With hardly any learning, both are those of the saved model."""
    faces = FaceSet(drawn)
    still = [f"train.batch={len(faces.rows('train'))}", "train.learning_rate=1e-9", "train.precision=fp32"]
    result = train("demo", drawn, tmp_path / "r", settings=[*AE, *still])
    model, line = bundle.load(tmp_path / "r" / "last").model, journal(tmp_path / "r")[-1]
    for split in ("train", "validation"):
        x = pixels(faces, split)
        expected = float((model.decode(model.encode(x).mean) - x).square().mean())
        assert line[split]["mse"] == pytest.approx(expected, rel=1e-4)
        assert result["last"][split]["mse"] == pytest.approx(expected, rel=1e-4)
        # The loss is the summed squared error and a constant.
        size = x[0].numel()
        assert line[split]["loss"] == pytest.approx(expected * size + size / 2 * np.log(np.pi), rel=1e-4)
        assert "elbo" not in line[split]


def test_the_elbo_is_that_of_weight_one_whatever_the_weights(drawn, tmp_path):
    result = train("demo", drawn, tmp_path / "r", settings=["objective.weights.kl=4"])
    for line in journal(tmp_path / "r"):
        for split in ("train", "validation"):
            terms = line[split]
            assert terms["elbo"] == pytest.approx(-(terms["reconstruction"] + terms["kl"]), rel=1e-6)
            assert terms["loss"] == pytest.approx(terms["reconstruction"] + 4 * terms["kl"], rel=1e-6)
            assert 0 < terms["mse"] < 1
    assert set(result["best"]) == {"train", "validation", "test"}
    assert result["last"]["train"] == journal(tmp_path / "r")[-1]["train"]


@pytest.mark.parametrize(
    ("settings", "titles"), [((), ["loss", "reconstr.", "KL", "ELBO", "MSE"]), (AE, ["loss", "MSE"])]
)
def test_the_table_on_the_terminal(drawn, tmp_path, capsys, settings, titles):
    facespace.train("demo", drawn, tmp_path / "r", settings=(*TINY, *settings), trackers=["none"])
    lines = capsys.readouterr().err.splitlines()
    place = next(index for index, line in enumerate(lines) if line.split()[:2] == ["epoch", "step"])
    assert lines[place - 1].split() == titles
    assert lines[place].split() == ["epoch", "step", *["train", "val"] * len(titles), "images/s"]
    record, cells = journal(tmp_path / "r")[0], lines[place + 1].replace(",", "").split()
    names = {"loss": "loss", "reconstr.": "reconstruction", "KL": "kl", "ELBO": "elbo", "MSE": "mse"}
    expected = [1, record["step"]]
    for title in titles:
        expected += [record[split][names[title]] for split in ("train", "validation")]
    found = [float(cell) for cell in cells[: len(expected)]]
    assert found == pytest.approx(expected, abs=0.051)
    assert max(map(len, lines[place - 1 : place + 2])) <= 120


def test_the_log_and_the_listing_name_the_same_last_step(drawn, tmp_path, monkeypatch, capsys):
    with pressed_after(8, monkeypatch):
        facespace.train("demo", drawn, tmp_path / "r", settings=TINY, trackers=["none"])
    stopped = re.search(r"Stopped at step (\d+)", capsys.readouterr().err)
    (row,) = find_runs(tmp_path)
    assert stopped and row.steps == int(stopped[1]) != journal(tmp_path / "r")[-1]["step"]
    train("demo", drawn, tmp_path / "r", resume=True)
    (row,) = find_runs(tmp_path)
    assert (row.state, row.steps) == ("finished", 12)


@pytest.fixture
def no_networks(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_a_space_of_the_package_is_trained_further_by_its_name(tmp_path, no_networks, capsys):
    with quiet():
        facespace.prepare("synthetic", to=tmp_path / "set", size=64, limit=30, workers=1)
    settings = ["train.steps=2", "train.batch=4"]
    for start in ("faces64", locations.PACKAGED / "faces64"):
        facespace.train(
            None,
            tmp_path / "set",
            tmp_path / "r",
            settings=settings,
            start=start,
            force=True,
            trackers=["none"],
        )
        err = " ".join(capsys.readouterr().err.split())
        assert err.count("without some optional networks") == 1
        assert "perceptual, on VGG-16 (FACESPACE_VGG16), here on the attribute classifier" in err
        for name in ("efficientnet (FACESPACE_EFFICIENTNET)", "recognition (FACESPACE_RECOGNITION)"):
            assert name in err
    space = facespace.load(tmp_path / "r")
    goal = space.card["recipe"]["objective"]
    assert (goal["features"], goal["adversarial"], goal["discriminator"]) == ("attributes", 0.0, "projected")
    assert "perceptual" in space.card["metrics"]["train"] and space.default_prior == "flow"
    stages = facespace.load("faces64").card["stages"]
    assert space.card["stages"][:-1] == stages and space.card["stages"][-1]["steps"] == 2
    # Asked for in so many words, a network that is missing stays an error.
    for asked in ("objective.features=vgg16", "objective.adversarial=0.1"):
        with pytest.raises(UsageError, match=r"needs weights that FACESPACE_"):
            train(
                None,
                tmp_path / "set",
                tmp_path / "x",
                settings=[asked, "model.image=3,64,64", "model.latent_dim=256", "model.widths=48,96,160,128"],
                start="faces64",
            )


def test_losses_on_missing_networks(no_networks, monkeypatch, tmp_path):
    goal = ObjectiveConfig(
        perceptual=1,
        features="vgg16",
        identity=0.5,
        adversarial=0.1,
        moments=0.1,
        discriminator="projected",
        discriminator_features=("efficientnet", "recognition"),
    )
    plan = Recipe("x", "", objective=goal)
    kept, said = without_missing_networks(plan, [])
    found = kept.objective
    assert (found.features, found.identity, found.adversarial, found.moments) == ("attributes", 0, 0, 0)
    assert all(name in said for name in VARIABLES)
    # What a setting asks for stays.
    kept, said = without_missing_networks(plan, ["objective.identity=0.5", "objective.moments=0.1"])
    assert (kept.objective.identity, kept.objective.adversarial, kept.objective.moments) == (0.5, 0.1, 0.1)
    assert "identity" not in said and "VGG-16" in said
    # One of two networks of the discriminator.
    weights = tmp_path / "weights"
    weights.touch()
    monkeypatch.setenv("FACESPACE_RECOGNITION", str(weights))
    kept, said = without_missing_networks(plan, [])
    assert kept.objective.discriminator_features == ("recognition",) and kept.objective.adversarial == 0.1
    assert kept.objective.identity == 0.5 and "efficientnet" in said
    for name in VARIABLES:
        monkeypatch.setenv(name, str(weights))
    assert without_missing_networks(plan, []) == (plan, "")
    # A classifier of the user's own that is no longer there.
    own = Recipe("x", "", objective=ObjectiveConfig(perceptual=1, features=str(tmp_path / "gone")))
    kept, said = without_missing_networks(own, [])
    assert kept.objective.features == "attributes" and "gone" in said


def test_the_spaces_of_the_package_say_how_they_were_trained_in_all():
    assert "about ten hours" in dict(read().sections["Training"])["in all"]
    space = facespace.load("faces64")
    stages = space.card["stages"]
    assert 5 < sum(stage["seconds"] for stage in stages) / 3600 < 6 and len(stages) == 4
    assert "about six hours" in dict(read("faces64").sections["Training"])["in all"]
    # A space that was trained from it lists them, and its own.
    assert [stage["trained"] for stage in stages] == ["all", "decoder", "decoder", "decoder"]
    distance = space.card["aggregate_posterior"]["kl_to_standard_normal"]
    assert (
        f"{distance:,.1f} nats from N(0, I)"
        in dict(read("faces64").sections["Priors"])["aggregate posterior"]
    )


def test_a_collapse_is_said_when_it_is_seen_and_at_the_end(drawn, tmp_path, monkeypatch, capsys):
    settings = (*TINY, *AE, "train.epochs=3")
    for least, times in ((0.0, 0), (1e3, 2)):  # no model, and every model, has less variance than so much
        monkeypatch.setattr(collapse, "LEAST_STEPS", 1)
        monkeypatch.setattr(collapse, "FEWEST", 2)
        monkeypatch.setattr(collapse, "LEAST_VARIANCE", least)
        facespace.train("demo", drawn, tmp_path / str(times), settings=settings, trackers=["none"])
        said = capsys.readouterr().err
        assert said.count("every face is decoded to nearly the same picture") == times
    assert "train.warmup=500" in said and "objective.weights.kl" not in said


@pytest.mark.parametrize(("share", "found"), [(0.0, True), (0.1, True), (0.2, False), (1.0, False)])
def test_reconstructions_that_hardly_differ_are_a_collapse(share, found):
    faces = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    decoded = faces.mean(0) + share * (faces - faces.mean(0))
    assert has_collapsed(decoded, faces) is found
    assert not has_collapsed(decoded[:4], faces[:4])


def test_a_vae_that_collapsed_is_told_of_the_kl():
    assert "objective.warmup" in collapse_note(recipe("demo"), 600)
