"""What the tests share: a small set of drawn faces, a small trained run, and the real faces where they are at hand."""

import builtins
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

# Before torch is loaded: the tests run side by side, and small networks gain nothing from threads that fight over cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from PIL import Image

import facespace
from facespace.cli import run as run_cli
from facespace.core.console import quiet
from facespace.data.faces import FaceSet
from facespace.training import loop

# Test functions that `make check` leaves out: those that take longest. Written by `python tests/slow.py LOG`.
SLOW = Path(__file__).with_name("slow.txt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the functions that SLOW lists."""
    slow = set(SLOW.read_text(encoding="utf-8").split())
    for item in items:
        if item.nodeid.split("[")[0] in slow:
            item.add_marker(pytest.mark.slow)


# Makes any recipe small enough for a test: 16 px faces, few units.
# They fit no prior at the end, which tests/test_final_prior.py looks at.
SIZES = ("model.image=3,16,16", "model.latent_dim=5", "model.widths=8,12", "train.batch=8", "train.epochs=2")
TINY = (*SIZES, "train.prior=none")


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
    with quiet():
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
def told(drawn, tmp_path_factory) -> Path:
    """A finished tiny run whose model is told two attributes. Tests must not change it."""
    to = tmp_path_factory.mktemp("runs") / "told"
    with quiet():
        facespace.train("demo", drawn, to, settings=(*TINY, "model.conditions=Hat,smile"), trackers=["none"])
    return to


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real faces; such a test is skipped where there is none, and fails in CI."""
    root = os.environ.get("FACESPACE_DATA")
    if root and Path(root).is_dir():
        return Path(root).resolve()
    if os.environ.get("CI"):
        pytest.fail("FACESPACE_DATA must name the folder of real faces here")
    pytest.skip("FACESPACE_DATA does not name a folder of real faces")


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


@pytest.fixture
def no_package(monkeypatch):
    """The package imageio-ffmpeg is not installed."""
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "imageio_ffmpeg":
            raise ImportError("No module named 'imageio_ffmpeg'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
