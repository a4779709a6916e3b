"""How well a model predicts unseen faces: the evidence lower bound, its terms, and the gap to training
faces."""

from dataclasses import dataclass, field

import numpy as np

from facespace.data.faces import evenly_spaced
from facespace.evaluation.session import Evaluation
from facespace.recipes.config import ObjectiveConfig
from facespace.report.page import Section
from facespace.report.report import NOTE, Finding
from facespace.report.results import FLAT
from facespace.training.loaders import Loader
from facespace.training.measure import derived, evaluate

BATCH = 64  # faces
NAMES = {
    "loss": "negative evidence lower bound",
    "reconstruction": "of it reconstruction",
    "kl": "of it KL",
    "commitment": "of it commitment",
    "bound": "negative importance-weighted bound",
    "loss_per_dim": "per dimension (pixel value)",
}


@dataclass(frozen=True)
class Likelihood:
    """Means over faces; `train_gap` is the excess over training faces as a share of their loss."""

    terms: dict[str, float] = field(metadata=FLAT)  # nats per image: loss and its terms; loss_per_dim
    pixel_likelihood: str
    train_loss: float | None = None
    train_gap: float | None = None


def measure(evaluation: Evaluation) -> Likelihood | None:
    """The loss on the selected faces with all weights 1, and on as many training faces if they are the set's
    own."""
    session = evaluation.session
    model, faces, card = session.space.model, session.faces, session.space.card
    if faces.image_shape != (model.image_shape[0], *session.space.template.shape[1:]):
        evaluation.left_out.append(
            "The likelihood is left out: the faces of the set differ in size or colour from the space's."
        )
        return None
    terms = _loss(evaluation, session.rows)
    train_rows = evenly_spaced(faces.rows("train"), len(session.rows))
    trained_on = card.get("data", {}).get("fingerprint")
    if session.split == "train" or trained_on != faces.fingerprint or not len(train_rows):
        return Likelihood(terms, model.config.likelihood)
    train_loss = _loss(evaluation, train_rows)["loss"]
    gap = (terms["loss"] - train_loss) / abs(train_loss)
    return Likelihood(terms, model.config.likelihood, train_loss, gap)


def _loss(evaluation: Evaluation, rows: np.ndarray) -> dict[str, float]:
    """Mean terms over those faces, in nats per image, and the loss per dimension."""
    space = evaluation.session.space
    model = space.model
    recipe = space.card.get("recipe") or {}
    weights = (recipe.get("objective") or {}).get("weights") or {}
    samples = 1
    if model.config.bottleneck == "gaussian":  # only a Gaussian posterior has an importance-weighted bound
        samples = max(1, evaluation.bound)
    objective = ObjectiveConfig(weights=dict.fromkeys(weights, 1.0), iwae_samples=samples)
    loader = Loader(evaluation.session.faces, rows, BATCH, space.device)
    terms = derived(evaluate(model, loader, objective) or {}, model.image_shape)
    terms.pop("elbo", None)  # minus the loss, since all weights are 1
    return terms


def section(evaluation: Evaluation, found: Likelihood | None) -> Section | None:
    """The terms in nats per image."""
    if found is None:
        return None
    rows = [["nats per image", "value"]]
    for name, label in NAMES.items():
        if name == "loss" and "kl" not in found.terms:
            label = "all terms, each counted once"
        form = ",.4g" if name == "loss_per_dim" else ",.1f"
        if name in found.terms:
            rows.append([label, f"{found.terms[name]:{form}}"])
    if found.train_loss is not None:
        rows.append(["the same on training faces", f"{found.train_loss:,.1f}"])
    text = (
        f"How well the model predicts unseen faces; the pixel likelihood is {found.pixel_likelihood}. Values "
        "of different pixel likelihoods (probabilities of gray levels, densities) cannot be compared with "
        "each other."
    )
    return Section("Likelihood", text, table=rows)


def advise(found: Likelihood) -> list[Finding]:
    """Whether the model overfits."""
    gap = found.train_gap
    if gap is None or gap < 0.02:
        return []
    text = f"The model overfits: unseen faces cost {gap:.1%} more nats than training faces."
    return [Finding(NOTE, text, "Mirroring (data.flip=true), more faces, dropout or early stopping help.")]
