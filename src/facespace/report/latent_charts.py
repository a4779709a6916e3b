"""Figures of latents from arrays: variances and correlations, maps of faces, histograms, and the comparison
with a prior."""

import math
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from facespace.report.charts import INK, hide_spines

# Marks of faces with, without and of unknown attribute, distinct by shape and weight as well as by colour.
MARKS = {
    "yes": {"marker": "^", "color": INK[1], "linewidths": 0, "alpha": 0.85},
    "no": {"marker": "o", "facecolors": "none", "edgecolors": INK[0], "linewidths": 0.6, "alpha": 0.6},
    "unknown": {"marker": ".", "color": "#888888", "linewidths": 0, "alpha": 0.5},
}
BINS = 32  # of a small histogram
BAR, FRINGE = 0.62, 0.06  # height of its highest bar, and its margins, as shares of its cell


def latents(spaces: Mapping[str, tuple[np.ndarray, np.ndarray]], threshold: float) -> Figure:
    """A column for each named space of (D,) variances and a (D, D) covariance: the variances in falling order
    with a line at `threshold`, and below them the absolute correlations in the same order."""
    figure = Figure(figsize=(0.6 + 3.5 * len(spaces), 7.0), layout="constrained")
    places = figure.subplots(2, len(spaces), squeeze=False)
    tables = []
    for variance, covariance in spaces.values():
        tables.append(_correlations(covariance, np.argsort(-variance)))
    darkest = max(0.1, *(float(np.nanmax(table, initial=0.0)) for table in tables))
    shades = matplotlib.colormaps["Greys"].with_extremes(bad="white")
    for column, (name, (variance, _)) in enumerate(spaces.items()):
        above, below = places[:, column]
        _variances(above, name, variance, threshold)
        last = len(variance) + 0.5
        edges = (0.5, last, last, 0.5)
        below.imshow(tables[column], cmap=shades, vmin=0, vmax=darkest, extent=edges, interpolation="nearest")
        below.set(xlabel="latent, by variance")
    every = np.concatenate([variance for variance, _ in spaces.values()])
    low, high = max(float(every.min()), 1e-6), float(every.max())
    for place in places[0]:
        place.set_ylim(min(low, threshold) / 2, max(high, threshold) * 2)
    places[0, 0].set_ylabel("variance of the posterior mean")
    places[1, 0].set_ylabel("latent, by variance")
    figure.colorbar(places[1, 0].images[0], ax=list(places[1]), label="|correlation| (diagonal left white)")
    return figure


def _variances(panel: Axes, name: str, variance: np.ndarray, threshold: float) -> None:
    """The variances (D,) of a space in falling order, with a line at the threshold."""
    falling = np.sort(variance)[::-1].clip(min=1e-6)  # a logarithmic axis has no zero
    ranks = np.arange(1, len(falling) + 1)
    panel.plot(ranks, falling, color=INK[0], linewidth=1.8, marker="o", markersize=2.5)
    panel.axhline(threshold, color="black", linestyle="--", linewidth=1)
    inside = panel.get_yaxis_transform()  # x as a share of the panel, y in data
    panel.text(0.02, threshold, f"active above {threshold:g}", transform=inside, va="bottom", size=9)
    panel.set_title("\n".join(textwrap.wrap(name, 30)), parse_math=False)
    panel.set(yscale="log", xlabel="latent, by variance")
    panel.grid(alpha=0.25)
    hide_spines(panel, "top", "right")


