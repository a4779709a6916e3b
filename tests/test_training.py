"""The loop: it learns, it can be killed, and it says what is wrong."""

import json
import os
import shutil
import signal
import time

import numpy as np
import processes
import pytest
import torch
from conftest import TINY, pressed_after

import facespace
from facespace.core.configs import override, to_dict
from facespace.core.console import quiet
from facespace.core.errors import BundleError, FaceSetError, TrainingError, UsageError
from facespace.data.faces import FaceSet
from facespace.models import bundle
from facespace.recipes import recipe
from facespace.recipes.config import ObjectiveConfig
from facespace.training import loop
from facespace.training.loaders import Loader
from facespace.training.measure import evaluate
from facespace.training.validation import Validator


def train(*args, settings=(), **options):
    with quiet():
        return facespace.train(*args, settings=(*TINY, *settings), **{"trackers": ["none"], **options})


def weights(run):
    return bundle.load(run / "last").model.state_dict()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def journal(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_everything_that_it_promises(trained):
    names = {path.name for path in trained.iterdir()}
    assert names == {
        *("best", "last", "sheets", "metrics.jsonl", "curves.png", "run.json"),
        *("checkpoint.pt", "checkpoint.previous.pt", "checkpoint.json"),
    }
    lines = journal(trained)
    assert [line["epoch"] for line in lines] == [1, 2]
    for line in lines:
        for side in ("train", "validation"):
            figures = line[side]
            assert figures["loss"] == pytest.approx(figures["reconstruction"] + 30 * figures["kl"], rel=1e-5)
            assert figures["loss_per_dim"] == pytest.approx(figures["loss"] / (3 * 16 * 16))
    result = json.loads((trained / "run.json").read_text())
    assert result["steps"] == lines[-1]["step"] and result["images_per_second"] > 0
    assert result["validation"] == result["best"]["validation"]
    assert result["last"]["validation"]["loss"] == pytest.approx(lines[-1]["validation"]["loss"], rel=1e-5)


def test_training_lowers_the_loss(drawn, tmp_path):
    result = train("demo", drawn, tmp_path / "r", settings=["train.epochs=8", "train.learning_rate=0.005"])
    lines = journal(tmp_path / "r")
    assert lines[-1]["train"]["loss"] < lines[0]["train"]["loss"] - 100
    assert result["best"]["validation"]["loss"] == pytest.approx(
        min(x["validation"]["loss"] for x in lines), rel=1e-5
    )


def test_the_figures_are_what_they_are_called(trained, drawn):
    """Loss, reconstruction and MSE of the report, computed again by hand from the saved model."""
    loaded, faces = bundle.load(trained / "best"), FaceSet(drawn)
    rows = faces.rows("validation")
    x = torch.from_numpy(faces.images[rows]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        result = loaded.model(x, generator=torch.Generator().manual_seed(int(rows[0])))
        mse = (loaded.model.decode(loaded.model.encode(x).mean) - x).square().mean().item()
    figures = evaluate(loaded.model, Loader(faces, rows, 256), ObjectiveConfig())
    assert figures["reconstruction"] == pytest.approx(-result.log_likelihood.mean().item(), rel=1e-5)
    assert figures["kl"] == pytest.approx(result.regularizers["kl"].mean().item(), rel=1e-5)
    assert figures["mse"] == pytest.approx(mse, rel=1e-4)


def test_evaluation_leaves_batch_norm_alone(trained, drawn):
    model, faces = bundle.load(trained / "best").model.train(), FaceSet(drawn)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    evaluate(model, Loader(faces, faces.rows("train"), 16), ObjectiveConfig())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_interrupted_run_resumes_to_the_very_same_weights(drawn, tmp_path, monkeypatch, precision):
    """Noise, mirroring, dropout, hidden attributes, EMA, both schedules and the place in the epoch included."""
    settings = ["data.flip=true", "model.dropout=0.1", "model.conditions=Hat", "train.ema_half_life=40"]
    settings += [
        "train.warmup=3",
        "train.final_learning_rate=0.1",
        "objective.warmup=9",
        f"train.precision={precision}",
    ]
    train("demo", drawn, tmp_path / "whole", settings=settings)
    with pressed_after(8, monkeypatch):
        train("demo", drawn, tmp_path / "cut", settings=settings)
    torch.rand(7)  # whatever else the process draws must not matter
    train("demo", drawn, tmp_path / "cut", settings=settings, resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    whole, cut = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("whole", "cut"))
    assert same(whole["model"], cut["model"]) and same(whole["averaged"], cut["averaged"])
    assert not torch.equal(whole["averaged"]["module.heads.weight"], whole["model"]["heads.weight"])
    for first, second in zip(journal(tmp_path / "whole"), journal(tmp_path / "cut"), strict=True):
        assert (
            first["train"] == pytest.approx(second["train"]) and first["validation"] == second["validation"]
        )


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_killed_process_resumes(drawn, tmp_path, how, code):
    settings = [word for setting in (*TINY, "train.epochs=4000") for word in ("--set", setting)]
    process = processes.command("train", "demo", "--data", drawn, "--to", tmp_path / "r", *settings)
    process.wait_until((tmp_path / "r/last/card.json").exists)
    time.sleep(0.1)
    process.send_signal(how)
    found, _, err = process.finish()
    assert found == code
    assert "Traceback" not in err
    if how != signal.SIGKILL:
        assert "--resume continues from there" in err
    facespace.load(tmp_path / "r/last").sample(2)  # what stands there is whole
    step = torch.load(tmp_path / "r/checkpoint.pt", weights_only=True)["progress"]["step"]
    result = train("demo", drawn, tmp_path / "r", settings=[f"train.steps={step + 3}"], resume=True)
    assert result["steps"] == step + 3
    steps = [line["step"] for line in journal(tmp_path / "r")]
    assert steps == sorted(set(steps))


def test_resume_refuses_another_recipe_or_set(drawn, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "r")
    with pytest.raises(TrainingError, match="another recipe"):
        train("demo", drawn, tmp_path / "r", settings=["model.latent_dim=6"], resume=True)
    with pytest.raises(TrainingError, match="another seed"):
        train("demo", drawn, tmp_path / "r", seed=5, resume=True)
    with pytest.raises(TrainingError, match=r"no checkpoint\.pt to resume from"):
        train("demo", drawn, tmp_path / "none", resume=True)


def test_a_run_of_an_older_facespace_resumes(drawn, trained, tmp_path):
    """Its recipe lacks the fields that came since."""
    shutil.copytree(trained, tmp_path / "r")
    state = torch.load(tmp_path / "r/checkpoint.pt", weights_only=True)
    older = json.loads(state["identity"]["recipe"])
    for name in ("spatial", "levels", "codebook_size"):
        del older["model"][name]
    state["identity"]["recipe"] = json.dumps(older)
    torch.save(state, tmp_path / "r/checkpoint.pt")
    with quiet():
        settings = [*TINY, "train.epochs=3"]
        facespace.train("demo", drawn, tmp_path / "r", settings=settings, trackers=["none"], resume=True)
    assert len(journal(tmp_path / "r")) == 3


def test_early_stopping(drawn, tmp_path):
    settings = ["train.patience=2", "train.min_delta=1e9", "train.epochs=50"]
    result = train("demo", drawn, tmp_path / "r", settings=settings)
    lines = journal(tmp_path / "r")
    assert len(lines) == 3 and result["steps"] == lines[-1]["step"]


def poisoned(monkeypatch, *steps, at="loss"):
    """Makes the loss or the gradient of those steps NaN, each the first time it is taken."""
    left, original, taken = set(steps), loop.total_loss, loop.Training.step

    def step(self, batch):
        here = self.at.step in left
        left.discard(self.at.step)

        def explode(*args):
            loss, terms = original(*args)
            if at == "loss":
                terms = {**terms, "kl": terms["kl"] * float("nan")}
            loss.register_hook(lambda gradient: gradient * float("nan"))
            return loss, terms

        with pytest.MonkeyPatch.context() as patch:
            if here:
                patch.setattr(loop, "total_loss", explode)
            return taken(self, batch)

    monkeypatch.setattr(loop.Training, "step", step)


@pytest.mark.parametrize(("at", "names"), [("loss", "kl, the gradient"), ("gradient", "the gradient")])
def test_a_step_that_is_not_finite_stops_and_the_last_good_state_is_kept(
    drawn, tmp_path, monkeypatch, at, names
):
    with monkeypatch.context() as patch:
        poisoned(patch, 9, at=at)
        says = rf"^No longer finite: {names} at step 10, at learning rate 0\.0\d+\. .*step 6.*on_nan=lower"
        with pytest.raises(TrainingError, match=says):
            train("demo", drawn, tmp_path / "r")
    kept = torch.load(tmp_path / "r/checkpoint.pt", weights_only=True)
    assert kept["progress"]["step"] == 6 and all(weight.isfinite().all() for weight in kept["model"].values())
    assert train("demo", drawn, tmp_path / "r", resume=True)["steps"] == 12  # the fault has gone away


def test_a_step_that_is_not_finite_can_go_on_once_at_a_lower_rate(drawn, tmp_path, monkeypatch, capsys):
    settings = ["train.on_nan=lower", "train.final_learning_rate=1"]
    with monkeypatch.context() as patch:
        poisoned(patch, 8)
        options = dict(settings=[*TINY, *settings], trackers=["none"])
        result = facespace.train("demo", drawn, tmp_path / "r", **options)
    assert "Going on from step 6 at 0.25 of the rate." in " ".join(capsys.readouterr().err.split())
    assert [line["step"] for line in journal(tmp_path / "r")] == [6, 12] and result["steps"] == 12
    kept = torch.load(tmp_path / "r/checkpoint.pt", weights_only=True)
    assert kept["optimizer"]["param_groups"][0]["lr"] == pytest.approx(0.25 * 0.002)
    poisoned(monkeypatch, 3, 9)
    with pytest.raises(TrainingError, match=r"at learning rate 0\.0005\. .*lowered once already"):
        train("demo", drawn, tmp_path / "twice", settings=settings)


def test_a_new_run_starts_from_a_finished_space(drawn, trained, told, tmp_path):
    before = bundle.load(trained / "best")
    # At a rate of almost nothing, what comes out is what went in, as are recipe and figures.
    still = ["train.learning_rate=1e-12", "train.steps=1", "train.precision=fp32"]
    options = dict(start=trained, trackers=["none"])
    with quiet():
        result = facespace.train(None, drawn, tmp_path / "a", settings=still, **options)
        facespace.train("demo", drawn, tmp_path / "b", settings=[*TINY, *still], **options)
    after = bundle.load(tmp_path / "a/last")
    assert after.card["recipe"]["model"] == before.card["recipe"]["model"]
    assert after.card["started_from"] == before.card["fingerprint"] and result["steps"] == 1
    for run in "ab":
        torch.testing.assert_close(
            weights(tmp_path / run)["heads.weight"], before.model.state_dict()["heads.weight"]
        )
    with quiet():  # other faces, and a start that a resume must have in common
        others = facespace.prepare("synthetic", to=tmp_path / "set", size=16, limit=30, workers=1, seed=9)
        facespace.train(
            None, others, tmp_path / "c", settings=["train.steps=2", "train.final_learning_rate=1"], **options
        )
        with pytest.raises(TrainingError, match="another start"):
            again = dict(resume=True, settings=[*TINY, "train.final_learning_rate=1"], trackers=["none"])
            facespace.train("demo", others, tmp_path / "c", **again)


@pytest.mark.parametrize("body", ["mlp", "residual"])
def test_a_decoder_learns_alone_and_latents_stay(drawn, tmp_path, body):
    settings = [f"model.backbone={body}", "train.steps=4", "train.ema_half_life=50"]
    train("demo", drawn, tmp_path / "whole", settings=settings)
    with pytest.raises(UsageError, match="needs a space whose encoder stays"):
        train("demo", drawn, tmp_path / "r", settings=[*settings, "train.freeze=encoder"])
    train(
        "demo", drawn, tmp_path / "r", settings=[*settings, "train.freeze=encoder"], start=tmp_path / "whole"
    )
    before, after = weights(tmp_path / "whole"), weights(tmp_path / "r")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and all(name.startswith("decoder.") for name in moved)
    assert any(name.startswith("encoder.") for name in before)


def test_a_run_that_pauses_by_the_clock_goes_on_to_the_same_weights(drawn, tmp_path):
    settings = ["train.steps=6", "train.precision=fp32"]
    train("demo", drawn, tmp_path / "whole", settings=settings)
    result = train("demo", drawn, tmp_path / "r", settings=settings, minutes=1e-9)
    assert result["paused"] and 1 <= result["step"] < result["steps"] == 6
    paused = facespace.load(tmp_path / "r" / "last")
    assert paused.card["step"] == result["step"] and paused.sample(2).shape == (2, 16, 16, 3)
    while result.get("paused"):
        result = train("demo", drawn, tmp_path / "r", settings=settings, minutes=1e-9, resume=True)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "r")
    assert result["steps"] == 6 and all(torch.equal(whole[name], parts[name]) for name in whole)
    with pytest.raises(UsageError, match="--minutes must be above 0; got 0"):
        train("demo", drawn, tmp_path / "s", minutes=0)


def test_both_bundles_of_a_paused_decoder_have_what_was_fitted_to_the_latents(drawn, tmp_path):
    train("demo", drawn, tmp_path / "whole", settings=["train.steps=2"])
    origin = facespace.load(tmp_path / "whole")
    origin.fit_prior(FaceSet(drawn), kind="normal")
    options = {"settings": ["train.steps=40", "train.freeze=encoder"], "start": origin.folder}
    result = train("demo", drawn, tmp_path / "r", minutes=1e-9, **options)
    while not (tmp_path / "r" / "best").exists():
        result = train("demo", drawn, tmp_path / "r", minutes=1e-9, resume=True, **options)
    assert result["paused"]
    for name in ("best", "last"):
        assert "normal" in facespace.load(tmp_path / "r" / name).card["priors"], name


def test_a_decoder_that_learned_alone_keeps_what_was_fitted_to_the_latents(drawn, tmp_path):
    train("demo", drawn, tmp_path / "whole", settings=["train.steps=4"])
    with quiet():
        before = facespace.load(tmp_path / "whole")
        before.fit_prior(FaceSet(drawn), "mixture", components=2)
        before.fit_components(FaceSet(drawn), 3)
    train(
        "demo",
        drawn,
        tmp_path / "r",
        settings=["train.steps=4", "train.freeze=encoder"],
        start=tmp_path / "whole",
    )
    for name in ("best", "last"):
        after = facespace.load(tmp_path / "r" / name)
        np.testing.assert_array_equal(
            after.sample_latents(5, prior="mixture"), before.sample_latents(5, prior="mixture")
        )
        assert after.default_prior == before.default_prior
        np.testing.assert_array_equal(after.directions().units, before.directions().units)
    # Of a space whose encoder learns on, nothing is carried over.
    train("demo", drawn, tmp_path / "all", settings=["train.steps=4"], start=tmp_path / "whole")
    assert "priors" not in facespace.load(tmp_path / "all").card


@pytest.mark.parametrize("body", ["mlp", "residual"])
def test_an_encoder_learns_alone_and_samples_and_edits_stay(drawn, tmp_path, body):
    settings = [
        f"model.backbone={body}",
        "train.steps=4",
        "objective.adversarial=0",
        "train.ema_half_life=50",
    ]
    train("demo", drawn, tmp_path / "whole", settings=settings)
    with quiet():
        before = facespace.load(tmp_path / "whole")
        before.fit_prior(FaceSet(drawn), "mixture", components=2)
        before.fit_components(FaceSet(drawn), 3)
    options = {"settings": [*settings, "train.freeze=decoder"], "start": tmp_path / "whole"}
    train("demo", drawn, tmp_path / "r", **options)
    for name in ("best", "last"):
        after = facespace.load(tmp_path / "r" / name)
        old, new = (space.model.state_dict() for space in (before, after))
        moved = {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])}
        assert moved == {"encoder", "heads"}
        np.testing.assert_array_equal(after.sample(5), before.sample(5))
        np.testing.assert_array_equal(after.directions().units, before.directions().units)
        assert after.card["stages"][-1]["trained"] == "encoder"


