"""How long a run is, what `train` says about it, and which weights it keeps."""

import json
import math

import pytest
import torch
from conftest import TINY

import facespace
from facespace.core.configs import override
from facespace.core.console import quiet
from facespace.data.faces import FaceSet
from facespace.models import bundle
from facespace.models.optimization import moving_average, warmed_decay
from facespace.recipes import RECIPES, recipe
from facespace.recipes.config import TrainConfig
from facespace.training import length
from facespace.training.length import LengthNotes, Pace, run_length
from facespace.training.validation import lower_loss

SMALL = [setting for setting in TINY if not setting.startswith("train.epochs")]


def train(*args, settings=(), **options):
    with quiet():
        return facespace.train(*args, settings=(*SMALL, *settings), **{"trackers": ["none"], **options})


def journal(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    """A prepared set of 160 drawn faces of 16 px."""
    to = tmp_path_factory.mktemp("sets") / "more"
    with quiet():
        facespace.prepare("synthetic", to=to, size=16, limit=160, workers=1)
    return to


def test_the_decay_of_the_average_rises():
    assert [warmed_decay(0.999, n) for n in (1, 9, 91)] == pytest.approx([0.1, 0.5, 0.91])
    assert warmed_decay(0.999, 8_991) == pytest.approx(0.999) and warmed_decay(0.999, 10**6) == 0.999
    assert warmed_decay(0.5, 100) == 0.5
    for n in (10, 600, 1_548, 5_000):  # the half-life is a small share of the run so far
        assert math.log(0.5) / math.log(warmed_decay(0.999, n)) < 0.08 * n + 1


def test_the_average_is_the_weighted_sum_of_the_weights():
    model = torch.nn.Linear(1, 1, bias=False)
    averaged, expected = moving_average(model, 0.6), None
    for step in range(30):
        with torch.no_grad():
            model.weight.fill_(float(step**2))
        averaged.update_parameters(model)
        keep = min(0.6, step / (step + 9))
        expected = float(step**2) if expected is None else keep * expected + (1 - keep) * step**2
    assert averaged.module.weight.item() == pytest.approx(expected, rel=1e-5)


def test_the_average_of_a_run_is_that_of_its_weights(drawn, tmp_path):
    same = ["model.norm=false", "train.precision=fp32"]
    expected = None
    for step in range(1, 5):
        train("demo", drawn, tmp_path / f"s{step}", settings=[*same, f"train.steps={step}", *FLAT])
        raw = torch.load(tmp_path / f"s{step}/checkpoint.pt", weights_only=True)["model"]["heads.weight"]
        keep = min(0.15, (step - 1) / (step + 8))
        expected = raw if expected is None else keep * expected + (1 - keep) * raw
    train("demo", drawn, tmp_path / "e", settings=[*same, "train.steps=4", "train.ema=0.15", *FLAT])
    state = torch.load(tmp_path / "e/checkpoint.pt", weights_only=True)
    torch.testing.assert_close(state["averaged"]["module.heads.weight"], expected, rtol=1e-4, atol=1e-6)
    assert torch.equal(state["model"]["heads.weight"], raw)


FLAT = ["train.final_learning_rate=1"]
# A small learning rate, with which the weights lead and their average follows; and a large one, with which
# the weights swing about their average.
BETTER = {"raw": "train.learning_rate=0.0003", "average": "train.learning_rate=0.02"}


@pytest.mark.parametrize("better", BETTER)
def test_the_better_of_average_and_weights_is_kept_and_named(drawn, tmp_path, better):
    settings = ["train.ema=0.98", "train.epochs=30", *FLAT, BETTER[better]]
    result = train("demo", drawn, tmp_path / "r", settings=settings)
    lines = journal(tmp_path / "r")
    assert {line["weights"] for line in lines} <= {"average", "raw"}
    assert all(line["validation"]["loss"] <= line["other_loss"] for line in lines)
    last = lines[-1]
    assert last["weights"] == better == result["weights"]["last"]
    opened = bundle.load(tmp_path / "r" / "last")
    assert opened.card["metrics"]["weights"] == better
    state = torch.load(tmp_path / "r/checkpoint.pt", weights_only=True)
    kept = state["model"]["heads.weight"] if better == "raw" else state["averaged"]["module.heads.weight"]
    assert torch.equal(opened.model.state_dict()["heads.weight"], kept)
    measured = {split: result["last"][split] for split in ("validation", "test")}
    assert result[f"last_{better}"] == measured
    other = "average" if better == "raw" else "raw"
    found = result[f"last_{other}"]["validation"]["loss"]
    assert found == pytest.approx(last["other_loss"], rel=1e-5) and found > last["validation"]["loss"]
    best = min(lines, key=lambda line: line["validation"]["loss"])
    assert facespace.load(tmp_path / "r").card["metrics"]["weights"] == best["weights"]
    assert result["weights"]["best"] == best["weights"]


def test_without_an_average_the_weights_are_named_raw(drawn, tmp_path):
    result = train("demo", drawn, tmp_path / "r", settings=["train.steps=4"])
    assert result["weights"] == {"best": "raw", "last": "raw"} and "last_raw" not in result
    assert journal(tmp_path / "r")[0]["other_loss"] is None


def test_a_figure_that_is_not_finite_never_wins():
    assert lower_loss({"average": {"loss": 2.0}, "raw": {"loss": 1.0}}) == "raw"
    assert lower_loss({"average": {"loss": 2.0}, "raw": {"loss": 2.0}}) == "average"
    assert lower_loss({"average": {"loss": math.nan}, "raw": {"loss": 9.0}}) == "raw"


def test_lengths():
    assert run_length(TrainConfig(epochs=3, min_steps=7_600), 2_543).steps == 7_629  # the published length
    few = run_length(TrainConfig(epochs=3, min_steps=7_600), 62)
    assert (few.steps, few.epochs, few.validation_epochs) == (7_626, 123, 1)
    assert run_length(TrainConfig(epochs=3, min_steps=7_600, steps=5), 62).steps == 5
    tiny = run_length(TrainConfig(epochs=3, min_steps=3_000), 1)
    assert (tiny.steps, tiny.validation_epochs) == (3_000, 20)
    validated = [step for step in range(1, 3_001) if tiny.validates(step)]
    assert len(validated) == 150 and validated[0] == 20 and validated[-1] == 3_000


@pytest.mark.parametrize("faces", [4_000, 11_000])
@pytest.mark.parametrize("name", [name for name in RECIPES if name != "demo"])
def test_every_recipe_is_long_enough_for_few_faces(name, faces):
    plan = recipe(name).train
    assert run_length(plan, faces // plan.batch).steps >= length.FEW_STEPS


@pytest.mark.parametrize("name", ["celeba-gray-ae", "celeba-gray-vae"])
def test_the_published_length_holds_on_the_published_number_of_faces(name):
    plan = recipe(name).train
    assert run_length(plan, 162_770 // plan.batch).steps == 3 * (162_770 // 64)


def test_the_least_number_of_steps_makes_whole_epochs_unless_epochs_are_set(drawn, tmp_path, capsys):
    least = [*SMALL, 'train={"epochs": 1, "batch": 8, "min_steps": 14}']
    result = facespace.train("demo", drawn, tmp_path / "r", settings=least, trackers=["none"])
    assert result["steps"] == 18  # 6 an epoch
    err = " ".join(capsys.readouterr().err.split())
    assert "train.epochs=1 would be 6 steps with 51 faces" in err
    assert "train.min_steps=14, makes it 3 epochs" in err
    result = train("celeba-gray-vae", drawn, tmp_path / "s", settings=["train.epochs=1"])
    assert result["steps"] == 6 and facespace.load(tmp_path / "s").card["recipe"]["train"]["min_steps"] == 0


def notes_of(faces, capsys, plan="demo", settings=(), **options):
    plan = override(recipe(plan), settings)
    count = len(faces.rows("train"))
    batch = min(plan.train.batch, count)
    notes = LengthNotes(plan, faces, run_length(plan.train, count // batch), batch, **options)
    capsys.readouterr()
    notes.at_start()
    pace = Pace()
    pace.add(30, 30 * 0.5)  # half a second a step
    notes.at_speed(pace, 31)
    notes.at_speed(pace, 32)
    return " ".join(capsys.readouterr().err.split())


def test_advice_says_the_time_that_it_takes(more, capsys):
    faces = FaceSet(more)
    count, validated = len(faces.rows("train")), len(faces.rows("validation"))
    err = notes_of(faces, capsys, started=False)
    steps = count // 32
    epochs = math.ceil(1_500 / steps)
    seconds = epochs * steps * 0.5 + min(epochs, 150) * validated / 32 * 0.5 / 3
    assert f"add --set train.epochs={epochs} --set data.flip=true, which takes about" in err
    assert f"about {seconds / 60:.0f} min at the 64 images/s" in err and err.count("steps are few") == 1
    assert "too few" not in err
    # Nothing of it where a length was asked for, or the weights come from elsewhere.
    assert "few" not in notes_of(faces, capsys, started=True)
    assert "few" not in notes_of(faces, capsys, settings=["train.steps=600"], started=False)
    assert "the run takes about" in notes_of(faces, capsys, settings=["train.steps=600"], started=False)


def test_no_length_is_advised_for_a_handful_of_faces(drawn, capsys):
    err = notes_of(FaceSet(drawn), capsys, started=False)
    assert "51 faces are too few for a space of their own: no length of training helps" in err
    assert "--from faces64" in err and "train.epochs=" not in err
