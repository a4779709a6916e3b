"""Networks that turn faces into feature vectors, for figures that compare sets of faces: the FID Inception, an
attribute network, or a TorchScript file of one's own. Computes no figure; `generation.py` does."""

import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facespace.core.console import note, progress
from facespace.core.errors import BundleError, FacespaceError, UsageError, explain
from facespace.core.fetch import FetchError, cache_folder, fetch
from facespace.core.files import sha256, write_beside

IN_BF16 = "inception-bf16"
INCEPTION, PLACE = "inception-2015-12-05.pt", "FACESPACE_INCEPTION"
URL = f"https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/{INCEPTION}"
SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
SIDE = 299  # pixels a side that the Inception looks at
BATCH = 32  # faces through a network at a time, so that memory stays flat
INTERFACES = (
    "It must take uint8 (B, 3, H, W) and give (B, D), or be the FID Inception, "
    f"which takes (x − 128) / 128 at {SIDE}×{SIDE}."
)


class FeaturesError(FacespaceError):
    """A feature network is missing, or does not do what it should."""


@dataclass(frozen=True)
class Features:
    """A feature network: `features(faces)` takes uint8 (N, H, W, C) and gives float32 (N, D)."""

    name: str
    about: str  # one line for the protocol: extractor, input size, resize
    dim: int
    fingerprint: str  # of the weights and of how they are fed: part of the cache's key
    extract: Callable[[np.ndarray], np.ndarray]  # one batch: uint8 (B, H, W, 3) -> (B, D)

    def __call__(self, faces: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Features of faces uint8 (N, H, W, C), also memory-mapped, or of those in `rows`: float32 (N, D). Gray faces
        get three equal channels. Raises FeaturesError where the network gives numbers that are not finite."""
        if faces.dtype != np.uint8 or faces.ndim != 4 or faces.shape[-1] not in (1, 3):
            raise UsageError(
                f"Faces are uint8 arrays (N, H, W, C) with C 1 or 3; got {faces.dtype} {faces.shape}."
            )
        rows = np.arange(len(faces)) if rows is None else rows
        found = np.empty((len(rows), self.dim), np.float32)
        with progress(len(rows), f"Features ({self.name})", "faces") as advance:
            for start in range(0, len(rows), BATCH):
                part = faces[rows[start : start + BATCH]]
                part = np.repeat(part, 3, axis=-1) if part.shape[-1] == 1 else part
                found[start : start + BATCH] = self.extract(part)
                advance(len(part))
        if not np.isfinite(found).all():
            raise FeaturesError(
                f"{self.name} gives numbers that are not finite; its weights are damaged or too large."
            )
        return found


def open_features(which: str | Path = "inception", device: torch.device | str = "cpu") -> Features:
    """The feature network `which`: "inception" (Heusel et al., 2017), "inception-bf16" (the same in bf16: twice as fast where a
    processor has it; figures differ by some tenths of FID, and their protocol says so), "attributes", or a path: the folder of an
    attribute network, or a TorchScript file.

    The Inception is the file that $FACESPACE_INCEPTION names, else the one in the cache, else it is fetched once. Any
    other file is called with uint8 (B, 3, H, W) at the faces' own size, tried at 64×64; one that refuses that is fed as
    the Inception is. Raises FeaturesError where there is no such network."""
    path, place = Path(which), torch.device(device)
    if str(which) == "inception":
        return _torchscript(_inception_file(), "inception", place)
    if str(which) == IN_BF16:
        return _in_bf16(_torchscript(_inception_file(), "inception", place), place)
    if str(which) == "attributes" or path.is_dir():
        return _attributes(None if str(which) == "attributes" else path, place)
    if not path.is_file():
        raise FeaturesError(
            f"There is no feature network {str(which)!r}. Known: inception, {IN_BF16}, attributes, or a TorchScript file's path."
        )
    return _torchscript(path, path.name, place)


def _in_bf16(network: Features, device: torch.device) -> Features:
    """The same network in bf16; what is kept of it has another key."""

    def extract(faces: np.ndarray) -> np.ndarray:
        with torch.autocast(device.type, torch.bfloat16):
            return network.extract(faces)

    key = f"{network.fingerprint}-bf16"
    return replace(network, name=IN_BF16, extract=extract, about=f"{network.about}, in bf16", fingerprint=key)


def kept_features(features: Features, faces: np.ndarray) -> np.ndarray:
    """Features (N, D) of real faces uint8 (N, H, W, C), kept in the cache under a hash of their pixels."""
    faces = np.ascontiguousarray(faces)
    name = f"{'x'.join(map(str, faces.shape[1:]))}-{_short(faces)}"
    return _kept(features, name, len(faces), lambda: features(faces))


def _kept(features: Features, name: str, count: int, make: Callable[[], np.ndarray]) -> np.ndarray:
    path = cache_folder() / "features" / f"{features.fingerprint}-{name}.npy"
    try:
        kept = np.load(path, allow_pickle=False)
        if kept.shape == (count, features.dim) and kept.dtype == np.float32:
            return kept
    except (OSError, ValueError, EOFError):
        pass  # not there yet, or damaged: made anew below
    found = make()
    try:
        with write_beside(path) as beside, beside.open("wb") as file:
            np.save(file, found, allow_pickle=False)
    except OSError as error:
        note(f"The features of the real faces are not kept for the next time. {explain(error)}")
    return found


def _short(array: np.ndarray) -> str:
    return hashlib.sha256(array.data).hexdigest()[:16]


def _inception_file() -> Path:
    named = os.environ.get(PLACE)
    if named:
        if not Path(named).is_file():
            raise FeaturesError(
                f"{PLACE} names {named}, which is no file. Let it name a TorchScript FID Inception."
            )
        return Path(named)
    try:
        return fetch(URL, cache_folder() / INCEPTION, sha256=SHA256)
    except (FetchError, OSError) as error:
        reason = explain(error) if isinstance(error, OSError) else str(error)
        raise FeaturesError(
            f"The FID Inception is not on this machine. {reason} Or let {PLACE} name a TorchScript file of it, "
            f"such as {URL} fetched elsewhere."
        ) from error


def _torchscript(path: Path, name: str, device: torch.device) -> Features:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # the published Inceptions are TorchScript all the same
            net = torch.jit.load(path, map_location=device)
    except (RuntimeError, ValueError) as error:
        raise FeaturesError(
            f"{path} is not a TorchScript file ({_first_line(error)}). {INTERFACES}"
        ) from error
    net.eval()  # a network saved in train mode would normalise by the batch that a face happens to be in
    arguments = [argument.name for argument in net.forward.schema.arguments]
    ways = _WAYS[:1] if "return_features" in arguments else _WAYS[1:] if name != "inception" else _WAYS[2:]
    refusals = []
    for way, about, feed in ways:

        @torch.inference_mode()
        def extract(faces: np.ndarray, feed: Callable[[Any, Tensor], Tensor] = feed) -> np.ndarray:
            x = torch.from_numpy(np.ascontiguousarray(faces)).to(device).permute(0, 3, 1, 2)
            return feed(net, x).float().cpu().numpy()

        try:
            probe = extract(np.zeros((2, 64, 64, 3), np.uint8))
        except (RuntimeError, torch.jit.Error) as error:
            refusals.append(_first_line(error))
            continue
        if probe.ndim == 2 and len(probe) == 2:
            about = f"{path.name} ({about}), {probe.shape[1]} features"
            return Features(name, about, probe.shape[1], f"{sha256(path)[:16]}-{way}", extract)
        refusals.append(f"it gives {probe.shape} for 2 faces")
    raise FeaturesError(f"{path} cannot be used as a feature network ({refusals[-1]}). {INTERFACES}")


def _nvidia(net: Any, x: Tensor) -> Tensor:
    return net(x, return_features=True)


def _plain(net: Any, x: Tensor) -> Tensor:
    return net(x)


def _normalised(net: Any, x: Tensor) -> Tensor:
    return net((tf1_resize(x.float(), SIDE) - 128) / 128)


_WAYS = (  # name, words for the protocol, how a network is fed with uint8 (B, 3, H, W)
    ("nvidia", "FID Inception, resizes to 299×299 by itself, bilinear as TensorFlow 1", _nvidia),
    ("uint8", "uint8 at the faces' own size", _plain),
    (
        "normalised",
        "fed as the FID Inception: (x − 128) / 128 at 299×299, bilinear as TensorFlow 1",
        _normalised,
    ),
)


def tf1_resize(x: Tensor, side: int) -> Tensor:
    """(B, C, H, W) to (B, C, side, side), bilinear as TensorFlow 1 resized for the first FID: output pixel i reads
    position i · H / side, without the half-pixel shift of later libraries, and the figures depend on it."""

    def lines(length: int) -> tuple[Tensor, Tensor, Tensor]:
        position = torch.arange(side, device=x.device) * (length / side)
        below = position.long().clamp(max=length - 1)
        return below, (below + 1).clamp(max=length - 1), (position - below).to(x.dtype)

    top, bottom, down = lines(x.shape[-2])
    left, right, across = lines(x.shape[-1])
    rows = torch.lerp(x[..., top, :], x[..., bottom, :], down[:, None])
    return torch.lerp(rows[..., left], rows[..., right], across)


def _attributes(folder: Path | None, device: torch.device) -> Features:
    from facespace.perception.attributes import load_net

    try:
        net = load_net(folder, device)
    except BundleError as error:
        raise FeaturesError(str(error)) from error
    dim = net.features(np.zeros((1, 64, 64, 3), np.uint8)).shape[1]
    about = f"the last hidden layer of the attribute network {net.fingerprint[:16]}, {dim} features"
    return Features("attributes", about, dim, f"{net.fingerprint[:16]}-attributes", net.features)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
