"""Identity embeddings of faces, whose cosine is the identity similarity: by ArcFace (Deng et al., 2019), from
an ONNX file that the user names; without one, by the features of the attribute classifier, a weaker measure,
and `about` says so."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facespace.core.errors import UsageError
from facespace.core.extras import install_command, is_installed
from facespace.core.files import sha256
from facespace.image.align import similarity, warp
from facespace.image.grids import to_image
from facespace.image.photos import Template
from facespace.perception.attributes import AttributeClassifier

ENVIRONMENT_VARIABLE = "FACESPACE_IDENTITY"
SIDE, BATCH = 112, 32  # pixels of ArcFace's input; faces through it at once
# Eyes, nose and corners of the mouth in ArcFace's input (Deng et al., 2019).
ARCFACE = np.array([(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)])


@dataclass(frozen=True)
class IdentityNetwork:
    """A FaceNetwork whose vectors (N, D) have length 1: the cosine of two is 1 for equal pictures and about 0
    for two persons."""

    about: str
    embed: Callable[[np.ndarray], np.ndarray]  # faces uint8 (N, H, W, C) to vectors of any length
    name: str = "identity"

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        found = self.embed(faces)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def open_identity(
    template: Template, net: AttributeClassifier, faces: np.ndarray, path: Path | str | None = None
) -> IdentityNetwork:
    """Identity embeddings of faces with the crop of a template: by the ArcFace network that `path` or
    $FACESPACE_IDENTITY names, else the features of an attribute classifier minus their mean over `faces`,
    which depend on hair and glasses too.

    Raises UsageError where the file is missing, is no such network, or where onnxruntime is not installed."""
    arcface = open_arcface(template, path)
    if arcface:
        return arcface
    about = (
        "features of the attribute network (no ArcFace file was named), which also see expression, hair and "
        "glasses"
    )
    mean = net.features(faces).mean(0)
    return IdentityNetwork(about, lambda others: net.features(others) - mean)


def open_arcface(template: Template, path: Path | str | None = None) -> IdentityNetwork | None:
    """Embeddings by the ArcFace network that `path` or $FACESPACE_IDENTITY names, for faces with the crop of
    a template; None where none is named. Raises UsageError as `open_identity` does."""
    named = path or os.environ.get(ENVIRONMENT_VARIABLE)
    if not named:
        return None
    if not Path(named).is_file():
        raise UsageError(
            f"There is no file {named}. Let --identity or {ENVIRONMENT_VARIABLE} name an ArcFace network in "
            "ONNX format."
        )
    if not is_installed("onnxruntime"):
        needs = f"Identity by ArcFace needs the package onnxruntime: {install_command('identity')}."
        raise UsageError(needs)
    session = _open(Path(named))
    matrix = similarity(template.points, ARCFACE)

    def embed(faces: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(faces), BATCH):
            pictures = [warp(to_image(face), matrix, SIDE, SIDE) for face in faces[start : start + BATCH]]
            x = np.stack([np.asarray(picture, np.float32) for picture in pictures]).transpose(0, 3, 1, 2)
            parts.append(session.run(None, {session.get_inputs()[0].name: (x - 127.5) / 127.5})[0])
        return np.concatenate(parts)

    file = Path(named)
    return IdentityNetwork(
        f"cosine of {file.name} ({sha256(file)[:8]}), faces warped to ArcFace's points", embed
    )


def _open(path: Path):
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's classes, which differ by version
        raise UsageError(f"{path} is not a network in ONNX format ({str(error)[:80]}).") from error