def test_an_encoder_does_not_learn_alone_where_it_cannot(drawn, trained, tmp_path):
    alone, to = "train.freeze=decoder", tmp_path / "r"
    with pytest.raises(UsageError, match="needs a space whose decoder stays as it is"):
        train("demo", drawn, to, settings=[alone])
    with pytest.raises(UsageError, match=r"objective.adversarial=0.5 trains a decoder"):
        train(None, drawn, to, settings=[alone, "objective.adversarial=0.5"], start=trained)
    levels = ["model.kind=hierarchical", "model.backbone=residual", "model.levels=2"]
    train("demo", drawn, tmp_path / "levels", settings=[*levels, "train.steps=2"])
    with pytest.raises(UsageError, match=r"the one of model.kind=hierarchical uses the decoder's features"):
        train(None, drawn, to, settings=[alone], start=tmp_path / "levels")
    assert not to.exists()


def test_a_start_that_does_not_fit_is_refused(drawn, trained, tmp_path):
    with pytest.raises(
        UsageError, match=r"do not fit this recipe's model: .* is \[.*\] and \[.*Leave out the recipe"
    ):
        train("demo", drawn, tmp_path / "r", settings=["model.latent_dim=6"], start=trained)
    with pytest.raises(UsageError, match="Name a recipe, or a space to start from"):
        train(None, drawn, tmp_path / "r")
    with pytest.raises(BundleError, match="does not exist"):
        train("demo", drawn, tmp_path / "r", start=tmp_path / "nowhere")
    assert not (tmp_path / "r").exists()


