"""A space as ONNX files: encoder.onnx, decoder.onnx and prior.onnx, space.json with what a program must know
to use them, and directions.safetensors where the space has directions."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from facespace.core.cards import DIRECTIONS, Card
from facespace.core.configs import to_dict
from facespace.core.files import write_json
from facespace.core.version import __version__
from facespace.formats.onnx_check import FACES, compare
from facespace.formats.onnx_graphs import (
    BATCH,
    OPSET,
    Network,
    check_packages,
    file_of,
    graph_of,
    looped,
)
from facespace.formats.onnx_modules import Decoder, Encoder, Sampler, sampler_of
from facespace.models import fitted
from facespace.models.bundle import Bundle
from facespace.models.bundle_card import MODEL_PRIOR, default_prior
from facespace.models.priors import Prior

FACTS = "space.json"
FILES = ("encoder.onnx", "decoder.onnx", "prior.onnx", FACTS, DIRECTIONS)
PRECISIONS = ("fp32", "fp16", "int8")


def check(loaded: Bundle) -> None:
    """Raises UsageError where a package is missing, and for a prior that has no file."""
    check_packages()
    sampler_of(loaded.model, _prior(loaded)[1])


def write(loaded: Bundle, folder: Path, precision: str) -> Card:
    """Writes the files into an empty folder once all of them were compared with torch; returns the
    differences by file. Raises ExportError where they are too large."""
    kind, prior = _prior(loaded)
    sampler = sampler_of(loaded.model, prior)
    facts = _facts(loaded, kind, prior, precision)
    inputs = _inputs(loaded, sampler)
    graphs = {}
    for name, (model, modules) in _models(loaded, sampler).items():
        about = {"part": name, "inputs": json.dumps(inputs[name]), **_metadata(facts)}
        graphs[name] = file_of(model, precision, _buffers(modules), about)
    differences = compare(loaded.model, sampler, graphs, precision)
    facts["networks"] = {}
    for name, graph in graphs.items():
        (folder / f"{name}.onnx").write_bytes(graph)
        facts["networks"][name] = {"file": f"{name}.onnx", **inputs[name]}
    facts["compared"] = {"faces": FACES, **differences}
    if loaded.card.get("directions"):
        facts["directions"] = _write_directions(loaded, folder)
    write_json(folder / FACTS, facts)
    return differences


def _prior(loaded: Bundle) -> tuple[str, Prior]:
    """The default prior of the space, and its kind."""
    kind = default_prior(loaded.card)
    if kind == MODEL_PRIOR:
        return kind, loaded.model.prior
    return kind, fitted.load_prior(loaded, kind)


def _models(loaded: Bundle, sampler: Sampler) -> dict[str, tuple[Any, list[nn.Module]]]:
    """The ONNX models of the space, and the modules that they were made from."""
    model, dim = loaded.model, math.prod(loaded.model.latent_shape)
    faces, latents = {"faces": tuple(model.config.image)}, {"latents": (dim,)}
    attributes = {"attributes": (len(model.config.conditions),)} if model.config.conditions else {}
    encoder, decoder = Encoder(model), Decoder(model)
    found: dict[str, tuple[Any, list[nn.Module]]] = {
        "encoder": (graph_of(Network(encoder, {**faces, **attributes}, latents)), [encoder]),
        "decoder": (
            graph_of(Network(decoder, {**latents, **attributes}, {"faces": tuple(model.image_shape)})),
            [decoder],
        ),
    }
    noise, state = {"noise": (sampler.noise,)}, (dim,)
    if sampler.step is None:
        found["prior"] = graph_of(Network(sampler.end, noise, latents)), [sampler.end]
        return found
    start = graph_of(Network(sampler.start, noise, {"next": state}))
    step = graph_of(Network(sampler.step, {"number": (), **noise, "state": state}, {"next": state}))
    end = graph_of(Network(sampler.end, {"state": state}, latents))
    modules = [sampler.start, sampler.step, sampler.end]
    found["prior"] = looped(start, step, end, sampler.steps), modules
    return found


def _buffers(modules: Iterable[nn.Module]) -> list[Tensor]:
    found: list[Tensor] = []
    for module in modules:
        found += module.buffers()
    return found


def _inputs(loaded: Bundle, sampler: Sampler) -> dict[str, Card]:
    """What goes into each file and what comes out, by name: shapes and ranges."""
    model = loaded.model
    latents = {"latents": {"shape": [BATCH, math.prod(model.latent_shape)]}}
    entering = {"faces": {"shape": [BATCH, *model.config.image], "range": [0, 1]}}
    leaving = {"faces": {"shape": [BATCH, *model.image_shape], "range": [0, 1]}}
    attributes = {}
    if model.config.conditions:
        shape = [BATCH, len(model.config.conditions)]
        attributes = {"attributes": {"shape": shape, "values": "1 yes, -1 no, NaN unknown"}}
    noise = {"noise": {"shape": [BATCH, sampler.noise], "distribution": "N(0, 1)"}}
    return {
        "encoder": {"inputs": {**entering, **attributes}, "outputs": latents},
        "decoder": {"inputs": {**latents, **attributes}, "outputs": leaving},
        "prior": {"inputs": noise, "outputs": latents},
    }


def _facts(loaded: Bundle, kind: str, prior: Prior, precision: str) -> Card:
    """The part of space.json that does not depend on the files."""
    card, data = loaded.card, loaded.card.get("data") or {}
    recipe = card.get("recipe") or {}
    return {
        "kind": "onnx",
        "format": 1,
        "facespace": __version__,
        "name": recipe.get("name") or loaded.folder.name,
        "summary": recipe.get("summary"),
        "fingerprint": card["fingerprint"],
        "step": card.get("step"),
        "opset": OPSET,
        "precision": precision,
        "template": to_dict(loaded.template),
        "conditions": list(loaded.model.config.conditions),
        "prior": {"kind": kind, "origin": prior.origin},
        "data": {"source": data.get("source"), "faces": data.get("faces")},
        "terms": data.get("terms"),
        "figures": card.get("figures"),
        "limitations": card.get("limitations"),
    }


def _metadata(facts: Card) -> dict[str, str]:
    """The facts as texts: strings as they are, others as JSON."""
    found = {}
    for name, value in facts.items():
        found[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return found


def _write_directions(loaded: Bundle, folder: Path) -> Card:
    """Directions as arrays (A, D): z + s · steps[a] moves a latent by s standard deviations, and scores are
    (z − center) · probesᵀ. Returns the names and what is known of each."""
    found = fitted.load_directions(loaded)
    arrays = {"steps": found.steps, "probes": found.probe_map.T, "center": found.whitening.center}
    tensors = {}
    for name, array in arrays.items():
        tensors[name] = torch.from_numpy(array).float().contiguous()
    (folder / DIRECTIONS).write_bytes(to_bytes(tensors))
    known = {}
    for name in found.names:
        facts: Card = {**found.facts[name]}
        known[name] = {key: facts[key] for key in ("on", "off", "gap", "auc") if key in facts}
    return {"file": DIRECTIONS, "names": list(found.names), "facts": known}
