"""The explorer and publish in a process that can import nothing of the extra `train`: every request of a page is
answered as with torch, or says in one sentence what it needs; and which verbs import what."""

import gzip
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from explorer_help import serving
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import roc_auc_score
from test_bundle_graphs import packed
from test_model_contract import tiny
from test_onnx import saved
from test_without_torch import both, close, random_prior

from facespace.core.extras import TRAINING_MODULES, install_command
from facespace.explorer.engine import without_torch
from facespace.formats.onnx_modules import sampler_of as torch_sampler
from facespace.latent import direction_methods
from facespace.latent.components import principal_components
from facespace.latent.ranking import roc_auc
from facespace.latent.tsne import tsne
from facespace.models import bundle, fitted, graphs, locations
from facespace.models.prior_facts import STORED_KINDS
from facespace.space.gaussian_guides import guide_of, own_gaussian
from facespace.space.onnx_sampler import sampler_of
from facespace.space.traversal import influence

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("onnx") is None or importlib.util.find_spec("onnxruntime") is None,
    reason="onnx and onnxruntime are not installed",
)
RANDOM = np.random.default_rng(5)
# A process without what the extra train installs.
BLOCKED = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in [*TRAINING_MODULES, "onnx"])
PAGE = """
import hashlib, json, os, sys
from pathlib import Path
import numpy as np
from facespace.core.errors import FacespaceError
from facespace.explorer import handlers, photos, statistics
from facespace.explorer.calls import Page
from facespace.explorer.engine import Engine
from facespace.explorer.messages import Request
from facespace.explorer.publishing import publish, runtime
from facespace.space.face_space import load

space, to, package = map(Path, sys.argv[1:])
photos.SAMPLES = 4
statistics.MAPPED, statistics.REENCODED, statistics.DRAWS = (40, 40), (60, 60), 60
engine, page = Engine(load(space), "played"), Page()
payloads = {}
found = {}

def ask(request, payload=b"", key=None, **fields):
    try:
        header, content = handlers.answer(engine, Request(0, request, fields, memoryview(payload)), page)
        payloads[key or request] = np.frombuffer(bytes(content), np.uint8)
        found[key or request] = json.loads(json.dumps(header))
    except FacespaceError as error:
        found[key or request] = str(error)
    return payloads.get(key or request)

channels, height, width = engine.space.image_shape
size = 4 * engine.space.latent_dim
z = ask("random", count=3, seed=2).tobytes()[: 3 * size]
picture = np.zeros((height, width, 4), np.uint8)
picture[4:9, 4:9] = 200, 120, 40, 255
shape = {"width": width, "height": height}
points = [[4, 5], [11, 5], [8, 8], [5, 12], [11, 12]]
ask("facts")
engine.wait()
ask("decode", z)
ask("mean")
ask("encode", picture.tobytes(), **shape)
ask("statistics")
ask("directions")
ask("map", key="map pca", method="pca")
ask("map", key="map tsne", method="tsne")
ask("face_score", z[:size])
ask("detect", picture.tobytes(), find=False, **shape)
ask("align", points=points)
ask("path", z, frames=5, interpolation="spherical")
ask("path", z, key="geodesic", frames=5, interpolation="geodesic")
ask("export_animation", z, frames=4, format="gif")
ask("fit_direction", z * 4, name="squint", positive=5)  # other faces in both groups
ask("paint", z[:size] + picture.tobytes(), **shape)
ask("edit", z[:size], name="Smiling", on=True)
ask("tune", points=points)
engine.stop()
np.savez(to / "page.npz", **payloads)
runtime.CHECKSUMS = {
    name: hashlib.sha256((package / name).read_bytes()).hexdigest() for name in runtime.CHECKSUMS
}
publish.publish([space], to / "site", package)
publish.publish([space], to / "site.html", package, single=True)
try:
    publish.publish([space], to / "other", package, precision="fp32")
except FacespaceError as error:
    found["precision"] = str(error)
print("FOUND", json.dumps(found))
"""


@pytest.fixture(scope="module")
def played(lively, tmp_path_factory) -> Path:
    """A packed space with graphs and a mixture."""
    to = tmp_path_factory.mktemp("played") / "space"
    fitted_to = to.parent / "fitted"
    shutil.copytree(locations.find(lively), fitted_to)
    loaded = bundle.load(fitted_to)
    facts = {"preferred": True, "nats": {"validation": {"fitted": 1.0, "model": 0.0}}}
    fitted.save_prior(loaded, "mixture", random_prior("mixture", fitted.latent_size(loaded)), facts)
    packed(fitted_to, to)
    return to


@pytest.fixture(scope="module")
def blocked(played, tmp_path_factory):
    """What such a process answers to a page, and the folder with its payloads and its site."""
    to, package = tmp_path_factory.mktemp("blocked"), tmp_path_factory.mktemp("npm")
    for name, content in {"ort.wasm.bundle.min.mjs": b"var n=1;export{n as InferenceSession};\n"}.items():
        (package / name).write_bytes(content + b"//# sourceMappingURL=x.map")
    (package / "ort-wasm-simd-threaded.wasm").write_bytes(b"\0asm" + bytes(99))
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + PAGE, played, to, package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "FOUND" in done.stdout, done.stderr
    return json.loads(done.stdout.partition("FOUND")[2]), to


