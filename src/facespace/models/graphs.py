"""The networks of a bundle as ONNX graphs beside its weights, for engines without torch: names, and how one
is opened. Each names tensors of a file of the bundle as its external data, so that one set of weights serves
every engine. They are made in formats/bundle_graphs.py.

A bundle may come from a stranger. Whatever a graph names, onnxruntime is handed bytes and opens no file, and
the bytes are those that core/onnx_reading.py lets through."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facespace.core.cards import RESTORE_HINT, WEIGHTS, Card, prior_file
from facespace.core.errors import BundleError
from facespace.core.extras import is_installed
from facespace.core.onnx_reading import LARGEST_GRAPH, inlined
from facespace.core.reading import read_bounded
from facespace.core.tensor_files import Stored, read_stored
from facespace.models.bundle_card import MODEL_PRIOR, BundleCard

ENCODER, DECODER, QUANTIZER = "encoder.onnx", "decoder.onnx", "quantizer.onnx"
PRIOR, ENDING = "prior-", ".onnx"
NAMES = r"(encoder|decoder|quantizer|prior-[a-z-]+)\.onnx"


def prior_graph(kind: str) -> str:
    """The name of the graph of a prior: of a flow its velocity, of a Gaussian its sampler."""
    return f"{PRIOR}{kind}{ENDING}"


def tensors_file(graph: str) -> str:
    """The name of the file with the tensors of a graph."""
    kind = graph.removeprefix(PRIOR).removesuffix(ENDING)
    if not graph.startswith(PRIOR) or kind == MODEL_PRIOR:
        return WEIGHTS
    return prior_file(kind)


def tensors_fingerprint(card: Card | BundleCard, graph: str) -> str | None:
    """The fingerprint that a bundle's card gives for the file with the tensors of a graph."""
    if tensors_file(graph) == WEIGHTS:
        return card["fingerprint"]
    entry = (card.get("priors") or {}).get(graph.removeprefix(PRIOR).removesuffix(ENDING))
    return entry.get("fingerprint") if isinstance(entry, dict) else None


def graphs_of(card: Card | BundleCard) -> list[str]:
    """The names of the graphs that belong to the tensors of a bundle: those of a prior that was fitted again
    meanwhile do not."""
    entries: Mapping[str, str] = card.get("graphs") or {}
    found = []
    for name, made_for in entries.items():
        if re.fullmatch(NAMES, name) and made_for == tensors_fingerprint(card, name):
            found.append(name)
    return found


def has_runtime() -> bool:
    """Whether onnxruntime is installed."""
    return is_installed("onnxruntime")


def open_graph(folder: Path, name: str, stored: Mapping[str, Stored]) -> Any:
    """An onnxruntime session of a graph of the bundle in a folder; `stored` are the checked tensors of its
    file. Raises BundleError for a graph that is missing, damaged, or has anything that no network of
    facespace has."""
    graph = checked_graph(folder, name, stored)
    try:
        return session_of(graph)
    except Exception as error:  # onnxruntime's classes differ by version
        raise BundleError(f"{folder / name} cannot be used: {error!s:.300}. {RESTORE_HINT}") from error


def checked_graph(folder: Path, name: str, stored: Mapping[str, Stored]) -> bytes:
    """The bytes of a graph with its tensors inside. Raises BundleError as `open_graph` does."""
    path = folder / name
    try:
        return inlined(read_bounded(path, LARGEST_GRAPH), tensors_file(name), stored)
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing. {RESTORE_HINT}") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be used: {error}. {RESTORE_HINT}") from error


def read_graph_tensors(folder: Path, card: Card | BundleCard, name: str) -> dict[str, Stored]:
    """The tensors of the file of a graph. Raises BundleError."""
    return read_stored(folder / tensors_file(name), tensors_fingerprint(card, name), RESTORE_HINT)


def session_of(graph: bytes, threads: int = 0) -> Any:
    """An onnxruntime session of the bytes of a graph, on `threads` threads of the processor, by default
    onnxruntime's own choice."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    # Threads that wait for the next face by spinning would take the processor from everything else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
