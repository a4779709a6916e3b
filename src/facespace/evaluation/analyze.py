"""The structure of a latent space as a report: maps of faces, single latents, traversals, correlations with
attributes, and how the aggregate posterior agrees with the prior. Trains nothing and ranks nothing."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from facespace.core.attribute_names import check_names
from facespace.core.cards import Card
from facespace.core.errors import UsageError, check_seed
from facespace.data.faces import FaceSet
from facespace.evaluation import analysis_charts, analysis_sections
from facespace.evaluation.analysis import MOVED, Analysis
from facespace.evaluation.analysis_results import (
    AnalysisProtocol,
    AnalysisResults,
    AnalyzedSpace,
    ComponentResults,
    LatentResults,
    MapResults,
    PosteriorResults,
)
from facespace.evaluation.disentanglement import measure_session
from facespace.evaluation.session import EvaluationSession
from facespace.latent.structure import components_for, latent_structure
from facespace.report.report import Layout, Report
from facespace.report.results import as_document
from facespace.report.table_export import FORMATS, check_format, csv_text
from facespace.space.face_space import FaceSpace

LATENTS, EMBEDDINGS = "latents.csv", "embeddings"
TABLES = tuple(f"{EMBEDDINGS}{ending}" for ending in FORMATS.values())
LAYOUT = Layout("an analysis", "analysis", others=(LATENTS, *TABLES, *analysis_charts.FILES))


def analyze(
    space: FaceSpace | Path | str | None,
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    split: str = "test",
    count: int = 2_000,
    attributes: Sequence[str] = (),
    seed: int = 0,
    table_format: str = "csv",
    force: bool = False,
) -> Card:
    """Analyzes a space on at most `count` faces of a split and writes the folder `to`: index.html, its
    pictures, latents.csv, embeddings.csv (or .parquet, by `table_format`) and analysis.json. Returns the
    content of analysis.json, and `text`, a summary.

    `attributes` colour the maps: by default the twelve with the highest AUC, ("all",) for all. A conditional
    space gets no attributes. Raises UsageError for unknown attributes, a folder with other files (or, without
    `force`, with an older analysis) or a set of another crop; BundleError and FaceSetError."""
    start, to = time.perf_counter(), Path(to)
    LAYOUT.check(to, force)
    check_seed(seed)
    ending = check_format(table_format)
    session = EvaluationSession(space, data, split, count)
    analysis = Analysis(session, check_attributes(attributes, session.faces), seed)
    results = gather(analysis)
    pictures = analysis_charts.draw(analysis)
    document = as_document(results)
    protocol = document.pop("protocol")
    seconds = round(time.perf_counter() - start, 1)
    report = Report(
        LAYOUT,
        title=analysis_sections.title(results),
        protocol=protocol,
        results={**document, "seconds": seconds},
        sections=analysis_sections.sections(results, pictures),
        figures=pictures,
        tables={f"{EMBEDDINGS}{ending}": analysis.table.save, LATENTS: csv_text(analysis.latents)},
        headlines=analysis_sections.headlines(results),
        left_out=results.maps_missing,
        protocol_text=analysis_sections.FILES_TEXT,
        seconds=seconds,
    )
    return report.written(to, force)


def check_attributes(names: Sequence[str], faces: FaceSet) -> list[str]:
    """The attributes' names without repetitions, all for ("all",); UsageError for one that the set does not
    have."""
    known = faces.attribute_names
    if not names:
        return []
    if not known:
        raise UsageError(f"{faces.place} has no attributes, so no map can be coloured. Omit --attributes.")
    if list(names) == ["all"]:
        return list(known)
    return list(check_names(names, known, f"{faces.place} has no attribute"))


def gather(analysis: Analysis) -> AnalysisResults:
    """All results of an analysis, as plain numbers and lists."""
    made, missing = analysis.maps
    maps = {one.name: MapResults(len(one.places), one.trustworthiness) for one in made}
    return AnalysisResults(
        protocol=protocol(analysis),
        latents=_latents(analysis),
        components=_components(analysis),
        posterior=_posterior(analysis),
        health=analysis.health,
        maps=maps,
        maps_missing=missing,
        coloured_by=analysis.coloured,
        attributes=analysis.attributes,
        correlations=analysis.correlations,
        disentanglement=measure_session(analysis.session, analysis.seed),
    )


def _latents(analysis: Analysis) -> LatentResults:
    rows, kl = analysis.latents, analysis.encoded.kl
    return LatentResults(
        posterior_means=latent_structure(analysis.table.z.astype(np.float64)),
        active_threshold=analysis.threshold,
        active=sum(row.active for row in rows),
        dead=sorted(row.latent for row in rows if not row.active),
        kl=None if kl is None else float(kl.sum(1, dtype=np.float64).mean()),
        rows=rows,
    )


def _components(analysis: Analysis) -> ComponentResults:
    shares = np.nan_to_num(analysis.components.shares)
    return ComponentResults(
        explained=shares.tolist(),
        for_50_percent=components_for(shares, 0.5),
        for_90_percent=components_for(shares, 0.9),
        for_99_percent=components_for(shares, 0.99),
    )


def _posterior(analysis: Analysis) -> PosteriorResults:
    whitened = analysis.whitened
    lengths = np.linalg.norm(whitened, axis=1)
    return PosteriorResults(
        **vars(latent_structure(whitened)),
        prior=analysis.model_prior.origin,
        dimensions=whitened.shape[1],
        length_mean=float(lengths.mean()),
        length_deviation=float(lengths.std(ddof=1)),
    )


def protocol(analysis: Analysis) -> AnalysisProtocol:
    """Everything that is needed to reproduce the figures."""
    session = analysis.session
    shared = session.protocol()
    space = AnalyzedSpace(**vars(shared.space), family=session.space.model.config.family)
    return AnalysisProtocol(
        **vars(replace(shared, space=space)),
        latents="posterior means",
        conditioned=False,
        seed=analysis.seed,
        influence=(
            f"mean absolute change of a pixel in [0, 1] over {min(MOVED, len(session.rows))} faces when a "
            "latent grows by one standard deviation"
        ),
        auc="ridge regression on all latents, 5 folds, no person in two of them",
    )
