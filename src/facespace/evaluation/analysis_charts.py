"""The pictures of an analysis. Faces on them are the space's own output, never photographs of the set."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from facespace.image import grids
from facespace.latent import maps, structure
from facespace.latent.maps import METHODS, Map
from facespace.report import charts, latent_charts
from facespace.report.page import png
from facespace.space.traversal import STEPS, draw_walk, walk

if TYPE_CHECKING:
    from facespace.evaluation.analyze import Analysis

LATENTS, TRAVERSALS, COMPONENTS = "latents.png", "traversals.png", "components.png"
CORRELATIONS, POSTERIOR = "correlations.png", "posterior.png"
MAPS = tuple(f"map-{name}.png" for name in METHODS)
FACES = tuple(f"faces-{name}.png" for name in METHODS)
FILES = (LATENTS, TRAVERSALS, COMPONENTS, CORRELATIONS, POSTERIOR, *MAPS, *FACES)

WALKED = 12  # latents, and components, that are walked along
ENDS = 4  # of the most and of the least influential latents, held against the prior
INSPECTED = 400  # histograms on one picture
WITH_NAMES = 40  # attributes in the table of correlations
ACROSS = 1_280  # pixels: about the size of a map of faces
PER_CELL = 2.5  # faces for each cell of it, so that most of the cells in its middle are filled

HEADS = [f"{step:+g}".replace("-", "−") if step else "mean" for step in STEPS]

Shown = dict[str, bytes | Image.Image]  # file name -> PNG, or a sheet of faces


def draw(analysis: "Analysis", folder: Path) -> Shown:
    """Makes all pictures in the folder, and returns them by name."""
    shown: Shown = {}
    for one in analysis.maps[0]:
        shown[f"map-{one.name}.png"] = png(coloured(analysis, one), colours=256)
        shown[f"faces-{one.name}.png"] = thumbnails(analysis, one)
    shown[LATENTS] = png(histograms(analysis))
    shown[TRAVERSALS] = png(traversals(analysis))
    if np.any(analysis.components.explained_variance_ > 0):
        shown[COMPONENTS] = png(along_components(analysis))
    if analysis.table.names:
        shown[CORRELATIONS] = png(correlations(analysis))
    shown[POSTERIOR] = png(posterior(analysis))
    for name, picture in shown.items():
        if isinstance(picture, bytes):
            (folder / name).write_bytes(picture)
        else:
            grids.save_still(picture, folder / name)
    return shown


def plain_name(attribute: str) -> str:
    """An attribute's name as a person writes it."""
    return attribute.replace("_", " ")


def coloured(analysis: "Analysis", one: Map) -> Figure:
    """A map, once for each attribute."""
    table, facts = analysis.table, analysis.attributes
    signs = {name: table.signs(name)[analysis.mapped] for name in analysis.coloured}
    notes = {name: _note(signs[name], facts[name]["auc"]) for name in analysis.coloured}
    trust = f"; trustworthiness {one.trust:.2f}" if one.trust is not None else ""
    bare = "" if signs else ("; no attributes are known" if not table.names else "; no attribute varies")
    return latent_charts.maps(
        one.places, signs, notes, f"{one.title} of {len(one.places):,} faces{trust}{bare}", one.axes
    )


def _note(signs: np.ndarray, auc: float | None) -> str:
    counts = f"{int((signs > 0).sum()):,} yes, {int((signs < 0).sum()):,} no"
    return f"{counts}; AUC {auc:.2f}" if auc is not None else counts


