"""Trained spaces side by side on the same faces: reconstruction, sampling and the structure of their latents,
as a table, as JSON and as pictures. Trains nothing and ranks nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facespace.core.cards import Card
from facespace.core.errors import UsageError, check_seed
from facespace.core.version import __version__
from facespace.data.faces import FaceSet, evenly_spaced
from facespace.evaluation.comparison import comparison_table
from facespace.evaluation.comparison_results import ComparisonProtocol, ComparisonResults
from facespace.evaluation.session import SELECTION, EvaluationSession
from facespace.evaluation.space_figures import SHOWN, Measured, identify, measure
from facespace.image import grids
from facespace.latent.structure import ACTIVE
from facespace.models import locations
from facespace.report import latent_charts
from facespace.report.report import Content, Layout, Report
from facespace.report.results import as_document
from facespace.report.tables import plain
from facespace.space.face_space import FaceSpace, load

TABLE, RECONSTRUCTIONS, SAMPLES, LATENTS = "table.md", "reconstructions.png", "samples.png", "latents.png"
LAYOUT = Layout("a comparison", "compare", page=None, others=(TABLE, RECONSTRUCTIONS, SAMPLES, LATENTS))
COLUMNS = 8  # samples in a row of the picture
COMMON = (locations.BEST, locations.LAST, "run")  # folder names that do not identify a run


def compare(
    runs: Sequence[Path | str],
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    split: str = "test",
    count: int = 1_000,
    seed: int = 0,
    force: bool = False,
) -> Card:
    """Measures two or more runs or bundles on at most `count` faces of a split and writes the folder `to`:
    table.md, compare.json, reconstructions.png, samples.png, latents.png. Returns the content of
    compare.json, and the table as `text`.

    Raises UsageError for fewer than two runs, the same one twice, a folder of other files or, without
    `force`, with an older comparison; BundleError for a run without a model; FaceSetError."""
    paths, to = [Path(run) for run in runs], Path(to)
    LAYOUT.check(to, force)
    check_seed(seed)
    spaces = open_all(paths)
    faces = data if isinstance(data, FaceSet) else FaceSet(data)
    measured: list[Measured] = []
    rows = np.arange(0)
    for name, path, space in zip(unique_names(paths), paths, spaces):
        session = EvaluationSession(space, faces, split, count, any_crop=True)
        measured.append(measure(identify(name, path, space, faces), session, seed))
        rows = session.rows  # the same for all spaces
    protocol = describe(faces, split, len(rows), seed)
    results = ComparisonResults(protocol, [space.results for space in measured])
    text = comparison_table(results)
    document = as_document(results)
    report = Report(
        LAYOUT,
        title="",
        protocol=document["protocol"],
        results={"runs": document["runs"]},
        figures=pictures(measured, faces.images[evenly_spaced(rows, SHOWN)]),
        tables={TABLE: text + "\n"},
    )
    report.write(to, force)
    return {**document, "to": str(to), "text": text}


def open_all(paths: Sequence[Path]) -> list[FaceSpace]:
    """The spaces of two or more runs or bundles. Raises UsageError for fewer, or for the same one twice."""
    if len(paths) < 2:
        raise UsageError(f"Name at least two runs to compare; got {len(paths)}.")
    folders: dict[Path, Path] = {}
    for path in paths:
        folder = locations.find(path).resolve()
        if folder in folders:
            raise UsageError(f"{path} is the same model as {folders[folder]}; name two different runs.")
        folders[folder] = path
    return [load(folder).as_prepared() for folder in folders]


def unique_names(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that are unique; a folder name that many runs share gets its
    parent's."""
    parts = [path.resolve().parts for path in paths]
    depths = []
    for part in parts:
        depths.append(1 + (part[-1] in COMMON))
    ends = list(map(_end, parts, depths))
    for _ in range(max(map(len, parts))):
        for place, end in enumerate(ends):
            depths[place] += ends.count(end) > 1
        ends = list(map(_end, parts, depths))
    return ends


def _end(parts: tuple[str, ...], depth: int) -> str:
    return plain("/".join(parts[-depth:]))


def describe(faces: FaceSet, split: str, count: int, seed: int) -> ComparisonProtocol:
    """Everything that is needed to reproduce the figures."""
    card = faces.card
    return ComparisonProtocol(
        set=str(faces.root),
        set_fingerprint=faces.fingerprint,
        source=card["source"],
        size=card["size"],
        channels=card["channels"],
        crop=card["crop"],
        split=split,
        count=count,
        selection=SELECTION,
        seed=seed,
        temperature=1.0,
        active_threshold=ACTIVE,
        conditioned=False,
        facespace=__version__,
    )


def pictures(measured: Sequence[Measured], originals: np.ndarray) -> dict[str, Content]:
    """The pictures by file name."""
    reconstructions = [("Originals", originals)]
    samples: list[tuple[str, np.ndarray]] = []
    covariances: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for one in measured:
        label, results = _label(one), one.results
        reconstructions.append((f"{label}, MSE {results.reconstruction.mse:.5f}", one.again))
        samples.append((f"{label}; samples from {results.sampling.origin}", one.samples))
        covariances[results.name] = np.diag(one.covariance), one.covariance
    return {
        RECONSTRUCTIONS: grids.labelled_rows(reconstructions, SHOWN),
        SAMPLES: grids.labelled_rows(samples, COLUMNS),
        LATENTS: latent_charts.latents(covariances, ACTIVE),
    }


def _label(one: Measured) -> str:
    results, model = one.results, one.results.model
    recipe = results.recipe or "no recipe"
    return f"{results.name}: {recipe}, {model.bottleneck}, {model.image}, {model.latents:,} latents"
