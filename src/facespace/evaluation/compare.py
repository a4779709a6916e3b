"""Trained spaces side by side on the same faces: reconstruction, sampling and the structure of their latents,
as a table, as JSON and as pictures. Trains nothing and ranks nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facespace.core.cards import Card
from facespace.core.errors import UsageError, check_seed
from facespace.core.version import __version__
from facespace.data.faces import FaceSet, evenly_spaced
from facespace.evaluation.session import SELECTION, EvaluationSession
from facespace.evaluation.space_figures import SHOWN, Measured, identify, measure
from facespace.image import grids
from facespace.latent.structure import ACTIVE
from facespace.models import locations
from facespace.report import latent_charts
from facespace.report.comparison import comparison_table
from facespace.report.comparison_results import ComparisonProtocol, ComparisonResults
from facespace.report.report import Content, Layout, Report
from facespace.report.results import as_document
from facespace.report.tables import plain
from facespace.space.face_space import FaceSpace, load

TABLE, RECONSTRUCTIONS, SAMPLES, LATENTS = "table.md", "reconstructions.png", "samples.png", "latents.png"
TABLES = (TABLE, "table.csv", "table.tex")  # the last two of a comparison of named metrics
LAYOUT = Layout("a comparison", "compare", page=None, others=(*TABLES, RECONSTRUCTIONS, SAMPLES, LATENTS))
COLUMNS = 8  # samples in a row of the picture
COMMON = (locations.BEST, locations.LAST, "run")  # folder names that do not identify a run


def compare(
    runs: Sequence[FaceSpace | Path | str],
    data: FaceSet | Path | str,
    to: Path | str | None,
    *,
    split: str = "test",
    count: int | None = 1_000,
    seed: int = 0,
    prior: str | None = None,
    force: bool = False,
) -> Card:
    """Measures two or more runs or bundles on at most `count` faces of a split and writes the folder `to`:
    table.md, compare.json, reconstructions.png, samples.png, latents.png, or nothing if `to` is None. Samples
    are from the default prior of each, or from the one named. Returns the content of compare.json, and the
    table as `text`.

    Raises UsageError for fewer than two runs, the same one twice, a folder of other files or, without
    `force`, with an older comparison; BundleError for a run without a model; FaceSetError."""
    if to is not None:
        LAYOUT.check(to, force)
    check_seed(seed)
    spaces, paths = open_all(runs), list(map(path_of, runs))
    faces = data if isinstance(data, FaceSet) else FaceSet(data)
    measured: list[Measured] = []
    rows = np.arange(0)
    for name, path, space in zip(unique_names(paths), paths, spaces):
        session = EvaluationSession(space, faces, split, count, any_crop=True)
        measured.append(measure(identify(name, path, space, faces), session, seed, prior))
        rows = session.rows  # the same for all spaces
    protocol = describe(faces, split, len(rows), seed)
    results = ComparisonResults(protocol, [space.results for space in measured])
    text = comparison_table(results)
    document = as_document(results)
    if to is None:
        return {**document, "text": text}
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


def open_all(spaces: Sequence[FaceSpace | Path | str]) -> list[FaceSpace]:
    """Two or more spaces, runs or bundles, opened. Raises UsageError for fewer, or for the same one twice."""
    if len(spaces) < 2:
        raise UsageError(f"Name at least two runs to compare; got {len(spaces)}.")
    folders: dict[Path, Path] = {}
    for path in map(path_of, spaces):
        folder = locations.find(path).resolve()
        if folder in folders:
            raise UsageError(f"{path} is the same model as {folders[folder]}; name two different runs.")
        folders[folder] = path
    return [opened(space).as_prepared() for space in spaces]


def path_of(space: FaceSpace | Path | str) -> Path:
    """The folder that a space was opened from, or the path itself."""
    return space.folder if isinstance(space, FaceSpace) else Path(space)


def opened(space: FaceSpace | Path | str) -> FaceSpace:
    """The space itself, or the one in that folder."""
    return space if isinstance(space, FaceSpace) else load(space)


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
        set=faces.place,
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
