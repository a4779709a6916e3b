"""Whether the ONNX files of a space compute what its torch modules do: both run on the same latents and
faces, and their results are compared before a file is written."""

import importlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facespace.core.cards import Card
from facespace.core.errors import FacespaceError
from facespace.formats.onnx_graphs import open_session
from facespace.formats.onnx_modules import Decoder, Encoder, Sampler
from facespace.models.interface import LatentModel

FACES = 64
LEVELS = 1.0  # of 255, the largest difference of a pixel in fp32
LATENTS = 1e-3  # the largest difference of a latent in fp32, in standard deviations of latents above 1
OTHER_CODES = 1e-3  # share of latents that may be of another code: rounding decides between two equally near
SMALLEST_ERROR = 1e-12  # mean square, 120 dB


class ExportError(FacespaceError):
    """An exported file does not compute what the space does."""


@torch.inference_mode()
def compare(model: LatentModel, sampler: Sampler, graphs: Mapping[str, bytes], precision: str) -> Card:
    """The differences of the graphs "encoder", "decoder" and "prior" from torch, on FACES samples of the
    prior and on the faces decoded from them: `latents` or `levels`, largest differences; of faces decoded
    from what differs `psnr` in dB and `mean_levels`, their mean absolute difference in levels of 255. Raises
    ExportError where one in fp32 differs by more than rounding, or where one of any precision is not
    finite."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(FACES, sampler.noise, generator=generator)
    latents, y = sampler.forward(noise), _attributes(model, generator)
    drawn = Decoder(model)(latents, *y)
    # Some decoders give smaller faces than the encoder takes. Faces are rounded as pictures are.
    faces = (F.interpolate(drawn, size=model.config.image[1:]) * 255).round() / 255
    encoded = Encoder(model)(faces, *y)
    cases = {
        "encoder": ((faces, *y), encoded),
        "decoder": ((latents, *y), drawn),
        "prior": ((noise,), latents),
    }
    found: Card = {}
    for name, (inputs, expected) in cases.items():
        got = torch.from_numpy(_run(graphs[name], inputs))
        _check_shape(name, got, expected)
        if name == "decoder":
            largest = {"levels": float((got - expected).abs().max()) * 255}
            pictures = [got, expected]
        else:
            largest = {"latents": _latent_difference(model, got, expected)}
            pictures = [Decoder(model)(z, *y) for z in (got, expected)]
        found[name] = {**largest, "psnr": _psnr(*pictures), "mean_levels": _mean_levels(*pictures)}
    if precision == "fp32":
        _check_rounding(found)
    return found


def _attributes(model: LatentModel, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Random attributes (FACES, A), yes, no or unknown; none for a model without conditions."""
    count = len(model.config.conditions)
    if not count:
        return ()
    values = torch.tensor([-1.0, 1.0, math.nan])
    return (values[torch.randint(3, (FACES, count), generator=generator)],)


def _run(graph: bytes, inputs: tuple[Tensor, ...]) -> np.ndarray:
    """The results of a graph for one row and for the others, so for two sizes of the batch."""
    session = _session(graph)
    names = [row.name for row in session.get_inputs()]
    parts = []
    for rows in (slice(0, 1), slice(1, None)):
        feeds = {name: array[rows].numpy() for name, array in zip(names, inputs)}
        parts.append(session.run(None, feeds)[0])
    return np.concatenate(parts)


def _session(graph: bytes) -> Any:
    try:
        return open_session(graph)
    except Exception as error:  # onnxruntime's classes, which differ by version
        version = importlib.import_module("onnxruntime").__version__
        raise ExportError(f"onnxruntime {version} does not open the exported file: {error}") from error


def _check_shape(name: str, got: Tensor, expected: Tensor) -> None:
    if got.shape != expected.shape or not bool(got.isfinite().all()):
        raise ExportError(
            f"The exported {name} gives {list(got.shape)} numbers, not all of them finite; the space gives "
            f"{list(expected.shape)}. Nothing was written. Another --precision may help."
        )


def _latent_difference(model: LatentModel, got: Tensor, expected: Tensor) -> float:
    """The largest difference of latents (N, D); of codes without the few that are another entry."""
    difference = (got - expected).abs().flatten() / max(1.0, float(expected.std()))
    if model.code_grids:
        kept = math.ceil(len(difference) * (1 - OTHER_CODES))
        difference = difference.sort().values[:kept]
    return float(difference.max())


def _check_rounding(found: Card) -> None:
    for name, figures in found.items():
        kind, limit = ("levels", LEVELS) if "levels" in figures else ("latents", LATENTS)
        if not figures[kind] <= limit:
            raise ExportError(
                f"The exported {name} differs from the space by {figures[kind]:.2g} ({kind}), more than "
                f"{limit:g}. Nothing was written."
            )


def _mean_levels(got: Tensor, expected: Tensor) -> float:
    return float((got - expected).abs().mean()) * 255


def _psnr(got: Tensor, expected: Tensor) -> float:
    """Decibels, of pictures (N, C, H, W) in [0, 1]; at most 120."""
    error = float((got - expected).double().square().mean())
    return -10 * math.log10(max(error, SMALLEST_ERROR))
