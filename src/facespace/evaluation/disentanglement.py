"""The part of an evaluation for synthetic faces, whose factors are known: disentanglement of the latents."""

from dataclasses import dataclass

from facespace.core.errors import UsageError
from facespace.evaluation.session import Evaluation, EvaluationSession
from facespace.latent import disentanglement
from facespace.latent.disentanglement import Disentanglement
from facespace.report.page import Section
from facespace.report.report import Finding
from facespace.report.results import as_document

SYNTHETIC = "synthetic"  # the source whose attributes are the factors of the faces


@dataclass(frozen=True)
class NotMeasured:
    """Why a quantity could not be measured."""

    why_not: str


def measure_session(session: EvaluationSession, seed: int = 0) -> Disentanglement | NotMeasured | None:
    """The disentanglement of the posterior means of the selected faces; None unless the set is synthetic."""
    faces = session.faces
    if faces.card["source"] != SYNTHETIC:
        return None
    factors = faces.attributes[session.rows]
    try:
        return disentanglement.measure_disentanglement(
            session.encoded.mean, factors, faces.attribute_names, seed
        )
    except UsageError as error:  # too few faces; all else is still measured
        return NotMeasured(str(error))


def measure(evaluation: Evaluation) -> Disentanglement | None:
    """The posterior means of the selected faces; None unless the set is synthetic, or if it has too few
    faces."""
    found = measure_session(evaluation.session)
    if isinstance(found, NotMeasured):
        evaluation.left_out.append(found.why_not)
        return None
    return found


def section(evaluation: Evaluation, found: Disentanglement | None) -> Section | None:
    """The means."""
    if found is None:
        return None
    rows = [["figure", "value"]]
    for name, value in as_document(found).items():
        if isinstance(value, float):
            rows.append([name, f"{value:.3f}"])
    text = (
        "Whether single latents correspond to single factors of the synthetic faces, which are known. 1 is "
        "best, 0 worst."
    )
    return Section("Disentanglement", text, table=rows)


def advise(found: Disentanglement) -> list[Finding]:
    """No conclusions: there are no limits for these figures."""
    return []
