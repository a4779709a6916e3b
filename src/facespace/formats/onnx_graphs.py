"""Torch modules as ONNX graphs: tracing, constants computed once, weights as 16-bit or 8-bit numbers,
metadata. Graphs are bytes in memory; nothing here knows of spaces."""

import importlib
import importlib.util
import warnings
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from facespace.core.errors import UsageError
from facespace.core.extras import install_command
from facespace.models.weight_quantization import quantize

OPSET = 17
PACKAGES = ("onnx", "onnxruntime")
SMALLEST = 1024  # numbers of a matrix or kernel that is stored in fewer bits
BATCH = "N"  # the name of the dynamic axis
STORED = "_stored"


class Network(NamedTuple):
    """A module with the names and shapes (without N) of what goes in and out."""

    module: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]


def check_packages(purpose: str = "--format onnx") -> None:
    """Raises UsageError where a package that writes or runs ONNX files is missing, which `purpose` needs."""
    if not has_packages():
        needs = f"{purpose} needs the packages {' and '.join(PACKAGES)}: {install_command('onnx')}"
        raise UsageError(needs)


def has_packages() -> bool:
    """Whether the packages that write and run ONNX files are installed."""
    return all(map(importlib.util.find_spec, PACKAGES))


def graph_of(network: Network, folded: bool = True) -> Any:
    """The ONNX model of a network, in fp32. Where it is not `folded`, weights are those of the module, and
    what is computed of them alone is left to whoever opens the graph."""
    onnx = importlib.import_module("onnx")
    return onnx.load_from_string(_traced(network, folded))


def looped(start: Any, step: Any, end: Any, steps: int) -> Any:
    """The ONNX model of `start` (noise to next), `steps` times `step` (number, noise and state to next) in a
    Loop, and `end` (state to latents): ONNX models with inputs and outputs of these names. A loop, since
    tracing and opening thousands of nodes in a row would take minutes."""
    onnx = importlib.import_module("onnx")
    helper = onnx.helper
    parts = {}
    for prefix, model in {"start_": start, "step_": step, "end_": end}.items():
        parts[prefix] = onnx.compose.add_prefix(model, prefix).graph
    first, body, last = parts.values()
    condition = helper.make_tensor_value_info("going", helper.TensorProto.BOOL, [])
    number = helper.make_tensor_value_info("step_number", helper.TensorProto.INT64, [])
    kept = helper.make_node("Identity", ["going"], ["step_going"])
    after = helper.make_tensor_value_info("step_going", helper.TensorProto.BOOL, [])
    state = next(row for row in body.input if row.name == "step_state")
    # Its weights belong to the outer graph, from which a body sees them.
    inner = helper.make_graph(
        [kept, _same("start_noise", "step_noise"), *body.node],
        "step",
        [number, condition, state],
        [after, body.output[0]],
    )
    counts = [
        onnx.numpy_helper.from_array(np.array(steps, np.int64), "steps"),
        onnx.numpy_helper.from_array(np.array(True), "always"),
    ]
    loop = helper.make_node("Loop", ["steps", "always", "start_next"], ["end_state"], body=inner)
    nodes = [*first.node, loop, *last.node]
    weights = [*first.initializer, *body.initializer, *last.initializer, *counts]
    graph = helper.make_graph(nodes, "prior", list(first.input), list(last.output), weights)
    model = helper.make_model(graph, opset_imports=start.opset_import, ir_version=start.ir_version)
    return _renamed(model, {"start_noise": "noise", "end_latents": "latents"})


def file_of(model: Any, precision: str, buffers: Iterable[Tensor], facts: Mapping[str, str]) -> bytes:
    """The file of an ONNX model in fp32, or with weights as fp16 or int8 numbers (see `_compress`); `facts`
    become its metadata."""
    onnx = importlib.import_module("onnx")
    if precision != "fp32":
        _compress(model.graph, precision, buffers)
    onnx.helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def open_session(graph: bytes) -> Any:
    """An onnxruntime session of a graph on the CPU."""
    runtime = importlib.import_module("onnxruntime")
    return runtime.InferenceSession(graph, _options(runtime), providers=["CPUExecutionProvider"])


