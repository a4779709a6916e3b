"""How much of a face survives a space: errors and likenesses of originals and what a space makes of them, face by face and
as means with intervals. From pixels alone; decodes nothing."""

from collections.abc import Callable, Mapping
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
from facespace.evaluation.figures import psnr
from facespace.evaluation.intervals import bootstrap
from facespace.image.pixels import to_float, to_uint8

ENOUGH = 20  # faces that a mean of those with an attribute takes
BATCH = 32  # faces at a time, so that memory stays flat
WINDOW = 11  # pixels of SSIM's window; a smaller face has no place for it
SCALES = 5  # of MS-SSIM: each halves the picture, and the smallest must still hold the window
SMALLEST = WINDOW * 2 ** (SCALES - 1)  # px a side

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # uint8 (N, H, W, C) twice -> (N,)

PROTOCOL = {
    "mse": "mean squared error of all pixel values in [0, 1]",
    "psnr": "10·log10(1 / MSE) of each face, at most 100 dB, and the mean of that over faces",
    "ssim": f"Wang et al., 2004: Gaussian window of {WINDOW} px (σ 1.5), data range 1, mean over channels",
    "ms_ssim": f"Wang et al., 2003: {SCALES} scales, the window and range of SSIM",
}


def measure_reconstruction(
    originals: np.ndarray,
    again: np.ndarray,
    lpips: Distance | None = None,
    having: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """The means over faces of `per_face`'s figures by name, their 95 % `intervals` (low, high), the `protocol` of each,
    and in `left_out` a sentence for each figure that could not be computed. Takes what `per_face` takes, and in `having` for
    each attribute which faces have it, bool (N,): `by_attribute` then has the means over those, where they are enough."""
    lpips, refusal = usable(lpips, originals)
    found = per_face(originals, again, lpips)
    return {
        **{name: float(values.mean()) for name, values in found.items()},
        "faces": len(originals),
        "intervals": {name: list(bootstrap(values)) for name, values in found.items()},
        "protocol": {name: PROTOCOL.get(name) or _about(lpips) for name in found},
        "by_attribute": {
            name: {"faces": int(some.sum())}
            | {figure: float(values[some].mean()) for figure, values in found.items()}
            for name, some in (having or {}).items()
            if some.sum() >= ENOUGH
        },
        "left_out": [*_too_small(originals.shape[1:3]), *([refusal] if refusal else [])],
    }


def per_face(
    originals: np.ndarray, again: np.ndarray, lpips: Distance | None = None
) -> dict[str, np.ndarray]:
    """`mse`, `psnr` (dB), `ssim`, `ms_ssim` and `lpips`, each (N,), of faces (N, H, W, C) and their reconstructions: uint8,
    or floats in [0, 1]. Figures that the size does not allow, and LPIPS where it is not given, are missing.

    Raises UsageError for stacks of different shapes, or of no faces."""
    if originals.shape != again.shape or originals.ndim != 4 or not len(originals):
        raise UsageError(
            f"Originals and reconstructions are as many faces (N, H, W, C) of one size; got {originals.shape} and {again.shape}."
        )
    parts = [
        _measure(originals[start : start + BATCH], again[start : start + BATCH], lpips)
        for start in range(0, len(originals), BATCH)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def usable(lpips: Distance | None, faces: np.ndarray) -> tuple[Distance | None, str]:
    """LPIPS if it is given and takes faces (N, H, W, C) of this size; otherwise None, and a sentence that says why."""
    if lpips is None:
        return None, "LPIPS is left out: no network was given for it."
    try:
        lpips(faces[:1], faces[:1])
    except UsageError as error:
        return None, f"LPIPS is left out: {error}"
    return lpips, ""


def _too_small(size: tuple[int, ...]) -> list[str]:
    """A sentence for each figure that faces of (H, W) px do not allow."""
    here = f"these faces have {size[0]}×{size[1]}"
    sentences = []
    if min(size) < WINDOW:
        sentences.append(f"SSIM is left out: its window needs at least {WINDOW} px a side, and {here}.")
    if min(size) < SMALLEST:
        sentences.append(
            f"MS-SSIM is left out: its {SCALES} scales need at least {SMALLEST} px a side (the {WINDOW} px window at a "
            f"sixteenth of the size), and {here}."
        )
    return sentences


@torch.inference_mode()
def _measure(originals: np.ndarray, again: np.ndarray, lpips: Distance | None) -> dict[str, np.ndarray]:
    x, y = _unit(originals), _unit(again)
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
        return to_float(np.array(faces))  # a copy, since torch wants arrays that it could write to
    return torch.from_numpy(np.ascontiguousarray(faces, np.float32)).permute(0, 3, 1, 2).contiguous()


def _about(lpips: Distance | None) -> str:
    return str(getattr(lpips, "about", "LPIPS (Zhang et al., 2018) with the network given, mean over faces"))
