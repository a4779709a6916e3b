"""The whole of evaluate: what it writes, what it concludes, and what it refuses."""

import dataclasses
import html
import json
import re

import numpy as np
import pytest
import torch

import facespace
from facespace.core.console import quiet
from facespace.core.errors import BundleError, UsageError
from facespace.core.fetch import FetchError
from facespace.evaluation.evaluate import PARTS, brief, evaluate, findings_of, make_report, measure_parts
from facespace.evaluation.generation import Generation, GenerationProtocol, KidProtocol, RealReference
from facespace.evaluation.interpolation import Interpolation
from facespace.evaluation.likelihood import Likelihood
from facespace.evaluation.memorisation import Memorisation
from facespace.evaluation.reconstruction import Reconstruction
from facespace.evaluation.session import Evaluation, EvaluationSession
from facespace.latent.health import LatentHealth, LatentWarning
from facespace.perception.inception import open_features
from facespace.report.results import FLAT, INTERNAL, as_document


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FACESPACE_INCEPTION", raising=False)
    monkeypatch.delenv("FACESPACE_LPIPS", raising=False)


class Small(torch.nn.Module):
    """A feature network of one's own: mean colours of a 2×2 grid."""

    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x.float() / 255, 2).flatten(1)


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    path = tmp_path_factory.mktemp("judge") / "small.pt"
    torch.jit.script(Small()).save(str(path))
    return path


def run(trained, drawn, to, **options):
    with quiet():
        return evaluate(trained, drawn, to, **{"split": "all", "count": 32, "features": None, **options})


def test_everything_that_can_be_measured_is_written_with_its_protocol(trained, drawn, tmp_path, judge):
    metrics = run(trained, drawn, tmp_path / "e", features=judge, iwae_samples=3)
    kept = json.loads((tmp_path / "e/metrics.json").read_text())
    assert kept["reconstruction"]["psnr"] == pytest.approx(metrics["reconstruction"]["psnr"])
    space, faces = facespace.load(trained), facespace.FaceSet(drawn)
    rows = [index * len(faces) // 32 for index in range(32)]
    again = space.reconstruct(faces.images[rows]).astype(float)
    errors = np.square((faces.images[rows] - again) / 255).mean((1, 2, 3))
    assert metrics["reconstruction"]["mse"] == pytest.approx(errors.mean(), rel=1e-6)
    assert metrics["reconstruction"]["psnr"] == pytest.approx((-10 * np.log10(errors)).mean(), rel=1e-6)
    assert metrics["generation"]["fid"] > 0 and metrics["generation"]["real_reference"]["fid"] >= 0
    assert metrics["likelihood"]["bound"] <= metrics["likelihood"]["loss"] + 1e-3
    assert metrics["protocol"]["split"] == "all" and metrics["protocol"]["faces"] == 32
    assert metrics["generation"]["protocol"]["count"] == 32 and metrics["protocol"]["features"]
    assert set(metrics["disentanglement"]) >= {"mig", "sap"}
    assert "FID" in brief(metrics) and sorted(path.name for path in (tmp_path / "e").iterdir()) == [
        "metrics.json",
        "report.html",
    ]


def test_the_report_holds_everything_that_it_shows(trained, drawn, tmp_path):
    metrics = run(trained, drawn, tmp_path / "e")
    page = (tmp_path / "e/report.html").read_text()
    sources = re.findall(r'src="([^"]*)"', page)
    assert sources and all(source.startswith("data:image/") for source in sources)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page) and "<script" not in page
    for finding in metrics["findings"]:
        assert finding["text"].split("(")[0].strip()[:40] in html.unescape(page)
    assert "MS-SSIM is left out" in page
    with pytest.raises(UsageError, match=r"already holds an evaluation\. Add --force"):
        run(trained, drawn, tmp_path / "e")
    again = run(
        trained, drawn, tmp_path / "e", force=True
    )  # replaces its own kind, and gives the same figures
    assert {**again, "seconds": 0} == {**metrics, "seconds": 0}


