"""A prior of a space that was opened without torch as one ONNX model, noise to latents, for players of faces
such as a static page: the graphs and arrays of its bundle, joined. formats/onnx_modules.py is the same from
torch modules, whose results these equal up to rounding."""

import math
import statistics
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from facespace.core.onnx_reading import GraphParts, parts_of
from facespace.core.onnx_writing import BATCH, graph, model, node, tensor, value
from facespace.models.graphs import QUANTIZER, prior_graph
from facespace.models.prior_facts import SOLVER_STEPS, SPREAD, raised_level
from facespace.space.array_priors import (
    RIGHT_ANGLE,
    ArrayDiffusion,
    ArrayFlow,
    ArrayGaussian,
    ArrayMixture,
    ArrayNoiseNormal,
    ArrayNoisePairs,
    angles,
)
from facespace.space.onnx_codec import OnnxCodec

HALF_STEPS = 2 * SOLVER_STEPS  # evaluations of the velocity, two a step


class Sampler(NamedTuple):
    """An ONNX model of noise float32 (N, E) to latents (N, D), and E."""

    content: bytes
    noise: int


class _Parts:
    """Nodes and tensors of a graph that is being written. Names begin with a prefix, so that none is that of
    a graph of the bundle."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.nodes: list[bytes] = []
        self.tensors: list[bytes] = []
        self._count = 0

    def constant(self, array: np.ndarray) -> str:
        """The name of an array."""
        name = self._name()
        self.tensors.append(tensor(name, array))
        return name

    def numbers(self, array: np.ndarray) -> str:
        """The name of an array of float32."""
        return self.constant(np.asarray(array, np.float32))

    def add(self, operator: str, *inputs: str, **attributes: int) -> str:
        """The name of the result of a node."""
        name = self._name()
        self.nodes.append(node(operator, inputs, [name], **attributes))
        return name

    def columns(self, table: str, start: int, end: int) -> str:
        """Some columns of a table (N, …)."""
        return self.add("Gather", table, self.constant(np.arange(start, end)), axis=1)

    def _name(self) -> str:
        self._count += 1
        return f"{self._prefix}/{self._count}"


def sampler_of(codec: OnnxCodec, kind: str) -> Sampler:
    """The prior of that kind. Raises UsageError for one that draws code after code, BundleError for one whose
    graph is missing or damaged."""
    prior = codec.prior(kind)
    parts, opset, size = _Parts("sampler"), 0, prior.dim
    if isinstance(prior, ArrayFlow):
        velocity = parts_of(codec.graph(prior_graph(kind)))
        size, opset = _noise_length(prior), velocity.opset
        latents = _flow(parts, prior, velocity)
    elif isinstance(prior, ArrayMixture):
        size = 1 + prior.dim
        latents = _mixture(parts, prior)
    elif isinstance(prior, ArrayGaussian):
        latents = _affine(parts, "noise", prior.center, root_of(prior))
    else:
        latents = "noise"
    nodes, tensors = [*parts.nodes, node("Identity", [latents], ["latents"])], parts.tensors
    result = "latents"
    if codec.bundle.model.config.bottleneck == "vq":
        quantizer = parts_of(codec.graph(QUANTIZER))
        nodes, tensors = [*nodes, *quantizer.nodes], [*tensors, *quantizer.tensors]
        result, opset = "quantized", quantizer.opset
    content = graph(nodes, [value("noise", [BATCH, size])], [value(result, [BATCH, prior.dim])], tensors)
    return Sampler(model(content, opset) if opset else model(content), size)


def root_of(prior: ArrayGaussian) -> np.ndarray:
    """The factor R (D, D) of the covariance R Rᵀ, transposed, with which noise becomes deviations."""
    return prior.deviations(np.eye(prior.dim, dtype=np.float32))


def _noise_length(prior: ArrayFlow) -> int:
    """How many numbers a sample of a flow takes."""
    if isinstance(prior, ArrayDiffusion):
        return SOLVER_STEPS * prior.dim
    return prior.dim + isinstance(prior, ArrayNoisePairs)


def _affine(parts: _Parts, noise: str, center: np.ndarray, factor: np.ndarray) -> str:
    """center (D,) + noise (N, D) @ factor (D, D)."""
    return parts.add("Add", parts.add("MatMul", noise, parts.numbers(factor)), parts.numbers(center))


def _chosen(parts: _Parts, reached: np.ndarray) -> str:
    """The place (N,) of the first number of the noise among the quantiles of N(0, 1) at these shares."""
    normal = statistics.NormalDist()
    lowest, highest = np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).epsneg
    quantiles = [normal.inv_cdf(min(max(share, lowest), highest)) for share in reached]
    first = parts.columns("noise", 0, 1)
    if not quantiles:
        quantiles = [math.inf]
    above = parts.add("Cast", parts.add("Greater", first, parts.numbers(np.array(quantiles))), to=7)
    return parts.add("ReduceSum", above, parts.constant(np.array([1])), keepdims=0)


def _mixture(parts: _Parts, prior: ArrayMixture) -> str:
    chosen = _chosen(parts, prior.weights.astype(np.float64).cumsum()[:-1])
    factors = parts.add("Gather", parts.numbers(prior.factors), chosen, axis=0)  # (N, D, D)
    noise = parts.columns("noise", 1, 1 + prior.dim)
    last = parts.constant(np.array([2]))
    column = parts.add("Unsqueeze", noise, last)
    moved = parts.add("Squeeze", parts.add("MatMul", factors, column), last)
    return parts.add("Add", parts.add("Gather", parts.numbers(prior.means), chosen, axis=0), moved)


def _flow(parts: _Parts, prior: ArrayFlow, velocity: GraphParts) -> str:
    """Noise transported along the velocity, as `ArrayFlow.transport` does."""
    start = _flow_start(parts, prior)
    seen = parts.columns(start, 0, prior.seen)
    first = parts.add("Mul", seen, parts.numbers(np.array(0)))  # the first velocity is not known yet
    steps = parts.constant(np.array(HALF_STEPS))
    results = [f"sampler/{name}" for name in ("base", "end", "velocity")]
    loop = node("Loop", [steps, "", seen, seen, first], results, body=_loop_body(prior, velocity))
    parts.nodes.append(loop)
    white = results[1]
    if prior.seen < prior.dim:
        white = parts.add("Concat", white, parts.columns(start, prior.seen, prior.dim), axis=1)
    scaled = parts.add("Mul", white, parts.numbers(prior.spread))
    return _affine(parts, scaled, prior.center, prior.axes.T)


def _flow_start(parts: _Parts, prior: ArrayFlow) -> str:
    """The noise at the start of the solver, (N, D)."""
    if isinstance(prior, ArrayDiffusion):
        return parts.columns("noise", 0, prior.dim)
    if isinstance(prior, ArrayNoiseNormal):
        return _affine(parts, "noise", prior.noise_center, prior.noise_root.T)
    if not isinstance(prior, ArrayNoisePairs):
        return "noise"
    count = len(prior.pairs)
    pairs = parts.add(
        "Gather", parts.numbers(prior.pairs), _chosen(parts, np.arange(1, count) / count), axis=0
    )
    around = parts.add("Mul", parts.columns("noise", 1, 1 + prior.dim), parts.numbers(np.array(SPREAD)))
    return parts.add("Add", pairs, around)


class _Evaluations(NamedTuple):
    """Numbers of each of the two evaluations of the velocity in a step of Heun's method, (2 · steps,)."""

    angle: list[float]
    kept: list[float]  # factor of the point, before
    added: list[float]  # factor of fresh noise, before
    now: list[float]  # factor of this velocity
    before: list[float]  # factor of the velocity at the beginning of the step
    ends: list[float]  # 1 where it ends the step


