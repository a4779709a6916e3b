"""The feature networks by name: the FID Inception, which is downloaded once, an attribute classifier, or a
TorchScript file of one's own. FID itself is computed in evaluation/generation.py."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from facespace.core import console
from facespace.core.cache import cache_folder
from facespace.core.errors import BundleError, describe_os_error
from facespace.core.fetch import FetchError, fetch
from facespace.perception.attributes import load_classifier
from facespace.perception.feature_cache import cached_features
from facespace.perception.interface import BATCH, Features, FeaturesError
from facespace.perception.torchscript import open_torchscript, tf1_resize

INCEPTION_NAME, INCEPTION_BF16, ATTRIBUTES = "inception", "inception-bf16", "attributes"
INCEPTION, ENVIRONMENT_VARIABLE = "inception-2015-12-05.pt", "FACESPACE_INCEPTION"
URL = f"https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/{INCEPTION}"
SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"

__all__ = [
    "BATCH",
    "ENVIRONMENT_VARIABLE",
    "INCEPTION",
    "INCEPTION_BF16",
    "Features",
    "FeaturesError",
    "FetchError",
    "cached_features",
    "open_features",
    "tf1_resize",
]


def open_features(
    which: str | Path | Features = INCEPTION_NAME, device: torch.device | str = "cpu"
) -> Features:
    """The feature network `which`: "inception" (Heusel et al., 2017), "inception-bf16" (the same in bf16:
    twice as fast on processors with bf16; figures differ by some tenths of FID, and their protocol says so),
    "attributes", or a path: the folder of an attribute classifier, or a TorchScript file.

    The Inception is the file that $FACESPACE_INCEPTION names, else the one in the cache, else it is
    downloaded. A network that is open already is returned as it is. Any other file is called with uint8
    (B, 3, H, W) at the faces' own size, tried at 64×64, and if it fails, in the form of the FID Inception.
    Raises FeaturesError where there is no such network."""
    if isinstance(which, Features):
        return which
    name, path, place = str(which), Path(which), torch.device(device)
    if name == INCEPTION_NAME:
        return _open_inception(place)
    if name == INCEPTION_BF16:
        return _in_bf16(_open_inception(place), place)
    if name == ATTRIBUTES:
        return _open_attributes(None, place)
    if path.is_dir():
        return _open_attributes(path, place)
    if not path.is_file():
        raise FeaturesError(
            f"There is no feature network {name!r}. Known: {INCEPTION_NAME}, {INCEPTION_BF16}, {ATTRIBUTES}, "
            "or a "
            "TorchScript file's path."
        )
    console.note(f"{path} is a TorchScript file: a program, which runs now. Open only those that you trust.")
    return open_torchscript(path, path.name, place, is_inception=False)


def _open_inception(device: torch.device) -> Features:
    return open_torchscript(inception_file(), INCEPTION_NAME, device, is_inception=True)


def _in_bf16(network: Features, device: torch.device) -> Features:
    """The same network in bf16, with a fingerprint of its own."""

    def extract(faces: np.ndarray) -> np.ndarray:
        with torch.autocast(device.type, torch.bfloat16):
            return network.extract(faces)

    key = f"{network.fingerprint}-bf16"
    return replace(
        network, name=INCEPTION_BF16, extract=extract, about=f"{network.about}, in bf16", fingerprint=key
    )


def inception_file() -> Path:
    """The file that the environment names, or the cached one, downloaded if need be. Raises FeaturesError."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise FeaturesError(
                f"{ENVIRONMENT_VARIABLE} names {named}, which is no file. "
                "Let it name a TorchScript FID Inception."
            )
        return Path(named)
    try:
        return fetch(URL, cache_folder() / INCEPTION, sha256=SHA256)
    except (FetchError, OSError) as error:
        reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
        raise FeaturesError(
            f"The FID Inception is not on this machine. {reason} Or let {ENVIRONMENT_VARIABLE} name a "
            "TorchScript file of "
            f"it, such as {URL} fetched elsewhere."
        ) from error


def _open_attributes(folder: Path | None, device: torch.device) -> Features:
    try:
        net = load_classifier(folder, device)
    except BundleError as error:
        raise FeaturesError(str(error)) from error
    return Features(
        net.name, net.about, net.feature_count, f"{net.fingerprint[:16]}-attributes", net.features
    )