def test_an_autoencoder_carries_mean_and_covariance_of_its_training_latents(drawn, tmp_path):
    settings = ["model.bottleneck=deterministic", "objective.weights={}"]
    train("demo", drawn, tmp_path / "r", settings=[*settings, "model.norm=false"])
    space, faces = facespace.load(tmp_path / "r/last"), FaceSet(drawn)
    z = space.encode(faces.images[faces.rows("train")])
    np.testing.assert_allclose(space.model.prior.center, z.mean(0), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(space.model.prior.covariance, np.cov(z.T), rtol=1e-2, atol=1e-4)
    assert "fitted" in space.model.prior.origin


def test_seeds_repeat_and_differ_and_leave_the_callers_random_state_alone(drawn, tmp_path):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train("demo", drawn, tmp_path / name, settings=["train.steps=3"], seed=seed)
    assert torch.equal(torch.rand(3), expected)
    a, b, c = (weights(tmp_path / name)["heads.weight"] for name in "abc")
    assert torch.equal(a, b) and not torch.equal(a, c)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (dict(settings=["train.stepz=5"]), UsageError, "'train.stepz'. Did you mean 'steps'"),
        (dict(settings=["train.steps=five"]), UsageError, "train.steps takes a whole number"),
        (dict(settings=["train.steps"]), UsageError, "FIELD=VALUE"),
        (dict(settings=["train.batch=0"]), UsageError, "train.batch must be at least 1"),
        (dict(settings=["train=5"]), UsageError, "group of fields"),
        (dict(settings=["objective.weights.kll=1"]), UsageError, "Did you mean 'kl'"),
        (dict(settings=["model.image=3,64,64"]), UsageError, "holds 3×16×16.*facespace prepare synthetic"),
        (dict(recipe="demoo"), UsageError, "Did you mean 'demo'"),
        (dict(data="nowhere"), FaceSetError, "nowhere does not exist"),
        (dict(device="cuda:9"), UsageError, "Usable: auto, cpu"),
    ],
)
def test_wrong_requests_are_refused_with_a_sentence(drawn, tmp_path, change, error, says):
    call = dict(recipe="demo", data=drawn, to=tmp_path / "r") | change
    with pytest.raises(error, match=says):
        train(**call)
    assert not (tmp_path / "r/checkpoint.pt").exists()


