"""The ONNX graphs of a packed bundle (models/graphs.py): made from its torch modules, with the bundle's own
tensors as external data, compared with torch, and added to the folder."""

import importlib
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from facespace.core.cards import SCALE
from facespace.core.console import note
from facespace.core.errors import FacespaceError
from facespace.core.onnx_reading import LARGEST_GRAPH, TYPES, inlined
from facespace.core.tensor_files import Stored
from facespace.formats.onnx_check import OTHER_CODES, ExportError
from facespace.formats.onnx_graphs import Network, graph_of, has_packages
from facespace.formats.onnx_modules import Decoder, Encoder, Quantized
from facespace.models import additions, fitted
from facespace.models.bundle import Bundle
from facespace.models.bundle_card import MODEL_PRIOR
from facespace.models.graphs import (
    DECODER,
    ENCODER,
    QUANTIZER,
    prior_graph,
    read_graph_tensors,
    session_of,
    tensors_file,
    tensors_fingerprint,
)
from facespace.models.priors import FittedNormal, Flow, Prior
from facespace.models.velocity import Velocity

FACES = 4  # compared
LEVELS, LATENTS = 1.0, 1e-3  # largest differences from torch: of a pixel of 255, relative of a latent
NUMBERS = {np.dtype(kind): number for number, kind in TYPES.items()}
SMALL = 64  # bytes of a constant that takes no more room than the name of its place


class _Graph(NamedTuple):
    network: Network
    holder: nn.Module  # whose state dict the tensors of the bundle are


class VelocityOf(nn.Module):
    """The velocity of a flow at an angle and under attributes that are the same for all points: those of the
    first row count."""

    def __init__(self, velocity: Velocity) -> None:
        super().__init__()
        self.velocity = velocity

    def forward(self, points: Tensor, angle: Tensor, attributes: Tensor | None = None) -> Tensor:
        """Points (N, K), their angle (N, 1) in radians, and attributes (N, A), NaN unknown, to (N, K)."""
        given = None if attributes is None else attributes[:1]
        modulations = self.velocity.modulations(angle[:1, 0], given)
        return self.velocity.modulated_along((points, None), modulations)[0]


class Deviations(nn.Module):
    """The factor of a Gaussian's covariance that its samples are made with. It is kept as numbers, since
    eigenvectors have signs that differ between libraries."""

    root: Tensor

    def __init__(self, prior: FittedNormal) -> None:
        super().__init__()
        self.register_buffer("root", prior.root)

    def forward(self, noise: Tensor) -> Tensor:
        """Normal noise (N, D) to deviations from the mean, (N, D)."""
        return noise @ self.root.T


def add_graphs(loaded: Bundle) -> list[str]:
    """Adds the graphs of a packed bundle's networks to its folder; returns their names. Where one cannot be
    made, or differs from torch, there are none, and a note says why: then the space needs torch."""
    if not has_packages():
        note("The packages onnx and onnxruntime are missing, so this copy opens with torch alone.")
        return []
    try:
        graphs = {}
        for name, graph in _graphs(loaded):
            graphs[name] = _made(loaded, name, graph)
    except (FacespaceError, RuntimeError, ValueError, NotImplementedError) as error:
        note(f"This copy opens with torch alone: {error!s:.300}")
        return []
    made_for = {name: tensors_fingerprint(loaded.card, name) for name in graphs}
    additions.add_files(loaded, graphs, "graphs", made_for)
    return list(graphs)


def _graphs(loaded: Bundle) -> Iterator[tuple[str, _Graph]]:
    """The networks of a bundle, by the names of their graphs."""
    model, dim = loaded.model, fitted.latent_size(loaded)
    faces, latents = {"faces": tuple(model.config.image)}, {"latents": (dim,)}
    given = {"attributes": (len(model.config.conditions),)} if model.config.conditions else {}
    yield ENCODER, _Graph(Network(Encoder(model), {**faces, **given}, latents), model)
    pictures = {"faces": tuple(model.image_shape)}
    yield DECODER, _Graph(Network(Decoder(model), {**latents, **given}, pictures), model)
    if model.code_grids:
        quantizer = Quantized(model, nn.Identity())
        yield QUANTIZER, _Graph(Network(quantizer, latents, {"quantized": (dim,)}), model)
    priors: dict[str, Prior] = {MODEL_PRIOR: model.prior}
    for kind in loaded.card.get("priors") or {}:
        priors[kind] = fitted.load_prior(loaded, kind)
    for kind, prior in priors.items():
        network = _network_of(prior, dim)
        if network is not None:
            yield prior_graph(kind), _Graph(network, model if kind == MODEL_PRIOR else prior)


def _network_of(prior: Prior, dim: int) -> Network | None:
    """What a prior needs beyond arithmetic on its tensors; None where that is nothing, or where there is no
    graph of it."""
    if isinstance(prior, FittedNormal):
        return Network(Deviations(prior), {"noise": (dim,)}, {"deviations": (dim,)})
    if not isinstance(prior, Flow):
        return None
    points: dict[str, tuple[int, ...]] = {"points": (prior.seen,)}
    attributes = {"attributes": (len(prior.conditions),)} if prior.conditions else {}
    return Network(
        VelocityOf(prior.velocity), {**points, "angle": (1,), **attributes}, {"velocity": (prior.seen,)}
    )