def _correlations(covariance: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(D, D) absolute correlations in that order; NaN on the diagonal and for a latent that never varies."""
    deviation = np.sqrt(np.diag(covariance))
    product = np.outer(deviation, deviation)
    table = np.full(covariance.shape, np.nan)
    np.divide(np.abs(covariance), product, out=table, where=product > 0)
    np.fill_diagonal(table, np.nan)
    return table[np.ix_(order, order)]


def maps(
    places: np.ndarray,
    signs: Mapping[str, np.ndarray],
    notes: Mapping[str, str],
    title: str,
    axes: tuple[str, str],
) -> Figure:
    """Faces at (N, 2) places, one panel for each attribute's signs (N,): +1 yes, −1 no, NaN unknown, with a
    note under its name; a single panel of unmarked faces without attributes. Empty `axes` are directions
    without a meaning, which get no numbers."""
    shown = signs or {"": np.full(len(places), np.nan)}
    count = len(shown)
    columns = min(4, count)
    rows = math.ceil(count / columns)
    side, enlarge = (6.4, 2) if count == 1 else (3.4, 1)
    figure = Figure(figsize=(side * columns, (side + 0.25) * rows + 0.9), layout="constrained")
    _head(figure, title)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    size = float(np.clip(9_000 / len(places), 5, 30)) * enlarge
    for panel, (name, sign) in zip(panels, shown.items()):
        _scatter(panel, places, sign, size)
        lines = filter(None, [name.replace("_", " "), notes.get(name)])
        panel.set_title("\n".join(lines), size=10, parse_math=False)
        panel.set(xlabel=axes[0], ylabel=axes[1])
        panel.set_aspect("equal", "datalim")
        if not any(axes):
            panel.set(xticks=[], yticks=[])
    for panel in panels[count:]:
        panel.set_axis_off()
    if signs:
        _legend(figure, np.stack(list(signs.values())))
    return figure


def _legend(figure: Figure, signs: np.ndarray) -> None:
    """The marks that occur among signs (A, N)."""
    handles = []
    for name, found in _kinds(signs).items():
        if found.any():
            handles.append(_handle(name))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)


def _kinds(signs: np.ndarray) -> dict[str, np.ndarray]:
    """Where signs are yes, no and unknown."""
    return {"yes": signs > 0, "no": signs < 0, "unknown": ~(np.abs(signs) > 0)}


def _scatter(panel: Axes, places: np.ndarray, sign: np.ndarray, size: float) -> None:
    """Unknown faces at the bottom, the kind with fewest faces on top."""
    kinds = _kinds(sign)
    order = ["unknown", "yes", "no"]
    if kinds["no"].sum() > kinds["yes"].sum():
        order = ["unknown", "no", "yes"]
    for layer, kind in enumerate(order):
        x, y = places[kinds[kind]].T
        panel.scatter(x, y, s=size, zorder=2 + layer, **MARKS[kind])


def _handle(kind: str) -> Line2D:
    mark = MARKS[kind]
    return Line2D(
        [],
        [],
        linestyle="",
        label=kind,
        marker=mark["marker"],
        markerfacecolor=mark.get("facecolors", mark.get("color")),
        markeredgecolor=mark.get("edgecolors", mark.get("color")),
    )


def histograms(
    z: np.ndarray, labels: Sequence[str], dead: np.ndarray, title: str, least: float = 0.0
) -> Figure:
    """A small histogram for each column of (N, D), in rows of up to 16, over a common x axis, which reaches
    `least` on both sides, and each scaled to its own highest bar. The `dead` (D,) ones are crossed out and
    gray."""
    count = z.shape[1]
    columns = min(16, count, max(8, math.ceil(math.sqrt(count))))
    rows = math.ceil(count / columns)
    low, high = _reach(z, least)
    edges = np.linspace(low, high, BINS + 1)
    figure = Figure(figsize=(1.0 + 0.85 * columns, 0.9 + 0.72 * rows), layout="constrained")
    panel = figure.subplots()
    live_shapes: list[np.ndarray] = []
    dead_shapes: list[np.ndarray] = []
    zero = FRINGE + (1 - 2 * FRINGE) * (0 - low) / (high - low)
    for place, label in enumerate(labels):
        row, column = divmod(place, columns)
        shapes, mark = (dead_shapes, " ×") if dead[place] else (live_shapes, "")
        shapes.append(_outline(z[:, place], edges) + np.array([column, -row]))
        panel.plot([column + zero] * 2, [-row, -row + BAR], color="black", linewidth=0.4, alpha=0.5)
        x, y = column + 0.5, -row + BAR + 0.04
        panel.text(x, y, f"{label}{mark}", size=7, ha="center", va="bottom", color="black", parse_math=False)
    panel.add_collection(PolyCollection(live_shapes, facecolors=INK[0], linewidths=0))
    panel.add_collection(PolyCollection(dead_shapes, facecolors="#999999", linewidths=0))
    panel.hlines(-np.arange(rows), 0, columns, color="#999999", linewidth=0.5)
    panel.set(xlim=(0, columns), ylim=(-rows + 0.9, 1.0))
    panel.set_axis_off()
    scale = f"Each from {low:.3g} to {high:.3g}; the thin line is 0; × is a dead latent".replace("-", "−")
    _head(figure, f"{title}\n{scale}")
    return figure


def _outline(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The outline of a histogram in the unit square, (2 · (bins + 1), 2)."""
    bars = np.histogram(values, edges)[0]
    x = np.repeat(np.linspace(FRINGE, 1 - FRINGE, len(edges)), 2)
    y = np.concatenate([[0], np.repeat(bars, 2), [0]]) / max(1, bars.max()) * BAR
    return np.stack([x, y], 1)


def _head(figure: Figure, title: str) -> None:
    """A title, wrapped to the width of the figure."""
    lines: list[str] = []
    for line in title.split("\n"):
        lines += textwrap.wrap(line, round(12.5 * figure.get_figwidth()))
    figure.suptitle("\n".join(lines), size=10, parse_math=False)


def _reach(z: np.ndarray, least: float) -> tuple[float, float]:
    """A range that holds nearly all numbers, 0, and `least` on both sides."""
    low, high = np.percentile(z, (0.1, 99.9)).tolist()
    low, high = min(low, -least), max(high, least)
    return (low, high) if high > low else (-1.0, 1.0)


def against_prior(
    latents: Mapping[str, tuple[np.ndarray, np.ndarray, float, float]],
    norms: tuple[np.ndarray, int],
    deviations: tuple[np.ndarray, np.ndarray],
    title: str,
) -> Figure:
    """Encoded faces against draws from a Gaussian prior: for each named latent (samples, posterior means, the
    prior's mean and its deviation); the `norms` (N,) of whitened samples against the chi distribution with so
    many degrees of freedom; each latent's mean and deviation (D,) in units of the prior's deviations."""
    count = math.ceil(len(latents) / 2)
    figure = Figure(figsize=(2.6 * (count + 1.5), 6.2), layout="constrained")
    _head(figure, title)
    places = figure.subplots(2, count + 1, squeeze=False, width_ratios=[*[1.0] * count, 1.5])
    panels = places[:, :count].ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, (name, (samples, means, center, deviation)) in zip(panels, latents.items()):
        panel.set_axis_on()
        _density(panel, samples, means, center, deviation)
        panel.set_title(name, size=9, parse_math=False)
        panel.set(yticks=[])
        hide_spines(panel, "top", "right", "left")
    _norms(places[0, -1], *norms)
    _moments(places[1, -1], *deviations)
    return figure


def _density(panel: Axes, samples: np.ndarray, means: np.ndarray, center: float, deviation: float) -> None:
    """Histograms of a latent's samples and means under the prior's density."""
    x = center + deviation * np.linspace(-4, 4, 200)
    low, high = min(x[0], float(samples.min())), max(x[-1], float(samples.max()))
    edges = np.linspace(low, high, 41)
    panel.hist(samples, edges, density=True, color=INK[4], alpha=0.75)
    if np.ptp(means) > 0 and not np.array_equal(means, samples):
        panel.hist(means, edges, density=True, histtype="step", color=INK[1], linewidth=1.2, ls="--")
    bell = np.exp(-0.5 * ((x - center) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
    panel.plot(x, bell, color="black", linewidth=1.4)
    highest = float(np.histogram(samples, edges, density=True)[0].max())
    peak = float(bell.max())
    panel.set_ylim(0, min(max(1.3 * peak, 1.1 * highest), 4 * peak))


def _norms(panel: Axes, norms: np.ndarray, freedom: int) -> None:
    """The lengths of latents against the density of the chi distribution, whose centre is near √D."""
    typical = math.sqrt(freedom)
    x = np.linspace(max(0.01, typical - 4), max(typical + 4, float(np.percentile(norms, 99.5))), 400)
    logs = (freedom - 1) * np.log(x) - x**2 / 2 - (freedom / 2 - 1) * math.log(2) - math.lgamma(freedom / 2)
    density = np.exp(logs)
    edges = np.linspace(min(x[0], float(norms.min())), x[-1], 41)
    panel.hist(norms, edges, density=True, color=INK[4], alpha=0.75)
    panel.plot(x, density, color="black", linewidth=1.4)
    panel.set_title(f"length, against chi with {freedom} degrees of freedom", size=9)
    panel.set(xlabel="length in the prior's deviations", yticks=[])
    hide_spines(panel, "top", "right", "left")


def _moments(panel: Axes, mean: np.ndarray, deviation: np.ndarray) -> None:
    """Each latent's mean and deviation; they are 0 and 1 if the prior fits."""
    order = np.argsort(-deviation)
    x = np.arange(1, len(order) + 1)
    panel.scatter(
        x,
        deviation[order],
        marker="^",
        facecolors=INK[1],
        edgecolors=INK[1],
        label="deviation",
        s=14,
        linewidths=0.7,
    )
    panel.scatter(
        x, mean[order], marker="o", facecolors="none", edgecolors=INK[0], label="mean", s=14, linewidths=0.7
    )
    for level in (0, 1):
        panel.axhline(level, color="black", linewidth=0.8, linestyle="--")
    panel.set_title("each latent, in the prior's deviations", size=9)
    panel.set(xlabel="latent, by deviation")
    panel.legend(frameon=False, fontsize=8)
    hide_spines(panel, "top", "right")
