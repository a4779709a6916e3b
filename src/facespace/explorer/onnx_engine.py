"""A faster engine for the page: encoder and decoder run in onnxruntime where it is installed, gives the same
faces, and is faster here; priors, gradients and everything else stay in torch."""

import statistics
import time

import numpy as np

from facespace.formats.onnx_graphs import Network, graph_of, has_packages, open_session
from facespace.formats.onnx_modules import Decoder, Encoder
from facespace.space import onnx_batches
from facespace.space.torch_engine import TorchEngine

COMPARED = 4  # faces on which both engines must agree
LEVELS = 1  # of 255, the largest difference of a pixel
LATENTS = 1e-3  # the largest difference of a latent
TIMED = 7  # decodings of one face by each engine, in turn
GAIN = 0.9  # share of torch's time that onnxruntime may take to be worth it


class OnnxEngine(TorchEngine):
    """The torch engine of a bundle with another encoder and decoder, `run` on float32 batches."""

    def __init__(self, base: TorchEngine, encode: onnx_batches.Network, decode: onnx_batches.Network) -> None:
        super().__init__(base.bundle)
        self._run_encoder, self._run_decoder = encode, decode

    def encode(self, faces: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Faces uint8 (N, H, W, C) to posterior means, float32 (N, D)."""
        return onnx_batches.encode(self._run_encoder, faces, attributes, self.latent_dim)

    def decode(self, z: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Latents (N, D) to faces uint8 (N, H, W, C)."""
        return onnx_batches.decode(self._run_decoder, z, attributes, self.image_shape)

    def images(self, z: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Latents (N, D) to images float32 (N, C, H, W) in [0, 1], not rounded."""
        return onnx_batches.images(self._run_decoder, z, attributes, self.image_shape)


def accelerated(engine: TorchEngine) -> TorchEngine:
    """An OnnxEngine of the same bundle, or `engine` itself where that is no gain: on a GPU, without the
    packages, for a network that cannot be exported or differs, or where torch is as fast. Takes about half a
    second of one processor."""
    if engine.device.type != "cpu" or not has_packages():
        return engine
    try:
        made = OnnxEngine(engine, *_networks(engine))
        same = _agree(engine, made)
    except Exception:  # the exporter's and onnxruntime's errors differ by version; torch can do it all
        return engine
    return made if same and _time_ratio(engine, made) < GAIN else engine


def _networks(engine: TorchEngine) -> tuple[onnx_batches.Network, onnx_batches.Network]:
    model, dim = engine.model, engine.latent_dim
    given = {"attributes": (len(engine.conditions),)} if engine.conditions else {}
    faces, latents = {"faces": tuple(model.config.image)}, {"latents": (dim,)}
    encoder = Network(Encoder(model), {**faces, **given}, latents)
    decoder = Network(Decoder(model), {**latents, **given}, {"faces": tuple(model.image_shape)})
    return _run(encoder), _run(decoder)


def _run(network: Network) -> onnx_batches.Network:
    session = open_session(graph_of(network).SerializeToString())
    names = list(network.inputs)

    def run(batch: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        rows = onnx_batches.rows_of(attributes, len(batch))
        return session.run(None, dict(zip(names, (batch, rows))))[0]

    return run


def _agree(engine: TorchEngine, other: TorchEngine) -> bool:
    """Whether both give the same faces and latents, up to rounding."""
    unknown = np.full(len(engine.conditions), np.nan, np.float32)
    z = engine.sample(COMPARED, 0, 1.0, None, {}, 1.0)
    faces, others = (one.decode(z, unknown).astype(int) for one in (engine, other))
    if np.abs(faces - others).max() > LEVELS:
        return False
    channels, height, width = engine.model.config.image
    random = np.random.default_rng(0).integers(0, 256, (COMPARED, height, width, channels), np.uint8)
    encoded, again = (one.encode(random, unknown) for one in (engine, other))
    return bool(np.abs(encoded - again).max() <= LATENTS * max(1.0, np.abs(encoded).max()))


def _time_ratio(engine: TorchEngine, other: TorchEngine) -> float:
    """The median time of a decoding of one face by `other`, relative to that by `engine`."""
    unknown = np.full(len(engine.conditions), np.nan, np.float32)
    z = np.zeros((1, engine.latent_dim), np.float32)
    times: dict[TorchEngine, list[float]] = {engine: [], other: []}
    for _ in range(TIMED):
        for one, taken in times.items():
            start = time.perf_counter()
            one.decode(z, unknown)
            taken.append(time.perf_counter() - start)
    return statistics.median(times[other]) / statistics.median(times[engine])