def test_runs_and_other_folders_are_not_overwritten(drawn, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "r")
    with pytest.raises(UsageError, match="Add --resume to go on, --force to replace it"):
        train("demo", drawn, tmp_path / "r")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other files"):
        train("demo", drawn, tmp_path / "mine", force=True)
    assert (tmp_path / "mine/thesis.txt").read_text() == "dear"


def test_force_destroys_nothing_before_the_request_is_known_to_be_right(drawn, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "r")
    before = sorted(path.name for path in (tmp_path / "r").iterdir())
    for change in (dict(device="cuda:9"), dict(settings=["objective.weights.foo=1"]), dict(seed=-1)):
        with pytest.raises(UsageError):
            train("demo", drawn, tmp_path / "r", force=True, **change)
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == before
    (tmp_path / "r/thesis.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other files"):
        train("demo", drawn, tmp_path / "r", force=True)


def test_training_figures_are_means_over_the_steps_that_they_cover(drawn, tmp_path):
    """A run that is prolonged in the middle of an epoch."""
    train("demo", drawn, tmp_path / "a", settings=["train.steps=3", "train.final_learning_rate=1"])
    train(
        "demo", drawn, tmp_path / "a", settings=["train.steps=9", "train.final_learning_rate=1"], resume=True
    )
    train("demo", drawn, tmp_path / "b", settings=["train.steps=9", "train.final_learning_rate=1"])
    a, b = (journal(tmp_path / run) for run in "ab")
    first, rest = a[0], a[1]
    assert (first["step"], rest["step"], b[0]["step"]) == (3, 6, 6)
    assert (3 * first["train"]["kl"] + 3 * rest["train"]["kl"]) / 6 == pytest.approx(
        b[0]["train"]["kl"], rel=1e-2
    )


