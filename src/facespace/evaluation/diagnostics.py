"""Where a space fails a face: originals, reconstructions and maps of the error side by side, the best, the median and the
worst, with SSIM under each; and where the space itself is unsure of a pixel. A picture and figures of single faces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from facespace.evaluation.reconstruction import per_face
from facespace.models.autoencoder import Autoencoder
from facespace.models.likelihoods import Normal
from facespace.space.face_space import BATCH, FaceSpace, Given

# Perceptually ordered colours: lighter is more, in print and for any colour vision.
COLOURS = {"error": "inferno", "deviation": "viridis"}
LABELS = {
    "error": "error: absolute difference of a pixel, mean over channels (1 is black against white)",
    "deviation": "deviation: standard deviation that the space predicts for a pixel (same unit)",
}
CEILING = 99.8  # per cent of a map's pixels that its scale reaches; worse ones are shown as its end
FACE, LEAST = 1.0, 5.2  # inches: width of a face, and least width of the picture
SIDE, HEAD, FOOT, BETWEEN, SCALE = (
    0.35,
    0.32,
    0.42,
    0.05,
    0.62,
)  # inches: left margin, title, words, gap of rows, a scale
GAP = 0.06  # between faces, as a share of their width


@dataclass(frozen=True)
class Diagnosis:
    """Faces before and after a space, and what is measured of each."""

    originals: np.ndarray  # uint8 (N, H, W, C)
    again: np.ndarray  # uint8 (N, H, W, C)
    figures: Mapping[str, np.ndarray]  # mse, psnr, ssim …: (N,)
    names: Sequence[str]
    latents: np.ndarray  # (N, D)

    @property
    def order(self) -> np.ndarray:
        """Numbers of the faces from the best to the worst, by SSIM, or by MSE where faces are too small for it."""
        return np.argsort(
            -self.figures["ssim"] if "ssim" in self.figures else self.figures["mse"], kind="stable"
        )

    def records(self) -> list[dict[str, Any]]:
        """The figures of each face by name, in the order given, for JSON."""
        return [
            {"face": name, **{key: float(values[index]) for key, values in self.figures.items()}}
            for index, name in enumerate(self.names)
        ]


def diagnose(
    space: FaceSpace, faces: np.ndarray, names: Sequence[str] = (), given: Given = None
) -> Diagnosis:
    """Reconstructs fitted faces uint8 (N, H, W, C) and measures each; `given` edits them on the way, as in
    `FaceSpace.reconstruct`. Without `names` the faces are numbered."""
    z = space.encode(faces)
    originals, again = space.target(faces), space.decode(z, given)
    named = list(names) or [str(index) for index in range(len(faces))]
    return Diagnosis(originals, again, per_face(originals, again), named, z)


@torch.inference_mode()
def pixel_deviation(space: FaceSpace, z: np.ndarray, given: Given = None) -> np.ndarray | None:
    """The standard deviation that the space gives each pixel of the faces it decodes from latents (N, D): (N, H, W) in units
    of [0, 1], the mean over channels; None unless its pixels have a variance each (model.pixels=normal_pixel)."""
    model = space.model
    if (
        not isinstance(model, Autoencoder)
        or not isinstance(model.pixels, Normal)
        or model.pixels.deviation != "pixel"
    ):
        return None
    parts, y = [], torch.from_numpy(space.told(given)).to(space.device)
    for start in range(0, len(z), BATCH):
        part = torch.from_numpy(z[start : start + BATCH]).to(space.device)
        raw = model._raw(part, y.expand(len(part), -1))  # nothing else gives a likelihood's raw numbers
        parts.append(model.pixels.scale(raw).mean(1).float().cpu().numpy())
    return np.concatenate(parts)


def cases(order: np.ndarray, columns: int) -> dict[str, np.ndarray]:
    """Numbers of at most `columns` best, median and worst faces of an order from the best to the worst (N,), none of them
    twice; of fewer than 3 faces, all under one name."""
    if len(order) < 3:
        return {"all": order}
    each = min(columns, len(order) // 3)
    middle = (len(order) - each) // 2
    return {"best": order[:each], "median": order[middle : middle + each], "worst": order[-each:]}


def picture(diagnosis: Diagnosis, deviation: np.ndarray | None = None, columns: int = 8) -> Figure:
    """The faces as rows of originals, reconstructions, error maps and, with `deviation` (N, H, W), maps of it; a band each
    for the best, the median and the worst, and a scale with numbers for each kind of map."""
    shown = cases(diagnosis.order, columns)
    error = np.abs(diagnosis.originals.astype(np.float32) - diagnosis.again).mean(-1) / 255  # (N, H, W)
    maps = {"error": error} | ({"deviation": deviation} if deviation is not None else {})
    among = np.concatenate(list(shown.values()))
    tops = {name: max(float(np.percentile(table[among], CEILING)), 1e-3) for name, table in maps.items()}
    _, height, width, _ = diagnosis.originals.shape
    most = max(len(rows) for rows in shown.values())
    inch = max(FACE, LEAST / most)  # a lone face is larger, so that the words have room
    across, tall = inch * (most + (most - 1) * GAP) + BETWEEN, inch * height / width + BETWEEN
    whole = len(shown) * (HEAD + (2 + len(maps)) * tall + FOOT) + len(maps) * SCALE
    figure = Figure(figsize=(SIDE + across, whole))
    top, scales = 0.0, {}

    def place(high: float, down: float) -> Axes:
        nonlocal top
        spot = (
            SIDE / (SIDE + across),
            1 - (top + high) / whole,
            (across - BETWEEN) / (SIDE + across),
            high / whole,
        )
        top += down
        return figure.add_axes(spot)

    for case, rows in shown.items():
        top += HEAD
        title = _title(case, len(rows), len(diagnosis.originals))
        figure.text(SIDE / (SIDE + across), 1 - (top - 0.09) / whole, title, fontsize=10, fontweight="bold")
        for name, faces in (("original", diagnosis.originals), ("again", diagnosis.again)):
            _show(place(tall - BETWEEN, tall), _paper(faces[rows]), name)
        for name, table in maps.items():
            shade = matplotlib.colormaps[COLOURS[name]].with_extremes(bad="white")
            there = place(tall - BETWEEN, tall)
            scales[name] = _show(there, mosaic(table[rows]), name, cmap=shade, vmin=0, vmax=tops[name])
        _under(figure.axes[-1], diagnosis, rows)
        top += FOOT
    for name, scale in scales.items():
        bar = figure.colorbar(scale, cax=place(0.14, SCALE), orientation="horizontal", extend="max")
        bar.set_label(LABELS[name], fontsize=9)
        bar.ax.tick_params(labelsize=8)
    return figure


def mosaic(maps: np.ndarray) -> np.ndarray:
    """Maps (n, H, W) side by side with gaps of NaN: (H, n·W + gaps)."""
    _, height, width = maps.shape
    gap = np.full((height, max(1, round(GAP * width))), np.nan, np.float32)
    parts = [piece for one in maps for piece in (one, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _paper(faces: np.ndarray) -> np.ndarray:
    """Faces uint8 (n, H, W, C) side by side on white: (H, n·W + gaps, 3) in [0, 1]."""
    channels = [mosaic(faces[..., channel].astype(np.float32) / 255) for channel in range(faces.shape[-1])]
    return np.nan_to_num(np.stack(channels * (3 // len(channels)), -1), nan=1.0)


def _show(place: Axes, sheet: np.ndarray, name: str, **options: Any) -> AxesImage:
    place.set(xticks=[], yticks=[])
    place.set_ylabel(name, fontsize=9)
    place.spines[:].set_visible(False)
    return place.imshow(sheet, interpolation="nearest", aspect="auto", **options)


def _under(place: Axes, diagnosis: Diagnosis, rows: np.ndarray) -> None:
    """SSIM and PSNR below each face."""
    width = diagnosis.originals.shape[2]
    step = width + max(1, round(GAP * width))
    texts = []
    for row in rows:
        alike = [f"SSIM {diagnosis.figures['ssim'][row]:.2f}"] if "ssim" in diagnosis.figures else []
        texts.append("\n".join([*alike, f"{diagnosis.figures['psnr'][row]:.1f} dB"]))
    place.set_xticks([index * step + (width - 1) / 2 for index in range(len(rows))], texts, fontsize=8)
    place.tick_params(length=0)


def _title(case: str, count: int, total: int) -> str:
    if case == "all":
        return f"{total} faces" if total > 1 else "One face"
    which = {"best": "The best", "median": "In the middle,", "worst": "The worst"}[case]
    return f"{which} {count} of {total:,} faces"
