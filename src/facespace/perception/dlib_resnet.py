"""dlib's face recognition network (King, 2017), a ResNet-34 with fewer layers and half the channels, trained
on three million faces, from a file of weights that the user names. The identity loss is the distance of its
embeddings (as in Richardson et al., 2021)."""

from collections.abc import Mapping
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facespace.image.align import similarity
from facespace.perception.foreign_weights import as_tensor, open_named, read_tree

ENVIRONMENT_VARIABLE = "FACESPACE_RECOGNITION"
SIDE = 150  # pixels of the input, in which EYES are the eyes
EYES = np.array([(47.7, 47.1), (100.3, 47.1)])
MEAN = (122.782, 117.001, 104.298)  # of channels in 0 to 255
WIDTHS, BLOCKS = (32, 64, 128, 256), (3, 4, 3, 3)  # channels of the stages, and their residual blocks
SIDES = (35, 17, 8, 4)  # of the stages' feature maps
OUT = 128  # numbers of an embedding
SAME_PERSON = 0.6  # distance below which dlib takes two faces for one person
FORMAT = (
    "Weights are face_recognition_model-weights_manifest.json of the npm package @vladmandic/face-api 1.7, "
    "beside its .bin file."
)
BATCH_NORM = ("conv/bias", "scale/weights", "scale/biases")


class Block(nn.Module):
    """A residual block, optionally with downsampling by average pooling. Its batch norms, scales in the file,
    are merged into the convolutions."""

    def __init__(
        self, weights: Mapping[str, np.ndarray], name: str, before: int, after: int, downsamples: bool
    ) -> None:
        super().__init__()
        self.downsamples = downsamples
        stride, padding = (2, 0) if downsamples else (1, 1)
        self.first = _convolution(weights, f"{name}/conv1", before, after, 3, stride, padding)
        self.second = _convolution(weights, f"{name}/conv2", after, after, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        change = self.second(F.relu(self.first(x)))
        if self.downsamples:
            # Pooling leaves one row more than the unpadded convolution; new channels of the skip connection
            # are 0.
            x = F.avg_pool2d(x, 2)
            change = F.pad(change, (0, x.shape[3] - change.shape[3], 0, x.shape[2] - change.shape[2]))
            x = F.pad(x, (0, 0, 0, 0, 0, change.shape[1] - x.shape[1]))
        return F.relu(x + change)


class RecognitionNetwork(nn.Module):
    """The network for images (C, H, W) with the eyes at `eyes` (2, 2), in pixels from the top left corner,
    the left one first."""

    mean: Tensor
    places: Tensor

    def __init__(
        self, weights: Mapping[str, np.ndarray], eyes: np.ndarray, image: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.stem = _convolution(weights, "conv32_down", 3, WIDTHS[0], 7, 2, 0)
        blocks, before = [], WIDTHS[0]
        for width, count in zip(WIDTHS, BLOCKS):
            for index in range(count):
                downsamples = index == 0 and width != before
                number = index + 1 if width == WIDTHS[0] else index
                name = f"conv{width}_down" if downsamples else f"conv{width}_{number}"
                blocks.append(Block(weights, name, before, width, downsamples))
                before = width
        blocks.append(Block(weights, f"conv{before}_down_out", before, before, True))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, OUT, bias=False)
        self.head.weight.data = as_tensor(weights, "fc", (before, OUT)).T.contiguous()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None] / 255)
        self.register_buffer("places", _places(eyes, image), persistent=False)
        self.eval().requires_grad_(False)

    def embed(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1], C 1 or 3, to embeddings (B, 128). Those of one person usually lie
        less than SAME_PERSON apart."""
        return self.head(self.blocks(self._stem_features(image)).mean((2, 3))).float()

    def stages(self, image: Tensor) -> list[Tensor]:
        """Feature maps of images (B, C, H, W) in [0, 1], C 1 or 3, after the last block of each width:
        (B, WIDTHS[i], SIDES[i], SIDES[i])."""
        x, found, ends = self._stem_features(image), [], list(accumulate(BLOCKS))
        for index, block in enumerate(list(self.blocks)[: ends[-1]], 1):
            x = block(x)
            if index in ends:
                found.append(x)
        return found

    def _stem_features(self, image: Tensor) -> Tensor:
        """The input of the first block, (B, 32, 35, 35): images are warped to the network's eye positions
        first."""
        places = self.places.to(image).expand(len(image), -1, -1, -1)
        x = F.grid_sample(image.expand(-1, 3, -1, -1), places, padding_mode="border", align_corners=False)
        return F.max_pool2d(F.relu(self.stem(x - self.mean)), 3, 2)

    def forward(self, image: Tensor, seen: Tensor) -> Tensor:
        """Squared distances (B,) of the embeddings of images (B, C, H, W) and of their targets `seen`, which
        get no gradient. The unit is SAME_PERSON², and the result is multiplied by the number of pixel values,
        to be on the scale of nats, which are sums over pixels."""
        with torch.no_grad():
            target = self.embed(seen)
        return (self.embed(image) - target).square().sum(1) / SAME_PERSON**2 * seen[0].numel()


def open_recognition(
    eyes: np.ndarray, image: tuple[int, int, int], setting: str = "objective.identity"
) -> RecognitionNetwork:
    """The network with the weights that FACESPACE_RECOGNITION names. Raises UsageError where there are none
    or they do not fit; `setting` is the one that needs the network."""
    return open_named(
        ENVIRONMENT_VARIABLE, setting, FORMAT, lambda path: RecognitionNetwork(read_tree(path), eyes, image)
    )


def _convolution(
    weights: Mapping[str, np.ndarray],
    name: str,
    before: int,
    after: int,
    side: int,
    stride: int,
    padding: int,
) -> nn.Conv2d:
    """A convolution with the batch norm after it merged into it."""
    kernel = as_tensor(weights, f"{name}/conv/filters", (side, side, before, after))
    bias, scale, shift = (as_tensor(weights, f"{name}/{part}", (after,)) for part in BATCH_NORM)
    layer = nn.Conv2d(before, after, side, stride, padding)
    layer.weight.data = (kernel * scale).permute(3, 2, 0, 1).contiguous()
    layer.bias = nn.Parameter(bias * scale + shift)
    return layer


def _places(eyes: np.ndarray, image: tuple[int, int, int]) -> Tensor:
    """The sampling grid of the network's input in an image, (SIDE, SIDE, 2) in [-1, 1] from edge to edge."""
    matrix = similarity(EYES, eyes, (1.0, 1.0))
    centers = np.stack(np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5), 2)
    places = centers @ matrix[:, :2].T + matrix[:, 2]
    return torch.from_numpy(places / (image[2], image[1]) * 2 - 1).float()