def _options(runtime: Any) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait for the next face by spinning would take the processor from everything else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _traced(network: Network, folded: bool) -> bytes:
    """The graph of a network in eval mode, as the exporter of torch traces it, with a dynamic batch."""
    shapes = {**network.inputs, **network.outputs}
    axes = {name: {0: BATCH} for name, shape in shapes.items() if shape}
    examples = tuple(_example(shape) for shape in network.inputs.values())
    file = BytesIO()
    network.module.eval()  # the exporter restores this mode, also of the model inside
    with warnings.catch_warnings(), torch.no_grad():
        # Of Python numbers that become constants, which is meant, and of the newer exporter, which has no
        # rule for a part of these networks in torch 2.6.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.module,
            examples,
            file,  # type: ignore[arg-type]
            dynamo=False,
            do_constant_folding=folded,
            opset_version=OPSET,
            input_names=list(network.inputs),
            output_names=list(network.outputs),
            dynamic_axes=axes,
        )
    return file.getvalue()


def _example(shape: tuple[int, ...]) -> Tensor:
    """An input to trace with: the number of a step for the shape (), else two rows of zeros."""
    return torch.zeros(2, *shape) if shape else torch.tensor(1)


def _same(before: str, after: str) -> Any:
    return importlib.import_module("onnx.helper").make_node("Identity", [before], [after])


def _renamed(model: Any, names: Mapping[str, str]) -> Any:
    """A model with other names of inputs and outputs, also inside of bodies."""
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        for row in (*graph.input, *graph.output):
            row.name = names.get(row.name, row.name)
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
            graphs += [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return model


def _compress(graph: Any, precision: str, buffers: Iterable[Tensor]) -> None:
    """Stores matrices and kernels as fp16 numbers, or as int8 numbers with a scale for each channel, and adds
    the nodes that turn them into fp32. Every runtime computes them once, when it opens the file, and then
    with fp32 numbers, so no layer overflows and none needs a kernel of its own.

    `buffers` of the module stay fp32 (models/weight_quantization.py says why)."""
    numpy_helper = importlib.import_module("onnx.numpy_helper")
    kept = [buffer.cpu().numpy() for buffer in buffers if buffer.dim() > 1]
    nodes = []
    for stored in list(graph.initializer):
        weight = numpy_helper.to_array(stored)
        wide = weight.ndim > 1 and weight.size >= SMALLEST
        if not wide or weight.dtype != np.float32 or _is_one_of(weight, kept):
            continue
        graph.initializer.remove(stored)
        is_matrix = sum(side > 1 for side in weight.shape) > 1
        if precision == "int8" and is_matrix:
            nodes += _as_int8(graph, stored.name, weight)
        else:
            nodes += _as_fp16(graph, stored.name, weight)
    for node in reversed(nodes):
        graph.node.insert(0, node)


def _is_one_of(weight: np.ndarray, buffers: Sequence[np.ndarray]) -> bool:
    """Whether a constant is a buffer, or the transpose of one."""
    return any(np.array_equal(weight, buffer) or np.array_equal(weight, buffer.T) for buffer in buffers)


def _as_fp16(graph: Any, name: str, weight: np.ndarray) -> list[Any]:
    helper = importlib.import_module("onnx.helper")
    largest = np.finfo(np.float16).max
    _add(graph, name + STORED, weight.clip(-largest, largest).astype(np.float16))
    return [helper.make_node("Cast", [name + STORED], [name], to=helper.TensorProto.FLOAT)]


def _as_int8(graph: Any, name: str, weight: np.ndarray) -> list[Any]:
    """With scales along the first or the second axis, whichever rounds less: output channels are either, by
    layer, and those of a bundle of 8-bit weights round to themselves."""
    helper = importlib.import_module("onnx.helper")
    found = []
    for axis in (0, 1):
        numbers, scale = quantize(torch.from_numpy(weight.copy()), axis)
        error = float((numbers * scale - torch.from_numpy(weight.copy())).square().sum())
        found.append((error, numbers.numpy(), scale.numpy()))
    _, numbers, scale = min(found, key=lambda row: row[0])
    _add(graph, name + STORED, numbers)
    _add(graph, name + "_scale", scale)
    unscaled = name + "_unscaled"
    cast = helper.make_node("Cast", [name + STORED], [unscaled], to=helper.TensorProto.FLOAT)
    return [cast, helper.make_node("Mul", [unscaled, name + "_scale"], [name])]


def _add(graph: Any, name: str, array: np.ndarray) -> None:
    graph.initializer.append(importlib.import_module("onnx.numpy_helper").from_array(array, name))
