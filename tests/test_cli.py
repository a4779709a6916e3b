"""The command line, as a person and as a script meet it."""

import json
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from facespace.cli import app
from facespace.cli.terminal import table
from facespace.core import console
from facespace.core.console import note, progress_alone, quiet
from facespace.core.version import __version__

VERBS = (
    *(
        "adapt",
        "balance",
        "decode",
        "demo",
        "doctor",
        "download",
        "encode",
        "fit-prior",
        "merge",
        "morph",
        "prepare",
        "recipes",
        "verify",
    ),
    *("compare", "reconstruct", "runs", "sample", "show", "split", "subsample", "train"),
    *("analyze", "evaluate", "explore", "label", "mix", "train-attributes"),
    *("card", "diagram", "directions", "export", "pack", "publish", "push", "edit", "benchmark-edits"),
)


def process(*tokens, **environment):
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, *tokens], capture_output=True, text=True, env=env, timeout=120)


def test_importing_and_help_do_not_load_torch():
    for command in (
        "import facespace",
        "from facespace.cli import run; run(['--help'])",
        "from facespace.cli import run; run(['train', '--help'])",
    ):
        done = process("-X", "importtime", "-c", command)
        assert done.returncode == 0
        loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
        assert not loaded & {"torch", "numpy", "PIL", "matplotlib", "accelerate"}


@pytest.mark.parametrize(("name", "code"), [("demo", 0), ("nothing", 2)])
def test_one_of_several_processes_says_all_and_leaves_with_its_code(name, code):
    done = process("-m", "facespace", "recipes", name, RANK="0", WORLD_SIZE="1")
    assert done.returncode == code and ("parameters" in done.stdout) == (code == 0)


def test_help_names_every_verb(cli):
    code, out, _ = cli("--help")
    assert code == 0 and all(verb in out for verb in VERBS)
    assert {name for name in app if not name.startswith("-")} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_has_an_example_and_defaults(cli, verb):
    code, out, _ = cli(verb, "--help")
    assert code == 0 and f"Example: facespace {verb}" in out and "--json" in out
    if verb in ("prepare", "train", "sample", "morph", "reconstruct", "show", "demo", "split"):
        assert "[default: " in out.replace("\n", " ")


def test_version(cli):
    code, out, _ = cli("--version")
    assert (code, out.strip()) == (0, __version__)


def test_prepare_show(cli, tmp_path, photos):
    code, out, _ = cli("prepare", "folder", tmp_path, "--to", tmp_path / "set", "--size", "16x24", "--json")
    facts = json.loads(out)
    assert code == 0 and (facts["faces"], facts["skipped"]) == (3, 0) and facts["seconds"] >= 0
    code, out, _ = cli("show", tmp_path / "set", "--to", tmp_path / "sheet.png")
    assert code == 0 and Image.open(tmp_path / "sheet.png").width > 24
    code, out, _ = cli("show", tmp_path / "set", "--to", tmp_path / "faces.npy", "-n", 2, "--json")
    assert json.loads(out)["shown"] == 2 and np.load(tmp_path / "faces.npy").shape == (2, 16, 24, 3)


def test_recipes(cli):
    code, out, _ = cli("recipes")
    assert code == 0 and "celebamask-conv" in out and "2,958,659" in out
    code, out, _ = cli("recipes", "celebamask-conv", "--json")
    facts = json.loads(out)
    assert facts["parameters"] == 2_958_659 and facts["recipe"]["train"]["batch"] == 32
    code, out, _ = cli("recipes", "celebamask-conv")
    assert "facespace prepare celeba ROOT --to SET --size 64 --crop center-148" in out


