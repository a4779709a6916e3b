"""The editing scorecard on disk: its figures, a table for a paper, and a page with curves, the change matrix and strips of
the best, the median and the worst faces. Measures nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from facespace.core.files import build_folder, check_target, holds_only, write_json
from facespace.data.faces import FaceSet
from facespace.evaluation.edit_benchmark import BEST, METHODS, PLAIN, RATE, Trial, scorecard
from facespace.report import charts
from facespace.report.page import Picture, Section, page, png, words
from facespace.space.face_space import FaceSpace

FILES = ("scorecard.json", "report.html", "table.md")
STRIPS = 6  # attributes whose edits are shown


def write(
    to: Path | str,
    space: FaceSpace | Path | str | None,
    data: FaceSet | Path | str,
    *,
    force: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Measures a scorecard with these options and writes the folder; returns what scorecard.json holds. Raises UsageError for an
    older scorecard in the folder, but with `force`."""
    check_target(Path(to), "an edit benchmark", holds_only(*FILES), force)
    trial, facts = scorecard(space, data, **options)
    with build_folder(Path(to)) as beside:
        write_json(beside / FILES[0], facts)
        (beside / FILES[1]).write_text(html(trial, facts), encoding="utf-8")
        (beside / FILES[2]).write_text(table(facts), encoding="utf-8")
    return facts


def brief(facts: Mapping[str, Any]) -> str:
    """A row for each method, for the terminal."""
    head = f"{'method':<22}{'flips at':>10}{'others at':>11}{'others ÷':>10}{'drag ÷':>9}{'identity':>10}{'plain':>7}"
    below = f"{'':<22}{'id .8':>10}{'id .8':>11}{'plain':>10}{'plain':>9}{'then':>10}{'then':>7}"
    lines = [head, below]
    for method, seen in facts["methods"].items():
        same = [
            _number(seen["matched"], key)
            for key in ("others_ratio", "drag_ratio", "identity", "plain_identity")
        ]
        lines.append(
            f"{method:<22}{seen['flip_at_identity']:>10.0%}{seen['others_at_identity']:>11.3f}{same[0]:>10}{same[1]:>9}{same[2]:>10}{same[3]:>7}"
        )
    told = facts["protocol"]
    lines += [
        "",
        "others: mean absolute change of the other attributes' probabilities; drag: the part of it that all faces share;",
        f"÷ plain: against mean differences at the same flip rate ({RATE:.0%}, or the highest that both reach).",
        f"Identity: {told['identity']}. Scorer: mean AUC {told['scorer']['held_out']['auc']:.3f} on held-out real faces.",
    ]
    return "\n".join(lines)


def _number(figures: Mapping[str, float] | None, key: str) -> str:
    return f"{figures[key]:.2f}" if figures else "–"  # no attribute in which two methods can be compared


