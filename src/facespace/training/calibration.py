"""The maths of training an attribute classifier: a loss over known labels, calibration, and the score that
selects the weights. Arrays and tensors in and out; no set and no loop."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def masked_loss(
    logits: Tensor, attributes: Tensor, yes_weight: Tensor | float = 1.0, smoothing: float = 0.0
) -> Tensor:
    """Binary cross-entropy of logits (B, A), nats, averaged over the known labels (B, A); 0 without any.

    Labels above 0 are yes, below 0 no, NaN or 0 unknown. A yes has weight `yes_weight` (A,)."""
    known = attributes.nan_to_num(0) != 0
    goal = (attributes > 0).float() * (1 - smoothing) + smoothing / 2  # a comparison with NaN is false
    weight = torch.as_tensor(yes_weight, device=logits.device).expand(logits.shape[1])
    each = F.binary_cross_entropy_with_logits(logits, goal, pos_weight=weight, reduction="none")
    return torch.where(known, each, 0).sum() / known.sum().clamp(min=1)


def yes_weights(attributes: np.ndarray, balance: float) -> Tensor:
    """The weight of a yes, (A,), from the labels (N, A): (no ÷ yes)^balance."""
    yes, no = (attributes > 0).sum(0), (attributes < 0).sum(0)
    return torch.from_numpy(((no + 1) / (yes + 1)) ** balance).float()


def random_gray(image: Tensor, share: float) -> Tensor:
    """(B, 3, H, W) images, a random share of them in gray (ITU-R BT.601 luma, as in Pillow)."""
    if not share:
        return image
    luma = image.new_tensor([0.299, 0.587, 0.114])
    gray = torch.einsum("bchw,c->bhw", image, luma)[:, None].expand_as(image)
    chosen = torch.rand(len(image), device=image.device) < share
    return torch.where(chosen[:, None, None, None], gray, image)


def calibrate(logits: np.ndarray, attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset (A,), with which sigmoid(slope · logit + offset) is the probability of an attribute.

    Platt scaling (Platt, 1999) of logits (N, A) to labels (N, A), with his targets, which keep the fit finite
    for separable classes. Where the fitted slope is not positive, it is 0 and the probability is the share of
    yes."""
    slopes, offsets = np.ones(logits.shape[1], np.float32), np.zeros(logits.shape[1], np.float32)
    for column, (x, truth) in enumerate(zip(logits.T, attributes.T)):
        known = np.nan_to_num(truth) != 0
        slopes[column], offsets[column] = _platt(x[known].astype(np.float64), truth[known] > 0)
    return slopes, offsets


def _platt(x: np.ndarray, yes: np.ndarray) -> tuple[float, float]:
    """Slope and offset of one attribute from logits (N,) and labels (N,)."""
    from sklearn.linear_model import LogisticRegression

    no_count, yes_count = (~yes).sum(), yes.sum()
    low, high = 1 / (no_count + 2), (yes_count + 1) / (yes_count + 2)
    target = np.where(yes, high, low)
    # Each face is a yes with the weight of its target, and a no with the rest.
    both, labels = np.concatenate([x, x])[:, None], np.repeat([1, 0], len(x))
    weights = np.concatenate([target, 1 - target])
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(both, labels, sample_weight=weights)
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if slope <= 0:
        return 0.0, float(np.log((yes_count + 1) / (no_count + 1)))
    return slope, offset


def mean_auc(scores: np.ndarray, attributes: np.ndarray) -> float:
    """The mean over attributes of the area under the ROC curve, of scores and labels (N, A).

    Attributes without both yes and no are left out; 0.5 where all are."""
    from sklearn.metrics import roc_auc_score

    found = []
    for column, truth in zip(scores.T, attributes.T):
        known = np.nan_to_num(truth) != 0
        if len(set(truth[known] > 0)) == 2:
            found.append(roc_auc_score(truth[known] > 0, column[known]))
    return float(np.mean(found)) if found else 0.5


@torch.no_grad()
def round_weights(model: torch.nn.Module) -> None:
    """Rounds weights to 16 bits, in place, so that the network that is measured equals the one that is
    saved."""
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())
