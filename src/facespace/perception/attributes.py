"""The attribute classifier in use: calibrated probabilities, logits and features of faces. Its layers are in
classifier.py, its files in store.py; training/attribute_classifier.py trains it, training/labelling.py
labels prepared sets with it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from facespace.core.attribute_names import mirror_attributes
from facespace.core.cards import Card
from facespace.image.photos import Template, to_rgb
from facespace.image.pixels import to_float
from facespace.perception.classifier import ClassifierNetwork
from facespace.perception.interface import check_faces
from facespace.perception.store import read_classifier

BATCH = 256  # faces through the network at once, so that memory stays constant


class AttributeClassifier:
    """A trained attribute classifier, a FaceNetwork. `names` are its A attributes, `card` holds its held-out
    accuracy and its training data. Faces are uint8 (N, H, W, C), C 1 or 3, with the crop of its card; other
    sizes are resized, and gray becomes three equal channels."""

    name = "attributes"

    def __init__(
        self, model: ClassifierNetwork, names: Sequence[str], template: Template, card: Card
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.names, self.template, self.card = tuple(names), template, card
        columns, signs = mirror_attributes(self.names)
        self._columns, self._signs = torch.tensor(columns), torch.tensor(signs)

    @property
    def fingerprint(self) -> str:
        """Of the weights."""
        return self.card["fingerprint"]

    @property
    def about(self) -> str:
        """One line for a protocol."""
        key = self.fingerprint[:16]
        return f"the last hidden layer of the attribute network {key}, {self.feature_count} features"

    @property
    def feature_count(self) -> int:
        """D, the number of features."""
        return self.model.head.in_features

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """The features of faces, float32 (N, D)."""
        return self.features(faces)

    def probabilities(self, faces: np.ndarray) -> np.ndarray:
        """The calibrated probability of each attribute, float32 (N, A)."""
        slope, offset = self.model.slope.cpu(), self.model.offset.cpu()
        return torch.sigmoid(torch.from_numpy(self.logits(faces)) * slope + offset).numpy()

    def logits(self, faces: np.ndarray) -> np.ndarray:
        """Logits before calibration, float32 (N, A): the mean over each face and its mirror image, where
        left_x and right_x change places."""
        return self._apply(self._mirrored_logits, faces, len(self.names))

    def differentiable_logits(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of any size, C 1 or 3, to calibrated logits (B, A), with gradients,
        for closed-loop edits. The input is the largest centred square, resized without aliasing. Its mirror
        image is left out, since an edit needs some forty calls."""
        height, width = image.shape[2:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = image[:, :, top : top + side, left : left + side].expand(-1, 3, -1, -1)
        size = self.template.height
        if side != size:
            square = F.interpolate(square, (size, size), mode="bilinear", antialias=True, align_corners=False)
        return self.model(square) * self.model.slope + self.model.offset

    def features(self, faces: np.ndarray) -> np.ndarray:
        """The last layer before the logits, averaged over the image: float32 (N, D)."""
        return self._apply(self.model.features, faces, self.feature_count)

    def _mirrored_logits(self, image: Tensor) -> Tensor:
        mirrored = self.model(image.flip(3))[:, self._columns.to(image.device)]
        return (self.model(image) + mirrored * self._signs.to(image.device)) / 2

    @torch.inference_mode()
    def _apply(self, function: Callable[[Tensor], Tensor], faces: np.ndarray, width: int) -> np.ndarray:
        """A function of images (B, 3, size, size) applied to faces in batches: float32 (N, width)."""
        device = self.model.slope.device
        parts = [np.empty((0, width), np.float32)]
        for batch in self._batches(faces):
            parts.append(function(to_float(batch, device)).float().cpu().numpy())
        return np.concatenate(parts)

    def _batches(self, faces: np.ndarray) -> Iterator[np.ndarray]:
        """The network's input in batches, uint8 (B, size, size, 3)."""
        check_faces(faces)
        for start in range(0, len(faces), BATCH):
            yield to_input(faces[start : start + BATCH], self.template)


def to_input(faces: np.ndarray, template: Template) -> np.ndarray:
    """Prepared faces (N, H, W, C) as the network's input, uint8 (N, size, size, 3): the largest centred
    square, resized without aliasing (Lanczos); gray as three equal channels."""
    if faces.shape[1:3] == (template.height, template.width):
        colour = np.broadcast_to(faces, (*faces.shape[:3], 3))
        return np.array(colour)  # a copy, since memory-mapped faces are read-only
    fitted = []
    for face in faces:
        picture = Image.fromarray(face[..., 0] if face.shape[-1] == 1 else face)
        fitted.append(template.fit(to_rgb(picture)))
    return np.stack(fitted)


def load_classifier(
    path: Path | str | None = None, device: torch.device | str = "cpu"
) -> AttributeClassifier:
    """The attribute classifier in a folder, or a bundled one (see store.read_net). Raises BundleError."""
    model, names, template, card = read_classifier(path)
    return AttributeClassifier(model.to(device), names, template, card)
