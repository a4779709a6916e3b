"""The area under the ROC curve, by numpy alone."""

import numpy as np


def roc_auc(yes: np.ndarray, scores: np.ndarray) -> float:
    """The area under the ROC curve of scores (N,) for the faces with `yes` (N,) bool against the others: the
    probability that a random face with it has a higher score than one without, equal scores counting half
    (Hanley & McNeil, 1982). Both classes must occur."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place]  # from 1; equal scores share their mean rank
    positives = int(yes.sum())
    above = ranks[yes].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(yes) - positives)))
