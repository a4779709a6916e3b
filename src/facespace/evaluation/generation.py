"""Fidelity and diversity of new faces: FID, KID, precision and recall against real faces, beside the same
distances between real faces."""

from dataclasses import dataclass, field, replace

import numpy as np

from facespace.core.errors import UsageError
from facespace.evaluation.session import Evaluation
from facespace.image import grids
from facespace.image.jpeg import is_jpeg, looks_like_jpeg
from facespace.models.bundle_card import MODEL_PRIOR as OWN
from facespace.perception.feature_distances import NEIGHBOURS, SUBSET, SUBSETS, fid, kid, precision_recall
from facespace.perception.inception import Features, cached_features
from facespace.report.metrics import network_label
from facespace.report.page import Section
from facespace.report.report import GOOD, NOTE, POOR, Finding
from facespace.report.results import INTERNAL

FEWEST = 8  # faces a side for which every quantity exists, also that of half against half
SHOWN = 48  # samples on the page
JPEG_WARNING = (
    "The real faces seem to have been saved as JPEG after they were cropped (block borders {:.2f} times "
    "as steep as their neighbours): such references change FID with the Inception. Prepare the set from "
    "the photographs."
)


@dataclass(frozen=True)
class RealReference:
    """The real-vs-real reference: what real faces reach against real faces."""

    fid: float
    kid: float
    count: int
    compared: str  # the two groups of real faces


@dataclass(frozen=True)
class KidProtocol:
    """How KID was computed."""

    subsets: int
    size: int  # faces of a subset
    degree: int  # of the polynomial kernel


@dataclass(frozen=True)
class GenerationProtocol:
    """How the distances were computed."""

    features: str  # the network
    count: int  # faces a side
    kid: KidProtocol
    neighbours: int  # k of precision and recall
    seed: int


@dataclass(frozen=True)
class Generation:
    """Distances between new and real faces, and between real faces."""

    fid: float
    kid: float
    kid_sd: float  # standard deviation over subsets
    precision: float
    recall: float
    real_reference: RealReference
    protocol: GenerationProtocol
    warnings: list[str]
    reconstruction_fid: float | None = field(default=None, metadata=INTERNAL)
    prior_fitted: bool = field(default=False, metadata=INTERNAL)


def measure(evaluation: Evaluation) -> Generation | None:
    """The samples against as many of the selected faces."""
    if evaluation.features is None:
        return None
    session, samples = evaluation.session, evaluation.sample_count
    other_split = "test" if session.split == "validation" else "validation"
    others = None
    if len(session.faces.rows(other_split)) >= samples:
        others = evaluation.real(other_split, samples)
    found = measure_generation(evaluation.samples, evaluation.reference, others, evaluation.features)
    fitted = evaluation.prior != OWN
    return replace(found, reconstruction_fid=evaluation.reconstruction_fid, prior_fitted=fitted)


def section(evaluation: Evaluation, found: Generation | None) -> Section:
    """Samples, and their distances beside those of other real faces."""
    origin = evaluation.session.space.prior(evaluation.prior).origin
    caption = f"New faces from {origin}, temperature {evaluation.temperature:g}."
    pictures = [(caption, grids.grid(evaluation.samples[:SHOWN], 12))]
    if found is None:
        return Section("New faces", "There was no feature network, so only the faces are shown.", pictures)
    reference = found.real_reference
    network, kid_protocol = network_label(found.protocol.features), found.protocol.kid
    subsets = f"± standard deviation over {kid_protocol.subsets} subsets of {kid_protocol.size:,} faces"
    rows = [
        ["figure", "new faces", "other real faces", "better"],
        [f"FID ({network})", f"{found.fid:.1f}", f"{reference.fid:.1f}", "lower"],
        [
            f"KID ({network}), {subsets}",
            f"{found.kid:.4f} ± {found.kid_sd:.4f}",
            f"{reference.kid:.4f}",
            "lower",
        ],
        ["precision (how many look real)", f"{found.precision:.3f}", "", "higher"],
        ["recall (how much of the real variety)", f"{found.recall:.3f}", "", "higher"],
    ]
    text = (
        f"Distances between {evaluation.sample_count:,} new faces and as many real ones, by "
        f"{found.protocol.features}. The value for other real faces ({reference.compared}) is the best that "
        "could be reached."
    )
    return Section("New faces", text, pictures, rows)


def advise(found: Generation) -> list[Finding]:
    """Whether new faces are realistic; if not, whether the prior or the decoder causes it."""
    notes = [Finding(NOTE, text) for text in found.warnings]
    return [_conclusion(found), *notes]


