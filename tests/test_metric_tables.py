"""One table for a paper: its values are those of evaluate, its formats parse, its footnotes name what is unequal."""

import csv
import io
import json
import re
import shutil

import pytest

import facespace
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.core.fetch import FetchError
from facespace.evaluation.evaluate import evaluate
from facespace.models import locations
from facespace.perception.interface import FeaturesError
from facespace.report.glossary import glossary
from facespace.report.metric_table import metric_table
from facespace.report.metrics import METRICS, choose_metrics, network_label, with_network
from facespace.report.page import Section
from facespace.report.table_formats import LATEX, escape

ASKED = "fid,kid,precision,recall,ssim,psnr,mse,nats"
COUNT = 24


@pytest.fixture(autouse=True)
def no_networks(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path / "cache"))
    for name in ("INCEPTION", "LPIPS", "IDENTITY"):
        monkeypatch.delenv(f"FACESPACE_{name}", raising=False)


@pytest.fixture(scope="module")
def longer(trained, tmp_path_factory):
    """The tiny run as if it had been trained for longer, with other weights, under a name with LaTeX's characters."""
    run = shutil.copytree(trained, tmp_path_factory.mktemp("other") / "a_b&100%")
    for name in (locations.BEST, locations.LAST):
        card = json.loads((run / name / "card.json").read_text())
        card |= {"step": 12_345, "metrics": {**card["metrics"], "weights": "average"}}
        (run / name / "card.json").write_text(json.dumps(card))
    return run


@pytest.fixture(scope="module")
def table(trained, longer, drawn, tmp_path_factory):
    to = tmp_path_factory.mktemp("tables") / "to"
    with quiet():
        found = facespace.compare(
            [trained, facespace.load(longer)],
            drawn,
            to,
            metrics=ASKED.split(","),
            split="all",
            count=COUNT,
            features="attributes",
        )
    return to, found


def test_the_values_are_those_of_evaluate(table, trained, drawn):
    _, found = table
    with quiet():
        metrics = evaluate(trained, drawn, None, split="all", count=COUNT, features="attributes")
    cells = found.rows[0].cells
    generation, reconstruction = metrics["generation"], metrics["reconstruction"]
    for name in ("fid", "kid", "precision", "recall"):
        assert cells[name].value == generation[name]
    for name in ("mse", "psnr", "ssim"):
        assert cells[name].value == reconstruction[name]
        low, high = reconstruction["intervals"][name]
        assert cells[name].uncertainty == pytest.approx((high - low) / 2)
    assert cells["nats"].value == metrics["likelihood"]["loss"]
    assert cells["kid"].uncertainty == generation["kid_sd"]
    real = found.rows[-1]
    assert real.reference and real.cells["fid"].value == generation["real_reference"]["fid"]
    assert real.cells["ssim"].value is None
    # The secondary distances of an evaluation of all parts change none of these.
    assert "fid" not in found["runs"][0]["reconstruction"] and "fid" in reconstruction


def test_the_markdown(table):
    to, found = table
    text = found.to_markdown()
    assert (to / "table.md").read_text() == text + "\n" and str(found) == text
    lines = text.splitlines()
    head = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert head[1:5] == [
        "FID (attribute classifier) ↓",
        "KID (attribute classifier) ↓",
        "precision ↑",
        "recall ↑",
    ]
    rows = [line for line in lines if line.startswith("|")]
    assert len({len(row) for row in rows}) == 1 and len(rows) == 2 + 3
    value = found.rows[0].cells["psnr"]
    assert f"{value.value:.2f}** ± {value.uncertainty:.2f}" in text
    # Both spaces have the same weights, so that both have the best value.
    assert rows[2].count("**") == rows[3].count("**") == 2 * len(ASKED.split(",")) and "**" not in rows[4]
    for fact in (
        f"{COUNT} faces of",
        "split all",
        "seed 0",
        "temperature 1",
        "100 subsets of 12 faces",
        "without a factor",
    ):
        assert fact in text, fact
    assert "raw weights" in text and "average (EMA) weights" in text and "N(0, I)" in text