def table(facts: Mapping[str, Any]) -> str:
    """A Markdown table that a paper could print: for each attribute and method the identity and the change of others at
    the flip rate at which methods are compared."""
    heads = ["attribute", "n", "AUC of scorer"] + [f"{method}: id, others" for method in METHODS]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, seen in facts["attributes"].items():
        auc = seen["scorer"].get("auc")
        cells = [
            name,
            str(seen["faces"]),
            "" if auc is None else f"{auc:.3f}",
            *(_cell(seen, method) for method in METHODS),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    told = facts["protocol"]
    lines += [
        "",
        f"Identity to the reconstruction (higher is better) and mean absolute change of the other attributes' probabilities "
        f"(lower is better) where an edit is seen in {RATE:.0%} of the faces; in brackets the highest rate that is reached "
        f"where that is less. {told['edited'].capitalize()}; directions {told['directions']}; identity: {told['identity']}.",
    ]
    return "\n".join(lines) + "\n"


def _cell(seen: Mapping[str, Any], method: str) -> str:
    at = seen["at_rate"][method]
    if at:
        return f"{at['identity']:.2f}, {at['others']:.3f}"
    return f"({max((point['flip'] for point in seen['curves'][method]), default=0.0):.0%})"


def html(trial: Trial, facts: Mapping[str, Any]) -> str:
    """The page."""
    sections = [
        verdict(facts),
        methods(trial, facts),
        matrix(trial),
        *strips(trial),
        few(facts),
        protocol(facts),
    ]
    return page(f"Editing {trial.subject.space.folder.name}", sections)


def verdict(facts: Mapping[str, Any]) -> Section:
    """The first screen."""
    best, plain = facts["methods"][BEST], facts["methods"][PLAIN]
    same = best["matched"]
    text = (
        f"At an identity of .8 to the reconstruction, plain mean differences are seen in {plain['flip_at_identity']:.0%} of the "
        f"faces and change the other attributes by {plain['others_at_identity']:.3f}; closed-loop edits with all others locked "
        f"are seen in {best['flip_at_identity']:.0%} and change them by {best['others_at_identity']:.3f}.\n\n"
        f"Where both are seen equally often, the closed loop changes the others {_number(same, 'others_ratio')} times as much "
        f"as plain mean differences do, at an identity of {_number(same, 'identity')} against {_number(same, 'plain_identity')}."
    )
    rows = [["attribute", "faces", "closed loop: identity", "others", "plain: identity", "others"]]
    for name, seen in facts["attributes"].items():
        pairs = [seen["at_rate"][method] for method in (BEST, PLAIN)]
        cells = [[f"{at['identity']:.2f}", f"{at['others']:.3f}"] if at else ["–", "–"] for at in pairs]
        rows.append([name, str(seen["faces"]), *cells[0], *cells[1]])
    note = f"Of edits that are seen in {RATE:.0%} of the faces; – where no strength reaches that."
    return Section("In short", f"{text}\n\n{note}", table=rows)


def methods(trial: Trial, facts: Mapping[str, Any]) -> Section:
    """All methods, and what becomes of faces as strength grows."""
    rows = [
        [
            "method",
            "flips at identity .8",
            "others then",
            "others ÷ plain",
            "drag ÷ plain",
            "identity",
            "plain identity",
        ]
    ]
    for method, seen in facts["methods"].items():
        rows.append([method, f"{seen['flip_at_identity']:.0%}", f"{seen['others_at_identity']:.3f}"])
        rows[-1] += [
            _number(seen["matched"], key)
            for key in ("others_ratio", "drag_ratio", "identity", "plain_identity")
        ]
    text = (
        "Others: the mean absolute change of another attribute's probability in a face. Drag: the part of it that all faces "
        "share. ÷ plain: against mean differences at an equal flip rate, with the identities there. Identity is the cosine to "
        f"the face's own reconstruction ({facts['protocol']['identity']}); distance is {facts['protocol']['distance']}."
    )
    caption = "Means over the attributes, against the share of faces in which the edit is seen; lower left is no edit at all."
    return Section(
        "Methods",
        text,
        [Picture(caption, png(curves(trial)), "Curves of identity, distance and change.")],
        rows,
    )


def curves(trial: Trial) -> Figure:
    """Means over attributes: identity and distance against strength, and the change of others against the flip rate."""
    panels: dict[str, dict[str, charts.Curve]] = {}
    for title, x, y in (
        ("identity to the reconstruction", "flip", "identity"),
        ("distance to the reconstruction", "flip", "distance"),
        ("change of the others", "flip", "others"),
    ):
        panels[title] = {}
        for method, known in trial.curves.items():
            whole = [curve for curve in known.values() if curve]
            at = [
                [float(np.mean([getattr(curve[place], key) for curve in whole])) for key in (x, y)]
                for place in range(len(whole[0]))
            ]
            at = [[0.0, 1.0 if y == "identity" else 0.0], *at]
            panels[title][method] = ([point[0] for point in at], [point[1] for point in at])
    return charts.curves(panels, "share of faces in which the edit is seen")


def matrix(trial: Trial) -> Section:
    """Attribute by attribute: what an edit of the row changes in the column."""
    names, panels = list(trial.names), []
    for method in (PLAIN, BEST):
        rows = [_at(trial, method, name) for name in names]
        title = f"{method}: mean change of the column's probability by an edit of the row that is seen in {RATE:.0%} (or as often as it can be)"
        panels.append((title, np.array(rows), names))
    figure = charts.tables(panels, names, "mean change of probability", 0.05)
    text = "The diagonal is what was asked for; all else is a side effect."
    return Section(
        "What else changes", text, [Picture("The attribute × attribute change matrix.", png(figure))]
    )


def _at(trial: Trial, method: str, name: str) -> tuple[float, ...]:
    """The change (A,) at the first strength that reaches the rate, else at the one that is seen most."""
    curve = trial.curves[method][name]
    if not curve:
        return (float("nan"),) * len(trial.names)
    return curve[_place(curve)].change


def _place(curve: list) -> int:
    reached = [place for place, point in enumerate(curve) if point.flip >= RATE]
    return reached[0] if reached else int(np.argmax([point.flip for point in curve]))


def strips(trial: Trial) -> list[Section]:
    """Edits of the face that keeps most of itself, the median one and the one that loses most, by each method."""
    pictures = []
    for name in trial.names[:STRIPS]:
        if not trial.curves[BEST][name]:
            continue
        rows, space = trial.rows(name), trial.subject.space
        chosen = {
            method: trial.edited[method, name][_place(trial.curves[method][name])] for method in METHODS
        }
        kept = (trial.identity(space.decode(chosen[BEST])) * trial.persons[rows]).sum(1)
        order = np.argsort(-kept)
        cases = [order[0], order[len(order) // 2], order[-1]]
        columns = [
            trial.subject.reconstructions[rows[cases]],
            *(space.decode(z[cases]) for z in chosen.values()),
        ]
        labels = [f"{label}\nid {kept[case]:.2f}" for label, case in zip(("best", "median", "worst"), cases)]
        heads = ["before", *(method.replace(", ", ",\n") for method in METHODS)]
        figure = charts.strips(
            np.stack(columns, 1), labels, heads, f"{name}, each method where it is seen in {RATE:.0%}"
        )
        pictures.append(
            Picture(f"{name}: faces by how much of their identity the closed loop keeps.", png(figure))
        )
    text = "Each row is a face's reconstruction and its edits. Faces are the space's own output."
    return [Section("Best, median and worst", text, pictures)]


def few(facts: Mapping[str, Any]) -> Section:
    """The 10 + 10 faces recipe."""
    found = facts["pairs"]
    rows = [["attribute", "cosine to all rows", "AUC", f"flips at {found['strength']:g} sd"]]
    for name, seen in found["attributes"].items():
        if seen:
            rows.append([name, *(f"{seen[key][0]:.2f} ± {seen[key][1]:.2f}" for key in ("cosine", "auc"))])
            rows[-1].append(f"{seen['flip'][0]:.0%} ± {seen['flip'][1]:.0%}")
    low, high = found["faces"]
    text = (
        f"Mean differences of {low} + {high} random faces against those of all training faces: mean and deviation over "
        f"{found['draws']} draws. Their cosine is in whitened space, where directions of chance have about 0."
    )
    return Section("Directions from few faces", text, table=rows)


def protocol(facts: Mapping[str, Any]) -> Section:
    """How all of it was measured."""
    rows = [["", ""], *([name, words(value)] for name, value in facts["protocol"].items())]
    text = "Edits are judged against reconstructions, not originals, by a network that found no direction and steered no edit."
    return Section("How this was measured", text, table=rows)
