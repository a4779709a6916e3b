"""The driver of the long training: slices that end, go on, and leave a bundle that opens."""

import importlib.util
import json
from pathlib import Path

import pytest

import facespace
from facespace.core.console import quiet

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "long_run.py"
SMALL = (
    "train.epochs=1",
    "train.batch=16",
    "train.warmup=2",
    "train.ema_half_life=100",
    "model.latent_dim=6",
    "model.decoder_blocks=1",
    "objective.features=attributes",
    "objective.identity=0",
    "data.balance={}",
)


@pytest.fixture(scope="module")
def driver():
    spec = importlib.util.spec_from_file_location("long_run", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_slices_go_on_from_stage_to_stage_and_leave_a_bundle(driver, tmp_path):
    with quiet():
        sets = {
            size: facespace.prepare("synthetic", to=tmp_path / str(size), size=size, limit=60, workers=1).root
            for size in (32, 64)
        }
    widths = {32: "model.widths=6,8,8,8", 64: "model.widths=4,6,8,8,8"}

    def go(size: int, minutes: float) -> dict:
        with quiet():
            return driver.next_slice(
                tmp_path / "runs", sets, minutes, "cpu", [*SMALL, widths[size]], {"steps": 2}
            )

    first = go(32, 1e-9)
    assert first["stage"] == "grow32" and first["paused"] and 1 <= first["step"] < first["steps"]
    assert facespace.load(tmp_path / "runs" / "packed").sample(2).shape == (2, 32, 32, 3)
    assert json.loads((tmp_path / "runs" / "packed" / "card.json").read_text())["packed"]["bits"] == 8
    assert go(32, 10)["stage"] == "grow32" and driver.finished(tmp_path / "runs" / "grow32")
    assert go(64, 10)["stage"] == "grow64"
    started = facespace.load(tmp_path / "runs" / "grow64").card["started_from"]
    assert started == facespace.load(tmp_path / "runs" / "grow32").card["fingerprint"]
    assert go(64, 10)["stage"] == "prior"
    assert "flow" in facespace.load(tmp_path / "runs" / "packed").card["priors"]
