"""Playing without torch: the engine of onnxruntime and numpy against that of torch, and the verbs in a process in which
torch and what belongs to the extra `train` cannot be imported."""

import importlib.util
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_bundle_graphs import packed
from test_model_contract import tiny
from test_onnx import saved

import facespace
from facespace.core.errors import BundleError, UsageError
from facespace.core.extras import TRAINING_MODULES, install_command
from facespace.models import array_bundle, bundle, fitted
from facespace.models.prior_facts import STORED_KINDS
from facespace.models.priors import STORED, NoiseNormal, NoisePairs, fitted_prior
from facespace.space.face_space import FaceSpace
from facespace.space.onnx_codec import OnnxCodec

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("onnx") is None or importlib.util.find_spec("onnxruntime") is None,
    reason="onnx and onnxruntime are not installed",
)
# What the verbs below write, or read again.
FILES = ("samples.npy", "latents.npy", "decoded.npy", "edited.npy", "strip.png", "morph.npy", "morph.gif")
FILES += ("reconstruction.png", "mix.png")
NEEDS_TORCH = "needs PyTorch, which is not installed here"


@pytest.fixture
def without_torch(monkeypatch):
    """`facespace.load` takes onnxruntime."""
    monkeypatch.setenv("FACESPACE_ENGINE", "onnxruntime")


def both(folder: Path | None = None) -> tuple[FaceSpace, FaceSpace]:
    """A space on the engine of torch and on that of onnxruntime."""
    codec = OnnxCodec(array_bundle.load(folder))
    return FaceSpace(bundle.load(folder)), FaceSpace(codec.bundle, codec)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    """Faces within 1 level, latents up to rounding."""
    assert found.dtype == expected.dtype and found.shape == expected.shape
    difference = np.abs(found.astype(float) - expected.astype(float)).max()
    assert difference <= (1 if found.dtype == np.uint8 else 1e-4 * max(1.0, np.abs(expected).max()))


def random_prior(kind: str, dim: int):
    """A prior of that kind with random parameters."""
    torch.manual_seed(3)
    base = "flow" if kind.startswith("noise") else kind
    options = {"mixture": {"components": 3}, "normal": {}}.get(base)
    prior = fitted_prior(
        base, dim, {"width": 16, "blocks": 2, "seen": dim - 1} if options is None else options
    )
    if kind in ("mixture", "normal"):
        prior.fit(torch.randn(60, dim) * torch.arange(1, dim + 1) + 1)
        return prior
    for parameter in prior.parameters():
        parameter.data.normal_(0, 0.2)
    prior.center.normal_()
    prior.axes.copy_(torch.linalg.qr(torch.randn(dim, dim))[0])
    prior.spread.uniform_(0.5, 2)
    if kind == "noise-normal":
        prior = NoiseNormal.around(prior, torch.arange(dim) / dim, torch.eye(dim) * 0.5, "here")
    if kind == "noise-pairs":
        prior = NoisePairs.around(prior, torch.randn(3, dim), "here")
    return prior


def test_the_kinds_of_prior_are_those_of_torch():
    assert tuple(STORED) == STORED_KINDS


