"""What a latent space is like, by one command: maps, single latents, walks along them, what they go with and whether faces
lie where the prior draws, as pictures, tables and one page to read. Trains nothing and ranks nothing."""

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from facespace.core.console import note
from facespace.core.errors import UsageError, check_seed, suggest
from facespace.core.files import build_folder, check_target, holds_only, write_json
from facespace.data.faces import FaceSet, evenly_spaced
from facespace.evaluation import analysis_charts, analysis_sections, disentanglement
from facespace.evaluation.session import EvaluationSession
from facespace.latent import structure
from facespace.latent.maps import Map, components, draw_maps
from facespace.latent.structure import latent_structure
from facespace.models.priors import FittedNormal
from facespace.report.table_export import FORMS, LatentTable, check_form
from facespace.space.face_space import FaceSpace
from facespace.space.traversal import influence

FIGURES, PAGE, LATENTS, EMBEDDINGS = "analysis.json", "index.html", "latents.csv", "embeddings"
MAPPED = 3_000  # faces on a map; more would hide each other, and t-SNE's time grows faster than their number
MOVED = 8  # faces in which the influence of a latent is measured
COLOURED = 12  # attributes that maps are coloured by unless they are named
TABLED = 20  # latents, or else components, in the table of correlations
OURS = (
    FIGURES,
    PAGE,
    LATENTS,
    *(f"{EMBEDDINGS}{ending}" for ending in FORMS.values()),
    *analysis_charts.FILES,
)


@dataclass
class Analysis:
    """One analysis: what was encoded, and all that is found in it, each once and when it is first asked for."""

    subject: EvaluationSession
    chosen: list[str]  # the attributes that the maps are coloured by; empty: those that are best told apart
    seed: int

    @cached_property
    def table(self) -> LatentTable:
        """The faces' posterior means and what is known of them."""
        faces, rows = self.subject.faces, self.subject.rows
        texts = (column[rows] for column in (faces.ids, faces.splits, faces.identities))
        return LatentTable(self.subject.encoded.mean, faces.attributes[rows], faces.attribute_names, *texts)

    @cached_property
    def deviation(self) -> np.ndarray:
        """Standard deviation of each latent's posterior means, (D,)."""
        return self.table.z.std(0, ddof=1, dtype=np.float64)

    @cached_property
    def components(self) -> PCA:
        """The principal components of the posterior means."""
        return components(self.table.z)

    @cached_property
    def latents(self) -> list[dict[str, Any]]:
        """A row of facts for each latent, the most influential first."""
        z, seen = self.table.z, self.subject.encoded
        moved = influence(
            self.subject.space, z[evenly_spaced(np.arange(len(z)), MOVED)], np.diag(self.deviation)
        )
        return structure.rows_of(z, seen.kl, moved, self.table.names, self.table.all_signs, self.threshold)

    @cached_property
    def threshold(self) -> float:
        """The variance above which a latent counts as used."""
        return structure.active_above(self.table.z, self.subject.encoded.variance is not None)

    @cached_property
    def attributes(self) -> dict[str, dict[str, Any]]:
        """Name -> how many faces have it, and how well a straight cut tells them apart."""
        found = structure.separable(self.table.z, self.table.all_signs, self.table.groups)
        return dict(zip(self.table.names, found))

    @cached_property
    def coloured(self) -> list[str]:
        """The attributes on the maps."""
        return self.chosen or structure.most_telling(
            self.table.names, list(self.attributes.values()), COLOURED
        )

    @cached_property
    def mapped(self) -> np.ndarray:
        """Which faces of the table are on the maps."""
        return evenly_spaced(np.arange(len(self.table.z)), MAPPED)

    @cached_property
    def maps(self) -> tuple[list[Map], list[str]]:
        """The maps, and a sentence for each that could not be made."""
        note("Drawing maps; t-SNE takes longest.")
        return draw_maps(self.table.z[self.mapped], self.seed)

    @cached_property
    def samples(self) -> np.ndarray:
        """One sample of each face's posterior, (N, D): together they are draws of the aggregate posterior."""
        seen = self.subject.encoded
        if seen.variance is None:
            return seen.mean.astype(np.float64)
        noise = np.random.default_rng(self.seed).standard_normal(seen.mean.shape)
        return seen.mean + np.sqrt(seen.variance) * noise

    @cached_property
    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (D,) and covariance (D, D) of the Gaussian that the space draws new faces from."""
        prior, size = self.subject.space.model.prior, self.samples.shape[1]
        if isinstance(prior, FittedNormal):
            return prior.center.double().cpu().numpy(), prior.covariance.double().cpu().numpy()
        return np.zeros(size), np.eye(size)

    @cached_property
    def whitened(self) -> np.ndarray:
        """The samples in the prior's deviations, (N, K)."""
        return structure.whiten(self.samples, *self.prior)

    @cached_property
    def correlations(self) -> dict[str, Any]:
        """Of latents, or the first components where latents are many, with attributes, and of attributes with each other."""
        z, signs, names = self.table.z, self.table.all_signs, self.table.names
        few = z.shape[1] <= TABLED
        axes = z if few else self.components.transform(z.astype(np.float64))[:, :TABLED]
        (r, n), (among, both) = structure.correlate(axes, signs), structure.correlate(signs, signs)
        rows = [f"z {place}" if few else f"component {place + 1}" for place in range(axes.shape[1])]
        chance = structure.by_chance(len(z), r.size)
        return {"rows": rows, "names": names, "r": r, "n": n, "among": among, "both": both, "chance": chance}


