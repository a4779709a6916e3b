"""What the tests share: a small set of drawn faces, a small trained run, and the real faces where they are at hand."""

import builtins
import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

# Before torch is loaded: the tests run side by side, and small networks gain nothing from threads that fight over cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from PIL import Image

import facespace
from facespace.cli import run as run_cli
from facespace.core.console import quiet
from facespace.data.faces import FaceSet
from facespace.explorer import photos as photos_module
from facespace.explorer import statistics
from facespace.explorer.photos import Photos
from facespace.image.detectors import Haar
from facespace.models import autoregressive, bundle, flow
from facespace.models.export import pack
from facespace.report import charts
from facespace.training import loop
from facespace.training.run_log import CURVES, RunLogger, loss_panels

# Test functions that `make check` leaves out: those that take longest. Written by `python tests/slow.py FILE`.
SLOW = Path(__file__).with_name("slow.txt")
# And those that `make test` leaves out too, the longest: `make soak` runs them.
SOAK = Path(__file__).with_name("soak.txt")

# A file to which each test appends `seconds name`: the processor time of its process and of the children that ended
# meanwhile, with setup and teardown. Unlike the time of the clock it depends little on what else the machine does.
PROCESSOR_TIME = os.environ.get("FACESPACE_TEST_TIMES")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the functions that SLOW and SOAK list, and leaves out the latter, and parameters that are marked so, where
    neither -m soak nor their own name asks for them."""
    slow, soak = (set(path.read_text(encoding="utf-8").split()) for path in (SLOW, SOAK))
    asked = "soak" in config.getoption("markexpr")
    left, kept = [], []
    for item in items:
        name = item.nodeid.split("[")[0]
        if name in slow | soak:
            item.add_marker(pytest.mark.slow)
        if name in soak:
            item.add_marker(pytest.mark.soak)
        takes_long = item.get_closest_marker("soak") is not None
        named = any(name.partition("::")[2] in word for word in config.args)
        (left if takes_long and not asked and not named else kept).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Writes what a test took, where PROCESSOR_TIME asks for it."""
    start = sum(os.times()[:4])
    result = yield
    if PROCESSOR_TIME:
        with Path(PROCESSOR_TIME).open("a", encoding="utf-8") as file:
            file.write(f"{sum(os.times()[:4]) - start:.2f} {item.nodeid}\n")
    return result


# Makes any recipe small enough for a test: 16 px faces, few units.
# They fit no prior at the end, which tests/test_final_prior.py looks at.
SIZES = ("model.image=3,16,16", "model.latent_dim=5", "model.widths=8,12", "train.batch=8", "train.epochs=2")
TINY = (*SIZES, "train.prior=none")


draw_curves = RunLogger.draw_curves


@pytest.fixture(scope="session", autouse=True)
def undrawn_curves() -> Iterator[None]:
    """Runs of this process lay out their curves but leave an empty picture: to render text and axes takes several
    times as long as the training of a tiny model. Kept real in `trained` and `told`, and in every process of its own."""

    def lay_out(log: RunLogger) -> None:
        charts.curves(loss_panels(log.records), "step")
        Image.new("L", (8, 8)).save(log.run / CURVES)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunLogger, "draw_curves", lay_out)
        yield


@pytest.fixture(scope="session", autouse=True)
def remembered_landmarks() -> Iterator[None]:
    """What the older detector finds in the samples of a space is looked for once in this process: every server that a
    test starts asks for it again, for the same few tiny spaces."""
    find, known = Photos._own_points, {}

    def remember(photos: Photos, face: np.ndarray) -> np.ndarray | None:
        if type(photos._detector) is not Haar:
            return find(photos, face)
        key = (photos.space.template, face.tobytes())
        if key not in known:
            known[key] = find(photos, face)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Photos, "_own_points", remember)
        yield


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """A prepared set of 60 drawn faces of 16 px."""
    to = tmp_path_factory.mktemp("sets") / "drawn"
    with quiet():
        facespace.prepare("synthetic", to=to, size=16, limit=60, workers=1)
    return to


@pytest.fixture(scope="session")
def trained(drawn, tmp_path_factory) -> Path:
    """A finished tiny run on the drawn faces. Tests must not change it."""
    to = tmp_path_factory.mktemp("runs") / "tiny"
    with pytest.MonkeyPatch.context() as patch, quiet():
        patch.setattr(RunLogger, "draw_curves", draw_curves)
        facespace.train("demo", drawn, to, settings=TINY, trackers=["none"])
    return to