def test_a_table_without_metrics_of_samples_says_nothing_of_them(trained, drawn):
    found = facespace.evaluate(trained, drawn, metrics=["mse", "ssim"], split="all", count=COUNT)
    protocol = found.to_markdown().split("\n* ", 1)[1]
    assert "seed 0; facespace" in protocol and "sample" not in protocol and "temperature" not in protocol


def test_a_shell_shows_the_table_and_not_its_parts(table):
    _, found = table
    assert repr(found) == str(found) == found.to_markdown()


def test_the_csv(table):
    to, found = table
    records = list(csv.DictReader(io.StringIO((to / "table.csv").read_text())))
    assert [record["run"] for record in records] == ["tiny", "a_b&100%/best", "real faces"]
    for record, row in zip(records, found.rows):
        for name, cell in row.cells.items():
            assert record[name] == ("" if cell.value is None else repr(cell.value))
    assert records[0]["protocol_split"] == "all" and records[0]["protocol_features"].startswith(
        "the last hidden"
    )
    assert records[1]["step"] == "12345" and "Training steps differ" in records[1]["notes"]
    assert records[1]["weights"] == "average (EMA)" and not records[2]["step"]


def test_the_latex(table):
    to, found = table
    text = (to / "table.tex").read_text()
    opened = re.findall(r"\\begin\{(\w+)\}", text)
    closed = re.findall(r"\\end\{(\w+)\}", text)
    assert opened == ["table", "tabular", "minipage"] and sorted(closed) == sorted(opened)
    for rule in (r"\toprule", r"\bottomrule"):
        assert text.count(rule) == 1
    columns = len(re.search(r"\\begin\{tabular\}\{(\w+)\}", text).group(1))
    assert columns == 1 + len(found.columns)
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 2 + 3
    for row in rows:
        assert len(re.findall(r"(?<!\\)&", row)) == columns - 1
    assert r"a\_b\&100\%" in text and r"\textbf{" in text and r"$\downarrow$" in text and r"$\pm$" in text
    # Outside of commands and comments, no special character stands alone.
    bare = re.sub(r"\\[&%$#_{}]|\$\\?\w*\$|\$-\$", "", "\n".join(text.splitlines()[1:]))
    for letter in "%#_^~±×↓↑−":
        assert letter not in bare.replace("(x - y)", ""), letter
    assert bare.count("{") == bare.count("}") and "$" not in bare


def test_latex_escapes_every_special_character():
    assert escape("50% & x_1 #2 {a} ~ ^ \\ $5") == (
        r"50\% \& x\_1 \#2 \{a\} \textasciitilde{} \textasciicircum{} \textbackslash{} \$5"
    )
    assert set("\\&%$#_{}~^") <= set(LATEX) and escape("a\nb") == "a?b"


def test_footnotes_appear_only_where_something_differs(table, trained, drawn):
    _, found = table
    texts = " ".join(found.footnotes.values())
    assert re.search(r"Training steps differ: tiny [\d,]+; a_b&100%/best 12,345\.", texts)
    assert "not a held-out figure" in texts  # the split `all` has training faces
    assert "Image sizes differ" not in texts and "Training sets differ" not in texts
    for row in found.rows[:2]:
        assert row.marks and set(row.marks) <= set(found.footnotes)
    assert not found.rows[2].marks


def run(name, **changes):
    """A space as compare.json has it."""
    facts = {
        "name": name,
        "step": 100,
        "recipe": "demo",
        "bundle": "best",
        "model": {
            "image": "64×64 colour",
            "likelihood": "bernoulli",
            "parameters": 10,
            "latents": 4,
            "conditions": [],
        },
        "trained_on": {
            "source": "celeba",
            "faces": 5,
            "crop": "c",
            "fingerprint": "f" * 64,
            "same_set": True,
        },
        "training_networks": [],
        "samples_from": "the prior N(0, I)",
        "weights": "raw",
        "generation": {
            "fid": 10.0,
            "kid": 0.1,
            "kid_sd": 0.01,
            "protocol": {"features": "x (FID Inception, y)"},
        },
        "reconstruction": {"mse": 0.01, "intervals": {"mse": [0.009, 0.011]}},
        "likelihood": {"loss": 5.0},
        "left_out": [],
    }
    return {**facts, **changes}