def analyze(
    space: FaceSpace | Path | str | None,
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    split: str = "test",
    count: int = 2_000,
    attributes: Sequence[str] = (),
    seed: int = 0,
    table: str = "csv",
    force: bool = False,
) -> dict[str, Any]:
    """Looks into a space with at most `count` faces of a split and writes the folder `to`: index.html to read, the pictures
    on it, latents.csv, embeddings.csv (or .parquet, by `table`) and analysis.json, whose facts it returns, with `text`.

    `attributes` colour the maps: none for the twelve that are best told apart, ("all",) for all. Attributes are not told to
    a space that can be told them. Raises UsageError for unknown attributes, a folder with other files (or with an analysis,
    without `force`) or another crop, BundleError and FaceSetError."""
    start, to = time.perf_counter(), Path(to)
    check_target(to, "an analysis", holds_only(*OURS), force)
    check_seed(seed)
    ending = check_form(table)
    subject = EvaluationSession(space, data, split, count)
    analysis = Analysis(subject, check_attributes(attributes, subject.faces), seed)
    facts = gather(analysis)
    with build_folder(to) as beside:
        shown = analysis_charts.draw(analysis, beside)
        analysis.table.save(beside / f"{EMBEDDINGS}{ending}")
        (beside / LATENTS).write_text(as_csv(analysis.latents), encoding="utf-8")
        facts["seconds"] = round(time.perf_counter() - start, 1)
        write_json(beside / FIGURES, facts)
        (beside / PAGE).write_text(analysis_sections.html(analysis, facts, shown), encoding="utf-8")
    return {**facts, "to": str(to), "page": str(to / PAGE), "text": analysis_sections.brief(facts)}


def check_attributes(wanted: Sequence[str], faces: FaceSet) -> list[str]:
    """The attributes' names, in the order asked for; UsageError for one that the set does not have."""
    known = faces.attribute_names
    if not wanted:
        return []
    if not known:
        raise UsageError(
            f"{faces.root} knows no attributes, so no map can be coloured. Leave --attributes out."
        )
    if list(wanted) == ["all"]:
        return list(known)
    for name in wanted:
        if name not in known:
            raise UsageError(f"{faces.root} has no attribute {name!r}. {suggest(name, known)}")
    return list(dict.fromkeys(wanted))


def gather(analysis: Analysis) -> dict[str, Any]:
    """All figures, as plain numbers and lists."""
    table, found, prior = analysis.table, analysis.correlations, analysis.subject.space.model.prior
    rows, (made, missing) = analysis.latents, analysis.maps
    shares = np.nan_to_num(analysis.components.explained_variance_ratio_)
    kl, lengths = analysis.subject.encoded.kl, np.linalg.norm(analysis.whitened, axis=1)
    return {
        "protocol": protocol(analysis),
        "latents": {
            "posterior_means": latent_structure(table.z.astype(np.float64)),
            "active_above": analysis.threshold,
            "active": sum(row["active"] for row in rows),
            "dead": sorted(row["latent"] for row in rows if not row["active"]),
            "kl": None if kl is None else float(kl.sum(1, dtype=np.float64).mean()),
            "rows": rows,
        },
        "components": {
            "explained": shares.tolist(),
            **{f"for_{share}_percent": needed(shares, share / 100) for share in (50, 90, 99)},
        },
        "posterior": {
            "prior": prior.origin,
            "dimensions": analysis.whitened.shape[1],
            **latent_structure(analysis.whitened),
            "length_mean": float(lengths.mean()),
            "length_deviation": float(lengths.std(ddof=1)),
        },
        "maps": {one.name: {"faces": len(one.places), "trustworthiness": one.trust} for one in made},
        "maps_missing": missing,
        "coloured_by": analysis.coloured,
        "attributes": analysis.attributes,
        "correlations": {
            "rows": found["rows"],
            "columns": list(table.names),
            "r": numbers(found["r"]),
            "faces": found["n"].tolist(),
            "attributes_r": numbers(found["among"]),
            "attributes_faces": found["both"].tolist(),
            "by_chance": found["chance"],
        },
        "disentanglement": factors_of(analysis),
    }


def needed(shares: np.ndarray, share: float) -> int | None:
    """How many of the shares, in their order, it takes to reach this much of the whole; None where all are 0."""
    total = float(shares.sum())
    return int(np.searchsorted(shares.cumsum(), share * total - 1e-12)) + 1 if total else None


def numbers(table: np.ndarray) -> list[list[float | None]]:
    """Rows of floats, None for NaN, which JSON does not have."""
    return [[None if value != value else value for value in row] for row in table.tolist()]


def factors_of(analysis: Analysis) -> dict[str, Any] | None:
    """How far single latents stand for single factors, where those are known; `why_not` says why that cannot be told."""
    if analysis.subject.faces.card["source"] != "synthetic":
        return None
    table = analysis.table
    try:
        return disentanglement.measure(table.z, table.attributes, table.names, analysis.seed)
    except UsageError as error:
        return {"why_not": str(error)}


def protocol(analysis: Analysis) -> dict[str, Any]:
    """All that somebody needs to get the same figures."""
    subject = analysis.subject
    told = subject.protocol()
    told["space"]["family"] = subject.space.model.config.family
    return {
        **told,
        "latents": "posterior means",
        "attributes_told": False,
        "seed": analysis.seed,
        "influence": f"mean absolute change of a pixel in [0, 1] over {min(MOVED, len(subject.rows))} faces when a latent "
        "grows by one standard deviation",
        "auc": "ridge regression on all latents, 5 folds, no person in two of them",
    }


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of facts as CSV with a head; None is an empty cell."""
    text = io.StringIO()
    lines = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    lines.writeheader()
    lines.writerows(rows)
    return text.getvalue()
