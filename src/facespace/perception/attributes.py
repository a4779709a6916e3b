"""A small network that says which attributes a face has, asked for calibrated probabilities and features. Its layers are
in models/classifier.py; train_attributes.py makes such a network, labelling.py gives its guesses to prepared sets."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from facespace.core.attribute_names import mirror_attributes
from facespace.core.errors import UsageError
from facespace.image.photos import Template, to_rgb
from facespace.image.pixels import to_float
from facespace.perception.classifier import Classifier
from facespace.perception.store import read_net

BATCH = 256  # faces through the network at a time, so that memory stays flat


class AttributeNet:
    """A trained attribute network. `names` are its A attributes, `card` says how well it knows each, and on what it was
    trained. Faces are uint8 (N, H, W, C), C 1 or 3, cut as its card's crop says; other sizes are resized, gray becomes
    three equal channels."""

    def __init__(
        self, model: Classifier, names: Sequence[str], template: Template, card: dict[str, Any]
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.names, self.template, self.card = tuple(names), template, card
        columns, signs = mirror_attributes(self.names)
        self._columns, self._signs = torch.tensor(columns), torch.tensor(signs)

    @property
    def fingerprint(self) -> str:
        """Of the weights: two networks with the same one are the same."""
        return self.card["fingerprint"]

    def predict(self, faces: np.ndarray) -> np.ndarray:
        """The calibrated probability of each attribute, float32 (N, A)."""
        slope, offset = self.model.slope.cpu(), self.model.offset.cpu()
        return torch.sigmoid(torch.from_numpy(self.logits(faces)) * slope + offset).numpy()

    def logits(self, faces: np.ndarray) -> np.ndarray:
        """Logits before calibration, float32 (N, A): the mean over each face and its mirror image, in which left_x is
        read as right_x."""
        return self._through(faces, self._both_ways, len(self.names))

    def see(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of any size, C 1 or 3, to calibrated logits (B, A), with gradients: what an edit
        is steered by. Their largest centred square is looked at, resized without aliasing, and not its mirror image too: an
        edit asks some forty times."""
        side, height, width = min(image.shape[2:]), *image.shape[2:]
        top, left = (height - side) // 2, (width - side) // 2
        square = image[:, :, top : top + side, left : left + side].expand(-1, 3, -1, -1)
        size = self.template.height
        if side != size:
            square = F.interpolate(square, (size, size), mode="bilinear", antialias=True, align_corners=False)
        return self.model(square) * self.model.slope + self.model.offset

    def features(self, faces: np.ndarray) -> np.ndarray:
        """The last layer before the logits, averaged over the image: float32 (N, D)."""
        return self._through(faces, self.model.features, self.model.head.in_features)

    def _both_ways(self, image: Tensor) -> Tensor:
        turned = self.model(image.flip(3))[:, self._columns.to(image.device)]
        return (self.model(image) + turned * self._signs.to(image.device)) / 2

    @torch.inference_mode()
    def _through(self, faces: np.ndarray, what: Callable[[Tensor], Tensor], width: int) -> np.ndarray:
        device = self.model.slope.device
        parts = [what(to_float(part, device)).float().cpu().numpy() for part in self._fitted(faces)]
        return np.concatenate(parts) if parts else np.empty((0, width), np.float32)

    def _fitted(self, faces: np.ndarray) -> Iterator[np.ndarray]:
        """Batches of faces as the network takes them, uint8 (B, size, size, 3)."""
        if faces.dtype != np.uint8 or faces.ndim != 4 or faces.shape[-1] not in (1, 3):
            raise UsageError(
                f"Faces are uint8 arrays (N, H, W, C) with C 1 or 3; got {faces.dtype} {faces.shape}."
            )
        for start in range(0, len(faces), BATCH):
            yield fit(faces[start : start + BATCH], self.template)


def fit(faces: np.ndarray, template: Template) -> np.ndarray:
    """Prepared faces (N, H, W, C) as the network's input, uint8 (N, size, size, 3): their largest centred square,
    resized without aliasing (Lanczos); gray three times."""
    if faces.shape[1:3] == (template.height, template.width):
        return np.array(
            np.broadcast_to(faces, (*faces.shape[:3], 3))
        )  # a copy, since maps of files are read-only
    pictures = (Image.fromarray(face[..., 0] if face.shape[-1] == 1 else face) for face in faces)
    return np.stack([template.fit(to_rgb(picture)) for picture in pictures])


def load_net(path: Path | str | None = None, device: torch.device | str = "cpu") -> AttributeNet:
    """The attribute network in a folder, or one that comes along, as networks.read_net finds it, ready to be asked.
    Raises BundleError."""
    model, names, template, card = read_net(path)
    return AttributeNet(model.to(device), names, template, card)