def thumbnails(analysis: "Analysis", one: Map) -> Image.Image:
    """A map of what the space draws: in each cell the reconstruction of the face that lies nearest to its middle."""
    space = analysis.subject.space
    _, height, width = space.image_shape
    side = min(height, width)
    fewest = max(4, round((len(one.places) / PER_CELL) ** 0.5))  # rows that can be filled
    shrink = min(1.0, 64 / side)
    scale = 1 if shrink < 1 else max(1, min(4, ACROSS // (fewest * side)))
    cell = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    columns, rows = (max(4, min(fewest, round(ACROSS / (scale * edge)))) for edge in cell)
    grid = maps.pick(one.places, rows, columns)
    faces = space.decode(analysis.table.z[analysis.mapped[grid[grid >= 0]]])
    if shrink < 1:
        small = [grids.to_image(face).resize(cell, Image.Resampling.LANCZOS) for face in faces]
        faces = np.stack([np.asarray(face) for face in small])
    words = f"{one.title}: reconstructions of {len(faces):,} of {len(one.places):,} faces, each where it lies"
    return grids.labelled(grids.to_image(maps.lay(grid, faces), scale), [words])


def histograms(analysis: "Analysis") -> Figure:
    """Each latent's posterior means."""
    rows = analysis.latents[:INSPECTED]
    order, dead = [row["latent"] for row in rows], np.array([not row["active"] for row in rows])
    total, alive = len(analysis.latents), sum(row["active"] for row in analysis.latents)
    first = f", the first {len(rows)} of them" if len(rows) < total else ""
    title = f"Posterior means of {total} latents by influence{first}; {alive} active, {total - alive} dead"
    least = (
        2.0 if analysis.subject.encoded.variance is not None else 0.0
    )  # against a VAE's prior, dead latents look dead
    return latent_charts.histograms(
        analysis.table.z[:, order], [f"z {place}" for place in order], dead, title, least
    )


def traversals(analysis: "Analysis") -> Figure:
    """Walks along the most influential latents."""
    rows, center = analysis.latents[:WALKED], analysis.table.z.mean(0, dtype=np.float64)
    chosen = [row["latent"] for row in rows]
    axes = np.zeros((len(chosen), len(center)))
    axes[np.arange(len(chosen)), chosen] = analysis.deviation[chosen]
    faces = draw_walk(analysis.subject.space, walk(center, axes))
    labels = [
        f"z {row['latent']}\ninfluence {row['influence']:.3f}{_goes_with(analysis, row)}" for row in rows
    ]
    title = f"From the mean face along the {len(rows)} most influential latents, in standard deviations"
    return charts.strips(faces, labels, HEADS, title)


def _goes_with(analysis: "Analysis", row: dict[str, Any]) -> str:
    r = row["correlation"]
    if r is None or abs(r) <= structure.by_chance(
        row["faces"], len(analysis.latents) * len(analysis.table.names)
    ):
        return ""
    return f"\n{plain_name(row['attribute'])} {r:+.2f}".replace("-", "−")


def along_components(analysis: "Analysis") -> Figure:
    """Walks along the first principal components."""
    fitted = analysis.components
    shares = np.asarray(fitted.explained_variance_ratio_)
    count, variances = min(WALKED, int((shares > 1e-9).sum())), np.asarray(fitted.explained_variance_)
    axes = np.asarray(fitted.components_)[:count] * np.sqrt(variances[:count, None])
    faces = draw_walk(analysis.subject.space, walk(fitted.mean_, axes))
    labels = [
        f"component {place + 1}\n{100 * shares[place]:.1f} % of variance\n{100 * shares[: place + 1].sum():.1f} % so far"
        for place in range(count)
    ]
    title = f"From the mean face along the first {count} principal components, in standard deviations"
    return charts.strips(faces, labels, HEADS, title)


def correlations(analysis: "Analysis") -> Figure:
    """Axes with attributes, and attributes with each other."""
    found, names = analysis.correlations, list(analysis.table.names)
    if len(names) > WITH_NAMES:
        best = structure.most_telling(names, list(analysis.attributes.values()), WITH_NAMES)
        names = [name for name in names if name in best]
    at = [analysis.table.names.index(name) for name in names]
    known = np.isfinite(analysis.table.all_signs).sum(0)[at]
    same = len(set(known.tolist())) == 1
    labels = [plain_name(name) + ("" if same else f" ({count:,})") for name, count in zip(names, known)]
    said = f"n = {known[0]:,}" if same else "n in brackets"
    what = "latents" if found["rows"][0].startswith("z") else "principal components"
    panels = [
        (f"{what} with attributes, {said}", found["r"][:, at], found["rows"]),
        (f"attributes with each other in this set, {said}", found["among"][np.ix_(at, at)], labels),
    ]
    return charts.tables(panels, labels)


def posterior(analysis: "Analysis") -> Figure:
    """Where encoded faces lie against where the prior draws."""
    center, covariance = analysis.prior
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    alive = (
        scale > 1e-3 * scale.max()
    )  # the others did not vary in training, so there is nothing to hold them against
    active = [row for row in analysis.latents if row["active"] and alive[row["latent"]]] or analysis.latents
    ends = active if len(active) <= 2 * ENDS else [*active[:ENDS], *active[-ENDS:]]
    latents = {
        f"z {row['latent']}, influence rank {row['rank']}": (
            analysis.samples[:, row["latent"]],
            analysis.table.z[:, row["latent"]],
            float(center[row["latent"]]),
            float(scale[row["latent"]]),
        )
        for row in ends
    }
    mean = (analysis.samples.mean(0) - center) / scale
    spread = analysis.samples.std(0, ddof=1) / scale
    norms = np.linalg.norm(analysis.whitened, axis=1)
    prior = analysis.subject.space.model.prior.origin.partition(" (")[0]
    kinds = "samples filled, means dashed" if analysis.subject.encoded.variance is not None else "filled"
    title = f"Encoded faces ({kinds}) against {prior} (line)"
    return latent_charts.against_prior(
        latents, (norms, analysis.whitened.shape[1]), (mean[alive], spread[alive]), title
    )