@pytest.mark.parametrize("kind", [kind for kind in STORED_KINDS if kind != "autoregressive"])
@pytest.mark.parametrize("dim", [5, 24])  # fewer than 16 normal numbers are made in another way
def test_every_prior_gives_torchs_latents(kind, dim, tmp_path):
    config = tiny("demo")
    folder = saved(config.__class__(**{**config.__dict__, "latent_dim": dim}), tmp_path / "space")
    fitted.save_prior(bundle.load(folder), kind, random_prior(kind, dim), {})
    packed(folder, tmp_path / "packed")
    on_torch, on_onnx = both(tmp_path / "packed")
    for temperature in (1.0, 0.6):
        close(
            on_onnx.sample_latents(11, 4, temperature, kind),
            on_torch.sample_latents(11, 4, temperature, kind),
        )
    z = on_torch.sample_latents(11, 4, prior=kind)
    np.testing.assert_array_equal(
        on_onnx.sample_latents(11, 4, prior=kind)[:3], on_onnx.sample_latents(3, 4, prior=kind)
    )
    close(on_onnx.truncate(z, 0.4, kind), on_torch.truncate(z, 0.4, kind))
    assert on_onnx.prior_origin(kind) == on_torch.prior_origin(kind)
    close(on_onnx.mix([(z[:1], 1.0), (z[1:], -0.5)], kind), on_torch.mix([(z[:1], 1.0), (z[1:], -0.5)], kind))
    assert on_onnx.default_path(kind) == on_torch.default_path(kind)
    path = on_torch.default_path(kind)
    # Without an even pace, whose places are found from faces that are rounded.
    options = {"frames": 9, "path": path, "pace": "uniform", "prior": kind}
    close(on_onnx.morph_latents(z[:3], **options), on_torch.morph_latents(z[:3], **options))


@pytest.mark.parametrize("name", ["demo", "lfw-mlp", "vq", "hierarchical", "yearbook-ae"])
def test_spaces_of_several_kinds(name, tmp_path):
    packed(saved(tiny(name), tmp_path / "space"), tmp_path / "packed")
    on_torch, on_onnx = both(tmp_path / "packed")
    close(on_onnx.sample(3, seed=2, prior="model"), on_torch.sample(3, seed=2, prior="model"))
    faces = on_torch.sample(2, seed=5, prior="model")
    assert on_onnx.image_shape == on_torch.image_shape and on_onnx.latent_dim == on_torch.latent_dim
    if name != "vq":  # rounding may choose another code
        close(on_onnx.encode(faces), on_torch.encode(faces))


def test_a_space_with_conditions(told, tmp_path):
    packed(told, tmp_path / "packed")
    on_torch, on_onnx = both(tmp_path / "packed")
    for given in ({}, {"Hat": 1}, {"Hat": -1, "smile": 1}):
        close(on_onnx.sample(3, conditions=given), on_torch.sample(3, conditions=given))
    faces = on_torch.sample(2)
    close(on_onnx.reconstruct(faces, {"Hat": 1}), on_torch.reconstruct(faces, {"Hat": 1}))
    with pytest.raises(UsageError, match="no condition 'Cap'"):
        on_onnx.sample(1, conditions={"Cap": 1})


def test_the_default_space():
    on_torch, on_onnx = both()
    close(on_onnx.sample(3, seed=1), on_torch.sample(3, seed=1))
    given = {"Smiling": 1.0, "Male": -1.0}
    for guidance in (1.0, 2.5):
        options = {"conditions": given, "guidance": guidance}
        close(on_onnx.sample(2, **options), on_torch.sample(2, **options))
    z = on_torch.sample_latents(2)
    edits, lock = {"Smiling": 2.0, "Eyeglasses": "1g"}, ["Young"]
    close(on_onnx.edit(z, edits, lock), on_torch.edit(z, edits, lock))
    np.testing.assert_array_equal(on_onnx.stored_latents, on_torch.stored_latents)
    with pytest.raises(UsageError, match=r"no conditions|Unknown condition"):
        on_onnx.sample(1, conditions={"Sneezing": 1})
    with pytest.raises(UsageError, match="PyTorch"):
        _ = on_onnx.model


def test_a_bundle_without_graphs_says_what_opens_it(lively, without_torch):
    with pytest.raises(BundleError, match=r"has no ONNX graphs.*pip install.*facespace pack"):
        facespace.load(lively)


def test_the_engine_is_named_or_found(monkeypatch):
    assert array_bundle.engine() == "torch"
    monkeypatch.setenv("FACESPACE_ENGINE", "onnxruntime")
    assert array_bundle.engine() == "onnxruntime"
    monkeypatch.setenv("FACESPACE_ENGINE", "tensorflow")
    with pytest.raises(UsageError, match="Unknown FACESPACE_ENGINE 'tensorflow'"):
        array_bundle.engine()
    monkeypatch.delenv("FACESPACE_ENGINE")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert array_bundle.engine() == "onnxruntime"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match="onnxruntime is not installed"):
        array_bundle.engine()


