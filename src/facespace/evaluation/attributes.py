"""A small network that says which attributes a face has: its layers, and its weights on disk. Calibrated probabilities and
features come out. train_attributes.py makes such a network, labelling.py gives its guesses to prepared sets."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.nn import functional as F

import facespace
from facespace.bundle import CARD, WEIGHTS, fingerprint, read_tensors
from facespace.configs import from_dict, to_dict
from facespace.console import progress
from facespace.data.augment import mirror_attributes
from facespace.data.faces import FaceSet
from facespace.errors import BundleError, UsageError, suggest
from facespace.files import settle, write_json
from facespace.image.photos import Template, to_rgb
from facespace.image.pixels import to_float

FORMAT = 1
KIND = "attribute network"
SHIPPED, SCORER = "attributes", "scorer"  # the networks that come along: weights/NAME.safetensors and .json
BATCH = 256  # faces through the network at a time, so that memory stays flat


@dataclass(frozen=True)
class NetConfig:
    """The layers: a strided convolution, then stages of residual blocks, each of half the size of the one before."""

    size: int = 64  # pixels a side of the square colour faces that it looks at
    stem: int = 32  # channels of the first convolution
    widths: tuple[int, ...] = (64, 128, 192)  # channels of the stages; the last is D, the number of features
    blocks: tuple[int, ...] = (1, 2, 1)  # residual blocks a stage

    def __post_init__(self) -> None:
        if not self.widths or len(self.widths) != len(self.blocks) or min(self.stem, *self.widths, *self.blocks) < 1:
            raise UsageError(
                f"network.widths and network.blocks must be as long as each other and above 0; got {self.widths}, "
                f"{self.blocks}."
            )
        if self.size < 2 ** (len(self.widths) + 1):
            raise UsageError(
                f"network.size={self.size} is too small to be halved {len(self.widths) + 1} times; take fewer stages."
            )


class Block(nn.Module):
    """Norm, activation, convolution, twice, beside a way around them (pre-activation; He et al., 2016)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(before)
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.around = None
        if stride > 1 or before != after:
            pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            self.around = nn.Sequential(pool, nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, after, ⌈H / stride⌉, ⌈W / stride⌉)."""
        active = F.relu(self.first_norm(x))
        change = self.second(F.relu(self.second_norm(self.first(active))))
        return change + (x if self.around is None else self.around(active))


class Classifier(nn.Module):
    """Images to one logit an attribute. `slope` and `offset` (A,) turn logits into calibrated ones (Platt, 1999)."""

    slope: Tensor
    offset: Tensor

    def __init__(self, config: NetConfig, attributes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, config.stem, 3, 2, 1, bias=False)]
        for (before, after), count in zip(pairwise([config.stem, *config.widths]), config.blocks):
            layers += [Block(before, after, 2), *(Block(after, after, 1) for _ in range(count - 1))]
        width = config.widths[-1]
        self.body = nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, attributes)
        self.register_buffer("slope", torch.ones(attributes))
        self.register_buffer("offset", torch.zeros(attributes))

    def features(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, D), what the logits are linear in."""
        return self.body(image * 2 - 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> raw logits (B, A)."""
        return self.head(self.features(image))


class AttributeNet:
    """A trained attribute network. `names` are its A attributes, `card` says how well it knows each, and on what it was
    trained. Faces are uint8 (N, H, W, C), C 1 or 3, cut as its card's crop says; other sizes are resized, gray becomes
    three equal channels."""

    def __init__(self, model: Classifier, names: Sequence[str], template: Template, card: dict[str, Any]) -> None:
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
            raise UsageError(f"Faces are uint8 arrays (N, H, W, C) with C 1 or 3; got {faces.dtype} {faces.shape}.")
        for start in range(0, len(faces), BATCH):
            yield fit(faces[start : start + BATCH], self.template)


def fit(faces: np.ndarray, template: Template) -> np.ndarray:
    """Prepared faces (N, H, W, C) as the network's input, uint8 (N, size, size, 3): their largest centred square,
    resized without aliasing (Lanczos); gray three times."""
    if faces.shape[1:3] == (template.height, template.width):
        return np.array(np.broadcast_to(faces, (*faces.shape[:3], 3)))  # a copy, since maps of files are read-only
    pictures = (Image.fromarray(face[..., 0] if face.shape[-1] == 1 else face) for face in faces)
    return np.stack([template.fit(to_rgb(picture)) for picture in pictures])


def save_net(folder: Path, model: Classifier, config: NetConfig, template: Template, card: dict[str, Any]) -> None:
    """Writes weights (16-bit floats) and card into a folder that the caller makes appear whole."""
    weights = {}
    for name, tensor in model.state_dict().items():
        stored = tensor.half() if tensor.is_floating_point() else tensor
        weights[name] = stored.detach().cpu().clone(memory_format=torch.contiguous_format)
    (folder / WEIGHTS).write_bytes(to_bytes(weights))
    head = {"kind": KIND, "format": FORMAT, "facespace": facespace.__version__, "fingerprint": fingerprint(weights)}
    write_json(folder / CARD, {**head, "network": to_dict(config), "template": to_dict(template), **card})


def load_net(path: Path | str | None = None, device: torch.device | str = "cpu") -> AttributeNet:
    """The attribute network in a folder that `facespace train-attributes` made; without one, that which comes with
    facespace. "scorer" is the second one that comes along, of another shape and seed: it judges edits that the first has
    steered. Weights become 32-bit. Raises BundleError where it is missing or damaged."""
    if path is None or str(path) == SCORER:
        shipped, name = files("facespace") / "weights", SHIPPED if path is None else SCORER
        card, weights = shipped / f"{name}.json", shipped / f"{name}.safetensors"
    else:
        settle(folder := Path(path))
        card, weights = folder / CARD, folder / WEIGHTS
        if not card.is_file():
            raise BundleError(
                f"{folder} holds no attribute network (no {CARD}). Train one: facespace train-attributes --data SET --to NET"
            )
    facts = _read_card(card)
    try:
        config, template = from_dict(NetConfig, facts["network"]), from_dict(Template, facts["template"])
        names = [str(name) for name in facts["attributes"]]
        model = Classifier(config, len(names))
    except (KeyError, TypeError, UsageError) as error:
        raise BundleError(f"{card} does not describe an attribute network ({error}). {_RETRIEVE}") from error
    tensors = read_tensors(weights, facts.get("fingerprint"), _RETRIEVE)
    try:
        model.load_state_dict(tensors)  # 16-bit values are copied into 32-bit parameters
    except RuntimeError as error:
        raise BundleError(f"{weights} does not fit the network in {card.name}. {_RETRIEVE}") from error
    return AttributeNet(model.to(device), names, template, facts)


def _read_card(path: Traversable) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        kind, version = card["kind"], card["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} cannot be read ({error}). {_RETRIEVE}") from error
    if kind != KIND:
        raise BundleError(f"{path} is the card of a {kind}, not of an attribute network. Name another folder.")
    if version != FORMAT:
        raise BundleError(f"{path} has format {version}; this facespace reads format {FORMAT}. Update facespace.")
    return card


_RETRIEVE = "Copy the attribute network again from where it came from, or train it again."


def over(faces: FaceSet, rows: np.ndarray, what: Callable[[np.ndarray], np.ndarray], doing: str) -> np.ndarray:
    """What a function of faces uint8 (B, H, W, C) makes of those rows of a set, in batches straight from the disk."""
    parts = []
    with progress(len(rows), doing, "faces") as advance:
        for start in range(0, max(len(rows), 1), BATCH):
            parts.append(what(faces.images[rows[start : start + BATCH]]))
            advance(len(parts[-1]))
    return np.concatenate(parts)


def check_names(asked: Sequence[str], known: Sequence[str], whose: str) -> tuple[str, ...]:
    """The names asked for, each once; UsageError, beginning with `whose`, for one that is not known."""
    for name in asked:
        if name not in known:
            raise UsageError(f"{whose} {name!r}. {suggest(name, known)}")
    return tuple(dict.fromkeys(asked))