def _made(loaded: Bundle, name: str, graph: _Graph) -> bytes:
    """The bytes of a graph, which names tensors of the bundle and computes what its torch module does."""
    stored = read_graph_tensors(loaded.folder, loaded.card, name)
    model = graph_of(graph.network, folded=False)
    _refer(model.graph, graph.holder, stored, tensors_file(name))
    onnx = importlib.import_module("onnx")
    onnx.helper.set_model_props(model, {"tensors": str(tensors_fingerprint(loaded.card, name))})
    made = model.SerializeToString(deterministic=True)
    if len(made) > LARGEST_GRAPH:
        raise ExportError(f"{name} has {len(made):,} bytes beyond the bundle's tensors.")
    _compare(loaded, name, graph.network, inlined(made, tensors_file(name), stored))
    return made


def _compare(loaded: Bundle, name: str, network: Network, graph: bytes) -> None:
    """Raises ExportError where onnxruntime gives other results than torch."""
    generator = torch.Generator().manual_seed(0)
    inputs = {}
    for key, shape in network.inputs.items():
        inputs[key] = torch.rand(FACES, *shape, generator=generator)
    found = session_of(graph).run(None, {key: value.numpy() for key, value in inputs.items()})[0]
    with torch.inference_mode():
        expected = network.module(*inputs.values()).numpy()
    difference = np.sort(np.abs(found - expected).ravel())
    if loaded.model.code_grids and name in (ENCODER, QUANTIZER):
        difference = difference[: math.ceil(len(difference) * (1 - OTHER_CODES))]
    limit = LEVELS / 255 if name == DECODER else LATENTS * max(1.0, float(np.abs(expected).max()))
    if not difference[-1] <= limit:
        raise ExportError(f"{name} differs from torch by {difference[-1]:.2g}, more than {limit:.2g}.")


def _refer(graph: Any, holder: nn.Module, stored: Mapping[str, Stored], file: str) -> None:
    """Replaces the constants of a graph that are parameters or buffers of `holder` by the tensors of the file
    that they are stored in, and nodes that turn these into fp32."""
    onnx = importlib.import_module("onnx")
    by_size: dict[int, list[tuple[str, np.ndarray]]] = {}
    for name, tensor in holder.state_dict().items():
        by_size.setdefault(tensor.numel(), []).append((name, tensor.numpy()))
    references = _References(file, stored)
    for constant in list(graph.initializer):
        array = onnx.numpy_helper.to_array(constant)
        if array.dtype != np.float32 or array.nbytes <= SMALL:
            continue
        for name, tensor in by_size.get(array.size, ()):
            transposed = (
                tensor.ndim == 2 and array.shape == tensor.T.shape and np.array_equal(array, tensor.T)
            )
            if (array.shape == tensor.shape and np.array_equal(array, tensor)) or transposed:
                graph.initializer.remove(constant)
                references.add(constant.name, name, transposed)
                break
    graph.initializer.extend(references.tensors.values())
    for node in reversed(references.nodes):
        graph.node.insert(0, node)


class _References:
    """Tensors of a file by their names there, and the nodes that make constants of them."""

    def __init__(self, file: str, stored: Mapping[str, Stored]) -> None:
        self.file, self.stored = file, stored
        self.tensors: dict[str, Any] = {}
        self.nodes: list[Any] = []

    def add(self, constant: str, name: str, transposed: bool) -> None:
        """The constant of that name from a stored tensor."""
        kind, float32 = self.stored[name].array.dtype, importlib.import_module("onnx").TensorProto.FLOAT
        steps: list[tuple[str, dict[str, Any], list[str]]] = []
        if kind != np.float32:
            steps.append(("Cast", {"to": float32}, []))
        if kind == np.int8:
            steps.append(("Mul", {}, [self._tensor(name + SCALE)]))
        if transposed:
            steps.append(("Transpose", {"perm": [1, 0]}, []))
        steps = steps or [("Identity", {}, [])]
        value = self._tensor(name)
        make_node = importlib.import_module("onnx.helper").make_node
        for place, (operator, attributes, others) in enumerate(steps, 1):
            result = constant if place == len(steps) else f"{constant}/{operator}"
            self.nodes.append(make_node(operator, [value, *others], [result], **attributes))
            value = result

    def _tensor(self, name: str) -> str:
        """The name in the graph of a stored tensor, which is added."""
        stored, onnx = self.stored[name], importlib.import_module("onnx")
        inside = f"{self.file}/{name}"
        if inside not in self.tensors:
            array, place = stored.array, {"location": self.file, "offset": stored.offset}
            tensor = onnx.TensorProto(name=inside, dims=array.shape, data_type=NUMBERS[array.dtype])
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in {**place, "length": array.nbytes}.items():
                tensor.external_data.add(key=key, value=str(value))
            self.tensors[inside] = tensor
        return inside