def test_a_damaged_checkpoint_gives_way_to_the_one_before(drawn, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "r")
    (tmp_path / "r/checkpoint.pt").write_bytes(b"cut short")
    result = train("demo", drawn, tmp_path / "r", resume=True)
    assert same(weights(trained), weights(tmp_path / "r")) and result["steps"] == 12


def test_a_conditional_model_learns_from_what_it_is_told(drawn, tmp_path):
    settings = ["model.conditions=Hat,smile", "train.epochs=3"]
    train("demo", drawn, tmp_path / "r", settings=settings)
    model = bundle.load(tmp_path / "r").model
    z = torch.zeros(1, 5)
    with_hat, without = (model.decode(z, torch.tensor([[value, torch.nan]])) for value in (1.0, -1.0))
    assert not torch.equal(with_hat, without) and model.decode(z).isfinite().all()
    with pytest.raises(UsageError, match="Did you mean 'Hat'"):
        train("demo", drawn, tmp_path / "x", settings=["model.conditions=Hats"])


def test_recipes_survive_json_and_settings_reach_every_kind_of_field():
    from facespace.core.configs import from_dict
    from facespace.recipes.config import Recipe

    plan = override(
        recipe("celebamask-conv"),
        ["objective.weights.kl=4", "model.widths=8,16", "train.steps=null", "data.flip=true"],
    )
    assert plan.objective.weights == {"kl": 4} and plan.model.widths == (8, 16) and plan.data.flip
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(plan)))) == plan


