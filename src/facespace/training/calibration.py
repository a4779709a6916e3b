"""The maths of training an attribute network: a loss that leaves unknown labels out, calibration, and the score by which
weights are chosen. Arrays and tensors in and out; no set and no loop."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F


def masked_loss(
    logits: Tensor, attributes: Tensor, yes_weight: Tensor | float = 1.0, smoothing: float = 0.0
) -> Tensor:
    """Binary cross-entropy of logits (B, A), nats, averaged over the labels (B, A) that are known: above 0 yes, below 0
    no, NaN or 0 unknown. A yes weighs `yes_weight` (A,); 0 where nothing is known."""
    known = attributes.nan_to_num(0) != 0
    goal = (attributes > 0).float() * (1 - smoothing) + smoothing / 2  # a comparison with NaN is false
    weight = torch.as_tensor(yes_weight, device=logits.device).expand(logits.shape[1])
    each = F.binary_cross_entropy_with_logits(logits, goal, pos_weight=weight, reduction="none")
    return torch.where(known, each, 0).sum() / known.sum().clamp(min=1)


def yes_weights(attributes: np.ndarray, balance: float) -> Tensor:
    """How much a yes weighs, (A,), from the labels (N, A): (no ÷ yes)^balance."""
    yes, no = (attributes > 0).sum(0), (attributes < 0).sum(0)
    return torch.from_numpy(((no + 1) / (yes + 1)) ** balance).float()


def some_gray(image: Tensor, share: float) -> Tensor:
    """(B, 3, H, W) images, of which a share chosen at random lose their colour (ITU-R BT.601 luma, as Pillow's)."""
    if not share:
        return image
    gray = torch.einsum("bchw,c->bhw", image, image.new_tensor([0.299, 0.587, 0.114]))[:, None].expand_as(
        image
    )
    return torch.where(
        (torch.rand(len(image), device=image.device) < share)[:, None, None, None], gray, image
    )


def calibrate(logits: np.ndarray, attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset (A,) for each attribute, with which sigmoid(slope · logit + offset) is its probability: Platt
    scaling (Platt, 1999), with his targets, that keep it finite where yes and no are apart. (N, A) each.

    Where a logit says nothing, or the wrong thing, the slope is 0 and the probability is the share of yes."""
    slopes, offsets = np.ones(logits.shape[1], np.float32), np.zeros(logits.shape[1], np.float32)
    for column, (x, truth) in enumerate(zip(logits.T, attributes.T)):
        known = np.nan_to_num(truth) != 0
        x, yes = x[known, None].astype(np.float64), truth[known] > 0
        count = np.array([(~yes).sum(), yes.sum()])
        low, high = 1 / (count[0] + 2), (count[1] + 1) / (count[1] + 2)
        goal = np.where(yes, high, low)
        twice = (
            np.concatenate([x, x]),
            np.repeat([1, 0], len(x)),
        )  # each face as a yes and as a no, by its target
        fitted = LogisticRegression(C=1e6, max_iter=1000).fit(
            *twice, sample_weight=np.concatenate([goal, 1 - goal])
        )
        slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
        if slope <= 0:
            slope, offset = 0.0, float(np.log((count[1] + 1) / (count[0] + 1)))
        slopes[column], offsets[column] = slope, offset
    return slopes, offsets


def mean_auc(scores: np.ndarray, attributes: np.ndarray) -> float:
    """The mean over attributes of the area under the ROC curve, of scores and labels (N, A); those that have not both yes
    and no do not count, and 0.5 where none has."""
    found = []
    for column, truth in zip(scores.T, attributes.T):
        known = np.nan_to_num(truth) != 0
        if len(set(truth[known] > 0)) == 2:
            found.append(roc_auc_score(truth[known] > 0, column[known]))
    return float(np.mean(found)) if found else 0.5


@torch.no_grad()
def round_weights(model: torch.nn.Module) -> None:
    """Rounds weights to 16 bits, in place, so that all that is measured is what is stored."""
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())
