"""What the card of an attribute network says: figures of its probabilities on held-out faces, and their meaning in plain
words. Arrays and facts in, a table for the card out; no network and no set."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from torchmetrics.functional.classification import binary_calibration_error

BINS = 15  # of equal width, for the calibration error
MEANS = ("accuracy", "majority_accuracy", "balanced_accuracy", "auc", "calibration_error")
FEW = 100  # held-out faces of the rarer kind below which the card warns of the figures


def measure(
    probability: np.ndarray, attributes: np.ndarray, training: np.ndarray, names: Sequence[str]
) -> dict[str, Any]:
    """Figures of probabilities (N, A) against labels (N, A), above 0 yes, below 0 no, NaN unknown: for each attribute, and
    their means over those that have them. `majority_accuracy` is that of saying always what most labels of the training
    faces (M, A) say."""
    rows = {}
    for column, name in enumerate(names):
        usual = np.nansum(np.sign(training[:, column])) > 0
        rows[name] = one(probability[:, column], attributes[:, column], bool(usual))
    means = {}
    for key in MEANS:
        found = [row[key] for row in rows.values() if row[key] is not None]
        means[key] = round(float(np.mean(found)), 4) if found else None
    return {"mean": means, "attributes": rows}


def one(probability: np.ndarray, attribute: np.ndarray, usual: bool) -> dict[str, Any]:
    """The figures of one attribute from (N,) each; None for those that need both a yes and a no where one is missing.

    `calibration_error` is the expected one (Naeini et al., 2015) over 15 bins."""
    known = np.nan_to_num(attribute) != 0
    p, truth = probability[known], attribute[known] > 0
    said, both = p > 0.5, len(set(truth)) == 2
    error = (
        binary_calibration_error(torch.from_numpy(p), torch.from_numpy(truth).int(), n_bins=BINS)
        if len(p)
        else None
    )
    figures = {
        "yes": int(truth.sum()),
        "no": int((~truth).sum()),
        "accuracy": (said == truth).mean() if len(p) else None,
        "majority_accuracy": (truth == usual).mean() if len(p) else None,
        "balanced_accuracy": balanced_accuracy_score(truth, said) if both else None,
        "auc": roc_auc_score(truth, p) if both else None,
        "yes_found": said[truth].mean() if both else None,
        "no_found": (~said[~truth]).mean() if both else None,
        "calibration_error": error,
        "mean_probability": p.mean() if len(p) else None,
    }
    return {
        key: value if value is None or isinstance(value, int) else round(float(value), 4)
        for key, value in figures.items()
    }


def words(data: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Intended use and failings, in general and for each attribute, from a set's card and the figures."""
    colour = "colour" if data["channels"] == 3 else "gray"
    return {
        "intended_use": (
            "To label prepared faces for experiments with latent spaces, and to score edits of faces in research. Not for "
            "any decision about a person, and not to find, watch or sort people."
        ),
        "failings": [
            "An attribute is what the people who labelled the training faces saw in a picture. Many of them are matters of "
            "taste or of looks; none is a fact about the person: neither gender nor age can be read from a face.",
            f"It learned from {data['splits']['train']:,} {colour} faces from {data['source']}, cut as {data['crop']}, and "
            "does as well only on faces like these. Where the cut is much tighter or wider, most answers are wrong more often, "
            "and so they are for poses, ages, lights and peoples that are rare there; by how much was not measured.",
            "Attributes that often go together there (such as make-up and lipstick) are partly read from each other, so "
            "scores of an edited face can move together though only one thing changed.",
            "Faces that a model made are not what it was trained on: a probability of such a face is not calibrated.",
        ],
        "failings_by_attribute": {name: failing(row) for name, row in rows.items()},
    }


def failing(row: Mapping[str, Any]) -> str:
    """How an attribute fails, in a sentence or two."""
    if row["auc"] is None:
        return "The held-out faces do not have both yes and no of it, so nothing is known about how well it is seen."
    parts = [
        f"Misses {1 - row['yes_found']:.0%} of the faces that have it, and sees it in {1 - row['no_found']:.0%} of the others."
    ]
    if row["accuracy"] <= row["majority_accuracy"]:
        parts.append(
            "Its yes or no is no better than always saying what most faces are; use the probability alone."
        )
    if row["auc"] < 0.8:
        parts.append("Even as a ranking it is weak.")
    fewer = min(row["yes"], row["no"])
    if fewer < FEW:
        kind = "have it" if row["yes"] < row["no"] else "lack it"
        parts.append(f"Only {fewer} held-out faces {kind}, so these figures are rough.")
    return " ".join(parts)


def table(held_out: Mapping[str, Any]) -> str:
    """The figures of a card's held-out faces as lines of a table, best ranked attribute first, the means below."""
    rows = sorted(held_out["attributes"].items(), key=lambda item: -(item[1]["auc"] or 0))
    width = max(map(len, [*held_out["attributes"], "attribute"]))
    lines = [f"{'attribute':<{width}}   AUC    acc.  majority  balanced   ECE     yes     no"]
    for name, row in [*rows, ("mean", held_out["mean"])]:
        cells = ("auc", "accuracy", "majority_accuracy", "balanced_accuracy", "calibration_error")
        auc, accuracy, majority, balanced, error = (
            "–" if row[key] is None else f"{row[key]:.3f}" for key in cells
        )
        counts = f"{row['yes']:>6,} {row['no']:>6,}" if "yes" in row else ""
        lines.append(
            f"{name:<{width}}  {auc:>5}  {accuracy:>5}  {majority:>8}  {balanced:>8}  {error:>5}  {counts}".rstrip()
        )
    seen = held_out["identities_seen_in_training"]
    people = (
        f" of {held_out['identities']:,} people, {seen or 'none'} of them seen in training"
        if held_out["identities"]
        else ""
    )
    return "\n".join([*lines, f"On {held_out['faces']:,} {held_out['split']} faces{people}."])