@pytest.mark.slow
def test_real_faces_are_learned(real, tmp_path):
    with quiet():
        faces = facespace.prepare("celeba", real / "celeba", to=tmp_path / "set", limit=1_500, workers=2)
        # Half as wide as the recipe, which tests/test_formats.py looks at whole.
        settings = ["train.epochs=4", "train.prior=none", "model.widths=16,32,64,128"]
        result = facespace.train("celebamask-conv", faces, tmp_path / "r", settings=settings)
    # What one knows without a model: the mean training face.
    train, unseen = (faces.images[faces.rows(split)] / 255 for split in ("train", "validation"))
    mean = train.mean(0)
    blind = -(unseen * np.log(mean) + (1 - unseen) * np.log(1 - mean)).sum((1, 2, 3)).mean()
    assert result["best"]["validation"]["loss"] < blind - 150
    assert result["best"]["validation"]["mse"] < 0.5 * np.square(unseen - mean).mean()


def test_a_last_bundle_that_is_the_best_one_is_measured_once(drawn, tmp_path, monkeypatch):
    measured, figures_of = [], Validator._figures_of

    def count(self, opened):
        measured.append(opened.folder.name)
        return figures_of(self, opened)

    monkeypatch.setattr(Validator, "_figures_of", count)
    with quiet():
        result = facespace.train(
            "demo", drawn, tmp_path / "run", settings=(*TINY, "train.epochs=1"), trackers=["none"]
        )
    assert len(measured) == 1
    assert result["best"] == result["last"] and result["best"]["test"]["mse"] > 0


if os.name == "nt":
    pytestmark = pytest.mark.skip("signals differ")
