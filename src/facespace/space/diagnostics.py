"""Errors of single faces: originals, reconstructions and maps of the error for the best, the median and the
worst faces, and the standard deviation that the space predicts for each pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure

from facespace.models.autoencoder import Autoencoder
from facespace.models.likelihoods import Normal
from facespace.perception.similarity import per_face
from facespace.report.error_maps import Band, Scale, error_maps
from facespace.space.face_space import BATCH_SIZE, FaceSpace, Given

# Perceptually ordered colours: lighter is more, in print and for any colour vision.
COLOURS = {"error": "inferno", "deviation": "viridis"}
LABELS = {
    "error": "error: absolute difference of a pixel, mean over channels (1 is black against white)",
    "deviation": "deviation: standard deviation that the space predicts for a pixel (same unit)",
}
TITLES = {"best": "The best", "median": "In the middle,", "worst": "The worst"}
CEILING = 99.8  # percentile of a map's pixels at which its scale ends


@dataclass(frozen=True)
class Diagnosis:
    """Faces, their reconstructions, and figures of each."""

    originals: np.ndarray  # uint8 (N, H, W, C)
    reconstructions: np.ndarray  # uint8 (N, H, W, C)
    figures: Mapping[str, np.ndarray]  # mse, psnr, ssim …: (N,)
    names: Sequence[str]
    latents: np.ndarray  # (N, D)

    @property
    def order(self) -> np.ndarray:
        """Numbers of the faces from the best to the worst, by SSIM, or by MSE if faces are too small for
        it."""
        errors = self.figures["mse"]
        if "ssim" in self.figures:
            errors = -self.figures["ssim"]
        return np.argsort(errors, kind="stable")

    def records(self) -> list[dict[str, str | float]]:
        """The figures of each face by name, for JSON."""
        records: list[dict[str, str | float]] = []
        for index, name in enumerate(self.names):
            record: dict[str, str | float] = {"face": name}
            for key, values in self.figures.items():
                record[key] = float(values[index])
            records.append(record)
        return records


def diagnose(
    space: FaceSpace, faces: np.ndarray, names: Sequence[str] = (), given: Given = None
) -> Diagnosis:
    """Reconstructs fitted faces uint8 (N, H, W, C), under the condition `given` as in
    `FaceSpace.reconstruct`, and measures each. Without `names` the faces are numbered."""
    z = space.encode(faces)
    originals, reconstructions = space.target(faces), space.decode(z, given)
    numbers = map(str, range(len(faces)))
    return Diagnosis(
        originals, reconstructions, per_face(originals, reconstructions), list(names or numbers), z
    )


@torch.inference_mode()
def pixel_deviation(space: FaceSpace, z: np.ndarray, given: Given = None) -> np.ndarray | None:
    """The standard deviation that the space predicts for each pixel of the faces decoded from latents (N, D):
    (N, H, W) in units of [0, 1], the mean over channels; None unless it has one for each pixel
    (model.likelihood=normal_pixel)."""
    model = space.model
    if not isinstance(model, Autoencoder):
        return None
    likelihood = model.pixels
    if not isinstance(likelihood, Normal) or likelihood.deviation != "pixel":
        return None
    parts, y = [], torch.from_numpy(space.attribute_values(given)).to(space.device)
    for start in range(0, len(z), BATCH_SIZE):
        part = torch.from_numpy(z[start : start + BATCH_SIZE]).to(space.device)
        raw = model._raw(
            part, y.expand(len(part), -1)
        )  # the parameters of the likelihood, which decode() does not give
        parts.append(likelihood.scale(raw).mean(1).float().cpu().numpy())
    return np.concatenate(parts)


def cases(order: np.ndarray, columns: int) -> dict[str, np.ndarray]:
    """Numbers of at most `columns` best, median and worst faces of an order from the best to the worst (N,),
    without repetition; fewer than 3 faces are all under one name."""
    if len(order) < 3:
        return {"all": order}
    each = min(columns, len(order) // 3)
    middle = (len(order) - each) // 2
    return {"best": order[:each], "median": order[middle : middle + each], "worst": order[-each:]}


def picture(diagnosis: Diagnosis, deviation: np.ndarray | None = None, columns: int = 8) -> Figure:
    """The best, the median and the worst faces: rows of originals, reconstructions, error maps and, with
    `deviation` (N, H, W), maps of it, on one scale for each kind of map."""
    error = (
        np.abs(diagnosis.originals.astype(np.float32) - diagnosis.reconstructions).mean(-1) / 255
    )  # (N, H, W)
    maps = {"error": error}
    if deviation is not None:
        maps["deviation"] = deviation
    shown = cases(diagnosis.order, columns)
    rows = np.concatenate(list(shown.values()))
    scales = {}
    for name, table in maps.items():
        top = max(float(np.percentile(table[rows], CEILING)), 1e-3)
        scales[name] = Scale(LABELS[name], COLOURS[name], top)
    bands = [_band(diagnosis, maps, case, some) for case, some in shown.items()]
    return error_maps(bands, scales)


def _band(diagnosis: Diagnosis, maps: Mapping[str, np.ndarray], case: str, rows: np.ndarray) -> Band:
    return Band(
        title=_title(case, len(rows), len(diagnosis.originals)),
        images={"original": diagnosis.originals[rows], "reconstruction": diagnosis.reconstructions[rows]},
        maps={name: table[rows] for name, table in maps.items()},
        captions=[_caption(diagnosis.figures, row) for row in rows],
    )


def _caption(figures: Mapping[str, np.ndarray], row: int) -> str:
    lines = [f"{figures['psnr'][row]:.1f} dB"]
    if "ssim" in figures:
        lines.insert(0, f"SSIM {figures['ssim'][row]:.2f}")
    return "\n".join(lines)


def _title(case: str, count: int, total: int) -> str:
    if case == "all":
        return f"{total} faces" if total > 1 else "One face"
    return f"{TITLES[case]} {count} of {total:,} faces"
