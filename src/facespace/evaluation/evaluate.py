"""The measurement of a space by one command: every part of the protocol that can be measured here, as
metrics.json and as one page to read. A part is a module with `measure`, `section` and `advise`, and a row of
PARTS."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from facespace.core.aliases import current_argument
from facespace.core.cards import Card
from facespace.core.console import note
from facespace.core.errors import UsageError, check_seed
from facespace.data.faces import FaceSet
from facespace.evaluation import (
    disentanglement,
    generation,
    interpolation,
    latents,
    likelihood,
    memorisation,
    reconstruction,
)
from facespace.evaluation.session import Evaluation, EvaluationSession, SessionProtocol, SpaceIdentity
from facespace.perception.arcface import open_arcface
from facespace.perception.inception import INCEPTION_BF16, Features, FeaturesError, open_features
from facespace.perception.lpips import lpips_if_available
from facespace.report.metrics import network_label
from facespace.report.page import Section
from facespace.report.report import Finding, Layout, Report
from facespace.report.report import brief as as_text
from facespace.report.results import as_document
from facespace.report.run_files import text_at
from facespace.space.face_space import FaceSpace

LAYOUT = Layout("an evaluation", "metrics", page="report.html")


class Part(Protocol):
    """A part of an evaluation. `found` is what `measure` returned: a dataclass, or None if there was nothing
    to measure."""

    def measure(self, evaluation: Evaluation) -> Any:
        """The numbers."""
        ...

    def section(self, evaluation: Evaluation, found: Any) -> Section | None:
        """Their section of the page; None for no section."""
        ...

    def advise(self, found: Any) -> list[Finding]:
        """Conclusions from them; called only if `found` is not None."""
        ...


@dataclass(frozen=True)
class EvaluatedSpace(SpaceIdentity):
    """The space of an evaluation."""

    step: int | None
    weights: str  # average or raw
    parameters: int


@dataclass(frozen=True)
class EvaluationProtocol(SessionProtocol):
    """What is needed to reproduce an evaluation; `space` is an EvaluatedSpace."""

    samples: int
    prior: str  # where samples come from
    temperature: float
    mode: str  # of the model
    seed: int
    features: str | None  # the network for FID and KID
    compared: list[int]  # (height, width) in pixels in which faces are compared


# Key in metrics.json -> part, in the order in which they are measured and shown.
PARTS: Mapping[str, Part] = {
    "reconstruction": reconstruction,
    "generation": generation,
    "memorisation": memorisation,
    "latents": latents,
    "interpolation": interpolation,
    "likelihood": likelihood,
    "disentanglement": disentanglement,
}


def evaluate(
    space: FaceSpace | Path | str | None,
    data: FaceSet | Path | str,
    to: Path | str | None = None,
    *,
    split: str = "test",
    count: int | None = None,
    samples: int | None = None,
    features: str | Path | Features | None = "inception",
    lpips: Path | str | None = None,
    identity: Path | str | None = None,
    prior: str | None = None,
    temperature: float = 1.0,
    iwae_samples: int = 0,
    seed: int = 0,
    force: bool = False,
    size: int | None = None,
) -> Card:
    """Measures a space on at most `count` faces of a split and on as many `samples`; writes the folder `to`
    with metrics.json and report.html, where one is named, and returns the content of metrics.json.

    `features` is the network for FID and KID: inception, attributes, a TorchScript file, or None for no such
    distances; `lpips` names LPIPS weights, `identity` an ArcFace network, `prior` a fitted prior;
    `iwae_samples` is the k of the importance-weighted bound, 0 for none. With `size` faces are compared in
    that height, which must divide the space's: each pixel is the mean of a square, so that spaces of several
    sizes compare. The likelihood stays that of the whole faces. Raises UsageError for another crop, numbers
    out of range, or a folder with other files (or with an evaluation, without `force`), and what
    opening the space and the set raises."""
    if to is not None:
        LAYOUT.check(to, force)
    check_seed(seed)
    session = EvaluationSession(space, data, split, count, size=size)
    samples = sample_count(session, samples)
    kind: str = current_argument("prior", prior) or session.space.default_prior
    session.space.prior(kind)  # raises if it is missing, before any work
    distance = lpips_if_available(lpips)
    arcface = open_arcface(session.template, identity)
    evaluation = Evaluation(session, samples, distance, arcface, kind, temperature, iwae_samples, seed)
    if features:
        evaluation.features = _open_features(evaluation, features)
    report = make_report(evaluation, measure_parts(evaluation))
    if to is not None:
        report.write(to, force)
    return report.document()


def sample_count(session: EvaluationSession, samples: int | None) -> int:
    """The number of samples, by default as many as faces. Raises UsageError unless it lies between 2 and the
    number of faces."""
    faces = len(session.rows)
    samples = faces if samples is None else samples
    if not 2 <= samples <= faces:
        raise UsageError(
            f"--samples must lie between 2 and the {faces:,} faces that they are compared with; got "
            f"{samples}."
        )
    return samples


def measure_parts(evaluation: Evaluation, names: Iterable[str] = PARTS) -> dict[str, float]:
    """Measures those parts, by default all, into `evaluation.results`; returns the seconds of each."""
    seconds = {}
    for name in names:
        start = time.perf_counter()
        found = PARTS[name].measure(evaluation)
        if found is not None:
            evaluation.results[name] = found
        seconds[name] = round(time.perf_counter() - start, 1)
    return seconds


def make_report(evaluation: Evaluation, seconds: Mapping[str, float]) -> Report:
    """The report of a measured evaluation."""
    results = evaluation.results
    sections = [part.section(evaluation, results.get(name)) for name, part in PARTS.items()]
    document = as_document({"seconds": seconds, **results, "left_out": evaluation.left_out})
    protocol = describe(evaluation)
    faces = protocol.set
    return Report(
        layout=LAYOUT,
        title=f"How good is {protocol.space.recipe or evaluation.session.space.folder.name}?",
        protocol=as_document(protocol),
        results=document,
        findings=findings_of(results),
        summary=(
            f"{protocol.faces:,} faces of the split {protocol.split} ({faces.source}, crop {faces.crop}), "
            f"{protocol.samples:,} samples from {protocol.prior}."
        ),
        sections=sections,
        headlines=headlines(document),
        left_out=evaluation.left_out,
        seconds=seconds,
    )


def findings_of(results: Mapping[str, object]) -> list[Finding]:
    """The conclusions from the results of the parts, the most important first."""
    findings = []
    for name, part in PARTS.items():
        if name in results:
            findings += part.advise(results[name])
    return findings


def describe(evaluation: Evaluation) -> EvaluationProtocol:
    """The protocol: what is needed to reproduce the results."""
    session, card = evaluation.session, evaluation.session.space.card
    shared = session.protocol()
    training = (card.get("recipe") or {}).get("train", {})
    weights = (card.get("metrics") or {}).get("weights")  # of runs that kept the better of the two
    if not weights:
        weights = "average" if training.get("ema") or training.get("ema_half_life") else "raw"
    space = EvaluatedSpace(
        **vars(shared.space),
        step=card.get("step"),
        weights="average (EMA)" if weights == "average" else str(weights),
        parameters=sum(weight.numel() for weight in session.space.model.parameters()),
    )
    return EvaluationProtocol(
        **vars(replace(shared, space=space)),
        samples=evaluation.sample_count,
        prior=session.space.prior(evaluation.prior).origin,
        temperature=evaluation.temperature,
        mode="eval",
        seed=evaluation.seed,
        features=evaluation.features.about if evaluation.features else None,
        compared=list(session.originals.shape[1:3]),
    )


def brief(metrics: Card) -> str:
    """The content of metrics.json as text for the terminal."""
    findings = [Finding(**finding) for finding in metrics["findings"]]
    return as_text(headlines(metrics), findings, metrics["left_out"])


def headlines(metrics: Card) -> list[str]:
    """The main figures, a line for each of reconstruction, new faces and likelihood."""
    found = metrics["reconstruction"]
    parts = [f"PSNR {found['psnr']:.2f} dB", f"MSE {found['mse']:.5f}"]
    network = network_label(text_at(metrics, "generation", "protocol", "features"))
    fid = f"FID ({network})"
    for name, label, form in (("ssim", "SSIM", ".3f"), ("lpips", "LPIPS", ".3f"), ("fid", fid, ".1f")):
        if name in found:
            parts.append(f"{label} {found[name]:{form}}")
    lines = [f"reconstruction  {', '.join(parts)}"]
    generated, likelihood = metrics.get("generation"), metrics.get("likelihood")
    if generated:
        reference = generated["real_reference"]
        lines.append(
            f"new faces       {fid} {generated['fid']:.1f} (real faces against real faces "
            f"{reference['fid']:.1f}), KID ({network}) {generated['kid']:.4f} ± {generated['kid_sd']:.4f} "
            f"({reference['kid']:.4f}), precision {generated['precision']:.3f}, recall "
            f"{generated['recall']:.3f}"
        )
    if likelihood:
        loss, per_dim = likelihood["loss"], likelihood["loss_per_dim"]
        lines.append(
            f"likelihood      {loss:,.1f} nats per image (−ELBO, lower is better), {per_dim:.4f} per pixel "
            "value"
        )
    return lines


def _open_features(evaluation: Evaluation, name: str | Path | Features) -> Features | None:
    """The feature network. If the Inception cannot be fetched, all other parts are still measured."""
    try:
        return open_features(name, evaluation.session.space.device)
    except FeaturesError as error:
        if name not in ("inception", INCEPTION_BF16):
            raise
        left_out = "FID, KID, precision and recall are left out: the FID Inception is missing."
        note(left_out)  # at once; how to get it is said with the results
        evaluation.left_out.append(
            f"{left_out} {error} Or take the bundled attribute classifier: --features attributes."
        )
        return None