def _evaluations(stochastic: bool) -> _Evaluations:
    found = _Evaluations([], [], [], [], [], [])
    for place, (begin, end) in enumerate(pairwise(angles(0.0, RIGHT_ANGLE))):
        kept, added, back = 1.0, 0.0, begin
        if stochastic and place:
            back, deviation = raised_level(begin)
            kept, added = math.sin(back) / math.sin(begin), math.sin(back) * deviation
        step = end - back
        rows = (back, kept, added, step, 0.0, 0.0), (end, 1.0, 0.0, step / 2, step / 2, 1.0)
        for row in rows:
            for column, number in zip(found, row):
                column.append(number)
    return found


def _loop_body(prior: ArrayFlow, velocity: GraphParts) -> bytes:
    """One evaluation: the point where the step began, the point to evaluate at, and the velocity at the
    step's beginning, to the next ones. A loop of evaluations rather than steps, so that the weights of the
    velocity are there once."""
    table, parts = _evaluations(isinstance(prior, ArrayDiffusion)), _Parts("step")
    white = [BATCH, prior.seen]

    def at(column: list[float]) -> str:
        return parts.add("Gather", parts.numbers(np.array(column)), "step/number", axis=0)

    base, point = "step/base", "step/point"
    if isinstance(prior, ArrayDiffusion):
        shape = parts.constant(np.array([-1, SOLVER_STEPS, prior.dim]))
        rows = parts.constant(np.repeat(np.arange(SOLVER_STEPS), 2))
        place = parts.add("Gather", rows, "step/number", axis=0)
        fresh = parts.add("Gather", parts.add("Reshape", "noise", shape), place, axis=1)
        fresh = parts.add("Mul", parts.columns(fresh, 0, prior.seen), at(table.added))
        kept = at(table.kept)
        base, point = (parts.add("Add", parts.add("Mul", one, kept), fresh) for one in (base, point))
    angle = parts.add("Reshape", at(table.angle), parts.constant(np.array([1, 1])))
    if prior.conditions:
        unknown = np.full((1, len(prior.conditions)), np.nan, np.float32)
        parts.tensors.append(tensor("attributes", unknown))
    parts.nodes += [node("Identity", [point], ["points"]), node("Identity", [angle], ["angle"])]
    parts.nodes += velocity.nodes
    parts.tensors += velocity.tensors
    moved = parts.add("Mul", "velocity", at(table.now))
    earlier = parts.add("Mul", "step/first", at(table.before))
    after = parts.add("Add", base, parts.add("Add", moved, earlier))
    kept_base = parts.add("Add", base, parts.add("Mul", parts.add("Sub", after, base), at(table.ends)))
    outputs = {"step/next_base": kept_base, "step/next": after, "step/next_first": "velocity"}
    nodes = [*parts.nodes, node("Identity", ["step/going"], ["step/goes_on"])]
    nodes += [node("Identity", [inner], [name]) for name, inner in outputs.items()]
    entering = [value("step/number", [], np.int64), value("step/going", [], np.bool_)]
    entering += [value(name, white) for name in ("step/base", "step/point", "step/first")]
    leaving = [value("step/goes_on", [], np.bool_), *(value(name, white) for name in outputs)]
    return graph(nodes, entering, leaving, parts.tensors)
