"""`facespace export --format onnx`: the files give the space's own latents and faces, by onnxruntime, for every recipe."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from test_model_contract import tiny

import facespace
from facespace.core.configs import to_dict
from facespace.core.errors import UsageError
from facespace.formats import onnx_check, onnx_files
from facespace.formats.onnx_check import ExportError
from facespace.formats.onnx_modules import sampler_of
from facespace.formats.pictures import template_of
from facespace.models import build, bundle
from facespace.models.priors import STORED, FittedNormal, NoiseNormal, NoisePairs
from facespace.recipes import RECIPES, recipe

DOCS = Path(__file__).parents[1] / "docs"
needs_onnx = pytest.mark.skipif(
    importlib.util.find_spec("onnx") is None or importlib.util.find_spec("onnxruntime") is None,
    reason="onnx and onnxruntime are not installed",
)


def session(path: Path):
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(folder: Path, name: str, *inputs: np.ndarray) -> np.ndarray:
    opened = session(folder / f"{name}.onnx")
    return opened.run(None, dict(zip([row.name for row in opened.get_inputs()], inputs)))[0]


def saved(config, folder: Path, **card) -> Path:
    """A bundle of random weights, with a Gaussian of random latents where the model has none of its own."""
    torch.manual_seed(0)
    model = build(config).eval()
    if isinstance(model.prior, FittedNormal):
        model.prior.fit(torch.randn(40, *model.latent_shape))
    facts = {
        "recipe": to_dict(recipe("demo")),
        "data": {"source": "nowhere", "faces": 40, "terms": "none"},
        "step": 7,
    }
    plan = recipe("demo")
    template = template_of(plan.__class__(**{**plan.__dict__, "model": config}))
    bundle.save(folder, model, config, template, {**facts, **card})
    return folder


def assert_same(space: Path, folder: Path) -> None:
    """In batches of 1 and 7, with unknown attributes where the model has conditions."""
    model = bundle.load(space).model
    random = np.random.default_rng(3)
    for count in (1, 7):
        faces = random.random((count, *model.config.image), dtype=np.float32)
        latents = random.standard_normal((count, *model.latent_shape), dtype=np.float32)
        known = len(model.config.conditions)
        y = [random.choice([1, -1, np.nan], (count, known)).astype(np.float32)] if known else []
        tensors = [torch.from_numpy(values) for values in y]
        with torch.inference_mode():
            z = model.encode(torch.from_numpy(faces), *tensors).mean.numpy()
            pictures = model.decode(torch.from_numpy(latents), *tensors).numpy()
        np.testing.assert_allclose(run(folder, "encoder", faces, *y), z, atol=1e-4)
        np.testing.assert_allclose(run(folder, "decoder", latents, *y), pictures, atol=1 / 255)


@needs_onnx
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe(name, tmp_path):
    space = saved(tiny(name), tmp_path / "space")
    facts = facespace.export(space, tmp_path / "onnx", format="onnx")
    assert set(facts["differences"]) == {"encoder", "decoder", "prior"}
    assert facts["differences"]["decoder"]["levels"] <= 1
    assert_same(space, tmp_path / "onnx")


@needs_onnx
def test_a_conditional_space(told, tmp_path):
    facespace.export(told, tmp_path / "onnx", format="onnx")
    assert_same(bundle.load(told).folder, tmp_path / "onnx")
    facts = json.loads((tmp_path / "onnx/space.json").read_text())
    assert facts["conditions"] == ["Hat", "smile"]
    assert facts["networks"]["decoder"]["inputs"]["attributes"]["shape"] == ["N", 2]


def test_the_prior_of_codes_one_after_another_is_refused(tmp_path):
    model = build(tiny("vq"))
    prior = STORED["autoregressive"].for_latents(64, model.code_grids, {"width": 32, "blocks": 1})
    with pytest.raises(UsageError, match="one code after another"):
        sampler_of(model, prior)


@needs_onnx
@pytest.mark.parametrize(
    "kind", ["normal", "mixture", "flow", "diffusion", "noise-normal", "noise-pairs", "older flow"]
)
def test_the_same_noise_gives_the_latents_of_torch(kind, trained, drawn, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "run")
    space = facespace.load(tmp_path / "run")
    options = {"mixture": {"components": 2}}.get(kind, {} if kind == "normal" else {"steps": 30, "width": 24})
    fitted = "flow" if kind in ("noise-normal", "noise-pairs", "older flow") else kind
    if kind == "older flow":
        options["modulated"] = False
    space.fit_prior(drawn, fitted, **options)
    prior = space.prior(fitted)
    if kind == "noise-normal":
        prior = NoiseNormal.around(prior, torch.arange(5.0) / 5, torch.eye(5) * 0.5, "here")
    if kind == "noise-pairs":
        prior = NoisePairs.around(prior, torch.arange(15.0).reshape(3, 5) / 5, "here")
    monkeypatch.setattr(onnx_files, "_prior", lambda loaded: (kind, prior))
    facespace.export(tmp_path / "run", tmp_path / "onnx", format="onnx")
    width = session(tmp_path / "onnx/prior.onnx").get_inputs()[0].shape[1]
    generator = torch.Generator().manual_seed(5)
    noise = torch.stack([torch.randn(width, generator=generator) for _ in range(7)]).numpy()
    expected = prior.sample(7, generator=torch.Generator().manual_seed(5)).numpy()
    found = run(tmp_path / "onnx", "prior", noise)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(run(tmp_path / "onnx", "prior", noise[:1]), expected[:1], atol=1e-4)
    np.testing.assert_array_equal(run(tmp_path / "onnx", "prior", noise), found)


@needs_onnx
def test_each_file_says_what_it_is(trained, tmp_path):
    import onnx

    facespace.export(trained, tmp_path / "onnx", format="onnx")
    facts = json.loads((tmp_path / "onnx/space.json").read_text(encoding="utf-8"))
    card = bundle.load(trained).card
    assert facts["fingerprint"] == card["fingerprint"] and facts["terms"] == card["data"]["terms"]
    assert facts["template"]["height"] == 16 and facts["prior"]["kind"] == "model"
    assert str(tmp_path) not in (tmp_path / "onnx/space.json").read_text(encoding="utf-8")
    for name in ("encoder", "decoder", "prior"):
        model = onnx.load(tmp_path / f"onnx/{name}.onnx")
        found = {row.key: row.value for row in model.metadata_props}
        assert found["part"] == name and found["fingerprint"] == card["fingerprint"]
        assert json.loads(found["template"]) == facts["template"] and found["terms"] == facts["terms"]
        assert [row.version for row in model.opset_import if not row.domain] == [facts["opset"]]
        assert list(facts["networks"][name]["inputs"]) == [row.name for row in model.graph.input]


@needs_onnx
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_default_space(precision, tmp_path, cli):
    to = tmp_path / "onnx"
    code, out, _ = cli("export", "--format", "onnx", "--to", to, "--precision", precision, "--json")
    facts = json.loads(out)  # nothing but the facts is on stdout
    assert code == 0 and all(row["psnr"] > 45 for row in facts["differences"].values())
    # The encoder's second pass has the decoder in it.
    most = {"fp32": 48e6, "fp16": 25e6, "int8": 14e6}[precision]
    assert sum(facts["bytes"].values()) < most
    space = facespace.load()
    directions, arrays = space.directions(), load_file(to / "directions.safetensors")
    z = space.sample_latents(3, seed=1)
    scores = (z - arrays["center"]) @ arrays["probes"].T
    np.testing.assert_allclose(scores, directions.scores(z), atol=1e-3)
    smiling = json.loads((to / "space.json").read_text())["directions"]["names"].index("Smiling")
    np.testing.assert_allclose(z + 2 * arrays["steps"][smiling], space.edit(z, {"Smiling": 2}), atol=1e-4)


@needs_onnx
@pytest.mark.parametrize(("precision", "share", "least"), [("fp16", 0.5, 60), ("int8", 0.25, 30)])
def test_smaller_weights_change_pictures_little(precision, share, least, tmp_path):
    """Of 32-bit weights, unlike those of the default space."""
    space = saved(recipe("demo").model, tmp_path / "space")
    full = facespace.export(space, tmp_path / "fp32", format="onnx")["bytes"]
    facts = facespace.export(space, tmp_path / "onnx", format="onnx", precision=precision)
    for name in ("encoder.onnx", "decoder.onnx"):
        assert share - 0.01 < facts["bytes"][name] / full[name] < share + 0.05
    found = facts["differences"]
    assert found["decoder"]["psnr"] > least and found["decoder"]["levels"] > 1e-3
    assert 1e-6 < found["encoder"]["latents"] < 0.05


@needs_onnx
def test_a_file_that_computes_something_else_is_not_written(trained, tmp_path, monkeypatch):
    run_graph = onnx_check._run
    monkeypatch.setattr(onnx_check, "_run", lambda *given: run_graph(*given) + 2 / 255)
    with pytest.raises(ExportError, match="encoder differs"):
        facespace.export(trained, tmp_path / "onnx", format="onnx")
    monkeypatch.setattr(onnx_check, "_run", lambda *given: run_graph(*given) * np.nan)
    with pytest.raises(ExportError, match="not all of them finite"):
        facespace.export(trained, tmp_path / "onnx", format="onnx", precision="int8")
    assert not list(tmp_path.iterdir())


@needs_onnx
def test_an_export_replaces_nothing_unasked(trained, cli, tmp_path):
    to = tmp_path / "onnx"
    code, out, _ = cli("export", trained, "--to", to, "--format", "onnx")
    assert code == 0 and "decoder.onnx" in out and "PSNR" in out
    code, _, err = cli("export", trained, "--to", to, "--format", "onnx")
    assert code == 2 and "--force" in err
    code, _, err = cli("export", trained, "--to", to)  # in another format
    assert code == 2 and "other files" in err
    assert cli("export", trained, "--to", to, "--format", "onnx", "--force")[0] == 0


def test_bad_precisions_and_missing_packages_are_refused_with_a_sentence(trained, cli, tmp_path, monkeypatch):
    to = tmp_path / "onnx"
    code, _, err = cli("export", trained, "--to", to, "--format", "onnx", "--precision", "fp8")
    assert code == 2 and "fp32, fp16, int8" in err
    code, _, err = cli("export", trained, "--to", to, "--precision", "fp16")
    assert code == 2 and "--format pytorch writes weights as fp32" in err
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name))
    code, _, err = cli("export", trained, "--to", to, "--format", "onnx")
    assert code == 2 and "pip install" in err and not to.exists()


@needs_onnx
def test_the_example_of_the_docs_needs_neither_torch_nor_facespace(tmp_path):
    """faces64, by the text of docs/onnx.md."""
    facespace.export("faces64", to=tmp_path / "faces64", format="onnx", precision="int8")
    text = (DOCS / "onnx.md").read_text(encoding="utf-8")
    example = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    blocked = "import sys\nsys.modules.update(torch=None, facespace=None)\n"
    check = (
        "\nassert faces.shape == (4, 3, 64, 64) and edited.std() > 0.05 and abs(edited - faces).max() > 0.1\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocked + example + check], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
