"""Listing runs in any state, and comparing spaces: every figure against numpy, every way to ask wrongly a sentence."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY
from PIL import Image

import facespace
from facespace.core import cards
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.evaluation.compare import compare, open_all, unique_names
from facespace.image import grids
from facespace.image.pixels import PixelHistogram, quality
from facespace.latent.structure import latent_structure
from facespace.models import bundle, count_parameters, locations
from facespace.report import charts, latent_charts, run_files, runs
from facespace.report.tables import markdown

AE = ("model.bottleneck=deterministic", "model.image=1,24,20", "model.likelihood=mse", "objective.weights={}")


@pytest.fixture(scope="module")
def gray(tmp_path_factory) -> Path:
    """A tiny autoencoder of gray faces, 24×20."""
    root = tmp_path_factory.mktemp("gray")
    with quiet():
        facespace.prepare("synthetic", to=root / "set", size=(24, 20), gray=True, limit=40, workers=1, seed=1)
        facespace.train("demo", root / "set", root / "ae", settings=(*TINY, *AE))
    return root / "ae"


@pytest.fixture(scope="module")
def compared(trained, gray, drawn, tmp_path_factory):
    """The comparison of both on the colour faces: the folder and its facts."""
    to = tmp_path_factory.mktemp("compared") / "to"
    with quiet():
        return to, compare([trained, gray], drawn, to, split="all", count=24, seed=3)


def unfinished(run: Path, to: Path, *, keep: str = "") -> Path:
    """A copy of a finished run as a kill leaves it; `keep` is the text of its metrics.jsonl."""
    shutil.copytree(run, to)
    (to / "run.json").unlink()
    if keep:
        (to / "metrics.jsonl").write_text(keep)
        (to / "checkpoint.json").unlink()
    return to


def only(folder: Path) -> dict:
    (row,) = runs.find_runs(folder)
    return asdict(row)


# Listing


def test_the_names_of_files_are_the_writers():
    assert (runs.CARD, runs.WEIGHTS, set(run_files.BUNDLES)) == (
        cards.CARD,
        cards.WEIGHTS,
        {locations.BEST, locations.LAST},
    )


def test_a_finished_run(trained, drawn):
    row, result = only(trained), json.loads((trained / "run.json").read_text())
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    losses = [line["validation"]["loss"] for line in lines]
    best = lines[int(np.argmin(losses))]
    assert (row["name"], row["recipe"], row["data"], row["state"]) == (
        trained.name,
        "demo",
        "synthetic",
        "finished",
    )
    assert row["train_faces"] == len(FaceSet(drawn).rows("train"))
    assert (row["parameters"], row["steps"]) == (result["parameters"], result["steps"])
    assert (row["best_loss"], row["mse"], row["last_loss"]) == (
        min(losses),
        best["validation"]["mse"],
        losses[-1],
    )
    assert row["seconds"] == pytest.approx(result["seconds"], abs=0.01)


@pytest.mark.parametrize("which", ["trained", "gray"])
def test_parameters_are_counted_without_the_result(which, request, tmp_path):
    run = request.getfixturevalue(which)
    row = only(unfinished(run, tmp_path / "r"))
    assert row["parameters"] == count_parameters(bundle.load(run).model.config)
    assert (row["state"], row["steps"]) == ("stopped", only(run)["steps"])


def test_half_a_line_at_the_end_is_no_damage(trained, tmp_path):
    text = (trained / "metrics.jsonl").read_text()
    first = text.splitlines()[0]
    row = only(unfinished(trained, tmp_path / "r", keep=text[: len(first) + 40]))
    assert (row["state"], row["steps"]) == ("stopped", json.loads(first)["step"])


def test_a_resumed_run_is_not_finished_by_its_old_result(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "r")
    lines = (tmp_path / "r/metrics.jsonl").read_text().splitlines()
    more = {**json.loads(lines[-1]), "step": 9_999}
    (tmp_path / "r/metrics.jsonl").write_text("\n".join([*lines, json.dumps(more), ""]))
    assert (only(tmp_path)["state"], only(tmp_path)["steps"]) == ("stopped", 9_999)


def test_a_run_that_was_paused_before_its_first_validation_is_listed(drawn, tmp_path):
    with quiet():
        facespace.train("demo", drawn, tmp_path / "r", settings=TINY, trackers=["none"], minutes=1e-9)
    assert not (tmp_path / "r" / run_files.METRICS).exists()
    (found,) = runs.find_runs(tmp_path)
    assert (found.name, found.recipe, found.state, found.damage) == ("r", "demo", "stopped", None)
    assert found.steps == json.loads((tmp_path / "r" / run_files.POSITION).read_text())["step"] > 0


def test_an_empty_run_without_a_card(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r/metrics.jsonl").touch()
    row = only(tmp_path)
    assert (
        row["state"] == "stopped"
        and row["recipe"] is row["best_loss"] is row["steps"] is row["parameters"] is None
    )


def break_line(run):
    text = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text("{" + text)


DAMAGE = {
    "a broken line": break_line,
    "a line of another kind": lambda run: (run / "metrics.jsonl").write_text('[1]\n{"step": 3}\n'),
    "bytes": lambda run: (run / "metrics.jsonl").write_bytes(b"\xff\x00\x80\n\xff\n"),
    "a broken result": lambda run: (run / "run.json").write_text("{"),
    "a result of another kind": lambda run: (run / "run.json").write_text("[]"),
    "a broken card": lambda run: (run / "last/card.json").write_text("nothing"),
    "no lines": lambda run: (run / "metrics.jsonl").write_text(""),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_a_row_that_says_so(cli, trained, tmp_path, what):
    shutil.copytree(trained, tmp_path / "bad")
    shutil.copytree(trained, tmp_path / "good")
    DAMAGE[what](tmp_path / "bad")
    code, out, _ = cli("runs", tmp_path)
    (bad,) = (line for line in out.splitlines() if line.startswith("bad "))
    assert code == 0 and "damaged: " in bad and "finished" in out


@pytest.mark.parametrize("value", [None, [], "x", -1, True, float("nan"), {"a": 1}, 10**400])
def test_no_card_and_no_result_is_too_odd(cli, trained, tmp_path, value):
    """Every field in turn replaced by something of another kind: a row comes out, and JSON that is JSON."""
    run = tmp_path / "r"
    shutil.copytree(trained, run)
    for file in ("run.json", "last/card.json", "metrics.jsonl"):
        good = (run / file).read_text()
        whole = json.loads(good.splitlines()[0] if file == "metrics.jsonl" else good)
        for key in whole:
            (run / file).write_text(json.dumps({**whole, key: value}) + "\n")
            code, out, _ = cli("runs", tmp_path, "--json")
            assert code == 0 and len(json.loads(out, parse_constant=pytest.fail)["runs"]) == 1
            assert cli("runs", tmp_path)[0] == 0
        (run / file).write_text(good)


def test_links_are_followed_once_and_never_upwards(trained, tmp_path):
    (tmp_path / "all/deep").mkdir(parents=True)
    shutil.copytree(trained, tmp_path / "all/deep/r")
    shutil.copytree(trained, tmp_path / "elsewhere")
    (tmp_path / "all/a").symlink_to(tmp_path / "all/deep/r")
    (tmp_path / "all/loop").symlink_to(tmp_path / "all")
    (tmp_path / "all/deep/up").symlink_to(tmp_path)
    (tmp_path / "all/far").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "all/gone").symlink_to(tmp_path / "nowhere")
    assert {row.name for row in runs.find_runs(tmp_path / "all")} == {"deep/r", "far"}


def test_order_and_note(trained, gray, tmp_path):
    for name, step in (("b", 1.0), ("a", 2.0)):
        shutil.copytree(trained, tmp_path / name)
        text = json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[0])
        text["validation"]["loss"] = step
        (tmp_path / name / "metrics.jsonl").write_text(json.dumps(text) + "\n")
    rows = runs.find_runs(tmp_path)
    assert [row.name for row in rows] == ["b", "a"] and runs.incomparable_losses(rows) is None
    shutil.copytree(gray, tmp_path / "c")
    note = runs.incomparable_losses(runs.find_runs(tmp_path))
    for word in ("mse", "normal_shared", "24×20 gray", "16×16 colour", "no penalty", "kl × 30", "data"):
        assert word in note


def test_the_listing(cli, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "one")
    unfinished(trained, tmp_path / "two")
    code, out, _ = cli("runs", tmp_path)
    lines = out.splitlines()
    assert code == 0 and lines[0].split()[:4] == ["run", "recipe", "data", "faces"]
    assert len({line.index("demo") for line in lines[1:3]}) == 1
    assert lines[1].endswith("finished") or lines[2].endswith("finished")
    assert f"stopped at step {only(trained)['steps']}" in out and "nats per image" in out
    assert [row["name"] for row in json.loads(cli("runs", tmp_path, "--json")[1])["runs"]] == ["one", "two"]
    (tmp_path / "empty").mkdir()
    assert "No runs below" in cli("runs", tmp_path / "empty")[1]
    code, _, err = cli("runs", tmp_path / "gone")
    assert code == 1 and "does not exist" in err


def test_the_listing_loads_nothing_large(trained):
    command = f"from facespace.cli import run; run(['runs', {str(trained)!r}])"
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", command], capture_output=True, text=True)
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0 and not loaded & {"torch", "numpy", "PIL", "matplotlib", "safetensors"}


# Figures


def test_latent_structure_against_numpy():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + 2
    z[:, 2] = 0.05 * rng.normal(size=200)  # variance 0.0025, below the threshold
    found = latent_structure(z)
    assert found.norm_of_mean == pytest.approx(np.sqrt((z.mean(0) ** 2).sum()))
    variances = z.var(axis=0, ddof=1)
    assert found.variance_mean == pytest.approx(variances.mean())
    assert found.variance_range == pytest.approx([variances.min(), variances.max()])
    upper = np.corrcoef(z, rowvar=False)[np.triu_indices(6, 1)]
    assert found.mean_absolute_correlation == pytest.approx(np.abs(upper).mean())
    assert found.covariance_distance == pytest.approx(
        np.linalg.norm(np.cov(z, rowvar=False) - np.eye(6), "fro")
    )
    assert found.active_units == 5


def test_latents_that_never_vary_and_single_latents():
    z = np.random.default_rng(0).normal(size=(50, 3))
    alone, dead = latent_structure(z[:, :1]), latent_structure(np.column_stack([z, np.zeros(50)]))
    assert alone.mean_absolute_correlation is None and alone.active_units == 1
    assert dead.mean_absolute_correlation == pytest.approx(latent_structure(z).mean_absolute_correlation)
    assert latent_structure(np.zeros((5, 2))).mean_absolute_correlation is None


def test_tally_and_quality_against_numpy():
    faces = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), dtype=np.uint8)
    tally = PixelHistogram()
    tally.add(faces[:4])
    tally.add(faces[4:])
    assert tally.moments() == pytest.approx(((faces / 255).mean(), (faces / 255).std()))
    errors = np.array([0.01, 0.04])
    assert quality(errors) == pytest.approx({"mse": 0.025, "psnr": np.mean([20.0, -10 * np.log10(0.04)])})
    assert np.isfinite(quality(np.zeros(2))["psnr"])


# Comparing


def test_the_folder_is_whole(compared):
    to, facts = compared
    assert {path.name for path in to.iterdir()} == {
        *("table.md", "compare.json", "reconstructions.png", "samples.png", "latents.png")
    }
    kept = json.loads((to / "compare.json").read_text())
    assert kept["protocol"] == facts["protocol"] and kept["runs"] == facts["runs"]
    assert (to / "table.md").read_text() == facts["text"] + "\n"


def test_the_figures_of_a_vae_against_its_space(compared, trained, drawn):
    """The training set's own faces: reconstruction, latents and KL by another way, samples by the space's own verb."""
    found = compared[1]["runs"][0]
    space, faces = facespace.load(trained), FaceSet(drawn)
    rows = np.array([index * len(faces) // 24 for index in range(24)])
    images = faces.images[rows]
    again, z = space.reconstruct(images) / 255, space.encode(images).astype(np.float64)
    errors = ((again - images / 255) ** 2).mean((1, 2, 3))
    assert found["reconstruction"]["mse"] == pytest.approx(
        errors.mean(), rel=1e-2
    )  # theirs are rounded to bytes
    assert found["reconstruction"]["psnr"] == pytest.approx((-10 * np.log10(errors)).mean(), abs=0.05)
    assert found["reconstruction"]["faces"] == "as they are"
    latents = found["latents"]
    assert latents["norm_of_mean"] == pytest.approx(np.linalg.norm(z.mean(0)), rel=1e-3)
    assert latents["variance_mean"] == pytest.approx(z.var(0, ddof=1).mean(), rel=1e-3)
    with torch.inference_mode():
        q = space.model.encode(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)
    prior = torch.distributions.Normal(0.0, 1.0)
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(q.mean, (q.log_var / 2).exp()), prior
    ).sum(1)
    assert latents["kl"] == pytest.approx(float(kl.mean()), rel=1e-4)
    samples = space.sample(24, seed=3) / 255
    sampling = found["sampling"]
    assert (sampling["pixel_mean"], sampling["pixel_deviation"]) == pytest.approx(
        (samples.mean(), samples.std())
    )
    real = images / 255
    assert (sampling["real_pixel_mean"], sampling["real_pixel_deviation"]) == pytest.approx(
        (real.mean(), real.std())
    )
    assert sampling["prior"] == "N(0, I)" and "N(0, I)" in sampling["origin"]


def test_the_figures_of_a_gray_autoencoder_on_colour_faces(compared, gray, drawn):
    found = compared[1]["runs"][1]
    space, faces = facespace.load(gray), FaceSet(drawn)
    rows = [index * len(faces) // 24 for index in range(24)]
    # Whole faces, the largest centred 24:20 part of 16×16, made gray: what the fitting must come to, by Pillow alone.
    box = (8 - 8 * 20 / 24, 0, 8 + 8 * 20 / 24, 16)
    small = [
        Image.fromarray(faces.images[row]).resize((20, 24), Image.Resampling.LANCZOS, box=box) for row in rows
    ]
    images = np.stack([np.asarray(picture.convert("L"))[..., None] for picture in small])
    with torch.inference_mode():
        x = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
        error = float((space.model.decode(space.model.encode(x).mean) - x).square().mean())
    assert found["reconstruction"]["mse"] == pytest.approx(error, rel=1e-5)
    assert found["reconstruction"]["faces"] == "cut to its proportions, resized to 24×20, made gray"
    assert found["latents"]["kl"] is None
    assert found["sampling"]["prior"] == "fitted Gaussian" and "autoencoder" in found["sampling"]["origin"]
    model = found["model"]
    assert (model["bottleneck"], model["objective"], model["image"]) == (
        "autoencoder",
        "no penalty",
        "24×20 gray",
    )


def test_what_training_said(compared, trained, tmp_path, drawn, gray):
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    told = compared[1]["runs"][0]["training"]
    assert told["validation"] == lines[-1]["validation"] and told["train"] == lines[-1]["train"]
    with quiet():
        facts = compare([trained / "best", gray], drawn, tmp_path / "c", split="all", count=4)
    card = bundle.read_card(trained / "best")
    assert facts["runs"][0]["training"]["train"] == card["metrics"]["train"]
    assert facts["runs"][0]["name"] == f"{trained.name}/best"


def test_the_table_says_what_must_be_known(compared):
    _, facts = compared
    text = facts["text"]
    assert text.count("\n## ") == 5 and "| recipe " in text and "| ---" not in text.split("\n")[0]
    assert (
        "tiny: trained on faces of this split" in text
    )  # the set is its own, and `all` holds training faces
    assert "ae: trained on another set" in text and "Not all of these losses" in text
    assert "above 0.01" in text and "samples from the prior N(0, I)" in text and "a Gaussian fitted" in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert all(len({len(line) for line in table}) == 1 for table in tables)
    protocol = facts["protocol"]
    assert (protocol["split"], protocol["count"], protocol["seed"], protocol["crop"]) == ("all", 24, 3, "fit")


def test_the_pictures(compared):
    to, _ = compared
    assert Image.open(to / "reconstructions.png").width == 10 * (20 * 8 + 2) + 2
    assert Image.open(to / "latents.png").width > 500
    sheet = np.asarray(Image.open(to / "samples.png").convert("RGB")).astype(int)
    assert sheet.shape[1] == 8 * (20 * 8 + 2) + 2
    below = sheet[-3 * (24 * 8 + 2) :]  # the autoencoder's block: gray
    assert (below.max(2) == below.min(2)).all() and (sheet.max(2) > sheet.min(2)).any()


def test_the_same_again_is_the_same(compared, trained, gray, drawn, tmp_path):
    with quiet():
        again = compare([trained, gray], drawn, tmp_path / "c", split="all", count=24, seed=3)
        with pytest.raises(UsageError, match="already holds a comparison"):
            compare([gray, trained], drawn, tmp_path / "c", split="all", count=5)
        compare([gray, trained], drawn, tmp_path / "c", split="all", count=5, force=True)
    assert again["runs"] == compared[1]["runs"]
    assert json.loads((tmp_path / "c/compare.json").read_text())["protocol"]["count"] == 5


def test_runs_are_compared_by_the_priors_that_the_table_names(compared, trained, gray, drawn, tmp_path):
    """A fitted prior, which `sample` would take, is what runs are compared by, unless another is named."""
    run = shutil.copytree(trained, tmp_path / trained.name)
    with quiet():
        space = facespace.load(run)
        space.fit_prior(FaceSet(drawn), "normal")
        entry = space.card["priors"]["normal"]
        entry["nats"]["validation"] = {"fitted": 1.0, "model": 0.0}
        (run / "best/card.json").write_text(json.dumps(space.card))
        assert facespace.load(run).default_prior == "normal"
        facts = compare([run, gray], drawn, tmp_path / "c", split="all", count=24, seed=3)
        model = compare([run, gray], drawn, None, split="all", count=24, seed=3, prior="model")
    assert facts["runs"][0]["sampling"]["prior"] == "fitted Gaussian"
    assert "a Gaussian fitted to the latents of 51 faces" in facts["text"]
    assert model["runs"][0]["sampling"] == compared[1]["runs"][0]["sampling"]


def test_prepared_faces_are_never_cropped_again(drawn, tmp_path):
    """A space of square photographs with a crop (LFW's centre 90 of 250) takes prepared faces whole."""
    for name in ("a", "b"):
        with quiet():
            facespace.train("demo", drawn, tmp_path / name, settings=(*TINY, "train.steps=2"), seed=ord(name))
        card = bundle.read_card(tmp_path / name / "best")
        card["template"] |= {"crop": "center-90", "source": [250, 250]}
        (tmp_path / name / "best/card.json").write_text(json.dumps(card))
    large = np.zeros((40, 40, 3), np.uint8)
    large[:4] = 255  # a white edge, which the crop would take away
    spaces = open_all([tmp_path / "a", tmp_path / "b"])
    assert all(space.fit(large)[0, 0].min() > 200 for space in spaces)
    assert facespace.load(tmp_path / "a").fit(large)[0, 0].max() == 0


def test_names_tell_runs_apart(tmp_path):
    paths = [Path("/a/x/one"), Path("/a/y/one"), Path("/b/two"), Path("/b/two/last"), Path("/demo/run")]
    assert unique_names(paths) == ["x/one", "y/one", "two", "two/last", "demo/run"]
    assert markdown([["", "a|b"], ["x", "1"]])[0] == "|     | a\\|b |"


@pytest.mark.parametrize(
    ("tokens", "code", "says"),
    [
        (["{trained}"], 2, "at least two"),
        ([], 2, "at least two"),
        (["{trained}", "{trained}"], 2, "the same model"),
        (["{trained}", "{trained}/best"], 2, "the same model"),
        (["{trained}", "gone"], 1, "gone does not exist"),
        (["{trained}", "{drawn}"], 1, "not a trained model"),
        (["{trained}", "{gray}", "--split", "tset"], 2, "Unknown split"),
        (["{trained}", "{gray}", "--count", "1"], 2, "at least 2"),
        (["{trained}", "{gray}", "--seed", "-1"], 2, "A seed is"),
        (["{trained}", "{gray}", "--data", "gone"], 1, "gone does not exist"),
        (["{trained}", "{gray}", "--to", "{mine}"], 2, "holds other files"),
        (["{trained}", "{gray}", "--to", "{mine}/letter.txt"], 2, "is a file"),
    ],
)
def test_wrong_usage_is_a_sentence(cli, trained, gray, drawn, tmp_path, monkeypatch, tokens, code, says):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    tokens = [token.format(trained=trained, gray=gray, drawn=drawn, mine=mine) for token in tokens]
    tokens += [] if "--data" in tokens else ["--data", str(drawn)]
    tokens += [] if "--to" in tokens else ["--to", "to"]
    found, out, err = cli("compare", *tokens)
    assert (found, out) == (code, "") and says in " ".join(err.split()) and "Traceback" not in err
    assert list(tmp_path.iterdir()) == [mine] and (mine / "letter.txt").read_text() == "dear"


def test_a_failure_leaves_no_folder(cli, trained, gray, drawn, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(charts, "save", full)
    code, _, err = cli("compare", trained, gray, "--data", drawn, "--to", tmp_path / "to", "--count", 4)
    assert code == 1 and "disk is full" in " ".join(err.split()) and list(tmp_path.iterdir()) == []


def test_compare_prints_the_table_or_one_object(cli, trained, gray, drawn, tmp_path):
    shared = ("--data", drawn, "--count", 4, "--split", "train")
    code, out, _ = cli("compare", trained, gray, *shared, "--to", tmp_path / "a")
    assert code == 0 and out.startswith("# tiny, ae\n") and str(tmp_path / "a") in out
    code, out, _ = cli("compare", trained, gray, *shared, "--to", tmp_path / "b", "--json")
    facts = json.loads(out)
    assert (
        code == 0
        and [run["name"] for run in facts["runs"]] == ["tiny", "ae"]
        and facts["to"] == str(tmp_path / "b")
    )


# Pictures


def test_blocks_share_one_cell_and_keep_proportions():
    tall, wide = np.full((3, 20, 10, 3), 200, np.uint8), np.full((5, 12, 24, 1), 90, np.uint8)
    page = grids.labelled_rows([("tall", tall), ("wide " + "word " * 60, wide)], columns=4)
    pixels = np.asarray(page)
    assert page.width >= 4 * (24 * 8 + 2) + 2  # 20×24 doubled until its shorter side has 96
    counts = [int((pixels == level).all(2).sum()) for level in (200, 90)]
    assert counts[0] == pytest.approx(3 * (20 * 10) * 8 * 8, rel=0.02)  # 160×80 each, undistorted
    assert counts[1] == pytest.approx(5 * (12 * 24) * 8 * 8, rel=0.02)


def test_latents_chart_takes_any_name_and_dead_latents(tmp_path):
    covariance = np.diag([1.0, 0.0, 2.0])
    spaces = {
        "a $x_1 and a very long name that goes on and on": (np.diag(covariance), covariance),
        "b": (np.ones(1), np.eye(1)),
    }
    charts.save(latent_charts.latents(spaces, 0.01), tmp_path / "x.png")
    assert Image.open(tmp_path / "x.png").width > 400


@pytest.mark.parametrize(
    ("bottleneck", "says"),
    [("deterministic", "no penalty"), ("gaussian", "kl × 1"), ("vq", "commitment × 1")],
)
def test_a_penalty_without_a_weight_is_said_to_count_once(bottleneck, says):
    assert (
        run_files.objective({"model": {"bottleneck": bottleneck}, "recipe": {"objective": {"weights": {}}}})
        == says
    )
