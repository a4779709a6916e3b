"""One trained space of a comparison: what it is, and its figures on a set of faces. Measures; writes
nothing."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from facespace.core.console import progress
from facespace.core.hub_address import address_of
from facespace.data.faces import FaceSet, batches, evenly_spaced
from facespace.evaluation.session import EvaluationSession
from facespace.image.pixels import PixelHistogram, quality, to_float, to_uint8
from facespace.latent.structure import latent_structure
from facespace.models.locations import place_of, title_of
from facespace.models.priors import FittedNormal, StandardNormal
from facespace.report.comparison_results import (
    LastEpoch,
    LatentFigures,
    ModelFacts,
    ReconstructionFigures,
    SamplingFigures,
    SpaceFacts,
    SpaceResults,
    TrainingSetFacts,
)
from facespace.report.run_files import METRICS, objective, read_epochs, shape, training_networks
from facespace.space.face_space import FaceSpace

SHOWN, DRAWN = 10, 32  # reconstructions and samples in the pictures
PRIORS = {StandardNormal: "N(0, I)", FittedNormal: "fitted Gaussian"}


class Measured(NamedTuple):
    """The results of a space, and the arrays of the pictures."""

    results: SpaceResults
    again: np.ndarray  # (SHOWN, H, W, C) reconstructions
    samples: np.ndarray  # (DRAWN, H, W, C)
    covariance: np.ndarray  # (D, D) of the posterior means


class Decoded(NamedTuple):
    """What a space decodes, in figures and pictures."""

    errors: np.ndarray  # (N,) mean squared error of each reconstruction, pixel values in [0, 1]
    again: np.ndarray  # (SHOWN, H, W, C) reconstructions
    real: PixelHistogram  # pixel values of the faces
    drawn: PixelHistogram  # pixel values of as many samples


def measure(facts: SpaceFacts, session: EvaluationSession, seed: int, prior: str | None = None) -> Measured:
    """The figures of a space on the faces of a session; its samples are drawn from its default prior, or the
    one named. A space with conditions gets none, since not every set has the attributes."""
    space = session.space
    kind = prior or space.default_prior
    drawn_from = space.prior(kind)
    latents = space.sample_latents_batched(max(len(session.rows), DRAWN), seed, kind)
    z = session.encoded.mean.astype(np.float64)
    decoded = decode(session, latents)
    pixel_mean, pixel_deviation = decoded.drawn.moments()
    real_mean, real_deviation = decoded.real.moments()
    results = SpaceResults(
        **vars(facts),
        reconstruction=ReconstructionFigures(fitting(space, session.faces), **quality(decoded.errors)),
        sampling=SamplingFigures(
            PRIORS.get(type(drawn_from), kind),
            drawn_from.origin,
            pixel_mean,
            pixel_deviation,
            real_mean,
            real_deviation,
        ),
        latents=LatentFigures(**vars(latent_structure(z)), kl=mean_kl(session)),
    )
    covariance = np.cov(z.T).reshape(z.shape[1], -1)
    return Measured(results, decoded.again, space.decode(latents[:DRAWN]), covariance)


@torch.inference_mode()
def decode(session: EvaluationSession, latents: np.ndarray) -> Decoded:
    """Reconstructions of the faces of a session, compared before they are rounded to bytes, and samples from
    as many `latents` (N, D). In batches, so that memory stays constant."""
    space, rows = session.space, session.rows
    shown = set(evenly_spaced(rows, SHOWN).tolist())
    errors: list[Tensor] = []
    again: list[np.ndarray] = []
    real, drawn = PixelHistogram(), PixelHistogram()
    start = 0
    with progress(len(rows), f"Decoding {title_of(space.folder)}", "faces") as advance:
        for part in batches(rows):
            end = start + len(part)
            target = space.target(session.pixels(part))
            image = space.torch_engine.image(
                torch.from_numpy(session.encoded.mean[start:end]).to(space.device)
            )
            errors.append((image - to_float(target, space.device)).square().flatten(1).mean(1))  # (B,)
            again.append(to_uint8(image)[[row in shown for row in part.tolist()]])
            real.add(target)
            drawn.add(space.decode(latents[start:end]))
            advance(len(part))
            start = end
    return Decoded(torch.cat(errors).double().cpu().numpy(), np.concatenate(again), real, drawn)


def mean_kl(session: EvaluationSession) -> float | None:
    """Mean KL of the posteriors to N(0, I) in nats per image; None without a Gaussian posterior."""
    kl = session.encoded.kl
    if kl is None:
        return None
    return float(torch.from_numpy(kl).sum(1).double().mean())


def identify(name: str, path: Path, space: FaceSpace, faces: FaceSet) -> SpaceFacts:
    """What a space is, from its card, and how its training ended, from the run's log or the card of a bare
    bundle."""
    card, config = space.card, space.model.config
    recipe, trained_on = card.get("recipe") or {}, card.get("data") or {}
    fingerprint = trained_on.get("fingerprint")
    return SpaceFacts(
        name=name,
        path=place_of(space.folder) if address_of(path) else str(path),
        recipe=recipe.get("name"),
        bundle=title_of(space.folder),
        step=card.get("step"),
        started_from=card.get("started_from"),
        fingerprint=card["fingerprint"],
        training_networks=training_networks(card),
        model=ModelFacts(
            image=shape(space.image_shape),
            parameters=sum(weight.numel() for weight in space.model.parameters()),
            latents=space.latent_dim,
            backbone=config.backbone,
            widths=list(config.widths),
            bottleneck=config.family,
            likelihood=config.likelihood,
            conditions=list(config.conditions),
            objective=objective(card),
        ),
        trained_on=TrainingSetFacts(
            source=trained_on.get("source"),
            faces=trained_on.get("splits", {}).get("train"),
            crop=space.template.crop,
            fingerprint=fingerprint,
            same_set=fingerprint == faces.fingerprint,
        ),
        training=last_epoch(path, space),
    )


def last_epoch(path: Path, space: FaceSpace) -> LastEpoch:
    """The last line of a run's log, or the metrics in the card of a bare bundle."""
    epochs = read_epochs(path, []) if (path / METRICS).is_file() else []
    line = epochs[-1] if epochs else space.card.get("metrics", {})
    return LastEpoch(line.get("epoch"), line.get("step"), line.get("train"), line.get("validation"))


def fitting(space: FaceSpace, faces: FaceSet) -> str:
    """How the faces of a set are fitted to a space, as text."""
    channels, height, width = faces.image_shape
    wanted_channels, wanted_height, wanted_width = space.template.shape
    _, drawn_height, drawn_width = space.image_shape
    steps: list[str] = []
    if height * wanted_width != width * wanted_height:
        steps.append("cut to its proportions")
    if (height, width) != (wanted_height, wanted_width):
        steps.append(f"resized to {wanted_height}×{wanted_width}")
    if channels != wanted_channels:
        steps.append("made gray" if wanted_channels == 1 else "gray in three channels")
    if (drawn_height, drawn_width) != (wanted_height, wanted_width):
        steps.append(f"middle {drawn_height}×{drawn_width}")
    return ", ".join(steps) or "as they are"
