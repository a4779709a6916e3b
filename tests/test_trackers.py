"""Experiment trackers: the figures and images that they get, and the error where one is not installed."""

import importlib.util
import json
import time

import pytest
from accelerate import tracking
from conftest import TINY

import facespace
from facespace.core.console import quiet
from facespace.core.errors import UsageError


def test_tensorboard_is_on_where_it_is_installed(drawn, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with quiet():
        facespace.train("demo", drawn, tmp_path / "r", settings=TINY)
        facespace.train("demo", drawn, tmp_path / "none", settings=TINY, trackers=["none"])
    assert not (tmp_path / "none/tensorboard").exists()
    events = EventAccumulator(str(tmp_path / "r/tensorboard"))
    events.Reload()
    lines = [json.loads(line) for line in (tmp_path / "r/metrics.jsonl").read_text().splitlines()]
    shown = [(event.step, event.value) for event in events.Scalars("loss/validation")]
    assert shown == [(line["step"], pytest.approx(line["validation"]["loss"])) for line in lines]
    assert [image.step for image in events.Images("samples")] == [line["step"] for line in lines]
    assert {"samples", "reconstructions"} == set(events.Tags()["images"])
    with quiet():  # its folder is one of a run's own
        facespace.train("demo", drawn, tmp_path / "r", settings=TINY, force=True)


@pytest.mark.slow
def test_weights_and_biases_keeps_a_run_offline(drawn, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with quiet():
        facespace.train("demo", drawn, tmp_path / "r", settings=TINY, trackers=["wandb"])
    (record,) = (tmp_path / "r/wandb").glob("offline-run-*/run-*.wandb")
    names = (b"loss/validation", b"samples", b"model.safetensors")
    for _ in range(100):  # a process of its own writes the record, and on a busy machine some seconds later
        content = record.read_bytes()
        if all(name in content for name in names):
            break
        time.sleep(0.3)
    for name in names:
        assert name in content
    assert not (tmp_path / "r/tensorboard").exists()


class Recorder:
    """A tracker class as accelerate has them, without images."""

    def __init__(self, run_name):
        self.calls = [("run", run_name)]
        recorders.append(self)

    def store_init_configuration(self, values):
        self.calls.append(("parameters", values))

    def log(self, values, step):
        self.calls.append((step, values))

    def finish(self):
        self.calls.append(("finish", None))


class ImageRecorder(Recorder):
    """The same with images, and started apart from the constructor, as in newer versions of accelerate."""

    def start(self):
        self.calls.append(("start", None))

    def log_images(self, values, step):
        self.calls.append((step, values))


recorders: list[Recorder] = []


@pytest.mark.parametrize("kind", [Recorder, ImageRecorder])
def test_a_tracker_of_accelerate_gets_recipe_figures_and_images(drawn, tmp_path, monkeypatch, kind):
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "comet_ml", kind)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    recorders.clear()
    with quiet():
        facespace.train("demo", drawn, tmp_path / "r", settings=TINY, trackers=["comet_ml"])
    calls = recorders[0].calls
    assert calls[0] == ("run", "facespace") and calls[-1] == ("finish", None)
    assert (("start", None) in calls) == (kind is ImageRecorder)
    parameters = dict(calls)["parameters"]
    assert parameters["train.batch"] == 8 and parameters["model.image"] == "[3, 16, 16]"
    lines = [json.loads(line) for line in (tmp_path / "r/metrics.jsonl").read_text().splitlines()]
    figures = [
        (step, values["loss/validation"]) for step, values in calls if "loss/validation" in (values or ())
    ]
    assert figures == [(line["step"], line["validation"]["loss"]) for line in lines]
    images = [values["samples"].shape for _, values in calls if "samples" in (values or ())]
    expected = [len(lines), (1, 530, 530, 3)] if kind is ImageRecorder else [0, None]
    assert [len(images), images[0] if images else None] == expected


def test_a_tracker_that_cannot_be_used_is_refused_before_any_work(drawn, tmp_path, cli, monkeypatch):
    code, _, err = cli("train", "demo", "--data", drawn, "--to", tmp_path / "r", "--tracker", "wandbb")
    assert code == 2 and "Did you mean 'wandb'" in err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"not installed: pip install '.*\[wandb\]'"):
        facespace.train("demo", drawn, tmp_path / "r", settings=TINY, trackers=["wandb"])
    with pytest.raises(UsageError, match=r"not installed: pip install mlflow$"):
        facespace.train("demo", drawn, tmp_path / "r", settings=TINY, trackers=["mlflow"])
    assert not (tmp_path / "r").exists()
