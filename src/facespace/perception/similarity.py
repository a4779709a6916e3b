"""The similarity of each face to its reconstruction: MSE, PSNR, SSIM, MS-SSIM and LPIPS. Measures pairs of
pictures; draws no conclusion."""

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
from facespace.image.pixels import pixel_distance, psnr, to_float, to_uint8
from facespace.perception.lpips import Distance

BATCH = 32  # faces at a time, which bounds the memory
WINDOW = 11  # pixels of SSIM's window, the smallest side that SSIM can measure
SCALES = 5  # of MS-SSIM: each halves the image, and the smallest must still hold the window
SMALLEST = WINDOW * 2 ** (SCALES - 1)  # px a side
PIXELS = "root mean squared difference of pixels in [0, 1]"

PROTOCOL = {
    "mse": "mean squared error of all pixel values in [0, 1]",
    "psnr": "10·log10(1 / MSE) of each face, at most 100 dB, and the mean of that over faces",
    "ssim": f"Wang et al., 2004: Gaussian window of {WINDOW} px (σ 1.5), data range 1, mean over channels",
    "ms_ssim": f"Wang et al., 2003: {SCALES} scales, the window and range of SSIM",
}


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


def usable_lpips(lpips: Distance | None, faces: np.ndarray) -> tuple[Distance | None, str]:
    """LPIPS if it is given and accepts faces (N, H, W, C) of this size; otherwise None, and a sentence with
    the reason."""
    if lpips is None:
        return None, "LPIPS is left out: no network was given for it."
    try:
        lpips(faces[:1], faces[:1])
    except UsageError as error:
        return None, f"LPIPS is left out: {error}"
    return lpips, ""


def lpips_or_pixels(lpips: Distance | None, faces: np.ndarray) -> Distance:
    """LPIPS if it is given and accepts faces (N, H, W, C) of this size, else a difference of pixels."""
    network, _ = usable_lpips(lpips, faces)
    return network or pixel_distance


def distance_text(distance: Distance) -> str:
    """What such a distance is."""
    if distance is pixel_distance:
        return PIXELS
    return str(getattr(distance, "about", "LPIPS"))


def lpips_protocol(lpips: Distance | None) -> str:
    """One line about an LPIPS network."""
    return str(getattr(lpips, "about", "LPIPS (Zhang et al., 2018) with the network given, mean over faces"))


def too_small(size: tuple[int, ...]) -> list[str]:
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
    if smallest >= WINDOW:
        of_faces = ssim(y, x, kernel_size=WINDOW, sigma=1.5, reduction="none", data_range=1.0)
        found["ssim"] = of_faces.reshape(-1).double().numpy()  # type: ignore[union-attr]
    if smallest >= SMALLEST:
        of_faces = ms_ssim(y, x, kernel_size=WINDOW, sigma=1.5, reduction="none", data_range=1.0)
        found["ms_ssim"] = of_faces.reshape(-1).double().numpy()
    if lpips is not None:
        found["lpips"] = np.asarray(lpips(to_uint8(x), to_uint8(y)), np.float64).reshape(-1)
    return found


def _unit(faces: np.ndarray) -> Tensor:
    """(B, H, W, C) to float32 (B, C, H, W) in [0, 1]."""
    if faces.dtype == np.uint8:
        return to_float(np.array(faces))  # a copy, since torch requires writable arrays
    return torch.from_numpy(np.ascontiguousarray(faces, np.float32)).permute(0, 3, 1, 2).contiguous()
