"""Feature networks from TorchScript files: the FID Inception in its published forms, and networks of one's
own."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from facespace.core.files import sha256
from facespace.perception.interface import Features, FeaturesError

SIDE = 299  # pixels of the Inception's input
INTERFACES = (
    "It must take uint8 (B, 3, H, W) and give (B, D), or be the FID Inception, "
    f"which takes (x − 128) / 128 at {SIDE}×{SIDE}."
)
Call = Callable[[Any, Tensor], Tensor]


class InputForm(NamedTuple):
    """How a network is called with faces."""

    name: str  # part of the fingerprint of features
    about: str  # for the protocol
    call: Call  # with the network and uint8 (B, 3, H, W)


def open_torchscript(path: Path, name: str, device: torch.device, is_inception: bool) -> Features:
    """The feature network in a TorchScript file. NVIDIA's Inception is recognised by its argument
    `return_features`; other files are tried at uint8 64×64, except for an Inception, and then in the form of
    the FID Inception. Raises FeaturesError for a file that is no TorchScript, or a network that accepts none
    of these."""
    net = _load(path, device)
    refusal = ""
    for form in _forms(net, is_inception):
        extract = _extractor(net, form.call, device)
        try:
            probe = extract(np.zeros((2, 64, 64, 3), np.uint8))
        except (RuntimeError, torch.jit.Error) as error:
            refusal = _message(error)
            continue
        if probe.ndim == 2 and len(probe) == 2:
            dim = probe.shape[1]
            about = f"{path.name} ({form.about}), {dim} features"
            return Features(name, about, dim, f"{sha256(path)[:16]}-{form.name}", extract)
        refusal = f"it gives {probe.shape} for 2 faces"
    raise FeaturesError(f"{path} cannot be used as a feature network ({refusal}). {INTERFACES}")


def _load(path: Path, device: torch.device) -> Any:
    try:
        with warnings.catch_warnings():
            # torch deprecates TorchScript, but the published Inceptions have no other form, and nothing else
            # reads it.
            warnings.simplefilter("ignore", DeprecationWarning)
            net = torch.jit.load(path, map_location=device)
    except (RuntimeError, ValueError) as error:
        raise FeaturesError(f"{path} is not a TorchScript file ({_message(error)}). {INTERFACES}") from error
    net.eval()  # batch norms of a network saved in train mode would use the statistics of the batch
    return net


def _forms(net: Any, is_inception: bool) -> tuple[InputForm, ...]:
    arguments = [argument.name for argument in net.forward.schema.arguments]
    if "return_features" in arguments:
        return (NVIDIA,)
    if is_inception:
        return (NORMALIZED,)
    return UINT8, NORMALIZED


def _extractor(net: Any, call: Call, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    @torch.inference_mode()
    def extract(faces: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(np.ascontiguousarray(faces)).to(device).permute(0, 3, 1, 2)
        return call(net, x).float().cpu().numpy()

    return extract


def _with_features(net: Any, x: Tensor) -> Tensor:
    return net(x, return_features=True)


def _plain(net: Any, x: Tensor) -> Tensor:
    return net(x)


def _normalized(net: Any, x: Tensor) -> Tensor:
    return net((tf1_resize(x.float(), SIDE) - 128) / 128)


NVIDIA = InputForm(
    "nvidia", "FID Inception, resizes to 299×299 by itself, bilinear as TensorFlow 1", _with_features
)
UINT8 = InputForm("uint8", "uint8 at the faces' own size", _plain)
NORMALIZED = InputForm(
    "normalised",
    "fed as the FID Inception: (x − 128) / 128 at 299×299, bilinear as TensorFlow 1",
    _normalized,
)


def tf1_resize(x: Tensor, side: int) -> Tensor:
    """(B, C, H, W) to (B, C, side, side), bilinear as in TensorFlow 1, on which FID depends: output pixel i
    is sampled at i · H / side, without the half-pixel shift of later libraries."""
    top, bottom, down = _sampling(x.shape[-2], side, x)
    left, right, across = _sampling(x.shape[-1], side, x)
    rows = torch.lerp(x[..., top, :], x[..., bottom, :], down[:, None])
    return torch.lerp(rows[..., left], rows[..., right], across)


def _sampling(length: int, side: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `side` output pixels the two input pixels around its position, and the weight of the second
    one."""
    position = torch.arange(side, device=like.device) * (length / side)
    below = position.long().clamp(max=length - 1)
    return below, (below + 1).clamp(max=length - 1), (position - below).to(like.dtype)


def _message(error: Exception) -> str:
    """The last line of a TorchScript error, which holds its message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
