"""The explorer's engine in onnxruntime: the same faces and latents as torch's, and torch's wherever it is no gain."""

import importlib.util

import numpy as np
import pytest

import facespace
from facespace.explorer import onnx_engine
from facespace.explorer.onnx_engine import OnnxEngine, accelerated
from facespace.space.torch_engine import TorchEngine

needs_onnx = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))), reason="needs onnx and onnxruntime"
)


@pytest.fixture
def quick(monkeypatch):
    """An onnxruntime that is always faster."""
    monkeypatch.setattr(onnx_engine, "_time_ratio", lambda engine, other: 0.5)


@needs_onnx
def test_faces_and_latents_are_those_of_torch(trained, drawn, quick):
    space = facespace.load(trained)
    fast = space.on_engine(accelerated(space.torch_engine))
    assert isinstance(fast.torch_engine, OnnxEngine)
    z = space.sample_latents(70, seed=2)
    np.testing.assert_array_equal(fast.sample_latents(70, seed=2), z)
    difference = np.abs(fast.decode(z).astype(int) - space.decode(z))
    assert difference.max() <= 1 and difference.mean() < 0.01
    faces = facespace.FaceSet(drawn).images[:70]
    np.testing.assert_allclose(fast.encode(np.array(faces)), space.encode(np.array(faces)), atol=1e-5)
    assert fast.decode(z[:0]).shape == (0, 16, 16, 3) and fast.encode(np.array(faces[:0])).shape == (0, 5)


@needs_onnx
def test_torch_stays_where_onnxruntime_is_slower_differs_or_fails(trained, quick, monkeypatch):
    engine = facespace.load(trained).torch_engine
    monkeypatch.setattr(onnx_engine, "_time_ratio", lambda engine, other: 0.95)
    assert accelerated(engine) is engine
    monkeypatch.undo()
    monkeypatch.setattr(OnnxEngine, "decode", lambda self, z, y: 255 - TorchEngine.decode(self, z, y))
    assert accelerated(engine) is engine

    def broken(graph):
        raise RuntimeError("no such operator")

    monkeypatch.setattr(onnx_engine, "open_session", broken)
    assert accelerated(engine) is engine


def test_torch_stays_without_the_packages(trained, monkeypatch):
    monkeypatch.setattr(onnx_engine, "has_packages", lambda: False)
    engine = facespace.load(trained).torch_engine
    assert accelerated(engine) is engine
