"""Networks of this floor in workers: attribute classifiers, and feature networks for figures.
core/networks.py opens them, once a process."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from facespace.core.cards import CARD, WEIGHTS
from facespace.core.networks import NetworkFiles, network_files, opened
from facespace.core.tasks import Crew
from facespace.perception.attributes import AttributeClassifier, load_classifier
from facespace.perception.inception import (
    ATTRIBUTES,
    INCEPTION_BF16,
    INCEPTION_NAME,
    inception_file,
    open_features,
)
from facespace.perception.interface import Features, FeaturesError
from facespace.perception.store import SCORER
from facespace.perception.torchscript import open_torchscript

CPU = torch.device("cpu")


def open_scorer(_place: Path | None) -> AttributeClassifier:
    """The second bundled classifier."""
    return load_classifier(SCORER)


def classifier_files(place: Path | str | None) -> NetworkFiles:
    """An attribute classifier as a task names it: that in a folder, or a bundled one. Raises BundleError
    where there is none."""
    if place is None:
        return network_files(load_classifier, None)
    if str(place) == SCORER:
        return network_files(open_scorer, None)
    load_classifier(place)  # raises with a sentence where it is missing or damaged
    return network_files(load_classifier, Path(place), (CARD, WEIGHTS))


def classify_faces(network: NetworkFiles, faces: np.ndarray) -> np.ndarray:
    """A task: calibrated probabilities (N, A) of faces uint8 (N, H, W, C)."""
    return opened(network).probabilities(faces)


def shared_features(which: str | Path, workers: Crew) -> Features | str | Path:
    """A feature network whose batches are given to workers; `which` itself where these are this process, or
    where there is no such network: opening it then says why."""
    if workers.alone:
        return which
    try:
        network = open_features(which)
    except FeaturesError:
        return which
    extract = partial(_extract, _feature_files(which), str(which) == INCEPTION_BF16)
    return replace(network, extract=extract, workers=workers)


def _feature_files(which: str | Path) -> NetworkFiles:
    if str(which) in (INCEPTION_NAME, INCEPTION_BF16):
        file = inception_file()
        return network_files(open_inception_at, file.parent, (file.name,))
    if str(which) == ATTRIBUTES:
        return network_files(open_bundled_features, None)
    path = Path(which)
    if path.is_dir():
        return network_files(open_features_in, path, (CARD, WEIGHTS))
    return network_files(open_program, path.parent, (path.name,))


def open_inception_at(file: Path | None) -> Features:
    """The FID Inception in a file."""
    assert file
    return open_torchscript(file, INCEPTION_NAME, CPU, is_inception=True)


def open_program(file: Path | None) -> Features:
    """Another TorchScript file, which the command was allowed to run."""
    assert file
    return open_torchscript(file, file.name, CPU, is_inception=False)


def open_bundled_features(_place: Path | None) -> Features:
    """The features of the bundled attribute classifier."""
    return open_features(ATTRIBUTES)


def open_features_in(folder: Path | None) -> Features:
    """The features of the attribute classifier in a folder."""
    assert folder
    return open_features(folder)


def _extract(network: NetworkFiles, in_bf16: bool, faces: np.ndarray) -> np.ndarray:
    """A task: features (B, D) of one batch."""
    features: Features = opened(network)
    if not in_bf16:
        return features.extract(faces)
    with torch.autocast("cpu", torch.bfloat16):
        return features.extract(faces)