@pytest.fixture(scope="session")
def lively(drawn, tmp_path_factory) -> Path:
    """A tiny autoencoder that has learned enough for its faces to differ. Tests must not change it."""
    to = tmp_path_factory.mktemp("runs") / "lively"
    ways = (
        "model.bottleneck=deterministic",
        "model.likelihood=mse",
        "objective.weights={}",
        "train.epochs=40",
        "train.learning_rate=0.005",
    )
    with quiet():
        facespace.train("demo", drawn, to, settings=(*TINY, *ways), trackers=["none"])
    return to


@pytest.fixture(scope="session")
def flowing(lively, drawn, tmp_path_factory) -> Path:
    """A packed space whose default prior is a flow that knows the attributes smile and Hat, drawn from at temperature 0.5 and,
    under conditions, guidance 4; it has a Gaussian too. Tests must not change it."""
    run = shutil.copytree(lively, tmp_path_factory.mktemp("flowing") / "run")
    card = run / "best" / "card.json"
    with quiet():
        space, faces = facespace.load(run), FaceSet(drawn)
        space.fit_prior(faces, "flow", "train", conditions=["smile", "Hat"], steps=150, width=32)
        space.fit_prior(faces, "normal", "train")
        fields = json.loads(card.read_text())
        fields["priors"]["flow"]["preferred"] = True  # so small a one may not beat the model's own prior
        card.write_text(json.dumps(fields))
        to = run.with_name("flowing")
        pack(bundle.load(run), to, sampling={"temperature": 0.5, "guidance": 4.0})
    return to


@pytest.fixture(scope="session")
def told(drawn, tmp_path_factory) -> Path:
    """A finished tiny run whose model is told two attributes. Tests must not change it."""
    to = tmp_path_factory.mktemp("runs") / "told"
    with pytest.MonkeyPatch.context() as patch, quiet():
        patch.setattr(RunLogger, "draw_curves", draw_curves)
        facespace.train("demo", drawn, to, settings=(*TINY, "model.conditions=Hat,smile"), trackers=["none"])
    return to


@pytest.fixture(scope="session")
def site(lively, told, tmp_path_factory) -> Path:
    """The folder of a published site (published.py, whose imports need a browser). Here, so that it is made once: a fixture
    that test files import is made for each of them."""
    from published import publish_site

    return publish_site(lively, told, tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real faces that FACESPACE_DATA names; such a test is skipped where it names none."""
    root = os.environ.get("FACESPACE_DATA")
    if not root:
        pytest.skip("FACESPACE_DATA names no folder of real faces")
    if not Path(root).is_dir():
        pytest.fail(f"FACESPACE_DATA names {root}, which is no folder.")
    return Path(root).resolve()


@pytest.fixture
def photos(drawn, tmp_path):
    """Three drawn faces as picture files."""
    paths = []
    for index, face in enumerate(FaceSet(drawn).images[:3]):
        paths.append(tmp_path / f"photo{index}.png")
        Image.fromarray(face).save(paths[-1])
    return paths


@pytest.fixture
def cli(capsys):
    """Runs one command line; gives (exit code, stdout, stderr)."""

    def call(*tokens: object) -> tuple[int, str, str]:
        code = run_cli([str(token) for token in tokens])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@contextlib.contextmanager
def pressed_after(steps: int, monkeypatch) -> Iterator[None]:
    """Ctrl-C is pressed after so many looks of the training loop, and the block must end with it."""
    presses = iter([None] * steps + [KeyboardInterrupt()] * 50)

    class Gently:
        def __enter__(self):
            return lambda: next(presses)

        def __exit__(self, *_):
            pass

    with monkeypatch.context() as patch:
        patch.setattr(loop, "graceful_shutdown", Gently)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.fixture(scope="module")
def few_samples() -> Iterator[None]:
    """The explorer looks for landmarks in 4 samples of a space instead of 12, each of which takes the detector a
    second, and measures a space by 600 draws of its flow instead of 3,000, which take a busy core half a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photos_module, "SAMPLES", 4)
        patch.setattr(statistics, "DRAWS", 600)
        yield


@pytest.fixture
def large_batches(monkeypatch):
    """Fitted priors draw up to 1,000 samples at once instead of a few: for statistics of many."""
    monkeypatch.setattr(flow, "CHUNK", 1_000)
    monkeypatch.setattr(autoregressive, "CHUNK", 1_000)


@pytest.fixture
def no_package(monkeypatch):
    """The package imageio-ffmpeg is not installed."""
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "imageio_ffmpeg":
            raise ImportError("No module named 'imageio_ffmpeg'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