def test_a_page_is_answered_as_with_torch(blocked, played):
    found, to = blocked
    payloads = np.load(to / "page.npz")
    on_torch, _ = both(played)
    z = on_torch.sample_latents(3, seed=2, prior="model")
    count = z.nbytes
    close(np.frombuffer(payloads["random"][:count].tobytes(), np.float32).reshape(z.shape), z)
    rgba = payloads["decode"].reshape(3, *on_torch.image_shape[1:], 4)
    close(rgba[..., :3], np.broadcast_to(np.asarray(on_torch.decode(z)), rgba[..., :3].shape))
    path = np.frombuffer(payloads["path"].tobytes(), np.float32).reshape(5, -1)
    close(path, on_torch.morph_latents(z, frames=5, path="spherical"))
    answered = ("facts", "mean", "encode", "map pca", "map tsne", "align", "export_animation", "paint")
    for name in (*answered, "fit_direction", "detect", "face_score", "directions"):
        assert isinstance(found[name], dict), (name, found[name])
    assert found["statistics"]["stage"] == 2 and found["statistics"]["failed"] == ""
    assert found["facts"]["parameters"] == on_torch.parameter_count
    assert found["paint"]["cancelled"] is False and found["facts"]["tunable"] is False


def test_a_page_without_torch_says_what_needs_it(blocked):
    found, _ = blocked
    assert found["facts"]["unavailable"] == without_torch()
    assert set(without_torch()) == {"edit", "tune", "geodesic"}
    for name in ("edit", "tune", "geodesic"):
        assert "PyTorch" in found[name] and install_command("train") in found[name]
    assert "takes PyTorch" in found["precision"]


def test_a_site_that_was_published_without_torch_has_networks_that_play(blocked, played):
    _, to = blocked
    site = json.loads((to / "site/site.json").read_text())["spaces"][0]
    assert site["precision"] == "int8" and site["priors"]["mixture"]["mixture"] is True
    on_torch, _ = both(played)
    folder = to / "site" / site["folder"]

    def session(name: str):
        return onnxruntime.InferenceSession(gzip.decompress((folder / f"{name}.onnx.gz").read_bytes()))

    noise = RANDOM.standard_normal((4, site["priors"]["mixture"]["noise"])).astype(np.float32)
    z = session("prior").run(None, {"noise": noise})[0]
    faces = session("decoder").run(None, {"latents": z})[0]
    np.testing.assert_allclose(faces, on_torch.images(z), atol=1 / 255)
    close(
        session("encoder").run(None, {"faces": faces})[0], on_torch.codec.bundle and encoded(on_torch, faces)
    )
    assert (to / "site.html").stat().st_size > 100_000


