"""The edit benchmark: how often edits of attributes succeed and what else they change, for several methods
side by side, measured with a classifier that no direction was fitted with. Opens the networks, measures and
writes the report."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facespace.core.attribute_names import check_names
from facespace.core.cards import Card
from facespace.core.console import progress
from facespace.core.errors import UsageError, check_seed
from facespace.data.faces import FaceSet
from facespace.evaluation import edit_benchmark_sections as sections
from facespace.evaluation.edit_curves import (
    ALIKE,
    RATE,
    AttributeResults,
    EditBenchmarkResults,
    EditProtocol,
    FewFacesResults,
    GuideProtocol,
    MethodResults,
    ScorerFigures,
    ScorerProtocol,
    at_rate,
    summary,
)
from facespace.evaluation.edit_methods import (
    BEST,
    DETECTED,
    METHODS,
    PLAIN,
    EditBenchmark,
    EditOutcome,
    run,
)
from facespace.evaluation.session import EvaluationSession
from facespace.latent.directions import (
    DECORRELATED,
    Directions,
    auc,
    draw_shots,
    fit_direction_table,
    fit_directions,
)
from facespace.latent.edit import move
from facespace.latent.strengths import UNITS, Strength, parse
from facespace.models.locations import title_of
from facespace.perception.arcface import open_identity
from facespace.perception.attributes import AttributeClassifier, load_classifier
from facespace.perception.lpips import lpips_if_available
from facespace.perception.similarity import distance_text, lpips_or_pixels
from facespace.perception.store import SCORER
from facespace.report.report import Layout, Report
from facespace.report.results import as_document
from facespace.space.face_space import FaceSpace

# The twelve of the protocol: expression, accessories, hair, age, make-up; each changes pixels that the others
# do not.
ATTRIBUTES = (
    "Smiling",
    "Eyeglasses",
    "Male",
    "Young",
    "Wearing_Hat",
    "Bangs",
    "Blond_Hair",
    "Black_Hair",
    "No_Beard",
    "Mouth_Slightly_Open",
    "Heavy_Makeup",
    "Pale_Skin",
)
STRENGTHS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # standard deviations
MARGINS = (0.0, 1.0, 3.0)  # of closed-loop edits: logits past the decision boundary
DRAWS, PAIRS, STRENGTH = 20, 10, 2.0  # of the directions from 10 + 10 faces
FEWEST_FACES, FEWEST_ATTRIBUTES = 5, 2
TABLE = "table.md"
LAYOUT = Layout(
    "an edit benchmark", "edit_benchmark", page="report.html", others=(TABLE,), older=("scorecard.json",)
)


def benchmark_edits(
    space: FaceSpace | Path | str | None,
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    split: str = "test",
    attributes: Sequence[str] = (),
    count: int = 40,
    classifier: Path | str | None = None,
    identity: Path | str | None = None,
    lpips: Path | str | None = None,
    seed: int = 0,
    strengths: Sequence[float | str] = (),
    force: bool = False,
) -> Card:
    """Edits held-out faces by each of METHODS, at most `count` faces an attribute, and measures success,
    identity and side effects with a scoring classifier, an identity network and LPIPS. Directions are fitted
    to the training split. Writes the folder `to`: edit_benchmark.json, report.html, table.md. Returns the
    content of edit_benchmark.json, and `to`, `page` and `text`, a summary.

    `classifier` is a folder of train-attributes, by default the second bundled classifier. `strengths` rise,
    in standard deviations or, as "1g", in class gaps; the default is STRENGTHS. Raises UsageError for unknown
    attributes, a set without them, a count below 5, strengths that do not rise, or a folder with other files
    (or, without `force`, with an older edit benchmark)."""
    LAYOUT.check(to, force)
    check_seed(seed)
    rising = check_strengths(strengths or STRENGTHS)
    _check_count(count)
    session = EvaluationSession(space, data, split, None)
    scoring = load_classifier(classifier or SCORER, session.space.device)
    names = choose_attributes(attributes, scoring, session.faces)
    z = session.space.posterior_means(session.faces, "train").astype(np.float64)
    signs = session.faces.attribute_signs("train")
    benchmark = EditBenchmark(
        session=session,
        names=names,
        scorer=scoring,
        guide=load_classifier(None, session.space.device),
        identity=open_identity(session.space.template, scoring, session.reconstructions, identity),
        distance=lpips_or_pixels(lpips_if_available(lpips), session.reconstructions),
        count=count,
        seed=seed,
        directions=_directions(session, names, z, signs),
        strengths=rising,
        margins=MARGINS,
    )
    report = _measured(benchmark, z, signs)
    return report.written(to, force)


def _measured(benchmark: EditBenchmark, z: np.ndarray, signs: np.ndarray) -> Report:
    """The report of a benchmark whose directions were fitted to latents z (N, D) with signs (N, A)."""
    outcome = run(benchmark)
    methods, attributes = summarize(benchmark, outcome), by_attribute(benchmark, outcome)
    few = few_faces(benchmark, z, signs)
    return make_report(
        benchmark, outcome, EditBenchmarkResults(describe(benchmark), methods, attributes, few)
    )


def _check_count(count: int) -> None:
    if count < FEWEST_FACES:
        raise UsageError(f"--count must be at least {FEWEST_FACES} faces an attribute; got {count}.")


def check_strengths(texts: Sequence[float | str]) -> list[Strength]:
    """Strengths of one unit, each above the one before. Raises UsageError for others."""
    found = [strength for strength in map(parse, texts) if strength]
    values = [strength.value for strength in found]
    one_unit = len({strength.unit for strength in found}) == 1
    rising = len(found) == len(texts) and values == sorted(set(values))
    if not one_unit or not rising or values[0] <= 0:
        raise UsageError(
            "--strengths are rising numbers above 0, all in one unit, such as 1,2,3 or 0.5g,1g,1.5g; got "
            f"{', '.join(map(str, texts))}."
        )
    return found


def choose_attributes(names: Sequence[str], scorer: AttributeClassifier, faces: FaceSet) -> tuple[str, ...]:
    """The named attributes, by default those of ATTRIBUTES that the scorer and the set have. Raises
    UsageError for others, or for fewer than two."""
    known = [name for name in scorer.names if name in faces.attribute_names]
    default = [name for name in ATTRIBUTES if name in known]
    chosen = check_names(names or default, known, "The scorer or the set lacks")
    if len(chosen) < FEWEST_ATTRIBUTES:
        raise UsageError(
            f"An edit benchmark needs at least {FEWEST_ATTRIBUTES} attributes that both the scorer and "
            f"{faces.place} have; here are {len(chosen)}. Label the set first: facespace label"
        )
    return chosen


def _directions(
    session: EvaluationSession, names: Sequence[str], z: np.ndarray, signs: np.ndarray
) -> dict[str, Directions]:
    """The directions of each method, from latents (N, D) and signs (N, A) of the set's attributes."""
    found: dict[str, Directions] = {}
    for method in ("mean", "probe", DECORRELATED):
        found[method] = fit_directions(z, signs, session.faces.attribute_names, names, method)
    return found


