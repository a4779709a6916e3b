"""How well faces are reconstructed: errors and similarities of originals and reconstructions, per face and as
means with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from facespace.evaluation.generation import measure_generation
from facespace.evaluation.session import Evaluation
from facespace.image import grids
from facespace.perception.lpips import Distance
from facespace.perception.similarity import PROTOCOL, lpips_protocol, per_face, too_small, usable_lpips
from facespace.report.metrics import with_network
from facespace.report.page import Section
from facespace.report.report import GOOD, POOR, Finding
from facespace.report.results import INTERNAL, Interval, bootstrap

ENOUGH = 20  # faces below which no mean over those with an attribute is given
HARD = 1.1  # times the mean error of all faces, from which on an attribute is named as hard
SHOWN = 16  # faces on the page

QUANTITIES = {  # name -> label, number format, which is better
    "psnr": ("PSNR, dB", ".2f", "higher"),
    "mse": ("MSE in [0, 1]", ".5f", "lower"),
    "ssim": ("SSIM", ".3f", "higher"),
    "ms_ssim": ("MS-SSIM", ".3f", "higher"),
    "lpips": ("LPIPS (AlexNet)", ".3f", "lower"),
    "identity": ("identity (ArcFace), cosine", ".3f", "higher"),
    "fid": ("FID of reconstructions", ".1f", "lower"),
    "kid": ("KID of reconstructions", ".4f", "lower"),
}


@dataclass(frozen=True)
class Reconstruction:
    """Means over faces, their 95 % `intervals` and definitions (`protocol`); None for a quantity that was not
    measured."""

    mse: float
    psnr: float  # dB
    faces: int
    intervals: dict[str, Interval]
    protocol: dict[str, str]
    by_attribute: dict[str, dict[str, float]]  # means over the faces with an attribute, and how many they are
    ssim: float | None = None
    ms_ssim: float | None = None
    lpips: float | None = None
    identity: float | None = None  # cosine
    fid: float | None = None
    kid: float | None = None
    left_out: list[str] = field(default_factory=list, metadata=INTERNAL)


def measure(evaluation: Evaluation) -> Reconstruction:
    """The selected faces against their reconstructions."""
    session = evaluation.session
    originals, reconstructions = session.originals, session.reconstructions
    attributes = dict(zip(session.faces.attribute_names, session.faces.attributes[session.rows].T > 0))
    found = measure_reconstruction(originals, reconstructions, evaluation.lpips, attributes)
    evaluation.left_out += found.left_out
    if evaluation.identity:
        cosines = (evaluation.identity(originals) * evaluation.identity(reconstructions)).sum(1)
        intervals = {**found.intervals, "identity": bootstrap(cosines)}
        protocol = {**found.protocol, "identity": evaluation.identity.about}
        found = replace(found, identity=float(cosines.mean()), intervals=intervals, protocol=protocol)
    if features := evaluation.secondary_features:
        distances = measure_generation(reconstructions, originals, None, features)
        protocol = {**found.protocol, "fid": features.about, "kid": features.about}
        found = replace(found, fid=distances.fid, kid=distances.kid, protocol=protocol)
        evaluation.reconstruction_fid = found.fid
    return found


def section(evaluation: Evaluation, found: Reconstruction) -> Section:
    """The means with their intervals, and faces above their reconstructions."""
    rows = [["figure", "value", "95 % interval", "better"]]
    for name, (label, form, better) in QUANTITIES.items():
        value = getattr(found, name)
        if value is not None:
            label = with_network(label, found.protocol.get(name))
            rows.append([label, f"{value:{form}}", _span(found.intervals.get(name), form), better])
    session = evaluation.session
    at = np.linspace(0, len(session.rows) - 1, SHOWN).astype(int)
    sheet = grids.grid(grids.pairs(session.originals[at], session.reconstructions[at]), 8)
    text = "How well unseen faces are reconstructed. Each face is encoded, and its posterior mean is decoded."
    hard = hardest(found.mse, found.by_attribute)
    if hard:
        text += f" The largest errors are those of faces with {', '.join(hard)}."
    caption = "Rows of unseen faces, and below each its reconstruction."
    return Section("Reconstruction", text, [(caption, sheet)], rows)


def _span(interval: Interval | None, form: str) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f"{low:{form}} to {high:{form}}"


def hardest(mse: float, by_attribute: Mapping[str, Mapping[str, float]], most: int = 5) -> list[str]:
    """The attributes whose faces have the largest mean squared error, if it exceeds that of all faces by a
    tenth."""
    ratios = []
    for name, means in by_attribute.items():
        ratios.append((means["mse"] / mse, name.replace("_", " ")))
    ratios.sort(key=_first, reverse=True)
    return [f"{name} (error × {ratio:.2f})" for ratio, name in ratios[:most] if ratio > HARD]


def _first(pair: tuple[float, str]) -> float:
    return pair[0]


def advise(found: Reconstruction) -> list[Finding]:
    """Whether reconstructions are sharp, by LPIPS if it was measured, else by PSNR. The limits are our own,
    set from the spaces in docs/evaluation.md."""
    psnr, lpips = found.psnr, found.lpips
    numbers = f"PSNR {psnr:.1f} dB"
    if lpips is not None:
        numbers += f", LPIPS {lpips:.3f}"
    elif found.ssim is not None:
        numbers += f", SSIM {found.ssim:.2f}"
    sharper = (
        "More latents, a deeper or residual backbone, and a perceptual loss make reconstructions sharper."
    )
    if lpips is not None and lpips <= 0.1:
        return [Finding(GOOD, f"Reconstructions are sharp ({numbers}).")]
    if lpips is None and psnr >= 24:
        return [Finding(GOOD, f"Reconstructions are close to the originals ({numbers}).")]
    if psnr < 19 or (lpips or 0) > 0.3:
        text = f"Reconstructions are far from the originals ({numbers})."
        return [Finding(POOR, text, f"Train longer first. {sharper}")]
    return [Finding(POOR, f"Faces are recognisable and blurred ({numbers}).", sharper)]


def measure_reconstruction(
    originals: np.ndarray,
    reconstructions: np.ndarray,
    lpips: Distance | None = None,
    attributes: Mapping[str, np.ndarray] | None = None,
) -> Reconstruction:
    """Means over faces of `per_face`, which describes the arguments. `attributes` says for each one which
    faces have it, bool (N,): `by_attribute` has the means over those, if there are enough."""
    lpips, refusal = usable_lpips(lpips, originals)
    found = per_face(originals, reconstructions, lpips)
    left_out = too_small(originals.shape[1:3])
    if refusal:
        left_out.append(refusal)
    return Reconstruction(
        **_means(found),
        faces=len(originals),
        intervals={name: bootstrap(values) for name, values in found.items()},
        protocol={name: PROTOCOL.get(name) or lpips_protocol(lpips) for name in found},
        by_attribute=_by_attribute(found, attributes or {}),
        left_out=left_out,
    )


def _means(found: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in found.items()}


def _by_attribute(
    found: Mapping[str, np.ndarray], having: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    means: dict[str, dict[str, float]] = {}
    for name, some in having.items():
        if some.sum() >= ENOUGH:
            chosen = {quantity: values[some] for quantity, values in found.items()}
            means[name] = {"faces": int(some.sum()), **_means(chosen)}
    return means
