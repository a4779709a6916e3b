"""The pictures of an analysis. The faces on them are decoded by the space; no photograph of the set is
shown."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from facespace.evaluation.analysis import Analysis
from facespace.image import grids
from facespace.latent import maps, structure
from facespace.latent.maps import METHODS, Map
from facespace.latent.structure import LatentRow
from facespace.report import charts, latent_charts
from facespace.report.page import png
from facespace.report.tables import plain_name, signed
from facespace.space.traversal import STEPS, decode_traversal, traverse

LATENTS, TRAVERSALS, COMPONENTS = "latents.png", "traversals.png", "components.png"
CORRELATIONS, POSTERIOR = "correlations.png", "posterior.png"
MAPS = tuple(f"map-{name}.png" for name in METHODS)
FACES = tuple(f"faces-{name}.png" for name in METHODS)
FILES = (LATENTS, TRAVERSALS, COMPONENTS, CORRELATIONS, POSTERIOR, *MAPS, *FACES)

TRAVERSED = 12  # latents, and components, that are traversed
ENDS = 4  # of the most and of the least influential latents, compared with the prior
INSPECTED = 400  # histograms on one picture
WITH_NAMES = 40  # attributes in the table of correlations

Pictures = dict[str, bytes | Image.Image]  # file name -> PNG, or an image grid


def draw(analysis: Analysis) -> Pictures:
    """All pictures by file name."""
    pictures: Pictures = {}
    for one in analysis.maps[0]:
        pictures[f"map-{one.name}.png"] = png(coloured(analysis, one), colours=256)
        pictures[f"faces-{one.name}.png"] = thumbnails(analysis, one)
    pictures[LATENTS] = png(histograms(analysis))
    pictures[TRAVERSALS] = png(traversals(analysis))
    if np.any(analysis.components.variances > 0):
        pictures[COMPONENTS] = png(along_components(analysis))
    if analysis.table.names:
        pictures[CORRELATIONS] = png(correlations(analysis))
    pictures[POSTERIOR] = png(posterior(analysis))
    return pictures


def coloured(analysis: Analysis, one: Map) -> Figure:
    """A map, once for each attribute."""
    table = analysis.table
    signs: dict[str, np.ndarray] = {}
    notes: dict[str, str] = {}
    for name in analysis.coloured:
        signs[name] = table.signs(name)[analysis.mapped]
        notes[name] = _counts(signs[name], analysis.attributes[name].auc)
    title = f"{one.title} of {len(one.places):,} faces"
    if one.trustworthiness is not None:
        title += f"; trustworthiness {one.trustworthiness:.2f}"
    if not table.names:
        title += "; no attributes are known"
    elif not signs:
        title += "; no attribute varies"
    return latent_charts.maps(one.places, signs, notes, title, one.axes)


def _counts(signs: np.ndarray, auc: float | None) -> str:
    counts = f"{int((signs > 0).sum()):,} yes, {int((signs < 0).sum()):,} no"
    if auc is None:
        return counts
    return f"{counts}; AUC {auc:.2f}"


def thumbnails(analysis: Analysis, one: Map) -> Image.Image:
    """A map of reconstructions: each cell shows the face whose latent is nearest to the middle of the
    cell."""
    space = analysis.session.space
    _, height, width = space.image_shape
    cells = maps.grid_cells(len(one.places), height, width)
    grid = maps.choose_grid(one.places, cells.rows, cells.columns)
    faces = space.decode(analysis.table.z[analysis.mapped[grid[grid >= 0]]])
    faces = grids.resized(faces, cells.width, cells.height)
    words = f"{one.title}: reconstructions of {len(faces):,} of {len(one.places):,} faces, each at its place"
    return grids.labelled(grids.to_image(maps.draw_grid(grid, faces), cells.scale), [words])


def histograms(analysis: Analysis) -> Figure:
    """The posterior means of each latent."""
    rows, total = analysis.latents[:INSPECTED], len(analysis.latents)
    order: list[int] = []
    dead: list[bool] = []
    for row in rows:
        order.append(row.latent)
        dead.append(not row.active)
    active = sum(row.active for row in analysis.latents)
    first = ""
    if len(rows) < total:
        first = f", the first {len(rows)} of them"
    title = f"Posterior means of {total} latents by influence{first}; {active} active, {total - active} dead"
    labels = list(map("z {}".format, order))
    least = 0.0
    if analysis.variational:
        least = 2.0  # half the axis: on a VAE's scale, dead latents are narrow
    return latent_charts.histograms(analysis.table.z[:, order], labels, np.array(dead), title, least)


def traversals(analysis: Analysis) -> Figure:
    """Traversals of the most influential latents."""
    rows, center = analysis.latents[:TRAVERSED], analysis.table.z.mean(0, dtype=np.float64)
    axes = np.zeros((len(rows), len(center)))
    labels: list[str] = []
    for axis, row in zip(axes, rows):
        axis[row.latent] = analysis.deviation[row.latent]
        labels.append(f"z {row.latent}\ninfluence {row.influence:.3f}{_correlated(analysis, row)}")
    faces = decode_traversal(analysis.session.space, traverse(center, axes))
    title = f"From the mean face along the {len(rows)} most influential latents, in standard deviations"
    return charts.labelled_grid(faces, labels, _step_labels(), title)


def _step_labels() -> list[str]:
    labels = {step: signed(f"{step:+g}") for step in STEPS}
    return list((labels | {0.0: "mean"}).values())


def _correlated(analysis: Analysis, row: LatentRow) -> str:
    """The attribute that a latent correlates with, if that is significant."""
    if row.correlation is None or row.faces is None or row.attribute is None:
        return ""
    tests = len(analysis.latents) * len(analysis.table.names)
    if abs(row.correlation) <= structure.chance_correlation(row.faces, tests):
        return ""
    return signed(f"\n{plain_name(row.attribute)} {row.correlation:+.2f}")


def along_components(analysis: Analysis) -> Figure:
    """Traversals along the first principal components."""
    fitted = analysis.components
    shares, variances = fitted.shares, fitted.variances
    count = min(TRAVERSED, int((shares > 1e-9).sum()))
    axes = fitted.axes[:count] * np.sqrt(variances[:count, None])
    faces = decode_traversal(analysis.session.space, traverse(fitted.mean, axes))
    labels: list[str] = []
    for place in range(count):
        share, so_far = 100 * shares[place], 100 * shares[: place + 1].sum()
        labels.append(f"component {place + 1}\n{share:.1f} % of variance\n{so_far:.1f} % so far")
    title = f"From the mean face along the first {count} principal components, in standard deviations"
    return charts.labelled_grid(faces, labels, _step_labels(), title)


def correlations(analysis: Analysis) -> Figure:
    """Latents or components with attributes, and attributes with each other."""
    found, table = analysis.correlations, analysis.table
    names = list(table.names)
    if len(names) > WITH_NAMES:
        best = analysis.best_separated(WITH_NAMES)
        names = list(filter(best.__contains__, names))
    at = list(map(table.names.index, names))
    known = np.isfinite(table.all_signs).sum(0)[at].tolist()
    labels = list(map(plain_name, names))
    count = f"n = {known[0]:,}"
    if len(set(known)) > 1:
        labels = list(map("{} ({:,})".format, labels, known))
        count = "n in brackets"
    axes = "principal components"
    if found.rows[0].startswith("z"):
        axes = "latents"
    panels = [
        (f"{axes} with attributes, {count}", found.r[:, at], found.rows),
        (f"attributes with each other in this set, {count}", found.attributes_r[np.ix_(at, at)], labels),
    ]
    return charts.tables(panels, labels)


def posterior(analysis: Analysis) -> Figure:
    """The aggregate posterior against the prior."""
    center, covariance = analysis.prior
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    varies = scale > 1e-3 * scale.max()  # the others did not vary in training: there is nothing to compare
    rows = [row for row in analysis.latents if row.active and varies[row.latent]] or analysis.latents
    if len(rows) > 2 * ENDS:
        rows = [*rows[:ENDS], *rows[-ENDS:]]
    latents: dict[str, tuple[np.ndarray, np.ndarray, float, float]] = {}
    for row in rows:
        at = row.latent
        latents[f"z {at}, influence rank {row.rank}"] = (
            analysis.samples[:, at],
            analysis.table.z[:, at],
            float(center[at]),
            float(scale[at]),
        )
    mean = (analysis.samples.mean(0) - center) / scale
    deviation = analysis.samples.std(0, ddof=1) / scale
    norms = np.linalg.norm(analysis.whitened, axis=1)
    prior = analysis.model_prior.origin.partition(" (")[0]
    kinds = "filled"
    if analysis.variational:
        kinds = "samples filled, means dashed"
    title = f"Encoded faces ({kinds}) against {prior} (line)"
    lengths = norms, analysis.whitened.shape[1]
    return latent_charts.against_prior(latents, lengths, (mean[varies], deviation[varies]), title)
