"""benchmarks/gpu.py at small size on the CPU, so that on a GPU nothing but the device is new."""

import argparse
import importlib.util
import json
import math
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


@pytest.fixture
def gpu():
    spec = importlib.util.spec_from_file_location("gpu_benchmark", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_run_measures_everything(gpu, monkeypatch, tmp_path, capsys):
    def here(name, given, **more):  # not in a process of its own, each of which would load torch
        return argparse.Namespace(name=name, given=argparse.Namespace(**{**vars(given), "number": 0, **more}))

    monkeypatch.setattr(gpu, "start", here)
    monkeypatch.setattr(gpu, "result", lambda turn: gpu.MEASUREMENTS[turn.name](turn.given))
    to = tmp_path / "gpu.json"
    words = "--device cpu --recipes celebamask-conv --turns 1 --seconds 0.05 --files 24 --batch 8 --largest 16 --side 64"
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words.split(), "--to", str(to)])
    gpu.main()
    (found,) = json.loads(to.read_text())["recipes"]
    assert set(found["rates"]) == {"plain", "ours", *gpu.STEPS}
    assert all(rate > 0 and math.isfinite(rate) for rate in found["rates"].values())
    assert all(share > 0 for share in found["share_of_limit"].values())
    assert found["largest"] | {"memory": 0} == {"batch": 16, "bounded": True, "memory": 0}
    assert found["losses"]["worst"] == 0 and found["losses"]["agree"]  # the same device twice
    assert found["losses"]["last"] < found["losses"]["first"]
    said = capsys.readouterr().out
    assert "largest batch 16 (the largest that was tried)" in said and "agree with the CPU's" in said


def test_losses_that_differ_are_found(gpu, monkeypatch):
    losses = {"cuda": [100.0, 99.0], "cpu": [100.0, 98.0]}
    monkeypatch.setattr(gpu, "measured", lambda name, given, device="cuda": {"losses": losses[device]})
    found = gpu.compared(argparse.Namespace())
    assert not found["agree"] and found["worst"] == pytest.approx(1 / 98)


def test_a_measurement_is_a_process_of_its_own(gpu, tmp_path):
    given = argparse.Namespace(device="cpu", side=32, recipe="", batch=0, folder=tmp_path)
    found = gpu.measured("limit", given)
    assert set(found) == {"fp32", "bf16"} and min(found.values()) > 0