PROTOCOL = {
    **{
        "set": "s",
        "source": "celeba",
        "size": [64, 64],
        "channels": 3,
        "crop": "c",
        "split": "test",
        "count": 9,
    },
    **{
        "selection": "evenly spaced",
        "seed": 0,
        "features": "x (FID Inception, y)",
        "set_fingerprint": "f" * 64,
    },
}


def made(runs, *metrics):
    return metric_table(runs, metrics, PROTOCOL)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"step": 200}, "Training steps differ: a 100; b 200."),
        ({"step": None}, "Training steps differ: a 100; b unknown."),
        ({"step": 200, "started_from": "x"}, "b 200 after those of the space"),
        (
            {"trained_on": {"crop": "d", "fingerprint": "f" * 64, "faces": 5, "same_set": True}},
            "Training crops differ: a c; b d.",
        ),
        (
            {"trained_on": {"crop": "c", "fingerprint": "e" * 64, "source": "lfw", "faces": 5}},
            "Training sets differ",
        ),
        ({"samples_from": "a flow"}, "Sources of the samples differ"),
        ({"model": {"image": "32×32 colour", "likelihood": "bernoulli"}}, "Image sizes differ"),
        ({"fitted": "resized to 32×32"}, "fitted to the space: resized to 32×32"),
        ({"training_networks": ["vgg16"]}, "VGG-16, which like Inception come from ImageNet"),
        (
            {"model": {"image": "64×64 colour", "likelihood": "bernoulli", "conditions": ["Smiling"]}},
            "Conditional on attributes",
        ),
        ({"generation": {"protocol": {"features": "other"}}}, "Feature networks differ"),
        ({"generation": None, "left_out": ["FID is not here."]}, "FID is not here."),
    ],
)
def test_what_makes_two_rows_unequal_is_a_footnote(changes, says):
    assert not made([run("a"), run("b")], "fid", "mse").footnotes
    found = made([run("a"), run("b", **changes)], "fid", "mse")
    (mark,) = [mark for mark, text in found.footnotes.items() if says in text]
    assert mark in found.rows[1].marks
    assert f"textsuperscript{{{mark}}}" in found.to_latex()


def test_the_row_that_differs_from_most_carries_the_mark():
    found = made([run("a"), run("b", step=7), run("c")], "mse")
    assert [row.marks for row in found.rows] == [(), ("a",), ()]


def test_only_comparable_values_have_a_best_one():
    other = {**run("b")["model"], "likelihood": "normal"}
    better = run(
        "b",
        model=other,
        likelihood={"loss": -9.0},
        generation={"fid": 9.0, "protocol": run("a")["generation"]["protocol"]},
    )
    found = made([run("a"), better], "fid", "nats")
    assert [column.best for column in found.columns] == [9.0, None]
    assert "Pixel likelihoods (their nats cannot be compared) differ" in " ".join(found.footnotes.values())
    small = {**run("b")["model"], "image": "32×32 colour"}
    assert made([run("a"), run("b", model=small)], "mse").columns[0].best is None
    assert made([run("a")], "mse").columns[0].best is None


