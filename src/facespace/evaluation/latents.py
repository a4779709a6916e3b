"""The state of the latent space, as a part of an evaluation and as the verdict of an analysis: whether its
latents are in use and distributed like the prior that new faces are drawn from."""

from dataclasses import replace

from facespace.evaluation.session import Evaluation, EvaluationSession
from facespace.latent.health import LatentHealth, latent_health, latent_warnings
from facespace.models.bundle_card import MODEL_PRIOR as OWN
from facespace.report.page import Section
from facespace.report.report import GOOD, POOR, Finding

ROWS = {  # name -> label, number format
    "kl": ("KL, nats per image", ",.1f"),
    "mutual_information": ("mutual information of face and latent, nats (estimate)", ",.1f"),
    "norm_of_mean": ("length of the mean of all posterior means", ".3f"),
    "variance_mean": ("mean variance of a latent's posterior means", ".3f"),
    "mean_absolute_correlation": ("mean absolute correlation of two latents", ".3f"),
    "classifier_auc": ("AUC of a classifier, encoded against drawn latents", ".3f"),
}


def measure(evaluation: Evaluation) -> LatentHealth:
    """The posteriors of the selected faces against the prior that samples are drawn from."""
    return health_of(evaluation.session, evaluation.prior, evaluation.seed, evaluation.temperature)


def health_of(
    session: EvaluationSession, prior: str, seed: int = 0, temperature: float = 1.0
) -> LatentHealth:
    """The figures and warnings of the posteriors of a session's faces against as many draws from a prior of
    its space, by the prior's kind."""
    encoded, space = session.encoded, session.space
    drawn = space.sample_latents_batched(len(encoded.mean), seed, prior, temperature)
    found = latent_health(
        encoded.mean, encoded.variance, drawn, encoded.kl, seed, prior != OWN, space.prior(prior).origin
    )
    return replace(found, warnings=latent_warnings(found, space.model.config.flat))


def section(evaluation: Evaluation, found: LatentHealth) -> Section:
    """The main figures."""
    rows = [["figure", "value"], ["latents in use", f"{found.active_units} of {found.dimensions}"]]
    for name, (label, form) in ROWS.items():
        value = getattr(found, name)
        if value is not None:
            rows.append([label, f"{value:{form}}"])
    text = (
        f"Whether encoded faces are distributed like draws from {found.prior}. A classifier that cannot "
        "separate them has an AUC of 0.5."
    )
    return Section("The latent space", text, table=rows)


def advise(found: LatentHealth) -> list[Finding]:
    """The warnings as findings."""
    poor = [Finding(POOR, f"{one.what}: {one.why}", one.change) for one in found.warnings or ()]
    if poor:
        return poor
    text = f"The latent space is healthy: {found.active_units} of {found.dimensions} latents are in use"
    if found.classifier_auc is not None:
        text += (
            f", and encoded faces and draws from {found.prior} are separated with an AUC of "
            f"{found.classifier_auc:.2f} only (0.5 is chance)"
        )
    return [Finding(GOOD, f"{text}.")]
