"""How good a space is, by one command: every part of the protocol that can be measured here, as metrics.json and as one
page to read. What cannot be measured is left out with a sentence. The parts are rows of PARTS."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from facespace.core.console import note
from facespace.core.errors import UsageError, check_seed
from facespace.core.files import build_folder, check_target, holds_only, write_json
from facespace.data.faces import FaceSet, evenly_spaced
from facespace.evaluation import advice, disentanglement, interpolation, latents, reconstruction, report
from facespace.evaluation.generation import draw_samples, measure_generation, measure_memorisation
from facespace.evaluation.intervals import bootstrap
from facespace.evaluation.report import METRICS, REPORT
from facespace.evaluation.session import EvaluationSession
from facespace.models.bundle import OWN
from facespace.perception.arcface import Identity, open_arcface
from facespace.perception.inception import IN_BF16, Features, FeaturesError, open_features
from facespace.perception.lpips import at_hand, open_lpips
from facespace.recipes.config import ObjectiveConfig
from facespace.space.face_space import FaceSpace
from facespace.training.loaders import Loader
from facespace.training.measure import evaluate as likelihood_of
from facespace.training.measure import per_dim

PAIRS, STEPS = 100, 24  # morphs whose pace is measured, and the frames of each
NEIGHBOURS = 5_000  # training faces that samples are held against


@dataclass
class Evaluation:
    """One evaluation: the subject, what to measure it with, and what was found so far."""

    subject: EvaluationSession
    samples: int
    features: Features | None
    lpips: Callable[[np.ndarray, np.ndarray], np.ndarray] | None
    identity: Identity | None
    prior: str
    temperature: float
    bound: int
    seed: int
    left_out: list[str] = field(default_factory=list)

    @cached_property
    def drawn(self) -> np.ndarray:
        """The samples that are judged, uint8 (N, H, W, C)."""
        return draw_samples(self.subject.space, self.samples, self.seed, self.temperature, self.prior)

    @property
    def reference(self) -> np.ndarray:
        """As many of the chosen faces, evenly spread, as there are samples: uint8 (N, H, W, C)."""
        return self.subject.originals[evenly_spaced(np.arange(len(self.subject.rows)), self.samples)]

    def real(self, split: str, count: int) -> np.ndarray:
        """Faces of another split as the space draws them."""
        rows = self.subject.faces.rows(split)
        return self.subject.space.target(self.subject.pixels(evenly_spaced(rows, count)))


def evaluate(
    space: FaceSpace | Path | str | None,
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    split: str = "test",
    count: int | None = None,
    samples: int | None = None,
    features: str | Path | None = "inception",
    lpips: Path | str | None = None,
    identity: Path | str | None = None,
    prior: str | None = None,
    temperature: float = 1.0,
    bound: int = 0,
    seed: int = 0,
    force: bool = False,
) -> dict[str, Any]:
    """Measures a space on at most `count` faces of a split and on as many `samples`; writes the folder `to` with metrics.json
    and report.html, and returns what metrics.json holds.

    `features` judges generation: inception, attributes, a TorchScript file, or None for no judge; `lpips` names LPIPS
    weights, `identity` an ArcFace network; `prior` a fitted prior; `bound` is the k of the importance-weighted bound, 0 for none.
    Raises UsageError for another crop or impossible numbers, and what opening the space and the set raises."""
    to = Path(to)
    check_target(to, "an evaluation", holds_only(METRICS, REPORT), force)
    check_seed(seed)
    subject = EvaluationSession(space, data, split, count)
    if samples is not None and not 2 <= samples <= len(subject.rows):
        raise UsageError(
            f"--samples must lie between 2 and the {len(subject.rows):,} faces that they are held against; got {samples}."
        )
    prior = prior or subject.space.usual_prior
    subject.space.prior(prior)  # whether it is there is known before any work
    distance = open_lpips(lpips) if lpips or at_hand() else None
    arcface = open_arcface(subject.space.template, identity)
    job = Evaluation(
        subject, samples or len(subject.rows), None, distance, arcface, prior, temperature, bound, seed
    )
    job.features = _judge(job, features) if features else None
    metrics: dict[str, Any] = {"protocol": describe(job), "seconds": {}}
    for name, part in PARTS.items():
        began = time.perf_counter()
        found = part(job, metrics)
        if found is not None:
            metrics[name] = found
        metrics["seconds"][name] = round(time.perf_counter() - began, 1)
    metrics["left_out"] = job.left_out
    findings = advice.conclude(metrics)
    metrics["findings"] = [finding._asdict() for finding in findings]
    with build_folder(to) as beside:
        write_json(beside / METRICS, metrics)
        (beside / REPORT).write_text(report.html(job, metrics, findings), encoding="utf-8")
    return metrics


def describe(job: Evaluation) -> dict[str, Any]:
    """All that somebody needs to get the same figures."""
    space, told = job.subject.space, job.subject.protocol()
    told["space"] |= {
        "step": space.card.get("step"),
        "weights": "average (EMA)" if _averaged(space.card) else "raw",
        "parameters": sum(weight.numel() for weight in space.model.parameters()),
    }
    return {
        **told,
        "samples": job.samples,
        "prior": space.prior(job.prior).origin,
        "temperature": job.temperature,
        "mode": "eval",
        "seed": job.seed,
        "features": job.features.about if job.features else None,
    }


def _averaged(card: Mapping[str, Any]) -> bool:
    plan = (card.get("recipe") or {}).get("train", {})
    return bool(plan.get("ema") or plan.get("ema_half_life"))


def _judge(job: Evaluation, which: str | Path) -> Features | None:
    """The feature network. The Inception may be out of reach, and then all else is still measured."""
    try:
        return open_features(which, job.subject.space.device)
    except FeaturesError as error:
        if which not in ("inception", IN_BF16):
            raise
        job.left_out.append(f"FID, KID, precision and recall are left out. {error}")
        note(job.left_out[-1])
        return None


def _reconstruction(job: Evaluation, metrics: Mapping[str, Any]) -> dict[str, Any]:
    subject = job.subject
    having = dict(zip(subject.faces.attribute_names, subject.faces.attributes[subject.rows].T > 0))
    found = reconstruction.measure_reconstruction(
        subject.originals, subject.reconstructions, job.lpips, having
    )
    job.left_out += found.pop("left_out", [])
    if job.identity:
        alike = (job.identity(subject.originals) * job.identity(subject.reconstructions)).sum(1)
        found["identity"] = float(alike.mean())
        found["intervals"]["identity"] = list(bootstrap(alike))
        found["protocol"]["identity"] = job.identity.about
    if job.features:
        judged = measure_generation(subject.reconstructions, subject.originals, None, job.features)
        found["fid"], found["kid"] = judged["fid"], judged["kid"]
    return found


def _likelihood(job: Evaluation, metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    subject = job.subject
    model, faces = subject.space.model, subject.faces
    plan = subject.space.card.get("recipe") or {}
    if faces.image_shape != (model.image_shape[0], *subject.space.template.shape[1:]):
        job.left_out.append(
            "The likelihood is left out: the set's faces have another size or colour than the space's."
        )
        return None
    weights = (plan.get("objective") or {}).get("weights") or {}
    bound = max(1, job.bound) if model.config.bottleneck == "gaussian" else 1  # others bound nothing
    goal = ObjectiveConfig(weights=dict.fromkeys(weights, 1.0), samples=bound)
    parts = {subject.split: subject.rows, "train": evenly_spaced(faces.rows("train"), len(subject.rows))}
    seen = {
        name: likelihood_of(model, Loader(faces, rows, 64, subject.space.device), goal)
        for name, rows in parts.items()
    }
    found: dict[str, Any] = {**per_dim(seen[subject.split] or {}, model.image_shape)}
    found["pixels"] = model.config.pixels
    own = seen["train"] and subject.space.card.get("data", {}).get("fingerprint") == faces.fingerprint
    if own and subject.split != "train":
        found["train_loss"] = seen["train"]["loss"]  # type: ignore[index]
        found["train_gap"] = (found["loss"] - found["train_loss"]) / abs(found["train_loss"])
    return found


def _generation(job: Evaluation, metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    if job.features is None:
        return None
    subject = job.subject
    other = "validation" if subject.split != "validation" else "test"
    others = job.real(other, job.samples) if len(subject.faces.rows(other)) >= job.samples else None
    return measure_generation(job.drawn, job.reference, others, job.features)


def _memorisation(job: Evaluation, metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    faces = job.subject.faces
    if not len(faces.rows("train")) or job.subject.split in ("train", "all"):
        return None
    train, unseen, net = (
        job.real("train", NEIGHBOURS),
        job.subject.originals,
        open_features("attributes", job.subject.space.device),
    )
    found = measure_memorisation(job.drawn, train, unseen)
    return found | {"by_attributes": measure_memorisation(job.drawn, train, unseen, net)}


def _latents(job: Evaluation, metrics: Mapping[str, Any]) -> dict[str, Any]:
    seen, space = job.subject.encoded, job.subject.space
    drawn = space.sample_latents(len(seen.mean), job.seed, job.temperature, job.prior)
    found = latents.latent_health(seen.mean, seen.variance, drawn, seen.kl, job.seed, fitted=job.prior != OWN)
    return {**found, "warnings": latents.warnings(found, space.model.config.flat)}


def _interpolation(job: Evaluation, metrics: Mapping[str, Any]) -> dict[str, Any]:
    subject = job.subject
    keys = np.random.default_rng(job.seed).permutation(subject.rows)[: len(subject.rows) // 2 * 2][
        : 2 * PAIRS
    ]
    found = interpolation.measure_interpolation(subject.space, subject.pixels(keys), STEPS, job.lpips)
    if job.features:
        halfway = interpolation.midpoints(subject.space, subject.encoded.mean, job.samples, job.seed)
        judged = measure_generation(halfway, job.reference, None, job.features)
        found["midpoints"] = {name: judged[name] for name in ("fid", "kid", "kid_sd")} | {
            "count": len(halfway)
        }
    return found


def _disentanglement(job: Evaluation, metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    faces = job.subject.faces
    if faces.card["source"] != "synthetic":
        return None
    factors = faces.attributes[job.subject.rows]
    try:
        return disentanglement.measure(job.subject.encoded.mean, factors, faces.attribute_names)
    except UsageError as error:  # too few faces: all else is still measured
        job.left_out.append(str(error))
        return None


PARTS: Mapping[str, Callable[[Evaluation, Mapping[str, Any]], dict[str, Any] | None]] = {
    "reconstruction": _reconstruction,
    "likelihood": _likelihood,
    "generation": _generation,
    "memorisation": _memorisation,
    "latents": _latents,
    "interpolation": _interpolation,
    "disentanglement": _disentanglement,
}


def brief(metrics: Mapping[str, Any]) -> str:
    """The figures and findings for the terminal."""
    found, drawn = metrics["reconstruction"], metrics.get("generation")
    parts = [f"PSNR {found['psnr']:.2f} dB", f"MSE {found['mse']:.5f}"]
    parts += [f"SSIM {found['ssim']:.3f}"] if "ssim" in found else []
    parts += [f"LPIPS {found['lpips']:.3f}"] if "lpips" in found else []
    parts += [f"FID {found['fid']:.1f}"] if "fid" in found else []
    lines = [f"reconstruction  {', '.join(parts)}"]
    if drawn:
        lines.append(
            f"new faces       FID {drawn['fid']:.1f} (other real faces {drawn['floor']['fid']:.1f}), KID {drawn['kid']:.4f} ± "
            f"{drawn['kid_sd']:.4f} ({drawn['floor']['kid']:.4f}), precision {drawn['precision']:.3f}, recall {drawn['recall']:.3f}"
        )
    if "likelihood" in metrics:
        seen = metrics["likelihood"]
        lines.append(
            f"likelihood      {seen['loss']:,.1f} nats per image, {seen['loss_per_dim']:.4f} per dimension"
        )
    lines += [""] + [
        f"{finding['kind']:<5} {finding['text']} {finding['change']}".rstrip()
        for finding in metrics["findings"]
    ]
    return "\n".join([*lines, *metrics["left_out"]])