def encoded(space, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return space.model.encode(torch.from_numpy(images)).mean.flatten(1).numpy()


@pytest.mark.parametrize("kind", [kind for kind in STORED_KINDS if kind != "autoregressive"])
def test_every_prior_is_one_model_of_its_noise(kind, tmp_path):
    config = tiny("demo")
    folder = saved(config.__class__(**{**config.__dict__, "latent_dim": 6}), tmp_path / "space")
    fitted.save_prior(bundle.load(folder), kind, random_prior(kind, 6), {})
    packed(folder, tmp_path / "packed")
    on_torch, on_onnx = both(tmp_path / "packed")
    made = sampler_of(on_onnx.codec, kind)
    expected = torch_sampler(on_torch.model, on_torch.prior(kind))
    assert made.noise == expected.noise
    noise = RANDOM.standard_normal((5, made.noise)).astype(np.float32)
    with torch.inference_mode():
        latents = expected.forward(torch.from_numpy(noise)).numpy()
    session = graphs.session_of(made.content)
    if kind == "normal":  # whose root has signs that differ between libraries
        latents = session.run(None, {"noise": noise[:1]})[0]
        noise = noise[:1]
    close(session.run(None, {"noise": noise})[0], latents)


@pytest.mark.parametrize("name", ["demo", "yearbook-ae", "vq"])
def test_facts_that_need_no_model(name, tmp_path):
    packed(saved(tiny(name), tmp_path / "space"), tmp_path / "packed")
    on_torch, on_onnx = both(tmp_path / "packed")
    assert on_onnx.parameter_count == on_torch.parameter_count
    assert on_onnx.is_fitted("model") == on_torch.is_fitted("model")
    assert on_onnx.has_codes == on_torch.has_codes == (name == "vq")
    if name == "vq":
        return
    z, moves = on_torch.sample_latents(2, prior="model"), np.eye(on_torch.latent_dim)[:3]
    np.testing.assert_allclose(influence(on_onnx, z, moves), influence(on_torch, z, moves), atol=1e-4)
    guides = [guide_of(space) for space in (on_torch, on_onnx)]
    assert (guides[0].covariance is None) == (guides[1].covariance is None)
    np.testing.assert_allclose(guides[1].scale, guides[0].scale, rtol=0.2)
    if guides[0].covariance is not None:
        np.testing.assert_allclose(guides[1].covariance, guides[0].covariance, atol=1e-4)
    own = [own_gaussian(space) for space in (on_torch, on_onnx)]
    if name == "demo":
        assert own == [None, None]
    else:
        close(own[1].root, own[0].root)


# Mathematics that took scikit-learn


def test_ridge_and_auc_are_those_of_sklearn():
    x = RANDOM.standard_normal((300, 12))
    signs = np.sign(x[:, :2] + RANDOM.standard_normal((300, 2)))
    for vector, column in zip(direction_methods.ridge_probe(x, signs), signs.T):
        weight = np.where(column > 0, 1 / (column > 0).sum(), 1 / (column < 0).sum()) * len(x) / 2
        expected = Ridge(alpha=direction_methods.RIDGE * 10).fit(x, column, sample_weight=weight).coef_
        np.testing.assert_allclose(vector, expected, atol=1e-10)
    together = Ridge(alpha=direction_methods.RIDGE).fit(signs - signs.mean(0), x).coef_.T
    np.testing.assert_allclose(direction_methods.decorrelated(x, signs), together, atol=1e-10)
    yes, scores = signs[:, 0] > 0, RANDOM.integers(0, 9, 300)  # with ties
    assert roc_auc(yes, scores) == pytest.approx(roc_auc_score(yes, scores), abs=1e-12)


def test_the_map_of_the_page_keeps_neighbours_as_sklearns_does():
    centers = 6 * RANDOM.standard_normal((5, 10))
    z = (centers[RANDOM.integers(0, 5, 200)] + RANDOM.standard_normal((200, 10))).astype(np.float32)
    found = tsne(z)
    expected = TSNE(init="pca", perplexity=30, random_state=0).fit_transform(z)
    trust = [trustworthiness(z, places, n_neighbors=10) for places in (found, expected)]
    assert trust[0] > trust[1] - 0.03 > 0.8
    np.testing.assert_array_equal(found, tsne(z))
    assert np.isfinite(tsne(np.repeat(z[:4], 3, 0))).all() and np.isfinite(tsne(z[:20, :1])).all()
    assert np.isfinite(tsne(np.zeros((9, 3)))).all()


def test_components_of_fewer_faces_than_latents():
    z = RANDOM.standard_normal((4, 7))
    found = principal_components(z)
    np.testing.assert_allclose(found.transform(z) @ found.axes + found.mean, z, atol=1e-10)
    assert (
        found.shares.sum() == pytest.approx(1)
        and np.isnan(principal_components(np.ones((3, 2))).shares).all()
    )


# What is imported

HEAVY = ("torch", "sklearn", "scipy", "matplotlib", "accelerate", "torchmetrics", "onnx", "dask")
WATCH = """
import json, sys
from facespace.cli import run
for line in sys.stdin:
    code = run(json.loads(line))
    print("CODE", json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), flush=True)
"""


def imported(environment: dict[str, str], *lines: list[object]) -> list[set[str]]:
    """What is imported once each verb has run, one after another in one process."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH],
        input="".join(json.dumps([str(word) for word in line]) + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    found = []
    for line in done.stdout.splitlines():
        if line.startswith("CODE"):
            code, names = json.loads(line[4:])
            assert code == 0, done.stderr
            found.append(set(names))
    assert len(found) == len(lines)
    return found


def test_what_only_reads_imports_no_engine(tmp_path):
    lines = [["--help"], ["recipes"], ["runs", tmp_path], ["card", "faces64"]]
    for line, names in zip(lines, imported({}, *lines)):
        assert not names & {*HEAVY, "onnxruntime", "PIL", "starlette", "uvicorn", "huggingface_hub"}, line
        assert "numpy" not in names or line[0] == "card"


def test_playing_imports_nothing_of_the_extra_train(tmp_path, played):
    lines = [
        ["sample", "-n", 1, "--to", tmp_path / "faces.npy"],
        ["edit", tmp_path / "faces.npy", "--set", "Smiling=1", "--to", tmp_path / "edited.npy"],
        ["morph", "--random", 2, "--frames", 3, "--to", tmp_path / "morph.gif"],
    ]
    lines[1] = ["encode", save_face(tmp_path), "--to", tmp_path / "latents.npy"]
    lines.append(["edit", tmp_path / "latents.npy", "--set", "Smiling=1", "--to", tmp_path / "edited.npy"])
    for line, names in zip(lines, imported({"FACESPACE_ENGINE": "onnxruntime"}, *lines)):
        assert not names & set(HEAVY), (line, names & set(HEAVY))
        assert not names & {"starlette", "uvicorn", "huggingface_hub"}, line


def save_face(folder: Path) -> Path:
    path = folder / "face.png"
    Image.fromarray(RANDOM.integers(0, 256, (128, 128, 3), np.uint8)).save(path)
    return path


def test_the_explorer_starts_without_torch(tmp_path, monkeypatch, played):
    (tmp_path / "sitecustomize.py").write_text(BLOCKED)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(direction_methods.__file__).parents[2]}")
    with serving(played) as (_, address):
        assert address.startswith("http://127.0.0.1")
