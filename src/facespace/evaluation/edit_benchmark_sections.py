"""The texts of an edit benchmark: the sections of its page with strips of the best, the median and the worst
faces, curves and the change matrix; a table for a paper; and a summary for the terminal. Measures
nothing."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from facespace.evaluation.edit_curves import (
    RATE,
    AttributeResults,
    Curve,
    EditBenchmarkResults,
    Matched,
    MethodResults,
    SideEffects,
    highest_rate,
    reached_at,
)
from facespace.evaluation.edit_methods import BEST, METHODS, PLAIN, EditBenchmark, EditOutcome
from facespace.report import charts
from facespace.report.page import Picture, Section, png
from facespace.report.tables import NONE, aligned, format_number, markdown

STRIPS = 6  # attributes whose edits are shown
PROTOCOL_TEXT = (
    "Edits are compared with reconstructions, not with originals, by a network that no direction was fitted "
    "with and that guided no edit."
)
PANELS = (  # title and field of the vertical axis; the horizontal axis is the success rate
    ("identity to the reconstruction", "identity"),
    ("distance to the reconstruction", "distance"),
    ("change of the others", "other_change"),
)
METHOD_HEAD = [
    "method",
    "success at identity .8",
    "others then",
    "others ÷ plain",
    "leakage ÷ plain",
    "identity",
    "plain identity",
]


def sections(
    benchmark: EditBenchmark, outcome: EditOutcome, results: EditBenchmarkResults
) -> list[Section | None]:
    """The sections of the page but the protocol: what edits look like, then how they are judged."""
    return [
        strips(benchmark, outcome),
        verdict(results),
        methods(benchmark, outcome, results),
        matrix(benchmark, outcome),
        few(results),
    ]


def headlines(results: EditBenchmarkResults) -> list[str]:
    """The terminal summary: a row for each method."""
    rows = [
        ["method", "success", "others at", "others ÷", "leakage ÷", "identity", "plain"],
        ["", "id .8", "id .8", "plain", "plain", "then", "then"],
    ]
    for method, found in results.methods.items():
        rows.append([method, *_method_cells(found)])
    protocol = results.protocol
    auc = (protocol.scorer.held_out or {}).get("auc")
    lines = [
        *aligned(rows, [False] + [True] * len(METHOD_HEAD[1:])),
        "",
        "others: mean absolute change of the other attributes' probabilities; leakage: the part that all "
        "faces share;",
        f"÷ plain: relative to mean differences at the same success rate ({RATE:.0%}, or the highest that "
        "both reach).",
        f"Identity: {protocol.identity}. Classifier: mean AUC {format_number(auc, '.3f')} on held-out faces.",
    ]
    return lines


def table(results: EditBenchmarkResults) -> str:
    """A Markdown table for a paper: for each attribute and method the identity and the change of others at
    RATE."""
    heads = ["attribute", "n", "AUC of scorer"]
    for method in METHODS:
        heads.append(f"{method}: id, others")
    rows = [heads]
    for name, found in results.attributes.items():
        cells = [name, str(found.faces), format_number(found.scorer.auc, ".3f")]
        for method in METHODS:
            cells.append(_table_cell(found, method))
        rows.append(cells)
    protocol = results.protocol
    lines = [
        *markdown(rows),
        "",
        "Identity to the reconstruction (higher is better) and mean absolute change of the other attributes' "
        f"probabilities (lower is better) at a success rate of {RATE:.0%}; in brackets the highest rate that "
        f"is reached where that is less. {protocol.edited.capitalize()}; directions {protocol.directions}; "
        f"identity: {protocol.identity}.",
    ]
    return "\n".join(lines) + "\n"


def _table_cell(found: AttributeResults, method: str) -> str:
    effects = found.at_rate[method]
    if effects:
        return f"{effects.identity:.2f}, {effects.other_change:.3f}"
    return f"({highest_rate(found.curves[method]):.0%})"


def _matched_cells(matched: Matched | None) -> list[str]:
    """Ratios of others and leakage, identity and plain identity; dashes if no attribute can be compared."""
    if matched is None:
        return [NONE] * 4
    figures = matched.other_change_ratio, matched.leakage_ratio, matched.identity, matched.plain_identity
    return [f"{figure:.2f}" for figure in figures]


def verdict(results: EditBenchmarkResults) -> Section:
    """The main conclusion."""
    best, plain = results.methods[BEST], results.methods[PLAIN]
    others, _, identity, plain_identity = _matched_cells(best.matched)
    text = (
        "At an identity of .8 to the reconstruction, plain mean differences succeed in "
        f"{plain.success_at_identity:.0%} of the faces and change the other attributes by "
        f"{plain.other_change_at_identity:.3f}; closed-loop edits with all others locked succeed in "
        f"{best.success_at_identity:.0%} and change them by {best.other_change_at_identity:.3f}.\n\nAt equal "
        f"success rates, the closed loop changes the others {others} times as much as plain mean differences "
        f"do, at an identity of {identity} against {plain_identity}.\n\nBelow, edits at a success rate of "
        f"{RATE:.0%}; {NONE} where no strength reaches it."
    )
    rows = [["attribute", "faces", "closed loop: identity", "others", "plain: identity", "others"]]
    for name, found in results.attributes.items():
        cells = [*_effect_cells(found.at_rate[BEST]), *_effect_cells(found.at_rate[PLAIN])]
        rows.append([name, str(found.faces), *cells])
    return Section("In short", text, table=rows)


def _effect_cells(effects: SideEffects | None) -> list[str]:
    if effects is None:
        return [NONE, NONE]
    return [f"{effects.identity:.2f}", f"{effects.other_change:.3f}"]


def methods(benchmark: EditBenchmark, outcome: EditOutcome, results: EditBenchmarkResults) -> Section:
    """All methods, and their curves."""
    rows = [METHOD_HEAD]
    for method, found in results.methods.items():
        rows.append([method, *_method_cells(found)])
    protocol = results.protocol
    text = (
        "Others: the mean absolute change of another attribute's probability in a face. Leakage: the part of "
        "it that all faces share. ÷ plain: relative to mean differences at an equal success rate, with the "
        f"identities there. Identity is the cosine to the face's own reconstruction ({protocol.identity}); "
        f"distance is {protocol.distance}."
    )
    caption = "Means over the attributes, against the success rate; the lower left is no edit."
    picture = Picture(
        caption, png(curves(benchmark, outcome)), "Curves of identity, distance and change of others."
    )
    return Section("Methods", text, [picture], rows)


def _method_cells(found: MethodResults) -> list[str]:
    return [
        f"{found.success_at_identity:.0%}",
        f"{found.other_change_at_identity:.3f}",
        *_matched_cells(found.matched),
    ]


def curves(benchmark: EditBenchmark, outcome: EditOutcome) -> Figure:
    """Means over attributes of identity, distance and change of others, against the success rate."""
    panels: dict[str, dict[str, charts.Curve]] = {}
    for title, field in PANELS:
        panels[title] = {}
        for method in METHODS:
            measured = [curve for curve in outcome.curves_of(method, benchmark.names) if curve]
            panels[title][method] = _mean_curve(measured, field)
    return charts.curves(panels, "success rate")


def _mean_curve(measured: Sequence[Curve], field: str) -> charts.Curve:
    """The mean of curves, point by point, after a point without an edit."""
    across, up = [0.0], [1.0 if field == "identity" else 0.0]
    for points in zip(*measured):
        across.append(float(np.mean([point.success_rate for point in points])))
        up.append(float(np.mean([getattr(point, field) for point in points])))
    return across, up


def matrix(benchmark: EditBenchmark, outcome: EditOutcome) -> Section:
    """Attribute by attribute: the change of the column's attribute by an edit of the row's."""
    names = list(benchmark.names)
    panels: list[tuple[str, np.ndarray, Sequence[str]]] = []
    for method in (PLAIN, BEST):
        rows = [_changes(outcome.curves[method, name], len(names)) for name in names]
        title = (
            f"{method}: mean change of the column's probability by an edit of the row at a success rate of "
            f"{RATE:.0%} (or the highest)"
        )
        panels.append((title, np.array(rows), names))
    figure = charts.tables(panels, names, "mean change of probability", 0.05)
    text = "The diagonal is the intended change; all else is a side effect."
    picture = Picture("The attribute × attribute change matrix.", png(figure))
    return Section("What else changes", text, [picture])


def _changes(curve: Curve, size: int) -> tuple[float, ...]:
    """The changes (A,) at the first strength that reaches RATE, else at the one with the highest success
    rate."""
    if not curve:
        return (float("nan"),) * size
    return curve[reached_at(curve)].change


def strips(benchmark: EditBenchmark, outcome: EditOutcome) -> Section:
    """Edits of the faces that keep most, a median amount and least of their identity, by each method."""
    pictures: list[Picture] = []
    for name in benchmark.names[:STRIPS]:
        if outcome.curves[BEST, name]:
            caption = f"{name}: faces by how much of their identity the closed loop keeps."
            pictures.append(Picture(caption, png(_strip(benchmark, outcome, name))))
    text = "Each row is a face's reconstruction and its edits. All faces are decoded by the space."
    return Section("Best, median and worst", text, pictures)


def _strip(benchmark: EditBenchmark, outcome: EditOutcome, name: str) -> Figure:
    rows, space = benchmark.rows(name), benchmark.session.space
    chosen: dict[str, np.ndarray] = {}
    for method in METHODS:
        place = reached_at(outcome.curves[method, name])
        chosen[method] = outcome.edited[method, name][place]
    kept = (benchmark.identity(space.decode(chosen[BEST])) * benchmark.persons[rows]).sum(1)
    order = np.argsort(-kept)
    cases = [order[0], order[len(order) // 2], order[-1]]
    columns, heads = [benchmark.session.reconstructions[rows[cases]]], ["before"]
    for method, z in chosen.items():
        columns.append(space.decode(z[cases]))
        heads.append(method.replace(", ", ",\n"))
    labels = [f"{label}\nid {kept[case]:.2f}" for label, case in zip(("best", "median", "worst"), cases)]
    title = f"{name}, each method at a success rate of {RATE:.0%}"
    return charts.labelled_grid(np.stack(columns, 1), labels, heads, title)


def few(results: EditBenchmarkResults) -> Section:
    """Directions from 10 + 10 faces."""
    found = results.few_faces
    rows = [["attribute", "cosine to all rows", "AUC", f"success at {found.strength:g} sd"]]
    for name, values in found.attributes.items():
        if values:
            (cosine, cosine_sd), (auc, auc_sd) = values["cosine"], values["auc"]
            success, success_sd = values["success_rate"]
            cells = [f"{cosine:.2f} ± {cosine_sd:.2f}", f"{auc:.2f} ± {auc_sd:.2f}"]
            rows.append([name, *cells, f"{success:.0%} ± {success_sd:.0%}"])
    low, high = found.faces
    text = (
        f"Mean differences of {low} + {high} random faces against those of all training faces: mean and "
        f"standard deviation over {found.draws} draws. The cosine is in whitened space, where random "
        "directions have a cosine of about 0."
    )
    return Section("Directions from few faces", text, table=rows)