def test_names_of_metrics():
    assert choose_metrics([" FID ", "fid", "ms_ssim", "elbo"]) == ["fid", "ms-ssim", "nats"]
    with pytest.raises(UsageError, match=r"Unknown metric 'fjd'\. Did you mean 'fid'\? Known: fid, kid"):
        choose_metrics(["fjd"])
    with pytest.raises(UsageError, match="at least one metric"):
        choose_metrics([])
    for about, label in (
        ("inception-2015-12-05.pt (FID Inception, resizes by itself), 2048 features", "Inception"),
        ("inception.pt (FID Inception, resizes), 2048 features, in bf16", "Inception, bf16"),
        ("the last hidden layer of the attribute network 0123, 128 features", "attribute classifier"),
        ("mine.pt (uint8 at the faces' own size), 12 features", "mine.pt"),
    ):
        assert network_label(about) == label
        assert with_network("FID of new faces", about) == f"FID ({label}) of new faces"
    assert with_network("SSIM", "x") == "SSIM"


def test_the_verb(cli, trained, longer, drawn, tmp_path, monkeypatch):
    base = ("compare", trained, longer, "--data", drawn, "--split", "all", "--count", 8, "--metrics")
    code, out, _ = cli(*base, "mse,psnr", "--to", tmp_path / "t")
    assert code == 0 and "MSE ↓" in out and "is in" in out
    assert {path.name for path in (tmp_path / "t").iterdir()} == {
        "table.md",
        "table.csv",
        "table.tex",
        "compare.json",
    }
    code, out, _ = cli(*base, "mse", "--json")
    assert code == 0 and json.loads(out)["metrics"]["mse"]["better"] == "lower"

    def offline(*_args, **_options):
        raise FetchError("No way to the internet.")

    monkeypatch.setattr("facespace.perception.inception.fetch", offline)
    for metrics, expected, says in (
        ("fjd", 2, "Known: fid, kid"),
        ("", 2, "at least one metric"),
        ("fid,mse", 1, "FACESPACE_INCEPTION"),
        ("kid", 1, "--features attributes"),
        ("lpips", 1, "FACESPACE_LPIPS"),
        ("identity", 2, "FACESPACE_IDENTITY"),
        ("mse", 2, "already holds a comparison"),
    ):
        to = tmp_path / ("t" if metrics == "mse" else "networks")
        code, _, err = cli(*base, metrics, "--to", to)
        assert (code, says in err) == (expected, True), err
    code, _, err = cli(*base[:-1], "--features", "attributes", "--to", tmp_path / "u")
    assert code == 2 and "--features is for --metrics" in err


def test_evaluate_gives_a_table_too(trained, drawn, tmp_path):
    with quiet():
        found = facespace.evaluate(
            trained, facespace.FaceSet(drawn), metrics=["mse", "kl"], split="all", count=COUNT
        )
        whole = facespace.evaluate(trained, drawn, tmp_path / "e", split="all", count=COUNT, features=None)
        with pytest.raises(FeaturesError, match="no feature network 'nothing'"):
            facespace.evaluate(trained, drawn, metrics=["fid"], features="nothing")
    assert [column.metric for column in found.columns] == ["mse", "kl"] and len(found.rows) == 1
    assert "**" not in found.to_markdown() and found.rows[0].cells["kl"].value == whole["latents"]["kl"]
    assert whole.document == json.loads((tmp_path / "e/metrics.json").read_text())
    measured = {column.metric for column in whole.columns}
    assert {"mse", "psnr", "nats", "kl"} <= measured <= set(METRICS)


def test_compare_without_metrics_is_a_table_of_what_it_measures(trained, longer, drawn):
    with quiet():
        found = facespace.compare([trained, longer], drawn, split="all", count=8)
    assert [column.metric for column in found.columns] == ["mse", "psnr", "kl"]
    assert found.rows[1].cells["mse"].value == found["runs"][1]["reconstruction"]["mse"]
    assert found["text"].startswith("# ")


def test_the_glossary_explains_the_terms_of_the_page():
    section = glossary([Section("New faces", "KID and FID.", table=[["", "C2ST"], ["PSNR, dB", "1"]])])
    terms = [row[0] for row in section.table[1:]]
    assert terms == sorted(terms, key=str.lower) and {"FID", "KID", "PSNR"} <= set(terms)
    assert not any(term.startswith("LPIPS") for term in terms)
    assert glossary([Section("Nothing", "Nothing to explain.")]) is None