def test_copies_are_looked_for_in_pixels_and_in_what_a_network_sees(trained, drawn, tmp_path):
    found, faces = run(trained, drawn, tmp_path / "e", split="test")["memorisation"], facespace.FaceSet(drawn)
    for one in (found, found["by_attributes"]):
        assert len(one["nearest"]) == len(faces.rows("test")) and one["training_faces"] == len(
            faces.rows("train")
        )
    assert found["median"] != found["by_attributes"]["median"]
    assert (tmp_path / "e/report.html").read_text().count("below each the nearest training face") >= 2


def test_without_a_network_the_rest_is_measured(trained, drawn, tmp_path, monkeypatch, capsys):
    def offline(*_args, **_options):
        raise FetchError("No way to the internet.")

    monkeypatch.setattr("facespace.perception.inception.fetch", offline)
    metrics = evaluate(trained, drawn, tmp_path / "e", split="all", count=20, features="inception")
    (sentence,) = [text for text in metrics["left_out"] if "FID" in text]
    assert "No way to the internet" in sentence and "FACESPACE_INCEPTION" in sentence
    assert "generation" not in metrics and metrics["reconstruction"]["psnr"] > 5
    assert "are left out" in " ".join(capsys.readouterr().err.split())


def test_what_cannot_be_compared_is_refused_before_any_work(trained, drawn, tmp_path):
    with quiet():
        other = facespace.prepare(
            "olivetti", _olivetti(tmp_path), to=tmp_path / "o", size=16, crop="center-32"
        )
    for call, error, says in (
        (dict(samples=33), UsageError, "--samples must lie between 2 and the 32 faces"),
        (dict(count=1), UsageError, "--count must be at least 2"),
        (dict(prior="mixture"), BundleError, "no fitted prior 'mixture'"),
        (dict(data=other), UsageError, "would (tell of|measure) the crop. Prepare the set with --crop"),
        (dict(split="tset"), UsageError, "Unknown split"),
    ):
        data = call.pop("data", drawn)
        with pytest.raises(error, match=says):
            run(trained, data, tmp_path / "e", **call)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds other files"):
        run(trained, drawn, tmp_path / "mine")
    assert not (tmp_path / "e").exists()


def _olivetti(folder):
    from scipy.io import savemat

    (folder / "root").mkdir()
    faces = np.random.default_rng(0).integers(0, 255, (4096, 400), np.uint8)
    savemat(folder / "root/olivettifaces.mat", {"faces": faces})
    return folder / "root"


def test_the_space_of_the_caller_is_not_changed(trained, drawn):
    space = facespace.load(trained)
    before = space.template
    assert EvaluationSession(space, drawn, "all", 8).space is not space
    assert space.template is before


DISTANCES = GenerationProtocol("small.pt (a network), 12 features", 32, KidProtocol(100, 16, 3), 3, 0)


def results(**changes):
    """Results of all parts, with changed fields by part."""
    parts = {
        "reconstruction": Reconstruction(0.01, 21.0, 32, {}, {}, {}, ssim=0.6, lpips=0.23, fid=80.0),
        "generation": Generation(
            *(120.0, 0.1, 0.01, 0.5, 0.5, RealReference(15.0, 0.0, 32, ""), DISTANCES, []),
            reconstruction_fid=80.0,
        ),
        "memorisation": None,
        "latents": LatentHealth(
            *(32, 128, 0.1, 1.0, [0.0, 2.0], 0.1, 1.0, 128, 0.01, 0, 0.1, {}, {}, False, {}),
            classifier_auc=0.6,
            warnings=[],
        ),
        "interpolation": Interpolation(0.0, 0.1, 1.0, 1.2, 16, 24, "", {}, {}),
        "likelihood": Likelihood({"loss": 100.0}, "normal"),
    }
    for name, change in changes.items():
        parts[name] = dataclasses.replace(parts[name], **change) if isinstance(change, dict) else change
    return {name: found for name, found in parts.items() if found is not None}


