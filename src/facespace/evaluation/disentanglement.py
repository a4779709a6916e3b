"""The part of an evaluation for synthetic faces, whose factors are known: disentanglement of the latents."""

from facespace.core.errors import UsageError
from facespace.evaluation.results import as_document
from facespace.evaluation.session import Evaluation
from facespace.latent.disentanglement import Disentanglement, measure_disentanglement
from facespace.report.page import Section
from facespace.report.report import Finding


def measure(evaluation: Evaluation) -> Disentanglement | None:
    """The posterior means of the selected faces; None unless the set is synthetic, or if it has too few
    faces."""
    session = evaluation.session
    if session.faces.card["source"] != "synthetic":
        return None
    factors = session.faces.attributes[session.rows]
    try:
        return measure_disentanglement(session.encoded.mean, factors, session.faces.attribute_names)
    except UsageError as error:  # too few faces; the other parts are still measured
        evaluation.left_out.append(str(error))
        return None


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