def test_train_prints_one_json_object(cli, drawn, tmp_path):
    settings = [f"--set={s}" for s in ("model.image=3,16,16", "model.widths=8", "train.steps=3")]
    code, out, err = cli("train", "demo", "--data", drawn, "--to", tmp_path / "r", *settings, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["steps"] == 3 and facts["seconds"] > 0 and facts["images_per_second"] > 0
    assert facts["run"] == str(tmp_path / "r") and facts["validation"]["loss"] and "Training demo" in err


def test_train_starts_from_a_space(cli, drawn, trained, tmp_path):
    options = ("--set", "train.steps=2", "--tracker", "none")
    code, out, err = cli("train", "--from", trained, "--data", drawn, "--to", tmp_path / "r", *options)
    assert code == 0 and "2 steps in" in out and "Training demo" in err and "facespace adapt" in err
    card = json.loads((tmp_path / "r/last/card.json").read_text())
    assert card["started_from"] == json.loads((trained / "best/card.json").read_text())["fingerprint"]


def test_train_does_not_advise_adapt_for_more_faces_than_it_takes(cli, drawn, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("facespace.adaptation.photos.MOST", 3)
    options = ("--set", "train.steps=2", "--tracker", "none")
    code, _, err = cli("train", "--from", trained, "--data", drawn, "--to", tmp_path / "r", *options)
    assert code == 0 and "facespace adapt" not in err


def test_sample(cli, trained, tmp_path):
    for name in ("a.npy", "b.npy"):
        code, out, _ = cli("sample", trained, "-n", 5, "--seed", 3, "--to", tmp_path / name)
        assert code == 0 and "N(0, I)" in out
    faces = np.load(tmp_path / "a.npy")
    assert faces.shape == (5, 16, 16, 3) and faces.dtype == np.uint8
    assert np.array_equal(faces, np.load(tmp_path / "b.npy"))
    assert cli("sample", trained, "--to", tmp_path / "deep/er/faces.png")[0] == 0
    assert Image.open(tmp_path / "deep/er/faces.png").size == (8 * 258 + 2, 8 * 258 + 2)


def test_reconstruct(cli, trained, drawn, photos, tmp_path):
    code, out, _ = cli("reconstruct", trained, *photos, "--to", tmp_path / "r.npy", "--json")
    assert code == 0 and np.load(tmp_path / "r.npy").shape == (3, 16, 16, 3)
    facts = json.loads(out)
    again = np.load(tmp_path / "r.npy") / 255.0
    originals = np.stack([np.asarray(Image.open(photo)) for photo in photos]) / 255.0
    assert facts["mse"] == pytest.approx(np.square(again - originals).mean())
    code, _, _ = cli(
        "reconstruct", trained, "--data", drawn, "--split", "all", "-n", 9, "--to", tmp_path / "r.png"
    )
    shown = Image.open(
        tmp_path / "r.png"
    )  # two rows of originals over two of reconstructions, and their names
    assert code == 0 and shown.height == 4 * 258 + 2 and 0 < shown.width - (8 * 258 + 2) <= 256


def test_encode_decode(cli, trained, photos, tmp_path):
    assert cli("encode", trained, *photos, "--to", tmp_path / "z.npy")[0] == 0
    z = np.load(tmp_path / "z.npy")
    assert z.dtype == np.float32 and z.shape == (3, 5)
    assert cli("decode", trained, tmp_path / "z.npy", "--to", tmp_path / "d.npy")[0] == 0
    cli("reconstruct", trained, *photos, "--to", tmp_path / "r.npy")
    assert np.array_equal(np.load(tmp_path / "d.npy"), np.load(tmp_path / "r.npy"))


def test_fit_prior_and_sample_from_it(cli, trained, drawn, tmp_path):
    run = shutil.copytree(trained, tmp_path / "r")
    code, out, _ = cli("fit-prior", run, "--data", drawn, "--components", 2, "--json")
    facts = json.loads(out)
    assert (
        code == 0
        and facts["kind"] == "mixture"
        and facts["options"] == {"components": 2}
        and facts["seconds"] > 0
    )
    assert facts["nats"]["train"]["fitted"] > facts["nats"]["train"]["model"] and facts["space"] == str(
        run / "best"
    )
    code, out, _ = cli("fit-prior", run, "--data", drawn, "--kind", "normal")
    assert code == 0 and "nats per latent vector" in out and "under the prior N(0, I)" in out
    code, out, err = cli(
        "fit-prior", run, "--data", drawn, "--kind", "flow", "--steps", 5, "--width", 16, "--json"
    )
    assert code == 0 and "too few for a flow" in err
    options = json.loads(out)["options"]
    assert (options["steps"], options["width"], options["blocks"]) == (5, 16, 4) and "smile" in options[
        "conditions"
    ]
    for prior in ("mixture", "normal", "flow"):
        code, out, _ = cli(
            "sample", run, "-n", 5, "--prior", prior, "--to", tmp_path / f"{prior}.npy", "--json"
        )
        assert code == 0 and "fitted to the latents of" in json.loads(out)["prior"]
    assert not np.array_equal(np.load(tmp_path / "mixture.npy"), np.load(tmp_path / "normal.npy"))


def test_given(cli, told, photos, tmp_path):
    code, out, _ = cli(
        "sample",
        told,
        "-n",
        3,
        "--condition",
        "Hat=yes",
        "--condition",
        "smile=-0.5",
        "--to",
        tmp_path / "a.npy",
        "--json",
    )
    assert code == 0 and json.loads(out)["conditions"] == {"Hat": 1.0, "smile": -0.5}
    cli("sample", told, "-n", 3, "--to", tmp_path / "b.npy")
    assert not np.array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
    code, out, _ = cli(
        "reconstruct", told, *photos, "--condition", "Hat=no", "--to", tmp_path / "r.npy", "--json"
    )
    assert code == 0 and json.loads(out)["conditions"] == {"Hat": -1.0}
    cli("encode", told, *photos, "--to", tmp_path / "z.npy")
    code, out, _ = cli(
        "decode", told, tmp_path / "z.npy", "--condition", "Hat=-1", "--to", tmp_path / "d.npy", "--json"
    )
    assert code == 0 and json.loads(out)["conditions"] == {"Hat": -1.0}
    assert np.array_equal(np.load(tmp_path / "r.npy"), np.load(tmp_path / "d.npy"))


def test_photographs_are_aligned_on_request(cli, real, trained, tmp_path, monkeypatch):
    monkeypatch.setenv("FACESPACE_YUNET", str(real.parent / "models/face_detection_yunet_2023mar.onnx"))
    photos = sorted((real / "photos-unaligned").iterdir())[:2]
    assert cli("encode", trained, *photos, "--align", "--to", tmp_path / "a.npy")[0] == 0
    assert cli("encode", trained, *photos, "--to", tmp_path / "b.npy")[0] == 0
    assert not np.allclose(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
    Image.new("RGB", (200, 200), "teal").save(tmp_path / "sky.png")
    code, _, err = cli("encode", trained, tmp_path / "sky.png", "--align", "--to", tmp_path / "c.npy")
    assert code == 1 and "no face found" in err


def test_doctor(cli):
    code, out, _ = cli("doctor", "--json")
    facts = json.loads(out)
    assert code == 0 and facts["missing"] == [] and facts["extras"]["train"] and "cpu" in facts["devices"]


WRONG = [
    (["sample", "gone", "--to", "x.png"], 1, "gone does not exist"),
    (["sample", "{tmp}", "--to", "x.png"], 1, "holds no trained model"),
    (["sample", "{trained}", "--to", "x.bmp"], 2, "must end in .png"),
    (["sample", "{trained}", "--scale", "0", "--to", "x.png"], 2, "1 to 32"),
    (["sample", "{trained}", "-n", "0", "--to", "x.png"], 2, "at least 1"),
    (["sample", "{trained}", "-n", "many", "--to", "x.png"], 2, "many"),
    (["reconstruct", "gone.png", "--to", "x.png"], 1, "gone.png does not exist"),
    (["reconstruct", "{trained}", "gone.png", "--to", "x.png"], 1, "The photograph gone.png does not exist"),
    (["reconstruct", "{trained}", "{text}", "--to", "x.png"], 1, "not an image that can be read"),
    (["reconstruct", "{trained}", "--to", "x.png"], 2, "either photographs or --data"),
    (
        ["reconstruct", "{trained}", "--data", "{drawn}", "--split", "tset", "--to", "x.png"],
        2,
        "Unknown split",
    ),
    (["encode", "{trained}", "--to", "z.npy"], 2, "at least one photograph"),
    (["decode", "{trained}", "gone.npy", "--to", "x.png"], 1, "gone.npy does not exist"),
    (["decode", "{trained}", "{text}", "--to", "x.png"], 1, "not a .npy file"),
    (["decode", "{trained}", "{none}", "--to", "x.png"], 1, "no latents to decode"),
    (["sample", "{trained}", "--prior", "mixtur", "--to", "x.png"], 2, "Did you mean 'mixture'"),
    (["sample", "{trained}", "--prior", "mixture", "--to", "x.png"], 1, "facespace fit-prior"),
    (["fit-prior", "{trained}", "--data", "{drawn}", "--kind", "flo"], 2, "Unknown prior 'flo'"),
    (
        ["fit-prior", "{trained}", "--data", "{drawn}", "--kind", "normal", "--components", "2"],
        2,
        "does not take",
    ),
    (
        ["fit-prior", "{trained}", "--data", "{drawn}", "--kind", "flow", "--components", "2"],
        2,
        "does not take components",
    ),
    (
        ["fit-prior", "{trained}", "--data", "{drawn}", "--kind", "flow", "--width", "0"],
        2,
        "a width of 1 or more",
    ),
    (["card", "{trained}", "--to", "card.txt"], 2, "must end in .md"),
    (["pack", "{trained}", "--to", "{trained}/best"], 2, "not a packed space"),
    (["pack", "{trained}", "--to", "{empty}"], 2, "not a packed space"),
    (["pack", "{trained}", "--to", "{tmp}/p", "--bits", "7"], 2, "weights of 16 or 8 bits; got 7"),
    (["pack", "{trained}", "--to", "{tmp}/p", "--bits", "eight"], 2, "Try: facespace pack --help"),
    (["pack", "{trained}", "--to", "{tmp}/p", "--limitation", " "], 2, "--limitation takes a sentence"),
    (["fit-prior", "{trained}", "--data", "{trained}"], 1, "holds no prepared faces"),
    (["fit-prior", "gone", "--data", "{drawn}"], 1, "gone does not exist"),
    (["sample", "{told}", "--condition", "Hats=1", "--to", "x.png"], 2, "Did you mean 'Hat'"),
    (["sample", "{told}", "--keep", "2", "--to", "x.png"], 2, "a share from 0.01 to 1"),
    (["sample", "{trained}", "--keep", "0.5", "--to", "x.png"], 1, "has no discriminator"),
    (["sample", "{told}", "--guidance", "2", "--to", "x.png"], 2, "strengthens a condition"),
    (["sample", "{told}", "--condition", "Hat", "--to", "x.png"], 2, "--condition takes ATTRIBUTE=NUMBER"),
    (
        ["sample", "{told}", "--condition", "Hat=big", "--to", "x.png"],
        2,
        "--condition takes ATTRIBUTE=NUMBER",
    ),
    (["sample", "{told}", "--condition", "Hat=nan", "--to", "x.png"], 2, "finite number"),
    (
        ["reconstruct", "{trained}", "{photo}", "--condition", "Hat=1", "--to", "x.png"],
        2,
        "model.conditions=Hat",
    ),
    (["sample", "{trained}", "--seed", "99999999999999999999999", "--to", "x.png"], 2, "A seed is"),
    (
        [
            "train",
            "demo",
            "--data",
            "{drawn}",
            "--to",
            "{tmp}/r",
            "--seed",
            "-1",
            "--set",
            "model.image=3,16,16",
        ],
        2,
        "A seed is",
    ),
    (["prepare", "synthetic", "--to", "{tmp}/s", "--size", "²"], 2, "a side or HEIGHTxWIDTH"),
    (
        ["train", "demo", "--data", "{drawn}", "--to", "{tmp}/r", "--set", "train.min_delta=NaN"],
        2,
        "finite number",
    ),
    (["prepare", "folder", "{empty}", "--to", "{tmp}/s"], 1, "holds no images"),
    (["prepare", "synthetic", "--to", "{tmp}/s", "--size", "0"], 2, "cannot be prepared"),
    (["prepare", "synthetic", "--to", "{tmp}/s", "--size", "-5"], 2, "--size"),
    (["prepare", "synthetic", "--to", "{tmp}/s", "--size", "big"], 2, "a side or HEIGHTxWIDTH"),
    (["prepare", "celbea", "{tmp}", "--to", "{tmp}/s"], 2, "Did you mean 'celeba'"),
    (["train", "celebamask", "--data", "{drawn}", "--to", "{tmp}/r"], 2, "Did you mean 'celebamask-conv'"),
    (
        ["train", "demo", "--data", "{drawn}", "--to", "{tmp}/r", "--set", "train.stops=1"],
        2,
        "Did you mean 'steps'",
    ),
    (["prepare", "{empty}", "--to", "{tmp}/s"], 2, "facespace prepare folder"),
    (["recipes", "dmeo"], 2, "Did you mean 'demo'"),
    (["smaple"], 2, "sample"),
    (["sample", "--too", "x.png"], 2, "--too"),
]


@pytest.mark.parametrize(
    ("tokens", "code", "says"),
    WRONG,
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else None,
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_wrong_usage_is_a_sentence_on_stderr(
    cli, trained, told, drawn, photos, tmp_path, monkeypatch, tokens, code, says, as_json
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    np.save(tmp_path / "none.npy", np.zeros((0, 5), np.float32))
    places = dict(
        none=tmp_path / "none.npy",
        tmp=tmp_path,
        trained=trained,
        told=told,
        drawn=drawn,
        photo=photos[0],
        empty=tmp_path / "empty",
        text=tmp_path / "text.txt",
    )
    found, out, err = cli(*[token.format(**places) for token in tokens], *(["--json"] if as_json else []))
    assert found == code
    assert says in " ".join(err.split()) and "Traceback" not in err
    if as_json:
        assert json.loads(out)["exit_code"] == code and says in json.loads(out)["error"]
    else:
        assert out == ""
    assert not any(tmp_path.glob("x.*")) and not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("verb", "file"),
    [
        ("evaluate", "metrics.json"),
        ("compare", "compare.json"),
        ("analyze", "analysis.json"),
        ("benchmark-edits", "edit_benchmark.json"),
    ],
)
def test_an_older_result_is_only_replaced_with_force(cli, trained, drawn, tmp_path, verb, file):
    (tmp_path / file).write_text("{}")
    spaces = [trained, trained / "last"] if verb == "compare" else [trained]
    code, _, err = cli(verb, *spaces, "--data", drawn, "--to", tmp_path)
    assert code == 2 and "Add --force to replace it" in err
    assert (tmp_path / file).read_text() == "{}" and len(list(tmp_path.iterdir())) == 1


def test_a_set_of_another_crop_is_refused_by_every_verb_that_takes_its_faces(cli, trained, photos, tmp_path):
    prepare = ("prepare", "folder", photos[0].parent, "--to", tmp_path / "s", "--size", "16")
    code, _, err = cli(*prepare, "--crop", "center-16")
    assert code == 0, err
    shared = ("--data", tmp_path / "s", "--split", "all", "-n", "2", "--to", tmp_path / "x.png")
    for verb in (["reconstruct", trained], ["morph", trained], ["edit", trained, "--set", "smile=1"]):
        code, _, err = cli(*verb, *shared)
        assert code == 2 and "--crop" in err and not (tmp_path / "x.png").exists(), verb


def test_a_table_is_the_same_in_a_pipe_and_has_no_spaces_at_the_ends_of_lines():
    text = table([["name", "n"], ["a face", "10"], ["顔", "7"]], right=(1,), indent=2)
    assert text.splitlines() == ["  name     n", "  a face  10", "  顔       7"]


def test_a_full_disk_is_a_sentence(cli, tmp_path, trained, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    code, _, err = cli("sample", trained, "--to", tmp_path / "x.npy")
    assert (
        code == 1
        and f"The disk is full: {tmp_path / 'x.npy'}" in " ".join(err.split())
        and list(tmp_path.iterdir()) == []
    )


def test_no_colour_and_no_bars_off_a_terminal(tmp_path):
    done = process(
        "-m",
        "facespace",
        "prepare",
        "synthetic",
        "--to",
        str(tmp_path / "s"),
        "--limit",
        "40",
        "--size",
        "16",
    )
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr and "━" not in done.stderr


def test_threads_that_are_quiet_at_once_leave_nobody_quiet(capsys):
    entered, left = threading.Event(), threading.Event()

    def other() -> None:
        with quiet():
            entered.set()
            left.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(10)
    note("while the other is")
    with quiet():
        left.set()
        thread.join()
        note("not said")
    note("afterwards")
    assert capsys.readouterr().err.split("\n") == ["while the other is", "afterwards", ""]


def test_progress_counts_what_was_done_earlier_but_not_in_its_rate(capsys, monkeypatch):
    seconds = iter((0.0, 20.0, 620.0))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(seconds))
    with progress_alone(), console.progress(10_000, "Training", "images", 4_000) as advance:
        note("not said")
        advance(30)
        advance(1_200)
    lines = [
        "Training: 4,030 of 10,000, 1.5 images/s, 66 min left",
        "Training: 5,230 of 10,000, 2.0 images/s, 40 min left",
    ]
    assert capsys.readouterr().err.splitlines() == lines
    note("said again")
    assert capsys.readouterr().err == "said again\n"


def test_what_is_missing_is_named_with_the_usage(cli):
    code, _, err = cli("compare", "a", "b")
    assert code == 2 and "--data is missing. Usage: facespace compare RUN RUN ... --data SET" in err


def test_output_into_a_closed_pipe_is_quiet():
    done = subprocess.run(
        f"{sys.executable} -m facespace recipes | head -c 1", shell=True, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "-n", "2.7"),
        ("sample", "--number=2.7"),
        ("sample", "-n2.7"),
        ("explore", "--port", "1.5"),
        ("morph", "--frames", ".5"),
    ],
)
def test_a_fraction_is_no_whole_number(cli, words):
    code, out, err = cli(*words)
    assert (code, out) == (2, "") and "takes a whole number; got" in err


def test_fractions_are_taken_where_they_belong(cli, trained, tmp_path):
    assert cli("sample", trained, "--temperature", "0.7", "-n", "2.0", "--to", tmp_path / "two.npy")[0] == 0
    assert len(np.load(tmp_path / "two.npy")) == 2