def _conclusion(found: Generation) -> Finding:
    reference, reconstruction = found.real_reference.fid, found.reconstruction_fid
    network = network_label(found.protocol.features)
    numbers = f"FID ({network}) {found.fid:.0f}, where other real faces have {reference:.0f}"
    if found.fid <= 2 * reference:
        return Finding(GOOD, f"New faces are nearly as close to real faces as other real faces ({numbers}).")
    text = f"New faces are easily distinguished from real ones ({numbers})."
    if reconstruction is None:
        change = "Compare with reconstructions to find whether the prior or the decoder is the cause."
        return Finding(POOR, text, change)
    if found.fid <= 1.15 * reconstruction + 5:
        change = (
            "The prior is not at fault: samples are as good as reconstructions. A sharper decoder helps both."
        )
        return Finding(POOR, text, change)
    change = "Draw from a fitted prior: facespace fit-prior --kind flow. A higher KL weight helps too."
    if found.prior_fitted:
        change = "A prior is fitted already: train with more faces, or with a higher KL weight."
    text = f"New faces are worse than reconstructions ({numbers}; reconstructions {reconstruction:.0f})."
    return Finding(POOR, text, change)


def measure_generation(
    samples: np.ndarray, real: np.ndarray, others: np.ndarray | None, features: Features, seed: int = 0
) -> Generation:
    """Distances between samples and as many real faces; `others` are real faces of another split for the
    reference.

    Faces are uint8 (N, H, W, C), or their features float (N, D). Without `others`, or with fewer than N, the
    reference is one half of the real faces against the other, which gives larger values. Raises UsageError
    for unequal counts."""
    warnings = []
    if is_jpeg(real):
        warnings.append(JPEG_WARNING.format(looks_like_jpeg(real)))
    sampled, reference = as_features(features, samples), as_features(features, real, keep=True)
    check_counts(sampled, reference)
    count, dim = reference.shape
    if count <= dim:
        warnings.append(
            f"{count:,} faces give no full covariance of {dim:,} features, so FID "
            f"({network_label(features.about)}) lies higher than with many faces: compare it only with "
            "values for the same count. KID has no such bias."
        )
    size = min(SUBSET, count // 2)
    mean, deviation = kid(sampled, reference, size=size, seed=seed)
    precision, recall = precision_recall(reference, sampled)
    other_features = None if others is None else as_features(features, others, keep=True)
    protocol = GenerationProtocol(
        features=features.about,
        count=count,
        kid=KidProtocol(SUBSETS, size, degree=3),
        neighbours=NEIGHBOURS,
        seed=seed,
    )
    return Generation(
        fid=fid(sampled, reference),
        kid=mean,
        kid_sd=deviation,
        precision=precision,
        recall=recall,
        real_reference=real_vs_real(reference, other_features, seed),
        protocol=protocol,
        warnings=warnings,
    )


def real_vs_real(real: np.ndarray, others: np.ndarray | None, seed: int = 0) -> RealReference:
    """The real-vs-real reference of features (N, D) and (M, D): N of the others, evenly spaced, against
    `real`; if there are fewer, one shuffled half of `real` against the other."""
    count = len(real)
    if others is not None and len(others) >= count:
        a, b = others[np.arange(count) * len(others) // count], real
        compared = f"{count:,} other real faces against the same {count:,}"
    else:
        order = np.random.default_rng(seed).permutation(count)
        half = count // 2
        a, b = real[order[:half]], real[order[half : half * 2]]
        compared = f"one half of the real faces against the other, {half:,} each"
    distance, _ = kid(a, b, size=min(SUBSET, len(a) // 2), seed=seed)
    return RealReference(fid(a, b), distance, len(a), compared)


def check_counts(samples: np.ndarray, real: np.ndarray) -> None:
    """Raises UsageError unless both sides have as many faces, enough of them, and features of one network."""
    if len(samples) != len(real):
        raise UsageError(
            f"{len(samples):,} samples cannot be compared with {len(real):,} real faces: FID, precision and "
            f"recall depend on the counts. Take {min(len(samples), len(real)):,} of each."
        )
    if len(real) < FEWEST:
        raise UsageError(
            f"FID, KID, precision and recall need at least {FEWEST} faces a side; got {len(real)}."
        )
    if samples.shape != real.shape:
        raise UsageError(
            f"Features of {samples.shape[1]} and {real.shape[1]} numbers come from two networks; use one."
        )


def as_features(features: Features, faces: np.ndarray, keep: bool = False) -> np.ndarray:
    """Features (N, D) of uint8 faces (N, H, W, C), with `keep` through the cache on disk; features pass
    unchanged."""
    if faces.ndim == 2 and faces.dtype.kind == "f":
        return faces
    return cached_features(features, faces) if keep else features(faces)