def test_conclusions_follow_the_figures():
    def said(**changes):
        return [(finding.kind, finding.text, finding.change) for finding in findings_of(results(**changes))]

    def one(words, findings):
        (found,) = [finding for finding in findings if words in finding[1]]
        return found

    assert one("blurred", said())[0] == "poor"
    assert one("sharp", said(reconstruction={"lpips": 0.08}))[0] == "good"
    assert "FID (small.pt) 120" in one("worse than reconstructions", said())[1]
    assert "fit-prior" in one("worse than reconstructions", said())[2]
    assert "fitted already" in one("worse than reconstructions", said(generation={"prior_fitted": True}))[2]
    assert "prior is not at fault" in one("easily", said(generation={"reconstruction_fid": 118.0}))[2]
    assert "Compare with reconstructions" in one("easily", said(generation={"reconstruction_fid": None}))[2]
    assert one("nearly as close to real faces", said(generation={"fid": 20.0}))[0] == "good"
    copies = Memorisation(0.2, 0.01, 0.5, 0.9, 0.9, 32, 32, 32, [])
    few = dataclasses.replace(copies, share=0.01)
    assert one("copies", said(memorisation=copies))[0] == "poor"
    assert one("not copies", said(memorisation=few))[0] == "good"
    both = dataclasses.replace(few, by_attributes=copies)
    assert one("copies", said(memorisation=both))[0] == "poor"
    assert one("overfits", said(likelihood={"train_gap": 0.1}))[0] == "note"
    collapse = LatentWarning("Posterior collapse", "nothing is told.", "Lower the KL weight.")
    assert one("collapse", said(latents={"warnings": [collapse]}))[2] == "Lower the KL weight."


def test_a_finding_about_new_faces_rests_on_the_reconstructions_and_the_prior(trained, drawn, judge):
    with quiet():
        session = EvaluationSession(trained, drawn, "all", 16)
        network = open_features(judge)
        evaluation = Evaluation(session, 16, None, None, "model", 1.0, 0, 0, network)
        seconds = measure_parts(evaluation)
    drawn_faces = evaluation.results["generation"]
    assert drawn_faces.reconstruction_fid == evaluation.results["reconstruction"].fid > 0
    assert not drawn_faces.prior_fitted and list(seconds) == list(PARTS)
    document = make_report(evaluation, seconds).document()
    assert "reconstruction_fid" not in document["generation"] and "left_out" not in document["reconstruction"]
    assert json.loads(json.dumps(document)) == document


def test_a_quantity_that_was_not_measured_is_no_key_of_the_document():
    @dataclasses.dataclass
    class Inner:
        a: float | None
        b: float | None = None

    @dataclasses.dataclass
    class Outer:
        terms: dict = dataclasses.field(metadata=FLAT)
        inner: Inner
        parts: list
        hidden: int = dataclasses.field(default=3, metadata=INTERNAL)

    made = Outer({"loss": 1.0}, Inner(None), [(1.0, 2.0), LatentWarning("a", "b", "c")])
    expected = {
        "loss": 1.0,
        "inner": {"a": None},
        "parts": [[1.0, 2.0], {"what": "a", "why": "b", "change": "c"}],
    }
    assert as_document(made) == expected


def test_the_verb(cli, trained, drawn, tmp_path):
    options = ("--split", "all", "--count", 20, "--features", "attributes", "--to", tmp_path / "e")
    code, out, _ = cli("evaluate", trained, "--data", drawn, *options)
    assert code == 0 and "report.html" in out and "PSNR" in out and "FID" in out
    code, _, err = cli(
        "evaluate", trained, "--data", drawn, "--to", tmp_path / "f", "--features", "nowhere.pt"
    )
    assert code == 1 and "There is no feature network 'nowhere.pt'" in " ".join(err.split())