def summarize(benchmark: EditBenchmark, outcome: EditOutcome) -> dict[str, MethodResults]:
    """The results of each method over all attributes."""
    plain = outcome.curves_of(PLAIN, benchmark.names)
    return {method: summary(outcome.curves_of(method, benchmark.names), plain) for method in METHODS}


def by_attribute(benchmark: EditBenchmark, outcome: EditOutcome) -> dict[str, AttributeResults]:
    """The results of each attribute by all methods."""
    held_out = benchmark.scorer.card.get("held_out", {}).get("attributes", {})
    results: dict[str, AttributeResults] = {}
    for place, name in enumerate(benchmark.names):
        curves = {method: outcome.curves[method, name] for method in METHODS}
        scores = held_out.get(name, {})
        results[name] = AttributeResults(
            faces=len(benchmark.rows(name)),
            present_before=float((benchmark.probabilities[:, place] >= DETECTED).mean()),
            scorer=ScorerFigures(*map(scores.get, ScorerFigures._fields)),
            curves=curves,
            at_rate={method: at_rate(curve, RATE) for method, curve in curves.items()},
        )
    return results


def few_faces(benchmark: EditBenchmark, z: np.ndarray, signs: np.ndarray) -> FewFacesResults:
    """Directions from 10 + 10 faces against those from all faces, over random draws. `z` (N, D) are the
    latents of the training split, `signs` (N, A) its attributes."""
    results: dict[str, dict[str, tuple[float, float]]] = {}
    with progress(len(benchmark.names), f"{PAIRS} + {PAIRS} faces", "attributes") as advance:
        for name in benchmark.names:
            results[name] = _few_faces_of(benchmark, name, z, signs)
            advance(1)
    return FewFacesResults(DRAWS, (PAIRS, PAIRS), STRENGTH, results)


