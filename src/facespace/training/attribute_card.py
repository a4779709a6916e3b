"""The card of an attribute classifier: figures of its probabilities on held-out faces, its intended use and
its limitations in sentences. Arrays and figures in, a table for the card out; no network and no set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from facespace.core.cards import Card

BINS = 15  # of equal width, for the calibration error
MEANS = ("accuracy", "majority_accuracy", "balanced_accuracy", "auc", "calibration_error")
FEW = 100  # held-out faces of the rarer class below which the card warns of imprecise figures
INTENDED_USE = (
    "To label prepared faces for experiments with latent spaces, and to score edits of faces in research. "
    "Not for any decision about a person, and not to find, watch or sort people."
)


@dataclass(frozen=True)
class AttributeFigures:
    """Figures of one attribute; None where they need both a yes and a no, or any label, and there is none."""

    yes: int
    no: int
    accuracy: float | None
    majority_accuracy: float | None  # of the class that most training labels have
    balanced_accuracy: float | None
    auc: float | None
    true_positive_rate: float | None
    true_negative_rate: float | None
    calibration_error: float | None  # expected calibration error (Naeini et al., 2015) over BINS bins
    mean_probability: float | None


@dataclass(frozen=True)
class ClassifierFigures:
    """Figures of all attributes, and their means over the attributes that have them."""

    mean: Mapping[str, float | None]
    attributes: Mapping[str, AttributeFigures]


def measure(
    probability: np.ndarray, attributes: np.ndarray, training: np.ndarray, names: Sequence[str]
) -> ClassifierFigures:
    """Figures of probabilities (N, A) against labels (N, A), above 0 yes, below 0 no, NaN unknown.

    The majority classes are those of the training labels (M, A)."""
    rows = {}
    for column, name in enumerate(names):
        majority = np.nansum(np.sign(training[:, column])) > 0
        rows[name] = attribute_figures(probability[:, column], attributes[:, column], bool(majority))
    means = {}
    for key in MEANS:
        known = [value for row in rows.values() if (value := getattr(row, key)) is not None]
        means[key] = round(float(np.mean(known)), 4) if known else None
    return ClassifierFigures(means, rows)


def attribute_figures(probability: np.ndarray, attribute: np.ndarray, usual: bool) -> AttributeFigures:
    """The figures of one attribute from (N,) each; `usual` is its majority class."""
    known = np.nan_to_num(attribute) != 0
    p, truth = probability[known], attribute[known] > 0
    answer = p > 0.5
    figures: dict[str, float | None] = dict.fromkeys(AttributeFigures.__dataclass_fields__)
    if len(p):
        figures |= _class_figures(p, truth) if len(set(truth)) == 2 else {}
        figures["accuracy"] = (answer == truth).mean()
        figures["majority_accuracy"] = (truth == usual).mean()
        figures["calibration_error"] = _calibration_error(p, truth)
        figures["mean_probability"] = p.mean()
    for name, value in figures.items():
        if value is not None:
            figures[name] = round(float(value), 4)
    counts = {"yes": int(truth.sum()), "no": int((~truth).sum())}
    return AttributeFigures(**{**figures, **counts})  # type: ignore[arg-type]


def _class_figures(p: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    """The figures that need both classes."""
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    answer = p > 0.5
    return {
        "balanced_accuracy": balanced_accuracy_score(truth, answer),
        "auc": float(roc_auc_score(truth, p)),
        "true_positive_rate": answer[truth].mean(),
        "true_negative_rate": (~answer[~truth]).mean(),
    }


def _calibration_error(p: np.ndarray, truth: np.ndarray) -> float:
    from torchmetrics.functional.classification import binary_calibration_error

    return float(binary_calibration_error(torch.from_numpy(p), torch.from_numpy(truth).int(), n_bins=BINS))


@dataclass(frozen=True)
class Statements:
    """The sentences of a card."""

    intended_use: str
    limitations: Sequence[str]  # limitations in general
    limitations_by_attribute: Mapping[str, str]


def words(data: Card, rows: Mapping[str, AttributeFigures]) -> Statements:
    """Intended use and limitations, in general and by attribute, from a set's card and the figures."""
    colour = "colour" if data["channels"] == 3 else "gray"
    return Statements(
        intended_use=INTENDED_USE,
        limitations=[
            "An attribute is what the people who labelled the training faces saw in a picture. Many of them "
            "are matters of taste or of looks; none is a fact about the person: neither gender nor age can "
            "be read from a face.",
            f"It learned from {data['splits']['train']:,} {colour} faces from {data['source']}, cut as "
            f"{data['crop']}, and does as well only on faces like these. Where the cut is much tighter or "
            "wider, most answers are wrong more often, and so they are for poses, ages, lights and peoples "
            "that are rare there; by how much was not measured.",
            "Attributes that often go together there (such as make-up and lipstick) are partly read from "
            "each other, so scores of an edited face can move together though only one thing changed.",
            "Faces that a model made are not what it was trained on: a probability of such a face is not "
            "calibrated.",
        ],
        limitations_by_attribute={name: failing(row) for name, row in rows.items()},
    )


def failing(row: AttributeFigures) -> str:
    """The limitations of one attribute, in a sentence or more."""
    if row.auc is None or row.true_positive_rate is None or row.true_negative_rate is None:
        return (
            "The held-out faces do not have both yes and no of it, so nothing is known about how well it is "
            "recognised."
        )
    parts = [
        f"Misses {1 - row.true_positive_rate:.0%} of the faces that have it, and sees it in "
        f"{1 - row.true_negative_rate:.0%} of the others."
    ]
    if (row.accuracy or 0) <= (row.majority_accuracy or 0):
        parts.append(
            "Its yes or no is no better than always saying what most faces are; use the probability alone."
        )
    if row.auc < 0.8:
        parts.append("Even as a ranking it is weak.")
    rarer = min(row.yes, row.no)
    if rarer < FEW:
        kind = "have it" if row.yes < row.no else "lack it"
        parts.append(f"Only {rarer} held-out faces {kind}, so these figures are rough.")
    return " ".join(parts)


def table(held_out: Card) -> str:
    """The figures of a card's held-out faces as lines of a table, by falling AUC, the means below."""
    rows = sorted(held_out["attributes"].items(), key=lambda item: -(item[1]["auc"] or 0))
    width = max(map(len, [*held_out["attributes"], "attribute"]))
    lines = [f"{'attribute':<{width}}   AUC    acc.  majority  balanced   ECE     yes     no"]
    for name, row in [*rows, ("mean", held_out["mean"])]:
        lines.append(f"{name:<{width}}  {_cells(row)}".rstrip())
    people = ""
    if held_out["identities"]:
        common = held_out["identities_seen_in_training"] or "none"
        people = f" of {held_out['identities']:,} people, {common} of them seen in training"
    lines.append(f"On {held_out['faces']:,} {held_out['split']} faces{people}.")
    return "\n".join(lines)


def _cells(row: Mapping[str, float | None]) -> str:
    """The figures of one row of the table; the means have no counts."""
    keys = {"auc": 5, "accuracy": 5, "majority_accuracy": 8, "balanced_accuracy": 8, "calibration_error": 5}
    cells = []
    for key, width in keys.items():
        text = "–" if row[key] is None else f"{row[key]:.3f}"
        cells.append(f"{text:>{width}}")
    counts = f"{row['yes']:>6,} {row['no']:>6,}" if "yes" in row else ""
    return "  ".join([*cells, counts])
