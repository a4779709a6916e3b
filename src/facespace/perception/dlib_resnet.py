"""The identity term: how far a reconstruction is from its face as a person, to a network that tells people apart (as in
Richardson et al., 2021), from weights that the user names: none come along. The network is dlib's, trained on three million
faces (King, 2017): ResNet-34 with fewer layers and half the channels. Trains nothing."""

import os
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.core.errors import UsageError
from facespace.image.align import similarity
from facespace.perception.foreign_weights import as_tensor, read_tree

PLACE = "FACESPACE_RECOGNITION"
SIDE = 150  # pixels of the picture that it looks at, in which these are the eyes
EYES = np.array([(47.7, 47.1), (100.3, 47.1)])
MEAN = (122.782, 117.001, 104.298)  # of channels in 0 to 255
WIDTHS, BLOCKS = (32, 64, 128, 256), (3, 4, 3, 3)  # channels, and blocks of so many
SIDES = (35, 17, 8, 4)  # of the feature maps with so many channels
OUT = 128
SAME = 0.6  # distance below which dlib takes two faces for one person
FORMAT = "Weights are face_recognition_model-weights_manifest.json of the npm package @vladmandic/face-api 1.7, beside its .bin file."


class Block(nn.Module):
    """Two convolutions and what came in, which a block that shrinks averages in twos. Batch norms were merged into scales, and
    these here into the convolutions."""

    def __init__(
        self, weights: Mapping[str, np.ndarray], name: str, before: int, after: int, shrinks: bool
    ) -> None:
        super().__init__()
        self.shrinks = shrinks
        self.first = _convolution(
            weights, f"{name}/conv1", before, after, 3, *((2, 0) if shrinks else (1, 1))
        )
        self.second = _convolution(weights, f"{name}/conv2", after, after, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        change = self.second(F.relu(self.first(x)))
        if (
            self.shrinks
        ):  # averaging leaves one row more than an unpadded convolution, and channels are added empty
            x = F.avg_pool2d(x, 2)
            change = F.pad(change, (0, x.shape[3] - change.shape[3], 0, x.shape[2] - change.shape[2]))
            x = F.pad(x, (0, 0, 0, 0, 0, change.shape[1] - x.shape[1]))
        return F.relu(x + change)


class Recognition(nn.Module):
    """The network, for pictures in which eyes lie at `eyes` (2, 2), pixels from the top left corner, the left one first."""

    mean: Tensor
    places: Tensor

    def __init__(
        self, weights: Mapping[str, np.ndarray], eyes: np.ndarray, image: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.stem, before = _convolution(weights, "conv32_down", 3, WIDTHS[0], 7, 2, 0), WIDTHS[0]
        blocks = []
        for width, count in zip(WIDTHS, BLOCKS):
            for index in range(count):
                shrinks = index == 0 and width != before
                name = f"conv{width}_down" if shrinks else f"conv{width}_{index + (width == WIDTHS[0])}"
                blocks.append(Block(weights, name, before, width, shrinks))
                before = width
        blocks.append(Block(weights, f"conv{before}_down_out", before, before, True))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, OUT, bias=False)
        self.head.weight.data = as_tensor(weights, "fc", (before, OUT)).T.contiguous()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None] / 255)
        self.register_buffer("places", _places(eyes, image), persistent=False)
        self.eval().requires_grad_(False)

    def embed(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1], C 1 or 3, to (B, 128): one person's lie less than SAME apart, as a rule."""
        return self.head(self.blocks(self._start(image)).mean((2, 3))).float()

    def stages(self, image: Tensor) -> list[Tensor]:
        """Feature maps of images (B, C, H, W) in [0, 1], C 1 or 3, behind the last block of each width:
        (B, WIDTHS[i], SIDES[i], SIDES[i])."""
        x, found, ends = self._start(image), [], list(accumulate(BLOCKS))
        for index, block in enumerate(list(self.blocks)[: ends[-1]], 1):
            x = block(x)
            if index in ends:
                found.append(x)
        return found

    def _start(self, image: Tensor) -> Tensor:
        """What the first block sees, (B, 32, 35, 35)."""
        places = self.places.to(image).expand(len(image), -1, -1, -1)
        x = F.grid_sample(image.expand(-1, 3, -1, -1), places, padding_mode="border", align_corners=False)
        return F.max_pool2d(F.relu(self.stem(x - self.mean)), 3, 2)

    def forward(self, image: Tensor, seen: Tensor) -> Tensor:
        """Squared distances (B,) of images (B, C, H, W) from those `seen`, which get no gradient, in units of that at which two
        faces are taken for two persons, times the number of pixel values, so that they stand beside nats."""
        with torch.no_grad():
            wanted = self.embed(seen)
        return (self.embed(image) - wanted).square().sum(1) / SAME**2 * seen[0].numel()


def open_recognition(
    eyes: np.ndarray, image: tuple[int, int, int], asked: str = "objective.identity"
) -> Recognition:
    """The network of the file that FACESPACE_RECOGNITION names. Raises UsageError where there is none or it holds something
    else; `asked` is the setting that wants it."""
    path = Path(os.environ.get(PLACE, ""))
    if not path.is_file():
        found = f"it names {path}, which is no file" if os.environ.get(PLACE) else "it is not set"
        raise UsageError(f"{asked} needs weights that {PLACE} names; {found}. {FORMAT}")
    try:
        return Recognition(read_tree(path), eyes, image)
    except KeyError as error:
        raise UsageError(f"{path} has no array {error.args[0]}. {FORMAT}") from error
    except (ValueError, OSError) as error:
        raise UsageError(f"{path} does not fit: {error}. {FORMAT}") from error


def _convolution(
    weights: Mapping[str, np.ndarray],
    name: str,
    before: int,
    after: int,
    side: int,
    stride: int,
    padding: int,
) -> nn.Conv2d:
    """One with the scale behind it merged into it."""
    kernel = as_tensor(weights, f"{name}/conv/filters", (side, side, before, after))
    bias, scale, shift = (as_tensor(weights, f"{name}/{part}", (after,)) for part in PARTS)
    layer = nn.Conv2d(before, after, side, stride, padding)
    layer.weight.data = (kernel * scale).permute(3, 2, 0, 1).contiguous()
    layer.bias = nn.Parameter(bias * scale + shift)
    return layer


PARTS = ("conv/bias", "scale/weights", "scale/biases")


def _places(eyes: np.ndarray, image: tuple[int, int, int]) -> Tensor:
    """Where in a picture each pixel of the network's lies, (SIDE, SIDE, 2) in [-1, 1] from edge to edge."""
    matrix = similarity(EYES, eyes, (1.0, 1.0))
    middles = np.stack(np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5), 2)
    places = middles @ matrix[:, :2].T + matrix[:, 2]
    return torch.from_numpy(places / (image[2], image[1]) * 2 - 1).float()