# One process that cannot import what the extra `train` installs, and runs lines of words, one verb each.
PROCESS = """
import json, sys
for name in json.loads(sys.argv[1]):
    sys.modules[name] = None
from facespace.cli import run
for line in sys.stdin:
    print("CODE", run(json.loads(line)), flush=True)
"""


def verbs(lines: list[list[object]]) -> list[tuple[int, str]]:
    """The exit code and the text of each verb, stdout and stderr."""
    blocked = json.dumps([*TRAINING_MODULES, "onnx"])
    found = subprocess.run(
        [sys.executable, "-c", PROCESS, blocked],
        input="".join(json.dumps([str(word) for word in line]) + "\n" for line in lines),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    parts = found.stdout.split("CODE ")
    results = [(int(after[0]), text) for text, after in itertools.pairwise(parts)]
    texts = [results[0][1], *(part.partition("\n")[2] for part in parts[1:-1])]
    assert len(results) == len(lines), found.stdout
    return [(code, text) for (code, _), text in zip(results, texts)]


def test_the_verbs_play_without_torch(tmp_path, cli):
    photo = tmp_path / "photo.png"
    Image.fromarray(facespace.load().sample(1, seed=7)[0]).save(photo)
    plays: list[list[object]] = [
        ["sample", "-n", 3, "--condition", "Smiling=yes", "--guidance", 2, "--to", "samples.npy"],
        ["encode", photo, "--to", "latents.npy"],
        ["decode", "latents.npy", "--to", "decoded.npy"],
        ["edit", photo, "--set", "Smiling=1g", "--lock", "Young", "--to", "edited.npy"],
        ["edit", photo, "--set", "Smiling=0", "--strip", "-2:2:3", "--to", "strip.png"],
        ["morph", "--random", 2, "--frames", 4, "--to", "morph.npy"],
        ["morph", "--random", 2, "--frames", 4, "--to", "morph.gif"],
        ["reconstruct", photo, "--to", "reconstruction.png"],
        ["mix", "--plus", photo, "--minus", "latents.npy", "--to", "mix.png"],
    ]
    others = [
        ["card", "faces64"],
        ["recipes"],
        ["recipes", "faces64"],
        ["runs", tmp_path],
        ["--help"],
        ["doctor"],
    ]
    refused: list[list[object]] = [
        ["edit", photo, "--set", "Smiling=on", "--to", tmp_path / "on.png"],
        ["morph", "--random", 2, "--path", "geodesic", "--frames", 4, "--to", tmp_path / "geodesic.gif"],
        ["sample", "--keep", 0.5, "--to", tmp_path / "kept.png"],
        ["train", "demo", "--data", tmp_path, "--to", tmp_path / "run"],
    ]

    def placed(folder: str) -> list[list[object]]:
        (tmp_path / folder).mkdir()
        return [[tmp_path / folder / word if word in FILES else word for word in line] for line in plays]

    without = verbs([*placed("without"), *others, *refused])
    for (code, text), line in zip(without, [*plays, *others]):
        assert code == 0 and "Traceback" not in text, (line, text)
    for code, text in without[len(plays) + len(others) :]:
        assert code != 0 and "Traceback" not in text and "PyTorch" in text and "pip install" in text, text
    for line in placed("torch"):
        code, _, err = cli(*line)
        assert code == 0, err
    for file in sorted((tmp_path / "torch").iterdir()):
        other = tmp_path / "without" / file.name
        if file.suffix == ".npy":
            close(np.load(other), np.load(file))
        else:
            assert Image.open(other).size[0] > 0
    code, text = without[-1]
    assert code == 1 and NEEDS_TORCH in text and install_command("train") in text