def _few_faces_of(
    benchmark: EditBenchmark, name: str, z: np.ndarray, signs: np.ndarray
) -> dict[str, tuple[float, float]]:
    rows = benchmark.rows(name)
    if not len(rows):
        return {}
    whole, session = benchmark.directions["mean"], benchmark.session
    encoded, unit = session.encoded.mean, whole.units[whole.index(name)]
    column = [list(session.faces.attribute_names).index(name)]
    signs, truth = signs[:, column], session.faces.attribute_signs(session.split)[:, column]
    values: dict[str, list[float]] = {"cosine": [], "auc": [], "success_rate": []}
    for draw in range(DRAWS):
        pairs = draw_shots(signs[:, 0], PAIRS, benchmark.seed + draw)
        few = fit_direction_table(z, signs, [name], "mean", whole.whitening, pairs)
        faces = session.space.decode(move(encoded[rows], few, {name: STRENGTH}))
        detected = benchmark.scorer.probabilities(faces)[:, benchmark.scorer.names.index(name)] >= DETECTED
        values["cosine"].append(float(few.units[0] @ unit))
        values["auc"].append(auc(few, encoded, truth)[name] or np.nan)
        values["success_rate"].append(float(detected.mean()))
    return {key: (float(np.mean(part)), float(np.std(part))) for key, part in values.items()}


def describe(benchmark: EditBenchmark) -> EditProtocol:
    """Everything that is needed to reproduce the results."""
    card = benchmark.scorer.card
    return EditProtocol(
        **vars(benchmark.session.protocol()),
        edited=(
            f"at most {benchmark.count} an attribute, evenly spaced, in whose reconstruction the scorer does "
            "not see it"
        ),
        directions="found in the split train",
        scorer=ScorerProtocol(
            fingerprint=card["fingerprint"],
            trained=f"on real faces of {card.get('data', {}).get('source')}, none of them edited here",
            held_out=card.get("held_out", {}).get("mean"),
        ),
        guide=GuideProtocol(BEST, benchmark.guide.fingerprint),
        against="the reconstruction of each face",
        identity=benchmark.identity.about,
        distance=distance_text(benchmark.distance),
        strengths=[strength.value for strength in benchmark.strengths],
        strength_unit=UNITS[benchmark.strengths[0].unit],
        margins=list(benchmark.margins),
        success_rate=RATE,
        identity_level=ALIKE,
        seed=benchmark.seed,
    )


def make_report(benchmark: EditBenchmark, outcome: EditOutcome, results: EditBenchmarkResults) -> Report:
    """The report of a benchmark."""
    document = as_document(results)
    protocol = document.pop("protocol")
    return Report(
        LAYOUT,
        title=f"Editing {title_of(benchmark.session.space.folder)}",
        protocol=protocol,
        results=document,
        sections=sections.sections(benchmark, outcome, results),
        tables={TABLE: sections.table(results)},
        headlines=sections.headlines(results),
        protocol_text=sections.PROTOCOL_TEXT,
    )
