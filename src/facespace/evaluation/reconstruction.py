"""How well faces are reconstructed: errors and similarities of originals and reconstructions, per face and as
means with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure as ms_ssim,
)
from torchmetrics.functional.image import (
    structural_similarity_index_measure as ssim,
)

from facespace.core.errors import UsageError
from facespace.evaluation.generation import measure_generation
from facespace.evaluation.results import INTERNAL, Interval, bootstrap
from facespace.evaluation.session import Evaluation
from facespace.image import grids
from facespace.image.pixels import to_float, to_uint8
from facespace.perception.lpips import Distance
from facespace.report.page import Section
from facespace.report.report import GOOD, POOR, Finding

ENOUGH = 20  # faces below which no mean over those with an attribute is given
BATCH = 32  # faces at a time, which bounds the memory
WINDOW = 11  # pixels of SSIM's window, the smallest side that SSIM can measure
SCALES = 5  # of MS-SSIM: each halves the image, and the smallest must still hold the window
SMALLEST = WINDOW * 2 ** (SCALES - 1)  # px a side
HARD = 1.1  # times the mean error of all faces, from which on an attribute is named as hard
SHOWN = 16  # faces on the page

PROTOCOL = {
    "mse": "mean squared error of all pixel values in [0, 1]",
    "psnr": "10·log10(1 / MSE) of each face, at most 100 dB, and the mean of that over faces",
    "ssim": f"Wang et al., 2004: Gaussian window of {WINDOW} px (σ 1.5), data range 1, mean over channels",
    "ms_ssim": f"Wang et al., 2003: {SCALES} scales, the window and range of SSIM",
}

RECONSTRUCTION = {  # name -> label, number format, which is better
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
    if evaluation.features:
        distances = measure_generation(reconstructions, originals, None, evaluation.features)
        found = replace(found, fid=distances.fid, kid=distances.kid)
    return found


def section(evaluation: Evaluation, found: Reconstruction) -> Section:
    """The means with their intervals, and faces above their reconstructions."""
    rows = [["figure", "value", "95 % interval", "better"]]
    for name, (label, form, better) in RECONSTRUCTION.items():
        value = getattr(found, name)
        if value is not None:
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
    having: Mapping[str, np.ndarray] | None = None,
) -> Reconstruction:
    """Means over faces of `per_face`, which describes the arguments. `having` says for each attribute which
    faces have it, bool (N,): `by_attribute` has the means over those, if there are enough."""
    lpips, refusal = usable(lpips, originals)
    found = per_face(originals, reconstructions, lpips)
    left_out = _too_small(originals.shape[1:3])
    if refusal:
        left_out.append(refusal)
    return Reconstruction(
        **_means(found),
        faces=len(originals),
        intervals={name: bootstrap(values) for name, values in found.items()},
        protocol={name: PROTOCOL.get(name) or _about(lpips) for name in found},
        by_attribute=_by_attribute(found, having or {}),
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


def per_face(
    originals: np.ndarray, reconstructions: np.ndarray, lpips: Distance | None = None
) -> dict[str, np.ndarray]:
    """`mse`, `psnr` (dB), `ssim`, `ms_ssim` and `lpips`, each (N,), of faces (N, H, W, C) and their
    reconstructions: uint8, or floats in [0, 1]. Quantities that the size does not allow, and LPIPS without a
    network, are missing.

    Raises UsageError for stacks of different shapes, or of no faces."""
    if originals.shape != reconstructions.shape or originals.ndim != 4 or not len(originals):
        raise UsageError(
            "Originals and reconstructions must be as many faces (N, H, W, C) of one size; got "
            f"{originals.shape} and {reconstructions.shape}."
        )
    parts = []
    for start in range(0, len(originals), BATCH):
        batch = slice(start, start + BATCH)
        parts.append(_measure(originals[batch], reconstructions[batch], lpips))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def usable(lpips: Distance | None, faces: np.ndarray) -> tuple[Distance | None, str]:
    """LPIPS if it is given and accepts faces (N, H, W, C) of this size; otherwise None, and a sentence with
    the reason."""
    if lpips is None:
        return None, "LPIPS is left out: no network was given for it."
    try:
        lpips(faces[:1], faces[:1])
    except UsageError as error:
        return None, f"LPIPS is left out: {error}"
    return lpips, ""


def psnr(errors: np.ndarray) -> np.ndarray:
    """The peak signal-to-noise ratio of each mean squared error (N,) of pixels in [0, 1]: (N,) dB, at most
    100."""
    return -10 * np.log10(errors.clip(min=1e-10))


def quality(errors: np.ndarray) -> dict[str, float]:
    """Mean squared errors (N,) of faces in [0, 1] as their mean, and the mean PSNR in dB."""
    return {"mse": float(errors.mean()), "psnr": float(psnr(errors).mean())}


class Tally:
    """Mean and deviation of pixel values in [0, 1], from a histogram of the 256 gray levels."""

    def __init__(self) -> None:
        self.counts = np.zeros(256, np.int64)

    def add(self, faces: np.ndarray) -> None:
        """uint8 faces of any shape."""
        self.counts += np.bincount(faces.ravel(), minlength=256)

    def moments(self) -> tuple[float, float]:
        """(mean, standard deviation)."""
        levels, share = np.arange(256) / 255, self.counts / self.counts.sum()
        mean = float(levels @ share)
        return mean, float(np.sqrt((levels - mean) ** 2 @ share))


def _too_small(size: tuple[int, ...]) -> list[str]:
    """A sentence for each quantity that faces of (H, W) px do not allow."""
    here = f"these faces have {size[0]}×{size[1]}"
    sentences = []
    if min(size) < WINDOW:
        sentences.append(f"SSIM is left out: its window needs at least {WINDOW} px a side, and {here}.")
    if min(size) < SMALLEST:
        sentences.append(
            f"MS-SSIM is left out: its {SCALES} scales need at least {SMALLEST} px a side (the {WINDOW} px "
            f"window at a sixteenth of the size), and {here}."
        )
    return sentences


@torch.inference_mode()
def _measure(
    originals: np.ndarray, reconstructions: np.ndarray, lpips: Distance | None
) -> dict[str, np.ndarray]:
    x, y = _unit(originals), _unit(reconstructions)
    smallest = min(x.shape[-2:])
    errors = (x.double() - y.double()).square().flatten(1).mean(1).numpy()  # (B,)
    found: dict[str, np.ndarray] = {"mse": errors, "psnr": psnr(errors)}
    whole: Mapping[str, Any] = dict(data_range=1.0, kernel_size=WINDOW, sigma=1.5, reduction="none")
    if smallest >= WINDOW:
        found["ssim"] = ssim(y, x, **whole).reshape(-1).double().numpy()  # type: ignore[union-attr]
    if smallest >= SMALLEST:
        found["ms_ssim"] = ms_ssim(y, x, **whole).reshape(-1).double().numpy()
    if lpips is not None:
        found["lpips"] = np.asarray(lpips(to_uint8(x), to_uint8(y)), np.float64).reshape(-1)
    return found


def _unit(faces: np.ndarray) -> Tensor:
    """(B, H, W, C) to float32 (B, C, H, W) in [0, 1]."""
    if faces.dtype == np.uint8:
        return to_float(np.array(faces))  # a copy, since torch requires writable arrays
    return torch.from_numpy(np.ascontiguousarray(faces, np.float32)).permute(0, 3, 1, 2).contiguous()


def _about(lpips: Distance | None) -> str:
    return str(getattr(lpips, "about", "LPIPS (Zhang et al., 2018) with the network given, mean over faces"))
